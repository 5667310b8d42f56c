"""Loads and stores at any byte offset."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numba import njit

from dataplane.arrays import read_only
from dataplane.kernels import memory

DATA = np.arange(1, 65, dtype=np.uint8) * 37
LOADS = {
    "load_u8": (1, "little"),
    "load_u32": (4, "little"),
    "load_u64": (8, "little"),
    "load_u16_be": (2, "big"),
    "load_u32_be": (4, "big"),
    "load_u64_be": (8, "big"),
}
STORES = {
    "store_u16_be": (2, "big"),
    "store_u32": (4, "little"),
    "store_u64": (8, "little"),
    "store_u64_be": (8, "big"),
}


def compiled(name: str, arguments: int) -> Any:
    """An intrinsic as a function that Python can call."""
    intrinsic = getattr(memory, name)
    if arguments == 1:
        return njit(lambda value: intrinsic(value))  # noqa: PLW0108 - numba compiles functions only
    if arguments == 2:
        return njit(lambda data, offset: intrinsic(data, offset))  # noqa: PLW0108 - numba compiles functions only
    return njit(lambda data, offset, value: intrinsic(data, offset, value))  # noqa: PLW0108 - numba compiles functions only


@pytest.mark.parametrize("name", LOADS)
def test_loads(name: str) -> None:
    """A load at any offset gives the bytes there in the order its name says, from read-only arrays as well."""
    load = compiled(name, 2)
    size, order = LOADS[name]
    for offset in range(0, 65 - size):
        expected = int.from_bytes(DATA[offset : offset + size].tobytes(), order)  # type: ignore[arg-type]
        assert load(DATA, offset) == load(read_only(DATA), np.uint32(offset)) == expected


@pytest.mark.parametrize("name", STORES)
def test_stores(name: str) -> None:
    """A store at any offset changes its bytes and no others, and takes the low bits of signed numbers."""
    store = compiled(name, 3)
    size, order = STORES[name]
    for offset in range(0, 65 - size):
        for value in (0x0123456789ABCDEF, -2):
            data = DATA.copy()
            store(data, offset, value)
            expected = bytearray(DATA.tobytes())
            low = value & ((1 << 8 * size) - 1)
            expected[offset : offset + size] = low.to_bytes(size, order)  # type: ignore[arg-type]
            assert data.tobytes() == bytes(expected)


def test_count_leading_zeros() -> None:
    """The position of the highest bit, for every bit."""
    count = compiled("count_leading_zeros", 1)
    assert [count(np.uint64(1 << bit)) for bit in range(64)] == list(range(63, -1, -1))
    assert count(np.uint64(0)) == 64


def test_prefetch_changes_nothing() -> None:
    """A prefetch may name any offset, also one far outside."""
    fetch = compiled("prefetch", 2)
    data = DATA.copy()
    fetch(data, 3)
    fetch(data, 1 << 40)
    assert data.tobytes() == DATA.tobytes()
