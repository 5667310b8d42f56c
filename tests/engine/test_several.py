"""Several NICs in one process, one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest

from dataplane.engine.experiment import NicRun
from dataplane.engine.inline import run_inline, run_one_after_other
from dataplane.traffic.batch import FrameBatch
from tests.actors.small_hosts import KeptRows, SmallTraffic, plain, small_experiment, small_traffic, source_of


def test_equal_to_each_alone() -> None:
    """Results and rows are those of runs alone, in order; progress adds up and ends at the whole."""
    told: list[tuple[int, float]] = []
    seeds = (1, 2, 3)
    rows = [KeptRows() for _ in seeds]
    runs = [
        NicRun(small_experiment(seed, 2, 40), source_of(seed, 100 * seed), kept)
        for seed, kept in zip(seeds, rows, strict=True)
    ]
    done = run_one_after_other(runs, lambda frames, share: told.append((frames, share)))
    for run, kept, result in zip(runs, rows, done.results, strict=True):
        alone = KeptRows()
        assert plain(result) == plain(run_inline(run.experiment, run.open_source, alone, lambda frames, share: None))
        assert kept == alone
    assert told == sorted(told)
    assert told[-1][0] == 600
    assert len(done.seconds) == 3


class InterruptedSource(SmallTraffic):
    """A source with Ctrl-C in its second batch."""

    def batches(self, batch_frames: int) -> Iterator[FrameBatch]:
        """Batches until the interrupt."""
        yield next(super().batches(batch_frames))
        raise KeyboardInterrupt


def test_interrupt_ends_all() -> None:
    """After Ctrl-C the NIC that had begun is finished and reported, others are left out."""
    frames = small_traffic(1, 100).frames
    runs = [
        NicRun(small_experiment(1, 2, 40), source_of(1, 100)),
        NicRun(small_experiment(2, 2, 40), partial(InterruptedSource, frames)),
        NicRun(small_experiment(3, 2, 40), pytest.fail),
    ]
    done = run_one_after_other(runs, lambda frames, share: None)
    assert [result.interrupted for result in done.results] == [False, True]
    assert [result.arrived for result in done.results] == [100, 40]
