"""Fences: the moment until which a processor holds the frames of a group that moved to it (EPO-07)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dataplane.kernels import tracking as tracks
from dataplane.processor.fences import Fences, Lineage, OldFrames
from dataplane.processor.messages import ANSWER_ROW, Marker
from dataplane.switch.change import GROUP_ROW, HEIR_ROW, MOVED_ROW, SteeringChange
from dataplane.switch.snapshot import SLOTS_PER_TARGET

HEIR, OTHER = 1, 0  # processors


def tracking(targets: int = 1) -> tracks.Tracking:
    """A `Tracking` with the arrays that fences write; all others are empty."""
    nothing: list[Any] = [np.zeros(0, np.int64) for _ in tracks.Tracking._fields]
    return tracks.Tracking(*nothing)._replace(
        fences=np.zeros(8, tracks.FENCE_ROW),
        held=np.zeros(1, tracks.HELD_ROW),
        slot_fence=np.zeros(targets * SLOTS_PER_TARGET, np.int32),
        transmit_fence=np.zeros(targets, np.int32),
        counts=np.zeros(tracks.COUNTS, np.int64),
    )


def moved(slot: int, processor: int) -> SteeringChange:
    """A table entry is moved to a processor: one group."""
    old, new = np.array([(slot, 0)], GROUP_ROW), np.array([(slot, 0, processor)], HEIR_ROW)
    return SteeringChange(np.zeros(1, MOVED_ROW), old, new, 1)


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(0, 50), st.booleans()), max_size=30), st.integers(0, 3))
def test_a_fence_is_over_when_the_last_of_its_waits_is(news: list[tuple[int, int, bool]], early: int) -> None:
    """An entry is moved four times, the last time to this processor, which waits for the frames of all four updates.

    Completions become known in any order, some before the last update. The release is the latest completion when all of
    them are exact, and never too early until then; a completion that is not exact is a bound that may still rise.
    """
    lineage, fences, tracked = Lineage(), Fences(HEIR), tracking()
    frames: dict[int, OldFrames] = {}
    known: dict[int, tuple[int, bool]] = {}

    def tell(epoch: int, more_ns: int, exact: bool) -> None:
        moment_ns, was_exact = known[epoch]
        if was_exact:
            return
        known[epoch] = (moment_ns + more_ns, exact)
        frames[epoch].settle(np.array([(OTHER, 0, moment_ns + more_ns, exact)], ANSWER_ROW))

    for epoch in range(1, 5):
        marker = Marker(epoch, 100 * epoch, 0, 1, moved(0, HEIR if epoch == 4 else OTHER))
        frames[epoch], known[epoch] = OldFrames(marker), (100 * epoch, False)
        plan = lineage.adopt(marker, frames[epoch], frames)
        if epoch == 4:
            for of_epoch, more_ns, exact in news[:early]:
                tell(of_epoch, more_ns, exact)
        tracked = fences.adopt(plan, tracked)
    for at in range(min(early, len(news)), len(news) + 1):
        at_least_ns = max(moment_ns for moment_ns, _ in known.values())
        is_over = all(exact for _, exact in known.values())
        for number in (tracked.slot_fence[0], tracked.transmit_fence[0]):
            expected = (at_least_ns if is_over else int(tracks.FOREVER), at_least_ns, 4)
            assert tracked.fences[number].tolist() == expected
        bound = (int(tracks.FOREVER), 0) if is_over else (at_least_ns, 4)
        assert (tracked.counts[tracks.BOUND_NS], tracked.counts[tracks.BOUND_EPOCH]) == bound
        assert tracked.counts[tracks.FENCES_END_NS] == (at_least_ns if is_over else tracks.FOREVER)
        for epoch, (_, exact) in known.items():
            assert exact or fences.wait_for(frames[epoch])
        if at < len(news):
            tell(*news[at])
            tracked = fences.settle(tracked)


def test_fences_that_are_over_are_forgotten() -> None:
    """However many updates follow while frames wait, only fences and waits that are not over are kept.

    Entries of two targets take turns to move to us, two of each; their older frames complete three updates later, which
    is known one update later. One frame is held since the update before the last. The waits of this frame, of entries
    and of transmit completions do not change.
    """
    lineage, fences, tracked = Lineage(), Fences(HEIR), tracking(targets=2)
    frames: dict[int, OldFrames] = {}
    tracked.counts[tracks.HELD] = 1
    slot_of: Callable[[int], int] = lambda epoch: epoch // 2 % 2 * SLOTS_PER_TARGET + epoch % 4  # noqa: E731
    for epoch in range(2, 200):
        now_ns = 100 * epoch
        marker = Marker(epoch, now_ns, 0, 1, moved(slot_of(epoch), HEIR))
        frames[epoch] = OldFrames(marker)
        live = [one for one in frames if one >= epoch - 3]
        tracked = fences.adopt(lineage.adopt(marker, frames[epoch], live), tracked)
        frames[epoch].settle(np.array([(OTHER, 0, now_ns + 100, False)], ANSWER_ROW))
        if epoch > 2:
            frames[epoch - 1].settle(np.array([(OTHER, 0, now_ns + 200, True)], ANSWER_ROW))
        tracked = fences.settle(tracked)
        assert len(tracked.fences) <= 16
        assert max(len(waits) for waits in fences._transmit_waits.values()) <= 4
        if epoch < 6:
            continue
        told = [tracked.fences[tracked.slot_fence[slot_of(one)]].tolist() for one in (epoch - 2, epoch - 1, epoch)]
        forever = int(tracks.FOREVER)
        second = (now_ns + 100, now_ns + 100, epoch - 2)
        last = (now_ns + 200, now_ns + 200, epoch - 1)
        assert told == [second, last, (forever, now_ns + 100, epoch)]
        assert tracked.fences[tracked.slot_fence[slot_of(epoch - 3)]]["release_ns"] <= now_ns
        here, there = epoch // 2 % 2, 1 - epoch // 2 % 2
        at_least_ns = now_ns + (200 if epoch % 2 else 100)  # the update before was of this target as well, or was not
        assert tracked.fences[tracked.transmit_fence[here]].tolist() == (forever, at_least_ns, epoch)
        assert tracked.fences[tracked.transmit_fence[there]].tolist() == (second if epoch % 2 else last)
        assert epoch == 6 or tracked.fences[tracked.held[0]["fence"]]["epoch"] == epoch - 2
        tracked.held[0]["fence"] = tracked.slot_fence[slot_of(epoch - 1)]
