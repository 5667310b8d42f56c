"""Matching an address and a VLAN id against the filters of a snapshot (rules, section 6).

These functions take the memory addresses of the tables instead of arrays: they are called for each frame, and numba
would count references for each array in each call (see `memory.address_of`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from dataplane.kernels.memory import read_u32, read_u64

#: Open-addressing table of the addresses that filters test for; `key` is `mac_key`, 0 in an empty bucket. A row
#: contains the whole first filter of its address, which is nearly always the only one.
MAC_ROW = np.dtype(
    [
        ("key", np.uint64),
        ("first", np.uint32),  # first row of the address in the filter table
        ("count", np.uint32),  # number of its rows there
        ("filter_id", np.uint32),
        ("classes", np.uint32),  # of its target, as in FILTER_ROW
        ("vlan_mask", np.uint16),  # the filter passes if vlan_mask & TCI == vlan_value
        ("vlan_value", np.uint16),  # read together with the mask, as one uint32
        ("unused", np.uint32),
    ]
)

#: A filter. The rows of one address lie together, in the order of FLT-37. General filters, those without one exact
#: address, are in a table of their own, in the order of their rank.
FILTER_ROW = np.dtype(
    [
        ("rank", np.int64),  # order of FLT-37: smaller is tried first
        ("classes", np.int64),  # offset of the rows of its target in the snapshot's `class_rows`, in bytes
        ("filter_id", np.int64),
        ("vlan_test", np.int64),  # ANY_VLAN, UNTAGGED_OR_ZERO or EXACT_VLAN
        ("vlan_id", np.int64),
        ("names_address", np.int64),  # 1: has an equality test on the address
        ("test_first", np.int64),  # general filters: first row in the table of tests
        ("test_count", np.int64),  # and number of rows
    ]
)

#: One test of a general filter; `test` is the NDIS_RECEIVE_FILTER_TEST number.
TEST_ROW = np.dtype([("is_vlan", np.int64), ("test", np.int64), ("value", np.uint64), ("result", np.uint64)])

ANY_VLAN, UNTAGGED_OR_ZERO, EXACT_VLAN = range(3)
VID = 0xFFF  # the bits of the VLAN id in the TCI
LAST_RANK = 1 << 62

_MULTIPLIER, _USED = np.uint64(0x9E37_79B9_7F4A_7C15), np.uint64(0xFFFF)
_MAC_BYTES, _FILTER_BYTES, _TEST_BYTES = MAC_ROW.itemsize, FILTER_ROW.itemsize, TEST_ROW.itemsize
_FIRST, _COUNT, _FILTER_ID, _CLASSES, _VLAN_CONDITION = 8, 12, 16, 20, 24  # offsets in MAC_ROW
RANK, CLASSES, FILTER_ID, VLAN_TEST, VLAN_ID, NAMES_ADDRESS, TEST_FIRST, TEST_COUNT = range(0, 64, 8)  # in FILTER_ROW
_IS_VLAN, _TEST, _VALUE, _RESULT = range(0, 32, 8)  # in TEST_ROW
_MASK_EQUAL, _NOT_EQUAL = 2, 3

_BROADCAST = np.uint64(0xFFFF_FFFF_FFFF)
_GROUP_BIT = np.uint64(1 << 40)
_DIRECTED, _MULTICAST, _ALL_MULTICAST, _BROADCAST_BIT, _PROMISCUOUS = 0x1, 0x2, 0x4, 0x8, 0x20


@njit(inline="always")
def filter_field(filters: int, row: int, offset: int) -> int:
    """A field, at byte `offset`, of row `row` of the FILTER_ROW table at address `filters`."""
    return np.int64(read_u64(filters + row * _FILTER_BYTES + offset))


@njit(inline="always")
def _vlan_passes(filters: int, row: int, vid: int) -> bool:
    """Whether a frame meets the VLAN condition of a filter; `vid` is 0 for untagged frames (FLT-16, FLT-22, FLT-28)."""
    vlan_test = filter_field(filters, row, VLAN_TEST)
    if vlan_test == UNTAGGED_OR_ZERO:
        return vid == 0
    if vlan_test == EXACT_VLAN:
        return vid == filter_field(filters, row, VLAN_ID)
    return True


def vlan_condition(vlan_test: int, vlan_id: int) -> tuple[int, int]:
    """(`vlan_mask`, `vlan_value`) of a MAC_ROW."""
    return (0, 0) if vlan_test == ANY_VLAN else (VID, vlan_id)


def mac_key(address: int) -> int:
    """The key of a 48-bit address in the table: the address is in the upper bits, as in a frame's first 8 bytes."""
    return address << 16 | int(_USED)


def mac_bucket(address: int, shift: int) -> int:
    """The row at which the search for an address begins, in a table of 2^(64 - shift) rows."""
    return (mac_key(address) * int(_MULTIPLIER) % 2**64) >> shift


@njit(inline="always")
def mac_row(macs: int, mac_mask: int, mac_shift: Any, address: Any) -> Any:
    """(whether filters test for a 48-bit address, memory address of its MAC_ROW)."""
    wanted = (address << np.uint64(16)) | _USED
    bucket = np.int64((wanted * _MULTIPLIER) >> mac_shift)
    while True:
        at = macs + bucket * _MAC_BYTES
        key = read_u64(at)
        if key == wanted:
            return True, at
        if key == 0:
            return False, at
        bucket = (bucket + 1) & mac_mask


@njit(cache=True, nogil=True)
def _first_passing(filters: int, first: int, end: int, vid: int) -> int:
    """The first of the rows `first` to `end` - 1 whose VLAN condition holds, -1 if none."""
    for row in range(first, end):
        if _vlan_passes(filters, row, vid):
            return row
    return -1


@njit(inline="always")
def match_address(macs: int, mac_mask: int, mac_shift: Any, filters: int, address: Any, tci: Any) -> Any:
    """(classes, filter id) of the first filter of an address that passes, (-1, 0) if none (FLT-32, FLT-33, FLT-37).

    The low 16 bits of `tci` are the TCI of the frame, 0 for an untagged frame. The result is right only if the snapshot
    has no general filters; `match_any` handles these.
    """
    is_known, at = mac_row(macs, mac_mask, mac_shift, address)
    classes, filter_id = np.int64(-1), np.int64(0)
    if is_known:
        classes, filter_id = np.int64(read_u32(at + _CLASSES)), np.int64(read_u32(at + _FILTER_ID))
        vlan = read_u32(at + _VLAN_CONDITION)
        if tci & vlan & np.uint64(0xFFFF) != vlan >> np.uint64(16):
            classes, filter_id = np.int64(-1), np.int64(0)
            first, count = np.int64(read_u32(at + _FIRST)), np.int64(read_u32(at + _COUNT))
            if count > 1:
                row = _first_passing(filters, first + 1, first + count, np.int64(tci) & VID)
                if row >= 0:
                    classes, filter_id = filter_field(filters, row, CLASSES), filter_field(filters, row, FILTER_ID)
    return classes, filter_id


@njit(cache=True, nogil=True)
def _general_passes(general: int, tests: int, row: int, address: Any, vid: int, test_vlan: bool) -> bool:
    """Whether a frame passes a general filter; VLAN conditions are tested only if `test_vlan` (FLT-12, FLT-32)."""
    if test_vlan and filter_field(general, row, VLAN_TEST) == UNTAGGED_OR_ZERO and vid != 0:
        return False
    first = filter_field(general, row, TEST_FIRST)
    for t in range(first, first + filter_field(general, row, TEST_COUNT)):
        test = tests + t * _TEST_BYTES
        is_vlan = read_u64(test + _IS_VLAN) != 0
        if is_vlan:
            if not test_vlan:
                continue
            if vid == 0:  # no tag, or a priority tag: there is no VLAN id to test (FLT-28)
                return False
        field = np.uint64(vid) if is_vlan else address
        kind = read_u64(test + _TEST)
        value = read_u64(test + _VALUE)
        if kind == _MASK_EQUAL:
            passes = (field & value) == read_u64(test + _RESULT)
        elif kind == _NOT_EQUAL:
            passes = field != value
        else:
            passes = field == value
        if not passes:
            return False
    return True


@njit(cache=True, nogil=True)
def _match_general(general: int, count: int, tests: int, address: Any, vid: int, before: int) -> int:
    """Row of the first general filter that passes and whose rank is less than `before`, -1 if none (FLT-37)."""
    for row in range(count):
        if filter_field(general, row, RANK) >= before:
            return -1
        if _general_passes(general, tests, row, address, vid, True):
            return row
    return -1


@njit(cache=True, nogil=True)
def match_any(
    macs: int, mac_mask: int, mac_shift: Any, filters: int, general: int, count: int, tests: int, address: Any, vid: int
) -> Any:
    """(classes, filter id) of the first filter that passes, general filters included; (-1, 0) if none passes.

    `general` is the address of the table of general filters, `count` its rows, `tests` the table of their tests.
    """
    classes, filter_id, rank = np.int64(-1), np.int64(0), np.int64(LAST_RANK)
    is_known, at = mac_row(macs, mac_mask, mac_shift, address)
    if is_known:
        first = np.int64(read_u32(at + _FIRST))
        row = _first_passing(filters, first, first + np.int64(read_u32(at + _COUNT)), vid)
        if row >= 0:
            classes, filter_id = filter_field(filters, row, CLASSES), filter_field(filters, row, FILTER_ID)
            rank = filter_field(filters, row, RANK)
    row = _match_general(general, count, tests, address, vid, rank)
    if row >= 0:
        classes, filter_id = filter_field(general, row, CLASSES), filter_field(general, row, FILTER_ID)
    return classes, filter_id


@njit(cache=True, nogil=True)
def match_sender(
    macs: int, mac_mask: int, mac_shift: Any, filters: int, general: int, count: int, tests: int, address: Any, vid: int
) -> Any:
    """(classes, filter id) of the filter that names the source address of a send, (-1, 0) if no filter names it.

    A filter names an address if it has an equality test on the address. Filters whose VLAN conditions hold for the
    frame come before the other filters of the address; within both sets the order is that of FLT-37.
    """
    is_known, at = mac_row(macs, mac_mask, mac_shift, address)
    first = np.int64(read_u32(at + _FIRST)) if is_known else 0
    end = first + np.int64(read_u32(at + _COUNT)) if is_known else 0
    for test_vlan in (True, False):
        classes, filter_id, rank = np.int64(-1), np.int64(0), np.int64(LAST_RANK)
        for row in range(first, end):
            if not test_vlan or _vlan_passes(filters, row, vid):
                classes, filter_id = filter_field(filters, row, CLASSES), filter_field(filters, row, FILTER_ID)
                rank = filter_field(filters, row, RANK)
                break
        for row in range(count):
            if filter_field(general, row, RANK) >= rank:
                break
            names_address = filter_field(general, row, NAMES_ADDRESS) != 0
            if names_address and _general_passes(general, tests, row, address, vid, test_vlan):
                classes, filter_id = filter_field(general, row, CLASSES), filter_field(general, row, FILTER_ID)
                break
        if classes >= 0:
            return classes, filter_id
    return np.int64(-1), np.int64(0)


@njit(cache=True, nogil=True)
def packet_filter_accepts(bits: int, permanent_address: Any, listed: int, listed_count: int, address: Any) -> bool:
    """Whether the packet filter lets a frame that matched no filter through (RX-07).

    `listed` is the memory address of the multicast list: `listed_count` addresses of 8 bytes each.
    """
    if bits & _PROMISCUOUS:
        return True
    if bits & _DIRECTED and address == permanent_address:
        return True
    if address == _BROADCAST:
        if bits & _BROADCAST_BIT:
            return True
    elif address & _GROUP_BIT and bits & _ALL_MULTICAST:
        return True
    if bits & _MULTICAST:
        for i in range(listed_count):
            if read_u64(listed + 8 * i) == address:
                return True
    return False
