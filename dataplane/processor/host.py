"""The processors of one host process: a state machine of messages, the same on every transport.

`receive` takes a message and returns the messages to send. Work that has to wait for other hosts waits in this object,
in order; no call blocks.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from dataplane.arrays import joined, longer
from dataplane.kernels.host import (
    LOADS_TOLD,
    NEXT_MARK,
    PLACES,
    PROCESSOR_ADDRESSES,
    serve_batch,
    serve_processors,
    take_loads,
)
from dataplane.kernels.serve import LOAD_ROW
from dataplane.kernels.tracking import ENTERED_ROW, FOREVER, MARKER_ROW, NEVER, watch_no_longer
from dataplane.processor.costs import CostModel
from dataplane.processor.fences import HoldPlan, Lineage, OldFrames
from dataplane.processor.flows import FlowItems, FlowTable
from dataplane.processor.messages import (
    ANSWER_ROW,
    ENTRY_LOAD_ROW,
    LATE_ROW,
    PROCESSOR_LOAD_ROW,
    Acknowledge,
    Answer,
    Ended,
    FromHost,
    Loads,
    Marker,
    Settle,
    Tick,
    ToHost,
    Work,
    latest,
)
from dataplane.processor.processor import Processor, ProcessorReport, Windows
from dataplane.processor.updatable import (
    MarkRows,
    OwnAnswer,
    PreparedWork,
    ProcessorStatistics,
    UpdatableProcessor,
    Watch,
    answer_rows,
)
from dataplane.processor.work_buffer import WorkBuffer
from dataplane.switch.change import GROUP_ROW, HEIR_ROW
from dataplane.switch.snapshot import SLOTS_PER_TARGET


@dataclass(frozen=True, slots=True)
class HostPlan:
    """What one host process owns, and what the run needs from it."""

    host: int  # number among those of the simulated host
    first_processor: int  # row of the snapshot's processors; the others follow it
    costs: tuple[CostModel, ...]  # by processor of this host
    processors: int  # of the whole simulated host
    window_ns: int
    targets: int  # at the start
    updates: bool = False  # the steering may change
    ordered: bool = False  # EPO-07
    ticks: bool = False  # the run asks for loads
    drain_ns_max: int = int(FOREVER)  # the longest time that a queue of the simulated host takes to drain
    rows_wanted: bool = False  # somebody reads the rows: also report the completions of held frames

    @property
    def end_processor(self) -> int:
        """The row after the last one of this host."""
        return self.first_processor + len(self.costs)


class HostReport(NamedTuple):
    """The report of a host at the end of a run."""

    processors: tuple[ProcessorReport, ...]  # by row
    flows: FlowItems


class ProcessorHost:
    """The processors of one process; independent of how messages reach it."""

    def __init__(self, plan: HostPlan) -> None:
        self._plan = plan
        self._started = False
        self._processors: list[Processor] = []
        self._updatable: list[UpdatableProcessor] = []  # the same processors if the steering may change
        self._addresses = np.zeros((len(plan.costs), PROCESSOR_ADDRESSES), np.int64)  # of their arrays
        self._windows = Windows(0, plan.window_ns)
        self._flows = FlowTable()
        self._expected = 0  # number of the next work
        self._queue: deque[PreparedWork] = deque()  # works that some processors have not finished
        self._end = self._ended = False  # `End` was received, `Ended` was sent
        self._tick_ns: int | None = None  # when the loads are due
        self._loads = np.zeros(plan.targets * SLOTS_PER_TARGET if plan.ticks else 0, LOAD_ROW)  # since the tick before
        self._loads_told = np.zeros((len(plan.costs), LOADS_TOLD), np.int64)
        self._watch = Watch.new(plan.targets)
        self._targets = plan.targets
        self._lineage = Lineage()
        self._watched: dict[int, npt.NDArray[Any]] = {}  # slots by epoch, until it is retired
        self._live: dict[int, int | None] = {}  # when older frames are completed, by epoch; None: not known
        #: For ordered updates, by epoch: the knowledge about their older frames; the joint answer of the processors
        #: that held no frames, once all have reached the update; and the answers of the others, by processor number.
        #: Kept while any of that may change.
        self._old_frames: dict[int, OldFrames] = {}
        self._reached: dict[int, OwnAnswer] = {}
        self._holding: dict[int, dict[int, OwnAnswer]] = {}

    def start(self, start_ns: int) -> None:
        """Make the processors; `start_ns` is the first arrival of the run."""
        assert not self._started, "a host is started once"
        self._started = True
        plan = self._plan
        self._windows = Windows(start_ns, plan.window_ns)
        for at, costs in enumerate(plan.costs):
            addresses = self._addresses[at]
            if plan.updates:
                self._updatable.append(
                    UpdatableProcessor(
                        plan.first_processor + at,
                        costs,
                        self._windows,
                        plan.targets,
                        self._flows,
                        self._watch,
                        ordered=plan.ordered,
                        loads=self._loads,
                        drain_ns_max=plan.drain_ns_max,
                        addresses=addresses,
                    )
                )
            else:
                self._processors.append(Processor(costs, self._windows, plan.targets, self._flows, addresses=addresses))
        self._processors += self._updatable
        for processor in self._processors:
            processor.write_addresses()

    def load_kernels(self) -> None:
        """Load the kernels that the first frames do not need, so that later frames need not wait; changes nothing."""
        self._flows.load_kernels()
        for processor in self._processors:
            processor.load_kernels()
        if self._plan.updates:
            watch_no_longer(np.zeros(0, np.uint32), 0, 0, *self._watch)
        if self._plan.ticks:
            take_loads(0, self._addresses[:0], 0, self._loads_told[:0], np.zeros(0, PROCESSOR_LOAD_ROW))

    def receive(self, message: ToHost, buffer: WorkBuffer | None = None) -> list[FromHost]:
        """Take a message, `Work` with its buffer; return the messages to send, in order."""
        if isinstance(message, Work):
            assert buffer is not None, "work comes with a buffer"
            assert message.number == self._expected, f"work {message.number}, not {self._expected}: a gap or a repeat"
            self._expected += 1
            if not self._plan.updates:
                return [self._serve(message, buffer)]
            for settle in message.settled:
                self._settle(settle)
            self._queue.append(self._prepare(message, buffer))
        elif isinstance(message, Settle):
            self._settle(message)
        elif isinstance(message, Tick):
            assert self._plan.ticks, "nobody was to ask for loads"
            self._tick_ns = message.at_ns
        else:
            assert message.number == self._expected, f"{message.number} works were sent, {self._expected} received"
            self._end = True
        return self._go_on()

    def own_rows(self, work: Work, buffer: WorkBuffer) -> npt.NDArray[np.uint32]:
        """Rows of a batch that belong to this host, by segment."""
        first, end = self._plan.first_processor, self._plan.end_processor
        return np.concatenate(
            [buffer.selection[buffer.offsets[s, first] : buffer.offsets[s, end]] for s in range(len(work.segments))]
        )

    def statistics(self) -> list[ProcessorStatistics]:
        """What every processor has counted so far, by row; only in a run in which the steering may change."""
        return [one.statistics() for one in self._updatable]

    def report(self) -> HostReport:
        """The report at the end; the host is not used afterwards."""
        return HostReport(tuple(processor.report() for processor in self._processors), self._flows.items())

    def _serve(self, work: Work, buffer: WorkBuffer) -> Acknowledge:
        """A batch in a run in which nothing changes."""
        plan, flows, (start_ns, length_ns) = self._plan, self._flows, self._windows
        done = np.zeros(len(self._processors), np.int64)
        while True:
            full = serve_batch(
                buffer.addresses, work.first_frame, self._addresses, flows.rows, flows.used, plan.first_processor,
                plan.processors, start_ns, length_ns, done,
            )  # fmt: skip
            if full < 0:
                break
            self._processors[full].make_room()
        return Acknowledge(work.number, _NOTHING_LATE)

    def _prepare(self, work: Work, buffer: WorkBuffer) -> PreparedWork:
        """A batch in the form for the kernels, with plans for the waits that its updates cause."""
        marks: list[HoldPlan] = []
        rows: list[tuple[int, ...]] = []
        old: list[npt.NDArray[Any]] = []
        new: list[npt.NDArray[Any]] = []
        groups = old_rows = new_rows = 0
        end_ns = int(buffer.work.timestamp_ns[work.rows - 1]) if work.rows else int(NEVER)
        for number, segment in enumerate(work.segments):
            for mark in segment.marks:
                marks.append(self._adopt(mark))
                end_ns = max(end_ns, mark.adopted_at_ns)
                change = mark.change
                ends = old_rows + len(change.old), new_rows + len(change.new)
                rows.append(
                    (number, mark.epoch, mark.adopted_at_ns, mark.first_frame, old_rows, ends[0], new_rows, ends[1],
                     change.groups)
                )  # fmt: skip
                old_rows, new_rows = ends
                old.append(change.old)
                new.append(change.new)
                groups = max(groups, change.groups)
        in_rows = _NO_MARKS
        if marks:
            in_rows = MarkRows(np.array(rows, MARKER_ROW), joined(GROUP_ROW, old), joined(HEIR_ROW, new))
        processors = len(self._processors)
        return PreparedWork(
            number=work.number,
            buffer=buffer,
            segments=len(work.segments),
            rows=in_rows,
            marks=tuple(marks),
            first_frame=work.first_frame,
            end_ns=end_ns,
            drained_ns=np.full(len(marks), NEVER),
            completion_ns=np.full((processors, len(marks), groups), NEVER),
            unknown=np.zeros((processors, len(marks), groups), np.bool_),
            at=np.zeros((processors, PLACES), np.int64),
            unfinished=list(range(processors)),
        )

    def _adopt(self, marker: Marker) -> HoldPlan:
        if marker.targets > self._targets:
            self._targets = marker.targets
            slots = marker.targets * SLOTS_PER_TARGET
            self._watch = Watch(longer(self._watch.until_ns, slots, int(NEVER)), longer(self._watch.epoch, slots))
            if self._plan.ticks:
                self._loads = longer(self._loads, slots)
            for processor in self._updatable:
                processor.reserve(marker.targets, self._watch, self._loads)
        self._watched[marker.epoch] = marker.change.new["slot"].copy()  # the kernel is compiled for whole arrays
        self._live[marker.epoch] = None
        over = [e for e, at_ns in self._live.items() if at_ns is not None and at_ns <= marker.adopted_at_ns]
        for epoch in over:
            del self._live[epoch]
        if not self._plan.ordered:
            return HoldPlan(marker, ())
        self._old_frames[marker.epoch] = frames = OldFrames(marker)
        return self._lineage.adopt(marker, frames, self._live)

    def _settle(self, news: Settle) -> None:
        if news.retired_ns is not None:
            self._live[news.epoch] = news.retired_ns
            watch_no_longer(self._watched.pop(news.epoch), news.epoch, news.retired_ns, *self._watch)
        if not self._plan.ordered:
            return
        frames = self._old_frames[news.epoch]
        frames.settle(news.answers)
        if news.retired_ns is not None:
            del self._old_frames[news.epoch]
        for processor in self._updatable:
            processor.settle(frames)

    def _go_on(self) -> list[FromHost]:
        """Let every processor serve as much as it can, and return the messages that result."""
        if not self._plan.updates:
            return [Ended(_NOTHING_LATE)] if self._end else []
        processors = self._updatable
        waits = np.zeros(len(processors), np.bool_)  # processors that wait in one of the batches so far
        finished = 0
        for batch in self._queue:
            self._serve_up_to_date(batch, waits)
            finished += not batch.unfinished
            if waits.all():
                break
        out: list[FromHost] = []
        all_done = finished == len(self._queue)
        if all_done and self._tick_ns is not None:
            reached = [processor.finished(self._tick_ns) for processor in processors]
            if all(reached):
                out.append(self._take_loads(self._tick_ns))
                self._tick_ns = None
        ended = self._end and not self._ended and all_done
        if ended:
            done = [processor.advance(int(FOREVER) - 1) for processor in processors]
            ended = all(done)
        answers: list[Answer] = []
        if self._plan.ordered:
            out += self._answers()
        else:
            for batch in islice(self._queue, finished):
                answers += _drained(batch)
        for left in reversed(range(finished)):
            number = self._queue.popleft().number
            out.append(Acknowledge(number, self._late(), () if left else tuple(answers)))
        if ended:
            self._ended = True
            out.append(Ended(self._late()))
        return out

    def _serve_up_to_date(self, batch: PreparedWork, waits: npt.NDArray[np.bool_]) -> None:
        """Serve a batch as far as possible; processors that wait in an earlier batch also wait in this one."""
        plan, flows, (start_ns, length_ns) = self._plan, self._flows, self._windows
        waited = waits.tolist()
        while True:
            number = serve_processors(
                batch.buffer.addresses, batch.first_frame, batch.segments, *batch.rows, self._addresses, flows.rows,
                flows.used, plan.first_processor, plan.processors, plan.ordered, start_ns, length_ns, batch.drained_ns,
                batch.completion_ns, batch.unknown, batch.at, waits,
            )  # fmt: skip
            if number < 0:
                break
            self._updatable[number].attend(batch, number)
        unfinished, waiting = batch.unfinished, waits.tolist()
        batch.unfinished = [number for number in unfinished if waiting[number]]
        for number in unfinished:
            if not waiting[number]:
                self._updatable[number].finished(batch.end_ns)
            elif not waited[number]:
                self._updatable[number].pause()

    def _take_loads(self, at_ns: int) -> Loads:
        """What was done since the tick before, up to a moment that all processors have reached."""
        processors = np.zeros(len(self._processors), PROCESSOR_LOAD_ROW)
        take_loads(at_ns, self._addresses, self._plan.first_processor, self._loads_told, processors)
        slots = np.flatnonzero(self._loads["packets"])
        entries = np.zeros(len(slots), ENTRY_LOAD_ROW)
        entries["slot"] = slots
        for name in LOAD_ROW.names or ():
            entries[name] = self._loads[name][slots]
        self._loads[slots] = 0
        return Loads(processors, entries)

    def _answers(self) -> list[Answer]:
        """The news about ordered updates that all processors have reached."""
        touched: dict[int, None] = {}  # epochs, in order
        for number, processor in enumerate(self._updatable):
            for own in processor.answers:
                self._holding.setdefault(own.epoch, {})[number] = own
                touched[own.epoch] = None
            processor.answers.clear()
        for batch in self._queue:
            reached = int(batch.at[:, NEXT_MARK].min())
            for number in range(batch.told, reached):
                marker = batch.marks[number].marker
                self._reached[marker.epoch] = self._answer_at_once(batch, number, marker)
                touched[marker.epoch] = None
            batch.told = reached
        out = []
        for epoch in touched:
            if epoch not in self._reached:
                continue
            parts = [self._reached[epoch], *self._holding.get(epoch, {}).values()]
            drained_ns = latest(part.drained_ns for part in parts)
            out.append(Answer(epoch, drained_ns, joined(ANSWER_ROW, [part.answers for part in parts])))
            if drained_ns is not None:
                del self._reached[epoch]
                self._holding.pop(epoch, None)
        return out

    def _answer_at_once(self, batch: PreparedWork, mark: int, marker: Marker) -> OwnAnswer:
        """The answer about an update of the processors that held no frames at it."""
        groups = marker.change.groups
        completion_ns, unknown = batch.completion_ns[:, mark, :groups], batch.unknown[:, mark, :groups]
        completion_ns[list(self._holding.get(marker.epoch, ()))] = NEVER
        rows = answer_rows(self._plan.first_processor, completion_ns, unknown, marker.adopted_at_ns)
        return OwnAnswer(marker.epoch, int(batch.drained_ns[mark]), rows)

    def _late(self) -> npt.NDArray[Any]:
        """Completions of held frames since the last call."""
        parts = [part for processor in self._updatable for part in processor.late]
        for processor in self._updatable:
            processor.late.clear()
        if not parts or not self._plan.rows_wanted:
            return _NOTHING_LATE
        entered = joined(ENTERED_ROW, parts)
        rows = np.zeros(len(entered), LATE_ROW)
        rows["frame"], rows["completion_ns"] = entered["frame"], entered["completion_ns"]
        return rows


def _drained(batch: PreparedWork) -> list[Answer]:
    """Answers about the permissive updates of a batch that all processors have done: nobody waits for them."""
    return [
        Answer(mark.marker.epoch, drained_ns, _NO_ANSWERS)
        for mark, drained_ns in zip(batch.marks, batch.drained_ns.tolist(), strict=True)
    ]


_NOTHING_LATE = np.zeros(0, LATE_ROW)
_NO_ANSWERS = np.zeros(0, ANSWER_ROW)
_NO_MARKS = MarkRows(*(np.zeros(0, dtype) for dtype in (MARKER_ROW, GROUP_ROW, HEIR_ROW)))
