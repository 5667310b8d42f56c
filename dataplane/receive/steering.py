"""The NIC front end as a pure object: a batch of frames in, work columns and a selection vector out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from dataplane.arrays import read_only
from dataplane.ids import ProcessorNumber
from dataplane.kernels import steer as kernels
from dataplane.kernels.work import NO_PROCESSOR, NO_TARGET, NOT_DROPPED, TAGGED
from dataplane.ndis.oob import Ieee8021Q
from dataplane.receive.work import DROP_REASONS, WorkColumns
from dataplane.switch.configuration import HashType
from dataplane.switch.snapshot import HASH_KINDS, SteeringSnapshot
from dataplane.traffic.batch import FrameBatch


def describe_columns(work: WorkColumns) -> npt.NDArray[np.int64]:
    """The table of addresses that the kernel writes to; the columns must outlive it."""
    return read_only(kernels.describe_columns(work))


class Span(NamedTuple):
    """Consecutive frames of a batch that one snapshot steers; the first span begins with frame 0."""

    end: int  # the frame after its last one, where the next span begins
    snapshot: SteeringSnapshot


class SpanTable(NamedTuple):
    """The spans of a batch in the form for the kernels."""

    ends: npt.NDArray[np.int64]  # (spans,)
    tables: npt.NDArray[np.int64]  # (spans,) addresses of what `describe_snapshot` says
    snapshots: tuple[SteeringSnapshot, ...]  # keep the memory at these addresses alive

    @classmethod
    def of(cls, spans: Sequence[Span]) -> SpanTable:
        """The table of these spans."""
        ends, tables = [span.end for span in spans], [span.snapshot.kernel_table.address for span in spans]
        return cls(np.array(ends, np.int64), np.array(tables, np.int64), tuple(span.snapshot for span in spans))


def steer_frames(
    batch: FrameBatch,
    first: int,
    end: int,
    spans: SpanTable,
    columns: npt.NDArray[np.int64],
    counts: npt.NDArray[np.int64],
    *,
    transmit_by_source: bool,
) -> None:
    """Match, hash, index and assign frames `first` to `end` - 1 of `batch`, into the rows with the same numbers.

    `columns` comes from `describe_columns` for work columns with enough room. `counts` (spans, processors + 1) gets the
    number of frames of each processor and, last, of dropped frames. Several threads may steer one batch.
    """
    kernels.steer(
        read_only(batch.data),
        read_only(batch.frame_start),
        read_only(batch.captured_length),
        read_only(batch.wire_length),
        read_only(batch.timestamp_ns),
        first,
        end,
        spans.ends,
        spans.tables,
        columns,
        transmit_by_source,
        counts,
    )


def steer_batch(batch: FrameBatch, snapshot: SteeringSnapshot, work: WorkColumns, *, transmit_by_source: bool) -> None:
    """Match, hash, index and assign every frame of `batch` with one snapshot, into the first rows of `work`."""
    assert len(batch) <= len(work.processor), "each frame has its row"
    counts = np.empty((1, len(snapshot.processors) + 1), np.int64)
    columns, spans = describe_columns(work), SpanTable.of([Span(len(batch), snapshot)])
    steer_frames(batch, 0, len(batch), spans, columns, counts, transmit_by_source=transmit_by_source)


@dataclass(frozen=True, slots=True)
class SteeredFrame:
    """Where one frame goes, and its out-of-band data."""

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
        oob_8021q=Ieee8021Q.from_tci(int(work.tci[row])).pack(),
    )
