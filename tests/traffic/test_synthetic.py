"""Synthetic traffic: the same bytes for any split, sound frames, and the distributions each profile promises."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Dot1Q, Ether
from scapy.layers.vxlan import VXLAN

from dataplane.traffic.errors import TrafficError
from dataplane.traffic.profiles import LENGTH_MIXES, PROFILES, Profile
from dataplane.traffic.synthetic import Destination, SyntheticSource
from tests.reference.toeplitz import toeplitz
from tests.traffic.captures import Packet, read

WEB, TAGGED = Destination(0x00155D010201), Destination(0x00155D010202, 100, weight=3.0)
KEY = bytes.fromhex("230d443d8c2c6e64d41af344499b2174fd1a9dc1dd767737385166857bdc48a83e5508c163af019d")


def make(profile: Profile, *destinations: Destination, batch_frames: int = 1000) -> list[Packet]:
    """All frames of a profile."""
    return read(SyntheticSource(profile, destinations or (WEB, TAGGED)), batch_frames)


def parse(packet: Packet) -> Ether:
    """A frame with its zero payload, parsed by scapy."""
    return Ether(packet.data + bytes(packet.wire_length - len(packet.data)))


def tuple_of(packet: Packet) -> bytes:
    """Source address, destination address and ports of a frame as they lie there: the input of a 4-tuple hash."""
    network = 18 if packet.data[12:14] == b"\x81\x00" else 14
    is_ipv6 = packet.data[network - 2 : network] == b"\x86\xdd"
    return packet.data[network + 8 : network + 44] if is_ipv6 else packet.data[network + 12 : network + 24]


@pytest.mark.parametrize("name", PROFILES)
def test_split_changes_nothing(name: str) -> None:
    """The same seed gives the same frames for any batch size and any place to begin (TIM-01)."""
    profile = Profile.named(name, packets=300, flows=50, churn_frames=7, ipv6_share=0.3)
    whole = make(profile)
    assert make(profile, batch_frames=1) == make(profile, batch_frames=7) == whole
    source = SyntheticSource(profile, [WEB, TAGGED])
    late = [batch.frame(i) for batch in source.batches(50, first_frame=123) for i in range(len(batch))]
    assert late == [p.data for p in whole[123:]]
    assert make(replace(profile, seed=2)) != whole
    assert source.progress() == 1.0
    assert source.expected_frames == 300


def test_records_made_for_each_frame_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames are the same whether the headers of a flow are stored or made again."""
    profile = Profile.named("zipf", packets=500, flows=100, ipv6_share=0.3, lengths="imix:csit")
    whole = make(profile)
    monkeypatch.setattr("dataplane.traffic.synthetic._RECORDS_KEPT_MAX", 10)
    assert make(profile) == whole


@settings(max_examples=25)
@given(
    seed=st.integers(0, 2**64 - 1),
    length=st.integers(14, 9000),
    tag=st.sampled_from([None, 0, 1, 4094]),
    udp_share=st.sampled_from([0.0, 0.5, 1.0]),
    ipv6_share=st.sampled_from([0.0, 0.5, 1.0]),
    transmit_share=st.sampled_from([0.0, 0.5, 1.0]),
)
def test_frames_are_sound(
    seed: int, length: int, tag: int | None, udp_share: float, ipv6_share: float, transmit_share: float
) -> None:
    """Scapy computes the same lengths and checksums for every frame; addresses, tag and direction are as asked."""
    profile = Profile(packets=20, flows=40, lengths=length, seed=seed, udp_share=udp_share, ipv6_share=ipv6_share)
    profile = replace(profile, transmit_share=transmit_share)
    for packet in make(profile, Destination(0x00155D010201, tag)):
        ether = parse(packet)
        headers = 14 + 4 * (tag is not None) + (40 if IPv6 in ether else 20) + (8 if UDP in ether else 20)
        assert packet.wire_length == max(length, headers)
        assert len(packet.data) == min(packet.wire_length, 80 if IPv6 in ether else 64)
        assert (Dot1Q in ether) == (tag is not None)
        if tag is not None:
            assert (ether.vlan, ether.prio) == (tag, 0 if tag else 5)
        sent = ether.src == "00:15:5d:01:02:01"
        assert ether.dst == ("02:00:5e:10:00:01" if sent else "00:15:5d:01:02:01")
        assert (ether[UDP] if UDP in ether else ether[TCP]).getfieldval("sport" if sent else "dport") == 443
        assert transmit_share == 0.5 or sent == (transmit_share == 1)
        assert udp_share == 0.5 or (UDP in ether) == (udp_share == 1)
        assert ipv6_share == 0.5 or (IPv6 in ether) == (ipv6_share == 1)
        assert bytes(ether) == bytes(_recomputed(ether))


def _recomputed(ether: Ether) -> Ether:
    """A copy whose lengths and checksums scapy fills in."""
    copy = Ether(bytes(ether))
    for layer in (IP, IPv6, UDP, TCP):
        if layer in copy:
            for field in ("len", "plen", "chksum"):
                if field in copy[layer].fields:
                    del copy[layer].fields[field]
    return copy


def test_flows_are_different() -> None:
    """No two flows share a tuple, however many there are, and they spread over destinations by weight."""
    frames = make(Profile("uniform", packets=6000, flows=500, ipv6_share=0.5))
    flows = Counter(tuple_of(p) for p in frames)
    assert len(flows) == 500
    tagged = sum(flow[-5] == 1 for flow in flows)  # the local address is that of the second destination
    assert abs(tagged / 500 - 0.75) < 4 * math.sqrt(0.75 * 0.25 / 500)


def test_uniform() -> None:
    """All flows are equally likely (chi-squared at the 0.1 % level)."""
    flows = Counter(tuple_of(p) for p in make(Profile("uniform", packets=10_000, flows=100)))
    assert sum((count - 100) ** 2 / 100 for count in flows.values()) < 149.4  # 99 degrees of freedom


@pytest.mark.parametrize("s", [0.8, 1.1])
def test_zipf(s: float) -> None:
    """The flow of rank r has its share of 1 / r**s, within four standard deviations for each of the first ranks."""
    n = 20_000
    counts = sorted(Counter(tuple_of(p) for p in make(Profile("zipf", packets=n, flows=200, zipf_s=s))).values())[::-1]
    total = sum(r**-s for r in range(1, 201))
    for rank, count in enumerate(counts[:4], 1):
        share = rank**-s / total
        assert abs(count - n * share) < 4 * math.sqrt(n * share)


def test_elephants() -> None:
    """The elephants have the given share, the mice the rest; with too few flows all are elephants."""
    profile = Profile("elephants", packets=10_000, flows=200, elephants=2, elephant_share=0.6)
    counts = sorted(Counter(tuple_of(p) for p in make(profile)).values())[::-1]
    assert all(abs(count - 3000) < 4 * math.sqrt(3000) for count in counts[:2])
    assert counts[2] < 60
    assert len(Counter(tuple_of(p) for p in make(replace(profile, packets=200, flows=2)))) == 2


def test_single_flow() -> None:
    """One flow is one tuple."""
    assert len({tuple_of(p) for p in make(Profile.named("single-flow", packets=50))}) == 1


def test_single_tunnel() -> None:
    """Many inner flows travel in one outer tuple; lengths and checksums of all headers are right."""
    frames = make(Profile.named("single-tunnel", packets=200, flows=20, lengths=300, ipv6_share=0.3))
    assert len({tuple_of(p) for p in frames}) == 1
    inner = set()
    for packet in frames:
        ether = parse(packet)
        assert packet.wire_length == len(ether) == 300
        assert bytes(ether) == bytes(_recomputed_outer(ether))
        assert ether[VXLAN].vni == 1
        inside = ether[VXLAN].payload
        assert bytes(inside) == bytes(_recomputed(inside))
        inner.add(tuple_of(Packet.whole(0, bytes(inside))))
    assert len(inner) == 20
    assert min(p.wire_length for p in make(Profile.named("single-tunnel", packets=50, lengths=60))) >= 50 + 42


def _recomputed_outer(ether: Ether) -> Ether:
    """A copy whose outer lengths and IPv4 checksum scapy fills in; the UDP checksum stays absent."""
    copy = Ether(bytes(ether))
    del copy[IP].len, copy[IP].chksum, copy[UDP].len
    assert copy[UDP].chksum == 0
    return copy


@pytest.mark.parametrize("entries", [128, 16])
def test_adversarial(entries: int) -> None:
    """Every flow's 4-tuple hash selects entry 0 under its destination's key (HSH-07, HSH-08, HSH-13, HSH-27)."""
    other = replace(TAGGED, hash_secret_key=KEY)
    profile = Profile("adversarial", packets=400, flows=40, table_entries=entries, ipv6_share=0.3)
    frames = make(profile, WEB, other)
    assert len({tuple_of(p) for p in frames}) == 40
    for packet in frames:
        key = WEB.hash_secret_key if packet.data[:6] == WEB.mac.to_bytes(6, "big") else KEY
        assert toeplitz(tuple_of(packet), key) % entries == 0


def test_churn() -> None:
    """Every `churn_frames` frames one flow leaves and one comes; at no time are there more than `flows`."""
    profile = Profile("churn", packets=4000, flows=10, churn_frames=100)
    seen = [tuple_of(p) for p in make(profile)]
    assert len(set(seen)) > 40
    for first in range(0, 4000, 100):
        assert len(set(seen[first : first + 100])) <= 10
    assert not set(seen[:100]) & set(seen[1000:])


def test_vlan_mix() -> None:
    """Each MAC address is reached untagged, with a priority tag and in each VLAN."""
    frames = make(Profile("vlan-mix", packets=500, flows=100, vlans=(7, 9)))
    tags = {(parse(p).dst[-1], parse(p).vlan if Dot1Q in parse(p) else None) for p in frames}
    assert tags == {(mac, vlan) for mac in "12" for vlan in (None, 0, 7, 9)}


@pytest.mark.parametrize("name", LENGTH_MIXES)
def test_length_mixes(name: str) -> None:
    """Lengths have the shares of their definition, and are at least the length of the headers."""
    n, mix = 20_000, LENGTH_MIXES[name]
    frames = make(Profile("uniform", packets=n, lengths=name, ipv6_share=0, udp_share=1), WEB)
    counts = Counter(p.wire_length for p in frames)
    for length, weight in mix.items():
        expected = n * weight / sum(mix.values())
        assert abs(counts[length] - expected) < 4 * math.sqrt(expected)
    assert set(counts) == set(mix)


def test_average_lengths() -> None:
    """The mixes are the published ones: CSIT's mean is 353.8 bytes with FCS, the campus mix has about 980."""
    mean = {name: sum(k * w for k, w in mix.items()) / sum(mix.values()) + 4 for name, mix in LENGTH_MIXES.items()}
    assert mean["imix:csit"] == pytest.approx(353.83333, abs=1e-4)
    assert mean["imix:trex"] == mean["imix:classic"] == pytest.approx((7 * 64 + 4 * 594 + 1518) / 12)
    assert 970 < mean["rsspp-campus"] < 990


def test_arrival_times_are_the_arrivals() -> None:
    """A profile's times are those of its arrivals from its start on; profile on-off comes in bursts."""
    times = [
        p.timestamp_ns for p in make(Profile("uniform", packets=100, rate_pps=1e6, arrivals="constant", start_ns=5))
    ]
    assert times == [5 + 1000 * k for k in range(100)]
    bursts = np.diff([p.timestamp_ns for p in make(Profile.named("on-off", packets=128, rate_pps=1e6))])
    assert np.sum(bursts > 100) == 1


KNOWN_DIGEST = "127d83ebe1f5fe9ffa4461d64954e5003501a50f4370f6de11fe1f2925a0dd9c"


def test_known_frames() -> None:
    """Traffic of a seed stays what it is on every machine and from release to release: this digest must not change."""
    frames = make(Profile("zipf", packets=1000, flows=5000, lengths="imix:csit", ipv6_share=0.5))
    text = "".join(f"{p.timestamp_ns} {p.wire_length} {p.data.hex()}\n" for p in frames)
    assert hashlib.sha256(text.encode()).hexdigest() == KNOWN_DIGEST


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"name": "tsunami"}, "'tsunami' is not known; write one of uniform, zipf"),
        ({"packets": -1}, "packets"),
        ({"flows": 0}, "flows must be at least 1"),
        ({"flows": 10**9}, "too many for zipf: at most 100000000"),
        ({"zipf_s": -1.0}, "zipf_s"),
        ({"zipf_s": math.nan}, "zipf_s"),
        ({"udp_share": 1.5}, "udp_share is 0 to 1"),
        ({"elephants": 0}, "elephants"),
        ({"churn_frames": 0}, "churn_frames"),
        ({"table_entries": 100}, "power of two"),
        ({"vlans": (0,)}, "vlans are 1 to 4094"),
        ({"lengths": "imix:foo"}, "imix:trex, imix:csit, imix:classic"),
        ({"lengths": 13}, "a frame has 14 to 65535 bytes"),
        ({"arrivals": "never"}, "arrivals = 'never'"),
        ({"rate_pps": -1.0}, "rate_pps"),
    ],
)
def test_impossible_values(keys: dict[str, object], message: str) -> None:
    """Invalid values are refused, and the error says which values are valid."""
    with pytest.raises(TrafficError, match=message):
        SyntheticSource(Profile(**keys), [WEB])  # type: ignore[arg-type]


def test_destinations_are_needed() -> None:
    """Without a destination with a weight, traffic is refused."""
    for destinations in ([], [replace(WEB, weight=0.0)], [replace(WEB, weight=-1.0)]):
        with pytest.raises(TrafficError, match="needs a destination"):
            SyntheticSource(Profile(), destinations)


def test_named_profiles_take_keys() -> None:
    """Keys override a profile's defaults; None counts as left out; unknown profiles are refused."""
    assert Profile.named("imix", flows=None).lengths == "imix:csit"
    assert Profile.named("imix", lengths=100, flows=3) == Profile("imix", lengths=100, flows=3)
    with pytest.raises(TrafficError, match="not known"):
        Profile.named("tsunami")
