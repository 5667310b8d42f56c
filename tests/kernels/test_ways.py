"""The plain path of the steering kernel against the general path, and one hash method against the other."""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import njit

from dataplane.arrays import read_only
from dataplane.kernels.memory import address_of
from dataplane.kernels.parse import IPV4_TCP, IPV4_UDP, IPV6_TCP, IPV6_UDP, UNPARSEABLE, parse_frame
from dataplane.kernels.steer import steer_any
from dataplane.kernels.toeplitz import PORTABLE_VARIABLE
from dataplane.kernels.work import WORK_ROW
from dataplane.receive.steering import describe_columns, steer_batch
from dataplane.receive.work import WorkColumns, new_work_columns
from dataplane.switch.compile import compile_snapshot
from dataplane.switch.configuration import AdapterConfiguration
from dataplane.switch.snapshot import SteeringSnapshot
from dataplane.traffic.batch import FrameBatch
from dataplane.traffic.profiles import Profile
from dataplane.traffic.synthetic import Destination, SyntheticSource
from tests.batches import batch_of
from tests.reference.frames import MAC_ADDRESSES, Frame, adapter_configurations, frames

#: What both ways have to write; the rest is copied from the batch or belongs to the processors.
NAMES = (*(WORK_ROW.names or ()), *WorkColumns._fields)
STEERED = [name for name in NAMES if name not in ("timestamp_ns", "rows", "completion_ns")]


@njit
def _steer_all(data: Any, starts: Any, captured: Any, wire: Any, snapshot: Any, columns: Any, by_source: bool) -> None:
    for i in range(starts.shape[0]):
        start = address_of(data) + starts[i]
        captured_end = start + min(np.int64(captured[i]), np.int64(wire[i]))
        steer_any(
            start, captured_end, start + np.int64(wire[i]), address_of(snapshot), address_of(columns), i, by_source
        )


def the_general_way(batch: FrameBatch, snapshot: SteeringSnapshot, *, transmit_by_source: bool) -> WorkColumns:
    """Every frame steered by `steer_any`."""
    work = new_work_columns(len(batch))
    _steer_all(
        batch.data, batch.frame_start, batch.captured_length, batch.wire_length, snapshot.kernel_table.addresses,
        describe_columns(work), transmit_by_source,
    )  # fmt: skip
    return work


def as_steered(batch: FrameBatch, snapshot: SteeringSnapshot, *, transmit_by_source: bool) -> WorkColumns:
    """Every frame steered by the batch kernel, into columns that contain other values before."""
    work = new_work_columns(len(batch))
    for column in work:
        column.view(np.uint8).fill(0x5A)
    steer_batch(batch, snapshot, work, transmit_by_source=transmit_by_source)
    return work


def column_of(work: WorkColumns, name: str) -> Any:
    """A column, or a field of the rows."""
    return getattr(work, name) if name in WorkColumns._fields else work.rows[name]


def assert_equal(one: WorkColumns, other: WorkColumns) -> None:
    """All columns that steering writes are equal."""
    for name in STEERED:
        assert np.array_equal(column_of(one, name), column_of(other, name)), name


@st.composite
def nearly_plain_frames(draw: st.DrawFn) -> Frame:
    """A plain frame, or one with a changed byte, or a cut one: frames at the border of the plain path."""
    profile = Profile(
        "uniform",
        packets=1,
        flows=64,
        seed=draw(st.integers(0, 99)),
        lengths=draw(st.sampled_from([42, 60, 70, 1514])),
        udp_share=draw(st.sampled_from([0, 1])),
        ipv6_share=draw(st.sampled_from([0, 1])),
        transmit_share=draw(st.sampled_from([0, 1])),
    )
    destination = Destination(draw(st.sampled_from(MAC_ADDRESSES)), draw(st.sampled_from([None, 0, 5, 100])))
    batch = next(SyntheticSource(profile, [destination]).batches(1))
    data, wire_length = bytearray(batch.frame(0)), int(batch.wire_length[0])
    if draw(st.booleans()):
        data[draw(st.integers(0, min(len(data), 64) - 1))] = draw(st.integers(0, 255))
    if draw(st.integers(0, 3)) == 0:
        wire_length = draw(st.integers(0, wire_length))
    return Frame(bytes(data[: draw(st.one_of(st.just(len(data)), st.integers(0, len(data))))]), wire_length)


@given(st.data(), adapter_configurations(), st.booleans(), st.booleans())
def test_both_ways_are_one(
    data: st.DataObject, configuration: AdapterConfiguration, transmit_by_source: bool, inner_headers: bool
) -> None:
    """The plain path and the general path give the same row for a frame, in every column."""
    given_frames = data.draw(st.lists(st.one_of(nearly_plain_frames(), frames()), min_size=1, max_size=12))
    batch = batch_of([frame.data for frame in given_frames], [frame.wire_length for frame in given_frames])
    snapshot = compile_snapshot(replace(configuration, inner_headers=inner_headers), 0)
    expected = the_general_way(batch, snapshot, transmit_by_source=transmit_by_source)
    assert_equal(as_steered(batch, snapshot, transmit_by_source=transmit_by_source), expected)


@given(st.data(), adapter_configurations())
def test_both_methods_are_one(data: st.DataObject, configuration: AdapterConfiguration) -> None:
    """Carry-less multiplication and byte tables give the same columns, on both paths."""
    given_frames = data.draw(st.lists(st.one_of(nearly_plain_frames(), frames()), min_size=1, max_size=12))
    batch = batch_of([frame.data for frame in given_frames], [frame.wire_length for frame in given_frames])
    expected = as_steered(batch, compile_snapshot(configuration, 0), transmit_by_source=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(PORTABLE_VARIABLE, "1")
        portable = compile_snapshot(configuration, 0)
        assert len(portable.kernel_table.byte_tables) == 36 * 256 * len(portable.hash_secret_keys)
    assert_equal(as_steered(batch, portable, transmit_by_source=False), expected)
    assert_equal(the_general_way(batch, portable, transmit_by_source=False), expected)


def test_plain_frames_of_every_kind_are_drawn() -> None:
    """The strategy covers TCP and UDP over IPv4 and IPv6, and frames that are just not plain."""
    seen: set[int] = set()

    @given(nearly_plain_frames())
    def collect(frame: Frame) -> None:
        seen.add(parse_frame(np.frombuffer(frame.data or b"\0", np.uint8)[: len(frame.data)], frame.wire_length)[4])

    collect()
    assert seen >= {IPV4_TCP, IPV4_UDP, IPV6_TCP, IPV6_UDP, UNPARSEABLE}


@given(adapter_configurations())
def test_a_snapshot_travels_without_its_addresses(configuration: AdapterConfiguration) -> None:
    """A snapshot sent to another process, or copied with other arrays, steers by its own arrays."""
    snapshot = compile_snapshot(configuration, 0)
    addresses = snapshot.kernel_table.addresses
    arrays = type(snapshot.arrays)(*(read_only(array.copy()) for array in snapshot.arrays))
    for other in (pickle.loads(pickle.dumps(snapshot)), replace(snapshot, arrays=arrays)):
        assert not np.array_equal(other.kernel_table.addresses, addresses)
        assert other.epoch == snapshot.epoch
        assert other.target_ids == snapshot.target_ids
