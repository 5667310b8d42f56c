"""What steering says of a frame to the processors, one row for each: half a cache line, so that it comes at once."""

from __future__ import annotations

import numpy as np

#: A row of `receive.work.WorkColumns.rows`, which says what the fields are.
WORK_ROW = np.dtype(
    [
        ("timestamp_ns", np.int64),
        ("flow_key", np.uint64),
        ("wire_length", np.uint32),
        ("entry_slot", np.uint32),
        ("target", np.uint16),
        ("hash_kind", np.uint8),
        ("flags", np.uint8),
        ("drop", np.uint8),
        ("zeros", np.uint8, 3),
    ]
)
