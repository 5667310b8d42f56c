"""The steering snapshot: the one thing the receive and transmit paths read (EPO-01).

`compile_snapshot` turns an `AdapterConfiguration` into flat read-only arrays. A snapshot is never edited; a change of
configuration makes the next one, with the next epoch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property, lru_cache
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from dataplane.arrays import read_only
from dataplane.ids import DEFAULT_PROCESSOR_INDEX, DEFAULT_VPORT_ID, PRIMARY_PROCESSOR_INDEX, ProcessorNumber
from dataplane.kernels.match import (
    ANY_VLAN,
    EXACT_VLAN,
    FILTER_ROW,
    MAC_ROW,
    TEST_ROW,
    UNTAGGED_OR_ZERO,
    mac_key,
    mac_slot,
    vlan_condition,
)
from dataplane.kernels.parse import (
    CLASSES,
    IPV4,
    IPV4_TCP,
    IPV4_UDP,
    IPV6,
    IPV6_EX,
    IPV6_EX_TCP,
    IPV6_EX_UDP,
    IPV6_TCP,
    IPV6_UDP,
)
from dataplane.kernels.steer import CLASS_ROW, CLASSES_BYTES, describe_snapshot, flow_seed
from dataplane.kernels.toeplitz import BYTE_TABLES, WINDOWS, method, toeplitz_table, toeplitz_windows
from dataplane.switch.configuration import (
    AdapterConfiguration,
    Filter,
    HashType,
    MacField,
    Mode,
    RssState,
    Test,
)

Item = TypeVar("Item")

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

#: Every target has so many steering parameters (*slots*), whatever the size of its table: its entries, then the default
#: and the primary processor. A slot keeps its number over all epochs of a run.
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
    """What the steering kernel is given of a snapshot."""

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
        """Bytes of the arrays that it does not share with another snapshot."""
        pairs = ((getattr(self.arrays, name), getattr(other.arrays, name)) for name in SnapshotArrays._fields)
        return sum(one.nbytes for one, its in pairs if one is not its)

    @cached_property
    def kernel_table(self) -> KernelTable:
        """Where the arrays lie in this process."""
        byte_tables = _byte_tables(self.hash_secret_keys if method() == BYTE_TABLES else ())
        return KernelTable(*describe_snapshot(self.arrays, byte_tables), byte_tables)

    def __getstate__(self) -> dict[str, Any]:
        """What another process gets: no addresses of this one."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @property
    def target_ids(self) -> list[int]:
        """VPort or queue ids by target row."""
        return [target.target_id for target in self.targets]

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


def processors_of(
    configuration: AdapterConfiguration, known: AdapterConfiguration | None = None
) -> tuple[ProcessorNumber, ...]:
    """Every processor the configuration can interrupt: RSS processors and all that are named by what is active.

    They ascend. What the configuration shares with `known` is not looked into.
    """
    named: set[ProcessorNumber] = {configuration.rss_base_processor}
    if known is None or configuration.rss_processors is not known.rss_processors:
        named.update(configuration.rss_processors)
    vports = _others(configuration.vports, known.vports if known else ())
    named.update(vport.primary_processor for vport in vports if not vport.rss.enabled)
    named.update(queue.processor for queue in _others(configuration.queues, known.queues if known else ()))
    for rss in [*(vport.rss for vport in vports), configuration.native_rss]:
        if rss.enabled:
            named.update(rss.indirection_table)
            if rss.default_processor is not None:
                named.add(rss.default_processor)
    return tuple(sorted(named))


def _others(items: Sequence[Item], known: Sequence[Item]) -> list[Item]:
    """The items that are not the same object as the known one at the same place."""
    return [*(item for item, old in zip(items, known, strict=False) if item is not old), *items[len(known) :]]


def compile_snapshot(
    configuration: AdapterConfiguration,
    epoch: int,
    processors: Sequence[ProcessorNumber] | None = None,
    before: SteeringSnapshot | None = None,
) -> SteeringSnapshot:
    """Compile a configuration; `processors` fixes the row of each processor (default: `processors_of`).

    With the snapshot `before`, processors and targets keep their rows, and arrays in which nothing changes are shared.
    What the configuration shares with that of `before` is not looked into. Raises KeyError when the configuration names
    a processor that has no row.
    """
    if before is not None:
        processors, processor_rows = before.processors, before.processor_rows
    else:
        processors = tuple(processors) if processors is not None else processors_of(configuration)
        processor_rows = {processor: row for row, processor in enumerate(processors)}
    targets, target_rows, changed = _targets_by_row(configuration, before)
    keys = _keys_by_row(targets, changed, before)
    arrays = SnapshotArrays(
        **_compile_filters(configuration, target_rows, before),
        **_compile_targets(targets, changed, keys, processor_rows, before),
        **_compile_settings(configuration, before),
    )
    return SteeringSnapshot(epoch, configuration, processors, targets, keys, arrays, processor_rows, target_rows)


def _compile_settings(
    configuration: AdapterConfiguration, before: SteeringSnapshot | None
) -> dict[str, npt.NDArray[Any]]:
    """What belongs to no filter and no target."""
    if before is not None and _settings(configuration) == _settings(before.configuration):
        return {name: getattr(before.arrays, name) for name in _OF_SETTINGS}
    *settings, multicast_list = _settings(configuration)
    return {
        "settings": read_only(np.array(settings, np.uint64)),
        "multicast_list": read_only(np.array(multicast_list, np.uint64)),
    }


def _settings(one: AdapterConfiguration) -> tuple[Any, ...]:
    return one.packet_filter.value, one.permanent_address, one.inner_headers, one.multicast_list


@lru_cache(maxsize=1024)
def hash_kind_by_class(hash_types: HashType) -> tuple[int, ...]:
    """Which hash type the enabled types give each packet class (HSH-09, HSH-19), as codes of HASH_KINDS."""

    def first_enabled(*candidates: HashType) -> int:
        return next((HASH_KINDS.index(candidate) for candidate in candidates if candidate & hash_types), 0)

    kinds = [0] * CLASSES
    kinds[IPV4] = first_enabled(HashType.IPV4)
    kinds[IPV4_TCP] = first_enabled(HashType.TCP_IPV4, HashType.IPV4)
    kinds[IPV4_UDP] = first_enabled(HashType.UDP_IPV4, HashType.IPV4)
    plain = (HashType.IPV6, HashType.IPV6_EX)
    extended = (HashType.IPV6_EX, HashType.IPV6)
    kinds[IPV6] = first_enabled(*plain)
    kinds[IPV6_TCP] = first_enabled(HashType.TCP_IPV6, HashType.TCP_IPV6_EX, *plain)
    kinds[IPV6_UDP] = first_enabled(HashType.UDP_IPV6, HashType.UDP_IPV6_EX, *plain)
    kinds[IPV6_EX] = first_enabled(*extended)
    kinds[IPV6_EX_TCP] = first_enabled(HashType.TCP_IPV6_EX, HashType.TCP_IPV6, *extended)
    kinds[IPV6_EX_UDP] = first_enabled(HashType.UDP_IPV6_EX, HashType.UDP_IPV6, *extended)
    return tuple(kinds)


def _targets(configuration: AdapterConfiguration, known: AdapterConfiguration | None = None) -> Iterator[Target]:
    """The targets of a configuration; those of VPorts and queues that it shares with `known` may be missing."""
    if configuration.mode is Mode.SWITCH:
        for vport in _others(configuration.vports, known.vports if known else ()):
            yield Target(
                vport.vport_id,
                vport.name or ("default" if vport.vport_id == DEFAULT_VPORT_ID else f"vport-{vport.vport_id}"),
                vport.primary_processor,
                vport.rss,
                vport.rss.enabled,
                vport.rss.indirection_table,
            )
        return
    base, native, receive_hash = configuration.rss_base_processor, configuration.native_rss, configuration.receive_hash
    spread = configuration.mode is Mode.NEUTRAL and native.enabled
    hashing = native if spread else receive_hash if configuration.mode is Mode.NEUTRAL else RssState()
    yield Target(0, "default", base, hashing, spread, configuration.native_table_in_use)
    for queue in _others(configuration.queues, known.queues if known else ()):
        yield Target(queue.queue_id, queue.name or f"queue-{queue.queue_id}", queue.processor, RssState(), False, ())


class _Targets(NamedTuple):
    by_row: tuple[Target, ...]
    rows: Mapping[int, int]  # by id
    changed: tuple[int, ...]  # rows in which another target stands than before, ascending


def _targets_by_row(configuration: AdapterConfiguration, before: SteeringSnapshot | None) -> _Targets:
    """The targets of a configuration in the rows they have had; new ones behind them."""
    if before is None:
        targets = list(_targets(configuration))
        rows = {target.target_id: row for row, target in enumerate(targets)}
        return _Targets(tuple(targets), rows, tuple(range(len(targets))))
    targets, changed, added = list(before.targets), [], {}
    for target in _targets(configuration, before.configuration):
        row = before.target_rows.get(target.target_id)
        if row is None:
            added[target.target_id] = row = len(targets)
            targets.append(target)
        elif target == targets[row]:
            continue
        targets[row] = target
        changed.append(row)
    return _Targets(
        tuple(targets), {**before.target_rows, **added} if added else before.target_rows, tuple(sorted(changed))
    )


def _keys_by_row(
    targets: Sequence[Target], changed: Sequence[int], before: SteeringSnapshot | None
) -> tuple[bytes, ...]:
    """The hash secret keys in use; those of `before` when they are enough."""
    if before is not None and _keys(targets[row] for row in changed).keys() <= set(before.hash_secret_keys):
        return before.hash_secret_keys
    return tuple(_keys(targets))


def _keys(targets: Iterable[Target]) -> dict[bytes, None]:
    """The keys of targets that hash, each once."""
    keys: dict[bytes, None] = {}
    for target in targets:
        if target.rss.enabled:
            assert target.rss.hash_secret_key is not None, "an entity that hashes has a key"
            keys[target.rss.hash_secret_key] = None
    return keys


def _compile_targets(
    targets: Sequence[Target],
    changed: Sequence[int],
    keys: tuple[bytes, ...],
    rows: Mapping[ProcessorNumber, int],
    before: SteeringSnapshot | None,
) -> dict[str, npt.NDArray[Any]]:
    """The arrays about targets; what is in rows that have not changed is taken from `before`."""
    if before is None or keys != before.hash_secret_keys:
        before, changed = None, range(len(targets))
        windows = read_only(np.concatenate([np.zeros(WINDOWS, np.uint64), *map(_windows_of, keys)]))
    else:
        windows = before.arrays.toeplitz_windows
    known = len(before.targets) if before is not None else 0
    heads: dict[int, Any] = {}
    class_rows: dict[int, Any] = {}
    slot_processors: dict[int, Any] = {}
    for row in changed:
        was, now = before.targets[row] if before is not None and row < known else None, targets[row]
        head = _head(now)
        if was is None or head != _head(was):
            heads[row] = [head]
        of_classes = _class_rows(row, now, keys)
        if was is None or of_classes != _class_rows(row, was, keys):
            class_rows[row] = of_classes
        if was is None or _pointed_to(now) != _pointed_to(was):
            slot_processors[row] = _slot_processors(now, rows)
    old = before.arrays if before is not None else None
    count = len(targets)
    return {
        "targets": _with_rows(old and old.targets, TARGET_ROW, count, 1, heads),
        "class_rows": _with_rows(old and old.class_rows, CLASS_ROW, count, CLASSES, class_rows),
        "toeplitz_windows": windows,
        "slot_processors": _with_rows(old and old.slot_processors, np.uint16, count, SLOTS_PER_TARGET, slot_processors),
    }


def _head(target: Target) -> tuple[Any, ...]:
    """The TARGET_ROW of a target."""
    entries = len(target.table) if target.spread else 1
    assert entries.bit_count() == 1, "a table in force has a power of two of entries"
    return target.target_id, target.rss.enabled, target.spread, entries - 1


def _pointed_to(target: Target) -> tuple[ProcessorNumber, ...]:
    """Where the slots in force point to: the entries and the default processor, or the primary processor alone."""
    if not target.spread:
        return (target.primary_processor,)
    return (*target.table, target.rss.default_processor or target.primary_processor)


def _slot_processors(target: Target, rows: Mapping[ProcessorNumber, int]) -> list[int]:
    """Where the slots of a target point to; those that are not in force, to row 0."""
    *table, last = [rows[processor] for processor in _pointed_to(target)]
    if not target.spread:
        return [*[0] * PRIMARY_SLOT, last]
    return [*table, *[0] * (DEFAULT_SLOT - len(table)), last, 0]


def _class_rows(row: int, target: Target, keys: tuple[bytes, ...]) -> list[tuple[int, ...]]:
    """The CLASS_ROWs of a target, which is in that row."""
    key = 0
    if target.rss.enabled:
        assert target.rss.hash_secret_key is not None, "an entity that hashes has a key"
        key = keys.index(target.rss.hash_secret_key)
    *_, table_mask = _head(target)
    seed, first_slot = flow_seed(target.target_id), row * SLOTS_PER_TARGET
    in_table = 0, first_slot
    alone = PRIMARY_PROCESSOR_INDEX, first_slot + PRIMARY_SLOT
    if target.spread:
        alone = DEFAULT_PROCESSOR_INDEX, first_slot + DEFAULT_SLOT
    return [
        (
            seed,
            entry_slot,
            _first_window(key, kind) * np.dtype(np.uint64).itemsize,
            row,
            kind,
            0,
            key,
            first_index,
            table_mask if kind else 0,
            0,
        )
        for kind in hash_kind_by_class(target.rss.hash_types if target.rss.enabled else HashType.NONE)
        for first_index, entry_slot in [in_table if kind and target.spread else alone]
    ]


def _with_rows(
    before: npt.NDArray[Any] | None, dtype: npt.DTypeLike, count: int, width: int, rows: Mapping[int, Sequence[Any]]
) -> npt.NDArray[Any]:
    """A flat array of that many rows: those of `before`, with the given values where some rows begin.

    It is `before` itself when nothing differs; a row of no values has zeros.
    """
    if before is not None and not rows and len(before) == count * width:
        return before
    array = np.zeros(count * width, dtype)
    if before is not None:
        array[: len(before)] = before
    for row, values in rows.items():
        array[row * width : row * width + len(values)] = values
    return read_only(array)


_OF_SETTINGS = ("settings", "multicast_list")
_OF_FILTERS = ("macs", "mac_shift", "filters", "general_filters", "general_tests")

_IPV4_BYTES, _IPV6_BYTES = 8, 32  # of both addresses; the ports follow
_WITH_PORTS = (
    HashType.TCP_IPV4 | HashType.UDP_IPV4 | HashType.TCP_IPV6 | HashType.UDP_IPV6
    | HashType.TCP_IPV6_EX | HashType.UDP_IPV6_EX
)  # fmt: skip


@lru_cache(maxsize=1024)
def _windows_of(key: bytes) -> npt.NDArray[np.uint64]:
    """A key's windows for inputs with ports, for IPv4 addresses alone, for IPv6 addresses alone; what is left out is 0.

    So the same multiplications hash a packet with its ports and without.
    """
    windows = np.tile(np.array(toeplitz_windows(key), np.uint64), (3, 1))
    windows[1, _IPV4_BYTES // 4 :] = 0
    windows[2, _IPV6_BYTES // 4 :] = 0
    return windows.reshape(-1)


@lru_cache(maxsize=8)
def _byte_tables(keys: tuple[bytes, ...]) -> npt.NDArray[np.uint32]:
    """The byte tables of some keys, one behind the other."""
    return read_only(np.concatenate([np.zeros(0, np.uint32), *(_byte_table(key) for key in keys)]))


@lru_cache(maxsize=64)
def _byte_table(key: bytes) -> npt.NDArray[np.uint32]:
    return toeplitz_table(key).reshape(-1)


def _first_window(key: int, kind: int) -> int:
    """Where the windows of key number `key` for a hash kind begin; those of kind 0 (no hash) are all 0."""
    hash_type = HASH_KINDS[kind]
    if hash_type is HashType.NONE:
        return 0
    row = 0 if hash_type & _WITH_PORTS else 1 if hash_type is HashType.IPV4 else 2
    return (1 + 3 * key + row) * WINDOWS


def _attracting(configuration: AdapterConfiguration) -> set[int]:
    """Ids of the targets whose filters attract frames now (RX-03)."""
    if configuration.mode is Mode.SWITCH:
        return {vport.vport_id for vport in configuration.vports if vport.activated}
    return {0, *(queue.queue_id for queue in configuration.queues if queue.running)}


def _attract_alike(one: AdapterConfiguration, other: AdapterConfiguration) -> bool:
    """Whether the same targets attract frames; in most cases known without looking at all of them."""
    if one.mode is other.mode and (len(one.vports), len(one.queues)) == (len(other.vports), len(other.queues)):
        vports = zip(one.vports, other.vports, strict=True)
        queues = zip(one.queues, other.queues, strict=True)
        if all(a is b or (a.vport_id, a.activated) == (b.vport_id, b.activated) for a, b in vports) and all(
            a is b or (a.queue_id, a.running) == (b.queue_id, b.running) for a, b in queues
        ):
            return True
    return _attracting(one) == _attracting(other)


def _compile_filters(
    configuration: AdapterConfiguration, target_rows: Mapping[int, int], before: SteeringSnapshot | None
) -> dict[str, npt.NDArray[Any]]:
    if (
        before is not None
        and configuration.filters == before.configuration.filters
        and _attract_alike(configuration, before.configuration)
    ):
        return {name: getattr(before.arrays, name) for name in _OF_FILTERS}
    active = _attracting(configuration)
    ordered = sorted(
        (one for one in configuration.filters if one.target_id in active),
        key=lambda one: (one.target_id == 0, one.target_id, one.filter_id),  # nondefault ids first (FLT-37)
    )
    by_address: dict[int, list[tuple[Any, ...]]] = {}
    general: list[tuple[Any, ...]] = []
    tests: list[tuple[bool, int, int, int]] = []
    for rank, one in enumerate(ordered):
        address, vlan_test, vlan_id = _simple(one)
        head = (rank, target_rows[one.target_id] * CLASSES_BYTES, one.filter_id)
        if address is not None:
            by_address.setdefault(address, []).append((*head, vlan_test, vlan_id, True, 0, 0))
        else:
            named = any(t.field is MacField.DESTINATION_ADDRESS and t.test is Test.EQUAL for t in one.tests)
            vlan_test = UNTAGGED_OR_ZERO if one.untagged_or_zero else ANY_VLAN
            general.append((*head, vlan_test, 0, named, len(tests), len(one.tests)))
            tests += [(t.field is MacField.VLAN_ID, t.test.value, t.value, t.result) for t in one.tests]
    capacity = 8
    while capacity < 4 * len(by_address):
        capacity *= 2
    shift = 64 - capacity.bit_length() + 1
    macs = np.zeros(capacity, MAC_ROW)
    flat: list[tuple[Any, ...]] = []
    for address, group in by_address.items():
        slot = mac_slot(address, shift)
        while macs["key"][slot]:
            slot = (slot + 1) % capacity
        _, classes, filter_id, vlan_test, vlan_id, *_ = group[0]
        macs[slot] = (
            mac_key(address), len(flat), len(group), filter_id, classes, *vlan_condition(vlan_test, vlan_id), 0,
        )  # fmt: skip
        flat += group
    return {
        "macs": read_only(macs),
        "mac_shift": read_only(np.array([shift], np.uint64)),
        "filters": read_only(np.array(flat, FILTER_ROW)),
        "general_filters": read_only(np.array(general, FILTER_ROW)),
        "general_tests": read_only(np.array(tests, TEST_ROW)),
    }


def _simple(one: Filter) -> tuple[int | None, int, int]:
    """The address, VLAN test and VLAN id of a filter of equality tests on one address and at most one VLAN id.

    The address is None for every other filter: those are evaluated test by test.
    """
    addresses = [t for t in one.tests if t.field is MacField.DESTINATION_ADDRESS]
    vlans = [t for t in one.tests if t.field is MacField.VLAN_ID]
    all_equal = all(t.test is Test.EQUAL for t in one.tests)
    if len(addresses) != 1 or len(vlans) > 1 or not all_equal or (vlans and one.untagged_or_zero):
        return None, ANY_VLAN, 0
    if vlans:
        return addresses[0].value, EXACT_VLAN, vlans[0].value
    return addresses[0].value, UNTAGGED_OR_ZERO if one.untagged_or_zero else ANY_VLAN, 0
