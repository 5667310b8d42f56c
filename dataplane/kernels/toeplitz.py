"""The Toeplitz hash by byte tables (HSH-04, HSH-05).

A hash is linear over XOR, so what one input byte at one position contributes depends on nothing else: 36 positions of
256 values, 4 bytes each, hold all a 40-byte key can say.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from dataplane.kernels.memory import read_u8, read_u32

INPUT_BYTES_MAX = 36


def toeplitz_table(key: bytes) -> npt.NDArray[np.uint32]:
    """The byte table of a 40-byte key: shape (36, 256), uint32; ValueError for another length (RSS-12)."""
    if len(key) != 40:
        raise ValueError(f"a hash secret key has 40 bytes, not {len(key)}")
    number = int.from_bytes(key, "big")
    windows = np.array([(number >> (320 - 32 - bit)) & 0xFFFF_FFFF for bit in range(INPUT_BYTES_MAX * 8)], np.uint32)
    values = np.arange(256)
    table = np.zeros((INPUT_BYTES_MAX, 256), np.uint32)
    for bit in range(8):
        is_set = (values >> (7 - bit)) & 1 == 1
        table[:, is_set] ^= windows[bit::8, np.newaxis]
    return table


@njit(inline="always")
def hash_bytes(table: int, position: int, address: int, count: int) -> int:
    """XOR of the table entries of `count` input bytes at `address`, the first of them being input byte `position`.

    `table` is the address of one key's 36 * 256 entries.
    """
    value = np.uint64(0)
    for i in range(count):
        value ^= read_u32(table + 4 * ((position + i) * 256 + np.int64(read_u8(address + i))))
    return value


@njit(cache=True, nogil=True)
def toeplitz(table: npt.NDArray[np.uint32], data: npt.NDArray[np.uint8], out: npt.NDArray[np.uint32]) -> None:
    """Hash each row of `data` (n, up to 36 bytes) into `out` (n,); `table` is one key's (36, 256) table, flattened."""
    for row in range(data.shape[0]):
        value = np.uint32(0)
        for i in range(data.shape[1]):
            value ^= table[i * 256 + data[row, i]]
        out[row] = value
