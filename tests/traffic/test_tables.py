"""Frames in Parquet and Arrow tables."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataplane.traffic.batch import FRAME_SCHEMA
from dataplane.traffic.capture import open_capture, read_frame
from dataplane.traffic.errors import TrafficError
from tests.traffic.captures import Packet, frame, packets, read, read_file

FRAMES = packets(100)


def table(frames: list[Packet], schema: pa.Schema = FRAME_SCHEMA) -> pa.Table:
    """Frames as a table."""
    columns = ([p.timestamp_ns for p in frames], [p.wire_length for p in frames], [p.data for p in frames])
    return pa.table(dict(zip(FRAME_SCHEMA.names, columns, strict=True)), schema=schema)


def write(path: Path, kind: str, content: pa.Table) -> None:
    """A table as a file of one of the three formats, in several batches."""
    if kind == "parquet":
        pq.write_table(content, path, row_group_size=23)
        return
    new = pa.ipc.new_file if kind == "file" else pa.ipc.new_stream
    with new(str(path), content.schema) as writer:
        writer.write_table(content, max_chunksize=23)


@pytest.mark.parametrize("batch_frames", [1, 7, 65536])
@pytest.mark.parametrize("kind", ["parquet", "file", "stream"])
def test_formats(tmp_path: Path, kind: str, batch_frames: int) -> None:
    """All three formats, recognised by content and not by name, give the written frames for any batch size."""
    path = tmp_path / "capture.pcap"
    write(path, kind, table(FRAMES))
    assert read_file(path, batch_frames) == FRAMES
    expected = None if kind == "stream" else 200
    assert open_capture(str(path), loop=2).expected_frames == expected
    assert read_frame(str(path), 57).frame(0) == FRAMES[57].data


@pytest.mark.parametrize("kind", ["parquet", "file", "stream"])
def test_related_types_are_cast(tmp_path: Path, kind: str) -> None:
    """Nullable columns without nulls, wider binaries, other integers and further columns are no obstacle."""
    loose = pa.schema([("wire_length", pa.int64()), ("frame", pa.large_binary()), ("timestamp_ns", pa.uint64())])
    path = tmp_path / "a"
    content = table(FRAMES, FRAME_SCHEMA).select(loose.names).cast(loose)
    write(path, kind, content.append_column("note", pa.array(["x"] * 100)))
    assert read_file(path, 7) == FRAMES


def test_times_and_lengths_are_made_sound(tmp_path: Path) -> None:
    """Steps back are clamped and counted (TIM-02); no frame is shorter on the wire than its captured bytes."""
    path = tmp_path / "a"
    write(path, "file", table([Packet(5, frame(0, 60), 10), Packet(3, frame(1, 60), 100)]))
    source = open_capture(str(path))
    assert [(p.timestamp_ns, p.wire_length) for p in read(source)] == [(5, 60), (5, 100)]
    assert source.timestamp_regressions == 1


@pytest.mark.parametrize("time", [2**62, 2**63 - 1, -(2**61), -(2**63)])
def test_times_are_limited(tmp_path: Path, time: int) -> None:
    """Timestamps beyond -2**61 to 2**62 ns count as these limits, for any batch size, and one finding counts them."""
    path = tmp_path / "a"
    write(path, "file", table([Packet.whole(time, frame(i, 60)) for i in range(3)]))
    for batch_frames in (1, 2, 100):
        source = open_capture(str(path))
        assert {p.timestamp_ns for p in read(source, batch_frames)} == {max(min(time, 2**62), -(2**61))}
        assert source.timestamp_regressions == 0
        assert source.findings == [
            f"{path}: 3 timestamps lie beyond the years 1896 to 2116 and count as these limits: "
            "they are not to be trusted"
        ]


def test_empty_table(tmp_path: Path) -> None:
    """A table without rows has no frames."""
    path = tmp_path / "a"
    for kind in ("parquet", "file", "stream"):
        write(path, kind, table([]))
        assert read_file(path) == []


@pytest.mark.parametrize("kind", ["parquet", "file", "stream"])
def test_wrong_tables(tmp_path: Path, kind: str) -> None:
    """Missing and repeated columns, nulls and types that cannot be cast are refused in one line with the schema."""
    path = tmp_path / "a"
    write(path, kind, table(FRAMES).drop_columns(["frame"]))
    with pytest.raises(TrafficError, match="has no column frame; a frame table has the columns timestamp_ns: int64"):
        open_capture(str(path))
    write(path, kind, table(FRAMES).append_column("frame", table(FRAMES)["frame"]))
    with pytest.raises(TrafficError, match="has more than one column frame; a frame table has the columns"):
        open_capture(str(path))
    nullable = pa.schema([field.with_nullable(True) for field in FRAME_SCHEMA])
    write(path, kind, pa.table({"timestamp_ns": [1, None], "wire_length": [1, 1], "frame": [b"", b""]}, nullable))
    with pytest.raises(TrafficError, match="no nulls"):
        read(open_capture(str(path)))
    write(path, kind, pa.table({"timestamp_ns": ["now"], "wire_length": [1], "frame": [b""]}))
    with pytest.raises(TrafficError, match="a frame table has"):
        read(open_capture(str(path)))


def test_cut_stream(tmp_path: Path) -> None:
    """An Arrow stream that breaks off gives its whole batches and a finding."""
    path = tmp_path / "a"
    write(path, "stream", table(FRAMES))
    path.write_bytes(path.read_bytes()[:-3000])
    source = open_capture(str(path))
    found = read(source)
    assert found == FRAMES[: len(found)]
    assert 23 <= len(found) < 100
    assert len(source.findings) == 1
    assert f"breaks off behind frame {len(found)}" in source.findings[0]
