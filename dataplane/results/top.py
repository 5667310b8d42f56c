"""The screen of `vmmq top`: what happened between two samples of a dataplane."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from rich.console import Group, RenderableType
from rich.text import Text

from dataplane.engine.statistics import Sample
from dataplane.processor.processor import COUNTED
from dataplane.results.screen import Bar, load_bar, plain_table, si
from dataplane.results.updates import outcome_text
from dataplane.update.certificates import request_document
from dataplane.update.records import RequestRecord

_BAR_CELLS = 20
#: Requests are shown that are no older in model time.
_RECENT_NS = 10_000_000_000


class ProcessorRate(NamedTuple):
    """One processor between two samples."""

    processor: str
    items_per_second: float  # by the clock
    share: float  # of all items
    load: float  # of model time
    queue_depth: int
    dropped: int  # since the first arrival


class TargetRate(NamedTuple):
    """One VPort, queue or adapter between two samples, deleted ones as long as there is something."""

    target_id: int
    name: str
    items_per_second: float
    share: float
    dropped: int  # since the first arrival


class Rates(NamedTuple):
    """A dataplane between two samples."""

    frames_per_second: float  # by the clock
    speed: float  # model time over the clock's
    model_ns: int  # since the first arrival
    arrived: int
    epoch: int
    dropped: dict[str, int]  # before any processor
    processors: list[ProcessorRate]
    targets: list[TargetRate]
    requests: list[RequestRecord]
    start_ns: int


def rates(before: Sample, after: Sample, numbers: Sequence[str]) -> Rates:
    """What happened between two samples; `numbers` are the names of the processors by row."""
    seconds = max(after.seconds - before.seconds, 1e-9)
    nic = after.nic
    items = [_items(new) - _items(old) for old, new in zip(before.processors, after.processors, strict=False)]
    total = sum(items) or 1
    model_ns = _model_ns(before, after)
    processors = [
        ProcessorRate(
            number,
            count / seconds,
            count / total,
            min((new.busy_ns - old.busy_ns) / model_ns, 1.0),
            new.queue_depth,
            new.dropped,
        )
        for number, count, old, new in zip(numbers, items, before.processors, after.processors, strict=False)
    ]
    sums = _by_target(after, len(nic.target_ids))
    counts = sums - _by_target(before, len(nic.target_ids))
    target_items = counts[:, COUNTED.index("received")] + counts[:, COUNTED.index("completions")]
    targets = [
        TargetRate(
            target_id,
            name,
            float(target_items[row]) / seconds,
            float(target_items[row]) / max(int(target_items.sum()), 1),
            int(sums[row, COUNTED.index("dropped")]),
        )
        for row, (target_id, name) in enumerate(zip(nic.target_ids, nic.target_names, strict=True))
        if target_id in nic.live_target_ids or counts[row].any()
    ]
    return Rates(
        (nic.arrived - before.nic.arrived) / seconds,
        (nic.now_ns - before.nic.now_ns) / 1e9 / seconds,
        nic.now_ns - nic.start_ns,
        nic.arrived,
        nic.epoch,
        nic.dropped,
        processors,
        targets,
        [record for record in after.recent if nic.now_ns - record.requested_at_ns <= _RECENT_NS],
        nic.start_ns,
    )


def top_screen(name: str, now: Rates) -> RenderableType:
    """Everything, for a terminal."""
    processors = plain_table("Processor", "Items/s", "Share", "", "Load", "", "Queue", "Dropped")
    for row in now.processors:
        processors.add_row(
            row.processor,
            si(row.items_per_second),
            f"{100 * row.share:.1f} %",
            Bar(row.share, _BAR_CELLS, "cyan"),
            f"{100 * row.load:.1f} %",
            load_bar(row.load, _BAR_CELLS // 2),
            f"{row.queue_depth:,}",
            Text(f"{row.dropped:,}", "red" if row.dropped else ""),
        )
    targets = plain_table("Target", "Name", "Items/s", "Share", "Dropped")
    for target in now.targets:
        targets.add_row(
            str(target.target_id),
            target.name,
            si(target.items_per_second),
            f"{100 * target.share:.1f} %",
            Text(f"{target.dropped:,}", "red" if target.dropped else ""),
        )
    return Group(Text(_head(name, now), "bold"), processors, targets, *(Text(f"  {line}") for line in _requests(now)))


def top_lines(name: str, now: Rates) -> Iterator[str]:
    """Everything, as plain lines."""
    yield _head(name, now)
    for row in now.processors:
        yield (
            f"processor {row.processor}  {si(row.items_per_second)}items/s  share {100 * row.share:.1f} %  "
            f"load {100 * row.load:.1f} %  queue {row.queue_depth}  dropped {row.dropped}"
        )
    for target in now.targets:
        yield (
            f"target {target.target_id} {target.name}  {si(target.items_per_second)}items/s  "
            f"share {100 * target.share:.1f} %  dropped {target.dropped}"
        )
    yield from (f"request {line}" for line in _requests(now))


def _head(name: str, now: Rates) -> str:
    dropped = ", ".join(f"{reason} {count:,}" for reason, count in now.dropped.items() if count)
    return (
        f"{name}  {si(now.frames_per_second)}frames/s  model time {now.model_ns / 1e9:.3f} s ({now.speed:.2f} of the "
        f"clock's)  epoch {now.epoch}  {now.arrived:,} frames" + (f"  dropped {dropped}" if dropped else "")
    )


def _requests(now: Rates) -> Iterator[str]:
    for record in now.requests:
        one = request_document(record, now.start_ns)
        yield f"{one['requested_at_ns'] / 1e6:,.3f} ms  {one['origin']}: {outcome_text(one)}"


def _model_ns(before: Sample, after: Sample) -> int:
    """The model time that passed for the processor that is furthest: one that gets no frames does not hear of time."""
    old_ns, new_ns = (max(one.now_ns for one in sample.processors) for sample in (before, after))
    return max(new_ns - max(old_ns, after.nic.start_ns), 1)


def _items(one: Any) -> int:
    return int(one.received + one.completions)


def _by_target(sample: Sample, targets: int) -> Any:
    """(targets, COUNTED) over all processors; those that a processor does not know yet have nothing on it."""
    counts = np.zeros((targets, len(COUNTED)), np.int64)
    for one in sample.processors:
        rows = min(len(counts), len(one.by_target))
        counts[:rows] += one.by_target[:rows]
    return counts
