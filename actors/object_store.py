"""The transport through Ray's object store: for processors on other nodes, and the simple reference for the ring.

The buffer of a batch is put into the store once, as one array of bytes; each host that needs it gets a reference. The
messages of a host come as the answer of an actor call, together with what it wrote to the rows of finished batches. The
store never pushes back, so here too the credits bound what is in flight.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np
import ray

from actors.doorbell import PeerLostError
from actors.placement import ACTOR_LOST
from actors.processor import StoredAnswer
from actors.ring import buffer_bytes, buffer_in
from actors.transport import ActorTransport
from dataplane.engine.transport import Sent
from dataplane.processor.messages import FromHost, Settle, ToHost, Work
from dataplane.processor.work_buffer import WorkBuffer


class ObjectStoreTransport(ActorTransport):
    """Batches as objects of Ray's store; actor calls are the doorbells, and their answers carry the messages back."""

    def __init__(self, hosts: Sequence[Any], host_ends: Sequence[int], buffers: int, *, rows_wanted: bool) -> None:
        """`hosts` are the handles of the processor actors."""
        super().__init__(host_ends, buffers)
        self._rows_wanted = rows_wanted
        self._actors = hosts
        self._filling = np.zeros(0, np.uint8)  # of the batch that is being filled
        self._stored: Any = None  # the batch that is being announced to hosts
        #: Pending answers by host: a host answers in the order of the calls.
        self._answers: list[deque[Any]] = [deque() for _ in hosts]
        self._buffers_of_works: list[deque[tuple[int, WorkBuffer]]] = [deque() for _ in hosts]  # that are not done

    def start(self, start_ns: int) -> None:
        """As `Transport.start`."""
        _get([actor.start.remote(start_ns) for actor in self._actors])

    def next_buffer(self, rows: int) -> WorkBuffer:
        """As `Transport.next_buffer`; the buffer has exactly that many rows."""
        processors = self._host_ends[-1]
        self._filling = np.zeros(buffer_bytes(rows, processors, rows_wanted=self._rows_wanted), np.uint8)
        return buffer_in(self._filling, rows, processors, rows_wanted=self._rows_wanted)

    def send(self, batch: Sent, settled: Sequence[Settle], *, everywhere: bool) -> None:
        """As `Transport.send`."""
        self._stored = ray.put(self._filling)
        self.object_bytes += self._filling.nbytes
        super().send(batch, settled, everywhere=everywhere)

    def _post(self, hosts: Sequence[int], message: ToHost) -> None:
        for host in hosts:
            receive = self._actors[host].receive_stored
            if isinstance(message, Work):
                buffer = self._sent[-1].buffer
                if self._rows_wanted:
                    self._buffers_of_works[host].append((message.number, buffer))
                self._answers[host].append(receive.remote(message, self._stored, len(buffer.selection)))
            else:
                self._answers[host].append(receive.remote(message))

    def _messages(self, *, wait: bool) -> list[tuple[int, FromHost]]:
        heard: list[tuple[int, FromHost]] = []
        while not heard:
            oldest = {answers[0]: host for host, answers in enumerate(self._answers) if answers}
            if not oldest:
                assert not wait, "everybody waits for somebody"
                break
            ready, _ = ray.wait(list(oldest), num_returns=1, timeout=None if wait else 0)
            for one in ready:
                host = oldest[one]
                answer: StoredAnswer = _get(one)
                self._answers[host].popleft()
                for served in answer.served:
                    number, buffer = self._buffers_of_works[host].popleft()
                    assert number == served.number, "works are done in order"
                    buffer.work.drop[served.rows] = served.drop
                    buffer.work.completion_ns[served.rows] = served.completion_ns
                heard += [(host, message) for message in answer.messages]
            if not wait:
                break
        return heard

    def close(self) -> None:
        """As `ActorTransport.close`: there is no connection."""


def _get(answers: Any) -> Any:
    try:
        return ray.get(answers)
    except ACTOR_LOST as error:
        raise PeerLostError("a processor actor is gone") from error
