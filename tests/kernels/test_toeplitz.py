"""The two methods for Toeplitz hashes against each other, the published vectors and the reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import config, njit

from dataplane.kernels import toeplitz as kernels
from dataplane.kernels.memory import address_of
from tests.reference.toeplitz import toeplitz as reference
from tests.reference.vectors import OFFICIAL_HASHES, OTHER_HASHES, HashVector

KEYS = st.binary(min_size=40, max_size=40)
needs_instruction = pytest.mark.skipif(
    not kernels.has_carry_less_multiplication(), reason="this CPU has no carry-less multiplication"
)


def _by_windows(multiply: Any) -> Any:
    @njit
    def hashed(data: Any, windows: Any) -> Any:
        return multiply(address_of(data), address_of(windows))

    return hashed


LENGTHS = [4, 8, 12, 16, 32, 36]
BY_WINDOWS = {length: _by_windows(getattr(kernels, f"multiply_{length}_bytes")) for length in LENGTHS}


@njit
def _by_tables(data: Any, table: Any) -> Any:
    return kernels.hash_bytes(address_of(table), 0, address_of(data), data.shape[0])


def by_windows(data: bytes, key: bytes) -> int:
    """The hash of 4, 8, 12, 16, 32 or 36 bytes as carry-less products; no byte after the last one is read."""
    windows = np.array(kernels.toeplitz_windows(key), np.uint64)
    return int(BY_WINDOWS[len(data)](np.frombuffer(data, np.uint8), windows))


def by_tables(data: bytes, key: bytes) -> int:
    """The hash by byte tables."""
    return int(_by_tables(np.frombuffer(data, np.uint8), kernels.toeplitz_table(key).reshape(-1)))


@needs_instruction
@given(st.sampled_from(LENGTHS).flatmap(lambda size: st.binary(min_size=size, max_size=size)), KEYS)
def test_windows_equal_the_reference(data: bytes, key: bytes) -> None:
    """The products have the bits of HSH-04, for inputs of every length a kernel hashes at once."""
    assert by_windows(data, key) == reference(data, key)


@given(st.binary(min_size=1, max_size=36), KEYS)
def test_tables_equal_the_reference(data: bytes, key: bytes) -> None:
    """So have the byte tables (HSH-04, HSH-05)."""
    assert by_tables(data, key) == reference(data, key)


@needs_instruction
@pytest.mark.parametrize("vector", [*OFFICIAL_HASHES, *OTHER_HASHES], ids=lambda vector: vector.name)
def test_published_vectors(vector: HashVector) -> None:
    """Both give the published values; inputs are padded with zero bytes, which add nothing."""
    padded = vector.data.ljust(next(length for length in LENGTHS if length >= len(vector.data)), b"\0")
    assert by_windows(padded, vector.key) == by_tables(vector.data, vector.key) == vector.hash_value


def test_key_length() -> None:
    """A key has 40 bytes (RSS-12)."""
    for size in (0, 39, 41):
        with pytest.raises(ValueError, match="40 bytes"):
            kernels.toeplitz_windows(bytes(size))
        with pytest.raises(ValueError, match="40 bytes"):
            kernels.toeplitz_table(bytes(size))


def test_the_method_can_be_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The portable method is used if the user wants it, or if the target CPU lacks the instruction."""
    monkeypatch.delenv(kernels.PORTABLE_VARIABLE, raising=False)
    monkeypatch.setattr(kernels, "has_carry_less_multiplication", lambda: True)
    assert kernels.method() == "carry-less multiplication"
    monkeypatch.setenv(kernels.PORTABLE_VARIABLE, "1")
    assert kernels.method() == "byte tables"
    monkeypatch.delenv(kernels.PORTABLE_VARIABLE)
    monkeypatch.undo()
    monkeypatch.setattr(config, "CPU_FEATURES", "+sse2,-pclmul")
    assert kernels.method() == "byte tables"
