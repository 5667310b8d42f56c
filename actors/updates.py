"""Updates from the control actor to the NIC, each as the difference from the previous snapshot.

Most of a snapshot does not change: arrays of filters and hash keys, tables of other VPorts. The writer sends the
members that are other objects than before, and of an array only the bytes from the first to the last that differ. The
reader has the previous snapshot. Requests stay with the control actor, which reports them at the end.
"""

from __future__ import annotations

import pickle
from dataclasses import fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from dataplane.arrays import read_only
from dataplane.switch.configuration import AdapterConfiguration
from dataplane.switch.snapshot import SnapshotArrays, SteeringSnapshot
from dataplane.update.records import SteeringUpdate, Stretch

#: Members of a configuration and of a snapshot that are long tuples, of which an update changes few items.
_LISTS = frozenset({"vports", "targets"})


class UpdateWriter:
    """Writes updates that follow each other, the first one on a snapshot that the reader has."""

    def __init__(self, snapshot: SteeringSnapshot) -> None:
        self._snapshot = snapshot

    def stretch(self, stretch: Stretch) -> bytes:
        """A stretch."""
        updates = [self._difference(update) for update in stretch.updates]
        return pickle.dumps((updates, stretch.until_ns, stretch.wants_loads))

    def update(self, update: SteeringUpdate) -> bytes:
        """An update that is in no stretch."""
        return pickle.dumps(self._difference(update))

    def _difference(self, update: SteeringUpdate) -> tuple[Any, ...]:
        before, after = self._snapshot, update.snapshot
        self._snapshot = after
        arrays = {
            name: _array_difference(getattr(before.arrays, name), getattr(after.arrays, name))
            for name in SnapshotArrays._fields
            if getattr(before.arrays, name) is not getattr(after.arrays, name)
        }
        members = _member_differences(before, after, without=("arrays", "configuration"))
        configuration = _member_differences(before.configuration, after.configuration)
        return update.requested_at_ns, update.adopted_at_ns, members, configuration, arrays, update.change


class UpdateReader:
    """Reads what an `UpdateWriter` has written, in the same order."""

    def __init__(self, snapshot: SteeringSnapshot) -> None:
        self._snapshot = snapshot

    def stretch(self, data: bytes) -> Stretch:
        """The stretch."""
        updates, until_ns, wants_loads = pickle.loads(data)
        return Stretch(tuple(map(self._updated, updates)), until_ns, wants_loads)

    def update(self, data: bytes) -> SteeringUpdate:
        """The update."""
        return self._updated(pickle.loads(data))

    def _updated(self, difference: tuple[Any, ...]) -> SteeringUpdate:
        requested_at_ns, adopted_at_ns, members, configuration, arrays, change = difference
        before = self._snapshot
        assert members["epoch"] == before.epoch + 1, "updates are read in the order in which they were written"
        self._snapshot = replace(
            before,
            configuration=_changed(before.configuration, configuration),
            arrays=before.arrays._replace(
                **{name: _changed_array(getattr(before.arrays, name), one) for name, one in arrays.items()}
            ),
            **_changed_members(before, members),
        )
        return SteeringUpdate(requested_at_ns, adopted_at_ns, self._snapshot, change)


# Members of dataclasses ----------------------------------------------------------------------------------------------


def _member_differences(before: Any, after: Any, without: tuple[str, ...] = ()) -> dict[str, Any]:
    """The members that are other objects than before; of a list with the same length, such items by position."""
    differences: dict[str, Any] = {}
    for field in fields(after):
        name = field.name
        old, new = getattr(before, name), getattr(after, name)
        if old is new or name in without:
            continue
        if name in _LISTS and len(old) == len(new):
            new = {at: item for at, (was, item) in enumerate(zip(old, new, strict=True)) if was is not item}
        differences[name] = new
    return differences


def _changed_members(before: Any, differences: dict[str, Any]) -> dict[str, Any]:
    """The members of `_member_differences`, whole."""
    members = dict(differences)
    for name in _LISTS & differences.keys():
        if isinstance(differences[name], dict):
            items = list(getattr(before, name))
            for at, item in differences[name].items():
                items[at] = item
            members[name] = tuple(items)
    return members


def _changed(before: AdapterConfiguration, differences: dict[str, Any]) -> AdapterConfiguration:
    return replace(before, **_changed_members(before, differences)) if differences else before


# Arrays --------------------------------------------------------------------------------------------------------------


def _array_difference(before: npt.NDArray[Any], after: npt.NDArray[Any]) -> Any:
    """Where bytes begin to differ and the bytes from there to the last differing one; the array if its size changes."""
    if before.shape != after.shape:
        return after
    old, new = before.view(np.uint8), after.view(np.uint8)
    at = np.flatnonzero(old != new)
    first, end = (int(at[0]), int(at[-1]) + 1) if len(at) else (0, 0)
    return first, new[first:end].tobytes()


def _changed_array(before: npt.NDArray[Any], difference: Any) -> npt.NDArray[Any]:
    if isinstance(difference, np.ndarray):
        return read_only(difference)
    first, data = difference
    after = before.copy()
    after.view(np.uint8)[first : first + len(data)] = np.frombuffer(data, np.uint8)
    return read_only(after)
