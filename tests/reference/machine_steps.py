"""Oracle steps for the state machine of the control plane: requests, frames, sends, holds, faults.

Every identifier, address, processor and size comes from a small pool, legal and illegal values mixed, so that requests
often concern the same thing: a VPort, an address, the last free queue pair. A `StepMaker` looks at the reference
adapter, so that most steps have right values (the owner's name, an existing filter, the processor of an entry), and
takes any value now and then. It never decides whether a step is legal, nor what it does.
"""

from __future__ import annotations

from random import Random
from typing import Any, TypeVar

from tests.reference.adapter_spec import rounded_up
from tests.reference.control import ReferenceAdapter
from tests.reference.control_rss import is_rss_v2, restricted
from tests.reference.control_state import Filter, VPort, processor_out, processors_out

Step = dict[str, Any]
T = TypeVar("T")

K1 = "6d5a56da255b0ec24167253d43a38fb0d0ca2bcbae7b30b477cb2da38030f20c6a42b73bbeac01fa"
K2 = "230d443d8c2c6e64d41af344499b2174fd1a9dc1dd767737385166857bdc48a83e5508c163af019d"
M1, M2, M3 = (f"00:15:5d:01:02:0{i}" for i in (1, 2, 3))
GROUP, OTHER_GROUP, BROADCAST = "01:00:5e:01:02:03", "01:00:5e:01:02:04", "ff:ff:ff:ff:ff:ff"
OWN = "00:15:5d:00:00:01"
MACS = (M1, M1, M2, M3, GROUP, OTHER_GROUP, BROADCAST, OWN)

CLIENTS = ("A", "A", "A", "B")
IDS = (0, 1, 1, 2, 2, 3, 5)
FILTER_IDS = (1, 1, 1, 2, 2, 3, 4, 0, 9)
PROCESSORS = (2, 2, 4, 4, 6, 8, 0, 10, 3, "1:0")
GOOD_PROCESSORS = (2, 4, 6, 8)
AFFINITIES: tuple[list[Any], ...] = ([2], [4], [2, 4], [6, 4, 2], [2, 4, 6, 8], [8, 10], [0])
BAD_AFFINITIES: tuple[list[Any], ...] = ([3], [2, 3], [], ["1:0"])
QUEUE_PAIR_COUNTS = (1, 2, 2, 3, 4, 4, 8)
BAD_QUEUE_PAIR_COUNTS = (0, 9, 16)
GOOD_HASHES = (["Toeplitz", "IPV4", "TCP_IPV4"], ["Toeplitz", "IPV4", "TCP_IPV4"], ["Toeplitz", "IPV4"])
HASHES: tuple[list[str], ...] = (
    *GOOD_HASHES,
    ["Toeplitz", "TCP_IPV4", "IPV6", "TCP_IPV6", "IPV6_EX", "TCP_IPV6_EX"],
    ["Toeplitz", "UDP_IPV4", "TCP_IPV4"],
    ["Toeplitz"],
    ["IPV4", "TCP_IPV4"],
    ["Reserved1", "IPV4"],
    [],
)

#: Adapters: the presets, and one variation for each limit or capability that a rule depends on.
_FLAGS = "nic_switch_capabilities"
_RSS_FLAGS = [
    "RSS_ON_PF_VPORTS_SUPPORTED",
    "RSS_PER_PF_VPORT_INDIRECTION_TABLE_SUPPORTED",
    "RSS_PER_PF_VPORT_HASH_FUNCTION_SUPPORTED",
    "RSS_PER_PF_VPORT_HASH_TYPE_SUPPORTED",
    "RSS_PER_PF_VPORT_HASH_KEY_SUPPORTED",
]


def _without(preset: str, *flags: str, **members: Any) -> Step:
    return {"preset": preset, _FLAGS: {_FLAGS: {"remove": list(flags)}, **members}}


_TIGHT = {
    "max_num_vports": 3,
    "max_num_vfs": 1,
    "max_num_queue_pairs": 10,
    "max_num_queue_pairs_per_non_default_vport": 4,
    "max_num_mac_addresses": 3,
    "max_num_rss_capable_non_default_pf_vports": 1,
    "number_of_indirection_table_entries_per_non_default_pf_vport": 8,
}
_ONE_QUEUE_PAIR = {"num_queue_pairs_for_default_vport": 1}  # without RSS on host VPorts (CAP-26)
_RESTRICTED = {"add": ["RSS_PER_PF_VPORT_INDIRECTION_TABLE_SIZE_RESTRICTED"]}
ADAPTERS: dict[str, Step] = {
    "CFG-S": {"preset": "CFG-S"},
    "CFG-R": {"preset": "CFG-R"},
    "CFG-2": {"preset": "CFG-2"},
    "CFG-N": {"preset": "CFG-N"},
    "CFG-Q": {"preset": "CFG-Q"},
    "CFG-Q20": {"preset": "CFG-Q20"},
    "CFG-T": {"preset": "CFG-T", "receive_scale_capabilities": {"number_of_receive_queues": 2}},
    "RSSv2 restricted": {
        "preset": "CFG-2",
        _FLAGS: {_FLAGS: _RESTRICTED, "number_of_indirection_table_entries_per_non_default_pf_vport": 4},
    },
    "tight": {
        "preset": "CFG-S",
        _FLAGS: _TIGHT,
        "switch": {"num_vfs": 1},
        "receive_filter_capabilities": {"max_mac_header_filters": 4},
    },
    "tight RSSv2": {"preset": "CFG-2", _FLAGS: _TIGHT, "switch": {"num_vfs": 1}},
    "shared hash": _without("CFG-S", *_RSS_FLAGS[2:]),
    "shared hash RSSv2": _without("CFG-2", *_RSS_FLAGS[2:]),
    "symmetric": _without("CFG-S", "ASYMMETRIC_QUEUE_PAIRS_FOR_NONDEFAULT_VPORT_SUPPORTED"),
    "no VMMQ": {"preset": "CFG-S", "keywords": {"*RssOnHostVPorts": 0}, "switch": _ONE_QUEUE_PAIR},
    "reserved for VFs": {
        **_without(
            "CFG-S", "SINGLE_VPORT_POOL", "PER_VPORT_INTERRUPT_MODERATION_SUPPORTED", *_RSS_FLAGS, max_num_vports=4
        ),
        "switch": _ONE_QUEUE_PAIR,
    },
    "no VLAN filtering": {"preset": "CFG-Q", "keywords": {"*VMQVlanFiltering": 0}},
    "all tests": {
        "preset": "CFG-S",
        "receive_filter_capabilities": {"supported_filter_tests": {"add": ["MASK_EQUAL", "NOT_EQUAL"]}},
    },
    "few buffers": {"preset": "CFG-S", "receive_buffers": 2},
    "few VMQ buffers": {"preset": "CFG-Q", "receive_buffers": 1, "packet_filter": ["DIRECTED", "BROADCAST"]},
    "two groups": {
        "preset": "CFG-2",
        "rss_processors": [2, 4, 6, "1:0", "1:2"],
        "rss_base_processor": 2,
        "rss_max_processor": "1:2",
    },
}

SOURCE = "00155d000099"


def _ipv4(protocol: int, port: int, fragment: int = 0) -> str:
    transport = f"{port:04x}0050" + ("00000001000000015010ffff00000000" if protocol == 6 else "00080000")
    length = 20 + len(transport) // 2
    return f"08004500{length:04x}1234{fragment:04x}40{protocol:02x}00000a0100010a010002" + transport


PAYLOADS = (
    *(_ipv4(6, port) for port in (1024, 1025, 1026, 1027, 1032, 1033, 1034, 1035)),
    _ipv4(17, 1024),
    _ipv4(6, 1024, fragment=0x2000),
    "0806000108000604000100155d0000990a0100010000000000000a010002",
    "86dd6000000000140640"
    + "20010db8"
    + "00" * 11
    + "10"
    + "20010db8"
    + "00" * 11
    + "20"
    + "03e90050"
    + "0" * 24
    + "5010ffff",
)
TAGS = ("", "", "", "81000000", "8100a000", "8100000a", "8100600a", "81000014", "8100000a81000014", "88a8000a")


class StepMaker:
    """Makes steps for one adapter from one source of random numbers."""

    def __init__(self, chance: Random, adapter: ReferenceAdapter) -> None:
        self.chance = chance
        self.spec = adapter.spec
        self.state = adapter.state

    # --- chance -------------------------------------------------------------------------------------------------------

    def rarely(self, probability: float = 0.05) -> bool:
        """True with that probability."""
        return self.chance.random() < probability

    def one_of(self, *values: T) -> T:
        """One of the values."""
        return self.chance.choice(values)

    def some_of(self, *values: str) -> list[str]:
        """Some of the values in their order, each half of the time."""
        return [value for value in values if self.rarely(0.5)]

    def usually(self, usual: Any, *unusual: Any) -> Any:
        """Nearly always `usual`."""
        return self.chance.choice(unusual) if self.rarely(0.04) else usual

    def oid(self, name: str, members: Step | None, issuer: str | None = None, **more: Any) -> Step:
        """An `oid` step; members that are None are left out."""
        step: Step = {"oid": f"OID_{name}", "issuer": issuer or self.one_of(*CLIENTS)}
        if members is not None:
            step["in"] = present(members)
        return {**step, **present(more)}

    def header(self) -> Step | None:
        """Nearly always None: the oracle assigns the label."""
        if not self.rarely(0.06):
            return None
        return self.one_of({"type": 0x81}, {"revision": 0}, {"revision": 1}, {"size": 3}, {"revision": 9})

    def affinity(self) -> list[Any]:
        """Mostly processors of the RSS set."""
        return self.one_of(*BAD_AFFINITIES) if self.rarely(0.1) else self.one_of(*AFFINITIES)

    def queue_pairs(self) -> int:
        """Mostly within the limits."""
        return self.one_of(*BAD_QUEUE_PAIR_COUNTS) if self.rarely(0.1) else self.one_of(*QUEUE_PAIR_COUNTS)

    # --- what is there ------------------------------------------------------------------------------------------------

    def target_member(self) -> str:
        """The member that names the target of a filter."""
        return "vport_id" if self.state.has_switch else "queue_id"

    def target(self) -> int:
        """A VPort or queue, mostly one that exists."""
        known = list(self.state.vports) if self.state.has_switch else [0, *self.state.queues]
        return self.one_of(*IDS) if self.rarely(0.1) or not known else self.one_of(*known)

    def owner_of(self, target: int) -> str:
        """Mostly the owner of a target."""
        owned: Any = self.state.vports if self.state.has_switch else self.state.queues
        owner = owned[target].owner if target in owned else None
        return self.one_of(*CLIENTS) if owner is None or self.rarely(0.1) else owner

    def a_filter(self) -> Filter | None:
        """A filter that exists, if there is one."""
        return self.one_of(*self.state.filters.values()) if self.state.filters else None

    def vports(self) -> list[VPort]:
        """The PF VPorts, those with RSS several times."""
        known = [vport for vport in self.state.vports.values() if vport.function == "PF" and vport.deleting is None]
        return known + [vport for vport in known if vport.rss.enabled] * 3 + [v for v in known if v.vport_id != 0]

    # --- filters ------------------------------------------------------------------------------------------------------

    def filters(self) -> list[Step]:
        """A filter is set, cleared or moved."""
        what = self.chance.random()
        if what < 0.55:
            return [self.set_filter()]
        if what < 0.8 or not self.state.has_switch:
            return [self.clear_filter()]
        return [self.move_filter()]

    def set_filter(self) -> Step:
        """SET_FILTER, now and then with a buffer that is too short."""
        target, member = self.target(), self.target_member()
        if self.rarely(0.03):
            member = self.one_of("vport_id", "queue_id")
        members = {
            member: target,
            "field_parameters": self.field_tests(),
            "filter_type": self.usually(None, "PacketCoalescing"),
            "requested_filter_id_bit_count": self.usually(None, 4),
            "filter_id": self.usually(None, 5),
            "header": self.header(),
        }
        length = self.usually(None, 44, 103)
        return self.oid("RECEIVE_FILTER_SET_FILTER", members, self.owner_of(target), buffer_length=length)

    def field_tests(self) -> list[Step]:
        """Mostly one MAC test, or a MAC and a VLAN test."""
        mac: Step = {"field_value": self.one_of(*MACS)}
        vlan: Step = {"field_value": self.usually(self.one_of(10, 10, 20), 0, 4095)}
        flagged = {**mac, "flags": ["UNTAGGED_OR_ZERO"]}
        if self.rarely(0.1):
            mac["receive_filter_test"] = self.one_of("NotEqual", "NotEqual", "Equal")
            vlan["flags"] = self.one_of([], ["UNTAGGED_OR_ZERO"])
            flagged["header_field"] = self.one_of("SourceAddress", "DestinationAddress")
        mask = {
            "field_value": self.one_of("ff:ff:ff:00:00:00", "00:00:00:00:00:01"),
            "result_value": self.one_of("00:15:5d:00:00:00", "00:00:00:00:00:01", "00:00:00:00:00:00"),
            "receive_filter_test": "MaskEqual",
        }
        other = {"field_value": self.one_of(*MACS)}
        usual = ([flagged], [flagged], [flagged], [mac], [mac, vlan], [mac, vlan])
        return self.one_of(*usual, *usual, [vlan], [mac, other], [mask], [mask, mac], [vlan, flagged], [])

    def clear_filter(self) -> Step:
        """CLEAR_FILTER, mostly of a filter that is there, by its owner."""
        entry = self.a_filter()
        if entry is None or self.rarely(0.15):
            members = {"filter_id": self.one_of(*FILTER_IDS), "queue_id": self.one_of(*IDS)}
            return self.oid("RECEIVE_FILTER_CLEAR_FILTER", members, buffer_length=self.usually(None, 15))
        return self.clearing(entry)

    def clearing(self, entry: Filter) -> Step:
        """CLEAR_FILTER of this filter as its owner would do it."""
        queue_id = 0 if self.state.has_switch else entry.target
        return self.oid(
            "RECEIVE_FILTER_CLEAR_FILTER", {"filter_id": entry.filter_id, "queue_id": queue_id}, entry.owner
        )

    def move_filter(self) -> Step:
        """MOVE_FILTER, mostly of a filter that is there."""
        entry = self.a_filter()
        members = {
            "filter_id": self.one_of(*FILTER_IDS) if entry is None else entry.filter_id,
            "source_vport_id": self.target() if entry is None or self.rarely() else entry.target,
            "dest_vport_id": self.target(),
            "source_queue_id": self.usually(None, 1),
            "dest_queue_id": self.usually(None, 1),
        }
        return self.oid("RECEIVE_FILTER_MOVE_FILTER", members, None if entry is None or self.rarely() else entry.owner)

    # --- queues -------------------------------------------------------------------------------------------------------

    def queues(self) -> list[Step]:
        """A queue is allocated, changed, completed, or cleared and freed."""
        what = self.chance.random()
        if what < 0.3 or not self.state.queues:
            return [self.allocate_queue()]
        if what < 0.5:
            return [self.complete_allocation()]
        if what < 0.7:
            return [self.change_queue()]
        queue_id = self.target()
        clear = [] if self.rarely(0.4) else [self.clearing(entry) for entry in self.state.filters_of(queue_id)]
        free = self.oid("RECEIVE_FILTER_FREE_QUEUE", {"queue_id": queue_id}, self.owner_of(queue_id))
        return [*clear, {**free, **present({"buffer_length": self.usually(None, 11)})}]

    def allocate_queue(self) -> Step:
        """ALLOCATE_QUEUE."""
        flags: list[str] = self.one_of([], [], ["PER_QUEUE_RECEIVE_INDICATION"])
        members = {
            "flags": self.usually(flags, ["LOOKAHEAD_SPLIT_REQUIRED"], ["NAME_CHANGED"]),
            "processor_affinity": self.affinity(),
            "queue_type": self.usually(None, "Unspecified"),
            "num_suggested_receive_buffers": self.one_of(None, 64),
            "queue_name": self.one_of(None, "q"),
            "header": self.header(),
        }
        return self.oid("RECEIVE_FILTER_ALLOCATE_QUEUE", members)

    def complete_allocation(self) -> Step:
        """QUEUE_ALLOCATION_COMPLETE for some queues, incomplete ones first of all."""
        waiting = [queue.queue_id for queue in self.state.queues.values() if not queue.complete]
        chosen = waiting[: self.one_of(1, 1, 4)] + [self.one_of(*IDS) for _ in range(self.one_of(0, 0, 0, 2))]
        issuer = self.owner_of(chosen[0]) if chosen else None
        elements = [{"queue_id": queue_id} for queue_id in chosen]
        return self.oid("RECEIVE_FILTER_QUEUE_ALLOCATION_COMPLETE", {"elements": elements}, issuer)

    def change_queue(self) -> Step:
        """QUEUE_PARAMETERS, set."""
        queue_id = self.target()
        changed = (
            "FLAGS_CHANGED",
            "PROCESSOR_AFFINITY_CHANGED",
            "SUGGESTED_RECV_BUFFER_NUMBERS_CHANGED",
            "NAME_CHANGED",
        )
        members = {
            "queue_id": queue_id,
            "flags": [*self.some_of("PER_QUEUE_RECEIVE_INDICATION"), *self.some_of(*changed)],
            "processor_affinity": self.affinity(),
            "num_suggested_receive_buffers": self.one_of(None, 128),
            "queue_name": self.one_of(None, "renamed"),
        }
        return self.oid("RECEIVE_FILTER_QUEUE_PARAMETERS", members, self.owner_of(queue_id))

    # --- switch and VPorts --------------------------------------------------------------------------------------------

    def switches(self) -> list[Step]:
        """The switch comes and goes, so do VFs and their VPorts."""
        issuer = self.usually("NDIS", "A")
        create = {
            "num_queue_pairs_for_default_vport": self.one_of(4, 4, 1, 8, 0, 9),
            "switch_id": self.usually(None, 1),
            "switch_type": self.usually(None, "Unspecified"),
            "num_vfs": (self.spec["nic_switch_capabilities"] or {"max_num_vfs": 2})["max_num_vfs"],
            "header": self.header(),
        }
        vf_vport = {
            "attached_function_id": self.one_of(0, 0, 1, 3),
            "vport_state": self.usually("Activated", "Deactivated"),
            "num_queue_pairs": self.one_of(1, 2),
        }
        name = {"flags": self.one_of([], ["SWITCH_NAME_CHANGED"]), "switch_friendly_name": self.one_of("a", "b")}
        if not self.state.has_switch and self.rarely(0.7):
            return [self.oid("NIC_SWITCH_CREATE_SWITCH", create, issuer)]
        if self.rarely(0.25):
            clear = [self.clearing(entry) for entry in self.state.filters.values()]
            gone = [
                self.oid("NIC_SWITCH_DELETE_VPORT", {"vport_id": vport.vport_id}, vport.owner)
                for vport in self.state.vports.values()
                if vport.vport_id != 0
            ]
            first = [*clear, *gone] if self.rarely(0.3) else []
            return [*first, self.oid("NIC_SWITCH_DELETE_SWITCH", {"switch_id": self.usually(0, 1)}, issuer)]
        return [
            self.one_of(
                self.oid("NIC_SWITCH_CREATE_SWITCH", create, issuer),
                self.oid("NIC_SWITCH_PARAMETERS", name),
                self.oid("NIC_SWITCH_ALLOCATE_VF", {}),
                self.oid("NIC_SWITCH_FREE_VF", {"vf_id": self.one_of(0, 1)}),
                self.oid("NIC_SWITCH_CREATE_VPORT", vf_vport),
            )
        ]

    def vport_requests(self) -> list[Step]:
        """A VPort is created, activated, changed, or cleared and deleted."""
        what = self.chance.random()
        if what < 0.25:
            return [self.create_vport()]
        vport_id = self.target()
        if what < 0.45:
            sleeping = [vport.vport_id for vport in self.state.vports.values() if not vport.activated]
            vport_id = self.one_of(*sleeping) if sleeping else vport_id
            state = self.usually("Activated", "Deactivated")
            members = {"vport_id": vport_id, "flags": ["STATE_CHANGED"], "vport_state": state}
            return [self.oid("NIC_SWITCH_VPORT_PARAMETERS", members, self.owner_of(vport_id))]
        if what < 0.85:
            return [self.change_vport()]
        clear = [] if self.rarely(0.4) else [self.clearing(entry) for entry in self.state.filters_of(vport_id)]
        delete = self.oid("NIC_SWITCH_DELETE_VPORT", {"vport_id": vport_id}, self.owner_of(vport_id))
        return [*clear, {**delete, **present({"buffer_length": self.usually(None, 4)})}]

    def create_vport(self) -> Step:
        """CREATE_VPORT on the PF."""
        members = {
            "num_queue_pairs": self.queue_pairs(),
            "processor_affinity": self.affinity(),
            "vport_id": self.usually(None, 1),
            "switch_id": self.usually(None, 1),
            "vport_name": self.one_of(None, "v"),
            "vport_state": self.usually(None, "Activated"),
            "header": self.header(),
        }
        return self.oid("NIC_SWITCH_CREATE_VPORT", members)

    def change_vport(self) -> Step:
        """VPORT_PARAMETERS, set: one change, or several that fail with the same status."""
        vport_id = self.one_of(*self.vports()).vport_id if self.state.has_switch else self.target()
        flags = self.one_of(
            ["NUM_QUEUE_PAIRS_CHANGED"],
            ["NUM_QUEUE_PAIRS_CHANGED"],
            ["PROCESSOR_AFFINITY_CHANGED"],
            ["INT_MOD_CHANGED"],
            self.some_of("NAME_CHANGED", "STATE_CHANGED", "PROCESSOR_AFFINITY_CHANGED"),
        )
        members = {
            "vport_id": vport_id,
            "flags": flags,
            "num_queue_pairs": self.queue_pairs(),
            "processor_affinity": self.affinity(),
            "vport_state": self.usually("Activated", "Deactivated"),
            "vport_name": self.one_of(None, "renamed"),
            "interrupt_moderation": self.one_of("Off", "High"),
            "attached_function_id": self.usually(None, 0),
        }
        return self.oid("NIC_SWITCH_VPORT_PARAMETERS", members, self.owner_of(vport_id))

    # --- RSS ----------------------------------------------------------------------------------------------------------

    def rss(self) -> list[Step]:
        """RSS parameters of either generation, or the receive hash."""
        if self.spec["receive_filter_capabilities"] is None and self.rarely(0.3):
            return [self.receive_hash()]
        wrong_generation = self.rarely(0.04)
        return [self.rss_v2() if is_rss_v2(self.spec) is not wrong_generation else self.rss_v1()]

    def entity(self) -> tuple[int | None, VPort | None]:
        """The target of an RSS request, and the VPort if there is one."""
        if not self.state.has_switch:
            return self.usually(None, 1), None
        if self.rarely(0.1):
            return self.one_of(*IDS), None
        vport = self.one_of(*self.vports())
        return (None if vport.vport_id == 0 and self.rarely(0.5) else vport.vport_id), vport

    def table(self, vport: VPort | None) -> list[Any]:
        """An indirection table, mostly one that the VPort could have."""
        if self.rarely(0.12):
            size = self.one_of(0, 3, 16, 32, 64, 128, 129)
            return [self.one_of(*PROCESSORS[:4]) for _ in range(size)]
        queues = vport.queue_pairs if vport is not None else 4
        size = rounded_up(queues) if restricted(self.spec) and not self.rarely(0.2) else self.one_of(1, 2, 4, 4, 8)
        distinct = self.chance.sample(
            GOOD_PROCESSORS, min(len(GOOD_PROCESSORS), max(1, queues + self.one_of(-1, -1, 0, 1)))
        )
        table: list[Any] = [self.one_of(*distinct) for _ in range(size)]
        if self.rarely(0.06):
            table[-1] = self.one_of(3, "1:0")
        half = size // 2
        return table[:half] * 2 if half and self.rarely(0.4) else table

    def rss_v1(self) -> Step:
        """RECEIVE_SCALE_PARAMETERS, set."""
        target, vport = self.entity()
        name = "GEN_RECEIVE_SCALE_PARAMETERS"
        if self.rarely(0.1):
            members: Step = {"flags": ["DISABLE_RSS"], "hash_secret_key": "0102", "indirection_table_size": 7}
            return self.oid(name, members, vport_id=target)
        table = self.table(vport)
        members = {
            "hash_information": self.one_of(*HASHES) if self.rarely(0.2) else self.one_of(*GOOD_HASHES),
            "hash_secret_key": self.usually(self.one_of(K1, K1, K2), "", "0102"),
            "indirection_table": table,
            "default_processor_number": self.one_of(*PROCESSORS) if self.rarely(0.1) or not table else table[0],
            "indirection_table_size": self.usually(None, 7, 0, 600),
        }
        if self.rarely(0.1):
            members["header"] = self.one_of({"type": 0x80}, {"revision": 0}, {"revision": 1}, {"revision": 2})
            if members["header"] == {"revision": 1}:  # one byte per entry cannot name another group
                members["indirection_table"] = [3 if at == "1:0" else at for at in table]
        if self.rarely(0.4):
            parts = ("HASH_INFO", "ITABLE", "HASH_KEY", "DEFAULT_PROCESSOR")
            members["flags"] = self.some_of(*(f"{part}_UNCHANGED" for part in parts))
        return self.oid(name, members, vport_id=target)

    def rss_v2(self) -> Step:
        """RECEIVE_SCALE_PARAMETERS_V2, set."""
        target, vport = self.entity()
        known = vport is not None and vport.rss.key is not None
        changes = ("HASH_INFO_CHANGED", "HASH_KEY_CHANGED", "NUMBER_OF_QUEUES_CHANGED", "NUMBER_OF_ENTRIES_CHANGED")
        some = self.some_of(*changes[2:]) if known and self.rarely(0.7) else self.some_of(*changes)
        if not known and self.rarely(0.7):
            some = [*changes[:2], *self.some_of(*changes[2:])]
        queues = self.queue_pairs()
        entries = self.one_of(1, 2, 2, 4, 4, 8)
        if restricted(self.spec) and vport is not None and self.rarely(0.8):
            entries = rounded_up(queues if "NUMBER_OF_QUEUES_CHANGED" in some else vport.queue_pairs)
        members = {
            "flags": [*([] if self.rarely(0.25) else ["ENABLE_RSS"]), *some],
            "hash_information": self.one_of(*HASHES) if self.rarely(0.2) else self.one_of(*GOOD_HASHES),
            "hash_secret_key": self.usually(self.one_of(K1, K1, K2), "", "0102"),
            "number_of_queues": queues,
            "number_of_indirection_table_entries": self.usually(entries, 16, 3, 0, 64, 128),
            "header": self.header(),
        }
        return self.oid("GEN_RECEIVE_SCALE_PARAMETERS_V2", members, vport_id=target)

    def moves(self) -> list[Step]:
        """Move commands, mostly for parameters that are on the issuing processor."""
        candidates = [vport for vport in self.vports() if vport.activated]
        vport = self.one_of(*candidates) if candidates else None
        here = self.one_of(*PROCESSORS)
        if vport is not None and not self.rarely(0.1):
            here = processor_out(self.one_of(*vport.rss.in_use(), vport.primary))
        commands = [self._command(vport, here) for _ in range(self.one_of(0, 1, 1, 2, 2, 3, 4, 6))]
        request = self.oid(
            "GEN_RSS_SET_INDIRECTION_TABLE_ENTRIES",
            {"rss_entry_table": commands, "header": self.usually(None, {"type": 0x80})},
            processor=here,
            vport_id=self.usually(None, 1),
            sync=self.usually(None, False),
        )
        return [request]

    def _command(self, vport: VPort | None, here: Any) -> Step:
        target = self.one_of(*PROCESSORS) if self.rarely(0.2) else self.one_of(*GOOD_PROCESSORS)
        if vport is None or self.rarely(0.08):
            members = {
                "vport_id": self.one_of(*IDS),
                "switch_id": self.usually(None, 1),
                "indirection_table_index": self.one_of(0, 1, 2, 7, 65535, 65534),
                "flags": self.one_of(None, ["DEFAULT_PROCESSOR"], ["PRIMARY_PROCESSOR", "DEFAULT_PROCESSOR"]),
            }
            return present({**members, "target_processor_number": target})
        rss = vport.rss
        on_it: list[Step] = [
            {"indirection_table_index": i} for i, at in enumerate(processors_out(rss.table)) if at == here
        ]
        if rss.default is not None and processor_out(rss.default) == here:
            on_it += [{"flags": ["DEFAULT_PROCESSOR"]}, {"indirection_table_index": 65535}]
        if processor_out(vport.primary) == here:
            on_it += [{"flags": ["PRIMARY_PROCESSOR"]}, {"indirection_table_index": 65534}]
        parameter = self.one_of(*on_it) if on_it else {"indirection_table_index": 0}
        return {"vport_id": vport.vport_id, **parameter, "target_processor_number": target}

    def receive_hash(self) -> Step:
        """OID_GEN_RECEIVE_HASH, set."""
        hashing = {"flags": ["ENABLE_HASH"], "hash_secret_key": self.one_of(K1, K2)}
        information = self.one_of(["Toeplitz", "IPV4", "TCP_IPV4"], ["Toeplitz", "IPV6"])
        enable: dict[str, Any] = {**hashing, "hash_information": information}
        disable: dict[str, Any] = {"flags": []}
        return self.oid("GEN_RECEIVE_HASH", self.one_of(disable, enable))

    # --- requests that only ask, and strange ones ---------------------------------------------------------------------

    def queries(self) -> list[Step]:
        """A query."""
        target = self.target()
        name = self.target_member()
        by_vport = {"flags": ["VPORT_ID_SPECIFIED"], "vport_id": target}
        where = {
            "flags": self.some_of("ENUM_ON_SPECIFIC_FUNCTION", "ENUM_ON_SPECIFIC_SWITCH"),
            "switch_id": self.usually(0, 1),
            "attached_function_id": self.one_of("PF", 0, 1),
        }
        return [
            self.one_of(
                self.oid("RECEIVE_FILTER_ENUM_QUEUES", None, self.one_of("A", "B", "application")),
                self.oid("NIC_SWITCH_ENUM_SWITCHES", None),
                self.oid("GEN_CURRENT_PACKET_FILTER", None),
                self.oid("802_3_CURRENT_ADDRESS", None),
                self.oid("802_3_MULTICAST_LIST", None),
                self.oid("GEN_RECEIVE_SCALE_PARAMETERS", None, vport_id=target if self.state.has_switch else None),
                self.oid("GEN_RECEIVE_SCALE_PARAMETERS_V2", None, vport_id=target),
                self.oid("RECEIVE_FILTER_PARAMETERS", {"filter_id": self.one_of(*FILTER_IDS)}),
                self.oid("NIC_SWITCH_VPORT_PARAMETERS", {"vport_id": target}, kind="method"),
                self.oid("RECEIVE_FILTER_QUEUE_PARAMETERS", {"queue_id": target}, self.owner_of(target), kind="method"),
                self.oid("NIC_SWITCH_PARAMETERS", {}, kind="method"),
                self.oid("RECEIVE_FILTER_ENUM_FILTERS", by_vport if name == "vport_id" else {"queue_id": target}),
                self.oid("NIC_SWITCH_ENUM_VPORTS", where),
                self.oid("RECEIVE_FILTER_SET_FILTER", None, kind="query"),
                self.oid("NIC_SWITCH_CREATE_VPORT", None, kind="query"),
                self.oid("RECEIVE_FILTER_ENUM_QUEUES", None, kind="method"),
                {"oid": "0x00010299", "kind": "query"},
            )
        ]

    def packet_filters(self) -> list[Step]:
        """The packet filter or the multicast list changes."""
        bits = self.some_of("DIRECTED", "MULTICAST", "ALL_MULTICAST", "BROADCAST")
        addresses = self.one_of([], [GROUP], [GROUP, OTHER_GROUP])
        return [
            self.one_of(
                self.oid("GEN_CURRENT_PACKET_FILTER", {"packet_filter": bits}),
                self.oid("GEN_CURRENT_PACKET_FILTER", {"packet_filter": ["PROMISCUOUS"]}),
                self.oid("802_3_MULTICAST_LIST", {"addresses": addresses}),
            )
        ]

    def out_of_place(self) -> list[Step]:
        """Requests that do not depend on the mode of the adapter."""
        clear = self.oid("RECEIVE_FILTER_CLEAR_FILTER", {"filter_id": 1, "queue_id": 1})
        free = self.oid("RECEIVE_FILTER_FREE_QUEUE", {"queue_id": 1})
        delete = self.oid("NIC_SWITCH_DELETE_VPORT", {"vport_id": 1})
        enumerate_vports = self.oid("NIC_SWITCH_ENUM_VPORTS", {})
        return [
            self.one_of(
                self.create_vport(), self.allocate_queue(), self.move_filter(), clear, free, delete, enumerate_vports
            ),
            *self.one_of(self.moves(), [self.rss_v1()], [self.rss_v2()]),
        ]

    # --- traffic ------------------------------------------------------------------------------------------------------

    def frame_bytes(self) -> str:
        """A frame, mostly to an address and with a tag that some filter names."""
        entry = self.a_filter()
        destination, tag = self.one_of(*MACS), self.one_of(*TAGS)
        if entry is not None and not self.rarely(0.3):
            for test in entry.tests:
                if test["header_field"] == "VlanId" and not self.rarely(0.2):
                    tag = f"8100{self.one_of(0, 3) << 13 | test['field_value']:04x}"
                elif isinstance(test["field_value"], str):
                    destination = test["field_value"]
        return destination.replace(":", "") + SOURCE + tag + self.one_of(*PAYLOADS)

    def frame(self) -> Step:
        """A frame; now and then one that is cut, or whose bytes were not all captured."""
        frame = self.frame_bytes()
        step: Step = {"frame": frame, "keep": self.rarely(0.3)}
        if self.rarely(0.06):
            cut = self.chance.randrange(len(frame) // 2)
            step["frame"] = frame[: 2 * cut]
            step["wire_length"] = self.one_of(cut, len(frame) // 2)
        return step

    def frames(self) -> list[Step]:
        """Some frames arrive."""
        return [self.frame() for _ in range(self.one_of(1, 1, 2, 4))]

    def sends(self) -> list[Step]:
        """One send call with up to three NBLs."""
        count = self.one_of(1, 1, 2, 3)
        nbls = [self._nbl() for _ in range(count)]
        return [{"send": nbls[0] if count == 1 else nbls}]

    def _nbl(self) -> Step:
        frames = [self.frame_bytes() for _ in range(self.one_of(1, 1, 1, 2))]
        members = {
            "data": frames[0] if len(frames) == 1 else frames,
            self.target_member(): self.target(),
            "hash_info": self.one_of(None, "0x201", "0x201", "0x101", "0x200", "0x1"),
            "hash_value": self.one_of(None, "0x0", "0x1", "0x2", "0xfffffffe", "0xff"),
            "ieee8021q": self.one_of(None, None, None, "0x2a3", "0xa0", "0x5"),
            "keep": self.rarely(0.1),
        }
        return present(members)

    # --- holds, faults and the rest -----------------------------------------------------------------------------------

    def dpcs(self) -> list[Step]:
        """DPCs are held, run or released; more often released."""
        which: Any = "all"
        if self.rarely(0.5):
            which = self.chance.sample((2, 4, 6, 8, 0, 10), self.one_of(1, 2))
        if not self.state.hold_all and not self.state.held:
            return [{"hold_dpc": which}]
        return [{self.one_of("hold_dpc", "run_dpc", "run_dpc", "release_dpc", "release_dpc"): which}]

    def transmit_hardware(self) -> list[Step]:
        """The transmit hardware is held or released."""
        return [{"release_tx": True} if self.state.hold_tx else {"hold_tx": True}]

    def returns(self) -> list[Step]:
        """A client returns some of the NBLs it kept."""
        labels = sorted(self.state.outstanding)
        chosen = self.chance.sample(labels, self.chance.randint(1, len(labels)))
        return [{"return": chosen, "flags": self.one_of([], [], ["SINGLE_QUEUE"])}]

    def fault(self) -> list[Step]:
        """Make the next request of a kind fail; mostly that request follows at once."""
        likely = {
            "OID_NIC_SWITCH_CREATE_VPORT": self.create_vport(),
            "OID_NIC_SWITCH_VPORT_PARAMETERS": self.change_vport(),
            "OID_RECEIVE_FILTER_ALLOCATE_QUEUE": self.allocate_queue(),
            "OID_RECEIVE_FILTER_SET_FILTER": self.set_filter(),
            "OID_RECEIVE_FILTER_CLEAR_FILTER": self.clear_filter(),
            "OID_RECEIVE_FILTER_MOVE_FILTER": self.move_filter(),
            "OID_GEN_RECEIVE_SCALE_PARAMETERS": self.rss_v1(),
            "OID_GEN_RECEIVE_SCALE_PARAMETERS_V2": self.rss_v2(),
        }
        oid = self.one_of(*likely)
        if any(fault["fail"] == oid for fault in self.state.faults):
            return [likely[oid]]
        fault = {"fail": oid, "when": self.one_of("start", "end")}
        return [{"fault": fault}] if self.rarely(0.1) else [{"fault": fault}, likely[oid]]

    def interruption(self) -> list[Step]:
        """The adapter pauses or is reset, other steps follow, and it runs again; rarely it is removed permanently."""
        begin, end = self.one_of(("pause", "restart"), ("reset_begin", "reset_end"), ("reset_begin", "reset_end"))
        queue_id, entry = self.target(), self.a_filter()
        meanwhile = [
            self.frame(),
            *self.sends(),
            *self.vport_requests()[:1],
            self.oid("RECEIVE_FILTER_FREE_QUEUE", {"queue_id": queue_id}, self.owner_of(queue_id)),
            self.oid("NIC_SWITCH_DELETE_SWITCH", {"switch_id": 0}, "NDIS"),
        ]
        if self.rarely(0.03):
            clear = [self.clearing(entry)] if entry is not None else []
            return [{"fault": "surprise_removal"}, self.frame(), *self.sends(), *clear]
        return [{"fault": begin}, *self.chance.sample(meanwhile, 2), {"fault": end}]


def present(members: Step) -> Step:
    """Without the members that are None."""
    return {name: value for name, value in members.items() if value is not None}
