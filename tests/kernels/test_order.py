"""The order kernel against the quadratic reference."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from hypothesis import given, settings
from hypothesis import strategies as st

from dataplane.kernels.order import measure_order
from tests.reference import order as reference

#: Flow and completion of each frame in arrival order; few values, so that there are ties and overtakings.
FRAMES = st.lists(st.tuples(st.sampled_from([0, 7, (1 << 64) - 1]), st.integers(-3, 12)), max_size=40)


def measured(frames: list[tuple[int, int]], first_frame: int = 0) -> dict[int, tuple[int, int]]:
    """Extent and late time of reordered frames, by frame; frames are numbered from `first_frame`."""
    rows = sorted((flow, completion, first_frame + i) for i, (flow, completion) in enumerate(frames))
    flow_key = np.array([row[0] for row in rows], np.uint64)
    completion_ns, frame = (np.array([row[column] for row in rows], np.int64) for column in (1, 2))
    extent: npt.NDArray[np.int64] = np.full(len(rows), -1, np.int64)
    late_ns = extent.copy()
    measure_order(flow_key, frame, completion_ns, extent, late_ns)
    assert ((extent > 0) == (late_ns > 0)).all()
    assert (extent >= 0).all()
    return {int(frame[i]) - first_frame: (int(extent[i]), int(late_ns[i])) for i in np.flatnonzero(extent)}


@settings(max_examples=200)
@given(FRAMES)
def test_order_equals_the_reference(frames: list[tuple[int, int]]) -> None:
    """The same frames are reordered, with the same extent and late time (ORD-02, ORD-04)."""
    expected = {one.frame: (one.extent, one.late_ns) for one in reference.measure_order(frames).reordered}
    assert measured(frames) == expected


@settings(max_examples=50)
@given(FRAMES, st.integers(0, 1 << 40))
def test_only_the_order_of_frame_numbers_counts(frames: list[tuple[int, int]], first_frame: int) -> None:
    """The measures do not depend on the number of the first frame."""
    assert measured(frames, first_frame) == measured(frames)


def test_a_flow_served_backwards() -> None:
    """Every frame but the last one is late, measured from the last one: the longest possible extents (ORD-02)."""
    frames = [(7, 1000 - i) for i in range(500)]
    assert measured(frames) == {i: (499 - i, 499 - i) for i in range(499)}


def test_the_first_overtaker_counts() -> None:
    """Frames 2, 5, 3, 4 and 0 complete in this order: each is measured from the earliest later-arrived one (ORD-02)."""
    completions = {2: 10, 5: 20, 3: 30, 4: 41, 0: 53, 1: 60}
    frames = [(0, completions[i]) for i in range(6)]
    assert measured(frames) == {3: (1, 10), 4: (2, 21), 0: (4, 43), 1: (5, 50)}
