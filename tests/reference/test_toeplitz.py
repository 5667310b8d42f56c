"""The reference's hash against every published vector."""

from __future__ import annotations

import pytest

from tests.reference import vectors
from tests.reference.toeplitz import indirection_table_index, toeplitz


@pytest.mark.parametrize("vector", vectors.OFFICIAL_HASHES + vectors.OTHER_HASHES, ids=lambda vector: vector.name)
def test_hash_vectors(vector: vectors.HashVector) -> None:
    """Official, NVIDIA, VPP and derived vectors have their published values (HSH-04, HSH-05, HSH-28)."""
    assert vector.hash_value == toeplitz(vector.data, vector.key)


@pytest.mark.parametrize("vector", vectors.INDICES, ids=lambda vector: vector.name)
def test_index_vectors(vector: vectors.IndexVector) -> None:
    """The low bits of the hash select the entry; in a table of one that is always entry 0 (HSH-27)."""
    assert vector.entry == indirection_table_index(vector.hash_value, 128)
    assert indirection_table_index(vector.hash_value, 1) == 0


def test_key_too_short() -> None:
    """A 40-byte key serves 36 bytes of input and not 37 (HSH-05)."""
    key = vectors.KEYS["ms_default"]
    toeplitz(bytes(36), key)
    with pytest.raises(ValueError, match="40 bytes cannot hash 37"):
        toeplitz(bytes(37), key)
