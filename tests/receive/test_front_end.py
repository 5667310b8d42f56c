"""The NIC front end: rows grouped by processor, for any number of threads and pieces."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from dataplane.kernels.work import NO_PROCESSOR, NOT_COMPLETED
from dataplane.receive.front_end import NicFrontEnd
from dataplane.receive.steering import Span
from dataplane.receive.work import WorkColumns, new_work_columns
from dataplane.switch.snapshot import SteeringSnapshot
from dataplane.traffic.batch import FrameBatch
from dataplane.traffic.profiles import Profile
from dataplane.traffic.synthetic import Destination, SyntheticSource
from tests.kernels.snapshots import four_vports

ROWS = 20_011


@pytest.fixture(scope="module")
def snapshot() -> SteeringSnapshot:
    """Four VPorts; frames to other addresses are dropped."""
    return four_vports()


@pytest.fixture(scope="module")
def traffic() -> FrameBatch:
    """Frames to the VPorts, and some to nobody."""
    destinations = [Destination(0x00155D010200 + n, 7 if n % 2 else None) for n in range(1, 6)]
    profile = Profile("uniform", packets=ROWS, flows=3000, ipv6_share=0.2, lengths="imix:csit")
    return next(SyntheticSource(profile, destinations).batches(ROWS))


def accepted(
    snapshot: SteeringSnapshot, frames: FrameBatch, threads: int, pieces: list[int]
) -> tuple[WorkColumns, list[list[list[int]]], dict[str, int]]:
    """Columns, rows of each processor by piece, and drops, of a batch that is divided into spans."""
    front_end = NicFrontEnd(threads=threads)
    work = new_work_columns(len(frames))
    for column in work:
        column.fill(0x5A)
    selection = np.zeros(len(frames), np.uint32)
    ends = [*pieces, len(frames)]
    offsets = np.zeros((len(ends) + 1, len(snapshot.processors) + 1), np.int64)  # with room for another one
    front_end.accept(frames, [Span(end, snapshot) for end in ends], work, offsets, selection)
    assert offsets[:-1, 0].tolist() == [0, *pieces]
    grouped = [[selection[a:b].tolist() for a, b in pairwise(of_span)] for of_span in offsets[:-1].tolist()]
    assert front_end.arrived == len(frames)
    return work, grouped, front_end.dropped()


@pytest.mark.parametrize("rows", [0, 1, 2047, 2048, 4097, 16_383, ROWS])
@pytest.mark.parametrize("threads", [2, 3, 7])
def test_threads_do_not_show(snapshot: SteeringSnapshot, traffic: FrameBatch, threads: int, rows: int) -> None:
    """Any number of threads writes the same columns, groups and counters as one (ENG-01)."""
    frames = traffic.slice(0, rows)
    expected, expected_groups, expected_drops = accepted(snapshot, frames, 1, [])
    work, groups, drops = accepted(snapshot, frames, threads, [])
    assert groups == expected_groups
    assert drops == expected_drops
    for name, column in work._asdict().items():
        assert np.array_equal(column, getattr(expected, name)), name


@pytest.mark.parametrize("threads", [1, 3])
def test_groups_are_stable(snapshot: SteeringSnapshot, traffic: FrameBatch, threads: int) -> None:
    """Each piece has its processors' rows in the order of arrival, without dropped frames (RX-07, PRC-02)."""
    pieces = [1, 11, 5000, 5000, 19_000]
    work, grouped, drops = accepted(snapshot, traffic, threads, pieces)
    for (low, high), groups in zip(pairwise([0, *pieces, ROWS]), grouped, strict=True):
        for processor, rows in enumerate(groups):
            assert rows == (np.flatnonzero(work.processor[low:high] == processor) + low).tolist()
    dropped = work.processor == NO_PROCESSOR
    assert drops == {"packet filter": int(dropped.sum())}
    assert 0 < dropped.sum() < ROWS
    assert np.array_equal(dropped, work.drop != 0)
    assert (work.completion_ns[dropped] == NOT_COMPLETED).all()
    assert np.array_equal(work.timestamp_ns, traffic.timestamp_ns)
    assert np.array_equal(work.wire_length, traffic.wire_length)


def test_there_is_at_least_one_thread() -> None:
    """A number of threads below 1 is a mistake of the caller."""
    with pytest.raises(ValueError, match="threads = 0"):
        NicFrontEnd(threads=0)


def test_columns_that_nobody_wants_are_left_out(snapshot: SteeringSnapshot, traffic: FrameBatch) -> None:
    """Without a reader of rows the columns for processors are the same, and the other columns are empty."""
    expected = accepted(snapshot, traffic, 1, [])[0]
    work, selection = new_work_columns(ROWS, rows_wanted=False), np.zeros(ROWS, np.uint32)
    front_end = NicFrontEnd()
    offsets = np.zeros((1, len(snapshot.processors) + 1), np.int64)
    front_end.accept(traffic, [Span(ROWS, snapshot)], work, offsets, selection)
    assert np.array_equal(work.rows, expected.rows)
    assert np.array_equal(work.processor, expected.processor)
    assert {name for name, column in work._asdict().items() if not len(column)} == {"out_of_band", "completion_ns"}
    assert front_end.dropped() == accepted(snapshot, traffic, 1, [])[2]
    assert (expected.drop != 0).any()


@pytest.mark.parametrize("threads", [1, 3])
def test_every_span_has_its_snapshot(snapshot: SteeringSnapshot, traffic: FrameBatch, threads: int) -> None:
    """Frames of one batch are steered with the snapshot of their span (EPO-02), and grouped by it."""
    other = four_vports(first_processor=1)
    expected = accepted(snapshot, traffic, 1, [])[0].processor
    kept = expected != NO_PROCESSOR
    one = 3000 + int(np.argmax(kept[3000:]))  # in a span of its own
    ends = [one, one + 1, 12_000, ROWS]
    front_end = NicFrontEnd(threads=threads)
    work, selection = new_work_columns(ROWS), np.zeros(ROWS, np.uint32)
    offsets = np.zeros((4, len(snapshot.processors) + 1), np.int64)
    spans = [Span(end, other if number % 2 else snapshot) for number, end in enumerate(ends)]
    front_end.accept(traffic, spans, work, offsets, selection)
    row = np.arange(ROWS)
    moved = kept & ((row == one) | (row >= 12_000))
    stayed = kept & ~moved
    assert np.array_equal(work.processor[moved], (expected[moved] + 1) % 4)
    assert np.array_equal(work.processor[stayed], expected[stayed])
    for of_span, (low, high) in zip(offsets.tolist(), pairwise([0, *ends]), strict=True):
        for processor, (first, end) in enumerate(pairwise(of_span)):
            mine = np.flatnonzero(work.processor[low:high] == processor) + low
            assert selection[first:end].tolist() == mine.tolist()
