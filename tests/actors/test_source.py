"""The source thread runs a bounded number of batches ahead, passes errors on, and can be stopped."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from actors.source import BATCHES_AHEAD, batches_ahead
from dataplane.errors import UserError
from dataplane.traffic.batch import FrameBatch
from tests.batches import FramesInMemory, batch_of

FRAMES = batch_of([bytes(60)] * 20)


class CountingSource(FramesInMemory):
    """Counts the requested batches; raises after `good` of them."""

    def __init__(self, good: int) -> None:
        super().__init__(FRAMES)
        self.asked = 0
        self.good = good

    def batches(self, batch_frames: int) -> Iterator[FrameBatch]:
        """One timestamp regression and one finding in each."""
        for batch in super().batches(batch_frames):
            if self.asked == self.good:
                raise UserError("the capture is damaged")
            self.asked += 1
            self.timestamp_regressions += 1
            self.findings.append(f"batch {self.asked}")
            yield batch


def source_threads() -> list[threading.Thread]:
    """Threads of sources that have not ended."""
    return [thread for thread in threading.enumerate() if thread.name == "source"]


def test_all_batches_come_in_order() -> None:
    """Nothing is lost or changed, and each batch says what the source knew at that time."""
    source = CountingSource(99)
    items = [item for item in batches_ahead(source, 3) if item is not None]
    assert len(items) == 7
    assert list(range(0, 20, 3)) == [item.batch.first_frame for item in items]
    assert list(range(1, 8)) == [item.timestamp_regressions for item in items]
    assert [item.findings for item in items] == [tuple(f"batch {n}" for n in range(1, 1 + k)) for k in range(1, 8)]
    assert not source_threads()


def test_only_a_few_batches_ahead_and_closed_at_will() -> None:
    """Memory is bounded (ENG-04): only the batches in the queue and one that is being made; closing ends the thread."""
    source = CountingSource(99)
    batches = batches_ahead(source, 1)
    next(batches)
    assert source.asked <= 1 + BATCHES_AHEAD + 1
    batches.close()
    assert source.asked <= 1 + BATCHES_AHEAD + 2
    assert not source_threads()


def test_errors_come_after_the_good_batches() -> None:
    """An exception of the source is raised where its batch would come."""
    batches = batches_ahead(CountingSource(2), 1)
    good = [item.batch.first_frame for item in (next(batches), next(batches)) if item is not None]
    assert good == [0, 1]
    with pytest.raises(UserError, match="damaged"):
        next(batches)


class WaitingSource(FramesInMemory):
    """A source that has no frames until it is told to continue."""

    def __init__(self) -> None:
        super().__init__(batch_of([b"frame" * 12] * 3))
        self.go_on = threading.Event()

    def batches(self, batch_frames: int) -> Iterator[FrameBatch]:
        """As `FramesInMemory.batches`, but later."""
        self.go_on.wait()
        yield from super().batches(batch_frames)


def test_whoever_waits_may_do_something_else() -> None:
    """While there is no batch, None comes at intervals; no batch is lost by that."""
    source = WaitingSource()
    batches = batches_ahead(source, 3, idle_seconds=0.001)
    assert next(batches) is None
    source.go_on.set()
    assert [item.batch.first_frame for item in batches if item is not None] == [0]
    assert not source_threads()
