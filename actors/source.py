"""The traffic source of a NIC front end: runs in its own thread, a few batches ahead."""

from __future__ import annotations

import threading
from collections.abc import Generator
from queue import Empty, Queue
from typing import NamedTuple

from dataplane.traffic.batch import FrameBatch, TrafficSource
from dataplane.traffic.live import PacedSource

#: Batches made but not yet taken. A source must leave a batch alone after it has yielded it.
BATCHES_AHEAD = 2


class SourcedBatch(NamedTuple):
    """A batch, and what its source knew when it had made it."""

    batch: FrameBatch
    progress: float  # share of the input
    timestamp_regressions: int  # so far
    findings: tuple[str, ...]  # so far


def batches_ahead(
    source: TrafficSource, batch_frames: int, idle_seconds: float | None = None
) -> Generator[SourcedBatch | None, None, None]:
    """The batches of a source; raises what the source raises.

    With `idle_seconds`, it yields None whenever there has been no batch for that long. Closing the iterator ends the
    source's thread when it has made its next batch, and a paced source at once.
    """
    made: Queue[SourcedBatch | BaseException | None] = Queue(BATCHES_AHEAD)
    unwanted = threading.Event()

    def make() -> None:
        try:
            for batch in source.batches(batch_frames):
                made.put(SourcedBatch(batch, source.progress(), source.timestamp_regressions, tuple(source.findings)))
                if unwanted.is_set():
                    return
            made.put(None)
        except BaseException as failure:  # raised where the batches are taken
            made.put(failure)

    thread = threading.Thread(target=make, name="source", daemon=True)
    thread.start()
    try:
        while True:
            try:
                item = made.get(timeout=idle_seconds)
            except Empty:
                yield None
                continue
            if item is None:
                break
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        unwanted.set()
        if isinstance(source, PacedSource):
            source.stop()
        while not made.empty():  # room for the one batch that the thread may still have to put
            made.get_nowait()
        thread.join()
