"""The NIC of a run: cuts batches where the steering changes, steers the pieces, and talks to processors and control.

The path of one batch: `take` cuts it at the moments at which the NIC must ask control. `_send` cuts these pieces at
adoptions, steers each segment with the snapshot in force, and sends it with the markers in front. The hand-over desk
passes the answers of the processors on to all of them. The rows desk delivers the rows of a batch when they are
complete.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from dataplane.arrays import joined
from dataplane.engine.experiment import CompleteRows, EpochSpan, Experiment, RunResult
from dataplane.engine.transport import Sent, Transport
from dataplane.kernels.serve import HELD_NS
from dataplane.processor.flows import FlowItems
from dataplane.processor.messages import (
    ENTRY_LOAD_ROW,
    LATE_ROW,
    PROCESSOR_LOAD_ROW,
    Acknowledge,
    Answer,
    Ended,
    Loads,
    Marker,
    Segment,
    Settle,
    Tick,
)
from dataplane.processor.work_buffer import SEGMENTS_MAX, WorkBuffer
from dataplane.receive.front_end import NicFrontEnd
from dataplane.receive.steering import Span
from dataplane.receive.work import WorkColumns, first_rows, new_work_columns
from dataplane.switch.snapshot import SteeringSnapshot
from dataplane.traffic.batch import FrameBatch
from dataplane.update.hand_over import HandOverDesk
from dataplane.update.records import SteeringUpdate, Stretch, UpdateRecord

if TYPE_CHECKING:  # an actor that does not use the control plane need not load it
    from dataplane.engine.control import ControlOutcome
    from dataplane.processor.host import HostReport


class Control(Protocol):
    """The control side as the NIC sees it; see `update.timeline.ControlTimeline`."""

    def begin(self, start_ns: int) -> None:
        """Model time of the first arrival."""

    def advance(self, loads: Loads | None, next_arrival_ns: int) -> Stretch:
        """What happens next, after everything before `next_arrival_ns` has arrived."""


class NicResult(NamedTuple):
    """The NIC's part of the result."""

    start_ns: int  # first arrival; 0 when nothing arrived
    last_arrival_ns: int
    arrived: int
    dropped: dict[str, int]  # before any processor, by reason
    updates: tuple[UpdateRecord, ...]
    target_ids: tuple[int, ...]  # by target row of the last snapshot
    target_names: tuple[str, ...]

    @property
    def last_arrival_or_none_ns(self) -> int | None:
        """The last arrival, None when nothing arrived."""
        return self.last_arrival_ns if self.arrived else None

    def run_result(
        self,
        experiment: Experiment,
        hosts: Sequence[HostReport],
        outcome: ControlOutcome,
        *,
        timestamp_regressions: int,
        findings: Sequence[str],
        interrupted: bool,
    ) -> RunResult:
        """The result of the run, without `engine_facts` and the values that a clock measured.

        `hosts` are in the order of their processors; `findings` are those of the source.
        """
        return RunResult(
            experiment=experiment,
            start_ns=self.start_ns,
            last_arrival_ns=self.last_arrival_ns,
            arrived=self.arrived,
            dropped=self.dropped,
            timestamp_regressions=timestamp_regressions,
            findings=(*findings, *outcome.findings),
            processors=tuple(processor for host in hosts for processor in host.processors),
            flows=FlowItems.merged([host.flows for host in hosts]),
            target_ids=self.target_ids,
            target_names=self.target_names,
            updates=self.updates,
            requests=outcome.requests,
            remarks=outcome.remarks,
            interrupted=interrupted,
        )


class Nic:
    """Takes batches in order; `control` is None when nothing changes in the run."""

    def __init__(
        self,
        snapshot: SteeringSnapshot,
        transport: Transport,
        control: Control | None = None,
        deliver: Callable[[CompleteRows], object] | None = None,
        *,
        transmit_by_source: bool = False,
        ordered: bool = False,
        threads: int = 1,
    ) -> None:
        """`deliver` gets every batch in order, when its rows are complete; the rows are overwritten afterwards.

        `threads` steer a batch together.
        """
        self._transport = transport
        self._control = control
        self._ordered = ordered
        self._front_end = NicFrontEnd(transmit_by_source=transmit_by_source, threads=threads)
        self._snapshot = snapshot  # in force
        self._desk = HandOverDesk(transport.hosts, snapshot)
        self._rows = RowsDesk(deliver) if deliver is not None else None
        self._pending: deque[SteeringUpdate] = deque()  # published, not adopted
        self._until_ns: int | None = None  # when to ask control
        self._wants_loads = False
        self._interject_ns = 0  # from the first frame on: nobody outside asks for anything before
        self._settled: list[Settle] = []  # news that can wait for the next work
        self._loads: list[Loads] = []  # of hosts, at a tick
        self._ended = 0  # hosts
        self._started = False
        self._start_ns = self._last_arrival_ns = 0
        self._updates: list[UpdateRecord] = []
        self._next_frame = 0

    @property
    def arrived(self) -> int:
        """Frames so far."""
        return self._front_end.arrived

    @property
    def live_target_ids(self) -> frozenset[int]:
        """VPorts or queues that exist with the snapshot in force."""
        return self._snapshot.live_target_ids

    @property
    def live_epochs(self) -> list[int]:
        """Epochs that are not retired."""
        return self._desk.live_epochs

    def take(self, batch: FrameBatch) -> None:
        """Steer a batch and send it on its way."""
        self._begin(int(batch.timestamp_ns[0]))
        low = 0
        while low < len(batch):
            high = len(batch)
            if self._until_ns is not None:
                high = bisect_left(batch.timestamp_ns, self._until_ns)  # numpy's search would let other threads run
            if high > low:
                self._send(batch.slice(low, high))
            if high < len(batch):
                self._ask_control(int(batch.timestamp_ns[high]))
            low = max(low, high)
        self._last_arrival_ns = int(batch.timestamp_ns[-1])
        self._next_frame = batch.first_frame + len(batch)

    def interject(self, ask: Callable[[int], SteeringUpdate | None]) -> bool:
        """Let a client outside the run make a request to control, after the last frame that was taken.

        `ask` gets the moment and returns the update that the request leads to. Everything scheduled up to that moment
        comes first. Returns False if there is no moment yet: no frame has arrived, or frames may still arrive before a
        tick that comes first.
        """
        if not self.arrived:
            return False
        next_ns = self._last_arrival_ns + 1
        now_ns = max(next_ns, self._interject_ns)
        while self._until_ns is not None and self._until_ns <= now_ns:
            if self._wants_loads and self._until_ns > next_ns:
                return False
            now_ns = max(now_ns, self._until_ns + 1)  # not at a moment that has been decided
            self._ask_control(now_ns)
        update = ask(now_ns)
        self._interject_ns = now_ns
        if update is not None:
            later = [one for one in self._pending if one.adopted_at_ns > update.adopted_at_ns]
            assert not later, "control gives out updates in the order of their adoption"
            self._pending.append(update)
            self._interject_ns = update.requested_at_ns + 1  # its moment takes no more changes
        return True

    def listen(self) -> None:
        """Take the messages that the processors have sent."""
        self._hear(wait=False)

    def finish(self) -> None:
        """After the last frame: adopt what was requested up to the last arrival, and wait for all hosts to end."""
        self._begin(0)
        self._adopt_while(lambda update: update.requested_at_ns <= self._last_arrival_ns)
        self._transport.end()
        while self._ended < self._transport.hosts:
            self._hear(wait=True)
        self._take_back()

    def result(self) -> NicResult:
        """The NIC's part of the result, after `finish`."""
        snapshot = self._snapshot
        return NicResult(
            self._start_ns,
            self._last_arrival_ns,
            self.arrived,
            self._front_end.dropped(),
            tuple(self._updates),
            tuple(snapshot.target_ids),
            snapshot.target_names,
        )

    # Control

    def _begin(self, start_ns: int) -> None:
        if self._started:
            return
        self._started = True
        self._start_ns = self._last_arrival_ns = self._interject_ns = start_ns
        self._transport.start(start_ns)
        if self._control is not None:
            self._control.begin(start_ns)
            self._until_ns = start_ns  # ask before the first frame

    def _ask_control(self, next_arrival_ns: int) -> None:
        """At `until_ns`, before the frame that arrives at `next_arrival_ns` or later."""
        assert self._control is not None, "somebody has said when to ask"
        assert self._until_ns is not None, "somebody has said when to ask"
        loads = self._loads_at(self._until_ns) if self._wants_loads else None
        stretch = self._control.advance(loads, next_arrival_ns)
        self._pending.extend(stretch.updates)
        self._until_ns, self._wants_loads = stretch.until_ns, stretch.wants_loads

    def _loads_at(self, moment_ns: int) -> Loads:
        """The loads of all processors, up to a moment and not beyond it (POL-02)."""
        self._adopt_while(lambda update: update.adopted_at_ns <= moment_ns)
        self._loads = []
        self._transport.tell(Tick(moment_ns))
        while len(self._loads) < self._transport.hosts:
            self._hear(wait=True)
        return Loads(
            joined(PROCESSOR_LOAD_ROW, [loads.processors for loads in self._loads]),
            joined(ENTRY_LOAD_ROW, [loads.entries for loads in self._loads]),
        )

    def _adopt_while(self, is_due: Callable[[SteeringUpdate], bool]) -> None:
        """Adopt updates behind the last frame that was taken, as long as they are due."""
        marks: list[Marker] = []
        while self._pending and is_due(self._pending[0]):
            marks.append(self._adopt(self._pending.popleft(), self._next_frame))
        if marks:
            self._send_marks(marks)

    def _adopt(self, update: SteeringUpdate, first_frame: int) -> Marker:
        """Steer with the next snapshot from frame `first_frame` on (EPO-02)."""
        self._snapshot = update.snapshot
        self._desk.adopt(update.snapshot)
        self._updates.append(update.record)
        return Marker(update.epoch, update.adopted_at_ns, first_frame, len(update.snapshot.targets), update.change)

    # Processors

    def _send(self, frames: FrameBatch) -> None:
        """Steer frames with no moment among them at which to ask control."""
        self._next_frame = frames.first_frame
        while len(frames):
            buffer = self._wait_for_buffer(len(frames))
            segments: list[Segment] = []
            spans: list[Span] = []
            low = 0
            while low < len(frames) and len(segments) < SEGMENTS_MAX:
                marks: list[Marker] = []
                while self._pending and self._pending[0].adopted_at_ns <= frames.timestamp_ns[low]:
                    marks.append(self._adopt(self._pending.popleft(), frames.first_frame + low))
                high = len(frames)
                if self._pending:
                    high = bisect_left(frames.timestamp_ns, self._pending[0].adopted_at_ns)
                segments.append(Segment(low, high, tuple(marks)))
                spans.append(Span(high, self._snapshot))
                low = high
            self._front_end.accept(frames, spans, buffer.work, buffer.offsets, buffer.selection)
            self._dispatch(Sent(buffer, low, frames.first_frame, tuple(segments)), spans)
            self._next_frame = frames.first_frame + low
            frames = frames if low == 0 else frames.slice(low, len(frames))

    def _send_marks(self, marks: Sequence[Marker]) -> None:
        """Marks between two frames, as a batch without frames."""
        buffer = self._wait_for_buffer(0)
        buffer.offsets[0] = 0
        self._dispatch(Sent(buffer, 0, self._next_frame, (Segment(0, 0, tuple(marks)),)), ())

    def _wait_for_buffer(self, rows: int) -> WorkBuffer:
        self._take_back()
        while not self._transport.has_buffer():
            self._hear(wait=True)
        return self._transport.next_buffer(rows)

    def _dispatch(self, batch: Sent, spans: Sequence[Span]) -> None:
        # while an update is open, every processor has to know how far time has advanced
        everywhere = self._desk.is_open or any(segment.marks for segment in batch.segments)
        settled, self._settled = self._settled, []
        if self._rows is not None:
            epochs = [EpochSpan(span.end, span.snapshot.epoch, span.snapshot.target_ids) for span in spans]
            self._rows.sent(batch, tuple(epochs))
        self._transport.send(batch, settled, everywhere=everywhere)
        self._hear(wait=False)

    def _hear(self, *, wait: bool) -> None:
        """Take the messages of the processors, and pass on what other processors have to know."""
        while messages := self._transport.receive(wait=wait):
            wait = False
            for host, message in messages:
                if isinstance(message, Answer):
                    self._answer(host, message)
                elif isinstance(message, Acknowledge):
                    for answer in message.answers:
                        self._answer(host, answer)
                    if self._rows is not None:
                        self._rows.late(message.late)
                elif isinstance(message, Loads):
                    self._loads.append(message)
                else:
                    assert isinstance(message, Ended), message
                    self._ended += 1
                    if self._rows is not None:
                        self._rows.late(message.late)

            self._take_back()

    def _take_back(self) -> None:
        for batch in self._transport.settle():
            if self._rows is not None:
                self._rows.back(batch)

    def _answer(self, host: int, answer: Answer) -> None:
        for news in self._desk.answer(host, answer):
            if self._ordered:
                self._transport.tell(news)
            else:
                self._settled.append(news)


class _Batch:
    """A batch whose rows somebody wants."""

    def __init__(self, first_frame: int, rows: int, spans: tuple[EpochSpan, ...]) -> None:
        self.complete = CompleteRows(first_frame, new_work_columns(0), spans)
        self.rows = rows
        self.back = False
        self.missing = 0  # completions of held frames


class RowsDesk:
    """Delivers the rows of every batch in order, when they are complete (EPO-07: held frames complete late)."""

    def __init__(self, deliver: Callable[[CompleteRows], object]) -> None:
        self._deliver = deliver
        self._batches: deque[_Batch] = deque()  # not delivered
        self._late = np.zeros(0, LATE_ROW)  # completions whose batch has not come back

    def sent(self, batch: Sent, spans: tuple[EpochSpan, ...]) -> None:
        """A batch is on its way."""
        self._batches.append(_Batch(batch.first_frame, batch.rows, spans))

    def back(self, batch: Sent) -> None:
        """The next batch is back; its buffer will be used again."""
        at, entry = next((at, entry) for at, entry in enumerate(self._batches) if not entry.back)
        entry.back = True
        work = first_rows(batch.buffer.work, 0, batch.rows)
        entry.missing = int(np.count_nonzero(work.completion_ns == HELD_NS))
        if at or entry.missing:  # the batch must wait, and its buffer will be overwritten
            columns: list[Any] = [column.copy() for column in work]
            work = WorkColumns(*columns)
        entry.complete = entry.complete._replace(work=work)
        self._give_out()

    def late(self, rows: npt.NDArray[Any]) -> None:
        """Completions of held frames (LATE_ROW)."""
        if len(rows):
            self._late = np.concatenate([self._late, rows])
            self._give_out()

    def _give_out(self) -> None:
        for entry in self._batches:
            if not entry.back:
                break
            if entry.missing and len(self._late):
                row = self._late["frame"] - entry.complete.first_frame
                mine = (row >= 0) & (row < entry.rows)
                entry.complete.work.completion_ns[row[mine]] = self._late["completion_ns"][mine]
                entry.missing -= int(mine.sum())
                self._late = self._late[~mine]
        while self._batches and self._batches[0].back and not self._batches[0].missing:
            entry = self._batches.popleft()
            if entry.rows:
                self._deliver(entry.complete)
