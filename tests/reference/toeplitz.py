"""The Toeplitz hash, bit by bit as HSH-04 words it."""

from __future__ import annotations


def toeplitz(data: bytes, key: bytes) -> int:
    """The 32-bit Toeplitz hash of `data` under `key` (HSH-04).

    Raises ValueError when the key is too short for the last window (HSH-05: 40 bytes are enough for 36 bytes of input).
    """
    key_bits = "".join(f"{byte:08b}" for byte in key)
    data_bits = "".join(f"{byte:08b}" for byte in data)
    if data and len(data_bits) + 31 > len(key_bits):
        raise ValueError(f"a key of {len(key)} bytes cannot hash {len(data)} bytes")
    result = 0
    for i, bit in enumerate(data_bits):
        if bit == "1":
            result ^= int(key_bits[i : i + 32], 2)
    return result


def indirection_table_index(hash_value: int, entries: int) -> int:
    """The table entry a hash value selects: its low log2(entries) bits (HSH-27)."""
    return hash_value % entries
