"""What holds for all captures: recognition, compression, pipes, clocks, repetition, random access, errors."""

from __future__ import annotations

import errno
import gzip
import io
import os
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from dataplane.traffic import window
from dataplane.traffic.arrivals import Arrivals
from dataplane.traffic.batch import FrameBatch
from dataplane.traffic.capture import open_capture, read_frame
from dataplane.traffic.errors import TrafficError
from tests.traffic.captures import Packet, Pcapng, frame, packets, pcap, read, read_file


def zstd(data: bytes) -> bytes:
    """`data` as a zstd frame."""
    compressed: bytes = pa.compress(data, codec="zstd", asbytes=True)
    return compressed


def pcapng(frames: list[Packet]) -> bytes:
    """Frames as a pcapng file with nanoseconds."""
    capture = Pcapng().section().interface(options=[(9, b"\x09")])
    for packet in frames:
        capture.enhanced(packet.timestamp_ns, packet.data, packet.wire_length)
    return capture.data


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read streams in chunks so small that records are cut everywhere."""
    monkeypatch.setattr(window, "_CHUNK_BYTES", 97)
    monkeypatch.setattr(window, "_COMPRESSED_CHUNK_BYTES", 31)
    monkeypatch.setattr(window, "_ZSTD_STEP_BYTES", 13)
    monkeypatch.setattr(window, "_RELEASE_BYTES", 4096)


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("batch_frames", [1, 7, 65536])
@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstd])
@pytest.mark.parametrize("write", [pcap, pcapng])
def test_compression_changes_nothing(tmp_path: Path, write, pack, batch_frames: int) -> None:  # type: ignore[no-untyped-def]
    """Plain, gzip and zstd captures of both formats give equal frames for any batch size and any name."""
    frames = packets(200)
    path = tmp_path / "capture.txt"
    path.write_bytes(pack(write(frames)))
    assert read_file(path, batch_frames) == frames


@pytest.mark.parametrize("pack", [gzip.compress, zstd])
@pytest.mark.parametrize("write", [pcap, pcapng])
@pytest.mark.parametrize("share", [0.5, 1.0])
def test_what_cannot_be_read_is_told(  # type: ignore[no-untyped-def]
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write, pack, share: float
) -> None:
    """Frames before an error of the disk are there, and the finding names the error, not what followed from it."""
    frames = packets(4000)
    path = tmp_path / "capture"
    path.write_bytes(pack(write(frames)))
    sound = int(share * path.stat().st_size)

    class Damaged(io.FileIO):
        def readinto(self, target) -> int:  # type: ignore[no-untyped-def]
            if self.tell() == sound:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            return super().readinto(memoryview(target)[: sound - self.tell()]) or 0

    monkeypatch.setattr(io, "FileIO", Damaged)
    source = open_capture(str(path))
    found = read(source)
    assert found == frames[: len(found)]
    assert len(found) == 4000 if share == 1 else 100 < len(found) < 3900
    [finding] = source.findings
    assert "reading failed (Input/output error)" in finding


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstd])
def test_pipe(tmp_path: Path, pack) -> None:  # type: ignore[no-untyped-def]
    """A named pipe, which can be neither mapped nor searched, gives the same frames; so does a huge skipped block."""
    capture = Pcapng().section().interface().enhanced(1, frame(1, 60)).block(99, bytes(5000)).enhanced(2, frame(2, 60))
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = subprocess.Popen(
        [sys.executable, "-c", f"import sys; open({str(path)!r}, 'wb').write(sys.stdin.buffer.read())"],
        stdin=subprocess.PIPE,
    )
    assert writer.stdin is not None
    writer.stdin.write(pack(capture.data))
    writer.stdin.close()
    assert read_file(path) == [Packet.whole(1000, frame(1, 60)), Packet.whole(2000, frame(2, 60))]
    assert writer.wait() == 0


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstd])
def test_standard_input(pack) -> None:  # type: ignore[no-untyped-def]
    """ "-" reads standard input, whether a pipe or a file stands behind it; nothing is lost at its end."""
    code = (
        "from dataplane.traffic.capture import open_capture\n"
        "source = open_capture('-')\n"
        "print([b.frame(i).hex() for b in source.batches(3) for i in range(len(b))], source.findings)"
    )
    frames = packets(10)
    result = subprocess.run([sys.executable, "-c", code], input=pack(pcap(frames)), capture_output=True, check=True)
    assert result.stdout.decode().strip() == f"{[p.data.hex() for p in frames]} []"


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize(("pack", "name"), [(gzip.compress, "gzip"), (zstd, "zstd")])
def test_cut_compressed_capture(tmp_path: Path, pack, name: str) -> None:  # type: ignore[no-untyped-def]
    """Everything that can be decompressed is read, and one finding says that the stream is cut off."""
    frames = [Packet.whole(i, os.urandom(100)) for i in range(3000)]
    data = pack(pcap(frames))
    path = tmp_path / "a"
    for size in (len(data) // 2, len(data) // 2 + 1, len(data) - 1):
        path.write_bytes(data[:size])
        source = open_capture(str(path))
        found = read(source)
        assert found == frames[: len(found)]
        assert len(found) * 116 > (size - 140_000 if name == "zstd" else size - 300)  # zstd works block by block
        assert len(source.findings) == 1
        assert f"the {name} stream is cut off" in source.findings[0]
        assert "what follows" in source.findings[0]  # nobody knows how many records


def test_damaged_gzip_capture(tmp_path: Path) -> None:
    """Damage inside a gzip stream ends the reading with a finding; every frame before it counts."""
    frames = [Packet.whole(i, frame(i, 500)) for i in range(200)]
    compressor = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
    data = compressor.compress(pcap(frames)) + compressor.flush(zlib.Z_FULL_FLUSH)
    path = tmp_path / "a"
    path.write_bytes(data + b"\xff" * 100)  # a block type that does not exist
    source = open_capture(str(path))
    assert read(source) == frames
    assert len(source.findings) == 1
    assert "the gzip stream is damaged" in source.findings[0]
    assert f"behind byte {len(pcap(frames))}" in source.findings[0]


def test_gzip_members_and_padding(tmp_path: Path) -> None:
    """Several gzip members one after the other are one stream, and zero padding after them is ignored."""
    data = pcap(packets())
    path = tmp_path / "a"
    path.write_bytes(gzip.compress(data[:100]) + gzip.compress(data[100:]) + bytes(512))
    assert read_file(path) == packets()


def test_zstd_frames_that_are_skipped(tmp_path: Path) -> None:
    """Skippable frames hold no data, wherever they are: pzstd writes one before each of its frames."""
    data = pcap(packets())
    path = tmp_path / "a"
    for magic in ("502a4d18", "5f2a4d18"):
        skipped = bytes.fromhex(magic) + (4).to_bytes(4, "little") + b"size"
        path.write_bytes(skipped + zstd(data[:100]) + skipped + zstd(data[100:]) + skipped)
        assert read_file(path) == packets()


def test_times_are_clamped_and_counted(tmp_path: Path) -> None:
    """Timestamps that step back are set to the largest seen so far and counted, for any batch size (TIM-02)."""
    path = tmp_path / "a"
    path.write_bytes(pcap([Packet.whole(t, frame(0, 60)) for t in (5, 9, 3, 8, 9, 10, 1, 11)]))
    for batch_frames in (1, 2, 3, 100):
        source = open_capture(str(path))
        assert [p.timestamp_ns for p in read(source, batch_frames)] == [5, 9, 9, 9, 9, 10, 10, 11]
        assert source.timestamp_regressions == 3


@pytest.mark.parametrize("batch_frames", [1, 2, 100])
def test_loop(tmp_path: Path, batch_frames: int) -> None:
    """Each repetition is shifted by the duration and one mean gap; frames are numbered on, findings said once."""
    path = tmp_path / "a"
    path.write_bytes(pcap([Packet.whole(t, frame(t, 60)) for t in (100, 140, 110, 160)])[:-1] + b"")
    source = open_capture(str(path), loop=3)
    found = read(source, batch_frames)  # the last frame is cut off: 100, 140, 140; mean gap 20
    assert [p.timestamp_ns for p in found] == [100, 140, 140, 160, 200, 200, 220, 260, 260]
    assert [p.data for p in found] == [frame(t, 60) for t in (100, 140, 110)] * 3
    assert source.timestamp_regressions == 3
    assert len(source.findings) == 1
    assert source.progress() == 1.0


def test_loop_of_one_instant(tmp_path: Path) -> None:
    """Repetitions of captures without duration are 1 ns apart; empty captures stay empty."""
    path = tmp_path / "a"
    path.write_bytes(pcap([Packet.whole(7, frame(0, 60))]))
    assert [p.timestamp_ns for p in read(open_capture(str(path), loop=3))] == [7, 8, 9]
    path.write_bytes(pcap([]))
    assert read(open_capture(str(path), loop=3)) == []


def test_loop_that_leaves_time(tmp_path: Path) -> None:
    """Repetitions that would end beyond 64 bits of nanoseconds are refused, not wrapped around; the last may fit."""
    path = tmp_path / "a"
    path.write_bytes(pcap([Packet.whole(0, frame(0, 60)), Packet.whole(23 * 10**17, frame(0, 60))]))
    assert [p.timestamp_ns for p in read(open_capture(str(path), loop=2))] == [0, *(23 * 10**17 * n for n in (1, 2, 3))]
    with pytest.raises(TrafficError, match="lower loop"):
        read(open_capture(str(path), loop=3))
    capture = Pcapng().section().interface()
    capture.interface(options=[capture.offset(-2 * 10**9)])  # before 1970 it is the duration that may not fit
    path.write_bytes(capture.enhanced(0, frame(0, 60), interface=1).enhanced(0, frame(0, 60)).data)
    assert [p.timestamp_ns for p in read(open_capture(str(path), loop=2))] == [10**18 * n for n in (-2, 0, 2, 4)]
    with pytest.raises(TrafficError, match="lower loop"):
        read(open_capture(str(path), loop=3))


@pytest.mark.parametrize("batch_frames", [1, 7, 100])
def test_retiming(tmp_path: Path, batch_frames: int) -> None:
    """A rate replaces the capture's times, from the first one on, across repetitions; nothing counts as a step back."""
    path = tmp_path / "a"
    path.write_bytes(pcap([Packet.whole(10**18 - i, frame(i, 60)) for i in range(10)]))
    source = open_capture(str(path), loop=2, arrivals=Arrivals(1e6, "constant"))
    assert [p.timestamp_ns for p in read(source, batch_frames)] == [10**18 + 1000 * i for i in range(20)]
    assert source.timestamp_regressions == 0
    poisson = read(open_capture(str(path), arrivals=Arrivals(1e6, seed=3)), batch_frames)
    assert [p.timestamp_ns for p in poisson] == Arrivals(1e6, seed=3).clock(10**18).times(10).tolist()


def test_read_frame(tmp_path: Path) -> None:
    """Any frame of a capture can be read completely, by its number."""
    frames = [*packets(30), Packet.whole(1, frame(9, 1514))]
    path = tmp_path / "a"
    path.write_bytes(gzip.compress(pcap(frames)))
    for number in (0, 17, 30):
        batch = read_frame(str(path), number)
        assert (batch.first_frame, len(batch), batch.frame(0)) == (number, 1, frames[number].data)
    for number in (31, -1):
        with pytest.raises(TrafficError, match=f"no frame {number}; the last one is 30"):
            read_frame(str(path), number)


def test_batches_outlive_the_source(tmp_path: Path) -> None:
    """A batch stays as it is while later ones are read and after the capture is closed, and cannot be written to."""
    frames = packets(50)
    path = tmp_path / "a"
    path.write_bytes(pcap(frames))
    batches = list(open_capture(str(path)).batches(8))
    assert [b.frame(i) for b in batches for i in range(len(b))] == [p.data for p in frames]
    for name in ("timestamp_ns", "wire_length", "captured_length", "frame_start", "data"):
        assert not getattr(batches[0], name).flags.writeable


def test_pages_are_given_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mapped file much larger than the pages kept in memory is read in bounded memory (ENG-04)."""
    monkeypatch.setattr(window, "_RELEASE_BYTES", 1 << 16)
    path = tmp_path / "a"
    path.write_bytes(pcap([Packet.whole(i, frame(i, 1500)) for i in range(2000)]))
    view = window.MappedWindow(path.open("rb"))
    assert int(view.data[: view.end].astype(np.int64).sum()) > 0  # touch every page
    before = resident_bytes(path)
    view.release(view.end)
    assert before >= view.end > 10 * resident_bytes(path)


def resident_bytes(path: Path) -> int:
    """Bytes of a mapped file that this process holds."""
    lines = Path("/proc/self/smaps").read_text().splitlines()
    total, counts = 0, False
    for line in lines:
        if line.split(" ")[0].count("-") == 1 and not line.split(" ")[0].endswith(":"):
            counts = line.endswith(str(path))
        elif counts and line.startswith("Rss:"):
            total += int(line.split()[1]) * 1024
    return total


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"hello, world", "is not a capture .it begins with 68 65 6c 6c"),
        (b"BZh91AY&SY", "bzip2"),
        (bytes.fromhex("fd377a585a0000"), "xz"),
        (b"PK\x03\x04zip", "unpack it"),
        (bytes.fromhex("34cdb2a1") + bytes(40), "patched libpcap"),
        (gzip.compress(b""), "decompresses to nothing"),
        (gzip.compress(b"hello"), "is not a capture"),
        (gzip.compress(gzip.compress(pcap([]))), "is not a capture"),
        (gzip.compress(pcap([]))[:10], "decompresses to nothing .the gzip stream is cut off"),
        (gzip.compress(pcap([]))[:12], "is not a capture .it begins with 4d. .the gzip stream is cut off"),
        (zstd(b"hello"), "is not a capture"),
        (b"PAR1" + bytes(30), "cannot be read as Parquet"),
        (b"ARROW1\0\0" + bytes(30), "cannot be read as an Arrow file"),
        (b"\xff\xff\xff\xff" + bytes(30), "Arrow stream"),
    ],
    ids=str.split("empty text bzip2 xz zip patched gzip0 gzip gzip2 cut10 cut12 zstd parquet arrow stream"),
)
def test_what_is_no_capture(tmp_path: Path, content: bytes, message: str) -> None:
    """Unreadable formats are refused in one line that names the format, whatever the file name says."""
    path = tmp_path / "trace.pcap"
    path.write_bytes(content)
    with pytest.raises(TrafficError, match=message) as error:
        open_capture(str(path))
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_what_cannot_be_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Missing files, directories, forbidden files, terminals and impossible loops are one-line errors."""
    with pytest.raises(TrafficError, match="does not exist"):
        open_capture(str(tmp_path / "missing"))
    with pytest.raises(TrafficError, match="is a directory"):
        open_capture(str(tmp_path))
    with pytest.raises(TrafficError, match="more than once"):
        open_capture("-", loop=2)
    with pytest.raises(TrafficError, match="at least once"):
        open_capture(str(tmp_path / "missing"), loop=0)

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdin", Terminal())
    with pytest.raises(TrafficError, match="is a terminal"):
        open_capture("-")

    def forbid(path: str) -> None:
        raise PermissionError(13, "Permission denied", path)

    path = tmp_path / "a"
    path.write_bytes(pcap([]))
    monkeypatch.setattr(io, "FileIO", forbid)
    with pytest.raises(TrafficError, match="Permission denied"):
        open_capture(str(path))


@pytest.mark.skipif("VMMQ_CAPTURES" not in os.environ, reason="VMMQ_CAPTURES does not name a folder of captures")
def test_captures_of_others() -> None:
    """Every capture in a folder of the user is read as scapy reads it, or refused for its link type."""
    from scapy.layers.l2 import Ether
    from scapy.utils import rdpcap

    paths = sorted(Path(os.environ["VMMQ_CAPTURES"]).glob("*.pcap*"))
    assert paths
    for path in paths:
        expected = rdpcap(str(path))
        if not isinstance(expected[0], Ether):
            with pytest.raises(TrafficError, match="not on Ethernet"):
                open_capture(str(path))
            continue
        found: list[FrameBatch] = list(open_capture(str(path)).batches(100))
        assert [b.frame(i) for b in found for i in range(len(b))] == [p.original or bytes(p) for p in expected]


def test_a_stream_is_skipped_beyond_what_has_been_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a skip beyond the bytes read so far, bytes keep their positions in the stream, which findings name."""
    monkeypatch.setattr(window, "_CHUNK_BYTES", 16)
    path = tmp_path / "a"
    path.write_bytes(bytes(range(200)))
    with path.open("rb", buffering=0) as file:
        stream, position = window.StreamWindow(window.ByteStream(file)), 0
        for place in (5, 16, 100, 101, 190):
            position = stream.advance(place - stream.base)
            assert (stream.base + position, stream.data[position]) == (place, place)
