"""Doorbells keep order and boundaries, carry descriptors, and report a dead peer."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from actors.doorbell import Doorbell, DoorbellListener, PeerLostError, connect, packets_of
from actors.wire import Hello, Start
from dataplane.processor.messages import ANSWER_ROW, End, Settle


@pytest.fixture
def ends() -> Iterator[tuple[Doorbell, Doorbell]]:
    """The NIC's and the processor's end of one connection."""
    listener = DoorbellListener()
    processor = connect(listener.address)
    nic = listener.accept()
    yield nic, processor
    for one in (nic, processor, listener):
        one.close()


def test_order_and_boundaries(ends: tuple[Doorbell, Doorbell]) -> None:
    """Messages arrive one by one in the order they were sent, in both directions."""
    nic, processor = ends
    for number in range(50):
        nic.ring(Start(number))
        processor.ring(End(number))
    assert [Start(number) for number in range(50)] == [processor.wait() for _ in range(50)]
    assert [End(number) for number in range(50)] == [nic.wait() for _ in range(50)]


def test_descriptor_travels_with_a_message(ends: tuple[Doorbell, Doorbell]) -> None:
    """The other side receives a descriptor of the same memory; the memory needs no name."""
    nic, processor = ends
    memory = os.memfd_create("test")
    os.write(memory, b"ring")
    nic.ring(Hello(3), memory)
    os.close(memory)
    message, received = processor.wait_with_descriptor()
    assert Hello(3) == message
    assert os.pread(received, 10, 0) == b"ring"
    os.close(received)


def test_closed_peer_is_an_end_of_file(ends: tuple[Doorbell, Doorbell]) -> None:
    """Messages sent before the peer ended are delivered; then waiting and ringing raise PeerLostError."""
    nic, processor = ends
    nic.ring(End(0))
    nic.close()
    assert End(0) == processor.wait()
    with pytest.raises(PeerLostError):
        processor.wait()
    with pytest.raises(PeerLostError):
        processor.ring(Start(0))


def test_processes_of_others_are_turned_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection of another user is closed; the next connection is accepted."""
    listener = DoorbellListener()
    stranger, processor = connect(listener.address), connect(listener.address)
    users = iter([os.getuid() + 1, os.getuid()])
    monkeypatch.setattr(os, "getuid", lambda: next(users))
    nic = listener.accept()
    with pytest.raises(PeerLostError):
        stranger.ring(Start(0))
    processor.ring(Start(1))
    assert nic.wait() == Start(1)
    for one in (nic, stranger, processor, listener):
        one.close()


def test_killed_peer_is_an_end_of_file_and_leaves_nothing() -> None:
    """SIGKILL of the listening process ends its connections and frees its name at once (ENG-02)."""
    told, tell = os.pipe()
    if not (child := os.fork()):
        listener = DoorbellListener()
        os.write(tell, listener.address.encode())
        listener.accept()
        signal.pause()
    address = os.read(told, 100).decode()
    doorbell = connect(address)
    os.kill(child, signal.SIGKILL)
    with pytest.raises(PeerLostError):
        doorbell.wait()
    os.waitpid(child, 0)
    assert address not in Path("/proc/net/unix").read_text()
    with pytest.raises(PeerLostError):
        connect(address)
    for descriptor in (told, tell, doorbell):
        os.close(descriptor if isinstance(descriptor, int) else descriptor.fileno())


def test_large_messages_and_a_peer_that_does_not_listen(ends: tuple[Doorbell, Doorbell]) -> None:
    """Messages for which a socket has no room wait in the outbox, and arrive complete and in order (EPO-05)."""
    nic, processor = ends
    answers = np.zeros(100_000, ANSWER_ROW)
    answers["group"] = np.arange(len(answers))
    for epoch in range(5):
        nic.post(packets_of(Settle(epoch, None, answers)))  # far more than a socket takes: it would block
    assert not nic.flush()
    heard: list[Settle] = []
    while len(heard) < 5:
        nic.flush()
        message = processor.take()
        if message is not None:
            assert isinstance(message, Settle)
            heard.append(message)
    assert nic.flush()
    assert [news.epoch for news in heard] == [0, 1, 2, 3, 4]
    assert all(np.array_equal(news.answers, answers) for news in heard)
