"""What an update changes for frames in flight: which steering parameters take over whose frames (EPO-07)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from dataplane.arrays import joined, read_only
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


_PRIMARY_SLOTS = read_only(np.array([PRIMARY_SLOT]))
_PRIMARY_INDEX = read_only(np.array([PRIMARY_PROCESSOR_INDEX]))


@dataclass(frozen=True, slots=True)
class SteeringChange:
    """The difference between two snapshots, seen from the frames.

    Slots are divided into *groups*: if an old slot of a group steered a flow, a new slot of the same group steers it
    afterwards. A moved entry is its own group. If any flow of a VPort may get another slot (key, types, RSS on or off),
    all slots of the VPort are one group. Groups are left out if neither their members nor their processors change.
    """

    moved: npt.NDArray[Any]  # MOVED_ROW, by target, then table index
    old: npt.NDArray[Any]  # GROUP_ROW, ascending by slot: whose frames may be overtaken
    new: npt.NDArray[Any]  # HEIR_ROW, ascending by slot: who may overtake them
    groups: int  # numbered from 0

    def packed(self) -> tuple[bytes, bytes, bytes, int]:
        """The same without arrays: sending an array costs more than the few rows that most of these have."""
        return self.moved.tobytes(), self.old.tobytes(), self.new.tobytes(), self.groups

    @classmethod
    def unpacked(cls, moved: bytes, old: bytes, new: bytes, groups: int) -> SteeringChange:
        """The inverse of `packed`."""
        arrays = (np.frombuffer(moved, MOVED_ROW), np.frombuffer(old, GROUP_ROW), np.frombuffer(new, HEIR_ROW))
        return cls(*arrays, groups)

    def __reduce__(self) -> tuple[Any, ...]:
        return SteeringChange.unpacked, self.packed()


def steering_change(before: SteeringSnapshot, after: SteeringSnapshot) -> SteeringChange:
    """What changes for frames in flight between `before` and the next snapshot, which was compiled with it."""
    moved: list[npt.NDArray[Any]] = []
    old: list[npt.NDArray[Any]] = []
    new: list[npt.NDArray[Any]] = []
    groups = 0
    for row, (was, now) in enumerate(zip(before.targets, after.targets, strict=False)):
        if was is now or was == now:
            continue
        old_slots, old_processors = _in_force(before, row)
        new_slots, new_processors = _in_force(after, row)
        first_slot = row * SLOTS_PER_TARGET
        if _spread_alike(was, now) and len(old_slots) == len(new_slots):  # every parameter is a group of its own
            at = np.flatnonzero(old_processors != new_processors)
            index = _table_indices(len(now.table)) if now.spread else _PRIMARY_INDEX
            moved.append(_rows(MOVED_ROW, row, index[at], old_processors[at], new_processors[at]))
            slots, number = first_slot + old_slots[at], np.arange(groups, groups + len(at))
            old.append(_rows(GROUP_ROW, slots, number))
            new.append(_rows(HEIR_ROW, slots, number, new_processors[at]))
            groups += len(at)
            continue
        moved.append(_moved(row, was, now, old_processors, new_processors))
        if not _spread_alike(was, now):  # any flow may go anywhere
            old_group = np.zeros(len(old_slots), np.int64)
            new_group = np.zeros(len(new_slots), np.int64)
            touched = np.ones(1, np.bool_)
        else:  # entries i of a table that grows or shrinks by repetition follow entry i mod its old size
            common = min(len(was.table), len(now.table))
            old_group = np.where(old_slots < TABLE_ENTRIES_MAX, old_slots % common, common)
            new_group = np.where(new_slots < TABLE_ENTRIES_MAX, new_slots % common, common)
            touched = np.ones(common + 1, np.bool_)
            touched[common] = old_processors[-1] != new_processors[-1]
        number = np.cumsum(touched) - 1 + groups
        groups += int(touched.sum())
        keep_old, keep_new = touched[old_group], touched[new_group]
        old.append(_rows(GROUP_ROW, first_slot + old_slots[keep_old], number[old_group[keep_old]]))
        new.append(
            _rows(HEIR_ROW, first_slot + new_slots[keep_new], number[new_group[keep_new]], new_processors[keep_new])
        )
    return SteeringChange(_all_rows(MOVED_ROW, moved), _all_rows(GROUP_ROW, old), _all_rows(HEIR_ROW, new), groups)


def _in_force(snapshot: SteeringSnapshot, row: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint16]]:
    """The slots of a target that steer frames, counted from its first one, and the processors they point to."""
    target = snapshot.targets[row]
    slots = _spread_slots(len(target.table)) if target.spread else _PRIMARY_SLOTS
    return slots, snapshot.arrays.slot_processors[row * SLOTS_PER_TARGET : (row + 1) * SLOTS_PER_TARGET][slots]


@cache
def _spread_slots(entries: int) -> npt.NDArray[np.int64]:
    return read_only(np.append(np.arange(entries), DEFAULT_SLOT))


def _spread_alike(was: Target, now: Target) -> bool:
    """Whether a flow keeps its table index, apart from the size of the table."""
    if not was.spread and not now.spread:
        return True
    hashing = (was.rss.hash_types, was.rss.hash_secret_key) == (now.rss.hash_types, now.rss.hash_secret_key)
    return was.spread and now.spread and hashing


def _moved(
    row: int,
    was: Target,
    now: Target,
    old_processors: npt.NDArray[np.uint16],
    new_processors: npt.NDArray[np.uint16],
) -> npt.NDArray[Any]:
    """MOVED_ROWs of one target: parameters in force before and after, or its entries if RSS is turned on or off."""
    if was.spread and now.spread:
        entries = np.arange(max(len(was.table), len(now.table)))
        index = np.append(entries, DEFAULT_PROCESSOR_INDEX)
        source = np.append(old_processors[entries % len(was.table)], old_processors[-1])
        destination = np.append(new_processors[entries % len(now.table)], new_processors[-1])
    else:  # RSS goes on or off
        index = _table_indices(len((was if was.spread else now).table))
        source, destination = np.broadcast_arrays(old_processors, new_processors)
    other = np.flatnonzero(source != destination)
    return _rows(MOVED_ROW, row, index[other], source[other], destination[other])


@cache
def _table_indices(entries: int) -> npt.NDArray[np.int64]:
    return read_only(np.append(np.arange(entries), DEFAULT_PROCESSOR_INDEX))


def _rows(dtype: np.dtype[Any], *columns: Any) -> npt.NDArray[Any]:
    """Rows of columns, the last of which is an array; others may be numbers."""
    rows = np.empty(len(columns[-1]), dtype)
    for name, column in zip(dtype.names or (), columns, strict=True):
        rows[name] = column
    return rows


def _all_rows(dtype: np.dtype[Any], parts: Sequence[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    return read_only(parts[0] if len(parts) == 1 else joined(dtype, parts))
