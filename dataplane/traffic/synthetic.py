"""Synthetic traffic: real frames of flows whose popularity, lengths and arrivals follow a profile.

Frame k is a function of (seed, k): neither the batch size nor the place where reading begins changes a byte. Lengths
count bytes on the wire without the FCS, as everywhere in the model: a "64-byte frame" has length 60 here. A frame is
never shorter than its headers (UDP over IPv4 42, TCP over IPv6 with a tag 78). Batches hold the first 64 bytes of IPv4
and 80 of IPv6 frames; the payload behind them is zero bytes.

Profiles (each decides what the keys left out default to):

- `uniform`: all `flows` equally likely.
- `zipf`: flow of rank r has weight 1 / r**`zipf_s`.
- `elephants`: the first `elephants` flows share `elephant_share` of the frames equally, the others the rest.
- `imix`: as `uniform`, with lengths `imix:csit`.
- `rsspp-campus`: a campus access link with few very large flows, the kind of traffic that RSS++ was shown with; its
  numbers are a choice of this project, not measured: 100 000 zipf flows with `zipf_s` 1.05, lengths `rsspp-campus`,
  15 % UDP, 10 % IPv6.
- `single-flow`: one flow.
- `single-tunnel`: `flows` inner flows inside one VXLAN tunnel, to the first destination, whose outer UDP source port is
  always the same: RSS sees one flow.
- `adversarial`: every flow hashes to indirection table entry 0 of its destination, for tables of up to
  `table_entries` entries and the destination's hash secret key.
- `on-off`: as `uniform`, with on-off arrivals.
- `churn`: as `uniform`; every `churn_frames` frames the oldest flow ends and a new one begins.
- `vlan-mix`: every destination MAC address is reached untagged, with a priority tag (VID 0) and in each of `vlans`.

Length mixes, as lengths with FCS and shares: `imix:trex` 64, 594, 1518 as 28:16:4 (TRex stl/imix.py); `imix:csit` 64,
570, 1518 as 28:16:4 (FD.io CSIT IMIX_v4_1); `imix:classic` IP packets of 40, 576 and 1500 bytes as 7:4:1, which on
Ethernet is 64, 594, 1518, the same as `imix:trex`; `rsspp-campus` 27 % up to 99 bytes, 12 % up to 499 and the rest
nearly all full-sized, 980 bytes on average. `exponential:MEAN` makes service times exponential where work is paid by
the byte (PRC-05): 1 byte and more with that mean, as far as headers allow. Lengths are drawn frame by frame,
independently.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dataplane.arrays import read_only
from dataplane.hash_tuple import HASH_SECRET_KEYS
from dataplane.kernels.generate import (
    FLOW_SEED,
    FRAME_SEED,
    IPV6_BYTES,
    IPV6_SHARE,
    LENGTH_SEED,
    RECORD_BYTES,
    SETTINGS,
    TRANSMIT_SHARE,
    TUNNEL_BYTES,
    UDP_SHARE,
    build_records,
    choose,
    encapsulate,
    find_colliding,
    make_frames,
    write_frames,
)
from dataplane.kernels.random import build_alias_table, exponential_function, mixed, zipf_weights
from dataplane.kernels.toeplitz import toeplitz_table
from dataplane.traffic.arrivals import Arrivals
from dataplane.traffic.batch import FrameBatch
from dataplane.traffic.errors import TrafficError

#: Length without FCS -> weight.
LENGTH_MIXES: Mapping[str, Mapping[int, int]] = {
    "imix:trex": {60: 28, 590: 16, 1514: 4},
    "imix:csit": {60: 28, 566: 16, 1514: 4},
    "imix:classic": {60: 7, 590: 4, 1514: 1},
    "rsspp-campus": {60: 12, 66: 10, 90: 5, 180: 6, 400: 6, 1000: 2, 1514: 59},
}

PROFILES: Mapping[str, Mapping[str, Any]] = {
    "uniform": {},
    "zipf": {},
    "elephants": {},
    "imix": {"lengths": "imix:csit"},
    "rsspp-campus": {
        "flows": 100_000,
        "zipf_s": 1.05,
        "lengths": "rsspp-campus",
        "udp_share": 0.15,
        "ipv6_share": 0.1,
    },
    "single-flow": {"flows": 1},
    "single-tunnel": {},
    "adversarial": {},
    "on-off": {"arrivals": "on-off"},
    "churn": {},
    "vlan-mix": {},
}

_NEVER = 1 << 62
_WEIGHTED_FLOWS_MAX = 100_000_000  # 8 bytes each, 24 while the table is built
_COLLIDING_FLOWS_MAX = 1_000_000
_UNIFORM_FLOWS_MAX = 1 << 31
_RECORDS_KEPT_MAX = 1 << 19  # 48 MiB
_FRAME_BYTES_MAX = 65_535
_EXPONENTIAL_MEAN_MAX = 4_096  # the longest frame is 16 times as long: next to nothing is cut off
_PRIORITY_TAG = 5 << 13  # PCP 5, VID 0
_STREAMS = {FLOW_SEED: 0xF10, FRAME_SEED: 0xF2A, LENGTH_SEED: 0x1E4}


@dataclass(frozen=True, slots=True)
class Destination:
    """Where frames are sent: what a VPort's filter matches."""

    mac: int
    vlan: int | None = None  # VID of the tag, 0 for a priority tag, None for no tag
    weight: float = 1.0  # share of the flows
    hash_secret_key: bytes = HASH_SECRET_KEYS[
        "microsoft"
    ]  # of the VPort; profile adversarial looks for collisions under it


@dataclass(frozen=True, slots=True)
class Profile:
    """A kind of synthetic traffic; raises TrafficError for values that make no sense."""

    name: str = "zipf"
    packets: int = 1_000_000
    rate_pps: float = 1_000_000.0
    arrivals: str = "poisson"  # poisson | constant | on-off
    flows: int = 1000
    zipf_s: float = 1.1
    elephants: int = 4  # flows that are elephants
    elephant_share: float = 0.8  # of the frames
    lengths: int | str = 60  # bytes without FCS, a name of LENGTH_MIXES, or "exponential:MEAN"
    udp_share: float = 0.2  # of the flows
    ipv6_share: float = 0.05  # of the flows
    transmit_share: float = 0.0  # of the flows; their source MAC is the destination's address
    burst_frames: int = 64  # on-off arrivals
    on_share: float = 0.1  # on-off arrivals
    churn_frames: int = 100  # frames between two new flows
    table_entries: int = 128  # adversarial: the largest indirection table to defeat
    vlans: tuple[int, ...] = (100, 200)  # vlan-mix
    seed: int = 1
    start_ns: int = 0  # arrival of the first frame

    @classmethod
    def named(cls, name: str, **keys: Any) -> Profile:
        """The profile `name` with its defaults, changed by `keys`; keys that are None count as left out."""
        if name not in PROFILES:
            raise TrafficError(f"profile = {name!r} is not known; write one of {', '.join(PROFILES)}")
        given = {key: value for key, value in keys.items() if value is not None}
        return cls(name, **{**PROFILES[name], **given})

    def __post_init__(self) -> None:
        shares = ("udp_share", "ipv6_share", "transmit_share", "elephant_share")
        problems = [
            (self.name not in PROFILES, f"profile = {self.name!r} is not known; write one of {', '.join(PROFILES)}"),
            (self.packets < 0, "packets must not be negative"),
            (self.flows < 1, "flows must be at least 1"),
            (
                self.flows > self._flows_max,
                f"flows = {self.flows} is too many for {self.name}: at most {self._flows_max}",
            ),
            (not 0 <= self.zipf_s <= 10, "zipf_s is 0 to 10"),
            *((not 0 <= getattr(self, share) <= 1, f"{share} is 0 to 1") for share in shares),
            (not self.elephants >= 1, "elephants must be at least 1"),
            (self.churn_frames < 1, "churn_frames must be at least 1"),
            (not 1 <= self.table_entries <= 4096, "table_entries is 1 to 4096"),
            (self.table_entries & (self.table_entries - 1) != 0, "table_entries must be a power of two"),
            (not all(1 <= vlan <= 4094 for vlan in self.vlans), "vlans are 1 to 4094"),
        ]
        for is_wrong, message in problems:
            if is_wrong:
                raise TrafficError(message)
        if isinstance(self.lengths, str) and self.lengths not in LENGTH_MIXES and not self._exponential_mean:
            known = f"{', '.join(LENGTH_MIXES)} or exponential:MEAN with a mean up to {_EXPONENTIAL_MEAN_MAX}"
            raise TrafficError(f"lengths = {self.lengths!r} is not known; write a number, {known}")
        if isinstance(self.lengths, int) and not 14 <= self.lengths <= _FRAME_BYTES_MAX:
            raise TrafficError(f"lengths = {self.lengths} is not possible; a frame has 14 to {_FRAME_BYTES_MAX} bytes")

    @property
    def _flows_max(self) -> int:
        if self.name == "adversarial":
            return _COLLIDING_FLOWS_MAX
        return _WEIGHTED_FLOWS_MAX if self._is_weighted else _UNIFORM_FLOWS_MAX

    @property
    def _is_weighted(self) -> bool:
        return self.name in ("zipf", "rsspp-campus", "elephants")

    def flow_table(self) -> tuple[npt.NDArray[np.uint64], int]:
        """The alias table over flows, and how many equally likely flows each of its entries stands for."""
        if not self._is_weighted:
            return _alias_table(np.ones(1)), self.flows
        weights = np.empty(self.flows)
        if self.name == "elephants":
            elephants = min(self.elephants, self.flows)
            mice = self.flows - elephants
            share = self.elephant_share if mice else 1.0
            weights[:elephants] = share / elephants
            weights[elephants:] = (1 - share) / max(mice, 1)
        else:
            zipf_weights(self.zipf_s, weights)
        return _alias_table(weights), 1

    def length_mix(self) -> Mapping[int, float]:
        """Lengths and their weights."""
        if mean := self._exponential_mean:
            return {n: exponential_function(-(n - 1) / mean) for n in range(1, _FRAME_BYTES_MAX + 1)}
        return LENGTH_MIXES[self.lengths] if isinstance(self.lengths, str) else {self.lengths: 1}

    @property
    def _exponential_mean(self) -> int:
        """Mean of exponential lengths in bytes, 0 for other lengths."""
        name, _, mean = str(self.lengths).partition(":")
        is_one = name == "exponential" and mean.isascii() and mean.isdigit() and int(mean) <= _EXPONENTIAL_MEAN_MAX
        return int(mean) if is_one else 0


class SyntheticSource:
    """Frames of a profile, sent to destinations chosen flow by flow with the destinations' weights."""

    def __init__(self, profile: Profile, destinations: Sequence[Destination]) -> None:
        if not destinations or not all(d.weight >= 0 for d in destinations) or sum(d.weight for d in destinations) <= 0:
            raise TrafficError("synthetic traffic needs a destination with a weight; give a VPort a filter")
        self.timestamp_regressions = 0
        self.findings: list[str] = []
        self.expected_frames: int | None = profile.packets
        self._profile = profile
        self._done = 0
        arrivals = Arrivals(profile.rate_pps, profile.arrivals, profile.seed, profile.burst_frames, profile.on_share)
        self._clock = arrivals.clock(profile.start_ns)

        if profile.name == "vlan-mix":
            destinations = _vlan_mix(destinations, profile.vlans)
        self._settings = _settings(profile)
        self._destinations = (
            _alias_table(np.array([d.weight for d in destinations], np.float64)),
            read_only(np.array([d.mac for d in destinations], np.uint64)),
            read_only(np.array([_tag(d) for d in destinations], np.int64)),
        )
        self._flows, self._flows_each = profile.flow_table()
        mix = profile.length_mix()
        self._lengths = _alias_table(np.array(list(mix.values()), np.float64))
        self._length_bytes = read_only(np.array(list(mix), np.int64))
        self._tunnel = read_only(_tunnel(destinations[0], profile.name == "single-tunnel"))
        self._churn_frames = profile.churn_frames if profile.name == "churn" else _NEVER
        self._records = self._keep_records(destinations)

    def _keep_records(self, destinations: Sequence[Destination]) -> npt.NDArray[np.uint8] | None:
        """The records of all flows, or None where they are made for every frame."""
        profile = self._profile
        if profile.name == "adversarial":
            identities = np.empty(profile.flows, np.int64)
            tables = np.concatenate([toeplitz_table(d.hash_secret_key).ravel() for d in destinations])
            mask = profile.table_entries - 1
            find_colliding(read_only(tables), mask, self._settings, *self._destinations, identities)
        elif profile.name == "churn" or profile.flows > _RECORDS_KEPT_MAX:
            return None
        else:
            identities = np.arange(profile.flows, dtype=np.int64)
        return self._build(identities)

    def _build(self, identities: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
        records = np.empty(len(identities) * RECORD_BYTES, np.uint8)
        build_records(read_only(identities), self._settings, *self._destinations, records)
        return read_only(records)

    def batches(self, batch_frames: int, first_frame: int = 0) -> Iterator[FrameBatch]:
        """Yield frames `first_frame` on in batches of at most `batch_frames`; the split never changes a frame."""
        self._done = min(first_frame, self._profile.packets)
        self._clock.skip(self._done)
        while self._done < self._profile.packets:
            frames = min(batch_frames, self._profile.packets - self._done)
            yield self._batch(self._done, frames)
            self._done += frames

    def _batch(self, first: int, frames: int) -> FrameBatch:
        chosen = (self._flows, self._flows_each, self._churn_frames, self._lengths, self._length_bytes, self._settings)
        headroom = len(self._tunnel)
        wire_length, captured_length = np.empty(frames, np.uint32), np.empty(frames, np.uint32)
        frame_start = np.empty(frames, np.int64)
        packed = np.empty(frames * (IPV6_BYTES + headroom + 15) + RECORD_BYTES, np.uint8)
        columns = (wire_length, captured_length, frame_start, packed)
        if self._records is not None:
            make_frames(first, *chosen, self._records, headroom, *columns)
        else:
            flow, length = np.empty(frames, np.int64), np.empty(frames, np.int64)
            choose(first, *chosen, flow, length)
            write_frames(np.arange(frames, dtype=np.int64), length, self._build(flow), headroom, 0, *columns)
        if headroom:
            encapsulate(self._tunnel, read_only(wire_length), read_only(frame_start), packed)
        timestamp_ns = self._clock.times(frames)
        return FrameBatch(
            first,
            read_only(timestamp_ns),
            read_only(wire_length),
            read_only(captured_length),
            read_only(frame_start),
            read_only(packed),
        )

    def progress(self) -> float:
        """Share of the frames made so far."""
        return self._done / self._profile.packets if self._profile.packets else 1.0


def _settings(profile: Profile) -> npt.NDArray[np.uint64]:
    settings = np.zeros(SETTINGS, np.uint64)
    seed = np.uint64(profile.seed & 0xFFFF_FFFF_FFFF_FFFF)
    for index, stream in _STREAMS.items():
        settings[index] = mixed(seed ^ np.uint64(mixed(np.uint64(stream))))
    for index, share in (
        (UDP_SHARE, profile.udp_share),
        (IPV6_SHARE, profile.ipv6_share),
        (TRANSMIT_SHARE, profile.transmit_share),
    ):
        settings[index] = round(share * 65536)
    return read_only(settings)


def _alias_table(weights: npt.NDArray[np.float64]) -> npt.NDArray[np.uint64]:
    table = np.empty(len(weights), np.uint64)
    build_alias_table(weights, np.empty(len(weights), np.int64), table)
    return read_only(table)


def _tag(destination: Destination) -> int:
    if destination.vlan is None:
        return -1
    return destination.vlan or _PRIORITY_TAG


def _vlan_mix(destinations: Sequence[Destination], vlans: tuple[int, ...]) -> list[Destination]:
    by_mac: dict[int, Destination] = {}
    for destination in destinations:
        by_mac.setdefault(destination.mac, destination)
    return [
        Destination(d.mac, vlan, d.weight, d.hash_secret_key) for d in by_mac.values() for vlan in (None, 0, *vlans)
    ]


def _tunnel(destination: Destination, is_wanted: bool) -> npt.NDArray[np.uint8]:
    """Outer headers from VTEP 10.255.0.1 port 49152 to 10.255.0.2 port 4789, VNI 1; no UDP checksum (RFC 7348)."""
    if not is_wanted:
        return np.zeros(0, np.uint8)
    ethernet = destination.mac.to_bytes(6, "big") + bytes.fromhex("02005e100001 0800")
    ipv4 = bytes.fromhex("4500 0000 0000 4000 4011 0000 0aff0001 0aff0002")
    udp_and_vxlan = bytes.fromhex("c000 12b5 0000 0000 08000000 00000100")
    header = np.frombuffer(ethernet + ipv4 + udp_and_vxlan, np.uint8).copy()
    assert len(header) == TUNNEL_BYTES
    return header
