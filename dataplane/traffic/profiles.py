"""The profiles of synthetic traffic, and their defaults. This module does not need the kernels that make the frames.

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

from collections.abc import Mapping, Set
from dataclasses import dataclass, fields
from typing import Any

from dataplane.traffic.errors import TrafficError

#: The longest frame, without FCS.
FRAME_BYTES_MAX = 65_535

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

#: Keys that only some profiles look at.
OWN_KEYS: Mapping[str, Set[str]] = {
    "zipf": {"zipf_s"},
    "rsspp-campus": {"zipf_s"},
    "elephants": {"elephants", "elephant_share"},
    "adversarial": {"table_entries"},
    "churn": {"churn_frames"},
    "vlan-mix": {"vlans"},
}

_WEIGHTED_FLOWS_MAX = 100_000_000  # 8 bytes each, 24 while the table is built
_COLLIDING_FLOWS_MAX = 1_000_000
_UNIFORM_FLOWS_MAX = 1 << 31
_EXPONENTIAL_MEAN_MAX = 4_096  # the longest frame is 16 times as long: next to nothing is cut off


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

    @classmethod
    def defaults(cls, name: str) -> dict[str, Any]:
        """What each key of the profile `name` is when it is left out."""
        return {field.name: field.default for field in fields(cls)} | dict(PROFILES[name])

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
        if isinstance(self.lengths, str) and self.lengths not in LENGTH_MIXES and not self.exponential_mean:
            known = f"{', '.join(LENGTH_MIXES)} or exponential:MEAN with a mean up to {_EXPONENTIAL_MEAN_MAX}"
            raise TrafficError(f"lengths = {self.lengths!r} is not known; write a number, {known}")
        if isinstance(self.lengths, int) and not 14 <= self.lengths <= FRAME_BYTES_MAX:
            raise TrafficError(f"lengths = {self.lengths} is not possible; a frame has 14 to {FRAME_BYTES_MAX} bytes")

    @property
    def _flows_max(self) -> int:
        if self.name == "adversarial":
            return _COLLIDING_FLOWS_MAX
        return _WEIGHTED_FLOWS_MAX if self.is_weighted else _UNIFORM_FLOWS_MAX

    @property
    def is_weighted(self) -> bool:
        """Whether its flows are not equally likely."""
        return self.name in ("zipf", "rsspp-campus", "elephants")

    @property
    def exponential_mean(self) -> int:
        """Mean of exponential lengths in bytes, 0 for other lengths."""
        name, _, mean = str(self.lengths).partition(":")
        is_one = name == "exponential" and mean.isascii() and mean.isdigit() and int(mean) <= _EXPONENTIAL_MEAN_MAX
        return int(mean) if is_one else 0
