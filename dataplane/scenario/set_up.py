"""Requests everything that a scenario lists from a control plane, as a client would, before the traffic starts.

Everything is requested in the order of the file (VPT-07, FLT-30). A VPort is created and activated, gets its RSS
parameters, and then its filters, so that no frame reaches it before RSS is on. A refused request does not stop the
others; only requests that would fail because of it are skipped. So all problems are found at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from dataplane.control import ControlPlane, OidRequest
from dataplane.ids import DEFAULT_QUEUE_ID, DEFAULT_VPORT_ID, NdisVersion
from dataplane.ndis.codec import Failure, decode
from dataplane.ndis.oids import Oid
from dataplane.ndis.status import NdisStatus
from dataplane.ndis.structures import EXCHANGES, QueueParameters, VPortParameters
from dataplane.scenario import requests
from dataplane.scenario.findings import Path
from dataplane.scenario.model import Queue, Rss, Scenario, Table, VPort
from dataplane.switch.configuration import AdapterConfiguration

Row = TypeVar("Row", bound=Table)


@dataclass(frozen=True, slots=True)
class RefusedRequest:
    """A request of the scenario that its adapter does not accept."""

    path: Path  # of the table or key in the file that asks for it
    table: Table
    request: OidRequest
    status: NdisStatus
    why: str  # "UPD-19: 5 processors in use, 4 queues"

    @property
    def rule(self) -> str:
        """The rule that the request breaks."""
        return self.why.partition(": ")[0]

    @property
    def text(self) -> str:
        """What is wrong, in words, and how the adapter says so."""
        oid = Oid(self.request.oid).name
        return f"{self.why.partition(': ')[2]}: {oid} fails with {self.status.name}"


@dataclass(frozen=True, slots=True)
class SetUp:
    """An adapter after everything that its scenario lists has been requested."""

    control: ControlPlane
    accepted: tuple[OidRequest, ...]  # in the order they were issued
    refused: tuple[RefusedRequest, ...]


def adapter_configuration(scenario: Scenario) -> AdapterConfiguration:
    """What steering reads before the first event of a loaded scenario."""
    done = set_up(scenario)
    assert not done.refused, "a loaded scenario has been checked"
    return done.control.configuration


def set_up(scenario: Scenario, rows: Mapping[str, Sequence[int]] | None = None) -> SetUp:
    """Initialize the adapter and request everything; raises AdapterRefused (CAP-36).

    `rows` gives the row in the file of each row of an array of tables where some have been left out.
    """
    client = _Client(ControlPlane(requests.specification_of(scenario.adapter)))
    adapter, rows = scenario.adapter, rows or {}
    client.request((), adapter, requests.set_multicast_list(adapter))
    client.request((), adapter, requests.set_packet_filter(adapter))
    match adapter.interface:
        case "switch":
            if client.request(("adapter", "interface"), adapter, requests.create_switch(adapter)):
                for row, vport in _numbered("vport", scenario.vports, rows):
                    _set_up_vport(client, ("vport", row), vport)
        case "vmq":
            if client.request(("adapter", "interface"), adapter, requests.query_filter_types()):
                for row, queue in _numbered("queue", scenario.queues, rows):
                    _set_up_queue(client, ("queue", row), queue)
        case "native-rss" if scenario.native_rss:
            _set_up_rss(client, ("native_rss",), scenario.native_rss, None)
    return SetUp(client.control, tuple(client.accepted), tuple(client.refused))


class _Client:
    """Issues requests and keeps their outcomes."""

    def __init__(self, control: ControlPlane) -> None:
        self.control = control
        self.accepted: list[OidRequest] = []
        self.refused: list[RefusedRequest] = []
        self._output = b""
        self._exhausted: set[str] = set()  # rules about pools: one that is empty is empty for everybody

    @property
    def version(self) -> NdisVersion:
        """Which revisions of the structures are used (CAP-09)."""
        return self.control.specification.ndis_version

    def request(self, path: Path, table: Table, request: OidRequest) -> bool:
        """Issue a request that `table` asks for; whether it was accepted."""
        completion = self.control.request(request)
        if completion.accepted:
            assert not completion.why, f"nothing that is in force is moved, so no move fails: {completion.why}"
            self.accepted.append(request)
            self._output = completion.output or b""
            return True
        refused = RefusedRequest(path, table, request, completion.status, completion.why)
        if refused.rule not in self._exhausted:
            self.refused.append(refused)
        if completion.status is NdisStatus.NDIS_STATUS_FAILURE:
            self._exhausted.add(refused.rule)
        return False

    def assigned_id(self) -> int:
        """The id that the last accepted request, a creation, returned (VPT-07, QUE-02)."""
        structure = EXCHANGES[Oid(self.accepted[-1].oid), self.accepted[-1].kind].result
        assert structure is not None
        value = decode(structure, self._output, output=True)
        assert not isinstance(value, Failure)
        assert isinstance(value, VPortParameters | QueueParameters)
        return value.vport_id if isinstance(value, VPortParameters) else value.queue_id


def _numbered(table: str, items: Sequence[Row], rows: Mapping[str, Sequence[int]]) -> Iterable[tuple[int, Row]]:
    return zip(rows.get(table, range(len(items))), items, strict=True)


def _set_up_vport(client: _Client, path: Path, vport: VPort) -> None:
    ready = True
    if vport.id == DEFAULT_VPORT_ID:
        vport_id = DEFAULT_VPORT_ID
        client.request(path, vport, requests.name_and_affinity(vport, client.version))
        if vport.num_queue_pairs != client.control.state.vports[vport_id].parameters.num_queue_pairs:
            ready = client.request(path, vport, requests.change_queue_pairs(vport, client.version))
    elif client.request(path, vport, requests.create_vport(vport, client.version)):
        vport_id = client.assigned_id()
        client.request(path, vport, requests.activate_vport(vport_id, client.version))
    else:
        return
    if vport.rss and ready:
        _set_up_rss(client, (*path, "rss"), vport.rss, vport_id)
    for i, item in enumerate(vport.filters):
        place = (*path, "filter", i)
        client.request(place, item, requests.set_filter(item, client.version, vport_id=vport_id))


def _set_up_queue(client: _Client, path: Path, queue: Queue) -> None:
    """Filters come before the allocation is complete, so a queue with filters runs from its first moment (QUE-05)."""
    queue_id = DEFAULT_QUEUE_ID
    if queue.id != DEFAULT_QUEUE_ID:
        if not client.request(path, queue, requests.allocate_queue(queue, client.version)):
            return
        queue_id = client.assigned_id()
    for i, item in enumerate(queue.filters):
        place = (*path, "filter", i)
        client.request(place, item, requests.set_filter(item, client.version, queue_id=queue_id))
    if queue_id != DEFAULT_QUEUE_ID:
        client.request(path, queue, requests.complete_allocation(queue_id, client.version))


def _set_up_rss(client: _Client, path: Path, rss: Rss, vport_id: int | None) -> None:
    """RSS of a VPort, or of the adapter (None).

    Generation 2 gives the table its size and moves the entries while RSS is off and nothing is in force (UPD-17), then
    enables; so every state in between is allowed whatever the number of queues (UPD-41).
    """
    version = client.version
    if not client.control.capabilities.rss_generation_2:
        client.request(path, rss, requests.set_rss_parameters(rss, version, vport_id))
        return
    table, default = requests.shortest_table(rss), rss.default_processor
    assert default is not None, "every default is explicit"
    if not client.request(path, rss, requests.set_table_size(len(table), version, vport_id)):
        return
    state = client.control.state
    current = state.native.rss if vport_id is None else state.vports[vport_id].rss
    for request in requests.move_entries(current, table, default, version, vport_id or 0):
        client.request(path, rss, request)
    client.request(path, rss, requests.enable_rss(rss, version, vport_id))
