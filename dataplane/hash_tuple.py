"""The RSS hash of one tuple in plain Python.

The kernels hash millions of frames. This module hashes a single tuple without heavy imports, so that a command for one
value need not wait for compiled code. Tests check both with the same published vectors.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from dataplane.errors import UserError, each

HASH_SECRET_KEYS = {
    "microsoft": bytes.fromhex(
        "6d5a56da255b0ec24167253d43a38fb0d0ca2bcbae7b30b477cb2da38030f20c6a42b73bbeac01fa"
    ),  # the key of "Verifying the RSS Hash Calculation"
    "symmetric": bytes.fromhex("6d5a" * 20),  # both directions of a connection hash alike
}

_KEY = re.compile(r"[0-9a-fA-F]{80}", re.ASCII)
_BRACKETS = re.compile(r"\[([^\]]*)\](?::(.*))?")

#: Hash types by IP version, the one for the 4-tuple by default first (HSH-09).
HASH_TYPES = {
    4: ("tcp_ipv4", "udp_ipv4", "ipv4"),
    6: ("tcp_ipv6", "udp_ipv6", "tcp_ipv6_ex", "udp_ipv6_ex", "ipv6", "ipv6_ex"),
}
_TWO_TUPLE = {"ipv4", "ipv6", "ipv6_ex"}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One end of a tuple."""

    address: ipaddress.IPv4Address | ipaddress.IPv6Address
    port: int | None  # None: the address alone


@dataclass(frozen=True, slots=True)
class TupleHash:
    """What the hash of a tuple was made from and what came out."""

    hash_type: str
    input: bytes  # source address, destination address[, source port, destination port]
    hash_value: int  # 32 bits


def toeplitz(key: bytes, data: bytes) -> int:
    """The Toeplitz hash of `data` (HSH-04); raises ValueError when the key is too short for it (HSH-05)."""
    if len(key) * 8 < len(data) * 8 + 31:
        raise ValueError(f"a key of {len(key)} bytes cannot hash {len(data)} bytes")
    window, below = int.from_bytes(key, "big"), len(key) * 8 - 32
    result = 0
    for i, byte in enumerate(data):
        for bit in range(8):
            if byte & (0x80 >> bit):
                result ^= window >> (below - i * 8 - bit)
    return result & 0xFFFF_FFFF


def indirection_table_index(hash_value: int, entries: int) -> int:
    """The table entry a hash selects in a table of `entries`, a power of two (HSH-27)."""
    return hash_value & (entries - 1)


def hash_secret_key(text: str) -> bytes:
    """Read a key by name or as 80 hexadecimal digits; raises UserError (RSS-12)."""
    if named := HASH_SECRET_KEYS.get(text.lower()):
        return named
    if not _KEY.fullmatch(text):
        names = ", ".join(HASH_SECRET_KEYS)
        raise UserError(f"{text!r} is not a hash secret key: write {names} or 80 hexadecimal digits (RSS-12)")
    return bytes.fromhex(text)


def parse_endpoint(text: str) -> Endpoint:
    """Read `66.9.149.187:2794`, `66.9.149.187`, `[3ffe::7]:2794` or `3ffe::7`; raises UserError."""
    address, port = text, None
    if match := _BRACKETS.fullmatch(text):
        address, port = match[1], match[2]
    elif text.count(":") == 1:
        address, port = text.split(":")
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        parsed = None
    if parsed is None or "%" in address or (parsed.version == 4 and text.startswith("[")):
        raise UserError(f"{text!r} is not ADDRESS or ADDRESS:PORT: write 66.9.149.187:2794 or [3ffe:2501::7]:2794")
    if port is None:
        return Endpoint(parsed, None)
    if not (port.isascii() and port.isdigit() and int(port) <= 0xFFFF):
        raise UserError(f"{text!r}: the port is a number from 0 to 65535")
    return Endpoint(parsed, int(port))


def hash_of_texts(source: str, destination: str, *, key: str, hash_type: str | None) -> TupleHash:
    """As `hash_tuple`, of what a user writes; UserError with everything that is wrong with it."""
    types = [name for names in HASH_TYPES.values() for name in names]

    def known_type() -> str | None:
        if hash_type is not None and hash_type.lower() not in types:
            raise UserError(f"{hash_type!r} is not a hash type: one of {', '.join(types)}")
        return hash_type

    ends = (partial(parse_endpoint, source), partial(parse_endpoint, destination))
    reads: tuple[Callable[[], Any], ...] = (*ends, partial(hash_secret_key, key), known_type)
    first, second, secret, kind = each(lambda read: read(), reads)
    return hash_tuple(secret, first, second, kind)


def hash_tuple(key: bytes, source: Endpoint, destination: Endpoint, hash_type: str | None = None) -> TupleHash:
    """The hash of a tuple as a NIC computes it with `hash_type` in force (HSH-06..HSH-17).

    Without a type it follows from the tuple: TCP with ports, else the addresses alone. A 2-tuple type ignores ports.
    Raises UserError for a tuple the type cannot hash.
    """
    version = source.address.version
    if destination.address.version != version:
        raise UserError(f"{source.address} and {destination.address} are not of one IP version")
    has_ports = source.port is not None and destination.port is not None
    if (source.port is None) != (destination.port is None):
        raise UserError("write both ports or none")
    if hash_type is None:
        hash_type = f"tcp_ipv{version}" if has_ports else f"ipv{version}"
    hash_type = hash_type.lower()
    if hash_type not in HASH_TYPES[version]:
        raise UserError(f"hash type {hash_type!r} does not fit IPv{version}: one of {', '.join(HASH_TYPES[version])}")
    data = source.address.packed + destination.address.packed
    if hash_type not in _TWO_TUPLE:
        if source.port is None or destination.port is None:
            raise UserError(f"hash type {hash_type} needs ports: write ADDRESS:PORT")
        data += source.port.to_bytes(2, "big") + destination.port.to_bytes(2, "big")
    return TupleHash(hash_type, data, toeplitz(key, data))


@dataclass(frozen=True, slots=True)
class VerifiedVector:
    """A published vector and what this module makes of it."""

    id: str
    origin: str
    key: str  # name of the key
    input: bytes
    expected: int
    hash_value: int

    @property
    def is_right(self) -> bool:
        """Whether the published value came out."""
        return self.expected == self.hash_value


def verified_vectors() -> list[VerifiedVector]:
    """Hash every published vector that comes with the package (`vectors.json`)."""
    document = json.loads((Path(__file__).parent / "vectors.json").read_text("utf-8"))
    keys = {name: bytes.fromhex(key) for name, key in document["keys"].items()}
    return [
        VerifiedVector(
            id=vector["id"],
            origin=vector["origin"],
            key=vector["key"],
            input=(data := bytes.fromhex(vector["input"])),
            expected=int(vector["hash"], 16),
            hash_value=toeplitz(keys[vector["key"]], data),
        )
        for vector in document["vectors"]
    ]
