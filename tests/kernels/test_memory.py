"""Reads and writes at any address."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numba import njit

from dataplane.kernels import memory

DATA = np.arange(1, 65, dtype=np.uint8) * 37
READS = {
    "read_u8": (1, "little"),
    "read_u16": (2, "little"),
    "read_u32": (4, "little"),
    "read_u64": (8, "little"),
    "read_u16_be": (2, "big"),
    "read_u32_be": (4, "big"),
    "read_u64_be": (8, "big"),
}
WRITES = {
    "write_u8": (1, "little"),
    "write_u16": (2, "little"),
    "write_u32": (4, "little"),
    "write_u64": (8, "little"),
    "write_u16_be": (2, "big"),
    "write_u64_be": (8, "big"),
}


def compiled(name: str, arguments: int) -> Any:
    """An intrinsic as a function that Python can call."""
    intrinsic = getattr(memory, name)
    if arguments == 1:
        return njit(lambda value: intrinsic(value))  # noqa: PLW0108 - numba compiles functions only
    if arguments == 2:
        return njit(lambda data, offset: intrinsic(data, offset))  # noqa: PLW0108 - numba compiles functions only
    return njit(lambda data, offset, value: intrinsic(data, offset, value))  # noqa: PLW0108 - numba compiles functions only


def test_count_leading_zeros() -> None:
    """The position of the highest bit, for every bit."""
    count = compiled("count_leading_zeros", 1)
    assert [count(np.uint64(1 << bit)) for bit in range(64)] == list(range(63, -1, -1))
    assert count(np.uint64(0)) == 64


@pytest.mark.parametrize("name", READS)
def test_reads(name: str) -> None:
    """A read at any address returns the bytes there, in the byte order of its name."""
    read = compiled(name, 1)
    size, order = READS[name]
    for offset in range(0, 65 - size):
        expected = int.from_bytes(DATA[offset : offset + size].tobytes(), order)  # type: ignore[arg-type]
        assert read(DATA.ctypes.data + offset) == expected


@pytest.mark.parametrize("name", WRITES)
def test_writes(name: str) -> None:
    """A write at any address changes its bytes and no others, and takes the low bits of signed numbers."""
    write = compiled(name, 2)
    size, order = WRITES[name]
    for offset in range(0, 65 - size):
        for value in (0x0123456789ABCDEF, -2):
            data = DATA.copy()
            write(data.ctypes.data + offset, value)
            expected = bytearray(DATA.tobytes())
            expected[offset : offset + size] = (value & ((1 << 8 * size) - 1)).to_bytes(size, order)  # type: ignore[arg-type]
            assert data.tobytes() == bytes(expected)


def test_prefetch_address_changes_nothing() -> None:
    """A prefetch may have any address, also an unmapped one."""
    fetch = compiled("prefetch_address", 1)
    data = DATA.copy()
    fetch(data.ctypes.data)
    fetch(1)
    assert data.tobytes() == DATA.tobytes()


def test_multiply_high() -> None:
    """The high word of the whole product."""
    multiply = compiled("multiply_high", 2)
    for left, right in ((0, 0), (2**64 - 1, 2**64 - 1), (0x0123456789ABCDEF, 0xFEDCBA9876543210), (1 << 63, 2)):
        assert multiply(np.uint64(left), np.uint64(right)) == left * right >> 64


def test_bits_of_floats() -> None:
    """A float64 and the uint64 of the same bits become each other."""
    bits_of, float_of = compiled("bits_of_float", 1), compiled("float_of_bits", 1)
    for value in (0.0, -0.0, 1.0, -1.5, 5e-324, float("inf")):
        bits = int(np.float64(value).view(np.uint64))
        assert bits_of(value) == bits
        assert np.float64(float_of(np.uint64(bits))).view(np.uint64) == bits


def test_select_unpredictable() -> None:
    """Either value, by the condition."""
    select = compiled("select_unpredictable", 3)
    assert (select(True, 3, 4), select(False, 3, 4)) == (3, 4)
