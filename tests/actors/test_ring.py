"""The descriptor ring: buffers that peers share, and credits that bound what is in flight."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.ring import Credits, DescriptorRing, buffer_bytes, buffer_in, new_ring_memory
from dataplane.processor.work_buffer import SEGMENTS_MAX, WorkBuffer


def arrays_of(buffer: WorkBuffer) -> list[Any]:
    """Everything in a buffer."""
    return [*buffer.work, buffer.offsets, buffer.selection]


@given(st.integers(1, 300), st.integers(1, 20))
def test_arrays_of_a_buffer_do_not_overlap(rows: int, processors: int) -> None:
    """Each array has the promised length, lies inside the buffer and shares no byte with another."""
    memory = np.zeros(buffer_bytes(rows, processors), np.uint8)
    buffer = buffer_in(memory, rows, processors)
    assert buffer.offsets.shape == (SEGMENTS_MAX, processors + 1)
    assert {rows} == {len(column) for column in (*buffer.work, buffer.selection)}
    for array in arrays_of(buffer):
        assert array.flags.aligned
        array.view(np.uint8)[:] += 1
    assert sum(array.nbytes for array in arrays_of(buffer)) == memory.sum() == np.count_nonzero(memory)


def test_peers_see_each_others_writes() -> None:
    """Two mappings of a ring are the same memory, buffer by buffer, and stay valid after the descriptor is closed."""
    memory = new_ring_memory(3, 10, 2, rows_wanted=True)
    nic, processor = (DescriptorRing(memory, 3, 10, 2, rows_wanted=True) for _ in range(2))
    os.close(memory)
    assert len(nic) == len(processor) == 3
    for number in range(3):
        nic[number].selection[:] = number + 1
        processor[number].work.completion_ns[:] = -number
    assert [int(processor[number].selection[9]) for number in range(3)] == [1, 2, 3]
    assert [int(nic[number].work.completion_ns[0]) for number in range(3)] == [0, -1, -2]


class Plan:
    """A simple reference for the credits: a list of batches with the hosts that have not acknowledged."""

    def __init__(self) -> None:
        self.batches: list[set[int]] = []
        self.settled = 0

    def settle(self) -> int:
        """The batches that have just come back."""
        before = self.settled
        while self.settled < len(self.batches) and not self.batches[self.settled]:
            self.settled += 1
        return self.settled - before


@given(st.integers(1, 4), st.integers(1, 4), st.data())
def test_credits_bound_what_is_in_flight(buffers: int, hosts: int, data: st.DataObject) -> None:
    """Never more batches in flight than buffers; batches come back in order, when all their hosts have answered."""
    bound, plan = Credits(buffers, hosts), Plan()
    rung: list[list[tuple[int, int]]] = [[] for _ in range(hosts)]  # (number, batch) not yet acknowledged
    for _ in range(data.draw(st.integers(0, 30))):
        if data.draw(st.booleans()) and bound.in_flight < buffers:
            some = sorted(data.draw(st.sets(st.integers(0, hosts - 1))))
            assert bound.next_buffer == len(plan.batches) % buffers
            for host, number in zip(some, bound.send(some), strict=True):
                rung[host].append((number, len(plan.batches)))
            plan.batches.append(set(some))
        elif waiting := [host for host in range(hosts) if rung[host]]:
            host = data.draw(st.sampled_from(waiting))
            number, batch = rung[host].pop(0)
            bound.acknowledge(host, number)
            plan.batches[batch].remove(host)
        assert plan.settle() == bound.settle()
        assert len(plan.batches) - plan.settled == bound.in_flight <= buffers


def test_a_buffer_in_flight_is_never_given_out() -> None:
    """With all buffers in flight there is no next buffer: code that does not wait fails, and overwrites no batch."""
    bound = Credits(2, 1)
    bound.send([0])
    bound.send([0])
    with pytest.raises(AssertionError, match="in flight"):
        _ = bound.next_buffer
    with pytest.raises(AssertionError, match="in flight"):
        bound.send([0])


@pytest.mark.parametrize("numbers", [[0, 0], [1], [0, 2], [0, 1, 2]])
def test_gap_repeat_or_surplus_is_seen(numbers: list[int]) -> None:
    """Acknowledgements count from 0 without gap or repeat, and never exceed the doorbells."""
    bound = Credits(4, 1)
    bound.send([0])
    bound.send([0])
    *good, bad = numbers
    for number in good:
        bound.acknowledge(0, number)
    with pytest.raises(AssertionError, match="acknowledged"):
        bound.acknowledge(0, bad)
