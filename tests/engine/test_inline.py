"""Whole runs in one process: batch sizes, conservation, order, against the slow references end to end."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataplane.commands import update_report
from dataplane.engine.experiment import CompleteRows, Experiment, RunResult
from dataplane.engine.inline import run_inline
from dataplane.processor.costs import CostModel
from dataplane.receive.front_end import NicFrontEnd
from dataplane.receive.steering import Span
from dataplane.receive.work import new_work_columns
from dataplane.results.summary import ConservationError, summarize
from dataplane.results.tables import entries_tables, windows_table
from dataplane.switch.compile import compile_snapshot
from dataplane.switch.configuration import AdapterConfiguration
from dataplane.traffic.batch import FrameBatch
from tests.batches import FramesInMemory, batch_of
from tests.reference import processor as reference_processor
from tests.reference import steering as reference
from tests.reference.frames import Frame, adapter_configurations, frames

COSTS = st.builds(
    CostModel,
    dpc_queue_depth=st.sampled_from([0, 1, 2, 1024]),
    receive_cost_ns=st.sampled_from([0, 700, 2500]),
    receive_cost_per_byte_ps=st.sampled_from([0, 1200]),
    completion_cost_ns=st.sampled_from([0, 900]),
    interrupt_moderation_ns=st.sampled_from([0, 3000]),
    interrupt_latency_ns=st.sampled_from([0, 200]),
    dpc_overhead_ns=st.sampled_from([0, 100]),
    max_nbls_to_indicate=st.sampled_from([0, 1, 3]),
)


def run(experiment: Experiment, batch: FrameBatch) -> RunResult:
    """A finished inline run."""
    return run_inline(experiment, lambda: FramesInMemory(batch), None, lambda frames, share: None)


def everything(result: RunResult) -> tuple[Any, ...]:
    """All that a run leaves for comparison."""
    tables = [windows_table(result).to_pylist(), pa.concat_tables(entries_tables(result)).to_pylist()]
    return summarize(result, update_report(result), scenario="test", seed=1), *tables


def experiment_of(configuration: AdapterConfiguration, costs: CostModel, batch_frames: int = 64) -> Experiment:
    """The same costs on every processor; windows of 2 us."""
    snapshot = compile_snapshot(configuration, 0)
    return Experiment(snapshot, (costs,) * len(snapshot.processors), True, 2000, batch_frames)


def timed(given_frames: Sequence[Frame], gaps_ns: Sequence[int]) -> FrameBatch:
    """Frames with the given gaps between them."""
    times = np.cumsum(gaps_ns).tolist()
    return batch_of([f.data for f in given_frames], [f.wire_length for f in given_frames], times)


def drawn(data: st.DataObject) -> tuple[list[Frame], FrameBatch]:
    """Some frames, and the batch of them with gaps between none and several services."""
    given_frames = data.draw(st.lists(frames(), min_size=1, max_size=20))
    gaps = st.sampled_from([0, 1, 500, 3000])
    count = len(given_frames)
    return given_frames, timed(given_frames, data.draw(st.lists(gaps, min_size=count, max_size=count)))


@settings(max_examples=40)
@given(st.data(), adapter_configurations(), COSTS)
def test_results_do_not_depend_on_batches(
    data: st.DataObject, configuration: AdapterConfiguration, costs: CostModel
) -> None:
    """Summary and tables are equal for batches of 1, 7 and everything (ENG-01, TIM-01)."""
    batch = drawn(data)[1]
    results = [everything(run(experiment_of(configuration, costs, size), batch)) for size in (1, 7, 65_536)]
    assert results[0] == results[1] == results[2]


@settings(max_examples=20)
@given(st.data(), adapter_configurations(), COSTS)
def test_results_do_not_depend_on_who_wants_rows(
    data: st.DataObject, configuration: AdapterConfiguration, costs: CostModel
) -> None:
    """Summary and tables are equal with and without a reader of rows, for whom more columns are written."""
    batch = drawn(data)[1]
    experiment = experiment_of(configuration, costs, 7)
    taken: list[int] = []

    class Reader:
        def write(self, rows: CompleteRows) -> None:
            assert {len(column) for column in rows.work} == {len(rows.work.rows)}
            taken.append(len(rows.work.rows))

    read = run_inline(experiment, lambda: FramesInMemory(batch), Reader(), lambda frames, share: None)
    assert everything(read) == everything(run(experiment, batch))
    assert sum(taken) == len(batch)


@settings(max_examples=40)
@given(st.data(), adapter_configurations(), COSTS)
def test_a_run_equals_the_references(
    data: st.DataObject, configuration: AdapterConfiguration, costs: CostModel
) -> None:
    """The slow reference for steering and the event-by-event processor give the same totals, drops and latencies.

    Receive: RX-12 to RX-15; sends: TX-01, TX-02, TX-07, TX-09, TX-10, TX-14; interrupts: INT-04, INT-07, INT-08,
    INT-11; conservation: MOD-11, ENG-03.
    """
    given_frames, batch = drawn(data)
    summary = everything(run(experiment_of(configuration, costs), batch))[0]
    model = reference_processor.ProcessorCosts(**asdict(costs))
    queues: dict[str, list[reference_processor.Item]] = {row["processor"]: [] for row in summary["processors"]}
    dropped: dict[str, int] = {}
    for frame, at in zip(given_frames, batch.timestamp_ns.tolist(), strict=True):
        steered = reference.steer_by_source_mac(configuration, frame.data, frame.wire_length)
        if steered.drop_reason is not None:
            dropped[steered.drop_reason] = dropped.get(steered.drop_reason, 0) + 1
            continue
        is_send = steered.direction == "tx"
        cost = costs.completion_cost_ns if is_send else model.receive_cost(frame.wire_length)
        queues[str(steered.processor)].append(reference_processor.Item(at, cost))
    for row in summary["processors"]:
        machine = reference_processor.simulate(model, queues[row["processor"]])
        latencies = reference_processor.latencies_ns(machine)
        assert row["received"] + row["completions"] == len(latencies)
        assert row["latency_ns"]["max"] == (latencies[-1] if latencies else 0)
        assert row["interrupts"] == len(machine.interrupts_ns)
        assert row["dpcs"] == len(machine.dpcs_ns)
        if full := sum(outcome.dropped for outcome in machine.outcomes):
            dropped["queue_full"] = dropped.get("queue_full", 0) + full
    assert summary["dropped"] == dropped
    assert summary["arrived"] == len(given_frames) == summary["completed"] + sum(dropped.values())


def two_frames() -> list[Frame]:
    """Two untagged TCP frames to nobody's address."""
    data = bytes.fromhex(
        "00155d01020100155d00009908004500002812340000400654980a0100010a0100020400005000000001000000015010ffff977e0000"
    )
    return [Frame(data, len(data))] * 2


@given(adapter_configurations())
@settings(max_examples=10)
def test_nothing_arrives(configuration: AdapterConfiguration) -> None:
    """A run without frames has a summary of zeros."""
    summary = everything(run(experiment_of(configuration, CostModel()), timed([], [])))[0]
    assert (summary["arrived"], summary["completed"], summary["dropped"], summary["duration_ns"]) == (0, 0, {}, 0)


@given(adapter_configurations())
@settings(max_examples=5)
def test_lost_frame_is_noticed(configuration: AdapterConfiguration) -> None:
    """A run that violates conservation has no result: a mutant NIC that forgets a frame is caught (MOD-11, ENG-03)."""
    with pytest.MonkeyPatch.context() as patch:
        accept = NicFrontEnd.accept

        def forgetful(self: NicFrontEnd, *arguments: Any) -> None:
            accept(self, *arguments)
            self.arrived += 1

        patch.setattr(NicFrontEnd, "accept", forgetful)
        with pytest.raises(ConservationError, match="MOD-11"):
            everything(run(experiment_of(configuration, CostModel()), timed(two_frames(), [0, 1])))


def test_interrupted_run_keeps_whole_batches() -> None:
    """Ctrl-C during a batch takes effect after it: the results are complete, and say so (ENG-03)."""
    experiment = experiment_of(_any_configuration(), CostModel(), batch_frames=1)
    taken: list[int] = []

    class InterruptingSink:
        def write(self, rows: CompleteRows) -> None:
            taken.append(rows.first_frame)
            signal.raise_signal(signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    source = FramesInMemory(timed(two_frames(), [0, 5]))
    result = run_inline(experiment, lambda: source, InterruptingSink(), lambda frames, share: None)
    assert result.interrupted
    assert taken == [0]
    assert everything(result)[0]["arrived"] == 1
    assert signal.getsignal(signal.SIGINT) == before


def test_a_second_interrupt_ends_the_run_inside_a_batch() -> None:
    """A second Ctrl-C during the batch ends the run without results; SIGINT is handled by Python again."""
    experiment = experiment_of(_any_configuration(), CostModel(), batch_frames=1)

    class InterruptingSink:
        def write(self, rows: CompleteRows) -> None:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
            raise AssertionError("the second interrupt was held up")

    before = signal.getsignal(signal.SIGINT)
    source = FramesInMemory(timed(two_frames(), [0, 5]))
    with pytest.raises(KeyboardInterrupt):
        run_inline(experiment, lambda: source, InterruptingSink(), lambda frames, share: None)
    assert signal.getsignal(signal.SIGINT) == before


def test_interrupt_while_waiting_for_frames() -> None:
    """Ctrl-C while the source waits ends the run at once, with the results so far."""

    class Waiting(FramesInMemory):
        def batches(self, batch_frames: int) -> Any:
            yield from super().batches(batch_frames)
            signal.raise_signal(signal.SIGINT)
            raise AssertionError("the interrupt was not delivered")

    source = Waiting(timed(two_frames(), [0, 5]))
    experiment = experiment_of(_any_configuration(), CostModel())
    result = run_inline(experiment, lambda: source, None, lambda frames, share: None)
    assert result.interrupted
    assert everything(result)[0]["arrived"] == 2


def _any_configuration() -> AdapterConfiguration:
    found: list[AdapterConfiguration] = []

    @given(adapter_configurations())
    @settings(max_examples=1)
    def first(configuration: AdapterConfiguration) -> None:
        found.append(configuration)

    first()
    return found[0]


def test_dropped_frames_have_no_completion() -> None:
    """Frames that the NIC drops are marked for the per-frame table."""
    experiment = experiment_of(_any_configuration(), CostModel())
    front_end = NicFrontEnd()
    work = new_work_columns(2)
    batch = batch_of([b"\0" * 5, two_frames()[0].data])
    offsets = np.zeros((1, len(experiment.costs) + 1), np.int64)
    front_end.accept(batch, [Span(2, experiment.snapshot)], work, offsets, np.zeros(2, np.uint32))
    assert work.completion_ns[0] == -1
    assert front_end.dropped()["runt"] == 1
