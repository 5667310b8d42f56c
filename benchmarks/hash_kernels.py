"""The hash methods that this CPU supports, applied to the rows of an array: the subject of `toeplitz_*` figures."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from dataplane.kernels import toeplitz
from dataplane.kernels.memory import address_of

#: Takes (n, length) bytes and writes n hashes.
HashRows = Callable[[npt.NDArray[np.uint8], npt.NDArray[np.uint32]], None]


def hash_kernels(key: bytes, length: int) -> dict[str, HashRows]:
    """The methods, by the names that `toeplitz.method` uses; `length` is 8, 12, 32 or 36."""
    found: dict[str, HashRows] = {"byte tables": partial(toeplitz.toeplitz, toeplitz.toeplitz_table(key).ravel())}
    if toeplitz.has_carry_less_multiplication():
        windows = np.array(toeplitz.toeplitz_windows(key), np.uint64)
        found[toeplitz.CARRY_LESS] = partial(_carry_less(length), windows)
    return found


def _carry_less(length: int) -> Any:
    """A kernel that hashes rows of `length` bytes, as the steering kernel does for each frame."""
    multiply = getattr(toeplitz, f"multiply_{length}_bytes")

    @njit(nogil=True)
    def hash_rows(windows: Any, data: Any, out: Any) -> None:
        first, window = address_of(data), address_of(windows)
        for row in range(data.shape[0]):
            out[row] = multiply(first + row * length, window)

    return hash_rows
