"""Classic captures: every byte order and resolution, cut anywhere, damaged anywhere."""

from __future__ import annotations

from itertools import accumulate
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scapy.layers.inet import TCP
from scapy.layers.inet6 import IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrHopByHop, PadN
from scapy.layers.l2 import Dot1Q, Ether
from scapy.packet import Raw
from scapy.utils import wrpcap

from dataplane.traffic.capture import open_capture
from dataplane.traffic.errors import TrafficError
from tests.traffic.captures import Order, Packet, frame, packets, pcap, read, read_file


@pytest.mark.parametrize("order", ["big", "little"])
@pytest.mark.parametrize("nanoseconds", [True, False])
def test_every_magic_number(tmp_path: Path, order: Order, nanoseconds: bool) -> None:
    """Both byte orders and both resolutions give the same frames; microsecond files give whole microseconds."""
    path = tmp_path / "a"
    path.write_bytes(pcap(packets(), order=order, nanoseconds=nanoseconds))
    unit = 1 if nanoseconds else 1000
    expected = [Packet(p.timestamp_ns // unit * unit, p.data, p.wire_length) for p in packets()]
    assert read_file(path) == expected


def test_latest_time_of_the_format(tmp_path: Path) -> None:
    """The largest seconds and fraction a record can hold do not overflow."""
    latest = (2**32 - 1) * 1_000_000_000 + 999_999_999
    path = tmp_path / "a"
    path.write_bytes(pcap([Packet.whole(latest, frame(0, 60))]))
    assert read_file(path)[0].timestamp_ns == latest


def test_scapy_agrees(tmp_path: Path) -> None:
    """A capture written by scapy reads back as the bytes and times that went in."""
    written = [Ether(dst="00:15:5d:01:02:01") / Raw(bytes(i)) for i in range(0, 1500, 111)]
    for i, packet in enumerate(written):
        packet.time = 1_600_000_000 + i / 4
    path = tmp_path / "a"
    wrpcap(str(path), written)
    assert read_file(path) == [
        Packet.whole(1_600_000_000_000_000_000 + i * 250_000_000, bytes(p)) for i, p in enumerate(written)
    ]


def test_frames_are_whole(tmp_path: Path) -> None:
    """All captured bytes of a frame are read, however many; the wire length is unchanged (HSH-32)."""
    whole = [Packet.whole(0, frame(1, 1514)), Packet.whole(0, frame(2, 128)), Packet(0, frame(3, 90), 500)]
    path = tmp_path / "a"
    path.write_bytes(pcap(whole))
    assert read_file(path) == whole


def test_extension_headers_by_scapy(tmp_path: Path) -> None:
    """A long chain of extension headers, which the parser must walk (HSH-23), is read to its end."""
    long_chain = IPv6() / IPv6ExtHdrHopByHop(options=[PadN(optdata=bytes(200))]) / IPv6ExtHdrDestOpt() / TCP()
    chained = bytes(Ether() / Dot1Q(vlan=5) / long_chain / Raw(bytes(50)))
    path = tmp_path / "a"
    path.write_bytes(pcap([Packet.whole(0, chained)]))
    assert [p.data for p in read_file(path)] == [chained]


def test_a_mapped_capture_is_read_where_it_is(tmp_path: Path) -> None:
    """Batches use the bytes of the file itself: all batches share them, each frame after its record header."""
    path = tmp_path / "a"
    path.write_bytes(pcap([Packet.whole(i, frame(i, 60 + i)) for i in range(5)]))
    batches = list(open_capture(str(path)).batches(2))
    assert len({batch.data.ctypes.data for batch in batches}) == 1
    assert batches[0].data.tobytes() == path.read_bytes()
    assert [start for batch in batches for start in batch.frame_start.tolist()] == [40, 116, 193, 271, 350]


@pytest.mark.parametrize("batch_frames", [1, 7, 65536])
def test_batch_size_changes_nothing(tmp_path: Path, batch_frames: int) -> None:
    """Frames and counters do not depend on the batch size (TIM-01, ENG-01)."""
    backwards = [*packets(50), Packet.whole(5, frame(77, 70)), *packets(3)]
    path = tmp_path / "a"
    path.write_bytes(pcap(backwards))
    source, reference = open_capture(str(path)), open_capture(str(path))
    assert read(source, batch_frames) == read(reference)
    assert source.timestamp_regressions == reference.timestamp_regressions == 4


def test_huge_frames_pass_through_small_batches(tmp_path: Path) -> None:
    """Frames larger than the buffer of a batch are read as well."""
    jumbo = [Packet.whole(i, frame(i, 200_000 + i)) for i in range(3)]
    path = tmp_path / "a"
    path.write_bytes(pcap(jumbo))
    assert read_file(path, batch_frames=1) == jumbo
    assert read_file(path, batch_frames=2) == jumbo


def test_declared_fcs_is_taken_off(tmp_path: Path) -> None:
    """Frames have no FCS (MOD-10): two 16-bit words named in the link-type field go, also from cut frames."""
    path = tmp_path / "a"
    cut = [
        Packet.whole(0, frame(0, 64)),
        Packet(0, frame(1, 62), 64),
        Packet(0, frame(2, 40), 64),
        Packet.whole(0, b"ab"),
    ]
    path.write_bytes(pcap(cut, link_word=0x2400_0001))
    assert [(len(p.data), p.wire_length) for p in read_file(path)] == [(60, 60), (60, 60), (40, 60), (0, 0)]
    path.write_bytes(pcap(cut, link_word=0x2000_0001))  # without the flag the number means nothing
    assert [len(p.data) for p in read_file(path)] == [64, 62, 40, 2]


def test_wire_length_is_never_below_the_captured_length(tmp_path: Path) -> None:
    """A record with a wire length below its captured length has the captured length on the wire."""
    path = tmp_path / "a"
    path.write_bytes(pcap([Packet(0, frame(0, 60), 20)]))
    assert read_file(path) == [Packet.whole(0, frame(0, 60))]


@pytest.mark.parametrize("order", ["big", "little"])
@pytest.mark.parametrize(("nanoseconds", "limit"), [(True, 10**9), (False, 10**6)])
def test_a_fraction_of_more_than_a_second(tmp_path: Path, order: Order, nanoseconds: bool, limit: int) -> None:
    """Any fraction is added to the seconds as it is, and a finding counts fractions of a second or more."""
    path, fractions = tmp_path / "a", [limit - 1, limit, 2**32 - 1]
    records = [b"".join(number.to_bytes(4, order) for number in (7, fraction, 60, 60)) for fraction in fractions]
    header = pcap([], order=order, nanoseconds=nanoseconds)
    path.write_bytes(header + b"".join(record + frame(0, 60) for record in records))
    source = open_capture(str(path))
    times = [7 * 10**9 + 10**9 // limit * fraction for fraction in fractions]
    assert [packet.timestamp_ns for packet in read(source)] == times
    assert source.findings == [
        f"{path}: 2 records have a fraction of a second that is a second or more: their times are not to be trusted"
    ]


def test_cut_at_every_byte(tmp_path: Path) -> None:
    """Whole records are read, and one finding counts the lost bytes and says where."""
    whole = [Packet.whole(i, frame(i, 15 + 3 * i)) for i in range(4)]
    data = pcap(whole)
    ends = list(accumulate((16 + len(p.data) for p in whole), initial=24))
    path = tmp_path / "a"
    for size in range(24, len(data) + 1):
        path.write_bytes(data[:size])
        source = open_capture(str(path))
        count = sum(end <= size for end in ends) - 1
        assert read(source) == whole[:count]
        rest = size - ends[count]
        if rest == 0:
            assert source.findings == []
        else:
            needed = "" if rest < 16 else f" of {16 + len(whole[count].data)}"
            assert source.findings == [
                f"{path}: the last record, at byte {ends[count]}, is cut off: {rest}{needed} bytes are there, "
                "1 record is lost"
            ]


@pytest.mark.parametrize("size", range(1, 24))
def test_cut_file_header_is_an_error(tmp_path: Path, size: int) -> None:
    """A file that ends in its header has nothing to process: one line says so."""
    path = tmp_path / "a"
    path.write_bytes(pcap([])[:size])
    with pytest.raises(TrafficError, match="not a capture" if size < 4 else rf"header \({size} of 24 bytes\)"):
        open_capture(str(path))


def test_damaged_record_header_ends_the_reading(tmp_path: Path) -> None:
    """A captured length above snap length and 262144 is damage: frames before it count, the rest is reported."""
    good, bad = [Packet.whole(1, frame(1, 60))], bytearray(pcap([Packet.whole(2, frame(2, 60))])[24:])
    bad[8:12] = (262_145).to_bytes(4, "little")
    path = tmp_path / "a"
    path.write_bytes(pcap(good) + bytes(bad) + bytes(300_000))
    source = open_capture(str(path))
    assert read(source) == good
    assert source.findings == [
        f"{path}: the record header at byte 100 is damaged (it claims 262145 captured bytes); "
        "300076 bytes from there on cannot be read"
    ]


def test_larger_snap_length_is_believed(tmp_path: Path) -> None:
    """A file that declares a larger snap length may hold frames that long."""
    path = tmp_path / "a"
    path.write_bytes(pcap([Packet.whole(1, frame(1, 300_000))], snap_length=400_000))
    assert read_file(path) == [Packet.whole(1, frame(1, 300_000))]


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.binary(max_size=200), st.booleans())
def test_rubbish_never_crashes(tmp_path: Path, rubbish: bytes, after_a_frame: bool) -> None:
    """Any bytes after a sound header are read or reported, without a crash; frames lie within the batch's data."""
    start = [Packet.whole(1, frame(1, 60))] if after_a_frame else []
    path = tmp_path / "a"
    path.write_bytes(pcap(start) + rubbish)
    source = open_capture(str(path))
    found = read(source)
    assert found[: len(start)] == start
    assert sum(16 + len(p.data) for p in found) + 24 <= path.stat().st_size


@pytest.mark.parametrize(
    ("link_word", "name"),
    [(0, r"BSD loopback \(NULL\), link type 0"), (113, "SLL"), (150, "user-defined"), (999, "999")],
)
def test_other_link_types_are_refused_by_name(tmp_path: Path, link_word: int, name: str) -> None:
    """Only Ethernet has the MAC addresses that the model steers by."""
    path = tmp_path / "a"
    path.write_bytes(pcap(packets(), link_word=link_word))
    with pytest.raises(TrafficError, match=name):
        open_capture(str(path))


def test_other_versions_are_refused(tmp_path: Path) -> None:
    """An unknown pcap version is refused, not guessed at."""
    path = tmp_path / "a"
    data = bytearray(pcap(packets()))
    data[4] = 3
    path.write_bytes(data)
    with pytest.raises(TrafficError, match="version 3"):
        open_capture(str(path))
