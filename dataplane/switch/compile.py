"""Compiles a configuration into a steering snapshot (EPO-01, EPO-02).

Objects that the configuration shares with the previous one are not looked at, and arrays without a change are shared
with the previous snapshot.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from dataplane.arrays import read_only
from dataplane.ids import DEFAULT_PROCESSOR_INDEX, DEFAULT_VPORT_ID, PRIMARY_PROCESSOR_INDEX, ProcessorNumber
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
from dataplane.kernels.steer import CLASS_ROW, flow_seed
from dataplane.kernels.toeplitz import WINDOWS, toeplitz_windows
from dataplane.switch.configuration import AdapterConfiguration, HashType, Mode, RssState
from dataplane.switch.filter_tables import compile_filters
from dataplane.switch.snapshot import (
    DEFAULT_SLOT,
    HASH_KINDS,
    PRIMARY_SLOT,
    SLOTS_PER_TARGET,
    TARGET_ROW,
    SnapshotArrays,
    SteeringSnapshot,
    Target,
)

Item = TypeVar("Item")

_IPV4_BYTES, _IPV6_BYTES = 8, 32  # of both addresses; the ports follow
_WITH_PORTS = (
    HashType.TCP_IPV4 | HashType.UDP_IPV4 | HashType.TCP_IPV6 | HashType.UDP_IPV6
    | HashType.TCP_IPV6_EX | HashType.UDP_IPV6_EX
)  # fmt: skip


_OF_SETTINGS = ("settings", "multicast_list")


def processors_of(
    configuration: AdapterConfiguration, known: AdapterConfiguration | None = None
) -> tuple[ProcessorNumber, ...]:
    """Every processor the configuration can interrupt, ascending: RSS processors and those that active objects name.

    Objects that the configuration shares with `known` are not looked at.
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

    With the snapshot `before`, processors and targets keep their rows, and arrays without a change are shared. Objects
    that the configuration shares with that of `before` are not looked at. Raises KeyError if the configuration names a
    processor that has no row.
    """
    if before is not None:
        processors, processor_rows = before.processors, before.processor_rows
    else:
        processors = tuple(processors) if processors is not None else processors_of(configuration)
        processor_rows = {processor: row for row, processor in enumerate(processors)}
    targets, target_rows, changed = _targets_by_row(configuration, before)
    keys = _keys_by_row(targets, changed, before)
    arrays = SnapshotArrays(
        **compile_filters(configuration, target_rows, before),
        **_compile_targets(targets, changed, keys, processor_rows, before),
        **_compile_settings(configuration, before),
    )
    return SteeringSnapshot(epoch, configuration, processors, targets, keys, arrays, processor_rows, target_rows)


def _compile_settings(
    configuration: AdapterConfiguration, before: SteeringSnapshot | None
) -> dict[str, npt.NDArray[Any]]:
    """The values that belong to no filter and no target."""
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
    """The targets of a configuration; VPorts and queues that it shares with `known` may be missing."""
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
    """The targets of a configuration in their previous rows, followed by new ones."""
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
    """The hash secret keys in use; those of `before` if they include all."""
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
    """The arrays about targets; rows that have not changed are taken from `before`."""
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
        if was is None or row in heads or _hashed_by(now) != _hashed_by(was):
            class_rows[row] = _class_rows(row, now, keys)
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


def _hashed_by(target: Target) -> tuple[Any, ...]:
    """What the CLASS_ROWs of a target follow from, besides its head, its row and the keys of all targets."""
    return (target.rss.hash_types, target.rss.hash_secret_key) if target.rss.enabled else ()


def _pointed_to(target: Target) -> tuple[ProcessorNumber, ...]:
    """The processors of the slots in force: entries and default processor, or only the primary processor."""
    if not target.spread:
        return (target.primary_processor,)
    return (*target.table, target.rss.default_processor or target.primary_processor)


def _slot_processors(target: Target, rows: Mapping[ProcessorNumber, int]) -> list[int]:
    """The processors of a target's slots; row 0 for slots that are not in force."""
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
    """A flat array of that many rows: the rows of `before`, with the given values written at some rows.

    It is `before` itself if nothing differs; a row without values has zeros.
    """
    if before is not None and not rows and len(before) == count * width:
        return before
    array = np.zeros(count * width, dtype)
    if before is not None:
        array[: len(before)] = before
    for row, values in rows.items():
        array[row * width : row * width + len(values)] = values
    return read_only(array)


@lru_cache(maxsize=1024)
def _windows_of(key: bytes) -> npt.NDArray[np.uint64]:
    """A key's windows for inputs with ports, for IPv4 addresses alone, and for IPv6 addresses alone.

    Windows of unused input are 0, so the same multiplications hash a packet with or without its ports.
    """
    windows = np.tile(np.array(toeplitz_windows(key), np.uint64), (3, 1))
    windows[1, _IPV4_BYTES // 4 :] = 0
    windows[2, _IPV6_BYTES // 4 :] = 0
    return windows.reshape(-1)


def _first_window(key: int, kind: int) -> int:
    """Where the windows of key number `key` for a hash kind begin; those of kind 0 (no hash) are all 0."""
    hash_type = HASH_KINDS[kind]
    if hash_type is HashType.NONE:
        return 0
    row = 0 if hash_type & _WITH_PORTS else 1 if hash_type is HashType.IPV4 else 2
    return (1 + 3 * key + row) * WINDOWS
