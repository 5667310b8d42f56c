"""scapy and dpkt: the usual packages to parse frames in Python.

Both parse Ethernet, an 802.1Q tag, IPv4 and TCP or UDP down to the tuple that RSS hashes. They do no look-up, compute
no hash and choose no processor: they have no Toeplitz hash.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from importlib.util import find_spec

from benchmarks.peers import Missing, PeerError

#: Source and destination address as bytes, source and destination port.
Tuple4 = tuple[bytes, bytes, int, int]

PEERS = ("scapy", "dpkt")


def missing() -> list[Missing]:
    """The packages that are not installed."""
    return [Missing(name, "it is not installed", f"pip install {name}") for name in PEERS if find_spec(name) is None]


def parser(name: str) -> Callable[[bytes], Tuple4]:
    """A function that parses a TCP or UDP frame over IPv4 to its tuple with that package."""
    return {"scapy": _scapy, "dpkt": _dpkt}[name]()


def check(name: str, frames: Sequence[bytes]) -> None:
    """PeerError unless the package finds the tuples that are in these frames (untagged, IPv4 without options)."""
    parse = parser(name)
    for frame in frames:
        ports = int.from_bytes(frame[34:36], "big"), int.from_bytes(frame[36:38], "big")
        if parse(frame) != (frame[26:30], frame[30:34], *ports):
            raise PeerError(f"{name} finds another tuple than is in the frame")


def _scapy() -> Callable[[bytes], Tuple4]:
    from scapy.layers.inet import IP  # noqa: PLC0415
    from scapy.layers.l2 import Ether  # noqa: PLC0415

    def parse(frame: bytes) -> Tuple4:
        ip = Ether(frame)[IP]
        return socket.inet_aton(ip.src), socket.inet_aton(ip.dst), ip.payload.sport, ip.payload.dport

    return parse


def _dpkt() -> Callable[[bytes], Tuple4]:
    import dpkt.ethernet  # noqa: PLC0415

    def parse(frame: bytes) -> Tuple4:
        ip = dpkt.ethernet.Ethernet(frame).data
        return ip.src, ip.dst, ip.data.sport, ip.data.dport

    return parse
