"""Windows on the bytes of a capture: a mapped file, or a stream read in bounded chunks.

A reader scans `data[position:end]`. When it needs more, it calls `advance(position)`, which may move the bytes and
returns the new position. When nothing more can come, `exhausted` is true and the window stays as it is. Memory is
bounded for inputs of any size (ENG-04): a mapping releases the pages that the reader has passed; a stream keeps one
chunk, the record that was cut, and the chunks of batches that are still in use.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import IO, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dataplane.arrays import read_only
from dataplane.kernels.capture import touch_pages

_CHUNK_BYTES = 8 << 20
_RELEASE_BYTES = 32 << 20
_AHEAD_BYTES = 32 << 20
_COMPRESSED_CHUNK_BYTES = 256 << 10
_ZSTD_STEP_BYTES = 4096


class Window(Protocol):
    """The part of a byte stream that a reader sees."""

    data: npt.NDArray[np.uint8]  # read-only to the reader; bytes before `end` are valid
    end: int
    base: int  # offset of data[0] in the stream, for messages
    exhausted: bool  # nothing comes behind `end`
    failure: str | None  # why the stream ended early, if it did

    def advance(self, position: int) -> int:
        """Forget the bytes before `position` (skip up to it if it lies behind `end`), get more; the new position."""
        ...

    def release(self, position: int) -> None:
        """Allow the window to forget what lies before `position`; nothing moves."""
        ...

    def progress(self) -> float:
        """Share of the input that has been read, 0.0 when unknown."""
        ...

    def close(self) -> None:
        """Give back the input."""
        ...


class MappedWindow:
    """A whole file, mapped.

    This is faster than reading the file, because only headers are touched. A thread maps the pages of a large file
    ahead of the reader; without it, the reader of long frames waits for the operating system half of the time. As with
    every mapping, another program must not shorten the file meanwhile.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._mapping = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self.data = read_only(np.frombuffer(self._mapping, np.uint8))
        self.end = len(self.data)
        self.base = 0
        self.exhausted = True
        self.failure: str | None = None
        self._position = 0
        self._released = 0
        self._touched = 0
        self._ahead = ThreadPoolExecutor(1, "capture-pages") if self.end > _AHEAD_BYTES else None
        self._touch_ahead()

    def advance(self, position: int) -> int:
        """Nothing to get: everything is there."""
        return position

    def release(self, position: int) -> None:
        """Give back the pages far enough behind `position`: somebody may still be at those closer to it."""
        self._position = min(position, self.end)
        behind = (self._position - _RELEASE_BYTES - self._released) // mmap.PAGESIZE * mmap.PAGESIZE
        if behind >= _RELEASE_BYTES:
            self._mapping.madvise(mmap.MADV_DONTNEED, self._released, behind)
            self._released += behind
        self._touch_ahead()

    def progress(self) -> float:
        """Share of the file that lies behind the reader."""
        return self._position / self.end

    def close(self) -> None:
        """Drop the mapping; it goes when the last batch that lies in it does."""
        if self._ahead is not None:
            self._ahead.shutdown(wait=False, cancel_futures=True)
            self._ahead = None
        self.data = read_only(np.zeros(0, np.uint8))

    def _touch_ahead(self) -> None:
        end = min(self._position + _AHEAD_BYTES, self.end)
        if self._ahead is not None and end > self._touched:
            self._ahead.submit(touch_pages, self.data, max(self._touched, self._position), end, mmap.PAGESIZE)
            self._touched = end


class StreamWindow:
    """A stream, read in chunks, each into a buffer of its own: batches may lie in those before it.

    Only for a record that does not fit is a buffer larger than others.
    """

    def __init__(self, stream: ByteStream, first_bytes: bytes = b"") -> None:
        self._stream = stream
        self._buffer = np.empty(_CHUNK_BYTES, np.uint8)
        self._buffer[: len(first_bytes)] = np.frombuffer(first_bytes, np.uint8)
        self.data = read_only(self._buffer)
        self.end = len(first_bytes)
        self.base = 0
        self.exhausted = False
        self.failure: str | None = None
        self._fill()

    def advance(self, position: int) -> int:
        """Begin a buffer with the bytes from `position` on and fill it."""
        keep = self.end - position
        tail = self._buffer[position : self.end]
        self._buffer = np.empty(max(_CHUNK_BYTES, 2 * keep), np.uint8)
        self.data = read_only(self._buffer)
        self._buffer[: len(tail)] = tail
        self.base += position if keep > 0 else self.end
        self.end = max(keep, 0)
        self._fill()
        skip = max(-keep, 0)
        while skip > self.end and not self.exhausted:
            skip -= self.end
            self.base += self.end
            self.end = 0
            self._fill()
        return skip

    def release(self, position: int) -> None:
        """Nothing to do: buffers go when nothing lies in them."""

    def _fill(self) -> None:
        target = self._buffer.data
        while self.end < len(self._buffer) and not self.exhausted:
            count = self._stream.read_into(target[self.end :])
            self.end += count
            self.exhausted = count == 0
        self.failure = self._stream.failure

    def progress(self) -> float:
        """Share of the (compressed) input that has been read."""
        return self._stream.progress()

    def close(self) -> None:
        """Close the stream."""
        self._stream.close()


class ByteStream:
    """Bytes of a file or pipe as they are."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        size = os.fstat(file.fileno()).st_size if file.seekable() else 0
        self._size = size
        self._count = 0
        self.failure: str | None = None

    def read_into(self, target: memoryview) -> int:
        """Fill the front of `target`; the number of bytes, 0 at the end."""
        try:
            count: int = self._file.readinto(target)  # type: ignore[attr-defined]
        except OSError as error:
            self.failure = f"reading failed ({error.strerror})"
            return 0
        self._count += count
        return count

    def progress(self) -> float:
        """Share of the file that has been read, 0.0 for a pipe."""
        return min(self._count / self._size, 1.0) if self._size else 0.0

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class GzipStream(ByteStream):
    """The decompressed bytes of one or more gzip members; what was whole before damage is delivered."""

    def __init__(self, file: IO[bytes], first_bytes: bytes) -> None:
        super().__init__(file)
        self._pending = first_bytes
        self._member = zlib.decompressobj(zlib.MAX_WBITS | 16)
        self._inside_member = True

    def read_into(self, target: memoryview) -> int:
        """As `ByteStream.read_into`, of the decompressed bytes."""
        while self.failure is None:
            if self._member.eof:
                self._pending = self._member.unused_data
                self._member = zlib.decompressobj(zlib.MAX_WBITS | 16)
                self._inside_member = False
            if not self._pending:
                self._pending = self._read_compressed()
                if not self._pending:
                    if self._inside_member and self.failure is None:
                        self.failure = "the gzip stream is cut off"
                    return 0
            if not self._inside_member and self._pending.strip(b"\0") == b"":
                self._pending = b""  # padding behind the last member, as tape archives have
                continue
            before = self._member.copy()
            try:
                data = self._member.decompress(self._pending, len(target))
            except zlib.error as error:
                self.failure = f"the gzip stream is damaged ({error})"
                data = _salvage(before, self._pending, len(target))
            self._inside_member = not self._member.eof
            self._pending = b"" if self._member.eof else self._member.unconsumed_tail
            if data:
                target[: len(data)] = data
                return len(data)
        return 0

    def _read_compressed(self) -> bytes:
        buffer = bytearray(_COMPRESSED_CHUNK_BYTES)
        return bytes(buffer[: super().read_into(memoryview(buffer))])


def _salvage(member: zlib._Decompress, damaged: bytes, length_max: int) -> bytes:
    """What can be decompressed before the damage: zlib gives nothing of a call that fails, so go byte by byte."""
    data = b""
    with contextlib.suppress(zlib.error):
        for i in range(len(damaged)):
            data += member.decompress(member.unconsumed_tail + damaged[i : i + 1], length_max - len(data))
            if len(data) == length_max:
                break
    return data


class ZstdStream(ByteStream):
    """The decompressed bytes of a zstd stream.

    Read in small steps, because Arrow gives nothing of the step in which the input ends early.
    """

    def __init__(self, file: IO[bytes], first_bytes: bytes) -> None:
        super().__init__(file)
        self._raw = _Rest(self, first_bytes)
        self._stream = pa.CompressedInputStream(pa.PythonFile(self._raw, mode="r"), "zstd")

    def read_into(self, target: memoryview) -> int:
        """As `ByteStream.read_into`, of the decompressed bytes."""
        done = 0
        while done < len(target) and self.failure is None:
            step = target[done : done + _ZSTD_STEP_BYTES]
            try:
                count = self._stream.readinto(step)
            except OSError as error:
                cut = "Truncated" in str(error)
                why = "the zstd stream is " + ("cut off" if cut else f"damaged ({str(error).splitlines()[0]})")
                self.failure = self.failure or why  # when reading has failed Arrow sees an end
                break
            if count == 0:
                break
            done += count
        return done


class _Rest:
    """What Arrow wants of a Python file: the bytes already read, then the rest of the stream."""

    def __init__(self, stream: ByteStream, first_bytes: bytes) -> None:
        self._stream = stream
        self._first_bytes = first_bytes
        self.closed = False

    def read(self, count: int) -> bytes:
        if self._first_bytes:
            data, self._first_bytes = self._first_bytes[:count], self._first_bytes[count:]
            return data
        buffer = bytearray(count)
        return bytes(buffer[: ByteStream.read_into(self._stream, memoryview(buffer))])

    def close(self) -> None:
        self.closed = True
