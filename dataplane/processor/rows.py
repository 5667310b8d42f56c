"""Rows that a processor keeps until the end of the run, without memory that grows with the run (ENG-04)."""

from __future__ import annotations

import tempfile
from typing import IO, Any

import numpy as np
import numpy.typing as npt

#: Bytes kept in memory before they go to the file.
_MEMORY_BYTES = 1 << 20


class RowLog:
    """Rows of one dtype in the order in which they were added: the latest in memory, many older ones in a file.

    The file is in the folder for temporary files (`$TMPDIR`) and has no name. It vanishes when its rows are not used
    any more, however the process ends.
    """

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self._dtype = dtype
        self._parts: list[npt.NDArray[Any]] = []
        self._bytes = 0  # of the parts
        self._file: IO[bytes] | None = None

    def append(self, rows: npt.NDArray[Any]) -> None:
        """Add a copy of the rows; raises OSError if there is no room for them."""
        self._parts.append(rows.copy())
        self._bytes += rows.nbytes
        if self._bytes >= _MEMORY_BYTES:
            self._write()

    def rows(self) -> npt.NDArray[Any]:
        """All rows, memory-mapped if they are in the file; nothing may be added afterwards."""
        if self._file is None:
            return np.concatenate([np.zeros(0, self._dtype), *self._parts])
        self._write()
        self._file.flush()
        return np.asarray(np.memmap(self._file, self._dtype, mode="r"))

    def _write(self) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile(prefix="vmmq-")  # noqa: SIM115 - it outlives this call
        for part in self._parts:
            self._file.write(part.data)
        self._parts, self._bytes = [], 0
