"""The descriptor ring: the buffers in which batches lie while processors serve them, and the credits that bound them.

A buffer holds the work columns of one batch, its selection vector and its offsets; rows are not copied for a processor.
The memory is an anonymous file: it has no name, is passed to the processors over their doorbells, and vanishes with the
last process that maps it, however that process ends.
"""

from __future__ import annotations

import mmap
import os
from collections import deque
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from dataplane.processor.work_buffer import SEGMENTS_MAX, WorkBuffer, work_buffer
from dataplane.receive.work import work_bytes, work_columns_in


def buffer_bytes(rows: int, processors: int, *, rows_wanted: bool = True) -> int:
    """Bytes that `buffer_in` needs; a whole number of pages."""
    size = work_bytes(rows, rows_wanted=rows_wanted) + 8 * SEGMENTS_MAX * (processors + 1) + 4 * rows
    return -(-size // mmap.PAGESIZE) * mmap.PAGESIZE


def buffer_in(memory: npt.NDArray[np.uint8], rows: int, processors: int, *, rows_wanted: bool = True) -> WorkBuffer:
    """Lay a buffer for `rows` frames out in `memory` (uint8, at least `buffer_bytes`, 64-byte aligned)."""
    offsets_at = work_bytes(rows, rows_wanted=rows_wanted)
    selection_at = offsets_at + 8 * SEGMENTS_MAX * (processors + 1)
    return work_buffer(
        work_columns_in(memory, rows, rows_wanted=rows_wanted),
        memory[offsets_at:selection_at].view(np.int64).reshape(SEGMENTS_MAX, processors + 1),
        memory[selection_at : selection_at + 4 * rows].view(np.uint32),
    )


def buffers_for(actors: int) -> int:
    """The default number of batches in flight between a NIC and that many processor actors.

    A single actor takes batches as they come: with fewer buffers, more of a batch is still in a cache that both cores
    share. Several actors finish a batch at different times: with more buffers none waits for another.
    """
    return 5 if actors == 1 else 8


class DescriptorRing:
    """The buffers of one simulated host, in memory that its processes share."""

    def __init__(self, descriptor: int, buffers: int, batch_frames: int, processors: int, rows_wanted: bool) -> None:
        """Map the memory behind `descriptor`, which stays the caller's."""
        size = buffer_bytes(batch_frames, processors, rows_wanted=rows_wanted)
        mapping = mmap.mmap(descriptor, buffers * size, mmap.MAP_SHARED | mmap.MAP_POPULATE)
        memory = np.frombuffer(mapping, np.uint8)  # keeps the mapping
        self._buffers = [
            buffer_in(memory[i * size : (i + 1) * size], batch_frames, processors, rows_wanted=rows_wanted)
            for i in range(buffers)
        ]

    def __len__(self) -> int:
        return len(self._buffers)

    def __getitem__(self, buffer: int) -> WorkBuffer:
        return self._buffers[buffer]


def new_ring_memory(buffers: int, batch_frames: int, processors: int, *, rows_wanted: bool) -> int:
    """An anonymous file for a ring of that shape; the caller closes the descriptor."""
    descriptor = os.memfd_create("vmmq-descriptor-ring")
    os.ftruncate(descriptor, buffers * buffer_bytes(batch_frames, processors, rows_wanted=rows_wanted))
    return descriptor


class Credits:
    """Tracks which host still has to acknowledge which batch, and bounds the batches in flight.

    Batches are numbered from 0 and use buffers in turn. A batch is in flight until every host with rows of it has
    acknowledged them and no older batch is in flight. Hosts acknowledge in the order in which they were rung.
    """

    def __init__(self, buffers: int, hosts: int) -> None:
        self._buffers = buffers
        self._sent = 0  # batches
        self._open: deque[int] = deque()  # acknowledgements missing, by batch in flight, oldest first
        self._rung = [0] * hosts  # doorbells so far, by host
        self._acknowledged = [0] * hosts
        self._batches: list[deque[int]] = [deque() for _ in range(hosts)]  # batch of each open doorbell, by host

    @property
    def in_flight(self) -> int:
        """Batches in flight; at most the number of buffers."""
        return len(self._open)

    @property
    def next_buffer(self) -> int:
        """The buffer of the next batch; it must be free."""
        assert len(self._open) < self._buffers, "the next buffer is still in flight"
        return self._sent % self._buffers

    def rung(self, host: int) -> int:
        """Doorbells with work that a host has got."""
        return self._rung[host]

    def send(self, hosts: Sequence[int]) -> list[int]:
        """Put the next batch in flight; the number of the doorbell of each of the hosts that have rows of it."""
        assert len(self._open) < self._buffers, "the next buffer is still in flight"
        numbers = []
        for host in hosts:
            self._batches[host].append(self._sent)
            numbers.append(self._rung[host])
            self._rung[host] += 1
        self._open.append(len(hosts))
        self._sent += 1
        return numbers

    def acknowledge(self, host: int, number: int) -> None:
        """A host has served the rows that its doorbell `number` announced."""
        expected = self._acknowledged[host]
        assert number == expected, f"host {host} acknowledged {number}, not {expected}: a gap or a repeat"
        assert self._batches[host], f"host {host} acknowledged {number} without having been rung"
        self._acknowledged[host] += 1
        oldest = self._sent - len(self._open)
        self._open[self._batches[host].popleft() - oldest] -= 1

    def settle(self) -> int:
        """Take finished batches out of flight, oldest first; how many."""
        count = 0
        while self._open and not self._open[0]:
            self._open.popleft()
            count += 1
        return count
