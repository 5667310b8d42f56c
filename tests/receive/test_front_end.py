"""The NIC front end: rows grouped by processor, however many threads and pieces there were."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from dataplane.receive.front_end import NicFrontEnd
from dataplane.receive.work import NO_PROCESSOR, NOT_COMPLETED, WorkColumns, new_work_columns
from dataplane.switch.snapshot import SteeringSnapshot
from dataplane.traffic.batch import FrameBatch
from dataplane.traffic.profiles import Profile
from dataplane.traffic.synthetic import Destination, SyntheticSource
from tests.kernels.snapshots import four_vports

ROWS = 20_011


@pytest.fixture(scope="module")
def snapshot() -> SteeringSnapshot:
    """Four VPorts; what is sent elsewhere is dropped."""
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
    """Columns, rows of each processor by piece, and drops, of frames that are taken in pieces."""
    front_end = NicFrontEnd(snapshot, threads=threads)
    work = new_work_columns(len(frames))
    for column in work:
        column.fill(0x5A)
    selection = np.zeros(len(frames), np.uint32)
    grouped = []
    for low, high in pairwise([0, *pieces, len(frames)]):
        offsets = np.zeros(len(snapshot.processors) + 1, np.int64)
        front_end.accept(frames.slice(low, high), work, low, offsets, selection)
        assert offsets[0] == low
        grouped.append([selection[a:b].tolist() for a, b in pairwise(offsets.tolist())])
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


def test_there_is_at_least_one_thread(snapshot: SteeringSnapshot) -> None:
    """No threads is a mistake of the caller."""
    with pytest.raises(ValueError, match="threads = 0"):
        NicFrontEnd(snapshot, threads=0)


def test_columns_that_nobody_wants_are_left_out(snapshot: SteeringSnapshot, traffic: FrameBatch) -> None:
    """Without a reader of rows what processors read is the same, and the other columns are not there."""
    expected = accepted(snapshot, traffic, 1, [])[0]
    work, selection = new_work_columns(ROWS, rows_wanted=False), np.zeros(ROWS, np.uint32)
    front_end = NicFrontEnd(snapshot)
    front_end.accept(traffic, work, 0, np.zeros(len(snapshot.processors) + 1, np.int64), selection)
    assert np.array_equal(work.rows, expected.rows)
    assert np.array_equal(work.processor, expected.processor)
    assert {name for name, column in work._asdict().items() if not len(column)} == {
        "hash_value", "filter_id", "table_index", "oob_8021q", "completion_ns",
    }  # fmt: skip
    assert front_end.dropped() == accepted(snapshot, traffic, 1, [])[2]
    assert (expected.drop != 0).any()


def test_the_next_snapshot_is_used_at_once(snapshot: SteeringSnapshot, traffic: FrameBatch) -> None:
    """What is assigned to `snapshot` steers the next piece (EPO-02), also into columns that were used before."""
    other = four_vports(first_processor=1)
    front_end = NicFrontEnd(snapshot)
    work, selection = new_work_columns(ROWS), np.zeros(ROWS, np.uint32)
    offsets = np.zeros(len(snapshot.processors) + 1, np.int64)
    front_end.accept(traffic, work, 0, offsets, selection)
    before = work.processor.copy()
    front_end.snapshot = other
    front_end.accept(traffic, work, 0, offsets, selection)
    kept = before != NO_PROCESSOR
    assert np.array_equal(work.processor[kept], (before[kept] + 1) % 4)
