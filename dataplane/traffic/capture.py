"""Captures as a source of frames: pcap, pcapng, gzip and zstd of these, Parquet and Arrow tables, standard input.

Formats are recognised by their first bytes, never by a name. Complete records are processed; `findings` says what a
truncated or damaged capture lost. Timestamps are clamped to the largest seen so far, and the steps are counted
(TIM-02). A capture can be played several times, and with new timestamps.
"""

from __future__ import annotations

import errno
import io
import os
import stat
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO

import numpy as np

from dataplane.arrays import read_only
from dataplane.kernels.capture import TIMESTAMP_MAX_NS, count_steps_back
from dataplane.traffic import pcap, pcapng
from dataplane.traffic.arrivals import Arrivals
from dataplane.traffic.batch import FrameBatch
from dataplane.traffic.errors import TrafficError
from dataplane.traffic.records import Reader
from dataplane.traffic.tables import TableReader
from dataplane.traffic.window import ByteStream, GzipStream, MappedWindow, StreamWindow, Window, ZstdStream

STANDARD_INPUT = "-"

#: Earlier times count as this one, so that no run is longer than 64 bits can say.
_TIMESTAMP_MIN_NS = -TIMESTAMP_MAX_NS // 2

_READ_FRAME_BATCH = 4096
_HEAD_BYTES = 16
_GZIP = bytes.fromhex("1f8b")
# a zstd frame, or one of 16 magics of a frame that decoders skip, which pzstd writes before each of its frames
_ZSTD = (bytes.fromhex("28b52ffd"), *(bytes([0x50 + i]) + bytes.fromhex("2a4d18") for i in range(16)))
_PARQUET, _ARROW_FILE, _ARROW_STREAM = b"PAR1", b"ARROW1", bytes.fromhex("ffffffff")

#: First bytes of formats that people try, with what to do about them.
_REFUSED = (
    (bytes.fromhex("a1b2cd34"), "a pcap file of a patched libpcap; convert it with editcap"),
    (bytes.fromhex("34cdb2a1"), "a pcap file of a patched libpcap; convert it with editcap"),
    (b"snoop\0\0\0", "a snoop capture; convert it with editcap"),
    (b"BZh", "compressed with bzip2; decompress it, or use gzip or zstd"),
    (bytes.fromhex("fd377a585a00"), "compressed with xz; decompress it, or use gzip or zstd"),
    (bytes.fromhex("04224d18"), "compressed with lz4; decompress it, or use gzip or zstd"),
    (b"PK\x03\x04", "a zip archive; unpack it"),
)


def open_capture(
    path: str,
    *,
    loop: int = 1,
    arrivals: Arrivals | None = None,
) -> CaptureSource:
    """Open a capture as a source of frames; raises TrafficError when it cannot be used.

    `path` is a file, or "-" for standard input. `loop` plays it that many times. `arrivals` replaces the capture's
    timestamps.
    """
    return CaptureSource(path, loop, arrivals)


def read_frame(path: str, number: int) -> FrameBatch:
    """Frame `number` of a capture, whole, as a batch of one; raises TrafficError when there is none."""
    source = open_capture(path)
    frames = 0
    for batch in source.batches(_READ_FRAME_BATCH):
        frames = batch.first_frame + len(batch)
        if 0 <= number < frames:
            source.close()
            return batch.slice(number - batch.first_frame, number - batch.first_frame + 1)
    last = f"the last one is {frames - 1}" if frames else "it has none"
    raise TrafficError(f"{_display(path)} has no frame {number}; {last} (numbers start at 0)")


class CaptureSource:
    """A capture, played `loop` times. Each repetition is shifted in time by the capture's duration and one mean gap.

    With `arrivals` the frames keep their order and lose their timestamps; the first one keeps its own, as the start.
    """

    def __init__(self, path: str, loop: int, arrivals: Arrivals | None) -> None:
        self.timestamp_regressions = 0
        self.findings: list[str] = []
        if loop < 1:
            raise TrafficError(f"loop = {loop} is not possible; a capture is played at least once")
        if loop > 1 and path == STANDARD_INPUT:
            raise TrafficError("standard input cannot be played more than once; save it to a file or remove loop")
        self._path, self._loop, self._arrivals = path, loop, arrivals
        self._reader: Reader = _open_reader(path)
        self._pass = 0
        self._extreme_times = 0
        self._is_done = False
        frames = self._reader.expected_frames
        self.expected_frames: int | None = None if frames is None else frames * loop

    def batches(self, batch_frames: int) -> Iterator[FrameBatch]:
        """Yield the frames in batches of at most `batch_frames`; the split never changes a frame or a counter."""
        played = self._passes(batch_frames) if self._arrivals is None else self._retimed(batch_frames, self._arrivals)
        try:
            yield from played
            self._is_done = True
        finally:
            self.close()

    def _passes(self, batch_frames: int) -> Iterator[FrameBatch]:
        """All passes over the capture, with clamped and shifted timestamps."""
        frames, shift_ns = 0, 0
        for batches in self._repetitions(batch_frames):
            first_ns, last_ns, pass_frames = 0, -TIMESTAMP_MAX_NS, 0
            for batch in batches:
                timestamp_ns = batch.timestamp_ns
                before_ns = last_ns
                regressions, last_ns = count_steps_back(timestamp_ns, before_ns)
                self.timestamp_regressions += regressions
                if regressions:
                    timestamp_ns = np.maximum(np.maximum.accumulate(timestamp_ns), before_ns)
                if pass_frames == 0:
                    first_ns = int(timestamp_ns[0])
                if shift_ns:
                    timestamp_ns = timestamp_ns + shift_ns
                yield replace(batch, first_frame=frames, timestamp_ns=read_only(timestamp_ns))
                frames += len(batch)
                pass_frames += len(batch)
            if pass_frames == 0:
                continue
            duration_ns = last_ns - first_ns
            shift_ns += duration_ns + max(duration_ns // max(pass_frames - 1, 1), 1)
            end_ns = max(last_ns, duration_ns) + shift_ns
            if self._pass + 1 < self._loop and end_ns >= 2 * TIMESTAMP_MAX_NS:
                raise TrafficError(
                    f"{_display(self._path)} played {self._loop} times ends after 2262 or lasts for more than "
                    "292 years; lower loop"
                )

    def _retimed(self, batch_frames: int, arrivals: Arrivals) -> Iterator[FrameBatch]:
        frames, clock = 0, None
        for batches in self._repetitions(batch_frames):
            for batch in batches:
                clock = clock or arrivals.clock(int(batch.timestamp_ns[0]))
                yield replace(batch, first_frame=frames, timestamp_ns=read_only(clock.times(len(batch))))
                frames += len(batch)

    def _repetitions(self, batch_frames: int) -> Iterator[Iterator[FrameBatch]]:
        """The batches of each pass; findings are those of the first one, the others would repeat them."""
        for number in range(self._loop):
            self._pass = number
            if number:
                self._reader = _open_reader(self._path)
            yield self._within_limits(self._reader.batches(batch_frames))
            self._reader.close()
            if not number:
                self.findings += self._reader.findings
                if self._extreme_times:
                    self.findings.append(
                        f"{_display(self._path)}: {self._extreme_times} timestamps lie beyond the years 1896 to 2116 "
                        "and count as these limits: they are not to be trusted"
                    )

    def _within_limits(self, batches: Iterator[FrameBatch]) -> Iterator[FrameBatch]:
        """The batches with times limited to _TIMESTAMP_MIN_NS to TIMESTAMP_MAX_NS; the first pass counts."""
        low, high = _TIMESTAMP_MIN_NS, TIMESTAMP_MAX_NS
        for batch in batches:
            if batch.timestamp_ns.min() <= low or batch.timestamp_ns.max() >= high:
                timestamp_ns = np.clip(batch.timestamp_ns, low, high)
                if not self._pass:
                    self._extreme_times += int(np.count_nonzero((timestamp_ns == low) | (timestamp_ns == high)))
                batch = replace(batch, timestamp_ns=read_only(timestamp_ns))  # noqa: PLW2901
            yield batch

    def progress(self) -> float:
        """Share of the input consumed so far."""
        return 1.0 if self._is_done else (self._pass + self._reader.progress()) / self._loop

    def close(self) -> None:
        """Give back the input; a source that is read to its end does so itself."""
        self._reader.close()


def _open_reader(path: str) -> Reader:
    name = _display(path)
    file = _open_file(path)
    try:
        head = _read_head(file, name)
        if head.startswith(_PARQUET) or head.startswith(_ARROW_FILE):
            kind = "Parquet" if head.startswith(_PARQUET) else "an Arrow file"
            if not _is_regular(file):
                raise TrafficError(f"{name} is {kind}, which cannot be read from a pipe; name the file instead")
            file.close()
            return TableReader(name, kind, path)
        if head.startswith(_ARROW_STREAM):
            return TableReader(name, "an Arrow stream", io.BufferedReader(_Rejoined(head, file)))
        stream = _decompressed(head, file)
        if stream is None:
            window: Window = MappedWindow(file) if _is_regular(file) else StreamWindow(ByteStream(file), head)
            return _record_reader(window, head, name)
        window = StreamWindow(stream)
        head = window.data[: min(window.end, _HEAD_BYTES)].tobytes()
        if not head:
            raise TrafficError(f"{name} decompresses to nothing{_because(window)}; capture again")
        return _record_reader(window, head, f"{name} (decompressed)")
    except BaseException:
        file.close()
        raise


def _record_reader(window: Window, head: bytes, name: str) -> Reader:
    if head[:4] in pcap.MAGIC:
        return pcap.PcapReader(window, name)
    if head.startswith(pcapng.MAGIC):
        return pcapng.PcapngReader(window, name)
    for magic, what in _REFUSED:
        if head.startswith(magic):
            raise TrafficError(f"{name} is {what}")
    raise TrafficError(
        f"{name} is not a capture (it begins with {head[:4].hex(' ')}){_because(window)}; "
        "give a pcap, pcapng, Parquet or Arrow file, plain or (pcap, pcapng) compressed with gzip or zstd"
    )


def _open_file(path: str) -> io.FileIO:
    if path == STANDARD_INPUT:
        if sys.stdin is not None and sys.stdin.isatty():
            raise TrafficError("standard input is a terminal; pipe a capture into it or name a file")
        return io.FileIO(0, closefd=False)
    try:
        if stat.S_ISDIR(os.stat(path).st_mode):
            raise TrafficError(f"{path} is a directory; name a capture file")
        return io.FileIO(path)
    except OSError as error:
        if error.errno == errno.ENOENT:
            folder = Path(path).parent
            raise TrafficError(f"{path} does not exist; check the name (looked in {folder.absolute()})") from error
        raise TrafficError(f"{path} cannot be opened: {error.strerror}; check its permissions") from error


def _read_head(file: io.FileIO, name: str) -> bytes:
    head = b""
    while len(head) < _HEAD_BYTES:
        try:
            data = file.read(_HEAD_BYTES - len(head))
        except OSError as error:
            raise TrafficError(f"{name} cannot be read: {error.strerror}; check the file") from error
        if not data:
            break
        head += data
    if not head:
        raise TrafficError(f"{name} is empty; capture again or name another file")
    return head


def _decompressed(head: bytes, file: io.FileIO) -> ByteStream | None:
    if head.startswith(_GZIP):
        return GzipStream(file, head)
    if head.startswith(_ZSTD):
        return ZstdStream(file, head)
    return None


def _because(window: Window) -> str:
    return f" ({window.failure})" if window.failure else ""


def _is_regular(file: io.FileIO) -> bool:
    # a regular file on standard input may have been read already: only a named file is mapped
    status = os.fstat(file.fileno())
    return file.fileno() != 0 and stat.S_ISREG(status.st_mode) and status.st_size > 0


def _display(path: str) -> str:
    return "standard input" if path == STANDARD_INPUT else path


class _Rejoined(io.RawIOBase):
    """A file whose first bytes have been read already."""

    def __init__(self, head: bytes, file: IO[bytes]) -> None:
        super().__init__()
        self._head, self._file = head, file

    def readable(self) -> bool:
        return True

    def readinto(self, target: memoryview) -> int:  # type: ignore[override]
        if not self._head:
            rest: int = self._file.readinto(target)  # type: ignore[attr-defined]
            return rest
        count = min(len(target), len(self._head))
        target[:count], self._head = self._head[:count], self._head[count:]
        return count
