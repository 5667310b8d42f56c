"""The filters of a configuration as the tables that matching reads (FLT rules, RX-03)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from dataplane.arrays import read_only
from dataplane.kernels.match import (
    ANY_VLAN,
    EXACT_VLAN,
    FILTER_ROW,
    MAC_ROW,
    TEST_ROW,
    UNTAGGED_OR_ZERO,
    mac_bucket,
    mac_key,
    vlan_condition,
)
from dataplane.kernels.steer import CLASSES_BYTES
from dataplane.switch.configuration import AdapterConfiguration, Filter, MacField, Mode, Test
from dataplane.switch.snapshot import SteeringSnapshot

_NAMES = ("macs", "mac_shift", "filters", "general_filters", "general_tests")


def _attracting(configuration: AdapterConfiguration) -> set[int]:
    """Ids of the targets whose filters are active now (RX-03)."""
    if configuration.mode is Mode.SWITCH:
        return {vport.vport_id for vport in configuration.vports if vport.activated}
    return {0, *(queue.queue_id for queue in configuration.queues if queue.running)}


def _attract_alike(one: AdapterConfiguration, other: AdapterConfiguration) -> bool:
    """Whether the filters of the same targets are active; usually known without looking at all targets."""
    if one.mode is other.mode and (len(one.vports), len(one.queues)) == (len(other.vports), len(other.queues)):
        vports = zip(one.vports, other.vports, strict=True)
        queues = zip(one.queues, other.queues, strict=True)
        if all(a is b or (a.vport_id, a.activated) == (b.vport_id, b.activated) for a, b in vports) and all(
            a is b or (a.queue_id, a.running) == (b.queue_id, b.running) for a, b in queues
        ):
            return True
    return _attracting(one) == _attracting(other)


def compile_filters(
    configuration: AdapterConfiguration, target_rows: Mapping[int, int], before: SteeringSnapshot | None
) -> dict[str, npt.NDArray[Any]]:
    """The arrays of a snapshot that assign frames to targets; shared with `before` where nothing has changed.

    `target_rows` is by VPort or queue id.
    """
    if (
        before is not None
        and configuration.filters == before.configuration.filters
        and _attract_alike(configuration, before.configuration)
    ):
        return {name: getattr(before.arrays, name) for name in _NAMES}
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
        bucket = mac_bucket(address, shift)
        while macs["key"][bucket]:
            bucket = (bucket + 1) % capacity
        _, classes, filter_id, vlan_test, vlan_id, *_ = group[0]
        macs[bucket] = (
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
