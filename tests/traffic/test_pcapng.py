"""pcapng captures: blocks, sections, interfaces, clocks, cuts and damage."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scapy.layers.l2 import Ether
from scapy.packet import Raw
from scapy.utils import wrpcapng

from dataplane.traffic.capture import open_capture
from dataplane.traffic.errors import TrafficError
from tests.traffic.captures import Order, Packet, Pcapng, frame, read, read_file

START = 1_700_000_000


def resolution(value: int) -> tuple[int, bytes]:
    """Option if_tsresol."""
    return 9, bytes([value])


@pytest.mark.parametrize("order", ["big", "little"])
def test_packet_blocks(tmp_path: Path, order: Order) -> None:
    """Enhanced, obsolete and Simple Packet Blocks are frames; unknown blocks are skipped, packets keep their order."""
    capture = Pcapng(order).section().interface()
    capture.block(0x0BAD, b"custom").enhanced(START * 10**6 + 1, frame(1, 61)).block(5, bytes(12))
    capture.obsolete(START * 10**6 + 2, frame(2, 62)).simple(frame(3, 63), 63).enhanced(
        START * 10**6 + 3, frame(4, 64), wire_length=1500
    )
    path = tmp_path / "a"
    path.write_bytes(capture.data)
    assert read_file(path) == [
        Packet.whole(START * 10**9 + 1000, frame(1, 61)),
        Packet.whole(START * 10**9 + 2000, frame(2, 62)),
        Packet.whole(START * 10**9 + 2000, frame(3, 63)),  # no time of its own: that of the frame before it
        Packet(START * 10**9 + 3000, frame(4, 64), 1500),
    ]
    source = open_capture(str(path))
    assert read(source, 1) == read_file(path)
    assert source.timestamp_regressions == 0


def test_simple_packet_block_obeys_the_snap_length(tmp_path: Path) -> None:
    """A Simple Packet Block holds min(snap length, original length) bytes, the rest of the block is padding."""
    path = tmp_path / "a"
    path.write_bytes(
        Pcapng().section().interface(snap_length=61).simple(frame(1, 61), 1000).simple(frame(2, 30), 30).data
    )
    assert read_file(path) == [Packet(0, frame(1, 61), 1000), Packet.whole(0, frame(2, 30))]


def test_sections_and_interfaces(tmp_path: Path) -> None:
    """Each section has its byte order and its own interfaces; an interface may be described after packets."""
    capture = Pcapng("big").section().interface(options=[resolution(9)]).enhanced(1000, frame(1, 60))
    name = (2, b"eth0\0")  # an option before it that is filled up to four bytes
    capture.interface(options=[name, resolution(3)]).enhanced(2, frame(2, 60), interface=1)
    capture.section("little").interface(options=[resolution(6)]).enhanced(3000, frame(3, 60))
    path = tmp_path / "a"
    path.write_bytes(capture.data)
    assert [p.timestamp_ns for p in read_file(path)] == [1000, 2_000_000, 3_000_000]


@pytest.mark.parametrize(
    "value", [0, 3, 6, 9, 10, 12, 18, 19, 27, 28, 60, 127, 128, 129, 138, 148, 162, 163, 180, 191, 192, 230, 255]
)
@pytest.mark.parametrize("units", [0, 1, 999, START * 10**6, 2**63 - 1, 2**64 - 1])
def test_every_resolution(tmp_path: Path, value: int, units: int) -> None:
    """Time units of any resolution become whole nanoseconds, without overflow; beyond 2**62 there is a finding."""
    per_second = 2 ** (value & 127) if value & 128 else 10**value
    path = tmp_path / "a"
    path.write_bytes(Pcapng().section().interface(options=[resolution(value)]).enhanced(units, frame(1, 60)).data)
    exact = min(Fraction(units * 10**9, per_second), Fraction(2**62))
    source = open_capture(str(path))
    assert exact - 1 <= read(source)[0].timestamp_ns <= exact
    assert ["beyond the years" in finding for finding in source.findings] == [True] * (exact == 2**62)


@pytest.mark.parametrize("seconds", [1, -1, START, -2_305_843_010, -(2**63), 2**63 - 1])
def test_time_offset(tmp_path: Path, seconds: int) -> None:
    """if_tsoffset is added in seconds; times outside the range are set to its end, with a finding."""
    capture = Pcapng().section()
    capture.interface(options=[capture.offset(seconds)]).enhanced(5, frame(1, 60))
    path = tmp_path / "a"
    path.write_bytes(capture.data)
    source = open_capture(str(path))
    assert read(source)[0].timestamp_ns == max(min(5000 + seconds * 10**9, 2**62), -(2**61))
    assert ["beyond the years" in finding for finding in source.findings] == [True] * (
        not -(2**61) < seconds * 10**9 < 2**62
    )


@pytest.mark.parametrize(("option", "kept"), [(b"\x20", 60), (b"\x04", 60), (b"\x00", 64)])
def test_declared_fcs_is_taken_off(tmp_path: Path, option: bytes, kept: int) -> None:
    """if_fcslen in bits, or in bytes as the specification's example has it, names an FCS to take off (MOD-10)."""
    path = tmp_path / "a"
    path.write_bytes(Pcapng().section().interface(options=[(13, option)]).enhanced(0, frame(1, 64)).data)
    assert read_file(path) == [Packet.whole(0, frame(1, kept))]


def test_scapy_agrees(tmp_path: Path) -> None:
    """A capture written by scapy reads back as the bytes that went in."""
    written = [Ether(dst="00:15:5d:01:02:01") / Raw(bytes(i)) for i in range(0, 1500, 111)]
    path = tmp_path / "a"
    wrpcapng(str(path), written)
    assert [p.data for p in read_file(path)] == [bytes(p) for p in written]


@pytest.mark.parametrize(
    ("block", "interface"),
    [
        (lambda capture: capture.enhanced(0, frame(1, 60), interface=1), 1),
        (lambda capture: capture.obsolete(0, frame(1, 60), interface=1), 1),
        (lambda capture: capture.simple(frame(1, 60), 60), 0),  # of the first interface, always
    ],
)
def test_the_foreign_interface_is_named(tmp_path: Path, block: Callable[[Pcapng], Pcapng], interface: int) -> None:
    """The error names the interface, whatever kind of block the packet is in."""
    kinds = (113, 1) if interface == 0 else (1, 113)
    path = tmp_path / "a"
    path.write_bytes(block(Pcapng().section().interface(kinds[0]).interface(kinds[1])).data)
    with pytest.raises(TrafficError, match=f"frame 0, .* is from interface {interface}, which is "):
        read_file(path)


def test_foreign_interface_is_refused_when_it_speaks(tmp_path: Path) -> None:
    """An interface that is not Ethernet may be described; its first packet is an error, after the frames before it."""
    capture = Pcapng().section().interface().interface(link_type=113).enhanced(0, frame(1, 60))
    path = tmp_path / "a"
    path.write_bytes(capture.data)
    assert len(read_file(path)) == 1
    at = len(capture.data)
    path.write_bytes(capture.enhanced(1, frame(2, 60), interface=1).data)
    batches = open_capture(str(path)).batches(10)
    assert len(next(batches)) == 1
    with pytest.raises(TrafficError, match=rf"frame 1, at byte {at}, is from interface 1, which is Linux cooked"):
        next(batches)


def test_cut_at_every_byte(tmp_path: Path) -> None:
    """Whole blocks are read, and one finding counts the lost bytes and says where."""
    capture = Pcapng()
    blocks: list[tuple[int, Callable[[], object]]] = [  # frames, block
        (0, capture.section),
        (0, lambda: capture.interface(options=[resolution(9)])),
        (1, lambda: capture.enhanced(1, frame(1, 60))),
        (0, lambda: capture.block(0x0BAD, bytes(40))),
        (1, lambda: capture.simple(frame(2, 33), 33)),
        (0, lambda: capture.section("big")),
        (0, capture.interface),
        (1, lambda: capture.obsolete(3, frame(3, 41))),
    ]
    ends, frames = [0], [0]
    for count, add in blocks:
        add()
        ends.append(len(capture.data))
        frames.append(frames[-1] + count)
    path = tmp_path / "a"
    path.write_bytes(capture.data)
    whole = read_file(path)
    assert len(whole) == 3
    for size in range(ends[1], len(capture.data) + 1):
        path.write_bytes(capture.data[:size])
        source = open_capture(str(path))
        done = bisect_right(ends, size) - 1
        assert read(source) == whole[: frames[done]]
        rest = size - ends[done]
        if rest == 0:
            assert source.findings == []
        elif done == 3 and rest >= 12:
            assert source.findings == [
                f"{path}: the last block is cut off: {52 - rest} of its bytes are missing; it held no frame"
            ]
        else:
            needed = f" of {ends[done + 1] - ends[done]}" if rest >= 8 and done != 5 else ""
            assert source.findings == [
                f"{path}: the last block, at byte {ends[done]}, is cut off: {rest}{needed} bytes are there, "
                "1 block is lost"
            ]


@pytest.mark.parametrize("size", range(4, 28))
def test_cut_section_header_is_an_error(tmp_path: Path, size: int) -> None:
    """A file that ends in its first section header has nothing to process: one line says so."""
    path = tmp_path / "a"
    path.write_bytes(Pcapng().section().data[:size])
    with pytest.raises(TrafficError, match="section header"):
        open_capture(str(path))


@pytest.mark.parametrize(
    ("at", "value", "detail"),
    [
        (4, 8, ""),  # block length too small
        (4, 94, ""),  # not a multiple of 4
        (4, 1 << 30, ""),  # beyond any packet
        (8, 7, ""),  # an interface nobody described
        (20, 61, ""),  # more captured bytes than the block holds
        (88, 40, ""),  # lengths at both ends differ
    ],
)
def test_damaged_block_ends_the_reading(tmp_path: Path, at: int, value: int, detail: str) -> None:
    """Frames before a damaged block count, the rest is reported with its offset."""
    capture = Pcapng().section().interface().enhanced(0, frame(1, 60))
    start = len(capture.data)
    data = bytearray(capture.enhanced(1, frame(2, 60)).enhanced(2, frame(3, 60)).data)
    data[start + at : start + at + 4] = value.to_bytes(4, "little")
    path = tmp_path / "a"
    path.write_bytes(data)
    source = open_capture(str(path))
    assert read(source) == [Packet.whole(0, frame(1, 60))]
    assert source.findings == [
        f"{path}: the block at byte {start} is damaged{detail}; {len(data) - start} bytes from there on cannot be read"
    ]


def test_damaged_interface_is_explained(tmp_path: Path) -> None:
    """A damaged Interface Description Block ends the reading with the reason."""
    capture = Pcapng().section().interface().enhanced(0, frame(1, 60))
    start = len(capture.data)
    data = bytearray(capture.interface().data)
    data[-4:] = bytes(4)
    path = tmp_path / "a"
    path.write_bytes(data)
    source = open_capture(str(path))
    assert len(read(source)) == 1
    assert source.findings == [
        f"{path}: the block at byte {start} is damaged (the block begins with length 20 and ends with 0); "
        "20 bytes from there on cannot be read"
    ]


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.data())
def test_flipped_bytes_never_crash(tmp_path: Path, data: st.DataObject) -> None:
    """Whatever bytes change, reading ends with frames, findings or a TrafficError."""
    capture = Pcapng().section().interface(options=[resolution(9)])
    for i in range(3):
        capture.enhanced(i, frame(i, 60)).simple(frame(i, 20), 20).obsolete(i, frame(i, 40))
    damaged = bytearray(capture.data)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "a"
    path.write_bytes(damaged)
    message = ""
    try:
        assert len(read(open_capture(str(path)))) <= 9
    except TrafficError as error:
        message = str(error)
    assert "\n" not in message
