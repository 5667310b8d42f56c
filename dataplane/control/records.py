"""The records of a control journal, and their bytes (docs/journal.md). This module does not access files.

A journal is a file header followed by records, each with its length and checksums in front. Records are only appended,
so a crash can damage only the last one. `JournalReader` distinguishes such a torn end, which is no error, from damage
to a record that is followed by others, which is an error. For this, the length has its own checksum: otherwise a wrong
length would make everything after it look like one torn record.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from dataplane.control.packing import packed, unpacked
from dataplane.control.requests import OidRequest
from dataplane.control.specification import AdapterSpecification
from dataplane.control.state import InjectedFailure
from dataplane.errors import UserError
from dataplane.ndis.status import NdisStatus

MAGIC = b"vmmqctrl"
FORMAT_VERSION = 1

_FILE_HEAD = struct.Struct("<8sI")  # magic, format version
_RECORD_START = struct.Struct("<II")  # length of the body in bytes, CRC-32 of the body
_START_CHECK = struct.Struct("<I")  # CRC-32 of the record start
FILE_HEAD = _FILE_HEAD.pack(MAGIC, FORMAT_VERSION)
RECORD_HEAD_BYTES = _RECORD_START.size + _START_CHECK.size


class JournalError(UserError):
    """A journal that cannot be used; the text names the file and, if one is the cause, the record and its offset."""

    def __init__(self, message: str, record: int | None = None, offset: int | None = None) -> None:
        super().__init__(message)
        self.record = record  # number, the first one is 1
        self.offset = offset  # of its first byte in the file


# Records -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AdapterInitialized:
    """The adapter of the journal; always the first record, and only that."""

    specification: AdapterSpecification


@dataclass(frozen=True, slots=True)
class Requested:
    """An OID request that was accepted, or that failed and changed the state by using up an injected failure."""

    request: OidRequest
    outstanding: frozenset[int]  # existing queues and VPorts with NBLs not returned when it was decided
    status: NdisStatus  # completion status, or NDIS_STATUS_PENDING
    #: The decision in force while the hardware is programmed, before an injected failure strikes (QUE-07).
    programmed: bool = False


@dataclass(frozen=True, slots=True)
class FailedAtEnd:
    """The programmed request of the record before this one failed after all (ERR-50)."""


@dataclass(frozen=True, slots=True)
class PacketsReturned:
    """The last outstanding NBL of a queue or VPort was returned (QUE-24, VPT-27)."""

    target_id: int


@dataclass(frozen=True, slots=True)
class ClientClosed:
    """A client closed and left something behind (VPT-30, QUE-26)."""

    client: str
    outstanding: frozenset[int]  # as in `Requested`


@dataclass(frozen=True, slots=True)
class FailureInjected:
    """The next request of a kind is to fail (ERR-50)."""

    failure: InjectedFailure


class AdapterEvent(Enum):
    """What happens to an adapter as a whole; the values are the names of the methods of `ControlPlane`."""

    PAUSE = "pause"
    RESTART = "restart"
    RESET_BEGIN = "reset_begin"
    RESET_END = "reset_end"
    SURPRISE_REMOVAL = "surprise_removal"


@dataclass(frozen=True, slots=True)
class ConditionChanged:
    """The adapter paused, restarted, was reset or removed (MOD-13, OID-15)."""

    event: AdapterEvent


Record = (
    AdapterInitialized | Requested | FailedAtEnd | PacketsReturned | ClientClosed | FailureInjected | ConditionChanged
)


class Entry(NamedTuple):
    """A record of the journal, with its adoption time."""

    record: Record
    adoption_ns: int | None = None  # model time from which the outcome steers frames; None: no time given


# Bytes ---------------------------------------------------------------------------------------------------------------


def encode_entry(entry: Entry) -> bytes:
    """The bytes of an entry, with its length and checksums."""
    body = packed(entry, Entry)
    start = _RECORD_START.pack(len(body), zlib.crc32(body))
    return start + _START_CHECK.pack(zlib.crc32(start)) + body


class JournalReader:
    """The entries of the bytes of a journal, in order and once.

    After the last entry, `end` is the offset for the next one. If there are bytes after `end`, `finding` says what is
    wrong with them: a last record that is incomplete or fails its checksum. Every other fault raises JournalError;
    `name` is the name of the journal in its text.
    """

    def __init__(self, data: bytes, name: str = "journal") -> None:
        self.record = 0  # number of the last entry
        self.offset = 0  # of its first byte
        self.end = 0  # of the last entry: what comes before it is sound
        self.finding: str | None = None
        self._data = data
        self._name = name

    def __iter__(self) -> Iterator[Entry]:
        if not self._read_file_head():
            return
        while (body := self._next_body()) is not None:
            self.record += 1
            self.offset = self.end
            try:
                entry = unpacked(body, Entry)
            except ValueError as error:
                raise self.error(f"is sound but holds nothing that this version knows: {error}") from None
            if isinstance(entry.record, AdapterInitialized) is not (self.record == 1):
                raise self.error("is out of place: the adapter is described by the first record and by no other")
            self.end += RECORD_HEAD_BYTES + len(body)
            yield entry

    @property
    def torn_bytes(self) -> int:
        """Number of bytes after `end`."""
        return len(self._data) - self.end

    def error(self, what: str) -> JournalError:
        """The JournalError that says `what` about the last entry."""
        return self._error(what, self.record, self.offset)

    def _error(self, what: str, record: int, offset: int) -> JournalError:
        return JournalError(f"{self._name}: record {record} at offset {offset} {what}", record, offset)

    def _read_file_head(self) -> bool:
        head = self._data[: len(FILE_HEAD)]
        if head == FILE_HEAD:
            self.end = len(head)
            return True
        if FILE_HEAD.startswith(head):
            self.finding = f"{self._name}: the file head is incomplete ({len(head)} bytes)" if head else None
            return False
        if not head.startswith(MAGIC):
            raise JournalError(f"{self._name} is not a control journal")
        version = int.from_bytes(head[len(MAGIC) :], "little")
        raise JournalError(f"{self._name} has format {version}, this version reads format {FORMAT_VERSION}")

    def _next_body(self) -> bytes | None:
        """The body of the record at `end`; None if no complete record is left."""
        if not self.torn_bytes:
            return None
        number, head = self.record + 1, self._data[self.end : self.end + RECORD_HEAD_BYTES]
        if len(head) < RECORD_HEAD_BYTES:
            self._tear(number, "is incomplete")
            return None
        start = head[: _RECORD_START.size]
        if head[_RECORD_START.size :] != _START_CHECK.pack(zlib.crc32(start)):
            # the length is unknown and records may follow, so nothing may be cut off
            raise self._error("is damaged: the checksum of its length is wrong", number, self.end)
        length, checksum = _RECORD_START.unpack(start)
        first = self.end + RECORD_HEAD_BYTES
        body = self._data[first : first + length]
        if len(body) < length:
            self._tear(number, "is incomplete")
            return None
        if zlib.crc32(body) != checksum:
            if first + length < len(self._data):
                raise self._error("is damaged: its checksum is wrong", number, self.end)
            self._tear(number, "fails its checksum")
            return None
        return body

    def _tear(self, number: int, what: str) -> None:
        self.finding = f"{self._name}: the last record, {number} at offset {self.end}, {what} ({self.torn_bytes} bytes)"
