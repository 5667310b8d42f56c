"""Doorbells: Unix-domain sockets between the NIC front end and its processors.

Sequenced-packet sockets keep message boundaries, wait without spinning, order buffer writes before the message that
announces them, and report the death of the other side as an end-of-file. A message is sent in packets of bounded size;
the first byte of each says whether more follow. The listener's name is in the abstract namespace: it vanishes with the
process. Peers of another user are rejected.

A processor host may wait until the NIC takes its message. The NIC never waits for a host to take one, because both
might then wait for each other: a message that does not fit into the socket stays in the doorbell's outbox.
"""

from __future__ import annotations

import os
import secrets
import socket
import struct
from collections import deque
from collections.abc import Iterable

from actors.wire import Message, decode, encode

#: Bytes of a message in one packet; a socket's buffer holds several.
PACKET_BYTES = 32_768

_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid of SO_PEERCRED


class PeerLostError(ConnectionError):
    """The process at the other end is gone."""


class Doorbell:
    """One end of a connection."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._outbox: deque[bytes] = deque()  # packets
        self._parts: list[bytes] = []  # of the incomplete incoming message

    def fileno(self) -> int:
        """For selectors."""
        return self._socket.fileno()

    def ring(self, message: Message, descriptor: int | None = None) -> None:
        """Send a message, with a file descriptor if given; PeerLostError if the peer is gone."""
        descriptors = [] if descriptor is None else [descriptor]
        try:
            for packet in packets_of(message):
                socket.send_fds(self._socket, [packet], descriptors)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise PeerLostError("the other end of a doorbell is gone") from error

    def post(self, packets: Iterable[bytes]) -> None:
        """Put a message (`packets_of`) into the outbox, for `flush` to send."""
        self._outbox.extend(packets)

    def flush(self) -> bool:
        """Send from the outbox as much as there is room for; true if nothing is left."""
        try:
            while self._outbox:
                self._socket.send(self._outbox[0], socket.MSG_DONTWAIT)
                self._outbox.popleft()
        except BlockingIOError:
            return False
        except (BrokenPipeError, ConnectionResetError) as error:
            raise PeerLostError("the other end of a doorbell is gone") from error
        return True

    def wait(self) -> Message:
        """The next message; PeerLostError at the end of the connection."""
        while True:
            message = self.take()
            if message is not None:
                return message

    def take(self) -> Message | None:
        """Wait for the next packet; return the message if the packet completes one. PeerLostError at the end."""
        packet = self._receive(0)[0]
        self._parts.append(packet[1:])
        if packet[0]:
            return None
        message = decode(b"".join(self._parts))
        self._parts.clear()
        return message

    def wait_with_descriptor(self) -> tuple[Message, int]:
        """The next message, of one packet, and the file descriptor that must come with it; the caller closes it."""
        packet, descriptors = self._receive(1)
        assert len(descriptors) == 1, "a file descriptor comes with this message"
        return decode(packet[1:]), descriptors[0]

    def _receive(self, descriptors_max: int) -> tuple[bytes, list[int]]:
        try:
            data, descriptors, _, _ = socket.recv_fds(self._socket, PACKET_BYTES + 1, descriptors_max)
        except ConnectionResetError as error:
            raise PeerLostError("the other end of a doorbell is gone") from error
        if not data:
            raise PeerLostError("the other end of a doorbell is gone")
        return data, descriptors

    def close(self) -> None:
        """The other side sees an end-of-file."""
        self._socket.close()


class DoorbellListener:
    """Where processors of one simulated host report to their NIC."""

    def __init__(self) -> None:
        #: What `connect` takes.
        self.address = f"vmmq-{secrets.token_hex(16)}"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket.bind("\0" + self.address)
        self._socket.listen(socket.SOMAXCONN)

    def accept(self) -> Doorbell:
        """The next connection of a process of this user."""
        while True:
            connection, _ = self._socket.accept()
            credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
            if _CREDENTIALS.unpack(credentials)[1] == os.getuid():
                return Doorbell(connection)
            connection.close()

    def close(self) -> None:
        """Take no more connections."""
        self._socket.close()


def packets_of(message: Message) -> list[bytes]:
    """The packets of a message."""
    data = encode(message)
    parts = [data[at : at + PACKET_BYTES] for at in range(0, len(data), PACKET_BYTES)]
    return [*(b"\1" + part for part in parts[:-1]), b"\0" + parts[-1]]


def connect(address: str) -> Doorbell:
    """Connect to a listener on this machine; PeerLostError if it is gone."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        connection.connect("\0" + address)
    except ConnectionRefusedError as error:
        connection.close()
        raise PeerLostError("the NIC front end is gone") from error
    return Doorbell(connection)
