"""The state's own bookkeeping: short cuts give the result of a search."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dataplane.control.state import AdapterState, FilterRecord, NativeRss, lowest_free
from dataplane.ids import ProcessorNumber
from dataplane.ndis.structures import FilterParameters
from dataplane.switch.configuration import FieldTest, Filter, MacField, RssState

NUMBERS = st.integers(0, 12)
ADDRESSES = (0x00155D010201, 0x00155D010202, 0x01005E000001)


@given(st.sets(NUMBERS), NUMBERS, NUMBERS)
def test_lowest_free_is_the_first_that_is_not_used(used: set[int], first: int, last: int) -> None:
    """With gaps and without, below and above the range (VPT-07, QUE-02, FLT-30)."""
    free = [number for number in range(first, last + 1) if number not in used]
    assert lowest_free(sorted(used), first, last) == (free[0] if free else None)


def record_of(filter_id: int, addresses: list[int]) -> FilterRecord:
    """A filter with one equality test for each address."""
    tests = tuple(FieldTest(MacField.DESTINATION_ADDRESS, address) for address in addresses)
    return FilterRecord(Filter(filter_id, 0, tests), FilterParameters())


@given(st.lists(st.tuples(st.integers(1, 4), st.none() | st.lists(st.sampled_from(ADDRESSES), max_size=3))))
def test_unicast_addresses_are_counted_along(steps: list[tuple[int, list[int] | None]]) -> None:
    """Whatever is set, replaced and cleared, each unicast address counts its filters (FLT-39)."""
    base = ProcessorNumber(0, 0)
    state = AdapterState(NativeRss(RssState(), base, 1), 0)
    expected: dict[int, list[int]] = {}
    for filter_id, addresses in steps:
        if addresses is not None:
            expected[filter_id] = addresses
            state = state.with_filter(filter_id, record_of(filter_id, addresses))
        elif expected.pop(filter_id, None) is not None:
            state = state.with_filter(filter_id, None)
    counts = {address: sum(address in one for one in expected.values()) for address in ADDRESSES[:2]}
    assert {address: count for address, count in counts.items() if count} == dict(state.unicast_addresses)
    assert state.without_filters().unicast_addresses == {}
