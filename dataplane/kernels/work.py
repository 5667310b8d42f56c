"""The rows that steering writes for each frame, and the codes in them.

`receive.work.WorkColumns` describes the fields and the other columns of a batch.
"""

from __future__ import annotations

import numpy as np

NO_TARGET = 0xFFFF  # dropped before any target was found
NO_PROCESSOR = 0xFFFF

#: Codes of the `drop` column; `queue_full` is the processor's (PRC-01).
NOT_DROPPED, RUNT, PACKET_FILTER, QUEUE_FULL = range(4)

#: Bits of the `flags` column.
TAGGED = 1  # the frame carried a VLAN tag, whatever its value (RX-10)
TRANSMIT = 2  # a send: the work is its completion (TX-01)

#: `completion_ns` of a frame that no processor completed.
NOT_COMPLETED = -1

#: The row for the processors: half a cache line, so that one load gets all of it.
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

#: Further values, only for a reader of rows.
OUT_OF_BAND_ROW = np.dtype(
    [("hash_value", np.uint32), ("filter_id", np.uint32), ("table_index", np.uint16), ("tci", np.uint16)]
)
