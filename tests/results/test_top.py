"""The screen of `vmmq top` from two samples of a dataplane."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dataplane.engine.statistics import NicStatistics, Sample
from dataplane.kernels.tracking import NEVER
from dataplane.processor.updatable import ProcessorStatistics
from dataplane.results.top import rates, top_lines
from tests.update.logs import request


def sample(seconds: float, ids: tuple[int, ...], live: set[int], received: list[int]) -> Sample:
    """A dataplane with one processor, with a number of received frames for each VPort."""
    names = tuple(f"vport-{one}" for one in ids)
    now_ns, frames = int(seconds * 1e9), sum(received)
    nic = NicStatistics(frames, 0, now_ns, 0, {}, ids, names, frozenset(live))
    by_target = np.zeros((len(received), 5), np.int64)
    by_target[:, 0] = received
    return Sample(seconds, nic, (ProcessorStatistics(frames, 0, 0, 0, 0, 0, now_ns, by_target),), ())


def test_vports_come_and_go() -> None:
    """A VPort created between two samples has a row; a deleted one has a row as long as it counts something."""
    before = sample(1.0, (0, 1, 2), {0, 1, 2}, [0, 5, 7])
    made = sample(2.0, (0, 1, 2, 3), {0, 2, 3}, [0, 6, 7, 2])
    assert [(one.target_id, one.items_per_second) for one in rates(before, made, ["0:0"]).targets] == [
        (0, 0), (1, 1), (2, 0), (3, 2),
    ]  # fmt: skip
    later = sample(3.0, (0, 1, 2, 3), {0, 2, 3}, [0, 6, 7, 9])
    assert [one.target_id for one in rates(made, later, ["0:0"]).targets] == [0, 2, 3]


def test_load_of_processors_that_begin_and_end() -> None:
    """Load is a share of the time between two samples, also of a processor without frames before, or after (PRC-04)."""

    def processor(busy_s: float, now_s: float) -> ProcessorStatistics:
        counts = np.zeros((0, 5), np.int64)
        return ProcessorStatistics(0, 0, 0, 0, int(busy_s * 1e9), 0, int(now_s * 1e9), counts)

    nothing_yet = processor(0, 0)._replace(now_ns=int(NEVER))
    nic = sample(0.0, (), set(), []).nic
    before = Sample(0.0, nic, (processor(60, 100), nothing_yet, processor(5, 10)), ())
    after = Sample(1.0, nic, (processor(60.25, 100.5), processor(0.5, 101), processor(5, 10)), ())
    assert [one.load for one in rates(before, after, ("0:0", "0:1", "0:2")).processors] == [0.25, 0.5, 0.0]
    began = Sample(0.0, nic, (nothing_yet,) * 3, ())
    assert [one.load for one in rates(began, before, ("0:0", "0:1", "0:2")).processors] == [0.6, 0.0, 0.05]


def test_requests_that_were_not_made_have_no_status() -> None:
    """A line names the OID and the status of a request, if it has them, and says why."""
    records = (
        request(1_000_000),
        replace(request(2_000_000), completion=None, why="the running dataplane has no processor 0:5"),
        request(3_000_000, None, why="there is nothing to ask for"),
    )
    before, after = sample(1.0, (0,), {0}, [0]), sample(2.0, (0,), {0}, [5])._replace(recent=records)
    name = "OID_GEN_RSS_SET_INDIRECTION_TABLE_ENTRIES"
    lines = [line for line in top_lines("lab", rates(before, after, ["0:0"])) if line.startswith("request")]
    assert [line.partition(": ")[2] for line in lines] == [
        f"{name} NDIS_STATUS_SUCCESS",
        f"{name} (the running dataplane has no processor 0:5)",
        "no request (there is nothing to ask for)",
    ]
