"""What a running dataplane has counted so far, for display only: no result depends on it."""

from __future__ import annotations

from typing import NamedTuple

from dataplane.processor.updatable import ProcessorStatistics
from dataplane.update.records import RequestRecord


class NicStatistics(NamedTuple):
    """The NIC's counts between two batches."""

    arrived: int
    start_ns: int  # first arrival
    now_ns: int  # latest arrival
    epoch: int  # of the snapshot in force
    dropped: dict[str, int]  # before any processor, by reason
    target_ids: tuple[int, ...]  # by target row
    target_names: tuple[str, ...]
    live_target_ids: frozenset[int]  # the others have been deleted


class Sample(NamedTuple):
    """The counts of a dataplane at one wall-clock time."""

    seconds: float  # of a clock
    nic: NicStatistics
    processors: tuple[ProcessorStatistics, ...]  # by row
    recent: tuple[RequestRecord, ...]  # requests by anybody, ascending by the moment at which they were made
