"""The labels used since the last `adapter` step, kept small enough for scripts of many million lines.

A default label `#n` costs one bit, at position n. Any other label costs one 64-bit digest in an open-addressing table
that is at most two thirds full. Two different labels have the same digest with a probability of about n * n / 2**65.
"""

from __future__ import annotations

import re
from array import array
from hashlib import blake2b

_DEFAULT_LABEL = re.compile(r"#([1-9][0-9]{0,17})", re.ASCII)
_FIRST_CAPACITY = 1024
_BYTES_AHEAD = 1 << 16


class LabelSet:
    """A set of labels that only grows."""

    def __init__(self) -> None:
        self._lines = bytearray()  # one bit for each line number
        self._buckets = array("Q", bytes(8 * _FIRST_CAPACITY))  # 0 = empty
        self._used = 0

    def __contains__(self, label: str) -> bool:
        number = _line_of(label)
        if number is not None and number >> 3 < len(self._lines) and self._lines[number >> 3] >> (number & 7) & 1:
            return True
        if self._used == 0:
            return False
        digest = _digest(label)
        return self._buckets[self._bucket_of(digest)] == digest

    def add(self, label: str) -> None:
        """Remember a label."""
        number = _line_of(label)
        # the bits follow the script; a label like "#9999999999" far ahead of it is one like any other
        if number is not None and number >> 3 < len(self._lines) + _BYTES_AHEAD:
            if number >> 3 >= len(self._lines):
                self._lines.extend(bytes((number >> 3) + 1 - len(self._lines)))
            self._lines[number >> 3] |= 1 << (number & 7)
            return
        digest = _digest(label)
        bucket = self._bucket_of(digest)
        if self._buckets[bucket] == 0:
            self._buckets[bucket] = digest
            self._used += 1
            if 3 * self._used > 2 * len(self._buckets):
                self._grow()

    def _bucket_of(self, digest: int) -> int:
        """The bucket that has the digest, or the empty one where it belongs."""
        buckets, mask = self._buckets, len(self._buckets) - 1
        bucket = digest & mask
        while buckets[bucket] not in (0, digest):
            bucket = (bucket + 1) & mask
        return bucket

    def _grow(self) -> None:
        old = self._buckets
        self._buckets = array("Q", bytes(16 * len(old)))
        for digest in old:
            if digest:
                self._buckets[self._bucket_of(digest)] = digest


def _line_of(label: str) -> int | None:
    """The line number of a label that has the form of a default label."""
    match = _DEFAULT_LABEL.fullmatch(label)
    return int(match[1]) if match else None


def _digest(label: str) -> int:
    """64 bits of the label, never 0."""
    return int.from_bytes(blake2b(label.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little") or 1
