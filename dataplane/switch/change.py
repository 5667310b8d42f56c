"""What an update changes for frames in flight: which steering parameters take over whose frames (EPO-07)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dataplane.arrays import read_only
from dataplane.ids import DEFAULT_PROCESSOR_INDEX, PRIMARY_PROCESSOR_INDEX
from dataplane.switch.snapshot import (
    DEFAULT_SLOT,
    PRIMARY_SLOT,
    SLOTS_PER_TARGET,
    TABLE_ENTRIES_MAX,
    SteeringSnapshot,
    Target,
)

#: A steering parameter in force that points to another processor than before.
MOVED_ROW = np.dtype(
    [
        ("target", np.uint16),  # row of the snapshot's targets
        ("table_index", np.uint16),  # or DEFAULT_PROCESSOR_INDEX / PRIMARY_PROCESSOR_INDEX
        ("source", np.uint16),  # rows of the snapshot's processors
        ("destination", np.uint16),
    ]
)

#: A slot and the group it belongs to.
GROUP_ROW = np.dtype([("slot", np.uint32), ("group", np.uint32)])

#: A slot that takes over a group, and the processor it points to.
HEIR_ROW = np.dtype([("slot", np.uint32), ("group", np.uint32), ("processor", np.uint16)])


@dataclass(frozen=True, slots=True)
class SteeringChange:
    """The difference of two snapshots, seen from the frames.

    Slots are divided into *groups* such that a flow whose frames were steered by an old slot of a group is steered by a
    new slot of the same group afterwards. A moved entry is a group of its own; when the flows of a VPort are spread
    anew (key, types, RSS on or off) all its slots are one group. Groups are left out when their members are what they
    were and their frames stay where they were.
    """

    moved: npt.NDArray[Any]  # MOVED_ROW, by target, then table index
    old: npt.NDArray[Any]  # GROUP_ROW, ascending by slot: whose frames may be overtaken
    new: npt.NDArray[Any]  # HEIR_ROW, ascending by slot: who may overtake them
    groups: int  # numbered from 0


def steering_change(before: SteeringSnapshot, after: SteeringSnapshot) -> SteeringChange:
    """What changes for frames in flight from one snapshot to the next one, which was compiled with `before`."""
    moved: list[npt.NDArray[Any]] = []
    old: list[npt.NDArray[Any]] = []
    new: list[npt.NDArray[Any]] = []
    groups = 0
    for row, (was, now) in enumerate(zip(before.targets, after.targets, strict=False)):
        if was is now or was == now:
            continue
        old_slots, old_processors = _in_force(before, row)
        new_slots, new_processors = _in_force(after, row)
        moved.append(_moved(row, was, now, old_processors, new_processors))
        if not _spread_alike(was, now):  # any flow may go anywhere
            old_group = np.zeros(len(old_slots), np.int64)
            new_group = np.zeros(len(new_slots), np.int64)
        elif was.spread:  # entries i of a table that grows or shrinks by repetition follow entry i mod its old size
            common = min(len(was.table), len(now.table))
            old_group = np.where(old_slots < TABLE_ENTRIES_MAX, old_slots % common, common)
            new_group = np.where(new_slots < TABLE_ENTRIES_MAX, new_slots % common, common)
        else:
            old_group = new_group = np.zeros(1, np.int64)
        touched = _touched(old_group, old_processors, new_group, new_processors)
        if not _spread_alike(was, now):
            touched[:] = True
        elif len(was.table) != len(now.table):
            touched[:common] = True
        number = np.cumsum(touched) - 1 + groups
        groups += int(touched.sum())
        keep_old, keep_new = touched[old_group], touched[new_group]
        first_slot = row * SLOTS_PER_TARGET
        old.append(_rows(GROUP_ROW, first_slot + old_slots[keep_old], number[old_group[keep_old]]))
        new.append(
            _rows(HEIR_ROW, first_slot + new_slots[keep_new], number[new_group[keep_new]], new_processors[keep_new])
        )
    return SteeringChange(
        read_only(np.concatenate([np.zeros(0, MOVED_ROW), *moved])),
        read_only(np.concatenate([np.zeros(0, GROUP_ROW), *old])),
        read_only(np.concatenate([np.zeros(0, HEIR_ROW), *new])),
        groups,
    )


def _in_force(snapshot: SteeringSnapshot, row: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint16]]:
    """The slots of a target that steer frames, counted from its first one, and the processors they point to."""
    fields = snapshot.arrays.targets[row]
    if not snapshot.targets[row].spread:
        return np.array([PRIMARY_SLOT]), np.array([fields["primary_processor"]], np.uint16)
    entries = int(fields["table_mask"]) + 1
    first = row * TABLE_ENTRIES_MAX
    table = snapshot.arrays.indirection_tables[first : first + entries]
    slots = np.append(np.arange(entries), DEFAULT_SLOT)
    return slots, np.append(table, fields["default_processor"])


def _spread_alike(was: Target, now: Target) -> bool:
    """Whether a flow's table index is what it was, up to the size of the table."""
    if not was.spread and not now.spread:
        return True
    hashing = (was.rss.hash_types, was.rss.hash_secret_key) == (now.rss.hash_types, now.rss.hash_secret_key)
    return was.spread and now.spread and hashing


def _touched(
    old_group: npt.NDArray[np.int64],
    old_processors: npt.NDArray[np.uint16],
    new_group: npt.NDArray[np.int64],
    new_processors: npt.NDArray[np.uint16],
) -> npt.NDArray[np.bool_]:
    """Which groups have frames that may meet on different processors."""
    count = int(max(old_group.max(), new_group.max())) + 1
    group = np.concatenate([old_group, new_group])
    processor = np.concatenate([old_processors, new_processors]).astype(np.int64)
    low, high = np.full(count, 1 << 16), np.full(count, -1)
    np.minimum.at(low, group, processor)
    np.maximum.at(high, group, processor)
    touched: npt.NDArray[np.bool_] = low != high
    return touched


def _moved(
    row: int,
    was: Target,
    now: Target,
    old_processors: npt.NDArray[np.uint16],
    new_processors: npt.NDArray[np.uint16],
) -> npt.NDArray[Any]:
    """MOVED_ROWs of one target: parameters in force before and after, or, when RSS goes on or off, its entries."""
    if was.spread and now.spread:
        entries = np.arange(max(len(was.table), len(now.table)))
        index = np.append(entries, DEFAULT_PROCESSOR_INDEX)
        source = np.append(old_processors[entries % len(was.table)], old_processors[-1])
        destination = np.append(new_processors[entries % len(now.table)], new_processors[-1])
    elif was.spread or now.spread:
        index = np.append(np.arange(len((was if was.spread else now).table)), DEFAULT_PROCESSOR_INDEX)
        source, destination = np.broadcast_arrays(old_processors, new_processors)
    else:
        index, source, destination = np.array([PRIMARY_PROCESSOR_INDEX]), old_processors, new_processors
    other = source != destination
    return _rows(MOVED_ROW, np.full(int(other.sum()), row), index[other], source[other], destination[other])


def _rows(dtype: np.dtype[Any], *columns: npt.NDArray[Any]) -> npt.NDArray[Any]:
    rows = np.zeros(len(columns[0]), dtype)
    for name, column in zip(dtype.names or (), columns, strict=True):
        rows[name] = column
    return rows
