"""The steering kernel against the slow reference: any frames, any configuration, any split into batches."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataplane.receive.steering import steer_batch
from dataplane.receive.work import new_work_columns
from dataplane.results.packets import PacketTable, as_strings
from dataplane.switch.compile import compile_snapshot
from dataplane.switch.configuration import AdapterConfiguration, FieldTest, Filter, MacField, Mode, PacketFilter
from tests.batches import batch_of
from tests.kernels.snapshots import four_vports
from tests.reference import steering as reference
from tests.reference.frames import Frame, adapter_configurations, frames


def steered_rows(
    configuration: AdapterConfiguration, given_frames: list[Frame], *, transmit_by_source: bool
) -> list[dict[str, Any]]:
    """Rows of the per-frame table."""
    snapshot = compile_snapshot(configuration, 0)
    batch = batch_of([frame.data for frame in given_frames], [frame.wire_length for frame in given_frames])
    work = new_work_columns(len(given_frames))
    for column in work:
        column.fill(0x5A)  # the kernel must not rely on what was there before
    steer_batch(batch, snapshot, work, transmit_by_source=transmit_by_source)
    rows: list[dict[str, Any]] = as_strings(PacketTable(snapshot).batch(batch, work)).to_pylist()
    return rows


def reference_row(steered: reference.SteeredFrame) -> dict[str, Any]:
    """A reference result in the columns of the table."""
    names = (
        "direction", "vport_id", "queue_id", "filter_id", "hash_type", "hash_value", "indirection_table_index",
        "vlan_id", "user_priority", "drop_reason",
    )  # fmt: skip
    row = {name: getattr(steered, name) for name in names}
    row["processor"] = None if steered.processor is None else str(steered.processor)
    return row


@given(st.data(), adapter_configurations(), st.booleans())
def test_every_column_equals_the_reference(
    data: st.DataObject, configuration: AdapterConfiguration, transmit_by_source: bool
) -> None:
    """Each frame's row is what the rules say: matching (FLT-12 to FLT-38, RX-01 to RX-08), tags (RX-05, RX-10, MOD-10),
    hashing (HSH-01 to HSH-29, HSH-32), table, default and primary processor (RX-12 to RX-14, RSS-13, RSS-14, RSS-23,
    RSS-26), completions of sends (TX-01 to TX-05, TX-09).
    """
    given_frames = data.draw(st.lists(frames(), min_size=1, max_size=12))
    rows = steered_rows(configuration, given_frames, transmit_by_source=transmit_by_source)
    steer = reference.steer_by_source_mac if transmit_by_source else reference.steer
    for frame, row in zip(given_frames, rows, strict=True):
        expected = reference_row(steer(configuration, frame.data, frame.wire_length))
        assert {name: row[name] for name in expected} == expected, frame


#: A TCP packet, with its EtherType; the kernel has a straight way for those.
TCP = bytes.fromhex("0800 45000028 00004000 4006 0000 0a000001 0a000101 1234 0050") + bytes(16)

#: Conditions of a filter on the VLAN id of frames to its address: none, untagged or VLAN 0, VLAN 5.
VLAN_CONDITIONS: tuple[tuple[tuple[FieldTest, ...], bool], ...] = (
    ((), False),
    ((), True),
    ((FieldTest(MacField.VLAN_ID, 5),), False),
)


@pytest.mark.parametrize("conditions", [*product(VLAN_CONDITIONS, repeat=1), *product(VLAN_CONDITIONS, repeat=2)])
def test_vlan_conditions_of_one_address(conditions: tuple[tuple[tuple[FieldTest, ...], bool], ...]) -> None:
    """Filters of one address are tried in order, for every tag and none, on the plain path and on the general one."""
    address = FieldTest(MacField.DESTINATION_ADDRESS, 0x00155D010201)
    configuration = replace(
        four_vports().configuration,
        filters=tuple(Filter(n, n, (address, *tests), untagged) for n, (tests, untagged) in enumerate(conditions, 1)),
    )
    given_frames = [
        Frame(data, len(data))
        for tag, packet in product(
            (b"", *(bytes.fromhex(f"8100000{vid}") for vid in (0, 5, 6))), (TCP, b"\x08\x06" + TCP)
        )
        for data in [bytes.fromhex("00155d010201 00155d0000ff") + tag + packet]
    ]
    rows = steered_rows(configuration, given_frames, transmit_by_source=False)
    for frame, row in zip(given_frames, rows, strict=True):
        expected = reference_row(reference.steer(configuration, frame.data, frame.wire_length))
        assert {name: row[name] for name in expected} == expected, frame


@pytest.mark.parametrize("listed", range(4))
def test_every_address_of_the_multicast_list(listed: int) -> None:
    """Unmatched frames are accepted exactly if their address is anywhere in the multicast list (RX-07)."""
    addresses = [0x01005E000001 + n for n in range(4)]
    configuration = replace(
        four_vports().configuration,
        packet_filter=PacketFilter.MULTICAST,
        multicast_list=tuple(addresses[:listed]),
    )
    given_frames = [
        Frame(data, len(data))
        for address, packet in product(addresses, (TCP, b"\x08\x06" + TCP))
        for data in [address.to_bytes(6, "big") + bytes.fromhex("00155d0000ff") + packet]
    ]
    rows = steered_rows(configuration, given_frames, transmit_by_source=False)
    assert [row["drop_reason"] is None for row in rows] == [n < listed for n in range(4) for _ in range(2)]


@given(st.data(), adapter_configurations())
def test_flow_keys_tell_flows_apart(data: st.DataObject, configuration: AdapterConfiguration) -> None:
    """Two frames have the same flow key exactly when they are of one flow (ORD-01)."""
    given_frames = data.draw(st.lists(frames(), min_size=2, max_size=12))
    snapshot = compile_snapshot(configuration, 0)
    batch = batch_of([frame.data for frame in given_frames], [frame.wire_length for frame in given_frames])
    work = new_work_columns(len(given_frames))
    steer_batch(batch, snapshot, work, transmit_by_source=False)
    keys: dict[bytes, int] = {}
    for row, frame in enumerate(given_frames):
        if work.drop[row]:
            continue
        target_id = snapshot.target_ids[int(work.target[row])]
        identity = reference.flow_identity(frame.data, frame.wire_length, "rx", target_id)
        assert keys.setdefault(identity, int(work.flow_key[row])) == int(work.flow_key[row])
    assert len(set(keys.values())) == len(keys)


@given(st.data(), adapter_configurations(), st.integers(1, 5))
def test_batches_do_not_matter(data: st.DataObject, configuration: AdapterConfiguration, size: int) -> None:
    """Steering a frame depends on nothing but the frame and the snapshot (MOD-08, TIM-01)."""
    given_frames = data.draw(st.lists(frames(), min_size=1, max_size=12))
    snapshot = compile_snapshot(configuration, 0)
    batch = batch_of([frame.data for frame in given_frames], [frame.wire_length for frame in given_frames])
    whole = new_work_columns(len(given_frames))
    steer_batch(batch, snapshot, whole, transmit_by_source=False)
    for low in range(0, len(given_frames), size):
        part = batch.slice(low, min(low + size, len(given_frames)))
        work = new_work_columns(len(part))
        steer_batch(part, snapshot, work, transmit_by_source=False)
        for name, column in work._asdict().items():
            assert np.array_equal(column, getattr(whole, name)[low : low + len(part)]), name


def test_modes_are_all_drawn() -> None:
    """The strategy behind these tests reaches every mode: a check of the check."""
    seen: set[Mode] = set()

    @given(adapter_configurations())
    def collect(configuration: AdapterConfiguration) -> None:
        seen.add(configuration.mode)

    collect()
    assert seen == set(Mode)
