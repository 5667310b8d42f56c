"""Doorbells: Unix-domain sockets between the NIC front end and its processors.

Sequenced-packet sockets keep message boundaries, wait without spinning, order slot writes before the message that
announces them, and report the death of the other side as an end-of-file. The listener's name lives in the abstract
namespace: it vanishes with the process, and peers of another user are turned away.
"""

from __future__ import annotations

import os
import secrets
import socket
import struct

from actors.wire import MESSAGE_BYTES_MAX, Message, decode, encode

_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid of SO_PEERCRED


class PeerLostError(ConnectionError):
    """The process at the other end is gone."""


class Doorbell:
    """One end of a connection."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection

    def fileno(self) -> int:
        """For selectors."""
        return self._socket.fileno()

    def ring(self, message: Message, descriptor: int | None = None) -> None:
        """Send a message, with a file descriptor if given; PeerLostError when nobody is there."""
        descriptors = [] if descriptor is None else [descriptor]
        try:
            socket.send_fds(self._socket, [encode(message)], descriptors)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise PeerLostError("the other end of a doorbell is gone") from error

    def wait(self) -> Message:
        """The next message; PeerLostError at the end of the connection."""
        return decode(self._receive(0)[0])

    def wait_with_descriptor(self) -> tuple[Message, int]:
        """The next message and the file descriptor that must come with it; the caller closes it."""
        data, descriptors = self._receive(1)
        assert len(descriptors) == 1, "a file descriptor comes with this message"
        return decode(data), descriptors[0]

    def _receive(self, descriptors_max: int) -> tuple[bytes, list[int]]:
        try:
            data, descriptors, _, _ = socket.recv_fds(self._socket, MESSAGE_BYTES_MAX, descriptors_max)
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


def connect(address: str) -> Doorbell:
    """Connect to a listener on this machine; PeerLostError when it is gone."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        connection.connect("\0" + address)
    except ConnectionRefusedError as error:
        connection.close()
        raise PeerLostError("the NIC front end is gone") from error
    return Doorbell(connection)
