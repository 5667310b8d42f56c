"""How a batch gets from the NIC front end to the processors of its simulated host, and how the credits come back.

`RingTransport` is for processors on the NIC's node: batches lie in the descriptor ring, doorbells carry the rest.
`actors.object_store` has the other one. The NIC asks for a slot, fills it, sends it, and settles when credits run out.
"""

from __future__ import annotations

import os
import selectors
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from actors.doorbell import Doorbell, DoorbellListener, PeerLostError
from actors.ring import Credits, DescriptorRing, Slot, new_ring_memory
from actors.wire import Acknowledge, End, Hello, Start, Welcome, Work


class Sent(NamedTuple):
    """A batch on its way, or back from it."""

    slot: Slot
    rows: int  # frames of the batch
    first_frame: int  # number of row 0


class Transport(ABC):
    """What the NIC front end sees; every batch it sends costs a credit until all its rows have been served."""

    def __init__(self, host_ends: Sequence[int], slots: int) -> None:
        """Host h owns the processors below `host_ends[h]` that no earlier one owns; `slots` bounds what is sent."""
        self.slots = slots
        self._host_ends = (0, *host_ends)
        self._credits = Credits(slots, len(host_ends))
        self._sent: deque[Sent] = deque()  # in flight, oldest first

    @abstractmethod
    def start(self, start_ns: int) -> None:
        """Tell every host when the run starts; comes once, before everything else."""

    @abstractmethod
    def next_slot(self, rows: int) -> Slot:
        """Buffers for a batch of that many frames; fewer than `slots` batches may be in flight."""

    def send(self, batch: Sent, epoch: int) -> None:
        """Tell the hosts that have rows of a batch, which lies in the buffers that `next_slot` gave."""
        slot = self._credits.next_slot
        hosts = self._hosts_with_rows(batch.slot)
        numbers = self._credits.send(hosts)
        self._sent.append(batch)
        doorbells = {
            host: Work(number, epoch, slot, batch.rows, batch.first_frame)
            for host, number in zip(hosts, numbers, strict=True)
        }
        self._ring_doorbells(doorbells, batch)

    def settle(self, in_flight_max: int) -> list[Sent]:
        """Wait until at most that many batches are in flight; those that came back, in order.

        Their buffers are used again by the next `next_slot`. Raises PeerLostError when a host is gone.
        """
        back: list[Sent] = []
        while self._credits.in_flight > in_flight_max:
            back += [self._sent.popleft() for _ in range(self._credits.settle())]
            if self._credits.in_flight > in_flight_max:
                self._take_acknowledgements()
        return back

    @abstractmethod
    def end(self) -> None:
        """Tell every host that no more comes; nothing is in flight any more."""

    @abstractmethod
    def close(self) -> None:
        """Let go; hosts that were not told the end see that something broke."""

    @abstractmethod
    def _ring_doorbells(self, doorbells: Mapping[int, Work], batch: Sent) -> None:
        """Send each host its message about a batch."""

    @abstractmethod
    def _take_acknowledgements(self) -> None:
        """Wait for at least one and hand it to the credits."""

    def _hosts_with_rows(self, slot: Slot) -> list[int]:
        at = [int(slot.offsets[end]) for end in self._host_ends]
        return [host for host in range(len(at) - 1) if at[host + 1] > at[host]]


class RingTransport(Transport):
    """Batches in the descriptor ring; one doorbell message for each batch and host, one acknowledgement back."""

    def __init__(self, listener: DoorbellListener, host_ends: Sequence[int], slots: int, batch_frames: int) -> None:
        """Wait for all hosts to connect, and give them the ring."""
        super().__init__(host_ends, slots)
        memory = new_ring_memory(slots, batch_frames, host_ends[-1])
        try:
            self._ring = DescriptorRing(memory, slots, batch_frames, host_ends[-1])
            welcome = Welcome(slots, batch_frames, host_ends[-1])
            self._doorbells = _accept_hosts(listener, len(host_ends))
            for doorbell in self._doorbells:
                doorbell.ring(welcome, memory)
        finally:
            os.close(memory)
        self._selector = selectors.DefaultSelector()
        for host, doorbell in enumerate(self._doorbells):
            self._selector.register(doorbell, selectors.EVENT_READ, host)

    def start(self, start_ns: int) -> None:
        """As `Transport.start`."""
        for doorbell in self._doorbells:
            doorbell.ring(Start(start_ns))

    def next_slot(self, rows: int) -> Slot:
        """As `Transport.next_slot`; the slot holds `batch_frames` rows."""
        return self._ring[self._credits.next_slot]

    def _ring_doorbells(self, doorbells: Mapping[int, Work], batch: Sent) -> None:
        for host, work in doorbells.items():
            self._doorbells[host].ring(work)

    def _take_acknowledgements(self) -> None:
        for key, _ in self._selector.select():
            doorbell, host = key.fileobj, key.data
            assert isinstance(doorbell, Doorbell)
            message = doorbell.wait()
            assert isinstance(message, Acknowledge), message
            self._credits.acknowledge(host, message.number)

    def end(self) -> None:
        """As `Transport.end`."""
        for host, doorbell in enumerate(self._doorbells):
            doorbell.ring(End(self._credits.rung(host)))

    def close(self) -> None:
        """As `Transport.close`."""
        self._selector.close()
        for doorbell in self._doorbells:
            doorbell.close()


def _accept_hosts(listener: DoorbellListener, count: int) -> list[Doorbell]:
    """The doorbells of all hosts by number."""
    doorbells: dict[int, Doorbell] = {}
    while len(doorbells) < count:
        doorbell = listener.accept()
        try:
            hello = doorbell.wait()
        except PeerLostError:
            doorbell.close()
            continue  # whoever supervises the host notices and ends the run
        assert isinstance(hello, Hello), hello
        assert hello.host not in doorbells, hello
        doorbells[hello.host] = doorbell
    return [doorbells[host] for host in range(count)]
