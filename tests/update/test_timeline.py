"""Requests while traffic flows: when they are decided, which epochs follow, and how a policy takes part."""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataplane.control import ControlPlane, OidRequest
from dataplane.control.journal import create
from dataplane.control.records import JournalReader
from dataplane.ids import DEFAULT_PROCESSOR_INDEX, ProcessorNumber
from dataplane.ndis.oids import Oid, RequestKind
from dataplane.ndis.status import NdisStatus
from dataplane.ndis.structures import SetIndirectionEntries, SetIndirectionEntry
from dataplane.processor.messages import ENTRY_LOAD_ROW, PROCESSOR_LOAD_ROW, Loads
from dataplane.scenario.events import scheduled_requests
from dataplane.scenario.load import load_scenario
from dataplane.scenario.set_up import set_up
from dataplane.switch.change import steering_change
from dataplane.switch.compile import compile_snapshot
from dataplane.switch.snapshot import DEFAULT_SLOT, SLOTS_PER_TARGET
from dataplane.update.foreign import OverdueError
from dataplane.update.policy import LoadWindow, Move, Policy, Table
from dataplane.update.records import SteeringUpdate, Stretch
from dataplane.update.requests import move_parameters, oid_request
from dataplane.update.schedule import FixedRequests, ScheduledRequest
from dataplane.update.timeline import IDLE_TICKS, ControlTimeline

START_NS = 1_000_000_007
TICK_NS = 1_000_000
P = [ProcessorNumber(0, n) for n in range(8)]
#: VPort 1 has a table of four entries on processors 0 to 3 and four queue pairs.
VPORT = "[[vport]]\nid = 1\nnum_queue_pairs = 4\n[vport.rss]\nindirection_table = [0, 1, 2, 3]\n"
V1 = '[adapter]\nndis_version = "6.60"\nrss_processors = 8\n' + VPORT
V2 = "[adapter]\nrss_processors = 8\n" + VPORT


def timeline_of(
    text: str = V2,
    schedule: Iterable[ScheduledRequest] | None = None,
    *,
    policy: Policy | None = None,
    ahead: int | None = None,
    latency_ns: int = 0,
    clock: Callable[[], int] = lambda: 0,
) -> ControlTimeline:
    """A timeline that has begun, with the events of a scenario unless there is a schedule."""
    scenario = load_scenario(text)
    control = set_up(scenario).control
    timeline = ControlTimeline(
        control,
        compile_snapshot(control.configuration, 0),
        scheduled_requests(scenario) if schedule is None else schedule,
        control_latency_ns=latency_ns,
        policy=policy,
        policy_name="mine",
        tick_ns=TICK_NS,
        ahead=ahead,
        clock=clock,
    )
    timeline.begin(START_NS)
    return timeline


def play(timeline: ControlTimeline, until_ns: int | None = None) -> list[SteeringUpdate]:
    """All updates up to a time since the beginning; at every tick processor 0 has received one frame."""
    updates: list[SteeringUpdate] = []
    stretch = timeline.advance()
    updates += stretch.updates
    while stretch.until_ns is not None and (until_ns is None or stretch.until_ns <= START_NS + until_ns):
        stretch = timeline.advance(load(0, {0: 1}) if stretch.wants_loads else None)
        updates += stretch.updates
    return updates


def load(row: int, received: dict[int, int], *, dropped: int = 0, busy_ns: int = 10, depth: int = 0) -> Loads:
    """The load of one processor: frames by slot, each of 10 ns, and dropped frames."""
    entries = np.array([(slot, n, 10 * n) for slot, n in sorted(received.items())], ENTRY_LOAD_ROW)
    packets = sum(received.values()) + dropped
    return Loads(np.array([(row, packets, dropped, busy_ns, depth)], PROCESSOR_LOAD_ROW), entries)


IDLE = Loads(np.array([(row, 0, 0, 0, 0) for row in range(8)], PROCESSOR_LOAD_ROW), np.zeros(0, ENTRY_LOAD_ROW))


def move(table_index: int, target: int, *, source: int | None = None, vport: int = 1) -> OidRequest:
    """An RSSv2 move of one entry of the table 0, 1, 2, 3."""
    place = table_index if source is None else source
    (request,) = move_parameters(
        {table_index: P[place]}, {table_index: P[target]}, load_scenario(V2).adapter.ndis_version, vport
    )
    return request


def at(at_ns: int, *requests: OidRequest, expect: NdisStatus | None = None) -> ScheduledRequest:
    """Requests at a moment."""
    return ScheduledRequest(at_ns, f"test at {at_ns}", FixedRequests(requests), expect)


def table_of(update: SteeringUpdate, vport_id: int = 1) -> list[int]:
    """The processors of a VPort's table in an epoch."""
    row = update.snapshot.target_ids.index(vport_id)
    return [processor.number for processor in update.snapshot.targets[row].table]


def described(updates: Sequence[SteeringUpdate]) -> list[object]:
    """Updates as values that can be compared."""
    return [
        (
            update.epoch,
            update.requested_at_ns,
            update.adopted_at_ns,
            update.snapshot.configuration,
            [array.tobytes() for array in update.snapshot.arrays],
            update.change.moved.tobytes(),
            update.change.old.tobytes(),
            update.change.new.tobytes(),
        )
        for update in updates
    ]


# --- epochs -----------------------------------------------------------------------------------------------------------


def test_each_change_is_an_epoch_adopted_after_the_latency() -> None:
    """Epochs are consecutive (EPO-01, EPO-02); adoption is the time of the request plus the latency (EPO-03)."""
    timeline = timeline_of(schedule=[at(10, move(0, 1)), at(25, move(1, 0))], latency_ns=100)
    first, second = play(timeline)
    assert (first.epoch, first.requested_at_ns, first.adopted_at_ns) == (1, START_NS + 10, START_NS + 110)
    assert (second.epoch, second.requested_at_ns, second.adopted_at_ns) == (2, START_NS + 25, START_NS + 125)
    assert [table_of(update) for update in (first, second)] == [[1, 1, 2, 3], [1, 0, 2, 3]]
    assert [record.requested_at_ns - START_NS for record in timeline.records] == [10, 25]
    assert [record.epoch for record in timeline.records] == [1, 2]


def test_what_has_one_adoption_time_is_one_epoch() -> None:
    """Simultaneous requests are decided in their order and adopted together (TIM-03, EPO-03)."""
    timeline = timeline_of(schedule=[at(7, move(0, 1)), at(5, move(2, 3)), at(7, move(0, 2, source=1))])
    early, late = play(timeline)
    assert [table_of(update) for update in (early, late)] == [[0, 1, 3, 3], [2, 1, 3, 3]]
    assert [record.epoch for record in timeline.records] == [1, 2, 2]
    assert [record.as_expected for record in timeline.records] == [True] * 3


def test_an_update_is_the_difference_of_two_snapshots() -> None:
    """Each snapshot is compiled from the previous one, and each change leads from one to the next (EPO-01)."""
    timeline = timeline_of(schedule=[at(1, move(0, 1)), at(2, move(1, 0))])
    before = timeline.snapshot
    for update in play(timeline):
        change = steering_change(before, update.snapshot)
        assert update.change.moved.tolist() == change.moved.tolist()
        assert len(change.moved) == 1
        before = update.snapshot
    assert before is timeline.snapshot
    assert before.configuration == timeline.control.configuration


def test_what_changes_no_steering_makes_no_epoch() -> None:
    """Failures and queries are on record, and have no effect (MOD-09, EPO-02)."""
    query = OidRequest(Oid.OID_GEN_RECEIVE_SCALE_PARAMETERS_V2, RequestKind.QUERY, "A", vport_id=1)
    wrong = OidRequest(0x12345, RequestKind.SET, "A")
    timeline = timeline_of(
        schedule=[at(1, query), at(2, wrong), at(3, wrong, expect=NdisStatus.NDIS_STATUS_NOT_SUPPORTED)]
    )
    assert play(timeline) == []
    answered, failed, expected = timeline.records
    assert answered.completion is not None
    assert answered.completion.output
    assert (failed.status, failed.as_expected, failed.why) == (
        NdisStatus.NDIS_STATUS_NOT_SUPPORTED,
        False,
        "OID-01: OID 0x00012345 is not known",
    )
    assert expected.as_expected


def test_the_first_failure_ends_what_is_scheduled_together() -> None:
    """Steps after a failed step are not tried; the expectation applies to the step that failed."""
    fifth, status = (
        move(0, 6),
        NdisStatus.NDIS_STATUS_NO_QUEUES,
    )  # of four queues: 6, 1, 2, 3 and the default 0 (UPD-41)
    timeline = timeline_of(
        schedule=[
            at(1, move(3, 3), fifth, move(1, 0)),
            at(2, move(0, 1), move(1, 5), move(2, 0), expect=status),
            at(3, move(3, 2), expect=status),
        ]
    )
    assert [table_of(update) for update in play(timeline)] == [[1, 1, 2, 3], [1, 1, 2, 2]]
    assert [(record.status, record.expect, record.as_expected) for record in timeline.records] == [
        (NdisStatus.NDIS_STATUS_SUCCESS, None, True),
        (status, None, False),
        (NdisStatus.NDIS_STATUS_SUCCESS, None, True),
        (status, status, True),
        (NdisStatus.NDIS_STATUS_SUCCESS, status, False),
    ]


def test_moves_have_the_status_of_the_entry_that_failed() -> None:
    """The request succeeds (UPD-36), but its record counts as failed; the executed group makes an epoch (UPD-34)."""
    commands = (
        SetIndirectionEntry(vport_id=1, indirection_table_index=0, target_processor_number=P[1]),
        SetIndirectionEntry(vport_id=9, indirection_table_index=0, target_processor_number=P[1]),
    )
    request = oid_request(
        Oid.OID_GEN_RSS_SET_INDIRECTION_TABLE_ENTRIES,
        SetIndirectionEntries(rss_entry_table=commands),
        load_scenario(V2).adapter.ndis_version,
        kind=RequestKind.METHOD,
        processor=P[0],
        synchronous=True,
    )
    timeline = timeline_of(schedule=[at(1, request)])
    (update,) = play(timeline)
    (record,) = timeline.records
    assert (record.status, record.as_expected) == (NdisStatus.NDIS_STATUS_INVALID_PARAMETER, False)
    assert record.why == "UPD-42: there is no VPort 9 on switch 0"
    assert table_of(update) == [1, 1, 2, 3]
    assert record.epoch == update.epoch


def test_nothing_to_ask_for_is_on_record() -> None:
    """If no request can be built, the record says so and counts as a failure."""
    timeline = timeline_of(schedule=[at(1)])
    assert play(timeline) == []
    (record,) = timeline.records
    assert (record.request, record.status, record.as_expected) == (None, None, False)


VMQ = (
    '[adapter]\ninterface = "vmq"\nrss_processors = 2\n'
    "[[queue]]\nid = 1\nprocessor_affinity = [1]\nfilter = [{ vlan = 2 }]\n"
)


def test_a_processor_that_does_not_run_is_refused() -> None:
    """Queues may get any processor (QUE-17), but a run has a fixed set; a request beyond it is not applied."""
    event = "[[event]]\nat_ns = {}\noid = {{ name = 'OID_RECEIVE_FILTER_QUEUE_PARAMETERS', in = {{ queue_id = 1, "
    event += "flags = ['PROCESSOR_AFFINITY_CHANGED'], processor_affinity = [{}] }} }}\n"
    timeline = timeline_of(VMQ + event.format(1, 9) + event.format(2, 0))
    (update,) = play(timeline)
    refused, moved = timeline.records
    assert (refused.completion, refused.as_expected) == (None, False)
    assert refused.why == "the running dataplane has no processor 0:9"
    assert moved.as_expected
    assert [queue.processor for queue in update.snapshot.configuration.queues] == [P[0]]


def test_a_table_that_nothing_uses_can_be_resized() -> None:
    """While RSS is off a table of another size is an epoch that touches no frame in flight (UPD-20, EPO-07)."""
    events = "".join(f"[[event]]\nat_ns = {at_ns}\nrss = {{ vport = 1, {what} }}\n" for at_ns, what in (
        (1, "enabled = false"), (2, "enabled = false, num_indirection_table_entries = 8")
    ))  # fmt: skip
    off, resized = play(timeline_of(V2 + events))
    assert len(off.change.old) > 0
    assert len(table_of(resized)) == 8
    assert (resized.change.groups, *map(len, (resized.change.moved, resized.change.old, resized.change.new))) == (
        0,
    ) * 4


# --- stretches --------------------------------------------------------------------------------------------------------


def test_a_stretch_ends_at_the_next_request() -> None:
    """With a bound of two moments, the third is requested when it is reached; after the last one nothing is."""
    timeline = timeline_of(schedule=[at(n, move(0, n % 2, source=1 - n % 2)) for n in range(1, 6)], ahead=2)
    stretches = [timeline.advance() for _ in range(4)]
    assert [[update.epoch for update in stretch.updates] for stretch in stretches] == [[1, 2], [3, 4], [5], []]
    assert [stretch.until_ns for stretch in stretches] == [START_NS + 3, START_NS + 5, None, None]


def test_large_snapshots_end_a_stretch(monkeypatch: pytest.MonkeyPatch) -> None:
    """The memory of snapshots also bounds what is decided ahead (ENG-04)."""
    schedule = [at(n, move(0, n % 2, source=1 - n % 2)) for n in range(1, 6)]
    one = play(timeline_of(schedule=schedule[:1]))[0].snapshot.arrays.slot_processors.nbytes
    monkeypatch.setattr("dataplane.update.timeline.SNAPSHOT_BYTES_AHEAD", 2 * one)
    timeline = timeline_of(schedule=schedule)
    assert [len(timeline.advance().updates) for _ in range(3)] == [2, 2, 1]


def test_live_a_moment_is_decided_when_it_is_reached() -> None:
    """With ahead = 0 nothing is decided before its time, but what is due before the first arrival is (TIM-03)."""
    timeline = timeline_of(schedule=[at(0, move(0, 1)), at(4, move(1, 0)), at(9, move(2, 0))], ahead=0)
    stretches = [timeline.advance() for _ in range(3)]
    assert [[update.epoch for update in stretch.updates] for stretch in stretches] == [[1], [2], [3]]
    assert [stretch.until_ns for stretch in stretches] == [START_NS + 4, START_NS + 9, None]


class Turn(Policy):
    """Turns every table by one at every tick, whatever the load."""

    def rebalance(self, window: LoadWindow) -> Iterable[Move | Table]:
        """The turned tables."""
        return [Table(one.vport_id, (*one.indirection_table[1:], one.indirection_table[0])) for one in window.vports]


@settings(max_examples=25)
@given(
    moments=st.lists(st.tuples(st.integers(0, 12), st.integers(0, 3), st.integers(0, 4)), max_size=12),
    latency_ns=st.sampled_from([0, 3]),
    has_policy=st.booleans(),
    ahead=st.sampled_from([0, 1, 2, 3]),
)
def test_stretches_of_any_size_give_the_same_updates(
    moments: list[tuple[int, int, int]], latency_ns: int, has_policy: bool, ahead: int
) -> None:
    """Decisions do not depend on how far ahead a run decides (TIM-01)."""
    events = "".join(
        f"[[event]]\nat_ns = {at_ns * TICK_NS // 4}\n"
        f"move_entries = {{ vport = 1, indices = {entry}, target = {target} }}\n"
        for at_ns, entry, target in moments
    )
    reference, other = (
        timeline_of(V2 + events, policy=Turn() if has_policy else None, ahead=size, latency_ns=latency_ns)
        for size in (None, ahead)
    )
    horizon_ns = 4 * TICK_NS
    assert described(play(reference, horizon_ns)) == described(play(other, horizon_ns))
    end_ns = START_NS + horizon_ns
    assert reference.reached(end_ns) == other.reached(end_ns)
    assert reference.findings == other.findings == []


@pytest.mark.parametrize("ahead", [1, 2, 256])
def test_what_is_foreseen_is_what_comes(ahead: int) -> None:
    """Decisions made before the first frame arrives equal those made later, at the same moments."""
    schedule = [at(0, move(0, 1)), at(3, move(1, 0)), at(9, move(1, 2, source=0)), at(TICK_NS + 1, move(3, 0))]
    told = timeline_of(schedule=schedule, policy=Turn(), ahead=ahead, latency_ns=5)
    expected = play(told, 3 * TICK_NS)
    control = set_up(load_scenario(V2)).control
    timeline = ControlTimeline(
        control, compile_snapshot(control.configuration, 0), schedule, policy=Turn(), policy_name="mine",
        tick_ns=TICK_NS, ahead=ahead, control_latency_ns=5,
    )  # fmt: skip
    foreseen = timeline.foresee()
    assert len(foreseen.updates) == min(ahead, 3)
    assert foreseen.wants_loads == (ahead > 2)
    timeline.begin(START_NS)
    with pytest.raises(ValueError, match="has begun"):
        timeline.foresee()
    stretch = foreseen.later(START_NS)
    assert stretch.until_ns == START_NS + {1: 3, 2: 9, 256: TICK_NS}[ahead]
    updates = list(stretch.updates)
    while stretch.until_ns is not None and stretch.until_ns <= START_NS + 3 * TICK_NS:
        stretch = timeline.advance(load(0, {0: 1}) if stretch.wants_loads else None)
        updates += stretch.updates
    assert described(updates) == described(expected)
    assert timeline.records == told.records


def test_a_journal_is_asked_for_nothing_before_the_first_frame(tmp_path: Path) -> None:
    """A journal records adoption times, which are unknown before `begin`."""
    done = set_up(load_scenario(V2))
    control = create(tmp_path / "control.journal", done.control.specification, fsync=False)
    for request in done.accepted:
        control.request(request)
    recorded = control.recorded
    timeline = ControlTimeline(control, compile_snapshot(control.configuration, 0), [at(0, move(0, 1))])
    assert timeline.foresee() == Stretch((), 0)
    assert control.recorded == recorded
    timeline.begin(START_NS)
    assert [one.adopted_at_ns for one in timeline.advance().updates] == [START_NS]


def test_what_lies_beyond_the_traffic_is_named() -> None:
    """One line for every scheduled request after the last frame; `reached` leaves out those decided ahead."""
    schedule = [
        ScheduledRequest(at_ns, f"[[event]] {n}", FixedRequests((move(0, 1),)))
        for n, at_ns in enumerate((50_000_000, 50_000_001, 90_000_000), 1)
    ]
    timeline = timeline_of(schedule=schedule)
    play(timeline)
    last_ns = START_NS + 50_000_000
    assert timeline.unreached(last_ns) == [
        "[[event]] 2 at 50.000001 ms is beyond the last arrival at 50 ms",
        "[[event]] 3 at 90 ms is beyond the last arrival at 50 ms",
    ]
    assert timeline.reached(last_ns) == (timeline.records[0],)
    assert len(timeline.unreached(None)) == 3


def test_a_policy_that_is_never_asked_is_named() -> None:
    """Traffic that ends before the first tick is reported, as are events after it; one tick is enough to be asked."""
    timeline = timeline_of(policy=Turn())
    assert timeline.unreached(START_NS + TICK_NS - 1) == [
        "policy mine is never asked: its first tick at 1 ms is beyond the last arrival at 0.999999 ms, "
        "it needs a shorter tick_ns"
    ]
    assert timeline.unreached(None) == []
    play(timeline, TICK_NS)
    assert timeline.unreached(START_NS + TICK_NS) == []


def test_a_timeline_is_used_in_its_order() -> None:
    """A timeline begins once, and returns no stretch before that; a tick is not decided without loads."""
    scenario = load_scenario(V2)
    control = set_up(scenario).control
    timeline = ControlTimeline(control, compile_snapshot(control.configuration, 0), policy=Turn(), tick_ns=TICK_NS)
    with pytest.raises(ValueError, match="not begun"):
        timeline.advance()
    timeline.begin(0)
    with pytest.raises(ValueError, match="has begun"):
        timeline.begin(0)
    assert timeline.advance().wants_loads
    with pytest.raises(ValueError, match="needs the loads"):
        timeline.advance()


# --- policies ---------------------------------------------------------------------------------------------------------


class Scripted(Policy):
    """Returns or raises a given value at each tick, and keeps the windows it saw."""

    def __init__(self, *script: object, next_tick_ns: object = None) -> None:
        self.script = list(script)
        self.seen: list[LoadWindow] = []
        self.next_tick_ns = next_tick_ns  # type: ignore[assignment]

    def rebalance(self, window: LoadWindow) -> Iterable[Move | Table]:
        """The next entry of the script."""
        self.seen.append(window)
        wish = self.script.pop(0) if self.script else ()
        if isinstance(wish, Exception):
            raise wish
        return wish  # type: ignore[return-value]


def test_a_tick_sees_the_loads_of_its_window() -> None:
    """Per processor, per table entry, with what was dropped, in the window that ends at the tick (POL-01, POL-02)."""
    policy = Scripted()
    timeline = timeline_of(policy=policy)
    first = timeline.advance()
    assert (first.until_ns, first.wants_loads) == (START_NS + TICK_NS, True)
    vport = 1 * SLOTS_PER_TARGET
    hosts = [
        load(5, {vport + 2: 3}, busy_ns=TICK_NS // 4),
        load(2, {vport + 2: 4, vport + DEFAULT_SLOT: 1}, dropped=6, busy_ns=TICK_NS // 2, depth=2),
    ]
    timeline.advance(Loads(*map(np.concatenate, zip(*hosts, strict=True))))
    timeline.advance(load(2, {vport + 2: 4}, depth=3))
    window, later = policy.seen
    assert [window.processors[row].completed for row in (0, 2, 5)] == [0, 11 - 6 - 2, 3]
    assert [later.processors[row].completed for row in (0, 2, 5)] == [0, 2 + 4 - 3, 0]
    assert (window.tick, window.start_ns, window.end_ns) == (0, 0, TICK_NS)
    assert [one.processor for one in window.processors] == P
    assert [one.packets for one in window.processors] == [0, 0, 11, 0, 0, 3, 0, 0]
    two = window.processors[2]
    assert (two.dropped, two.busy_ns, two.load, two.queue_depth) == (6, TICK_NS // 2, 0.5, 2)
    (entries,) = window.vports
    assert (entries.vport_id, entries.number_of_queues, entries.default_processor) == (1, 4, P[0])
    assert entries.indirection_table == tuple(P[:4])
    assert (entries.packets.tolist(), entries.busy_ns.tolist()) == ([0, 0, 7, 0], [0, 0, 70, 0])


def test_loads_follow_a_table_that_shrinks() -> None:
    """Loads of entry i of the larger table count for entry i mod size, which has its flows from then on (UPD-27)."""
    text = V2.replace("[0, 1, 2, 3]", "[0, 1, 0, 1]")
    text += f"[[event]]\nat_ns = {TICK_NS}\nrss = {{ vport = 1, num_indirection_table_entries = 2 }}\n"
    policy = Scripted()
    timeline = timeline_of(text, policy=policy)
    timeline.advance()
    timeline.advance(load(0, {SLOTS_PER_TARGET: 1, SLOTS_PER_TARGET + 1: 2, SLOTS_PER_TARGET + 2: 4}))
    assert policy.seen[0].vports[0].packets.tolist() == [5, 2]


def test_native_rss_is_vport_0() -> None:
    """The adapter is shown as VPort 0, with the processors in use (RSS-26), and takes its table without a VPort."""
    text = (
        '[adapter]\nndis_version = "6.60"\ninterface = "native-rss"\nrss_processors = 8\nnumber_of_receive_queues = 2\n'
        "[native_rss]\nindirection_table = [0, 1, 2, 1]"
    )
    policy = Scripted([Table(0, (P[1], P[0], P[1], P[0]))])
    timeline = timeline_of(text, policy=policy)
    (update,) = play(timeline, TICK_NS)
    (vport,) = policy.seen[0].vports
    assert (vport.vport_id, vport.number_of_queues, vport.indirection_table) == (0, 2, (P[0], P[1], P[0], P[1]))
    assert table_of(update, 0) == [1, 0, 1, 0]
    (record,) = timeline.records
    assert record.request is not None
    assert (record.request.vport_id, record.as_expected) == (None, True)


def test_wishes_become_moves_with_rss_v2() -> None:
    """Entries move by requests on the processors they point to (POL-01, UPD-38); a tick is one epoch (EPO-03)."""
    policy = Scripted([Table(1, (P[0], P[0], P[2], P[2])), Move(1, (0, 1), P[3]), Move(1, (2,), P[2])])
    timeline = timeline_of(policy=policy, latency_ns=5)
    (update,) = play(timeline, TICK_NS)
    assert table_of(update) == [3, 3, 2, 2]
    assert (update.requested_at_ns, update.adopted_at_ns) == (START_NS + TICK_NS, START_NS + TICK_NS + 5)
    requests = [record.request for record in timeline.records if record.request]
    assert [request.oid for request in requests] == [Oid.OID_GEN_RSS_SET_INDIRECTION_TABLE_ENTRIES] * 3
    assert sorted(request.processor for request in requests) == [P[0], P[1], P[3]]
    assert {(record.origin, record.as_expected) for record in timeline.records} == {("policy mine", True)}


def test_wishes_become_tables_with_rss_v1() -> None:
    """An RSSv1 adapter takes the table, and keeps everything else by the UNCHANGED flags (POL-01, RSS-09)."""
    policy = Scripted([Move(1, (3,), P[0])])
    timeline = timeline_of(V1, policy=policy)
    before = timeline.control.configuration.vports[1].rss
    (update,) = play(timeline, TICK_NS)
    after = update.snapshot.configuration.vports[1].rss
    assert table_of(update) == [0, 1, 2, 0]
    assert (after.hash_types, after.hash_secret_key, after.default_processor) == (
        before.hash_types,
        before.hash_secret_key,
        before.default_processor,
    )
    (record,) = timeline.records
    assert record.request is not None
    assert (Oid(record.request.oid), record.request.vport_id) == (Oid.OID_GEN_RECEIVE_SCALE_PARAMETERS, 1)


@pytest.mark.parametrize("text", [V1, V2], ids=["RSSv1", "RSSv2"])
def test_a_policy_moves_the_default_processor(text: str) -> None:
    """A Move of DEFAULT_PROCESSOR_INDEX moves it, alone or with entries, and is checked together with them (UPD-37)."""
    both = [Move(1, (0, DEFAULT_PROCESSOR_INDEX), P[4])]  # the VPort's four queues are in use, and still are
    timeline = timeline_of(text, policy=Scripted([Move(1, (DEFAULT_PROCESSOR_INDEX,), P[1])], both))
    updates = play(timeline, 2 * TICK_NS)
    assert [table_of(update) for update in updates] == [[0, 1, 2, 3], [4, 1, 2, 3]]
    assert [update.snapshot.configuration.vports[1].rss.default_processor for update in updates] == [P[1], P[4]]
    assert [record.as_expected for record in timeline.records] == [True] * len(timeline.records)
    assert timeline.findings == []


@pytest.mark.parametrize("text", [V1, V2], ids=["RSSv1", "RSSv2"])
def test_wishes_for_what_is_there_ask_for_nothing(text: str) -> None:
    """A policy without wishes makes no request and no epoch."""
    timeline = timeline_of(text, policy=Scripted([Table(1, tuple(P[:4])), Move(1, (1,), P[1])]))
    assert play(timeline, TICK_NS) == []
    assert timeline.records == []
    assert timeline.findings == []


@pytest.mark.parametrize(
    ("text", "status"),
    [(V1, NdisStatus.NDIS_STATUS_INVALID_PARAMETER), (V2, NdisStatus.NDIS_STATUS_NO_QUEUES)],
    ids=["RSSv1", "RSSv2"],
)
def test_illegal_wishes_are_refused_and_the_policy_goes_on(text: str, status: NdisStatus) -> None:
    """The adapter refuses five processors for four queues (RSS-18, UPD-41); the policy may try again."""
    too_many = [Move(1, (1,), P[3]), Move(1, (0,), P[4]), Move(1, (2,), P[1])]  # 4, 3, 1, 2 and the default 0
    policy = Scripted([Move(1, (3,), P[2])], too_many, [Move(1, (1,), P[0])])
    timeline = timeline_of(text, policy=policy)
    updates = play(timeline, 3 * TICK_NS)
    (refused,) = [record for record in timeline.records if not record.as_expected]
    assert (refused.status, refused.requested_at_ns) == (status, START_NS + 2 * TICK_NS)
    assert table_of(updates[0]) == [0, 1, 2, 2]
    assert updates[-1].requested_at_ns == START_NS + 3 * TICK_NS
    assert table_of(updates[-1])[1] == 0
    assert timeline.findings == []
    assert len(policy.seen) == 3


@pytest.mark.parametrize(
    ("wish", "why"),
    [
        (ValueError("no\n idea"), "ValueError: no idea (test_timeline.py line N)"),
        (KeyError(), "KeyError (test_timeline.py line N)"),
        (None, "rebalance returned None, which is no list of wishes: [] is none, [wish] is one"),
        (
            Move(1, (0,), P[1]),
            "rebalance returned Move(vport_id=1, indices=(0,), target=ProcessorNumber(gro..., which is no list of "
            "wishes: [] is none, [wish] is one",
        ),
        ([Move(1, (0,), P[1]), 7], "wishes 7, which is neither Move nor Table"),
        ([Move(2, (0,), P[1])], "there is no VPort 2 with RSS"),
        ([Move(0, (0,), P[1])], "there is no VPort 0 with RSS"),
        ([Move(1, (0, 4), P[1])], "VPort 1 has no entry 4, its table has 4"),
        ([Move(1, (-1,), P[1])], "VPort 1 has no entry -1, its table has 4"),
        ([Move(1, (0,), ProcessorNumber(0, 8))], "processor 0:8 is not an RSS processor"),
        ([Table(1, tuple(P[:2]))], "wishes 2 entries for VPort 1, which has 4"),
        ([Table(1, (*P[:3], ProcessorNumber(1, 0)))], "processor 1:0 is not an RSS processor"),
        (
            [Move(1, ("a",), P[1])],  # type: ignore[arg-type]
            "wishes a move of indices ('a',): write whole numbers in a tuple, as (0,)",
        ),
        ([Move(1, 0, P[1])], "wishes a move of indices 0: write whole numbers in a tuple, as (0,)"),  # type: ignore[arg-type]
        (
            [Move(1, (0,), 3)],  # type: ignore[arg-type]
            "wishes processor 3: take one of the window, or ProcessorNumber(group, number)",
        ),
        (
            [Table(1, ("0:1",) * 4)],  # type: ignore[arg-type]
            "wishes processor '0:1': take one of the window, or ProcessorNumber(group, number)",
        ),
    ],
)
def test_a_policy_that_fails_is_named_once_and_not_asked_again(wish: object, why: str) -> None:
    """Nothing of that tick is carried out, what came before stays, and the run goes on without the policy."""
    policy = Scripted([Move(1, (0,), P[1])], wish, [Move(1, (0,), P[2])])
    timeline = timeline_of(schedule=[at(5 * TICK_NS, move(2, 3))], policy=policy)
    updates = play(timeline)
    assert [re.sub(r"line \d+", "line N", one) for one in timeline.findings] == [f"policy mine at 2 ms: {why}"]
    assert [update.requested_at_ns for update in updates] == [START_NS + TICK_NS, START_NS + 5 * TICK_NS]
    assert table_of(updates[-1]) == [1, 1, 3, 3]
    assert len(policy.seen) == 2


def test_a_policy_that_never_ends_wishing_is_found_out() -> None:
    """An endless iterable is cut off."""

    class Endless(Policy):
        def rebalance(self, window: LoadWindow) -> Iterable[Move | Table]:
            while True:
                yield Move(1, (0,), P[1])

    timeline = timeline_of(policy=Endless())
    assert play(timeline, TICK_NS) == []
    assert timeline.findings == ["policy mine at 1 ms: has more than 65536 wishes"]


@pytest.mark.parametrize("next_tick_ns", [999, 0, -5, 10**16])
def test_a_next_tick_that_makes_no_sense_is_a_finding(next_tick_ns: int) -> None:
    """Ticks are as far apart as in a scenario: 1 000 ns to 10^15 ns."""
    timeline = timeline_of(policy=Scripted(next_tick_ns=next_tick_ns))
    play(timeline)
    (finding,) = timeline.findings
    assert finding.startswith(f"policy mine at 1 ms: wants its next tick after {next_tick_ns} ns")


def test_a_next_tick_is_a_whole_number() -> None:
    """A float as the time of a tick is refused by name, because times are exact."""
    timeline = timeline_of(policy=Scripted(next_tick_ns=1e6))
    play(timeline)
    assert timeline.findings == ["policy mine at 1 ms: next_tick_ns is 1000000.0, which is no whole number of ns"]


def test_a_policy_may_set_its_next_tick() -> None:
    """The first tick is the scenario's, each further one as far away as the policy said; windows follow (POL-02)."""
    policy = Scripted(next_tick_ns=2_500)
    timeline = timeline_of(policy=policy)
    play(timeline, TICK_NS + 5_000)
    assert [(window.start_ns - TICK_NS, window.end_ns - TICK_NS) for window in policy.seen] == [
        (-TICK_NS, 0),
        (0, 2_500),
        (2_500, 5_000),
    ]


def test_requests_of_the_same_instant_come_before_the_tick() -> None:
    """The policy sees what was asked for at its moment, and both are one epoch (TIM-03, EPO-03, POL-02)."""
    policy = Scripted([Move(1, (1,), P[0])])
    timeline = timeline_of(schedule=[at(TICK_NS, move(0, 3)), at(TICK_NS + 1, move(2, 3))], policy=policy)
    together, after = play(timeline, 2 * TICK_NS)
    assert policy.seen[0].vports[0].indirection_table == (P[3], P[1], P[2], P[3])
    assert [record.origin for record in timeline.records if record.epoch == together.epoch] == [
        f"test at {TICK_NS}",
        "policy mine",
    ]
    assert table_of(together) == [3, 0, 2, 3]
    assert after.requested_at_ns == START_NS + TICK_NS + 1


def idle_run(policy: Policy, next_arrival_ns: int | None, loads: Loads | None = None) -> list[int]:
    """The numbers of the ticks of a run in which only the second tick has loads."""
    timeline = timeline_of(policy=policy)
    stretch = timeline.advance()
    ticks = []
    for number in range(IDLE_TICKS + 3):
        assert stretch.until_ns is not None
        tick, rest = divmod(stretch.until_ns - START_NS, TICK_NS)
        assert rest == 0
        ticks.append(tick)
        arrival_ns = None if next_arrival_ns is None else max(START_NS + next_arrival_ns, stretch.until_ns)
        stretch = timeline.advance(loads if loads is not None and number == 1 else IDLE, arrival_ns)
    return ticks


def test_idle_ticks_are_left_out_until_something_arrives() -> None:
    """After 64 ticks without anything to do the next one is the first on the grid at or after the next arrival."""
    policy = Scripted()
    ticks = idle_run(policy, 1_000 * TICK_NS + 1)
    assert ticks == [*range(1, IDLE_TICKS + 1), 1_001, 1_002, 1_003]
    late = policy.seen[IDLE_TICKS]
    assert (late.tick, late.start_ns, late.end_ns) == (1_000, 1_000 * TICK_NS, 1_001 * TICK_NS)
    assert idle_run(Scripted(), 1_000 * TICK_NS)[IDLE_TICKS:] == [1_000, 1_001, 1_002]
    assert idle_run(Scripted(), 3 * TICK_NS)[IDLE_TICKS:] == [IDLE_TICKS + 1, IDLE_TICKS + 2, IDLE_TICKS + 3]


@pytest.mark.parametrize(
    "busy", [load(0, {SLOTS_PER_TARGET: 1}, busy_ns=0), load(0, {}, busy_ns=1), load(0, {}, busy_ns=0, depth=1)]
)
def test_a_tick_is_idle_when_nothing_arrived_was_done_or_waits(busy: Loads) -> None:
    """Each of the three restarts the count of 64, at any tick; without a next arrival no tick is skipped."""
    assert idle_run(Scripted(), 1_000 * TICK_NS, busy)[IDLE_TICKS:] == [IDLE_TICKS + 1, IDLE_TICKS + 2, 1_000]
    assert idle_run(Scripted(), None) == list(range(1, IDLE_TICKS + 4))


@pytest.mark.parametrize(
    ("ends", "told"),
    [
        (OverdueError, "did not answer within 30 s"),
        (KeyboardInterrupt, "interrupted while it was asked"),
    ],
)
def test_a_policy_that_is_ended_is_a_finding(ends: type[BaseException], told: str) -> None:
    """A policy that never ends, or that the user ends, is not asked again; the traffic goes on."""

    class Endless(Policy):
        def rebalance(self, window: LoadWindow) -> Iterable[Move | Table]:
            raise ends

    timeline = timeline_of(policy=Endless())
    play(timeline, 3 * TICK_NS)
    assert timeline.findings == [f"policy mine at 1 ms: {told}"]


def test_a_slow_policy_is_a_remark_and_changes_nothing() -> None:
    """A slow policy appears in one remark and nowhere else (TIM-01)."""
    readings = iter(range(0, 10**12, 3 * TICK_NS))
    slow, quick = timeline_of(policy=Turn(), clock=lambda: next(readings)), timeline_of(policy=Turn())
    assert described(play(slow, 3 * TICK_NS)) == described(play(quick, 3 * TICK_NS))
    assert slow.records == quick.records
    assert slow.remarks == [
        "policy mine at 1 ms needed 3 ms, longer than its tick of 1 ms: in real time it would come too late"
    ]
    assert slow.findings == quick.findings == quick.remarks == []


def test_a_policy_without_a_name_is_called_like_its_class() -> None:
    """Module and class, as a scenario names policies that are not the model's own."""
    control = set_up(load_scenario(V2)).control
    timeline = ControlTimeline(
        control, compile_snapshot(control.configuration, 0), policy=Scripted(ValueError("x")), tick_ns=TICK_NS
    )
    timeline.begin(0)
    timeline.advance()
    timeline.advance(IDLE)
    (finding,) = timeline.findings
    assert finding.startswith(f"policy {__name__}:Scripted at 1 ms: ValueError: x (test_timeline.py line ")


# --- requests from outside --------------------------------------------------------------------------------------------


def test_requests_from_outside_are_decided_at_once() -> None:
    """Each has its own epoch; a moment whose epoch was returned takes no more, so the next request is 1 ns later."""
    timeline = timeline_of(schedule=[], ahead=0, latency_ns=10)
    timeline.advance()
    record, update = timeline.request(move(0, 1), START_NS + 5)
    assert update is not None
    assert (record.origin, update.epoch, update.adopted_at_ns) == ("client", 1, START_NS + 15)
    failed, nothing = timeline.request(move(0, 1), START_NS + 7, "somebody")
    assert (failed.status, nothing) == (NdisStatus.NDIS_STATUS_NOT_ACCEPTED, None)
    _, second = timeline.request(move(1, 0), START_NS + 7)
    late, third = timeline.request(move(1, 2, source=0), START_NS + 7)
    assert second is not None
    assert third is not None
    assert (second.requested_at_ns, third.requested_at_ns, late.requested_at_ns) == (
        START_NS + 7,
        START_NS + 8,
        START_NS + 8,
    )
    assert table_of(third) == [1, 2, 2, 3]
    assert [one.origin for one in timeline.records] == ["client", "somebody", "client", "client"]


def test_requests_from_outside_keep_the_order_of_time() -> None:
    """Requests of clients wait for earlier scheduled ones, and cannot come before decided ones."""
    timeline = timeline_of(schedule=[at(5, move(0, 1)), at(9, move(1, 0))], ahead=0)
    timeline.advance()
    _, first = timeline.request(move(2, 3), START_NS + 4)
    assert first is not None
    with pytest.raises(ValueError, match="comes before a request"):
        timeline.request(move(3, 2), START_NS + 5)
    (scheduled,) = timeline.advance().updates
    assert (first.epoch, scheduled.epoch) == (1, 2)
    with pytest.raises(ValueError, match="was decided before a request"):
        timeline.request(move(3, 2), START_NS + 4)
    _, third = timeline.request(move(3, 2), START_NS + 5)  # the moment itself is not past, but its epoch is given away
    assert third is not None
    assert third.requested_at_ns == START_NS + 6


def test_a_scheduled_request_gives_way_to_an_epoch_of_its_moment() -> None:
    """Two epochs never share an adoption time (EPO-03): a request due then is made 1 ns later."""
    timeline = timeline_of(schedule=[at(5, move(0, 1))], ahead=0)
    timeline.advance()
    for request in (move(2, 3), move(1, 0)):
        timeline.request(request, START_NS + 4)
    (scheduled,) = timeline.advance().updates
    assert scheduled.requested_at_ns == START_NS + 6


def test_a_journal_repeats_what_was_requested(tmp_path: Path) -> None:
    """Requests at the times of their journal lead to the same epochs (ENG-05)."""
    done = set_up(load_scenario(V2))
    path = tmp_path / "control.journal"
    control = create(path, done.control.specification, fsync=False)
    for request in done.accepted:
        control.request(request)
    policy = Scripted([Move(1, (1, 2), P[0])], [Table(1, (P[3], P[2], P[1], P[0]))])
    live = ControlTimeline(
        control,
        compile_snapshot(control.configuration, 0),
        control_latency_ns=10,
        policy=policy,
        tick_ns=TICK_NS,
        ahead=0,
    )
    live.begin(START_NS)
    live.advance()
    updates = [live.request(request, START_NS + 7)[1] for request in (move(0, 1), move(3, 2), move(3, 1, source=2))]
    for _ in range(2):
        updates += live.advance(load(0, {0: 1})).updates
    schedule = [
        ScheduledRequest.repeating(entry, "journal", start_ns=START_NS, control_latency_ns=10)
        for entry in JournalReader(path.read_bytes())
        if entry.adoption_ns is not None
    ]
    assert pickle.loads(pickle.dumps(schedule)) == schedule
    again = play(timeline_of(schedule=schedule, latency_ns=10))
    expected = [update for update in updates if update is not None]
    assert [(one.epoch, one.adopted_at_ns, one.snapshot.configuration) for one in again] == [
        (one.epoch, one.adopted_at_ns, one.snapshot.configuration) for one in expected
    ]
    assert len(again) == 5


def test_only_requests_with_a_time_can_be_repeated(tmp_path: Path) -> None:
    """The set-up of an adapter has no adoption time."""
    done = set_up(load_scenario(V2))
    path = tmp_path / "control.journal"
    control = create(path, done.control.specification, fsync=False)
    control.request(done.accepted[0])
    assert isinstance(control, ControlPlane)
    for entry in JournalReader(path.read_bytes()):
        with pytest.raises(ValueError, match="adoption time"):
            ScheduledRequest.repeating(entry, "journal", start_ns=0, control_latency_ns=0)
