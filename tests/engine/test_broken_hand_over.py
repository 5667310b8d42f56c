"""The checks on updates can fail: each defect injected here is detected by the check for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from dataplane.arrays import read_only
from dataplane.engine.nic import Nic
from dataplane.kernels import tracking
from dataplane.processor import host, updatable
from dataplane.processor.fences import Fences, HoldPlan
from dataplane.processor.messages import Marker, Segment
from dataplane.processor.updatable import UpdatableProcessor
from dataplane.switch.compile import compile_snapshot
from dataplane.update.records import SteeringUpdate
from tests.engine.test_updates import check_against_reference, run
from tests.reference.processor import ProcessorCosts
from tests.reference.test_updates import BY_DESTINATION, BY_SOURCE, PROCESSORS, Run, S, T, packet, spread

#: Sixteen flows at a frame each ns, in bursts that fill the queues; entries move from processor to processor and back
#: while earlier moves still hold frames, and in the end every flow is spread anew.
ARRIVALS = tuple((at, packet(at % 4, at // 4 % 4)) for at in range(100) if at % 30 < 20)
U = PROCESSORS[2]
COSTS_NS = (8, 4, 1)  # queues of different lengths: what is not held overtakes
CHAIN = Run(
    ARRIVALS,
    (
        (None, spread(S, T, by=BY_DESTINATION)),
        (15, spread(T, T, by=BY_DESTINATION)),
        (18, spread(U, S, by=BY_DESTINATION)),
        (40, spread(S, U, by=BY_DESTINATION)),
        (70, spread(S, U, by=BY_SOURCE)),
    ),
    {
        number: ProcessorCosts(dpc_queue_depth=64, receive_cost_ns=cost)
        for number, cost in zip(PROCESSORS, COSTS_NS, strict=True)
    },
)


def ordered_is_kept() -> None:
    """The conditions of ORD-02 and EPO-08 for every ordered run, as the run itself measures them."""
    got = run(CHAIN, ordered=True)
    assert all(certificate.verdicts["order_kept"] for certificate in got.report.certificates)


def order_is_kept_on_each_processor() -> None:
    """No held frame is served after a later frame of its flow (ORD-02)."""
    got = run(CHAIN, ordered=True)
    assert not any(processor.updates.reordered for processor in got.processors if processor.updates)


def equal_to_the_reference(*, ordered: bool) -> None:
    """Every frame has the processor and the times of the reference."""
    check_against_reference(run(CHAIN, ordered=ordered), CHAIN, ordered=ordered)


def permissive_equals_the_reference() -> None:
    """The same for permissive hand-over."""
    equal_to_the_reference(ordered=False)


def ordered_equals_the_reference() -> None:
    """The same for ordered hand-over."""
    equal_to_the_reference(ordered=True)


def hold_removed(patch: pytest.MonkeyPatch) -> None:
    """Frames of a moved group enter the target's queue at once."""

    def adopt(self: Fences, plan: HoldPlan, tracked: tracking.Tracking) -> tracking.Tracking:
        del self, plan
        return tracked

    patch.setattr(Fences, "adopt", adopt)


def later_frames_pass_held_ones(patch: pytest.MonkeyPatch) -> None:
    """After news of an update, arriving frames are no longer held, while earlier frames still are."""
    original = Fences.settle

    def settle(self: Fences, tracked: tracking.Tracking) -> tracking.Tracking:
        if tracked.counts[tracking.HELD]:
            tracked.slot_fence[:] = 0
        return original(self, tracked)

    patch.setattr(Fences, "settle", settle)


def released_one_item_early(patch: pytest.MonkeyPatch) -> None:
    """The source answers with the completion of the item before the last one of a group."""
    original = updatable.answer_rows

    def early(*arguments: Any) -> Any:
        rows = original(*arguments)
        rows["completion_ns"] -= np.array(COSTS_NS)[rows["processor"]]
        return rows

    for module in (updatable, host):
        patch.setattr(module, "answer_rows", early)


def marker_before_the_last_slice(patch: pytest.MonkeyPatch) -> None:
    """The marker of an update overtakes the frames that the old snapshot steered just before the update."""
    original = Nic._dispatch

    def dispatch(self: Nic, batch: Any, spans: Any) -> None:
        segments = list(batch.segments)
        for at in range(len(segments) - 1, 0, -1):
            early, late = segments[at - 1], segments[at]
            segments[at - 1] = Segment(early.first_row, early.end_row, (*early.marks, *late.marks))
            segments[at] = Segment(late.first_row, late.end_row, ())
        original(self, batch._replace(segments=tuple(segments)), spans)

    patch.setattr(Nic, "_dispatch", dispatch)


def table_torn(patch: pytest.MonkeyPatch) -> None:
    """The first half of each table is already new, the second half still old."""
    original = Nic._adopt

    def adopt(self: Nic, update: SteeringUpdate, first_frame: int) -> Marker:
        torn = self._snapshot.arrays.slot_processors.copy()
        marker = original(self, update, first_frame)
        arrays = update.snapshot.arrays
        torn[0] = arrays.slot_processors[0]
        arrays = arrays._replace(slot_processors=read_only(torn))
        self._snapshot = replace(update.snapshot, arrays=arrays)
        return marker

    patch.setattr(Nic, "_adopt", adopt)


def held_frames_forgotten(patch: pytest.MonkeyPatch) -> None:
    """A processor answers as if it held nothing, so a chain of moves does not wait for it."""
    original = UpdatableProcessor._own_answer

    def forgetful(self: UpdatableProcessor, marker: Marker, completion_ns: Any, unknown: Any) -> updatable.OwnAnswer:
        answer = original(self, marker, np.where(unknown, tracking.NEVER, completion_ns), np.zeros_like(unknown))
        return answer._replace(drained_ns=int(self._mark(marker.epoch)["drained_ns"]))

    patch.setattr(UpdatableProcessor, "_own_answer", forgetful)


@pytest.mark.parametrize("check", [ordered_is_kept, ordered_equals_the_reference, permissive_equals_the_reference])
def test_nothing_is_broken(check: Callable[[], None]) -> None:
    """Without a defect the checks hold in runs that hold and reorder frames (EPO-06 to EPO-08)."""
    check()
    order_is_kept_on_each_processor()
    assert run(CHAIN, ordered=True).report.totals.frames_held > 10
    assert run(CHAIN, ordered=False).report.totals.frames_reordered > 3


@pytest.mark.parametrize(
    ("defect", "check"),
    [
        (hold_removed, ordered_is_kept),
        (hold_removed, ordered_equals_the_reference),
        (later_frames_pass_held_ones, order_is_kept_on_each_processor),
        (released_one_item_early, ordered_is_kept),
        (released_one_item_early, ordered_equals_the_reference),
        (held_frames_forgotten, ordered_is_kept),
        (marker_before_the_last_slice, ordered_is_kept),
        (marker_before_the_last_slice, permissive_equals_the_reference),
        (table_torn, permissive_equals_the_reference),
    ],
)
def test_defects_are_seen(
    defect: Callable[[pytest.MonkeyPatch], None], check: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each check fails when its defect is injected (ORD-03, EPO-08, UPD-04, EPO-05)."""
    defect(monkeypatch)
    with pytest.raises(AssertionError):
        check()


def test_snapshots_cannot_be_edited() -> None:
    """The arrays of a snapshot are read-only, and compiling the next one does not change them (EPO-01)."""
    first = compile_snapshot(CHAIN.configurations[0][1], 0, PROCESSORS)
    before = [array.tobytes() for array in first.arrays]
    for epoch, (_, configuration) in enumerate(CHAIN.configurations[1:], 1):
        compile_snapshot(configuration, epoch, before=first)
    assert [array.tobytes() for array in first.arrays] == before
    for array in first.arrays:
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0
