"""Synthetic traffic: real frames of flows whose popularity, lengths and arrivals follow a profile.

Frame k is a function of (seed, k): neither the batch size nor the place where reading begins changes a byte. Lengths
count bytes on the wire without the FCS, as everywhere in the model: a "64-byte frame" has length 60 here. A frame is
never shorter than its headers (UDP over IPv4 42, TCP over IPv6 with a tag 78). Batches hold the first 64 bytes of IPv4
and 80 of IPv6 frames; the payload behind them is zero bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

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
from dataplane.traffic.profiles import FRAME_BYTES_MAX, LENGTH_MIXES, Profile

_NEVER = 1 << 62
_RECORDS_KEPT_MAX = 1 << 19  # 48 MiB
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
        self._flows, self._flows_each = _flow_table(profile)
        mix = _length_mix(profile)
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


def _flow_table(profile: Profile) -> tuple[npt.NDArray[np.uint64], int]:
    """The alias table over flows, and how many equally likely flows each of its entries stands for."""
    if not profile.is_weighted:
        return _alias_table(np.ones(1)), profile.flows
    weights = np.empty(profile.flows)
    if profile.name == "elephants":
        elephants = min(profile.elephants, profile.flows)
        mice = profile.flows - elephants
        share = profile.elephant_share if mice else 1.0
        weights[:elephants] = share / elephants
        weights[elephants:] = (1 - share) / max(mice, 1)
    else:
        zipf_weights(profile.zipf_s, weights)
    return _alias_table(weights), 1


def _length_mix(profile: Profile) -> Mapping[int, float]:
    """Lengths and their weights."""
    if mean := profile.exponential_mean:
        return {n: exponential_function(-(n - 1) / mean) for n in range(1, FRAME_BYTES_MAX + 1)}
    return LENGTH_MIXES[profile.lengths] if isinstance(profile.lengths, str) else {profile.lengths: 1}


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
