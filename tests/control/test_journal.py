"""The journal of the control plane: its contents, what a crash leaves of it, and the effect of damage."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from collections.abc import Container
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataplane.control import AdapterRefused, AdapterSpecification, ControlPlane, FailureMoment, InjectedFailure
from dataplane.control.adapter import Decision
from dataplane.control.journal import (
    JournaledControlPlane,
    JournalFile,
    Recovered,
    create,
    describe_journal,
    recover,
    recover_or_create,
    write_journal,
)
from dataplane.control.packing import packed, unpacked
from dataplane.control.records import (
    FILE_HEAD,
    RECORD_HEAD_BYTES,
    AdapterEvent,
    AdapterInitialized,
    ConditionChanged,
    Entry,
    FailedAtEnd,
    JournalError,
    JournalReader,
    PacketsReturned,
    Requested,
    encode_entry,
)
from dataplane.control.requests import Completion, OidRequest
from dataplane.ndis.oids import Oid, RequestKind
from dataplane.ndis.status import NdisStatus
from dataplane.oracle import run_script
from dataplane.oracle.specification import parse_adapter
from tests.control.host import FILE_NOT_FOUND, M1, M2, M3, PENDING, RESOURCES, SUCCESS, Host
from tests.control.journals import Position, entries, happen, life, position, watched
from tests.scenarios.test_scenarios import SCRIPTS

SPECIFICATION = parse_adapter({"preset": "CFG-S"})
SET_FILTER = Oid.OID_RECEIVE_FILTER_SET_FILTER


class JournaledHost(Host):
    """A host whose control plane has a journal."""

    def __init__(self, path: Path, preset: str = "CFG-S") -> None:
        self.journaled = create(path, parse_adapter({"preset": preset}), fsync=False)
        self.control: ControlPlane = self.journaled

    def crash(self) -> Position:
        """End the process of a control plane; returns its position."""
        return crashed(self.journaled)


def crashed(control: JournaledControlPlane) -> Position:
    """The position of a control plane when its process died."""
    assert control.journal is not None
    control.journal.close()
    return position(control)


def recovered(path: Path) -> tuple[Position, Recovered]:
    """The result of `recover` for a journal."""
    control, found = recover(path, fsync=False)
    return crashed(control), found


def entries_of(path: Path) -> list[Entry]:
    """All entries of an intact journal."""
    reader = JournalReader(path.read_bytes())
    found = list(reader)
    assert reader.torn_bytes == 0
    return found


def record_starts(data: bytes | bytearray) -> list[int]:
    """Offsets of all records, and the end."""
    reader = JournalReader(bytes(data))
    return [reader.offset for _ in reader] + [reader.end]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The path of a test's journal."""
    return tmp_path / "control.journal"


def small_journal(path: Path) -> list[Position]:
    """Write a journal of seven records; the position after each of them."""
    with watched() as history:
        host = JournaledHost(path)
        positions = [position(host.journaled)]
        vport_id = host.vport([2, 4], 2)
        assert host.rss(vport_id, [2, 4, 2, 4]) == SUCCESS
        assert host.filter(M1, vport_id=vport_id) == SUCCESS
        host.control.pause()
        assert host.filter(M2, vport_id=vport_id) == SUCCESS
        host.crash()
    return positions + [after for _, after in history]


# --- bytes ------------------------------------------------------------------------------------------------------------


@given(st.lists(entries, max_size=4))
def test_records_are_read_as_they_were_written(written: list[Entry]) -> None:
    """Every kind of record comes back equal, whatever is in it: specifications, requests, times and all."""
    first = Entry(AdapterInitialized(SPECIFICATION))
    first = next((entry for entry in written if isinstance(entry.record, AdapterInitialized)), first)
    behind = [entry for entry in written if not isinstance(entry.record, AdapterInitialized)]
    reader = JournalReader(FILE_HEAD + b"".join(encode_entry(entry) for entry in [first, *behind]))
    assert list(reader) == [first, *behind]
    assert (reader.record, reader.torn_bytes, reader.finding) == (1 + len(behind), 0, None)


def test_the_bytes_stay_as_they_are() -> None:
    """Every later version must read the journals of this one: these bytes, which docs/journal.md explains."""
    assert bytes.fromhex("766d6d716374726c 01000000") == FILE_HEAD
    returned = encode_entry(Entry(PacketsReturned(5), adoption_ns=1000))
    assert returned[:RECORD_HEAD_BYTES] == bytes.fromhex("21000000 0a1e851d 68d3090c")
    assert returned[RECORD_HEAD_BYTES:] == b"\x92\x92\xafPacketsReturned\x81\xa9target_id\x05\xcd\x03\xe8"
    request = OidRequest(Oid.OID_GEN_CURRENT_PACKET_FILTER, RequestKind.SET, "A", b"\x0b\0\0\0", request_id="r")
    requested = encode_entry(Entry(Requested(request, frozenset({3, 1}), NdisStatus.NDIS_STATUS_SUCCESS)))
    assert requested[RECORD_HEAD_BYTES:] == (
        b"\x92\x92\xa9Requested\x84"
        b"\xa7request\x8a\xa3oid\xce\x00\x01\x01\x0e\xa4kind\x01\xa6issuer\xa1A\xa6buffer\xc4\x04\x0b\0\0\0"
        b"\xadbuffer_length\xc0\xa8vport_id\xc0\xa9switch_id\x00\xa9processor\x92\x00\x00\xabsynchronous\xc2"
        b"\xaarequest_id\xa1r"
        b"\xaboutstanding\x92\x01\x03\xa6status\x00\xaaprogrammed\xc2"
        b"\xc0"
    )


def test_missing_members_have_their_defaults() -> None:
    """Bytes without a member that was added later are read; a member without a default must be present."""
    whole = msgpack.unpackb(packed(SPECIFICATION, AdapterSpecification))
    del whole["receive_buffers"]
    assert unpacked(msgpack.packb(whole), AdapterSpecification) == SPECIFICATION
    del whole["permanent_address"]
    with pytest.raises(ValueError, match="permanent_address"):
        unpacked(msgpack.packb(whole), AdapterSpecification)


@pytest.mark.parametrize(
    "plain",
    [
        [["PacketsReturned", {"target_id": "5"}], None],
        [["PacketsReturned", {"target_id": True}], None],
        [["PacketsReturned", {"target_id": 5, "more": 1}], None],
        [["PacketsReturned", {}], None],
        [["Unheard", {}], None],
        [["FailedAtEnd", {}]],
        [["ConditionChanged", {"event": "exploded"}], None],
        ["FailedAtEnd", None],
        [[], None],
        {},
        None,
    ],
)
def test_sound_records_of_another_meaning_are_named(plain: Any) -> None:
    """A record with right checksums that this version does not know is an error, not a torn end."""
    good = encode_entry(Entry(AdapterInitialized(SPECIFICATION)))
    body, template = msgpack.packb(plain), Entry(FailedAtEnd())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dataplane.control.records.packed", lambda *_: body)
        strange = encode_entry(template)
    reader = JournalReader(FILE_HEAD + good + strange)
    with pytest.raises(JournalError, match=r"record 2 .* is sound but") as caught:
        list(reader)
    assert (caught.value.record, caught.value.offset) == (2, len(FILE_HEAD + good))


# --- replay -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_replay_of_the_scenarios(script: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After each acceptance scenario its journal leads to the same state, configuration and epoch."""
    controls: list[JournaledControlPlane] = []

    def journaled(specification: AdapterSpecification) -> JournaledControlPlane:
        controls.append(create(tmp_path / f"{len(controls)}.journal", specification, fsync=False))
        return controls[-1]

    monkeypatch.setattr("dataplane.oracle.session.ControlPlane", journaled)
    run_script(script.read_text(encoding="utf-8").splitlines(), lambda line: None)
    for number, control in enumerate(controls):
        stood = crashed(control)
        assert recovered(tmp_path / f"{number}.journal")[0] == stood


@given(st.integers(0, 2**32), st.data())
def test_replay_of_any_beginning(seed: int, data: st.DataObject) -> None:
    """Wherever a crash cuts a journal, replay leads to the position after the last change with a whole record.

    This holds after any requests, faults, closes and returned packets, and the control plane can continue from there.
    """
    preset, what = life(seed)
    with tempfile.TemporaryDirectory() as directory, watched() as history:
        path = Path(directory) / "control.journal"
        control = create(path, parse_adapter({"preset": preset}), fsync=False)
        history.append((path.stat().st_size, position(control)))
        for number, one in enumerate(what):
            happen(control, one, f"#{number}")
        assert crashed(control) == recovered(path)[0]
        cut = data.draw(st.integers(history[0][0], path.stat().st_size))
        expected = [after for size, after in history if size <= cut][-1]
        os.truncate(path, cut)
        again, found = recover(path, fsync=False)
        assert position(again) == expected
        assert found.cut_bytes == cut - max(size for size, _ in history if size <= cut)
        for number, one in enumerate(what):
            happen(again, one, f"again #{number}")
        assert crashed(again) == recovered(path)[0]


def test_what_leaves_a_record(path: Path) -> None:
    """Accepted changes have a record, even if they change nothing; so have failures that used up an injected failure.

    Queries, refused requests and events without effect have none.
    """
    host = JournaledHost(path)
    before = len(entries_of(path))

    def kept(expected: int) -> None:
        nonlocal before
        before += expected
        assert len(entries_of(path)) == before

    assert host.oid("OID_GEN_CURRENT_PACKET_FILTER", packet_filter=["PROMISCUOUS"]) == SUCCESS  # as it was
    kept(1)
    assert host.oid("OID_GEN_CURRENT_PACKET_FILTER") == SUCCESS
    assert host.read_vport(0) == SUCCESS
    assert host.oid("OID_NIC_SWITCH_ENUM_SWITCHES") == SUCCESS
    assert host.clear(7) == FILE_NOT_FOUND
    kept(0)
    host.control.restart()  # it is running
    host.control.packets_returned(1)
    host.control.close("A")
    kept(0)
    host.control.inject(InjectedFailure(SET_FILTER))
    assert host.filter(M1) == RESOURCES
    assert host.filter(M1) == SUCCESS
    kept(3)
    host.control.close("A")
    kept(1)
    vport_id = host.vport([2])
    kept(2)
    assert host.delete_vport(vport_id, outstanding=[vport_id, 99]) == PENDING
    assert host.control.packets_returned(vport_id)
    kept(2)
    deletion = entries_of(path)[-2].record
    assert isinstance(deletion, Requested)
    assert deletion.outstanding == {vport_id}
    host.control.pause()
    host.control.reset_begin()
    host.control.reset_end()
    host.control.surprise_removal()
    kept(4)
    host.control.pause()
    host.control.reset_begin()
    kept(0)
    assert host.crash() == recovered(path)[0]


@pytest.mark.parametrize("fails", [True, False])
def test_request_that_fails_after_it_was_programmed(path: Path, fails: bool) -> None:
    """QUE-07, ERR-50: the configuration in force until the failure is an epoch of its own, also after replay."""
    host = JournaledHost(path)
    vport_id = host.vport([2])
    host.control.inject(InjectedFailure(SET_FILTER, moment=FailureMoment.END))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(host.control, "apply", lambda decision: _programmed(host.journaled, decision, fails))
        host.filter(M1, vport_id=vport_id)
    names = [type(entry.record).__name__ for entry in entries_of(path)[-2:]]
    assert names == (["Requested", "FailedAtEnd"] if fails else ["FailureInjected", "Requested"])
    assert bool(host.control.state.filters) is not fails
    assert host.control.epoch == (4 if fails else 3)
    assert host.crash() == recovered(path)[0]


def _programmed(control: JournaledControlPlane, decision: Decision, fails: bool) -> Completion:
    assert decision.programmed is not None
    completion = JournaledControlPlane.apply(control, decision.programmed)
    with pytest.raises(ValueError, match="latest decision"):
        JournaledControlPlane.apply(control, decision.programmed)
    return JournaledControlPlane.apply(control, decision) if fails else completion


def test_stale_decisions_are_refused(path: Path) -> None:
    """A decision can be applied only once and before anything else happens; otherwise ValueError, without a change."""
    host = JournaledHost(path)
    request = OidRequest(Oid.OID_GEN_CURRENT_PACKET_FILTER, RequestKind.SET, "A", b"\x01\0\0\0")
    stale = host.control.decide(request)
    host.control.pause()
    decided_before = host.control.decide(request)
    latest = host.control.decide(request)
    for decision in (stale, decided_before):
        with pytest.raises(ValueError, match="latest decision"):
            host.control.apply(decision)
    host.control.apply(latest)
    with pytest.raises(ValueError, match="latest decision"):
        host.control.apply(latest)
    assert host.crash() == recovered(path)[0]


def test_times_are_kept(path: Path) -> None:
    """The adoption time in force is part of each record."""
    host = JournaledHost(path)
    host.filter(M1)
    host.journaled.adoption_ns = -5
    host.filter(M2)
    host.journaled.adoption_ns = None
    host.filter(M3)
    assert [entry.adoption_ns for entry in entries_of(path)] == [None, None, -5, None]


def test_every_change_is_journaled() -> None:
    """No method of the control plane that changes its state is without a record."""
    methods = {name for name, value in vars(ControlPlane).items() if callable(value) and not name.startswith("_")}
    without = {"request", "configuration_after", "discards_of"}  # `request` is `decide` and `apply`
    assert methods - without <= vars(JournaledControlPlane).keys()


def test_without_a_journal_it_is_an_ordinary_control_plane() -> None:
    """Without a journal nothing is written, and everything is answered as usual."""
    host = Host("CFG-S")
    host.control = JournaledControlPlane(SPECIFICATION)
    assert host.filter(M1) == SUCCESS
    assert host.control.epoch == 1


# --- crashes ----------------------------------------------------------------------------------------------------------


def test_torn_last_record_is_cut_off(path: Path) -> None:
    """Wherever the last record ends too early, it is cut off and reported, and the journal continues."""
    positions = small_journal(path)
    data = path.read_bytes()
    start, end = record_starts(data)[-2:]
    for size in range(start, end + 1):
        path.write_bytes(data[:size])
        control, found = recover(path, fsync=False)
        whole = size == end
        assert position(control) == positions[-1 if whole else -2]
        torn = 0 if whole else size - start
        assert (found.records, found.cut_bytes) == (len(positions) - (not whole), torn)
        assert (found.finding is None) is (torn == 0)
        if torn:
            assert path.stat().st_size == start
            assert f"{path}: the last record, 7 at offset {start}, is incomplete ({torn} bytes)" in str(found.finding)
        control.restart()
        assert (crashed(control), Recovered(found.records + 1)) == recovered(path)


def test_last_record_of_other_bytes_is_cut_off(path: Path) -> None:
    """A last record of the right length whose contents did not reach the disk (zeros, noise) is cut and reported."""
    positions = small_journal(path)
    data = path.read_bytes()
    start, end = record_starts(data)[-2:]
    for first in range(start + RECORD_HEAD_BYTES, end):
        path.write_bytes(data[:first] + bytes(one ^ 0xA5 for one in data[first:]))
        stood, found = recovered(path)
        assert stood == positions[-2]
        assert found.cut_bytes == end - start
        assert "fails its checksum" in str(found.finding)


@pytest.mark.parametrize("moment", ["before", "during", "after"])
def test_crash_around_the_append(path: Path, moment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """MOD-09: after a crash a request is undone or done; its record is on file before it is applied."""
    positions = small_journal(path)
    host = Host("CFG-S")
    control, _ = recover(path, fsync=False)
    host.control = control

    class CrashError(BaseException):
        """Raise, as if the process had died."""

    def crash(*_: Any) -> Any:
        raise CrashError

    with pytest.MonkeyPatch.context() as patch:
        write = os.write
        if moment == "during":  # half of it gets written, and nobody is left to tidy up
            patch.setattr(os, "write", lambda file, data: crash(write(file, data[: len(data) // 2])))
            patch.setattr(os, "ftruncate", crash)
        else:
            where = {"before": (JournalFile, "append"), "after": (ControlPlane, "_become")}[moment]
            patch.setattr(*where, crash)
        with pytest.raises(CrashError):
            host.filter(M3)
    assert crashed(control) == positions[-1]
    stood, found = recovered(path)
    assert (stood == positions[-1]) is (moment != "after")
    assert len(stood[0].filters) == (3 if moment == "after" else 2)
    assert (found.cut_bytes > 0) is (moment == "during")


@pytest.mark.parametrize("call", ["write", "fsync"])
def test_disk_that_takes_no_more(path: Path, call: str) -> None:
    """A request whose record cannot be written is not applied, nor are later ones; no piece of a record remains."""
    host = Host("CFG-S")
    control = create(path, SPECIFICATION)
    host.control = control
    assert host.filter(M1) == SUCCESS
    stood, data = position(control), path.read_bytes()
    with pytest.MonkeyPatch.context() as patch:
        original, calls = getattr(os, call), 0

        def full(file: int, *arguments: Any) -> Any:
            nonlocal calls
            calls += 1
            if call == "write" and calls == 1:
                return original(file, arguments[0][:9])
            raise OSError(errno.ENOSPC, "No space left on device")

        patch.setattr(os, call, full)
        with pytest.raises(OSError, match="No space left"):
            host.filter(M2)
    with pytest.raises(JournalError, match="takes no more records"):
        host.filter(M3)
    assert host.filters_on(vport=0) == [1]  # it still answers
    assert path.read_bytes() == data
    assert position(control) == stood == crashed(control)
    assert recovered(path)[0] == stood


def test_short_writes_are_continued(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole record is written even if the system accepts only one byte at a time."""
    write = os.write
    monkeypatch.setattr(os, "write", lambda file, data: write(file, data[:1]))
    positions = small_journal(path)
    assert recovered(path)[0] == positions[-1]


@pytest.mark.parametrize("fsync", [True, False])
def test_answered_means_flushed(path: Path, fsync: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """With `fsync` all records are forced to the disk before a request is answered; without it they are not."""
    flushed = [0]
    original = os.fsync

    def note(file: int) -> None:
        original(file)
        flushed.append(os.fstat(file).st_size)

    host = Host("CFG-S")
    host.control = create(path, SPECIFICATION, fsync=fsync)
    monkeypatch.setattr(os, "fsync", note)
    for address in (M1, M2, M3):
        assert host.filter(address) == SUCCESS
        assert (flushed[-1] == path.stat().st_size) is fsync


def test_a_new_journal_is_found_after_a_power_failure(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name of a new file is forced to the disk once, before its first record, and not when it is reopened."""
    flushed: list[tuple[str, bytes]] = []  # what, and what the journal had by then
    original = os.fsync

    def note(file: int) -> None:
        original(file)
        what = "directory" if stat.S_ISDIR(os.fstat(file).st_mode) else "file"
        assert what == "file" or os.path.samestat(os.fstat(file), path.parent.stat())
        flushed.append((what, path.read_bytes()))

    monkeypatch.setattr(os, "fsync", note)
    for opened in (create(path, SPECIFICATION) if new else recover(path)[0] for new in (True, False)):
        assert opened.journal is not None
        opened.journal.close()
    assert flushed[0] == ("directory", b"")
    assert [what for what, _ in flushed].count("directory") == 1


# --- damage -----------------------------------------------------------------------------------------------------------


def test_damage_to_earlier_records_is_named(path: Path) -> None:
    """One flipped bit anywhere in a record that is not the last is an error that names the record and its offset."""
    small_journal(path)
    data = path.read_bytes()
    starts = record_starts(data)
    for number, (start, end) in enumerate(pairwise(starts[:-1]), 1):
        for offset in range(start, end):
            bits = range(8) if offset < start + RECORD_HEAD_BYTES else (offset % 8,)
            for bit in bits:
                damaged = bytearray(data)
                damaged[offset] ^= 1 << bit
                with pytest.raises(JournalError, match=f"record {number} at offset {start} is damaged") as caught:
                    list(JournalReader(bytes(damaged)))
                assert (caught.value.record, caught.value.offset) == (number, start)


def test_damaged_journals_are_left_alone(path: Path) -> None:
    """The error says which file, record and offset, and nothing is cut off."""
    small_journal(path)
    data = bytearray(path.read_bytes())
    start = record_starts(data)[2]
    data[start + 40] ^= 1
    path.write_bytes(data)
    with pytest.raises(JournalError, match=f"{path}: record 3 at offset {start} is damaged: its checksum is wrong"):
        recover(path)
    assert path.read_bytes() == data


def test_damage_to_the_length_of_the_last_record(path: Path) -> None:
    """After a damaged length the rest is unknown, so this is an error, never a torn end."""
    small_journal(path)
    data = path.read_bytes()
    start = record_starts(data)[-2]
    for bit in range(RECORD_HEAD_BYTES * 8):
        damaged = bytearray(data)
        damaged[start + bit // 8] ^= 1 << bit % 8
        with pytest.raises(JournalError, match=f"record 7 at offset {start} is damaged: the checksum of its length"):
            list(JournalReader(bytes(damaged)))


def test_damage_to_the_file_head() -> None:
    """Other kinds of files are refused as such, other formats with their version number."""
    record = encode_entry(Entry(AdapterInitialized(SPECIFICATION)))
    for bit in range(len(FILE_HEAD) * 8):
        head = bytearray(FILE_HEAD)
        head[bit // 8] ^= 1 << bit % 8
        with pytest.raises(JournalError, match="is not a control journal" if bit < 64 else r"has format \d+, .* 1$"):
            list(JournalReader(bytes(head) + record))
    with pytest.raises(JournalError, match="is not a control journal"):
        list(JournalReader(b"{}"))


def test_records_out_of_place_are_named() -> None:
    """The adapter is described once, by the first record."""
    adapter, paused = (
        encode_entry(Entry(record))
        for record in (AdapterInitialized(SPECIFICATION), ConditionChanged(AdapterEvent.PAUSE))
    )
    for records, number in (([paused], 1), ([adapter, paused, adapter], 3)):
        with pytest.raises(JournalError, match=f"record {number} .* out of place"):
            list(JournalReader(FILE_HEAD + b"".join(records)))


def test_other_outcome_than_then_is_named(path: Path) -> None:
    """If a request is decided differently than before (by another version), recovery says so and stops."""
    host = JournaledHost(path)
    host.filter(M1)
    host.crash()
    first, filtered = entries_of(path)
    assert isinstance(filtered.record, Requested)
    other = Requested(filtered.record.request, frozenset(), PENDING)
    programmed = Requested(filtered.record.request, frozenset(), SUCCESS, programmed=True)
    for record, why in (
        (other, "was answered with NDIS_STATUS_PENDING, by this version it is answered with NDIS_STATUS_SUCCESS"),
        (programmed, "programmed no more"),
        (FailedAtEnd(), "follows no programmed request"),
    ):
        path.write_bytes(FILE_HEAD + encode_entry(first) + encode_entry(Entry(record)))
        with pytest.raises(JournalError, match=f"record 2 at offset .* {why}"):
            recover(path)
    path.write_bytes(FILE_HEAD + encode_entry(Entry(AdapterInitialized(_refused_adapter()))))
    with pytest.raises(JournalError, match=r"record 1 at offset 12 .*CAP-13"):
        recover(path)


def _refused_adapter() -> AdapterSpecification:
    return parse_adapter({"preset": "CFG-S", "nic_switch_capabilities": {"max_num_switches": 2}})


# --- opening ----------------------------------------------------------------------------------------------------------


def test_one_writer_at_a_time(path: Path) -> None:
    """Two control planes cannot write one journal; the second can after the first one has ended."""
    host = JournaledHost(path)
    host.filter(M1)
    with pytest.raises(JournalError, match="in use"):
        recover(path)
    stood = host.crash()
    assert recovered(path)[0] == stood


def test_journals_are_not_overwritten(path: Path) -> None:
    """A new journal needs a free name, and a refused adapter gets no journal."""
    with pytest.raises(AdapterRefused):
        create(path, _refused_adapter())
    assert not path.exists()
    small_journal(path)
    data = path.read_bytes()
    with pytest.raises(JournalError, match="exists"):
        create(path, SPECIFICATION)
    assert path.read_bytes() == data


def test_recover_or_create(path: Path) -> None:
    """The first start begins the journal, later starts continue it; the journal of another adapter is not touched."""
    control, found = recover_or_create(path, SPECIFICATION, fsync=False)
    assert found == Recovered(0)
    control.pause()
    stood = crashed(control)
    again, found = recover_or_create(path, SPECIFICATION, fsync=False)
    assert (crashed(again), found) == (stood, Recovered(2))
    data = path.read_bytes() + b"torn"
    path.write_bytes(data)
    with pytest.raises(JournalError, match="another adapter"):
        recover_or_create(path, parse_adapter({"preset": "CFG-Q"}))
    assert path.read_bytes() == data


def test_crash_while_a_journal_is_begun(path: Path) -> None:
    """Without a whole first record nothing was answered, so the journal is begun again."""
    begun = create(path, SPECIFICATION, fsync=False)
    stood, data = crashed(begun), path.read_bytes()
    for size in [*range(20), *range(20, len(data), 97)]:
        path.write_bytes(data[:size])
        with pytest.raises(JournalError, match="no adapter"):
            recover(path)
        control, found = recover_or_create(path, SPECIFICATION, fsync=False)
        assert found.records == 0
        assert (crashed(control), path.read_bytes()) == (stood, data)


def test_write_journal(path: Path) -> None:
    """The set-up requests of an adapter become a journal at once; its replay gives the same state."""
    requests = []

    class Listening(ControlPlane):
        """Keeps every request."""

        def request(self, request: OidRequest, outstanding: Container[int] = ()) -> Completion:
            """Keep it first."""
            requests.append(request)
            return super().request(request, outstanding)

    host = Host("CFG-S")
    host.control = Listening(SPECIFICATION)
    vport_id = host.vport([2, 4], 2)
    host.rss(vport_id, [2, 4, 2, 4])
    host.filter(M1, vport_id=vport_id)
    safe: list[int] = []  # bytes that survive a power failure
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: safe.append(os.fstat(descriptor).st_size))
        write_journal(path, SPECIFICATION, requests)
    assert safe[-1] == path.stat().st_size
    assert recovered(path) == (position(host.control), Recovered(5))


def test_description(path: Path) -> None:
    """One line for each record says what happened, when it took effect and in which epoch; a torn end is reported."""
    host = JournaledHost(path)
    vport_id = host.vport([2])
    host.journaled.adoption_ns = 1_000
    host.control.inject(InjectedFailure(SET_FILTER, moment=FailureMoment.END))
    host.filter(M1, vport_id=vport_id)
    host.delete_vport(vport_id, outstanding=[vport_id])
    host.control.packets_returned(vport_id)
    host.control.reset_begin()
    host.crash()
    with path.open("ab") as file:
        file.write(b"torn")
    lines = [line for line in describe_journal(path) if not line.startswith("       ")]
    contents = [
        "epoch 0  adapter 00:15:5d:00:00:01, NDIS 6.60",
        'epoch 1  A: method OID_NIC_SWITCH_CREATE_VPORT {"',
        'epoch 2  A: set OID_NIC_SWITCH_VPORT_PARAMETERS {"flags": ["STATE_CHANGED"], "vport_id": 1',
        "epoch 2  from 1000 ns  next OID_RECEIVE_FILTER_SET_FILTER fails at the end with NDIS_STATUS_RESOURCES",
        f'A: method OID_RECEIVE_FILTER_SET_FILTER {{"filter_type": "VMQueue", "vport_id": {vport_id}',
        "A: set OID_NIC_SWITCH_DELETE_VPORT {",
        f"all packets of {vport_id} returned",
        "reset begin",
        f"{path}: the last record, 9 at offset {path.stat().st_size - 4}, is incomplete (4 bytes)",
    ]
    assert len(lines) == len(contents)
    for number, (line, content) in enumerate(zip(lines, contents, strict=True), 1):
        assert content in line
        assert line.startswith(f"{number:>5}  offset ") or number == len(lines)
    assert "-> NDIS_STATUS_PENDING (outstanding packets on 1)" in lines[5]
    assert M1 in lines[4]


@settings(max_examples=30)
@given(st.integers(0, 2**32))
def test_everything_can_be_described(seed: int) -> None:
    """Whatever happened, there is one line for each record and none is empty."""
    preset, what = life(seed)
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "control.journal"
        control = create(path, parse_adapter({"preset": preset}), fsync=False)
        for number, one in enumerate(what):
            happen(control, one, f"#{number}")
        crashed(control)
        lines = [line for line in describe_journal(path) if not line.startswith("       ")]
        assert len(lines) == len(entries_of(path))
