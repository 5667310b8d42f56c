"""How a batch gets from the NIC to the processor actors of its simulated host, and how the credits come back.

`RingTransport` is for processors on the NIC's node: batches lie in the descriptor ring, doorbells carry the messages.
`actors.object_store` has the other transport. Both implement `dataplane.engine.transport.Transport`.
"""

from __future__ import annotations

import os
import selectors
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence

from actors.doorbell import Doorbell, DoorbellListener, PeerLostError, packets_of
from actors.ring import Credits, DescriptorRing, new_ring_memory
from actors.wire import Hello, Message, Start, Welcome
from dataplane.engine.transport import Sent
from dataplane.processor.messages import Acknowledge, Answer, End, Ended, FromHost, Loads, Settle, Tick, ToHost, Work
from dataplane.processor.work_buffer import WorkBuffer


class ActorTransport(ABC):
    """What both transports have in common: credits, and which host gets which message."""

    def __init__(self, host_ends: Sequence[int], buffers: int) -> None:
        """Host h owns the processors below `host_ends[h]` that no earlier one owns; `buffers` bounds what is sent."""
        self.hosts = len(host_ends)
        self._host_ends = (0, *host_ends)
        self._credits = Credits(buffers, len(host_ends))
        self._sent: deque[Sent] = deque()  # in flight, oldest first
        self._buffers = buffers
        self.object_bytes = 0  # put into Ray's object store so far, from where other nodes fetch them

    def has_buffer(self) -> bool:
        """As `Transport.has_buffer`."""
        return self._credits.in_flight < self._buffers

    def send(self, batch: Sent, settled: Sequence[Settle], *, everywhere: bool) -> None:
        """As `Transport.send`."""
        buffer = self._credits.next_buffer
        hosts = range(self.hosts) if everywhere or settled else self._hosts_with_rows(batch)
        hosts_by_number: dict[int, list[int]] = {}
        for host, number in zip(hosts, self._credits.send(hosts), strict=True):
            hosts_by_number.setdefault(number, []).append(host)
        self._sent.append(batch)
        for number, alike in hosts_by_number.items():
            self._post(alike, Work(number, buffer, batch.rows, batch.first_frame, batch.segments, tuple(settled)))

    def tell(self, message: Settle | Tick) -> None:
        """As `Transport.tell`."""
        self._post(range(self.hosts), message)

    def receive(self, *, wait: bool) -> list[tuple[int, FromHost]]:
        """As `Transport.receive`."""
        messages = self._messages(wait=wait)
        for host, message in messages:
            if isinstance(message, Acknowledge):
                self._credits.acknowledge(host, message.number)
        return messages

    def settle(self) -> list[Sent]:
        """As `Transport.settle`."""
        return [self._sent.popleft() for _ in range(self._credits.settle())]

    def end(self) -> None:
        """As `Transport.end`."""
        for host in range(self.hosts):
            self._post([host], End(self._credits.rung(host)))

    @abstractmethod
    def start(self, start_ns: int) -> None:
        """As `Transport.start`."""

    @abstractmethod
    def next_buffer(self, rows: int) -> WorkBuffer:
        """As `Transport.next_buffer`."""

    @abstractmethod
    def close(self) -> None:
        """Close the connections; hosts that have not been told of the end see a failure."""

    @abstractmethod
    def _post(self, hosts: Sequence[int], message: ToHost) -> None:
        """Send the same message to several hosts without waiting for any of them."""

    @abstractmethod
    def _messages(self, *, wait: bool) -> list[tuple[int, FromHost]]:
        """Messages that have come."""

    def _hosts_with_rows(self, batch: Sent) -> list[int]:
        offsets = batch.buffer.offsets[: len(batch.segments), list(self._host_ends)]
        rows = (offsets[:, 1:] - offsets[:, :-1]).sum(axis=0)
        return [host for host, count in enumerate(rows.tolist()) if count]


class RingTransport(ActorTransport):
    """Batches in the descriptor ring; doorbells carry the messages about them."""

    def __init__(
        self,
        listener: DoorbellListener,
        host_ends: Sequence[int],
        buffers: int,
        batch_frames: int,
        *,
        rows_wanted: bool = True,
    ) -> None:
        """Wait for all hosts to connect, and give them the ring."""
        super().__init__(host_ends, buffers)
        welcome = Welcome(buffers, batch_frames, host_ends[-1], rows_wanted)
        memory = new_ring_memory(buffers, batch_frames, host_ends[-1], rows_wanted=rows_wanted)
        try:
            self._ring = DescriptorRing(memory, *welcome)
            self._doorbells = _accept_hosts(listener, len(host_ends))
            for doorbell in self._doorbells:
                doorbell.ring(welcome, memory)
        finally:
            os.close(memory)
        self._selector = selectors.DefaultSelector()
        for host, doorbell in enumerate(self._doorbells):
            self._selector.register(doorbell, selectors.EVENT_READ, host)
        self._unsent: set[int] = set()  # hosts with something in their outbox

    def start(self, start_ns: int) -> None:
        """As `Transport.start`."""
        for doorbell in self._doorbells:
            doorbell.ring(Start(start_ns))

    def next_buffer(self, rows: int) -> WorkBuffer:
        """As `Transport.next_buffer`; the buffer holds `batch_frames` rows."""
        return self._ring[self._credits.next_buffer]

    def _post(self, hosts: Sequence[int], message: Message) -> None:
        packets = packets_of(message)  # encoded once for all hosts: a work with updates is large
        for host in hosts:
            self._doorbells[host].post(packets)
            self._flush(host)

    def _flush(self, host: int) -> None:
        doorbell = self._doorbells[host]
        if doorbell.flush() == (host in self._unsent):
            self._unsent ^= {host}
            writing = selectors.EVENT_WRITE if host in self._unsent else 0
            self._selector.modify(doorbell, selectors.EVENT_READ | writing, host)

    def _messages(self, *, wait: bool) -> list[tuple[int, FromHost]]:
        heard: list[tuple[int, FromHost]] = []
        while not heard:
            for key, events in self._selector.select(None if wait else 0):
                doorbell, host = key.fileobj, key.data
                assert isinstance(doorbell, Doorbell)
                if events & selectors.EVENT_WRITE:
                    self._flush(host)
                if events & selectors.EVENT_READ and (message := doorbell.take()) is not None:
                    assert isinstance(message, Acknowledge | Answer | Loads | Ended), message
                    heard.append((host, message))
            if not wait:
                break
        return heard

    def close(self) -> None:
        """As `ActorTransport.close`."""
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
            continue  # the follower of the host notices and ends the run
        assert isinstance(hello, Hello), hello
        assert hello.host not in doorbells, hello
        doorbells[hello.host] = doorbell
    return [doorbells[host] for host in range(count)]
