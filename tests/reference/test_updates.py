"""The reference host against updates worked out by hand, and against general properties (EPO, TX-14, ORD-02)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataplane.ids import DEFAULT_PROCESSOR_INDEX, PRIMARY_PROCESSOR_INDEX, NdisVersion, ProcessorNumber
from dataplane.switch.configuration import (
    AdapterConfiguration,
    FieldTest,
    Filter,
    HashType,
    MacField,
    Mode,
    ReceiveQueue,
    RssState,
    VPort,
)
from tests.reference.processor import Item, ProcessorCosts
from tests.reference.processor import simulate as serve
from tests.reference.updates import (
    FrameOutcome,
    HeldFrame,
    Load,
    MovedParameter,
    ReorderedByUpdate,
    Result,
    Update,
    simulate,
)

S, T, U = PROCESSORS = tuple(ProcessorNumber(0, number) for number in range(3))
COSTS = {processor: ProcessorCosts(receive_cost_ns=100, completion_cost_ns=10) for processor in PROCESSORS}


def key(*bits: int) -> bytes:
    """A hash secret key with these bits set, bit 0 being the first."""
    return sum(1 << (319 - bit) for bit in bits).to_bytes(40, "big")


#: The two low bits of the hash are those of the destination address (input bits 62 and 63, HSH-04), if the six bits
#: before them are 0. Bit 94 alone is the last bit of the window of input bit 63; 92 the last but one of that of 62.
BY_DESTINATION = key(92, 94)
BY_SOURCE = key(60, 62)  # the same 32 bits earlier

VM = 0x0015_5D00_0001
MACHINE = 0x0015_5D00_0002
PEER = 0x0015_5D00_0099


def packet(destination: int, source: int = 0, *, to: int = VM, sender: int = PEER) -> bytes:
    """An IPv4 packet between 10.0.0.`source` and 10.0.0.`destination`, without ports."""
    header = (
        bytes.fromhex("4500 0014 0000 0000 40fd 0000 0a0000") + bytes([source]) + b"\x0a\0\0" + bytes([destination])
    )
    return to.to_bytes(6, "big") + sender.to_bytes(6, "big") + b"\x08\x00" + header


def send(destination: int, source: int = 0) -> bytes:
    """Such a packet as the VM sends it."""
    return packet(destination, source, to=PEER, sender=VM)


#: A frame that no hash can be computed for.
NOT_IP = VM.to_bytes(6, "big") + PEER.to_bytes(6, "big") + b"\x88\xb5" + bytes(46)
RUNT = b"\0" * 10


def spread(
    *table: ProcessorNumber, default: ProcessorNumber = S, primary: ProcessorNumber = S, by: bytes = BY_DESTINATION
) -> AdapterConfiguration:
    """The default VPort with RSS on, or off without a table; it owns the VM's address."""
    rss = RssState(True, HashType.IPV4, by, table, default) if table else RssState()
    return AdapterConfiguration(
        mode=Mode.SWITCH,
        ndis_version=NdisVersion(6, 60),
        rss_processors=PROCESSORS,
        rss_base_processor=S,
        permanent_address=0x0015_5D00_00FF,
        filters=(Filter(1, 0, (FieldTest(MacField.DESTINATION_ADDRESS, VM),)),),
        vports=(VPort(0, True, primary, rss),),
    )


def run(
    arrivals: Sequence[tuple[int, bytes]],
    configurations: Sequence[tuple[int | None, AdapterConfiguration]],
    *,
    ordered: bool,
    costs: Mapping[ProcessorNumber, ProcessorCosts] = COSTS,
    transmit_by_source: bool = False,
    loads_at: Sequence[int] = (),
) -> Result:
    """`simulate` with wire lengths as captured."""
    return simulate(
        [(at, frame, len(frame)) for at, frame in arrivals],
        configurations,
        costs,
        ordered=ordered,
        transmit_by_source=transmit_by_source,
        loads_at=loads_at,
    )


def spans(result: Result) -> list[tuple[ProcessorNumber | None, int | None, int | None]]:
    """Processor, moment of entry and completion of every frame."""
    return [(frame.processor, frame.entered_ns, frame.completion_ns) for frame in result.frames]


# --- one move ---------------------------------------------------------------------------------------------------------

MOVE = ((None, spread(S, T)), (50, spread(T, T)))
MOVE_ARRIVALS = ((0, packet(0)), (10, packet(0)), (60, packet(0)), (70, packet(1)), (80, NOT_IP), (90, RUNT))


def test_permissive_move() -> None:
    """A frame after the update overtakes one before it, and this is measured (EPO-06, EPO-09, ORD-02)."""
    result = run(MOVE_ARRIVALS, MOVE, ordered=False)
    assert result.frames == (
        FrameOutcome(0, S, None, 0, 100),
        FrameOutcome(0, S, None, 10, 200),
        FrameOutcome(1, T, None, 60, 160),
        FrameOutcome(1, T, None, 70, 260),
        FrameOutcome(1, S, None, 80, 300),
        FrameOutcome(1, None, "runt", None, None),
    )
    assert result.updates == (
        Update(
            epoch=1,
            adoption_ns=50,
            moved=(MovedParameter(0, 0, S, T),),
            old_frames=2,
            drained_ns={S: 200, T: 50, U: 50},
            new_frames={S: 1, T: 0, U: 0},
            held=(),
            frames_dropped_behind_holds=0,
        ),
    )
    assert result.reordered == (ReorderedByUpdate(1, extent=1, late_ns=40, epoch=1),)


def test_ordered_move() -> None:
    """The frame waits until the source has completed the entry's last old one; other entries pass (EPO-07, EPO-08)."""
    result = run(MOVE_ARRIVALS, MOVE, ordered=True)
    assert spans(result)[:5] == [(S, 0, 100), (S, 10, 200), (T, 200, 300), (T, 70, 170), (S, 80, 300)]
    (update,) = result.updates
    assert update.held == (HeldFrame(2, 140, target_id=0, index=0),)
    assert (update.old_frames, update.drained_ns[S], update.new_frames[S]) == (2, 200, 1)
    assert result.reordered == ()


def test_extent_counts_every_overtaker() -> None:
    """The extent counts from the first completed overtaker to the frame, in completion order of the flow (ORD-02)."""
    arrivals = [(0, packet(0)), (10, packet(0)), (20, packet(0)), (60, packet(0)), (70, packet(0))]
    result = run(arrivals, MOVE, ordered=False)  # 100, 200, 300 on S; 160, 260 on T
    assert result.reordered == (
        ReorderedByUpdate(1, extent=1, late_ns=40, epoch=1),
        ReorderedByUpdate(2, extent=3, late_ns=140, epoch=1),
    )


def test_only_old_frames_of_the_entry_are_waited_for() -> None:
    """Frames of an entry without older frames are not held, however long the source's queue is (EPO-07)."""
    result = run([(0, NOT_IP), (60, packet(0))], MOVE, ordered=True)
    assert spans(result) == [(S, 0, 100), (T, 60, 160)]


def test_default_processor_moves() -> None:
    """Frames without a hash are a group of their own; an update that moves another group holds nothing (EPO-07)."""
    configurations = [(None, spread(S, T)), (50, spread(T, T)), (60, spread(T, T, default=U))]
    arrivals = [(0, packet(0)), (5, NOT_IP), (70, packet(0)), (80, NOT_IP)]
    result = run(arrivals, configurations, ordered=True)
    assert spans(result) == [(S, 0, 100), (S, 5, 200), (T, 100, 200), (U, 200, 300)]
    first, second = result.updates
    assert first.held == (HeldFrame(2, 30, 0, 0),)  # nothing of the entry has moved since
    assert second.moved == (MovedParameter(0, DEFAULT_PROCESSOR_INDEX, S, U),)
    assert second.held == (HeldFrame(3, 120, 0, DEFAULT_PROCESSOR_INDEX),)


# --- chains -----------------------------------------------------------------------------------------------------------


def test_chain_with_held_frames() -> None:
    """S to T to U waits for S and for what T still holds; an arrival at the release is not held ("release")."""
    configurations = [(None, spread(S, S)), (50, spread(T, S)), (90, spread(U, S))]
    arrivals = [(at, packet(0)) for at in (0, 10, 60, 100, 250, 300)]
    result = run(arrivals, configurations, ordered=True)
    assert spans(result) == [(S, 0, 100), (S, 10, 200), (T, 200, 300), (U, 300, 400), (U, 300, 500), (U, 300, 600)]
    first, second = result.updates
    assert first.held == (HeldFrame(2, 140, 0, 0),)
    assert second.held == (HeldFrame(3, 200, 0, 0), HeldFrame(4, 50, 0, 0))
    assert (first.old_frames, second.old_frames) == (2, 3)
    assert first.drained_ns == {S: 200, T: 50, U: 50}
    assert second.drained_ns == {S: 200, T: 300, U: 90}
    assert first.new_frames == second.new_frames == {S: 0, T: 0, U: 0}


def test_new_frames_of_a_processor_that_drains_held_ones() -> None:
    """New frames count until the processor has drained, those of later epochs and dropped ones included (EPO-04)."""
    configurations = [(None, spread(S, T)), (50, spread(T, T)), (90, spread(U, T))]
    arrivals = [(0, packet(0)), (60, packet(0)), (95, packet(1)), (194, packet(1)), (195, packet(1)), (295, packet(1))]
    costs = COSTS | {T: replace(COSTS[T], dpc_queue_depth=2)}
    result = run(arrivals, configurations, ordered=True, costs=costs)
    assert spans(result) == [(S, 0, 100), (T, 100, 295), (T, 95, 195), (T, None, None), (T, 195, 395), (T, 295, 495)]
    assert result.updates[1].drained_ns == {S: 100, T: 295, U: 90}
    assert result.updates[1].new_frames == {S: 0, T: 3, U: 0}


def test_back_to_the_source() -> None:
    """S to T to S waits for T, and not for S itself ("release")."""
    configurations = [(None, spread(S, S)), (50, spread(T, S)), (90, spread(S, S))]
    arrivals = [(0, packet(0)), (10, packet(0)), (60, packet(0)), (100, packet(0)), (110, NOT_IP)]
    result = run(arrivals, configurations, ordered=True)
    assert spans(result) == [(S, 0, 100), (S, 10, 200), (T, 200, 300), (S, 300, 400), (S, 110, 300)]
    assert result.updates[1].held == (HeldFrame(3, 200, 0, 0),)
    without_a_frame_on_t = run([arrivals[i] for i in (0, 1, 3)], configurations, ordered=True)
    assert spans(without_a_frame_on_t)[2] == (S, 100, 300)
    assert without_a_frame_on_t.updates[1].held == ()


def test_chain_without_a_frame_in_between() -> None:
    """The frame on U waits for S though the update that holds it came from T ("a group keeps ...")."""
    configurations = [(None, spread(S, S)), (50, spread(T, S)), (60, spread(U, S))]
    result = run([(0, packet(0)), (70, packet(0))], configurations, ordered=True)
    assert spans(result) == [(S, 0, 100), (U, 100, 200)]
    assert [update.held for update in result.updates] == [(), (HeldFrame(1, 30, 0, 0),)]


def test_first_update_gets_the_reordering() -> None:
    """A frame overtaken after two moves counts for the first move that found it in a queue (ORD-02)."""
    configurations = [(None, spread(S, S)), (50, spread(T, S)), (150, spread(U, S))]
    arrivals = [(0, packet(0)), (10, packet(0)), (60, packet(0)), (70, packet(0)), (155, packet(0))]
    result = run(arrivals, configurations, ordered=False)  # 100, 200; 160, 260; 255
    assert result.reordered == (
        ReorderedByUpdate(1, extent=1, late_ns=40, epoch=1),
        ReorderedByUpdate(3, extent=1, late_ns=5, epoch=2),
    )


# --- everything may go anywhere ---------------------------------------------------------------------------------------


def test_rss_off_and_on() -> None:
    """All parameters of the VPort are one group, and keep what they waited for; ties go by update ("instants")."""
    configurations = [
        (None, spread(S, T, primary=U)),
        (50, spread(primary=U)),
        (60, spread(S, T, default=U, primary=U)),
    ]
    arrivals = [
        (0, packet(0)),  # S
        (10, packet(1)),  # T
        (55, packet(0)),  # U, behind S and T
        (70, packet(0)),  # S, behind T and U
        (80, NOT_IP),  # U, behind S and T: released with frame 2, but held by the later update
        (90, packet(1)),  # T, behind S and U
    ]
    result = run(arrivals, configurations, ordered=True)
    assert spans(result) == [(S, 0, 100), (T, 10, 110), (U, 110, 210), (S, 210, 310), (U, 110, 310), (T, 210, 310)]
    off, on = result.updates
    assert off.moved == (
        MovedParameter(0, 0, S, U),
        MovedParameter(0, 1, T, U),
        MovedParameter(0, DEFAULT_PROCESSOR_INDEX, S, U),
    )
    assert on.moved == (MovedParameter(0, 0, U, S), MovedParameter(0, 1, U, T))
    assert off.held == (HeldFrame(2, 55, 0, PRIMARY_PROCESSOR_INDEX),)
    assert on.held == (
        HeldFrame(3, 140, 0, 0),
        HeldFrame(4, 30, 0, DEFAULT_PROCESSOR_INDEX),
        HeldFrame(5, 120, 0, 1),
    )


KEY_THEN_MOVE = ((None, spread(S, T)), (50, spread(S, T, by=BY_SOURCE)), (60, spread(U, T, by=BY_SOURCE)))
KEY_THEN_MOVE_ARRIVALS = (
    (0, packet(1, source=1)),  # T
    (5, packet(1, source=0)),  # T
    (10, packet(0, source=0)),  # S
    (55, packet(1, source=0)),  # S under the new key
    (70, packet(1, source=0)),  # U behind the move
    (80, NOT_IP),  # S
)


def test_key_changes_and_then_an_entry_moves() -> None:
    """A moved entry waits for every frame before the key change, and for its own frames since ("whose frames")."""
    result = run(KEY_THEN_MOVE_ARRIVALS, KEY_THEN_MOVE, ordered=True)
    assert spans(result) == [(T, 0, 100), (T, 5, 200), (S, 10, 110), (S, 200, 300), (U, 300, 400), (S, 200, 400)]
    changed, moved = result.updates
    assert changed.moved == ()
    assert changed.held == (HeldFrame(3, 145, 0, 0), HeldFrame(5, 120, 0, DEFAULT_PROCESSOR_INDEX))
    assert moved.moved == (MovedParameter(0, 0, S, U),)
    assert moved.held == (HeldFrame(4, 230, 0, 0),)


def test_reordering_by_key_change_and_move() -> None:
    """Each overtaken frame counts for the first of both updates that moved its group (ORD-02)."""
    result = run(KEY_THEN_MOVE_ARRIVALS, KEY_THEN_MOVE, ordered=False)
    assert spans(result)[:5] == [(T, 0, 100), (T, 5, 200), (S, 10, 110), (S, 55, 210), (U, 70, 170)]
    assert result.reordered == (
        ReorderedByUpdate(1, extent=1, late_ns=30, epoch=1),
        ReorderedByUpdate(3, extent=2, late_ns=40, epoch=2),
    )


def test_key_change_on_one_processor_holds_nothing() -> None:
    """A key change that leaves all frames on one processor holds nothing, but later moves concern all old frames.

    Its group counts as moved: a frame in the queue at that time counts for the key change if it is overtaken later.
    """
    configurations = [(None, spread(S, S)), (10, spread(S, S, by=BY_SOURCE)), (20, spread(T, S, by=BY_SOURCE))]
    arrivals = [(0, packet(1)), (5, packet(1)), (15, packet(1)), (30, packet(1))]
    permissive = run(arrivals, configurations, ordered=False)
    assert spans(permissive) == [(S, 0, 100), (S, 5, 200), (S, 15, 300), (T, 30, 130)]
    assert permissive.reordered == (
        ReorderedByUpdate(1, extent=1, late_ns=70, epoch=1),
        ReorderedByUpdate(2, extent=2, late_ns=170, epoch=2),
    )
    ordered = run(arrivals, configurations, ordered=True)
    assert spans(ordered) == [(S, 0, 100), (S, 5, 200), (S, 15, 300), (T, 300, 400)]
    assert [len(update.held) for update in ordered.updates] == [0, 1]


def test_key_change_is_remembered_across_updates() -> None:
    """Frames before a key change belong to every entry, also when other parameters move in between."""
    configurations = [
        (None, spread(S, S)),
        (10, spread(S, S, by=BY_SOURCE)),
        (20, spread(S, S, by=BY_SOURCE, default=T)),
        (30, spread(T, S, by=BY_SOURCE, default=T)),
    ]
    result = run([(0, packet(1)), (40, packet(0))], configurations, ordered=True)
    assert spans(result) == [(S, 0, 100), (T, 100, 200)]
    assert [update.held for update in result.updates] == [(), (), (HeldFrame(1, 60, 0, 0),)]


def test_members_keep_what_one_of_them_waited_for() -> None:
    """After a key change on one processor every entry has the waits of the moved entry; the key change holds them."""
    configurations = [(None, spread(S, T)), (50, spread(T, T, default=T)), (60, spread(T, T, default=T, by=BY_SOURCE))]
    arrivals = [(0, packet(0, source=1)), (70, packet(0, source=1))]
    result = run(arrivals, configurations, ordered=True)
    assert spans(result) == [(S, 0, 100), (T, 100, 200)]
    assert [update.held for update in result.updates] == [(), (HeldFrame(1, 30, 0, 1),)]


def test_table_grows_and_shrinks() -> None:
    """Entries that are equal modulo the smaller size are one group (UPD-26, UPD-27)."""
    configurations = [(None, spread(S, T)), (50, spread(S, T, U, T)), (70, spread(U, T))]
    arrivals = [(0, packet(0)), (60, packet(2)), (65, packet(0)), (80, packet(0)), (85, packet(3))]
    result = run(arrivals, configurations, ordered=True)
    assert spans(result) == [(S, 0, 100), (U, 100, 200), (S, 65, 200), (U, 200, 300), (T, 85, 185)]
    grown, shrunk = result.updates
    assert grown.moved == (MovedParameter(0, 2, S, U),)
    assert grown.held == (HeldFrame(1, 40, 0, 2),)
    assert shrunk.moved == (MovedParameter(0, 0, S, U),)
    assert shrunk.held == (HeldFrame(3, 120, 0, 0),)


def test_pure_growth_moves_nothing() -> None:
    """A repeated table steers as before (UPD-26); all copies of an entry share its frames."""
    configurations = [(None, spread(S, T)), (50, spread(S, T, S, T)), (60, spread(S, T, U, T))]
    result = run([(0, packet(0)), (70, packet(2)), (75, packet(0))], configurations, ordered=True)
    assert spans(result) == [(S, 0, 100), (U, 100, 200), (S, 75, 200)]
    assert [update.moved for update in result.updates] == [(), (MovedParameter(0, 2, S, U),)]


# --- targets that come and go -----------------------------------------------------------------------------------------


def test_vport_comes_back() -> None:
    """A deleted VPort changes no group; when its id is reused, its groups are compared with its last state."""
    without = replace(spread(), filters=())
    with_vport = replace(
        without,
        filters=(Filter(1, 1, (FieldTest(MacField.DESTINATION_ADDRESS, VM),)),),
        vports=(*without.vports, VPort(1, True, S)),
    )
    back = replace(with_vport, vports=(*without.vports, VPort(1, True, T)))
    arrivals = [(0, packet(0)), (10, packet(0)), (30, packet(0)), (50, packet(0))]
    result = run(arrivals, [(None, with_vport), (20, without), (40, back)], ordered=True)
    assert spans(result) == [(S, 0, 100), (S, 10, 200), (S, 30, 300), (T, 200, 300)]
    gone, again = result.updates
    assert gone.moved == ()
    assert again.moved == (MovedParameter(1, PRIMARY_PROCESSOR_INDEX, S, T),)
    assert again.held == (HeldFrame(3, 150, 1, PRIMARY_PROCESSOR_INDEX),)


def test_receive_queue_changes_its_processor() -> None:
    """The processor of a VMQ queue is its only parameter."""

    def on(processor: ProcessorNumber) -> AdapterConfiguration:
        filters = (Filter(1, 4, (FieldTest(MacField.DESTINATION_ADDRESS, VM),)),)
        queues = (ReceiveQueue(4, True, processor),)
        return replace(spread(), mode=Mode.VMQ, vports=(), filters=filters, queues=queues)

    result = run([(0, packet(0)), (60, packet(1))], [(None, on(T)), (50, on(U))], ordered=True)
    assert spans(result) == [(T, 0, 100), (U, 100, 200)]
    (update,) = result.updates
    assert update.moved == (MovedParameter(4, PRIMARY_PROCESSOR_INDEX, T, U),)
    assert update.held == (HeldFrame(1, 40, 4, PRIMARY_PROCESSOR_INDEX),)


# --- depth, transmits, instants ---------------------------------------------------------------------------------------


def test_depth_with_held_frames() -> None:
    """A held frame takes a place from its arrival on; drops because of held frames count separately ("depth")."""
    arrivals = [
        (0, packet(0)),
        (60, packet(0)),  # held until 100
        (61, packet(1)),  # served 61 to 161
        (62, packet(1)),  # no place: one queued, one held
        (63, packet(0)),  # likewise
        (110, packet(1)),  # no place: two queued
    ]
    costs = COSTS | {T: replace(COSTS[T], dpc_queue_depth=2)}
    result = run(arrivals, MOVE, ordered=True, costs=costs, loads_at=(61, 90, 200))
    assert spans(result)[:3] == [(S, 0, 100), (T, 100, 261), (T, 61, 161)]
    assert [frame.drop_reason for frame in result.frames] == [
        None,
        None,
        None,
        "queue_full",
        "queue_full",
        "queue_full",
    ]
    (update,) = result.updates
    assert update.frames_dropped_behind_holds == 2
    assert update.held == (HeldFrame(1, 40, 0, 0),)
    assert [loads[T] for loads in result.loads] == [Load(0, 1, 1, 0), Load(29, 2, 4, 2), Load(139, 1, 5, 3)]
    assert [loads[S] for loads in result.loads] == [Load(61, 1, 1, 0), Load(90, 1, 1, 0), Load(100, 0, 1, 0)]


def test_load_counts_overhead_and_not_the_instant_itself() -> None:
    """Busy time includes DPC overhead; at T completing items have left, arriving ones are missing (PRC-04, POL-02)."""
    costs = {S: ProcessorCosts(receive_cost_ns=100, dpc_overhead_ns=20, interrupt_latency_ns=5)}
    arrivals = [(0, packet(0)), (125, packet(0))]
    result = run(arrivals, [(None, spread())], ordered=False, costs=costs, loads_at=(0, 15, 125, 1000))
    assert [loads[S] for loads in result.loads] == [
        Load(0, 0, 0, 0),
        Load(10, 1, 1, 0),
        Load(120, 0, 1, 0),
        Load(240, 0, 2, 0),
    ]


def test_transmit_completions() -> None:
    """A completion waits for every group of its VPort that moved to its processor, a receive does not (TX-14)."""
    arrivals = [(0, packet(0)), (60, send(1)), (70, packet(1)), (80, send(0)), (90, send(1))]
    result = run(arrivals, MOVE, ordered=True, transmit_by_source=True)
    assert spans(result) == [(S, 0, 100), (T, 100, 180), (T, 70, 170), (T, 100, 190), (T, 100, 200)]
    (update,) = result.updates
    assert update.held == (HeldFrame(1, 40, 0, 1), HeldFrame(3, 20, 0, 0), HeldFrame(4, 10, 0, 1))
    permissive = run(arrivals, MOVE, ordered=False, transmit_by_source=True)
    assert spans(permissive) == [(S, 0, 100), (T, 60, 70), (T, 70, 170), (T, 80, 180), (T, 90, 190)]


def test_transmit_completions_wait_for_all_that_moved_there() -> None:
    """Two entries moved to T one after the other: its completions wait for the later release (TX-14)."""
    configurations = [(None, spread(S, U)), (50, spread(T, U)), (60, spread(T, T))]
    arrivals = [(0, packet(0)), (5, send(1)), (10, NOT_IP), (61, send(0)), (62, send(1))]
    result = run(arrivals, configurations, ordered=True, transmit_by_source=True)
    assert spans(result) == [(S, 0, 100), (U, 5, 15), (S, 10, 200), (T, 100, 110), (T, 100, 120)]
    assert [update.held for update in result.updates] == [(), (HeldFrame(3, 39, 0, 0), HeldFrame(4, 38, 0, 1))]


def test_transmit_completions_keep_waiting_for_a_group_that_left() -> None:
    """A completion stays after one that is held on its processor, though the entry of that one has moved on (TX-14)."""
    configurations = [(None, spread(S, T)), (50, spread(T, T)), (60, spread(U, T))]
    arrivals = [(0, send(0)), (55, send(0)), (65, send(1)), (70, send(0))]
    costs = COSTS | {S: replace(COSTS[S], completion_cost_ns=100)}
    result = run(arrivals, configurations, ordered=True, costs=costs, transmit_by_source=True)
    assert spans(result) == [(S, 0, 100), (T, 100, 110), (T, 100, 120), (U, 110, 120)]
    assert [update.held for update in result.updates] == [
        (HeldFrame(1, 45, 0, 0), HeldFrame(2, 35, 0, 1)),
        (HeldFrame(3, 40, 0, 0),),
    ]


def test_transmit_completion_on_the_source_is_not_held() -> None:
    """No group moved to S, so completions on S continue (TX-14)."""
    configurations = [(None, spread(S, S)), (50, spread(T, S))]
    arrivals = [(0, packet(0)), (60, send(1)), (70, send(0))]
    result = run(arrivals, configurations, ordered=True, transmit_by_source=True)
    assert spans(result) == [(S, 0, 100), (S, 60, 110), (T, 100, 110)]


TWO_MOVES_TO_T = ((None, spread(S, U)), (50, spread(T, U)), (60, spread(T, T)))
TWO_MOVES_TO_T_ARRIVALS = ((0, packet(0)), (70, send(0)), (80, packet(0)))


def test_transmit_completion_has_the_latest_holder() -> None:
    """The latest update that moved a group to T holds it, though only frames of an earlier one are left ("holder")."""
    result = run(TWO_MOVES_TO_T_ARRIVALS, TWO_MOVES_TO_T, ordered=True, transmit_by_source=True)
    assert [update.held for update in result.updates] == [(HeldFrame(2, 20, 0, 0),), (HeldFrame(1, 30, 0, 0),)]
    assert spans(result) == [(S, 0, 100), (T, 100, 210), (T, 100, 200)]  # released together: in order of the updates


FREE_UNTIL_INTERRUPT = COSTS | {T: ProcessorCosts(receive_cost_ns=0, interrupt_moderation_ns=50)}
FREE_UNTIL_INTERRUPT_ARRIVALS = ((0, packet(0)), (60, packet(0)), (70, packet(0)))


def test_released_frames_enter_one_at_a_time() -> None:
    """A released frame without cost completes before the next one enters, which needs an interrupt ("instants")."""
    result = run(FREE_UNTIL_INTERRUPT_ARRIVALS, MOVE, ordered=True, costs=FREE_UNTIL_INTERRUPT)
    assert spans(result) == [(S, 0, 100), (T, 100, 100), (T, 100, 150)]


def test_release_at_an_adoption() -> None:
    """At one instant: completions, releases, adoptions, arrivals ("instants")."""
    configurations = [(None, spread(S, S)), (50, spread(T, S)), (100, spread(U, S))]
    result = run([(0, packet(0)), (60, packet(0)), (100, packet(0))], configurations, ordered=True)
    assert result.frames == (
        FrameOutcome(0, S, None, 0, 100),
        FrameOutcome(1, T, None, 100, 200),
        FrameOutcome(2, U, None, 200, 300),
    )
    second = result.updates[1]
    assert (second.old_frames, second.drained_ns) == (1, {S: 100, T: 200, U: 100})
    assert second.held == (HeldFrame(2, 100, 0, 0),)


def test_releases_in_a_row_at_one_instant() -> None:
    """A released frame without cost completes at once, and releases others before the arrivals of the instant."""
    configurations = [(None, spread(S, S)), (50, spread(T, S)), (70, spread(U, S))]
    arrivals = [(0, packet(0)), (60, packet(0)), (80, packet(0)), (100, packet(0))]
    costs = COSTS | {T: replace(COSTS[T], receive_cost_ns=0)}
    result = run(arrivals, configurations, ordered=True, costs=costs)
    assert spans(result) == [(S, 0, 100), (T, 100, 100), (U, 100, 200), (U, 100, 300)]
    assert [update.held for update in result.updates] == [(HeldFrame(1, 40, 0, 0),), (HeldFrame(2, 20, 0, 0),)]


def test_updates_behind_the_last_frame() -> None:
    """An update that finds nothing is drained at its adoption (EPO-04)."""
    result = run([(0, packet(0))], [*MOVE, (500, spread(U, T))], ordered=True)
    assert [update.old_frames for update in result.updates] == [1, 0]
    assert result.updates[1].drained_ns == {S: 500, T: 500, U: 500}


# --- whatever happens -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Run:
    """Input of `simulate`."""

    arrivals: tuple[tuple[int, bytes], ...]
    configurations: tuple[tuple[int | None, AdapterConfiguration], ...]
    costs: dict[ProcessorNumber, ProcessorCosts]


def with_machine(configuration: AdapterConfiguration, *table: ProcessorNumber) -> AdapterConfiguration:
    """The same with VPort 9 as well, which owns the address of another machine."""
    rss = RssState(True, HashType.IPV4, BY_DESTINATION, table, S)
    owns = Filter(2, 9, (FieldTest(MacField.DESTINATION_ADDRESS, MACHINE),))
    return replace(
        configuration,
        filters=(*configuration.filters, owns),
        vports=(*configuration.vports, VPort(9, True, S, rss)),
    )


@st.composite
def configurations_behind(draw: st.DrawFn, before: AdapterConfiguration) -> AdapterConfiguration:
    """The configuration of an update: mostly one parameter moves, or everything changes."""
    processor = st.sampled_from(PROCESSORS)
    rss, primary = before.vports[0].rss, before.vports[0].primary_processor
    table, default, by = list(rss.indirection_table), rss.default_processor or S, rss.hash_secret_key or BY_DESTINATION
    kinds = ("entry", "entry", "entry", "default", "key", "grow", "all") if table else ("primary", "all")
    kind = draw(st.sampled_from(kinds))
    if kind == "entry":
        table[draw(st.integers(0, len(table) - 1))] = draw(processor)
    elif kind == "default":
        default = draw(processor)
    elif kind == "key":
        by = BY_DESTINATION if by == BY_SOURCE else BY_SOURCE
    elif kind == "grow":
        table = table * 2 if len(table) < 4 else table[:2]
    elif kind == "primary":
        primary = draw(processor)
    else:
        size = draw(st.sampled_from((0, 1, 2, 4)))
        table, default = draw(st.lists(processor, min_size=size, max_size=size)), draw(processor)
    return spread(*table, default=default, primary=primary, by=by)


@st.composite
def runs(draw: st.DrawFn) -> Run:
    """Short runs with many coincidences: moves, tables of any size, other keys, RSS off and on, VPorts come and go.

    Most have few flows that queue up, so that frames are held, or overtaken (`test_runs_reach`).
    """
    adoptions = sorted(draw(st.sets(st.integers(0, 40), min_size=draw(st.sampled_from((0, 2, 4))), max_size=6)))
    configurations = [draw(configurations_behind(spread(S, T)))]
    for _ in adoptions:
        configurations.append(draw(configurations_behind(configurations[-1])))
    tables = st.none() | st.tuples(st.sampled_from(PROCESSORS), st.sampled_from(PROCESSORS))
    configurations = [with_machine(one, *table) if (table := draw(tables)) else one for one in configurations]
    address = st.integers(0, draw(st.sampled_from((0, 1, 3))))
    packets = st.builds(packet, address, address, to=st.sampled_from((VM, VM, VM, MACHINE)))
    sends = st.builds(send, address, address)
    frame = st.one_of(packets, packets, packets, sends, st.just(NOT_IP), st.just(RUNT))
    moments = st.lists(st.integers(0, 40), min_size=draw(st.sampled_from((0, 15, 25, 25))), max_size=30)
    ns = st.one_of(st.integers(0, 6), st.integers(7, 40))
    return Run(
        tuple((at, draw(frame)) for at in sorted(draw(moments))),
        tuple(zip([None, *adoptions], configurations, strict=True)),
        {
            number: ProcessorCosts(
                dpc_queue_depth=draw(st.sampled_from((0, 2, 5))),
                receive_cost_ns=draw(ns),
                completion_cost_ns=draw(ns),
                interrupt_latency_ns=draw(st.integers(0, 2)),
                interrupt_moderation_ns=draw(st.integers(0, 6)),
            )
            for number in PROCESSORS
        },
    )


def test_runs_reach() -> None:
    """Of 400 runs that are drawn some tens hold frames, drop some behind those, and reorder some (ORD-02, EPO-07)."""
    seen: Counter[str] = Counter()

    @settings(max_examples=400, deadline=None, derandomize=True, database=None)
    @given(runs())
    def look(given_run: Run) -> None:
        permissive, ordered = (
            run(
                given_run.arrivals,
                given_run.configurations,
                ordered=one,
                costs=given_run.costs,
                transmit_by_source=True,
            )
            for one in (False, True)
        )
        seen["reordered"] += bool(permissive.reordered)
        seen["held"] += any(update.held for update in ordered.updates)
        seen["dropped behind holds"] += any(update.frames_dropped_behind_holds for update in ordered.updates)

    look()
    assert min(seen.values()) >= 20, seen


@settings(max_examples=150, deadline=None)
@given(runs())
def test_ordered_keeps_every_order(given_run: Run) -> None:
    """No flow is reordered, and completions of a VPort stay in submission order on each processor (EPO-08, TX-14)."""
    result = run(
        given_run.arrivals, given_run.configurations, ordered=True, costs=given_run.costs, transmit_by_source=True
    )
    assert result.reordered == ()
    for processor in PROCESSORS:
        completions = [
            outcome.completion_ns
            for outcome, (_, frame) in zip(result.frames, given_run.arrivals, strict=True)
            if outcome.processor == processor
            and outcome.completion_ns is not None
            and frame[6:12] == VM.to_bytes(6, "big")
        ]
        assert completions == sorted(completions)


@settings(max_examples=150, deadline=None)
@given(runs())
def test_permissive_leaves_processors_alone(given_run: Run) -> None:
    """Nothing waits: each processor serves its arrivals as if it were alone, and an update explains each reordering."""
    result = run(
        given_run.arrivals, given_run.configurations, ordered=False, costs=given_run.costs, transmit_by_source=True
    )
    for number, costs in given_run.costs.items():
        mine = [i for i, outcome in enumerate(result.frames) if outcome.processor == number]
        items = []
        for i in mine:
            at, frame = given_run.arrivals[i]
            is_send = frame[6:12] == VM.to_bytes(6, "big")
            items.append(Item(at, costs.completion_cost_ns if is_send else costs.receive_cost(len(frame))))
        alone = serve(costs, items)
        assert [result.frames[i].completion_ns for i in mine] == [outcome.completion_ns for outcome in alone.outcomes]
    assert all(late.epoch is not None for late in result.reordered)
    assert not any(update.held or update.frames_dropped_behind_holds for update in result.updates)


@settings(max_examples=100, deadline=None)
@given(runs(), st.booleans())
def test_certificates_agree_with_the_frames(given_run: Run, ordered: bool) -> None:
    """Every frame that entered late is held by exactly one earlier update, and every old frame drains."""
    result = run(
        given_run.arrivals, given_run.configurations, ordered=ordered, costs=given_run.costs, transmit_by_source=True
    )
    held = {frame.frame: (update, frame) for update in result.updates for frame in update.held}
    assert len(held) == sum(len(update.held) for update in result.updates)
    for i, (outcome, (at, _)) in enumerate(zip(result.frames, given_run.arrivals, strict=True)):
        if outcome.entered_ns is not None and outcome.entered_ns > at:
            update, frame = held[i]
            assert frame.hold_ns == outcome.entered_ns - at
            assert 1 <= update.epoch <= outcome.epoch
        else:
            assert i not in held
    for update in result.updates:
        for number in PROCESSORS:
            last = max(
                (f.completion_ns or 0 for f in result.frames if f.epoch < update.epoch and f.processor == number),
                default=0,
            )
            assert update.drained_ns[number] == max(last, update.adoption_ns)


def test_a_frame_needs_the_costs_of_its_processor() -> None:
    """A processor without a cost model is an error, not a guess."""
    with pytest.raises(KeyError):
        run([(0, packet(0))], [(None, spread(primary=T))], ordered=False, costs={S: COSTS[S]})
