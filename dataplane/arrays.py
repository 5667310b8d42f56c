"""Small helpers around numpy arrays."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt


def read_only(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The same array, not writable: kernels are compiled for read-only inputs once."""
    array = array.view()
    array.flags.writeable = False
    return array
