"""The interface through which a NIC front end reaches its processors, and its form for those in this process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np

from dataplane.processor.host import HostPlan, HostReport, ProcessorHost
from dataplane.processor.messages import Acknowledge, End, FromHost, Segment, Settle, Tick, Work
from dataplane.processor.work_buffer import SEGMENTS_MAX, WorkBuffer, work_buffer
from dataplane.receive.work import new_work_columns


class Sent(NamedTuple):
    """A batch on its way, or back from it."""

    buffer: WorkBuffer
    rows: int  # frames of the batch
    first_frame: int  # number of row 0
    segments: tuple[Segment, ...]


class Transport(Protocol):
    """Every batch that is sent costs a credit until all its rows have been served."""

    hosts: int

    def start(self, start_ns: int) -> None:
        """Tell every host when the run starts; called once, before everything else."""

    def has_buffer(self) -> bool:
        """Whether there is a credit for another batch."""

    def next_buffer(self, rows: int) -> WorkBuffer:
        """A buffer for a batch of that many frames; `has_buffer` must be true."""

    def send(self, batch: Sent, settled: Sequence[Settle], *, everywhere: bool) -> None:
        """Send a batch, in the buffer from `next_buffer`, to the hosts that have rows of it, or to all hosts."""

    def tell(self, message: Settle | Tick) -> None:
        """Tell every host at once."""

    def receive(self, *, wait: bool) -> list[tuple[int, FromHost]]:
        """Messages that have arrived, by host; with `wait`, at least one. PeerLostError if a host is gone."""

    def settle(self) -> list[Sent]:
        """Batches that have come back, in order; the next `next_buffer` uses their buffers again."""

    def end(self) -> None:
        """Tell every host that no more batches come; each answers `Ended` when it has done everything."""


class LocalTransport:
    """One host in this process, which takes every message at once."""

    hosts = 1

    def __init__(self, plan: HostPlan, batch_frames: int) -> None:
        self.host = ProcessorHost(plan)
        self._buffer = work_buffer(
            new_work_columns(batch_frames, rows_wanted=plan.rows_wanted),
            np.zeros((SEGMENTS_MAX, plan.processors + 1), np.int64),
            np.zeros(batch_frames, np.uint32),
        )
        self._sent: Sent | None = None  # in flight
        self._back: list[Sent] = []
        self._works = 0
        self._messages: list[FromHost] = []

    def start(self, start_ns: int) -> None:
        """As `Transport.start`."""
        self.host.start(start_ns)

    def has_buffer(self) -> bool:
        """As `Transport.has_buffer`."""
        return self._sent is None and not self._back

    def next_buffer(self, rows: int) -> WorkBuffer:
        """As `Transport.next_buffer`."""
        return self._buffer

    def send(self, batch: Sent, settled: Sequence[Settle], *, everywhere: bool) -> None:
        """As `Transport.send`."""
        work = Work(self._works, 0, batch.rows, batch.first_frame, batch.segments, tuple(settled))
        self._works += 1
        self._sent = batch
        self._take(self.host.receive(work, batch.buffer))

    def tell(self, message: Settle | Tick) -> None:
        """As `Transport.tell`."""
        self._take(self.host.receive(message))

    def receive(self, *, wait: bool) -> list[tuple[int, FromHost]]:
        """As `Transport.receive`."""
        assert self._messages or not wait, "the processors wait for something that nobody will tell them"
        messages, self._messages = self._messages, []
        return [(0, message) for message in messages]

    def settle(self) -> list[Sent]:
        """As `Transport.settle`."""
        back, self._back = self._back, []
        return back

    def end(self) -> None:
        """As `Transport.end`."""
        self._take(self.host.receive(End(self._works)))

    def report(self) -> HostReport:
        """The report of the host at the end."""
        return self.host.report()

    def _take(self, messages: list[FromHost]) -> None:
        for message in messages:
            if isinstance(message, Acknowledge):
                assert self._sent is not None, "a batch is acknowledged once"
                self._back.append(self._sent)
                self._sent = None
        self._messages += messages
