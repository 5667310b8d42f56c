"""A control plane with the clients of a host around it: requests in JSON form, answers decoded.

`Host("CFG-S").oid("OID_...", vport_id=1, issuer="B", **members)`; `members` are those of the request's structure.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Container
from dataclasses import dataclass
from typing import Any

from dataplane.control import Completion, ControlPlane, OidRequest
from dataplane.ids import ProcessorNumber
from dataplane.ndis.oids import Oid, RequestKind
from dataplane.ndis.status import NdisStatus
from dataplane.oracle.oid_step import parse_oid_step, render_completion
from dataplane.oracle.specification import parse_adapter

K1 = "6d5a56da255b0ec24167253d43a38fb0d0ca2bcbae7b30b477cb2da38030f20c6a42b73bbeac01fa"
K2 = "230d443d8c2c6e64d41af344499b2174fd1a9dc1dd767737385166857bdc48a83e5508c163af019d"
M1, M2, M3, M4 = (f"00:15:5d:01:02:{last:02x}" for last in range(1, 5))
FLAG = ["UNTAGGED_OR_ZERO"]

SUCCESS = NdisStatus.NDIS_STATUS_SUCCESS
PENDING = NdisStatus.NDIS_STATUS_PENDING
INVALID_PARAMETER = NdisStatus.NDIS_STATUS_INVALID_PARAMETER
INVALID_LENGTH = NdisStatus.NDIS_STATUS_INVALID_LENGTH
INVALID_DATA = NdisStatus.NDIS_STATUS_INVALID_DATA
INVALID_PORT = NdisStatus.NDIS_STATUS_INVALID_PORT
INVALID_PORT_STATE = NdisStatus.NDIS_STATUS_INVALID_PORT_STATE
NOT_SUPPORTED = NdisStatus.NDIS_STATUS_NOT_SUPPORTED
NOT_ACCEPTED = NdisStatus.NDIS_STATUS_NOT_ACCEPTED
FAILURE = NdisStatus.NDIS_STATUS_FAILURE
FILE_NOT_FOUND = NdisStatus.NDIS_STATUS_FILE_NOT_FOUND
NO_QUEUES = NdisStatus.NDIS_STATUS_NO_QUEUES
RESOURCES = NdisStatus.NDIS_STATUS_RESOURCES
ABORTED = NdisStatus.NDIS_STATUS_REQUEST_ABORTED


def processor(number: int) -> ProcessorNumber:
    """A processor of group 0."""
    return ProcessorNumber(0, number)


def processors(*numbers: int) -> tuple[ProcessorNumber, ...]:
    """Processors of group 0."""
    return tuple(processor(number) for number in numbers)


@dataclass(frozen=True, slots=True)
class Answer:
    """A completion with its output in JSON form; it is equal to its status."""

    completion: Completion
    out: dict[str, Any] | None

    def __eq__(self, other: object) -> bool:
        if isinstance(other, NdisStatus):
            return self.completion.status is other
        return NotImplemented

    def __hash__(self) -> int:
        return hash(self.completion)

    def __getitem__(self, member: str) -> Any:
        assert self.out is not None, self.completion
        return self.out[member]

    @property
    def why(self) -> str:
        """The reason of a refusal."""
        return self.completion.why

    @property
    def reached_miniport(self) -> bool:
        """Whether the miniport saw it."""
        return self.completion.reached_miniport


class Host:
    """Passes requests to a control plane."""

    def __init__(self, preset: str, **overrides: Any) -> None:
        self.control = ControlPlane(parse_adapter({"preset": preset, **overrides}))

    def oid(
        self,
        name: str,
        *,
        kind: str | None = None,
        issuer: str | None = None,
        outstanding: Container[int] = (),
        request: dict[str, Any] | None = None,
        step: dict[str, Any] | None = None,
        **members: Any,
    ) -> Answer:
        """Issue a request; `request` are members of the OID request itself (vport_id, processor, ...)."""
        line: dict[str, Any] = {"oid": name, **(request or {}), **(step or {})}
        if members or kind == "method":
            line["in"] = members
        if kind is not None:
            line["kind"] = kind
        if issuer is not None:
            line["issuer"] = issuer
        parsed = parse_oid_step(line, name, self.control.capabilities.ndis_version)
        completion = self.control.request(parsed.request, outstanding)
        return Answer(completion, render_completion(parsed, completion)["out"])

    def raw(self, oid: Oid, kind: RequestKind, buffer: bytes, **request: Any) -> Completion:
        """Issue a request with a buffer byte for byte."""
        return self.control.request(OidRequest(oid, kind, "A", buffer, **request))

    # Switch and VPorts

    def vport(
        self, affinity: list[int], queue_pairs: int = 1, *, active: bool = True, issuer: str = "A", **members: Any
    ) -> int:
        """Create a VPort, activate it, and return its id."""
        members = {"processor_affinity": affinity, "num_queue_pairs": queue_pairs, **members}
        answer = self.create_vport(issuer=issuer, **members)
        assert answer == SUCCESS, answer
        if active:
            assert (
                self.change_vport(answer["vport_id"], "STATE_CHANGED", issuer=issuer, vport_state="Activated")
                == SUCCESS
            )
        vport_id: int = answer["vport_id"]
        return vport_id

    def create_vport(self, issuer: str = "A", **members: Any) -> Answer:
        """CREATE_VPORT."""
        return self.oid("OID_NIC_SWITCH_CREATE_VPORT", issuer=issuer, **members)

    def change_vport(self, vport_id: int, *flags: str, issuer: str = "A", **members: Any) -> Answer:
        """VPORT_PARAMETERS, set."""
        return self.oid(
            "OID_NIC_SWITCH_VPORT_PARAMETERS",
            kind="set",
            issuer=issuer,
            vport_id=vport_id,
            flags=list(flags),
            **members,
        )

    def read_vport(self, vport_id: int, issuer: str = "A") -> Answer:
        """VPORT_PARAMETERS, method."""
        return self.oid("OID_NIC_SWITCH_VPORT_PARAMETERS", kind="method", issuer=issuer, vport_id=vport_id)

    def delete_vport(self, vport_id: int, issuer: str = "A", outstanding: Container[int] = ()) -> Answer:
        """DELETE_VPORT."""
        return self.oid("OID_NIC_SWITCH_DELETE_VPORT", issuer=issuer, outstanding=outstanding, vport_id=vport_id)

    def create_switch(self, issuer: str = "NDIS", **members: Any) -> Answer:
        """CREATE_SWITCH."""
        members = {"num_vfs": 2, "num_queue_pairs_for_default_vport": 4, **members}
        return self.oid("OID_NIC_SWITCH_CREATE_SWITCH", issuer=issuer, **members)

    def delete_switch(self, switch_id: int = 0, issuer: str = "NDIS") -> Answer:
        """DELETE_SWITCH."""
        return self.oid("OID_NIC_SWITCH_DELETE_SWITCH", issuer=issuer, switch_id=switch_id)

    # Queues and filters

    def queue(self, affinity: list[int], issuer: str = "A", **members: Any) -> int:
        """Allocate a queue and return its id."""
        answer = self.allocate(issuer=issuer, processor_affinity=affinity, **members)
        assert answer == SUCCESS, answer
        queue_id: int = answer["queue_id"]
        return queue_id

    def allocate(self, issuer: str = "A", **members: Any) -> Answer:
        """ALLOCATE_QUEUE."""
        return self.oid("OID_RECEIVE_FILTER_ALLOCATE_QUEUE", issuer=issuer, **members)

    def complete(self, *queue_ids: int, issuer: str = "A") -> list[str]:
        """QUEUE_ALLOCATION_COMPLETE: the status of each element, without the common prefix."""
        elements = [{"queue_id": queue_id} for queue_id in queue_ids]
        answer = self.oid("OID_RECEIVE_FILTER_QUEUE_ALLOCATION_COMPLETE", issuer=issuer, elements=elements)
        assert answer == SUCCESS, answer
        return [element["completion_status"].removeprefix("NDIS_STATUS_") for element in answer["elements"]]

    def change_queue(self, queue_id: int, *flags: str, issuer: str = "A", **members: Any) -> Answer:
        """QUEUE_PARAMETERS, set."""
        return self.oid(
            "OID_RECEIVE_FILTER_QUEUE_PARAMETERS",
            kind="set",
            issuer=issuer,
            queue_id=queue_id,
            flags=list(flags),
            **members,
        )

    def free(self, queue_id: int, issuer: str = "A", outstanding: Container[int] = ()) -> Answer:
        """FREE_QUEUE."""
        return self.oid("OID_RECEIVE_FILTER_FREE_QUEUE", issuer=issuer, outstanding=outstanding, queue_id=queue_id)

    def queue_state(self, queue_id: int) -> str:
        """The documented name of the state of a queue."""
        return self.control.state.queues[queue_id].state.value

    def filter(self, *tests: Any, issuer: str = "A", flag: bool = True, **members: Any) -> Answer:
        """SET_FILTER: `tests` are MAC addresses, VLAN ids or whole elements; `flag` goes to the first of them."""
        fields = [dict(test) if isinstance(test, dict) else {"field_value": test} for test in tests]
        if flag and fields and not any(isinstance(test, int) for test in tests) and "flags" not in fields[0]:
            fields[0]["flags"] = FLAG
        return self.oid("OID_RECEIVE_FILTER_SET_FILTER", issuer=issuer, field_parameters=fields, **members)

    def clear(self, filter_id: int, queue_id: int = 0, issuer: str = "A") -> Answer:
        """CLEAR_FILTER."""
        return self.oid("OID_RECEIVE_FILTER_CLEAR_FILTER", issuer=issuer, filter_id=filter_id, queue_id=queue_id)

    def move(self, filter_id: int, source: int, destination: int, issuer: str = "A", **members: Any) -> Answer:
        """MOVE_FILTER."""
        return self.oid(
            "OID_RECEIVE_FILTER_MOVE_FILTER",
            issuer=issuer,
            filter_id=filter_id,
            source_vport_id=source,
            dest_vport_id=destination,
            **members,
        )

    def filters_on(self, *, queue: int | None = None, vport: int | None = None) -> list[int]:
        """ENUM_FILTERS: the ids."""
        where = {"flags": ["VPORT_ID_SPECIFIED"], "vport_id": vport} if vport is not None else {"queue_id": queue}
        answer = self.oid("OID_RECEIVE_FILTER_ENUM_FILTERS", **where)
        assert answer == SUCCESS, answer
        return [element["filter_id"] for element in answer["elements"]]

    # RSS

    def rss(self, vport_id: int | None, table: list[int] | None = None, default: int = 2, **members: Any) -> Answer:
        """RSS parameters, generation 1, aimed at a VPort (None: no VPort flag)."""
        given: dict[str, Any] = {
            "hash_information": ["Toeplitz", "IPV4", "TCP_IPV4"],
            "hash_secret_key": K1,
            "default_processor_number": default,
        }
        if table is not None:
            given["indirection_table"] = table
        given |= members
        request = {} if vport_id is None else {"vport_id": vport_id}
        return self.oid("OID_GEN_RECEIVE_SCALE_PARAMETERS", request=request, **given)

    def rss2(self, vport_id: int | None, *flags: str, **members: Any) -> Answer:
        """RSS parameters, generation 2."""
        request = {} if vport_id is None else {"vport_id": vport_id}
        return self.oid("OID_GEN_RECEIVE_SCALE_PARAMETERS_V2", request=request, flags=list(flags), **members)

    def enable2(self, vport_id: int | None, entries: int = 4, **members: Any) -> Answer:
        """Enable RSSv2 with K1 and that many entries."""
        return self.rss2(
            vport_id,
            "ENABLE_RSS",
            "HASH_INFO_CHANGED",
            "HASH_KEY_CHANGED",
            "NUMBER_OF_ENTRIES_CHANGED",
            **{
                "hash_information": ["Toeplitz", "IPV4", "TCP_IPV4"],
                "hash_secret_key": K1,
                "number_of_indirection_table_entries": entries,
                **members,
            },
        )

    def move_entries(self, on: int, *commands: dict[str, Any]) -> list[str]:
        """One synchronous move request issued on processor `on`: the status of each command, without the prefix."""
        answer = self.oid(
            "OID_GEN_RSS_SET_INDIRECTION_TABLE_ENTRIES", request={"processor": on}, rss_entry_table=list(commands)
        )
        assert answer == SUCCESS, answer
        return [entry["entry_status"].removeprefix("NDIS_STATUS_") for entry in answer["rss_entry_table"]]

    def table(self, vport_id: int) -> list[int]:
        """The processor numbers of the table of a VPort, in force or tracked."""
        return [one.number for one in self.control.state.vports[vport_id].rss.indirection_table]


def ite(vport_id: int, index: int, target: int, **members: Any) -> dict[str, Any]:
    """A command that moves a table entry."""
    return {"vport_id": vport_id, "indirection_table_index": index, "target_processor_number": target, **members}


def default_move(vport_id: int, target: int) -> dict[str, Any]:
    """A command that moves the default processor."""
    return {"vport_id": vport_id, "flags": ["DEFAULT_PROCESSOR"], "target_processor_number": target}


def primary_move(vport_id: int, target: int) -> dict[str, Any]:
    """A command that moves the primary processor."""
    return {"vport_id": vport_id, "flags": ["PRIMARY_PROCESSOR"], "target_processor_number": target}


def without(preset_flags: str) -> dict[str, Any]:
    """An override that takes one flag out of the switch capabilities."""
    return {"nic_switch_capabilities": {"nic_switch_capabilities": {"remove": [preset_flags]}}}


def unchanged(host: Host) -> object:
    """A value that stays equal as long as nothing changes (MOD-09)."""
    return dataclasses.replace(host.control.state, injected=()), host.control.epoch
