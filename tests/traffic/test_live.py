"""Endless traffic at the pace of a clock, and its first frames repeated."""

from __future__ import annotations

from itertools import islice

import pytest

from dataplane.errors import UserError
from dataplane.scenario.live import check_endless, endless_source, first_frames
from dataplane.scenario.load import load_scenario
from dataplane.scenario.source import traffic_source
from dataplane.traffic.live import PACE_NS, FirstFrames, PacedSource
from tests.batches import FramesInMemory, batch_of

SCENARIO = '[traffic]\nprofile = "uniform"\npackets = 50\nrate_pps = 10_000\n'


class Clock:
    """A clock that moves only during `sleep`."""

    def __init__(self) -> None:
        self.now = 100.0

    def sleep(self, seconds: float) -> bool:
        """Move the clock; nobody stops the source."""
        assert seconds > 0
        self.now += seconds
        return False


def test_model_time_never_runs_ahead_of_the_clock() -> None:
    """Every batch comes when its last frame is due, in pieces of at most one interval, and no frame is lost."""
    times = [5, 6, PACE_NS + 4, PACE_NS + 5, PACE_NS + 7, 9 * PACE_NS, 50 * PACE_NS]
    clock = Clock()
    source = PacedSource(
        FramesInMemory(batch_of([b"x" * 60] * len(times), timestamps_ns=times)), lambda: clock.now, clock.sleep
    )
    seen: list[int] = []
    for batch in source.batches(4):
        first, last = int(batch.timestamp_ns[0]), int(batch.timestamp_ns[-1])
        assert last - first < PACE_NS
        assert clock.now - 100.0 == pytest.approx((last - 5) / 1e9, abs=1e-9)
        assert batch.first_frame == len(seen)
        seen += batch.timestamp_ns.tolist()
    assert seen == times


def test_late_frames_do_not_wait() -> None:
    """A consumer that is too slow gets the next frames at once."""
    clock = Clock()
    frames = batch_of([b"x" * 60] * 3, timestamps_ns=[0, 2 * PACE_NS, 4 * PACE_NS])
    batches = PacedSource(FramesInMemory(frames), lambda: clock.now, clock.sleep).batches(10)
    next(batches)
    clock.now += 1.0
    before = clock.now
    assert len(list(batches)) == 2
    assert clock.now == before


def test_stopped_source_ends_although_a_frame_is_far_away() -> None:
    """`stop` wakes a source that waits for hours."""
    source = PacedSource(FramesInMemory(batch_of([b"x" * 60] * 2, timestamps_ns=[0, 10**13])))
    batches = source.batches(1)
    next(batches)
    source.stop()
    assert list(batches) == []


@pytest.mark.parametrize("frames", [0, 1, 7, 50])
def test_first_frames_are_cut_anywhere(frames: int) -> None:
    """The first frames of a source, for any batches; no further frame is requested."""
    whole = traffic_source(load_scenario(SCENARIO))
    expected = [batch.frame(i) for batch in whole.batches(50) for i in range(len(batch))][:frames]
    cut = FirstFrames(traffic_source(load_scenario(SCENARIO)), frames)
    assert [batch.frame(i) for batch in cut.batches(3) for i in range(len(batch))] == expected


def test_endless_profile_goes_on_as_the_scenario_begins() -> None:
    """Frame k is the same with and without an end (a function of seed and k), and frames follow the last one."""
    scenario = load_scenario(SCENARIO)
    [expected] = traffic_source(scenario).batches(50)
    endless = list(islice(endless_source(scenario).batches(50), 2))
    assert endless[0].timestamp_ns.tolist() == expected.timestamp_ns.tolist()
    assert [endless[0].frame(i) for i in range(50)] == [expected.frame(i) for i in range(50)]
    assert endless[1].first_frame == 50
    repeated = list(first_frames(scenario, 60, endless=True).batches(16))
    assert sum(map(len, repeated)) == 60


def test_traffic_that_ends_is_refused() -> None:
    """Standard input and empty profiles cannot go on for ever: one line, exit status 2."""
    for text in (
        '[traffic]\ncapture = "-"\n',
        '[traffic]\nprofile = "uniform"\npackets = 0\n',
    ):
        with pytest.raises(UserError) as caught:
            check_endless(load_scenario(text))
        assert "\n" not in str(caught.value)
