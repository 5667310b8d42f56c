"""The NIC front end as a pure object: a batch of frames in, work columns and a selection vector out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dataplane.arrays import read_only
from dataplane.ids import ProcessorNumber
from dataplane.kernels import steer as kernels
from dataplane.receive.work import (
    DROP_REASONS,
    NO_PROCESSOR,
    NO_TARGET,
    NOT_DROPPED,
    TAGGED,
    WorkColumns,
    first_rows,
)
from dataplane.switch.configuration import HashType
from dataplane.switch.snapshot import HASH_KINDS, SteeringSnapshot
from dataplane.traffic.batch import FrameBatch


def steer_batch(batch: FrameBatch, snapshot: SteeringSnapshot, work: WorkColumns, *, transmit_by_source: bool) -> None:
    """Match, hash, index and assign every frame of `batch` with one snapshot, into the first rows of `work`."""
    table = np.zeros(kernels.SNAPSHOT_WORDS, np.int64)
    kernels.describe_snapshot(snapshot.arrays, np.zeros(0, np.uint32), table)
    columns = np.zeros(kernels.COLUMN_WORDS, np.int64)
    kernels.describe_columns(work, columns)
    kernels.steer(
        read_only(batch.data),
        read_only(batch.frame_start),
        read_only(batch.captured_length),
        read_only(batch.wire_length),
        read_only(batch.timestamp_ns),
        0,
        len(batch),
        table,
        columns,
        0,
        transmit_by_source,
    )


def group_rows(
    work: WorkColumns,
    first_row: int,
    end_row: int,
    offsets: npt.NDArray[np.int64],
    selection: npt.NDArray[np.uint32],
) -> None:
    """Group rows by processor: `selection[offsets[p]:offsets[p + 1]]` are those of processor row p."""
    kernels.group_by_processor(work.processor, first_row, end_row, offsets, selection)


@dataclass(frozen=True, slots=True)
class SteeredFrame:
    """Where one frame goes and with what out-of-band data."""

    target_id: int | None  # VPort or queue id, None when dropped
    drop_reason: str | None  # "runt" or "packet filter"
    filter_id: int  # filter that matched, 0 = none
    hash_type: HashType  # NONE when no hash was computed
    hash_value: int
    entry: int | None  # indirection table index
    processor: ProcessorNumber | None
    tagged: bool
    oob_8021q: int  # RX-10


def steered_row(snapshot: SteeringSnapshot, work: WorkColumns, row: int) -> SteeredFrame:
    """One row of work columns as a value."""
    dropped = int(work.drop[row])
    target, processor = int(work.target[row]), int(work.processor[row])
    index = int(work.table_index[row])
    entries_known = processor != NO_PROCESSOR and index < 0xFFFE
    return SteeredFrame(
        target_id=None if target == NO_TARGET else int(snapshot.arrays.targets["target_id"][target]),
        drop_reason=None if dropped == NOT_DROPPED else DROP_REASONS[dropped],
        filter_id=int(work.filter_id[row]),
        hash_type=HASH_KINDS[int(work.hash_kind[row])],
        hash_value=int(work.hash_value[row]),
        entry=index if entries_known else None,
        processor=None if processor == NO_PROCESSOR else snapshot.processors[processor],
        tagged=bool(work.flags[row] & TAGGED),
        oob_8021q=int(work.oob_8021q[row]),
    )
