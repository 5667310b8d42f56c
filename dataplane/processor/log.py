"""A processor's records about updates, made while it serves; `update.certificates` reads them (EPO-09, ORD-02)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dataplane.kernels.tracking import FOLLOWER_ROW, OVERTAKABLE_ROW

__all__ = ["DROPPED_ROW", "FOLLOWER_ROW", "HOLD_ROW", "MARK_ROW", "OVERTAKABLE_ROW", "UpdateLog"]

#: One adopted epoch as one processor saw it.
MARK_ROW = np.dtype(
    [
        ("epoch", np.uint32),  # the new one
        ("old_frames", np.int64),  # steered by older epochs, and queued or held at the adoption
        ("drained_ns", np.int64),  # when the last of them completed; the adoption time if there was none
        ("new_frames", np.int64),  # of newer epochs, arrived here before that moment, including dropped ones
        ("lost", np.int64),  # taken before the adoption, and then neither completed, dropped, queued nor held
    ]
)

#: Frames of one steering parameter that an update held on one processor.
HOLD_ROW = np.dtype(
    [
        ("epoch", np.uint32),
        ("slot", np.uint32),
        ("frames", np.int64),
        ("longest_ns", np.int64),
        ("first_frame", np.int64),  # the first one that was held
        ("first_ns", np.int64),  # how long it was held
    ]
)


@dataclass(frozen=True, slots=True)
class UpdateLog:
    """The rows of one processor; plain arrays, so that they can be sent."""

    marks: npt.NDArray[Any]  # MARK_ROW, ascending by epoch: one for every epoch that was adopted
    holds: npt.NDArray[Any]  # HOLD_ROW
    #: OVERTAKABLE_ROW: frames that were queued or held when an update moved their group; one row for each frame, with
    #: the first such update.
    overtakable: npt.NDArray[Any]
    #: FOLLOWER_ROW: frames of moved groups that complete while older frames may still be in a queue, and so may
    #: overtake them; a frame may be in `overtakable` as well.
    followers: npt.NDArray[Any]
    dropped_behind_holds: npt.NDArray[Any]  # DROPPED_ROW
    reordered: int = 0  # held frames that this processor served after a later frame of their flow (ORD-02)
    late_ns_max: int = 0  # the longest delay of one of them


#: Frames dropped by a queue that would have had room without the held frames (EPO-07: they count against the depth).
DROPPED_ROW = np.dtype([("epoch", np.uint32), ("frames", np.int64)])  # epoch: the latest one adopted then
