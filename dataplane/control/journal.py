"""The control plane with a journal: every change of state is on file before it happens and before it is answered.

The journal records every accepted request that is not a query, and everything else that changed the state. Refused
requests and queries leave no record, because they have no effect that could be lost. After a crash, `recover` replays
the records in a new control plane, which then has the same state. See docs/journal.md.
"""

from __future__ import annotations

import dataclasses
import fcntl
import json
import os
from collections.abc import Container, Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from dataplane.control.adapter import Closed, ControlPlane, Decision
from dataplane.control.records import (
    FILE_HEAD,
    AdapterEvent,
    AdapterInitialized,
    ClientClosed,
    ConditionChanged,
    Entry,
    FailedAtEnd,
    FailureInjected,
    JournalError,
    JournalReader,
    PacketsReturned,
    Record,
    Requested,
    encode_entry,
)
from dataplane.control.requests import Completion, Event, OidRequest
from dataplane.control.specification import AdapterSpecification
from dataplane.control.state import AdapterState, InjectedFailure
from dataplane.ids import format_mac
from dataplane.ndis.codec import Failure, decode
from dataplane.ndis.layout import Structure
from dataplane.ndis.oids import OID_RULES, Oid, RequestKind
from dataplane.ndis.structured import to_json
from dataplane.ndis.structures import EXCHANGES

#: Its name in a run directory.
JOURNAL_NAME = "control.journal"

_QUERIES = (RequestKind.QUERY, RequestKind.QUERY_STATISTICS)


class JournalFile:
    """A journal that is open for appending records, and locked against other writers until `close`."""

    def __init__(self, path: Path, *, new: bool = False, fsync: bool = True) -> None:
        """Open a journal. With `fsync` each record survives a power failure; without it, only the end of this process.

        Raises JournalError if another writer has it, OSError if it cannot be opened, and FileExistsError if it is to be
        `new` and exists.
        """
        self.path = path
        self._fsync = fsync
        self._usable = True
        flags = os.O_RDWR | os.O_APPEND | (os.O_CREAT | os.O_EXCL if new else 0)
        self._descriptor = os.open(path, flags, 0o666)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._descriptor)
            raise JournalError(f"{path} is in use by another process") from None
        if new:
            _sync_directory(path.parent)

    def read(self) -> bytes:
        """Everything in the file."""
        with open(self._descriptor, "rb", closefd=False) as file:
            file.seek(0)
            return file.read()

    def begin(self, specification: AdapterSpecification) -> None:
        """Begin the journal of an adapter without any changes."""
        self._write(FILE_HEAD + encode_entry(Entry(AdapterInitialized(specification))))

    def append(self, entry: Entry) -> None:
        """Append a record; raises OSError if that fails, and then the journal takes no more records."""
        self._write(encode_entry(entry))

    def cut(self, end: int) -> None:
        """Remove everything after offset `end`; everything before it survives a power failure."""
        os.ftruncate(self._descriptor, end)
        os.fsync(self._descriptor)

    def sync(self) -> None:
        """Force the records to the disk: everything appended so far survives a power failure."""
        os.fsync(self._descriptor)

    def close(self) -> None:
        """Release the lock; afterwards nothing can be appended."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1
        self._usable = False

    def _write(self, data: bytes) -> None:
        if not self._usable:
            raise JournalError(f"{self.path} takes no more records: it was closed, or one could not be written")
        end = os.fstat(self._descriptor).st_size
        try:
            written = 0
            while written < len(data):
                written += os.write(self._descriptor, data[written:])
            if self._fsync:
                os.fsync(self._descriptor)
        except BaseException:
            # The contents of the file are unknown now, and no record may follow an incomplete one.
            self._usable = False
            with suppress(OSError):
                os.ftruncate(self._descriptor, end)
            raise


def _sync_directory(directory: Path) -> None:
    """Make the names of new files survive a power failure."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class _Decided(NamedTuple):
    """The latest decision, with its request."""

    request: OidRequest
    outstanding: frozenset[int]
    decision: Decision
    programmed: bool = False  # its `programmed` decision is in force


class JournaledControlPlane(ControlPlane):
    """A control plane that appends to a journal before anything changes; without a journal it is an ordinary one.

    A decision must be applied before anything else happens, because the journal cannot record a stale decision.
    """

    def __init__(self, specification: AdapterSpecification, journal: JournalFile | None = None) -> None:
        """Initialize the adapter, see `ControlPlane`; `journal` already has a record of that."""
        super().__init__(specification)
        #: Goes into the following records: the model time from which their result steers frames.
        self.adoption_ns: int | None = None
        self.recorded = 0  #: changes for which it has written a record
        self.journal = journal  #: where changes are recorded; when it is closed, changes raise JournalError
        self._cause: Record | None = None  # why the state is about to change
        self._accepted = False  # the cause is an accepted request, which is recorded even if it changes nothing
        self._decided: _Decided | None = None

    def _become(self, state: AdapterState) -> None:
        cause, accepted = self._cause, self._accepted
        self._cause, self._accepted, self._decided = None, False, None
        if self.journal is not None and (accepted or state != self.state):
            assert cause is not None, "whatever changes the state has a record"
            self.journal.append(Entry(cause, self.adoption_ns))
            self.recorded += 1
        super()._become(state)

    # What has a record

    def decide(self, request: OidRequest, outstanding: Container[int] = ()) -> Decision:
        """Decide a request; nothing changes. See `ControlPlane.decide`."""
        held = self._existing(outstanding)
        decision = super().decide(request, held)
        self._decided = _Decided(request, held, decision)
        return decision

    def apply(self, decision: Decision) -> Completion:
        """Apply the last decision, or first its `programmed` decision; ValueError for any other decision."""
        decided = self._decided
        programmed = decided is not None and decision is decided.decision.programmed and not decided.programmed
        if decided is None or not (programmed or decision is decided.decision):
            raise ValueError("only the latest decision can be applied, and before anything else happens")
        completion, request = decision.completion, decided.request
        if decided.programmed:
            self._cause = FailedAtEnd()
        else:
            self._cause = Requested(request, decided.outstanding, completion.status, programmed)
            self._accepted = completion.accepted and completion.reached_miniport and request.kind not in _QUERIES
        super().apply(decision)
        if programmed:
            self._decided = decided._replace(programmed=True)
        return completion

    def packets_returned(self, target_id: int) -> tuple[Event, ...]:
        """See `ControlPlane.packets_returned`."""
        self._cause = PacketsReturned(target_id)
        return super().packets_returned(target_id)

    def close(self, client: str, outstanding: Container[int] = ()) -> Closed:
        """See `ControlPlane.close`."""
        held = self._existing(outstanding)
        self._cause = ClientClosed(client, held)
        return super().close(client, held)

    def inject(self, failure: InjectedFailure) -> None:
        """See `ControlPlane.inject`."""
        self._cause = FailureInjected(failure)
        super().inject(failure)

    def pause(self) -> None:
        """See `ControlPlane.pause`."""
        self._cause = ConditionChanged(AdapterEvent.PAUSE)
        super().pause()

    def restart(self) -> None:
        """See `ControlPlane.restart`."""
        self._cause = ConditionChanged(AdapterEvent.RESTART)
        super().restart()

    def reset_begin(self) -> tuple[Event, ...]:
        """See `ControlPlane.reset_begin`."""
        self._cause = ConditionChanged(AdapterEvent.RESET_BEGIN)
        return super().reset_begin()

    def reset_end(self) -> None:
        """See `ControlPlane.reset_end`."""
        self._cause = ConditionChanged(AdapterEvent.RESET_END)
        super().reset_end()

    def surprise_removal(self) -> None:
        """See `ControlPlane.surprise_removal`."""
        self._cause = ConditionChanged(AdapterEvent.SURPRISE_REMOVAL)
        super().surprise_removal()

    def _existing(self, outstanding: Container[int]) -> frozenset[int]:
        """The part of `outstanding` that a decision can depend on."""
        return frozenset(one for one in (*self.state.queues, *self.state.vports) if one in outstanding)

    # What a record does

    def replay(self, record: Record) -> None:
        """Carry out a record after the first one; ValueError if the result differs from the recorded one."""
        match record:
            case Requested():
                self._replay_request(record)
            case FailedAtEnd():
                if self._decided is None or not self._decided.programmed:
                    raise ValueError("follows no programmed request")
                self.apply(self._decided.decision)
            case PacketsReturned(target_id):
                self.packets_returned(target_id)
            case ClientClosed(client, outstanding):
                self.close(client, outstanding)
            case FailureInjected(failure):
                self.inject(failure)
            case ConditionChanged(event):
                getattr(self, event.value)()
            case AdapterInitialized():
                raise ValueError("initializes an adapter that has been initialized")

    def _replay_request(self, record: Requested) -> None:
        decision: Decision | None = self.decide(record.request, record.outstanding)
        if record.programmed:
            assert decision is not None
            decision = decision.programmed
        if decision is None or decision.completion.status is not record.status:
            now = "programmed no more" if decision is None else f"answered with {decision.completion.status.name}"
            raise ValueError(f"was answered with {record.status.name}, by this version it is {now}")
        self.apply(decision)


# Opening and writing -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Recovered:
    """What was found when a journal was opened."""

    records: int  # complete ones, including the first one; 0: the journal has just been begun
    cut_bytes: int = 0  # of an incomplete last record
    finding: str | None = None  # the same in words


def create(path: Path, specification: AdapterSpecification, *, fsync: bool = True) -> JournaledControlPlane:
    """A fresh adapter with a new journal; JournalError when `path` exists, AdapterRefused and ValueError as usual."""
    control = JournaledControlPlane(specification)
    try:
        journal = JournalFile(path, new=True, fsync=fsync)
    except FileExistsError:
        raise JournalError(f"{path} exists: a journal is not overwritten") from None
    return _recovered(journal, control)[0]


def recover(path: Path, *, fsync: bool = True) -> tuple[JournaledControlPlane, Recovered]:
    """Restore the state of the writer of a journal, and continue the journal.

    A last record that is incomplete or fails its checksum is cut off and reported. Raises JournalError for every other
    fault, naming the record and its offset, and leaves the file as it is.
    """
    return _recovered(JournalFile(path, fsync=fsync), None)


def recover_or_create(
    path: Path, specification: AdapterSpecification, *, fsync: bool = True
) -> tuple[JournaledControlPlane, Recovered]:
    """Recover a journal, or begin it if there is none; JournalError if it belongs to another adapter.

    A journal without a complete record, left by a crash before anything could be answered, is begun again.
    """
    fresh = JournaledControlPlane(specification)
    try:
        journal = JournalFile(path, fsync=fsync)
    except FileNotFoundError:
        journal = JournalFile(path, new=True, fsync=fsync)
    return _recovered(journal, fresh)


def _recovered(journal: JournalFile, fresh: JournaledControlPlane | None) -> tuple[JournaledControlPlane, Recovered]:
    """The contents of a journal, or `fresh` if it is empty."""
    try:
        reader = JournalReader(journal.read(), str(journal.path))
        control = _replayed(reader)
        finding = f"{reader.finding}: cut off" if reader.finding else None
        if control is None:
            if fresh is None:
                raise JournalError(f"{reader.finding or journal.path}: no adapter was ever initialized")
            journal.cut(0)
            journal.begin(fresh.specification)
            control = fresh
        elif fresh is not None and control.specification != fresh.specification:
            raise JournalError(f"{journal.path} is the journal of another adapter")
        else:
            journal.cut(reader.end)  # also forces the records to the disk, so that the shown state cannot be lost
    except BaseException:
        journal.close()
        raise
    control.journal = journal
    return control, Recovered(reader.record, reader.torn_bytes, finding)


def _replayed(reader: JournalReader) -> JournaledControlPlane | None:
    """A control plane, without a journal, in the state that a journal leads to; None without any record."""
    control: JournaledControlPlane | None = None
    for entry in reader:
        control = _replay_entry(control, entry, reader)
    return control


def _replay_entry(control: JournaledControlPlane | None, entry: Entry, reader: JournalReader) -> JournaledControlPlane:
    try:
        if control is None:
            assert isinstance(entry.record, AdapterInitialized), "the reader has checked it"
            return JournaledControlPlane(entry.record.specification)
        control.replay(entry.record)
    except ValueError as error:
        raise reader.error(str(error)) from None
    return control


def write_journal(path: Path, specification: AdapterSpecification, requests: Iterable[OidRequest]) -> None:
    """Write a complete journal at once: an adapter, and requests to it without outstanding NBLs.

    Raises what `create` raises. Refused requests leave no record, as always.
    """
    control = create(path, specification, fsync=False)
    assert control.journal is not None
    with closing(control.journal) as journal:
        for request in requests:
            control.request(request)
        journal.sync()


# For people ----------------------------------------------------------------------------------------------------------


def describe_journal(path: Path) -> Iterator[str]:
    """A journal as lines of text, one for each record and some more for the adapter.

    A journal that is being written can be described. Lines come as far as the journal can be read; then JournalError.
    """
    reader = JournalReader(path.read_bytes(), str(path))
    control: JournaledControlPlane | None = None
    for entry in reader:
        control = _replay_entry(control, entry, reader)
        time = "" if entry.adoption_ns is None else f"  from {entry.adoption_ns} ns"
        yield f"{reader.record:>5}  offset {reader.offset}  epoch {control.epoch}{time}  {_in_words(entry.record)}"
        if isinstance(entry.record, AdapterInitialized):
            yield from _adapter_in_words(entry.record.specification)
    if reader.finding:
        yield reader.finding


def _in_words(record: Record) -> str:
    match record:
        case AdapterInitialized(specification):
            return f"adapter {format_mac(specification.permanent_address)}, NDIS {specification.ndis_version}"
        case Requested():
            return _request_in_words(record)
        case FailedAtEnd():
            return "it failed after all"
        case PacketsReturned(target_id):
            return f"all packets of {target_id} returned"
        case ClientClosed(client, outstanding):
            return f"client {client} closed{_outstanding_in_words(outstanding)}"
        case FailureInjected(failure):
            return f"next {_oid_name(failure.oid)} fails at the {failure.moment.value} with {failure.status.name}"
        case ConditionChanged(event):
            return event.value.replace("_", " ")


def _request_in_words(record: Requested) -> str:
    request = record.request
    words = [f"{request.issuer}: {request.kind.name.lower()} {_oid_name(request.oid)}"]
    if request.vport_id is not None:
        words.append(f"VPort {request.vport_id}")
    if request.synchronous:
        words.append(f"on processor {request.processor}")
    if members := _members_in_words(request):
        words.append(members)
    words.append(f"-> {record.status.name}")
    if record.programmed:
        words.append("while the hardware is programmed")
    return " ".join(words) + _outstanding_in_words(record.outstanding)


def _outstanding_in_words(outstanding: frozenset[int]) -> str:
    return f" (outstanding packets on {', '.join(map(str, sorted(outstanding)))})" if outstanding else ""


def _oid_name(oid: int) -> str:
    return Oid(oid).name if oid in OID_RULES else f"{oid:#010x}"


def _members_in_words(request: OidRequest) -> str:
    """The members of the request's structure that are not zero, or its bytes."""
    exchange = EXCHANGES.get((Oid(request.oid), request.kind)) if request.oid in OID_RULES else None
    if exchange is None or exchange.request is None:
        return ""
    value = decode(exchange.request, request.information_buffer)
    return request.information_buffer.hex() if isinstance(value, Failure) else json.dumps(_not_zero(value))


def _not_zero(value: Structure) -> dict[str, Any]:
    """Members in their JSON form, without zeros, headers, and numbers that only locate other members."""
    left_out = {"header", *value.layout.numbers}
    return {
        name: [_without_zeros(one) for one in member] if isinstance(member, list) else member
        for name, member in _without_zeros(to_json(value)).items()
        if name not in left_out
    }


def _without_zeros(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {name: member for name, member in value.items() if member and member != "0x00000000" and name != "header"}


def _adapter_in_words(specification: AdapterSpecification) -> Iterator[str]:
    yield f"{'':7}RSS processors {' '.join(map(str, specification.rss_processors))}"
    if specification.keywords:
        yield f"{'':7}keywords {' '.join(f'{name}={value}' for name, value in specification.keywords)}"
    for capabilities in (
        specification.receive_filter_capabilities,
        specification.nic_switch_capabilities,
        specification.receive_scale_capabilities,
    ):
        if capabilities is not None:
            yield f"{'':7}{capabilities.layout.name} {json.dumps(_not_zero(capabilities))}"
    if specification.switch is not None:
        yield f"{'':7}NIC switch {json.dumps(dataclasses.asdict(specification.switch))}"
