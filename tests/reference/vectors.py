"""The published and derived RSS vectors of `rss-vectors.json`, as values."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from tests.reference.steering import Tag

_DOCUMENT = json.loads(Path(__file__).with_name("rss-vectors.json").read_text())

KEYS: dict[str, bytes] = {name: bytes.fromhex(digits) for name, digits in _DOCUMENT["keys"].items()}


class HashVector(NamedTuple):
    """An input and its Toeplitz hash."""

    name: str
    key: bytes
    data: bytes
    hash_value: int


class IndexVector(NamedTuple):
    """A hash value and the entry it selects in a table of 128 (HSH-27)."""

    name: str
    hash_value: int
    entry: int


class PacketVector(NamedTuple):
    """A whole frame, enabled types, and the hash it must get; type and value are 0 and the input empty for none."""

    name: str
    key: bytes
    frame: bytes
    enabled_types: int
    hash_type: int
    hash_value: int
    hash_information: int  # slot 9 of the OOB (RX-17)
    data: bytes


class OutOfBandVector(NamedTuple):
    """A tag on the wire and in the 8021Q OOB (RX-10)."""

    tag: Tag
    tci: int
    out_of_band: int


OFFICIAL_HASHES = [
    HashVector(
        f"{entry['id']}-{kind}",
        KEYS[entry["key"]],
        bytes.fromhex(entry[f"input_{kind}"]),
        int(entry[f"hash_{kind}"], 16),
    )
    for entry in _DOCUMENT["official"]
    for kind in ("2tuple", "4tuple")
]

OTHER_HASHES = [
    HashVector(entry["id"], KEYS[entry["key"]], bytes.fromhex(entry["input"]), int(entry["hash"], 16))
    for group in ("independent_nvidia", "independent_vpp_lengths", "derived")
    for entry in _DOCUMENT[group]
]

INDICES = [
    IndexVector(f"{entry['id']}-{kind}", int(entry[f"hash_{kind}"], 16), entry[f"index_{kind}_128"])
    for entry in _DOCUMENT["official"]
    for kind in ("2tuple", "4tuple")
]

PACKETS = [
    PacketVector(
        entry["id"],
        KEYS[entry["key"]],
        bytes.fromhex(entry["frame"]),
        int(entry["enabled_types"], 16),
        int(entry["result_type"], 16),
        int(entry["hash"], 16),
        int(entry["hash_info"], 16),
        bytes.fromhex(entry["input"] or ""),
    )
    for entry in _DOCUMENT["packet_vectors"]
]

OUT_OF_BAND = [
    OutOfBandVector(Tag(entry["pcp"], entry["dei"], entry["vid"]), int(entry["tci"], 16), int(entry["oob_value"], 16))
    for entry in _DOCUMENT["oob_8021q"]
]
