"""Updates that travel as differences arrive as they were compiled."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from actors.updates import UpdateReader, UpdateWriter
from dataplane.ids import NdisVersion, ProcessorNumber
from dataplane.switch.change import steering_change
from dataplane.switch.compile import compile_snapshot
from dataplane.switch.configuration import (
    AdapterConfiguration,
    FieldTest,
    Filter,
    HashType,
    MacField,
    Mode,
    PacketFilter,
    ReceiveQueue,
    RssState,
    VPort,
)
from dataplane.switch.snapshot import SteeringSnapshot
from dataplane.update.records import SteeringUpdate, Stretch

P = tuple(ProcessorNumber(0, n) for n in range(4))
RSS = RssState(True, HashType.IPV4, bytes(range(40)), P * 2, P[0])
FIRST = AdapterConfiguration(
    mode=Mode.SWITCH,
    ndis_version=NdisVersion(6, 80),
    rss_processors=P,
    rss_base_processor=P[0],
    permanent_address=0x00155D000001,
    vports=(VPort(0, True, P[0]), VPort(1, True, P[1], RSS), VPort(2, True, P[2], RSS)),
)


def configurations() -> list[AdapterConfiguration]:
    """Configurations in sequence: entries, a default, a key, filters, a VPort more or less, modes, settings change."""
    default, first, second = FIRST.vports
    moved = replace(first, rss=replace(RSS, indirection_table=(P[3], *RSS.indirection_table[1:6], P[3], P[0])))
    defaulted = replace(moved, rss=replace(moved.rss, default_processor=P[2]))
    rekeyed = replace(defaulted, rss=replace(defaulted.rss, hash_secret_key=bytes(40)))
    one_filter = (Filter(1, 1, (FieldTest(MacField.DESTINATION_ADDRESS, 0x00155D010201),)),)
    third = VPort(3, True, P[3])
    made = [FIRST]
    for members in (
        {"vports": (default, moved, second)},
        {"vports": (default, defaulted, second)},
        {"vports": (default, rekeyed, second)},
        {"filters": one_filter},
        {"vports": (default, rekeyed, second, third)},
        {"vports": (default, rekeyed, third)},
        {"packet_filter": PacketFilter.DIRECTED, "multicast_list": (1, 2)},
        {"mode": Mode.VMQ, "vports": (), "filters": (), "queues": (ReceiveQueue(1, True, P[2]),)},
        {"mode": Mode.NEUTRAL, "queues": (), "native_rss": RSS, "native_table_in_use": RSS.indirection_table},
        {"rss_processors": P},
    ):
        made.append(replace(made[-1], **members))
    return made


def updates() -> tuple[SteeringSnapshot, list[SteeringUpdate]]:
    """The snapshot of the first configuration, and an update to each following one."""
    first, *others = configurations()
    before = start = compile_snapshot(first, 0, P)
    made = []
    for epoch, configuration in enumerate(others, 1):
        after = compile_snapshot(configuration, epoch, before=before)
        made.append(SteeringUpdate(10 * epoch, 10 * epoch + 5, after, steering_change(before, after)))
        before = after
    return start, made


def assert_equal(actual: SteeringUpdate, expected: SteeringUpdate) -> None:
    """Everything."""
    for name in (
        "epoch",
        "configuration",
        "processors",
        "targets",
        "hash_secret_keys",
        "processor_rows",
        "target_rows",
    ):
        assert getattr(actual.snapshot, name) == getattr(expected.snapshot, name), name
    assert (actual.requested_at_ns, actual.adopted_at_ns) == (expected.requested_at_ns, expected.adopted_at_ns)
    assert actual.change.groups == expected.change.groups
    change = zip(*((one.change.moved, one.change.old, one.change.new) for one in (actual, expected)), strict=True)
    for got, wanted in [*zip(actual.snapshot.arrays, expected.snapshot.arrays, strict=True), *change]:
        assert got.dtype == wanted.dtype
        assert got.tobytes() == wanted.tobytes()
        assert got.shape == wanted.shape
        assert not got.flags.writeable


def test_updates_arrive_as_they_were_compiled() -> None:
    """Sent in stretches of any size or alone, updates arrive with equal snapshots, changes and times (EPO-01)."""
    start, sent = updates()
    writer, reader = UpdateWriter(start), UpdateReader(start)
    stretches = [Stretch(tuple(sent[:3]), 35), Stretch((), None, wants_loads=True), Stretch(tuple(sent[3:8]), 90)]
    received = [reader.stretch(writer.stretch(stretch)) for stretch in stretches]
    assert [(one.until_ns, one.wants_loads) for one in received] == [(35, False), (None, True), (90, False)]
    arrived = [update for stretch in received for update in stretch.updates]
    arrived += [reader.update(writer.update(update)) for update in sent[8:]]
    assert len(arrived) == len(sent)
    for actual, expected in zip(arrived, sent, strict=True):
        assert_equal(actual, expected)


def test_what_stays_is_shared_on_both_sides() -> None:
    """A move of entries sends only a new table; earlier snapshots do not change (EPO-01)."""
    start, (move, *_) = updates()
    kept = [array.tobytes() for array in start.arrays]
    data = UpdateWriter(start).update(move)
    received = UpdateReader(start).update(data).snapshot
    others = [
        name for name in start.arrays._fields if getattr(received.arrays, name) is not getattr(start.arrays, name)
    ]
    assert others == ["slot_processors"]
    assert np.count_nonzero(received.arrays.slot_processors != start.arrays.slot_processors) == 3
    assert [array.tobytes() for array in start.arrays] == kept
    assert len(data) < 2000
