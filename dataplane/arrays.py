"""Small helpers around numpy arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt


def read_only(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The same array, not writable: kernels are compiled for read-only inputs once."""
    if not array.flags.writeable:
        return array
    array = array.view()
    array.flags.writeable = False
    return array


def joined(dtype: np.dtype[Any], parts: Sequence[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """Rows of several contiguous arrays of that type in one new array.

    As bytes, because numpy copies structured types field by field, and `np.concatenate` compares them as well.
    """
    return np.frombuffer(bytearray().join([part.data for part in parts]), dtype)


def longer(array: npt.NDArray[Any], length: int, filling: int = 0) -> npt.NDArray[Any]:
    """The array, extended by rows of `filling`; the array itself if it is long enough."""
    if len(array) >= length:
        return array
    enlarged = np.zeros((length, *array.shape[1:]), array.dtype)
    if filling:
        enlarged[len(array) :] = filling
    enlarged[: len(array)] = array
    return enlarged
