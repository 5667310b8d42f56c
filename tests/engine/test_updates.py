"""Updates under traffic against the slow reference: every frame, every update, every hold, every reordering."""

from __future__ import annotations

from functools import partial
from operator import itemgetter
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataplane.engine import nic
from dataplane.processor import updatable
from dataplane.receive.work import DROP_REASONS
from tests.batches import batch_of
from tests.engine.updates import FinishedRun, Scattered, run_with_updates
from tests.reference.processor import ProcessorCosts
from tests.reference.test_updates import (
    COSTS,
    FREE_UNTIL_INTERRUPT,
    FREE_UNTIL_INTERRUPT_ARRIVALS,
    MOVE,
    PROCESSORS,
    TWO_MOVES_TO_T,
    TWO_MOVES_TO_T_ARRIVALS,
    Run,
    S,
    T,
    U,
    packet,
    runs,
    spread,
)
from tests.reference.updates import Result, simulate

_small_logs = partial(mock.patch.multiple, updatable, LOG_ROWS=1, HELD_ROWS=1, MARK_ROWS=1, FENCE_ROWS=1, ORDER_ROWS=2)


def reference(given_run: Run, *, ordered: bool, ticks_ns: tuple[int, ...] = ()) -> Result:
    """The results of the slow reference for a run."""
    frames = [(at, frame, len(frame)) for at, frame in given_run.arrivals]
    last_arrival_ns = frames[-1][0] if frames else -1
    reached = [one for one in given_run.configurations if one[0] is None or one[0] <= last_arrival_ns]
    return simulate(
        frames,
        reached,
        given_run.costs,
        ordered=ordered,
        transmit_by_source=True,
        loads_at=ticks_ns,
    )


def run(
    given_run: Run,
    *,
    ordered: bool,
    batch_frames: int = 7,
    stretch: int = 100,
    ticks_ns: tuple[int, ...] = (),
    scattered: Scattered | None = None,
) -> FinishedRun:
    """The results of the model for the same run."""
    batch = batch_of([f for _, f in given_run.arrivals], timestamps_ns=[at for at, _ in given_run.arrivals])
    return run_with_updates(
        batch, given_run.configurations, given_run.costs, ordered=ordered, batch_frames=batch_frames,
        stretch=stretch, ticks_ns=ticks_ns, scattered=scattered,
    )  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(runs(), st.booleans(), st.sampled_from([1, 2, 7, 64]), st.sampled_from([1, 100]))
def test_updates_equal_the_reference(given_run: Run, ordered: bool, batch_frames: int, stretch: int) -> None:
    """Completions, drops, epochs, certificates and reordering are those of the event-by-event reference.

    EPO-01 to EPO-09, TIM-03, ORD-01, ORD-02, ORD-05, UPD-01 to UPD-05, TX-12, TX-14, MOD-08, at any batch size
    (ENG-01).
    """
    got = run(given_run, ordered=ordered, batch_frames=batch_frames, stretch=stretch)
    check_against_reference(got, given_run, ordered=ordered)


@pytest.mark.parametrize("batch_frames", [1, 7])
@pytest.mark.parametrize(
    "given_run",
    [
        Run(TWO_MOVES_TO_T_ARRIVALS, TWO_MOVES_TO_T, COSTS),
        Run(FREE_UNTIL_INTERRUPT_ARRIVALS, MOVE, FREE_UNTIL_INTERRUPT),
    ],
)
def test_frames_released_together(given_run: Run, batch_frames: int) -> None:
    """They enter by holder and one at a time, as in the reference ("holder", "instants")."""
    got = run(given_run, ordered=True, batch_frames=batch_frames)
    check_against_reference(got, given_run, ordered=True)


@pytest.mark.parametrize("scattered", [None, *(Scattered([1, 2, 3], buffers, 7) for buffers in (1, 2, 8))])
@pytest.mark.parametrize("batch_frames", [1, 7])
def test_processors_that_wait_for_each_other(scattered: Scattered | None, batch_frames: int) -> None:
    """Two entries are swapped, and swapped back while both processors hold frames: neither waits for ever.

    Each must be told a bound of when the other's held frames enter, not of everything on that processor (EPO-07).
    """
    swap = Run(
        tuple((10 * number, packet(number % 2)) for number in range(6)),
        ((None, spread(S, T)), (20, spread(T, S)), (40, spread(S, T))),
        {number: ProcessorCosts(receive_cost_ns=80) for number in PROCESSORS},
    )
    got = run(swap, ordered=True, batch_frames=batch_frames, scattered=scattered)
    check_against_reference(got, swap, ordered=True)
    assert got.rows["completion_ns"].tolist() == [80, 90, 170, 170, 250, 250]


@settings(max_examples=100, deadline=None)
@given(runs(), st.booleans())
def test_logs_of_any_size_will_do(given_run: Run, ordered: bool) -> None:
    """No result depends on the initial room of logs, held frames and unbounded queues (ENG-04)."""
    with _small_logs():
        got = run(given_run, ordered=ordered)
    check_against_reference(got, given_run, ordered=ordered)


def test_held_frames_enter_before_the_next_mark_in_small_logs() -> None:
    """Two frames are released before the next adoption in the same batch, and there is room to log one (EPO-07)."""
    costs = dict(zip(PROCESSORS, (100, 1, 1), strict=True))
    moved_on = Run(
        ((0, packet(0)), (10, packet(0)), (60, packet(0)), (61, packet(0)), (310, packet(1))),
        ((None, spread(S, T)), (50, spread(T, T)), (300, spread(T, U))),
        {number: ProcessorCosts(receive_cost_ns=cost) for number, cost in costs.items()},
    )
    with _small_logs():
        got = run(moved_on, ordered=True, batch_frames=64)
    check_against_reference(got, moved_on, ordered=True)
    assert [one.frames_old_epoch_after_adoption for one in got.report.certificates] == [2, 0]


@pytest.mark.parametrize("seed", [3, 13, 21])
def test_a_later_update_watches_for_longer(seed: int) -> None:
    """Frames that overtake those of an entry that moves twice are found, although the first update is over (ORD-02)."""
    moved_twice = Run(
        (
            *((at, packet(0)) for at in (0, 20, 25, 30)),
            *((at, packet(1)) for at in (45, 50, 55)),
            *((at, packet(0)) for at in (130, 150)),
        ),
        ((None, spread(S, S)), (15, spread(T, S)), (40, spread(U, S))),
        {number: ProcessorCosts(receive_cost_ns=100) for number in PROCESSORS},
    )
    got = run(moved_twice, ordered=False, batch_frames=1, scattered=Scattered([1, 2, 3], 8, seed))
    check_against_reference(got, moved_twice, ordered=False)
    assert [one.frames_reordered for one in got.report.certificates] == [0, 1]


@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("segments", [64, 3, 1])
@pytest.mark.parametrize("scattered", [None, Scattered([1, 2, 3], 3, 5), Scattered([1, 3], 8, 6)])
def test_more_adoptions_in_a_batch_than_a_buffer_has_segments(
    scattered: Scattered | None, segments: int, ordered: bool
) -> None:
    """A batch that is cut into more pieces goes in several buffers, with equal results (MOD-08, ENG-01).

    Some frames always wait for an update, and fences of earlier updates are forgotten meanwhile.
    """
    processors, costs = (S, T, U), dict(zip(PROCESSORS, (9, 5, 2), strict=True))
    adoptions = [(3 * k + 1, spread(processors[k % 3], processors[k // 2 % 3])) for k in range(80)]
    busy = Run(
        tuple((3 * k, packet(k % 4, k % 3)) for k in range(100)),
        ((None, spread(S, T)), *adoptions),
        {number: ProcessorCosts(receive_cost_ns=cost, dpc_queue_depth=16) for number, cost in costs.items()},
    )
    with mock.patch.object(nic, "SEGMENTS_MAX", segments), mock.patch.object(updatable, "FENCE_ROWS", 8):
        got = run(busy, ordered=ordered, batch_frames=100, scattered=scattered)
    check_against_reference(got, busy, ordered=ordered)


@settings(max_examples=200, deadline=None)
@given(
    runs(),
    st.booleans(),
    st.sampled_from([[1, 2, 3], [1, 3], [2, 3], [3]]),
    st.sampled_from([1, 3, 64]),
    st.sampled_from([1, 2, 8]),
    st.integers(0, 2**32),
)
def test_no_order_of_messages_matters(
    given_run: Run, ordered: bool, host_ends: list[int], batch_frames: int, buffers: int, seed: int
) -> None:
    """Processors on any number of hosts, each at any pace, give the same results (ENG-01, EPO-05)."""
    scattered = Scattered(host_ends, buffers, seed)
    got = run(given_run, ordered=ordered, batch_frames=batch_frames, scattered=scattered)
    check_against_reference(got, given_run, ordered=ordered)


@settings(max_examples=100, deadline=None)
@given(
    runs(),
    st.booleans(),
    st.sets(st.integers(0, 40), max_size=4),
    st.sampled_from([None, Scattered([1, 3], 2, 1), Scattered([1, 2, 3], 8, 2)]),
    st.sampled_from([1, 5, 64]),
)
def test_ticks_see_what_came_before(
    given_run: Run, ordered: bool, ticks: set[int], scattered: Scattered | None, batch_frames: int
) -> None:
    """Loads at a tick include everything that happened before it, and nothing after it (POL-02, PRC-04)."""
    last_ns = given_run.arrivals[-1][0] if given_run.arrivals else -1
    first_ns = given_run.arrivals[0][0] if given_run.arrivals else 0
    ticks_ns = tuple(sorted(at for at in ticks if first_ns <= at <= last_ns))
    got = run(given_run, ordered=ordered, ticks_ns=ticks_ns, scattered=scattered, batch_frames=batch_frames)
    check_against_reference(got, given_run, ordered=ordered)
    expected = reference(given_run, ordered=ordered, ticks_ns=ticks_ns)
    numbers = sorted(given_run.costs)
    sums = {number: [0, 0, 0] for number in numbers}
    assert len(got.loads) == len(ticks_ns)
    for loads, moment in zip(got.loads, expected.loads, strict=True):
        told = loads.processors
        assert sorted(told["processor"].tolist()) == list(range(len(numbers)))
        for row, packets, dropped, busy_ns, queue_depth in told.tolist():
            number = numbers[row]
            for i, value in enumerate((busy_ns, packets, dropped)):
                sums[number][i] += value
            assert queue_depth == moment[number].queue_depth
            assert sums[number] == [moment[number].busy_ns, moment[number].arrivals, moment[number].drops]
        assert loads.entries["packets"].sum() == told["packets"].sum()


def check_against_reference(got: FinishedRun, given_run: Run, *, ordered: bool) -> None:
    """Everything that can be compared is equal."""
    expected = reference(given_run, ordered=ordered)
    numbers = sorted(given_run.costs)
    frames = [
        (
            int(epoch),
            numbers[int(processor)] if processor != 0xFFFF else None,
            DROP_REASONS[int(drop)] or None,
            int(completion) if not drop else None,
        )
        for epoch, processor, drop, completion in zip(
            got.rows["epoch"], got.rows["processor"], got.rows["drop"], got.rows["completion_ns"], strict=True
        )
    ]
    assert frames == [(f.epoch, f.processor, f.drop_reason, f.completion_ns) for f in expected.frames]
    for certificate, update in zip(got.report.certificates, expected.updates, strict=True):
        entries = [(e["vport_id"], e["index"], e["source"], e["target"]) for e in certificate.entries]
        names = {0xFFFF: "default", 0xFFFE: "primary"}
        moved = [(m.target_id, names.get(m.index, m.index), str(m.source), str(m.destination)) for m in update.moved]
        assert sorted(entries, key=itemgetter(0)) == moved  # VPorts come as they were made, not by id
        assert certificate.adopted_at_ns == update.adoption_ns
        assert certificate.frames_old_epoch_after_adoption == update.old_frames
        assert certificate.retired_at_ns == max(update.drained_ns.values())
        assert certificate.frames_new_epoch_before_drained == sum(update.new_frames.values())
        assert certificate.frames_held == len(update.held)
        assert certificate.longest_hold_ns == max((held.hold_ns for held in update.held), default=0)
        first_holds: dict[tuple[int, int], int] = {}
        for held in update.held:
            first_holds.setdefault((held.target_id, held.index), held.hold_ns)
        assert certificate.blocked_time_ns == sum(first_holds.values())
        assert certificate.frames_dropped_behind_holds == update.frames_dropped_behind_holds
        late = [one for one in expected.reordered if one.epoch == update.epoch]
        assert certificate.frames_reordered == len(late)
        assert certificate.max_extent == max((one.extent for one in late), default=0)
        assert certificate.max_late_ns == max((one.late_ns for one in late), default=0)
        assert all(certificate.verdicts.values())
    assert sum(report.updates.reordered for report in got.processors if report.updates) == 0
