"""The steering snapshot: the only configuration that the receive and transmit paths read (EPO-01).

It consists of flat read-only arrays, which `switch.compile` makes from an `AdapterConfiguration`. A snapshot is never
edited; a change of configuration makes the next snapshot, with the next epoch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from dataplane.arrays import read_only
from dataplane.ids import DEFAULT_PROCESSOR_INDEX, PRIMARY_PROCESSOR_INDEX, ProcessorNumber
from dataplane.kernels.steer import describe_snapshot
from dataplane.kernels.toeplitz import BYTE_TABLES, method, toeplitz_table
from dataplane.switch.configuration import AdapterConfiguration, HashType, Mode, RssState

#: Hash types in the order of their codes in the `hash_kind` column; code 0 is "no hash".
HASH_KINDS: tuple[HashType, ...] = (
    HashType.NONE,
    HashType.IPV4,
    HashType.TCP_IPV4,
    HashType.UDP_IPV4,
    HashType.IPV6,
    HashType.TCP_IPV6,
    HashType.UDP_IPV6,
    HashType.IPV6_EX,
    HashType.TCP_IPV6_EX,
    HashType.UDP_IPV6_EX,
)
HASH_KIND_NAMES = tuple("none" if kind is HashType.NONE else str(kind.name).lower() for kind in HASH_KINDS)

#: Entries of the largest indirection table (RSS-15).
TABLE_ENTRIES_MAX = 128

#: Number of steering parameters (*slots*) of every target, whatever the size of its table: its entries, then the
#: default and the primary processor. A slot keeps its number over all epochs of a run.
SLOTS_PER_TARGET = TABLE_ENTRIES_MAX + 2
DEFAULT_SLOT = TABLE_ENTRIES_MAX
PRIMARY_SLOT = TABLE_ENTRIES_MAX + 1

TARGET_ROW = np.dtype(
    [
        ("target_id", np.uint16),  # VPort or queue id
        ("has_hash", np.bool_),  # compute hashes at all (RSS enabled, or receive hash RSS-23)
        ("spread", np.bool_),  # RSS enabled: use table and default processor
        ("table_mask", np.uint32),  # number of entries - 1 (HSH-27)
    ]
)


class SnapshotArrays(NamedTuple):
    """What the kernels read; every array is C-contiguous and read-only."""

    macs: npt.NDArray[Any]  # MAC_ROW, capacity a power of two
    mac_shift: npt.NDArray[np.uint64]  # (1,) right shift that turns the multiplied address into a slot
    filters: npt.NDArray[Any]  # FILTER_ROW: exact-address filters, grouped by address, each group by rank
    general_filters: npt.NDArray[Any]  # FILTER_ROW: filters that no address lookup finds, by rank
    general_tests: npt.NDArray[Any]  # TEST_ROW
    targets: npt.NDArray[Any]  # TARGET_ROW; row 0 is the default VPort or queue
    class_rows: npt.NDArray[Any]  # CLASS_ROW, flat (targets * CLASSES,): by target and packet class
    toeplitz_windows: npt.NDArray[np.uint64]  # flat ((1 + 3 * keys) * WINDOWS,): none, then for each key `_windows_of`
    slot_processors: npt.NDArray[
        np.uint16
    ]  # flat (targets * SLOTS_PER_TARGET,): where each points, row of `processors`
    settings: npt.NDArray[np.uint64]  # (3,) bits of PacketFilter, the permanent address, 1 to look at inner headers
    multicast_list: npt.NDArray[np.uint64]


class Target(NamedTuple):
    """A VPort or queue as it was compiled."""

    target_id: int
    name: str
    primary_processor: ProcessorNumber
    rss: RssState  # what hashes
    spread: bool
    table: tuple[ProcessorNumber, ...]


class KernelTable(NamedTuple):
    """The form of a snapshot that the steering kernel gets."""

    addresses: npt.NDArray[np.int64]  # see `kernels.steer.describe_snapshot`
    address: int  # of these
    byte_tables: npt.NDArray[np.uint32]  # flat (keys * 36 * 256,), or empty; the addresses lead there


@dataclass(frozen=True)
class SteeringSnapshot:
    """An immutable compiled configuration with its epoch."""

    epoch: int
    configuration: AdapterConfiguration
    processors: tuple[ProcessorNumber, ...]  # processor rows name these
    targets: tuple[Target, ...]  # by target row; one that is gone stays as it was, and no frame finds it
    hash_secret_keys: tuple[bytes, ...]  # in the order of `toeplitz_windows`
    arrays: SnapshotArrays
    processor_rows: Mapping[ProcessorNumber, int]  # `processors`, the other way round
    target_rows: Mapping[int, int]  # by VPort or queue id

    def bytes_beside(self, other: SteeringSnapshot) -> int:
        """Bytes of the arrays that are not shared with the other snapshot."""
        pairs = ((getattr(self.arrays, name), getattr(other.arrays, name)) for name in SnapshotArrays._fields)
        return sum(one.nbytes for one, its in pairs if one is not its)

    @cached_property
    def kernel_table(self) -> KernelTable:
        """Where the arrays lie in this process."""
        byte_tables = _byte_tables(self.hash_secret_keys if method() == BYTE_TABLES else ())
        return KernelTable(*describe_snapshot(self.arrays, byte_tables), byte_tables)

    def __getstate__(self) -> dict[str, Any]:
        """The pickled form, without the addresses of this process."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @property
    def target_ids(self) -> list[int]:
        """VPort or queue ids by target row."""
        return [target.target_id for target in self.targets]

    @property
    def live_target_ids(self) -> frozenset[int]:
        """Ids of the VPorts or queues that exist."""
        one = self.configuration
        if one.mode is Mode.SWITCH:
            return frozenset(vport.vport_id for vport in one.vports)
        return frozenset({0, *(queue.queue_id for queue in one.queues)})

    @property
    def target_names(self) -> tuple[str, ...]:
        """Names by target row."""
        return tuple(target.name for target in self.targets)


def slot_names(slots: npt.NDArray[Any]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint16]]:
    """Target row of each slot, and its table index, DEFAULT_PROCESSOR_INDEX or PRIMARY_PROCESSOR_INDEX."""
    target, index = np.divmod(slots.astype(np.int64), SLOTS_PER_TARGET)
    index[index == DEFAULT_SLOT] = DEFAULT_PROCESSOR_INDEX
    index[index == PRIMARY_SLOT] = PRIMARY_PROCESSOR_INDEX
    return target, index.astype(np.uint16)


@lru_cache(maxsize=8)
def _byte_tables(keys: tuple[bytes, ...]) -> npt.NDArray[np.uint32]:
    """The byte tables of some keys, one after the other."""
    return read_only(np.concatenate([np.zeros(0, np.uint32), *(_byte_table(key) for key in keys)]))


@lru_cache(maxsize=64)
def _byte_table(key: bytes) -> npt.NDArray[np.uint32]:
    return toeplitz_table(key).reshape(-1)
