"""What a processor writes down about updates while it serves; `update.certificates` reads it (EPO-09, ORD-02)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

#: One adopted epoch as one processor saw it.
MARK_ROW = np.dtype(
    [
        ("epoch", np.uint32),  # the new one
        ("old_frames", np.int64),  # in the queue at the adoption or held, steered by older epochs
        ("drained_ns", np.int64),  # when the last of them completed; the adoption time when there was none
        ("new_frames", np.int64),  # that arrived here before that moment, dropped ones included
        ("lost", np.int64),  # taken before the adoption, and neither completed, dropped, queued nor held then
    ]
)

#: Frames of one steering parameter that an update made wait on one processor.
HOLD_ROW = np.dtype(
    [
        ("epoch", np.uint32),
        ("slot", np.uint32),
        ("frames", np.int64),
        ("longest_ns", np.int64),
        ("first_frame", np.int64),  # the first one that was held
        ("first_ns", np.int64),  # for how long
    ]
)

#: A frame that was in the queue, or held, when an update moved its group; each frame has at most one row.
OVERTAKABLE_ROW = np.dtype(
    [
        ("epoch", np.uint32),  # of the first update that did
        ("flow_key", np.uint64),
        ("frame", np.int64),
        ("completion_ns", np.int64),
    ]
)

#: A frame of a moved group that arrived while older ones might still be in a queue: it may have overtaken them.
FOLLOWER_ROW = np.dtype([("flow_key", np.uint64), ("frame", np.int64), ("completion_ns", np.int64)])


@dataclass(frozen=True, slots=True)
class UpdateLog:
    """The rows of one processor; plain arrays, so that they can travel."""

    marks: npt.NDArray[Any]  # MARK_ROW, ascending by epoch: one for every epoch that was adopted
    holds: npt.NDArray[Any]  # HOLD_ROW
    overtakable: npt.NDArray[Any]  # OVERTAKABLE_ROW
    followers: npt.NDArray[Any]  # FOLLOWER_ROW; a frame may be in `overtakable` as well
    dropped_behind_holds: npt.NDArray[Any]  # DROPPED_ROW


#: Frames dropped from a queue that had room but for held frames (EPO-07: they count against the depth).
DROPPED_ROW = np.dtype([("epoch", np.uint32), ("frames", np.int64)])  # epoch: the latest one adopted then
