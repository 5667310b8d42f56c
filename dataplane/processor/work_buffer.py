"""The buffer of a batch on its way from the NIC to the processors."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from dataplane.kernels.host import BUFFER_ADDRESSES, Columns, write_addresses
from dataplane.receive.work import WorkColumns

#: Segments in one buffer; a batch that is cut into more pieces takes several buffers.
SEGMENTS_MAX = 64


class WorkBuffer(NamedTuple):
    """Work columns, and their rows in the order in which processors take them."""

    work: WorkColumns
    offsets: npt.NDArray[np.int64]  # (SEGMENTS_MAX, processors + 1)
    selection: npt.NDArray[np.uint32]  # row numbers grouped by segment, then processor
    addresses: npt.NDArray[np.int64]  # (BUFFER_ADDRESSES,) addresses of all of these, for the kernels


def work_buffer(work: WorkColumns, offsets: npt.NDArray[np.int64], selection: npt.NDArray[np.uint32]) -> WorkBuffer:
    """The buffer that lies in these arrays."""
    addresses = np.zeros(BUFFER_ADDRESSES, np.int64)
    arrays = {**work._asdict(), "offsets": offsets, "selection": selection}
    write_addresses(addresses, (arrays[name] for name in Columns._fields))
    return WorkBuffer(work, offsets, selection, addresses)
