"""The transport through Ray's object store: for processors on other nodes, and the plain reference of the ring.

A batch's slot is put into the store once, as one array of bytes; every host with rows of it gets a reference and
answers with what it wrote. The store never pushes back, so the credits bound what is in flight here too.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import ray

from actors.doorbell import PeerLostError
from actors.processor import ServedRows
from actors.ring import Slot, slot_bytes, slot_in
from actors.transport import Sent, Transport
from actors.wire import Work


class ObjectStoreTransport(Transport):
    """Batches as objects of Ray's store; actor calls are the doorbells and their answers the acknowledgements."""

    def __init__(self, hosts: Sequence[Any], host_ends: Sequence[int], slots: int) -> None:
        """`hosts` are the handles of the processor actors."""
        super().__init__(host_ends, slots)
        self._hosts = hosts
        self._buffer = np.zeros(0, np.uint8)  # of the batch that is being filled
        #: Answers to come by host: a host answers in the order it was called.
        self._answers: list[deque[tuple[Any, Sent]]] = [deque() for _ in hosts]

    def start(self, start_ns: int) -> None:
        """As `Transport.start`."""
        _get([host.start.remote(start_ns) for host in self._hosts])

    def next_slot(self, rows: int) -> Slot:
        """As `Transport.next_slot`; the slot has exactly that many rows."""
        self._buffer = np.zeros(slot_bytes(rows, self._host_ends[-1]), np.uint8)
        return slot_in(self._buffer, rows, self._host_ends[-1])

    def _ring_doorbells(self, doorbells: Mapping[int, Work], batch: Sent) -> None:
        stored = ray.put(self._buffer)
        for host, work in doorbells.items():
            self._answers[host].append((self._hosts[host].serve_stored.remote(work, stored), batch))

    def _take_acknowledgements(self) -> None:
        hosts = self._credits.waiting_for()
        oldest = {self._answers[host][0][0]: host for host in hosts}
        ready, _ = ray.wait(list(oldest), num_returns=1)
        for answer in ready:
            host = oldest[answer]
            served: ServedRows = _get(answer)
            slot = self._answers[host].popleft()[1].slot
            low, high = slot.offsets[self._host_ends[host]], slot.offsets[self._host_ends[host + 1]]
            rows = slot.selection[low:high]
            slot.work.drop[rows] = served.drop
            slot.work.completion_ns[rows] = served.completion_ns
            self._credits.acknowledge(host, served.number)

    def end(self) -> None:
        """As `Transport.end`: every call has been answered, there is nothing to tell."""

    def close(self) -> None:
        """As `Transport.close`: there is no connection."""


def _get(answers: Any) -> Any:
    try:
        return ray.get(answers)
    except (ray.exceptions.RayActorError, ray.exceptions.ObjectLostError) as error:
        raise PeerLostError("a processor actor is gone") from error
