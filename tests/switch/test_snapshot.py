"""Snapshots compiled from the previous snapshot steer like snapshots compiled from scratch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from dataplane.ids import NdisVersion, ProcessorNumber
from dataplane.receive.steering import SteeredFrame, steer_batch, steered_row
from dataplane.receive.work import new_work_columns
from dataplane.switch.compile import compile_snapshot
from dataplane.switch.configuration import (
    AdapterConfiguration,
    FieldTest,
    Filter,
    HashType,
    MacField,
    Mode,
    PacketFilter,
    ReceiveQueue,
    RssState,
    VPort,
)
from dataplane.switch.configuration import Test as Operator
from dataplane.switch.snapshot import SteeringSnapshot
from tests.batches import batch_of

P = tuple(ProcessorNumber(0, n) for n in range(4))
MACS = (0x00155D010201, 0x00155D010202, 0x01005E000001, 0x01005E000002)
TYPES = HashType.TCP_IPV4 | HashType.IPV4

#: A TCP packet to each address, untagged and in VLAN 5, of two flows.
FRAMES = batch_of(
    [
        mac.to_bytes(6, "big") + bytes.fromhex("00155d0000ff") + tag + bytes.fromhex("0800 45000028 00004000 4006 0000")
        + bytes((10, 0, 0, host, 10, 0, 1, 1)) + bytes.fromhex("1234 0050 00000000 00000000 50100000 0000 0000")
        for mac, tag, host in product(MACS, (b"", bytes.fromhex("81000005")), (1, 2))
    ]
)  # fmt: skip

Change = Callable[[AdapterConfiguration], AdapterConfiguration]


def vport(at: int, **members: object) -> Change:
    """Replace members of one VPort; unchanged objects stay the same objects."""

    def change(before: AdapterConfiguration) -> AdapterConfiguration:
        if at >= len(before.vports):
            return before
        vports = list(before.vports)
        vports[at] = replace(vports[at], **members)  # type: ignore[arg-type]
        return replace(before, vports=tuple(vports))

    return change


def rss(at: int, **members: object) -> Change:
    """Replace members of the RSS state of one VPort."""

    def change(before: AdapterConfiguration) -> AdapterConfiguration:
        if at >= len(before.vports):
            return before
        return vport(at, rss=replace(before.vports[at].rss, **members))(before)  # type: ignore[arg-type]

    return change


def members(**given: object) -> Change:
    """Replace members of the configuration."""
    return lambda before: replace(before, **given)  # type: ignore[arg-type]


def toggled_filter(filter_id: int, one: Filter) -> Change:
    """Set a filter, or clear it if it is there."""

    def change(before: AdapterConfiguration) -> AdapterConfiguration:
        others = {known.filter_id: known for known in before.filters if known.filter_id != filter_id}
        if len(others) == len(before.filters):
            others[filter_id] = replace(one, filter_id=filter_id)
        return replace(before, filters=tuple(others[key] for key in sorted(others)))

    return change


def switch(vports: int) -> Change:
    """A switch with a number of VPorts, of which the last one is not activated."""
    state = RssState(True, TYPES, bytes(range(40)), P[:2] * 2, P[3])
    made = tuple(VPort(n, n < vports - 1 or n == 0, P[n % 4], state if n else RssState()) for n in range(vports))
    return members(mode=Mode.SWITCH, vports=made, queues=())


def vmq(queues: int, running: int) -> Change:
    """A number of queues; those from some id on do not run."""
    made = tuple(ReceiveQueue(n, n < running, P[n]) for n in range(1, 1 + queues))
    return members(mode=Mode.VMQ, vports=(), queues=made)


TESTS = (
    *((FieldTest(MacField.DESTINATION_ADDRESS, mac),) for mac in MACS[:2]),
    (FieldTest(MacField.DESTINATION_ADDRESS, MACS[0]), FieldTest(MacField.VLAN_ID, 5)),
    (FieldTest(MacField.DESTINATION_ADDRESS, 0xFF0000000000, Operator.MASK_EQUAL, 0x010000000000),),
)
NATIVE = RssState(True, TYPES, bytes(40), P * 2, P[1])
FILTERS = st.builds(
    toggled_filter,
    st.integers(1, 4),
    st.builds(Filter, st.just(0), st.integers(0, 2), st.sampled_from(TESTS), st.booleans()),
)
#: Of a switch, of queues, of what belongs to neither, and of everything with changes from one mode to another.
OF_VPORTS: st.SearchStrategy[Change] = st.one_of(
    st.builds(vport, st.integers(0, 2), activated=st.booleans()),
    st.builds(vport, st.integers(0, 2), primary_processor=st.sampled_from(P)),
    st.builds(rss, st.integers(0, 2), indirection_table=st.sampled_from([P[:1], P[2:], P, P[::-1]])),
    st.builds(rss, st.integers(1, 2), default_processor=st.sampled_from(P), enabled=st.booleans()),
    st.builds(rss, st.integers(1, 2), hash_secret_key=st.sampled_from([bytes(40), bytes(range(1, 41))])),
    st.builds(rss, st.integers(1, 2), hash_types=st.sampled_from([HashType.IPV4, TYPES])),
    st.builds(switch, st.integers(1, 3)),
    FILTERS,
)
OF_QUEUES = st.one_of(st.builds(vmq, st.integers(1, 2), st.integers(1, 3)), FILTERS)
OF_SETTINGS = st.one_of(
    st.builds(members, packet_filter=st.sampled_from([PacketFilter.DIRECTED, PacketFilter.PROMISCUOUS])),
    st.builds(
        members,
        packet_filter=st.just(PacketFilter.MULTICAST),
        multicast_list=st.sampled_from([(), MACS[2:3], MACS[2:], MACS[3:]]),
    ),
)
EVERYTHING = st.one_of(
    OF_VPORTS,
    OF_QUEUES,
    OF_SETTINGS,
    st.builds(
        lambda native, base, hashing: members(
            mode=Mode.NEUTRAL, vports=(), queues=(), rss_base_processor=base, receive_hash=hashing,
            native_rss=native, native_table_in_use=native.indirection_table,
        ),
        st.sampled_from([RssState(), NATIVE]), st.sampled_from(P), st.sampled_from([RssState(), NATIVE]),
    ),
)  # fmt: skip


def steered(snapshot: SteeringSnapshot) -> list[SteeredFrame]:
    """The rows of the frames: where each one goes, and why."""
    work = new_work_columns(len(FRAMES))
    steer_batch(FRAMES, snapshot, work, transmit_by_source=False)
    return [steered_row(snapshot, work, row) for row in range(len(FRAMES))]


@given(st.sampled_from([OF_VPORTS, OF_QUEUES, OF_SETTINGS, EVERYTHING]).flatmap(lambda one: st.lists(one, max_size=8)))
def test_a_snapshot_does_not_depend_on_the_one_before(changes: list[Change]) -> None:
    """Whatever has changed, and whatever both share: every frame goes where the configuration says (EPO-01)."""
    configuration = AdapterConfiguration(
        mode=Mode.SWITCH,
        ndis_version=NdisVersion(6, 80),
        rss_processors=P,
        rss_base_processor=P[0],
        permanent_address=MACS[0],
        packet_filter=PacketFilter.DIRECTED,
        filters=(Filter(1, 1, TESTS[0]), Filter(2, 2, TESTS[1])),
    )
    configuration = switch(3)(configuration)
    snapshot = compile_snapshot(configuration, 0, P)
    for epoch, change in enumerate(changes, 1):
        configuration = change(configuration)
        snapshot = compile_snapshot(configuration, epoch, before=snapshot)
        assert steered(snapshot) == steered(compile_snapshot(configuration, epoch, P))
