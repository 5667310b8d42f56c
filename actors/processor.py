"""The processor actor: the shell around the simulated processors of one process."""

from __future__ import annotations

import gc
import os
import threading
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from actors.doorbell import PeerLostError, connect
from actors.ring import DescriptorRing, buffer_in
from actors.wire import Hello, Start, Welcome
from dataplane.engine.loading import load_processor_kernels
from dataplane.processor.host import HostPlan, HostReport, ProcessorHost
from dataplane.processor.messages import Acknowledge, Ended, FromHost, ToHost, Work
from dataplane.processor.updatable import ProcessorStatistics
from dataplane.processor.work_buffer import WorkBuffer


class ServedRows(NamedTuple):
    """What a host wrote to its rows of a batch from the object store."""

    number: int  # of the work
    rows: npt.NDArray[np.uint32]
    drop: npt.NDArray[np.uint8]
    completion_ns: npt.NDArray[np.int64]


class StoredAnswer(NamedTuple):
    """The answer to a message that came as an actor call."""

    messages: list[FromHost]
    served: list[ServedRows]  # for each `Acknowledge` among the messages, if somebody reads rows


class ProcessorActor:
    """The shell around a `ProcessorHost`. Either `serve`, or `start` and `receive_stored`; then `report`."""

    def __init__(self, plan: HostPlan) -> None:
        load_processor_kernels(plan)
        self._plan = plan
        self._host = ProcessorHost(plan)
        self._between = threading.Lock()  # held while the host works
        self._stored: dict[int, tuple[Work, WorkBuffer]] = {}  # unfinished works, by number
        gc.freeze()  # as the NIC front end does

    def serve(self, address: str) -> None:
        """Serve the doorbell at that address to its end; PeerLostError when the NIC dies."""
        doorbell = connect(address)
        ended = False
        try:
            doorbell.ring(Hello(self._plan.host))
            welcome, memory = doorbell.wait_with_descriptor()
            assert isinstance(welcome, Welcome), welcome
            try:
                ring = DescriptorRing(memory, *welcome)
            finally:
                os.close(memory)
            while True:
                message = doorbell.wait()
                if isinstance(message, Start):
                    with self._between:
                        self._host.start(message.start_ns)
                    continue
                assert isinstance(message, ToHost), message
                buffer = ring[message.buffer] if isinstance(message, Work) else None
                with self._between:
                    answers = self._host.receive(message, buffer)
                for answer in answers:
                    doorbell.ring(answer)
                    ended |= isinstance(answer, Ended)
        except PeerLostError:
            if not ended:  # otherwise the NIC has received everything, and closed the connection
                raise
        finally:
            doorbell.close()

    def start(self, start_ns: int) -> None:
        """Prepare for messages by `receive_stored`."""
        self._host.start(start_ns)

    def receive_stored(
        self, message: ToHost, stored: npt.NDArray[np.uint8] | None = None, rows: int = 0
    ) -> StoredAnswer:
        """Take a message; a work comes with its buffer for that many rows from the object store."""
        buffer = None
        if isinstance(message, Work):
            assert stored is not None, "work comes with a buffer"
            # objects of the store are read-only, but the kernels are compiled for writable columns
            buffer = buffer_in(stored.copy(), rows, self._plan.processors, rows_wanted=self._plan.rows_wanted)
            self._stored[message.number] = (message, buffer)
        messages = self._host.receive(message, buffer)
        done = [self._stored.pop(one.number) for one in messages if isinstance(one, Acknowledge)]
        return StoredAnswer(messages, [self._served(*one) for one in done] if self._plan.rows_wanted else [])

    def _served(self, work: Work, buffer: WorkBuffer) -> ServedRows:
        rows = self._host.own_rows(work, buffer)
        return ServedRows(work.number, rows, buffer.work.drop[rows], buffer.work.completion_ns[rows])

    def statistics(self) -> list[ProcessorStatistics]:
        """What every processor has counted so far, by row; for another concurrency group than that of `serve`."""
        with self._between:
            return self._host.statistics()

    def report(self) -> HostReport:
        """The report of this actor's processors at the end."""
        return self._host.report()
