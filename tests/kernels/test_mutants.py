"""The comparison of kernel and reference can fail: each wrong reading of a rule is told apart from the right one.

A mutant changes the reference, not the kernel, because compiled code cannot be patched. The generated frames and
configurations must contain a case that reference and kernel steer differently.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import Phase, find, settings
from hypothesis import strategies as st

from dataplane.switch.configuration import AdapterConfiguration, MacField, PacketFilter
from dataplane.switch.configuration import Test as FilterTest
from tests.kernels.test_steer import reference_row, steered_rows
from tests.reference import steering as reference
from tests.reference.frames import Frame, adapter_configurations, frames

Case = tuple[AdapterConfiguration, list[Frame]]


def untagged_flag_ignored(original: Callable[..., Any]) -> Callable[..., Any]:
    """UNTAGGED_OR_ZERO takes any tag (against FLT-17)."""

    def mutant(candidate: Any, tag: Any) -> bool:
        if candidate.untagged_or_zero and not any(test.field is MacField.VLAN_ID for test in candidate.tests):
            return True
        return bool(original(candidate, tag))

    return mutant


def any_test_passes(original: Callable[..., Any]) -> Callable[..., Any]:
    """OR within a filter (against FLT-32)."""

    def mutant(candidate: Any, address: int) -> bool:
        tests = [test for test in candidate.tests if test.field is MacField.DESTINATION_ADDRESS]
        return any(test.test is FilterTest.EQUAL and test.value == address for test in tests) or bool(
            original(candidate, address)
        )

    return mutant


def default_target_first(original: Callable[..., Any]) -> Callable[..., Any]:
    """The default VPort is tried first (against FLT-37)."""
    return lambda configuration: sorted(original(configuration))


def broadcast_is_multicast(original: Callable[..., Any]) -> Callable[..., Any]:
    """ALL_MULTICAST lets broadcasts in (against RX-07)."""

    def mutant(configuration: AdapterConfiguration, destination: int) -> bool:
        if configuration.packet_filter & PacketFilter.ALL_MULTICAST and destination >> 40 & 1:
            return True
        return bool(original(configuration, destination))

    return mutant


def fragments_have_ports(original: Callable[..., Any]) -> Callable[..., Any]:
    """An IPv4 first fragment is hashed with its ports (against HSH-10)."""

    def mutant(packet: Any) -> Any:
        data = bytearray(packet.captured)
        if len(data) >= 8 and data[6] & 0x20 and not data[6] & 0x1F and not data[7]:
            data[6] &= ~0x20
            return original(type(packet)(bytes(data), *(getattr(packet, f) for f in packet.__slots__[1:])))
        return original(packet)

    return mutant


def no_home_address(original: Callable[..., Any]) -> Callable[..., Any]:
    """Home Address options are skipped (against HSH-16)."""
    return lambda options: original(options) and None


def no_routing_address(original: Callable[..., Any]) -> Callable[..., Any]:
    """Type 2 routing headers are skipped (against HSH-17)."""
    return lambda routing: None


def low_bits_reversed(original: Callable[..., Any]) -> Callable[..., Any]:
    """The index is taken from the most significant bits (against HSH-27)."""
    return lambda hash_value, entries: hash_value * entries >> 32


MUTANTS = {
    "vlan_conditions_pass": untagged_flag_ignored,
    "address_tests_pass": any_test_passes,
    "targets_in_order": default_target_first,
    "packet_filter_accepts": broadcast_is_multicast,
    "_parse_ipv4": fragments_have_ports,
    "_home_address": no_home_address,
    "_type_2_routing_address": no_routing_address,
    "indirection_table_index": low_bits_reversed,
}


@pytest.mark.parametrize("name", MUTANTS)
def test_wrong_reading_is_noticed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some generated frame is steered differently by a reference with one rule misread."""
    monkeypatch.setattr(reference, name, MUTANTS[name](getattr(reference, name)))

    def differs(case: Case) -> bool:
        configuration, given_frames = case
        rows = steered_rows(configuration, given_frames, transmit_by_source=False)
        steered = [reference.steer(configuration, frame.data, frame.wire_length) for frame in given_frames]
        expected = [reference_row(one) for one in steered]
        return [{key: row[key] for key in expected[0]} for row in rows] != expected

    quick = settings(max_examples=1000, deadline=None, derandomize=True, phases=[Phase.generate])
    find(st.tuples(adapter_configurations(), st.lists(frames(), min_size=8, max_size=8)), differs, settings=quick)
