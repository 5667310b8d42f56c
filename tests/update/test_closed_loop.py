"""Properties of policies that rebalance live traffic, known beforehand, in whole runs of the inline engine."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import cli
from dataplane.commands import update_report
from dataplane.engine.experiment import CompleteRows, RunResult
from dataplane.engine.inline import run_inline
from dataplane.engine.prepare import experiment
from dataplane.ids import ProcessorNumber
from dataplane.results.summary import summarize
from dataplane.results.tables import windows_table
from dataplane.scenario.load import load_scenario
from dataplane.scenario.source import traffic_source
from dataplane.update.certificates import UpdateReport
from dataplane.update.policies import POLICIES
from dataplane.update.policy import LoadWindow, Move, Policy

TICK_NS = 1_000_000
#: Three quarters of the entries point to processor 0.
SKEWED = [0, 0, 0, 1]


class Illegal(Policy):
    """Moves an entry to a processor for which the VPort has no queue, then makes a legal move."""

    def rebalance(self, window: LoadWindow) -> Iterable[Move]:
        """The illegal move at the first tick, the legal one at the second."""
        if window.tick == 0:
            yield Move(1, (5,), ProcessorNumber(0, 3))
        elif window.tick == 1:
            yield Move(1, (0,), ProcessorNumber(0, 1))


class Failing(Policy):
    """Moves entry 0 to and fro, and fails at its third tick."""

    def rebalance(self, window: LoadWindow) -> Iterable[Move]:
        """An entry to another processor, until it fails."""
        if window.tick == 2:
            raise RuntimeError("out of ideas")
        yield Move(1, (0,), ProcessorNumber(0, 1 - window.tick))


def scenario(
    policy: str = "none",
    *,
    processors: int = 4,
    queues: int = 4,
    table: list[int] = SKEWED,
    entries: int = 128,
    cost_ns: int = 1000,
    traffic: str = 'profile = "uniform"\nflows = 500',
    rate_pps: int = 1_000_000,
    packets: int = 20_000,
    hand_over: str = "permissive",
    parameters: str = "{}",
    event: str = "",
) -> str:
    """A VPort with RSS on all processors, one tick in each window."""
    return f"""
[adapter]
rss_processors = {processors}
[[vport]]
id = 1
num_queue_pairs = {queues}
processor_affinity = {list(range(processors))}
  [[vport.filter]]
  mac = "00:15:5d:01:02:01"
  [vport.rss]
  indirection_table = {table}
  num_indirection_table_entries = {entries}
[processors]
receive_cost_ns = {cost_ns}
[traffic]
{traffic}
packets = {packets}
rate_pps = {rate_pps}
{event}
[update]
hand_over = "{hand_over}"
[policy]
name = "{policy}"
tick_ns = {TICK_NS}
parameters = {parameters}
[run]
window_ns = {TICK_NS}
"""


@dataclass(frozen=True, slots=True)
class Finished:
    """A run with its findings, and processor and completion of each frame."""

    result: RunResult
    report: UpdateReport
    summary: dict[str, Any]
    processors: npt.NDArray[np.uint16]
    completions_ns: npt.NDArray[np.int64]

    def by_window(self, column: str) -> npt.NDArray[np.int64]:
        """A column of the windows before the last arrival's: (windows, processors)."""
        table = windows_table(self.result)
        names = [str(processor) for processor in self.result.experiment.snapshot.processors]
        whole = (self.result.last_arrival_ns - self.result.start_ns) // TICK_NS
        values = np.zeros((whole, len(names)), np.int64)
        for row in table.to_pylist():
            if row["window"] < whole:
                values[row["window"], names.index(row["processor"])] = row[column]
        return values

    def max_over_mean_at_the_end(self) -> float:
        """Mean of max/mean of busy time over the second half of the windows."""
        busy_ns = self.by_window("busy_ns")
        late = busy_ns[len(busy_ns) // 2 :]
        return float((late.max(axis=1) / late.mean(axis=1)).mean())


class Kept:
    """A packet sink that keeps two columns."""

    def __init__(self) -> None:
        self.processors: list[npt.NDArray[np.uint16]] = []
        self.completions_ns: list[npt.NDArray[np.int64]] = []

    def write(self, rows: CompleteRows) -> None:
        """Keep the rows of a batch."""
        self.processors.append(rows.work.processor.copy())
        self.completions_ns.append(rows.work.completion_ns.copy())


def run(text: str) -> Finished:
    """Run a scenario."""
    loaded, kept = load_scenario(text), Kept()
    result = run_inline(experiment(loaded), partial(traffic_source, loaded), kept, lambda frames, share: None)
    report = update_report(result)
    summary = summarize(result, report, scenario="closed loop", seed=loaded.run.seed)
    return Finished(result, report, summary, np.concatenate(kept.processors), np.concatenate(kept.completions_ns))


@pytest.mark.parametrize("name", ["rsspp", "least-loaded", "lpt"])
def test_constant_skew_is_evened_out(name: str) -> None:
    """Balancing policies end well below the max/mean that the scenario's table has all the time (POL-01, BAL-02)."""
    left_alone, balanced = run(scenario()), run(scenario(name))
    assert left_alone.max_over_mean_at_the_end() > 2.5
    assert balanced.max_over_mean_at_the_end() < 1.5
    assert balanced.report.totals.entries_moved > 0
    assert all(balanced.summary["checks"].values())


ELEPHANT = 'profile = "elephants"\nelephants = 1\nelephant_share = 0.5\nflows = 500'


def test_sprayer_pays_balance_with_order() -> None:
    """Only the sprayer spreads an elephant over all processors in the long run; only it must reorder much.

    One flow of half the frames keeps every policy that leaves it in its place at a max/mean of 2 (BAL-02, ORD-02).
    """
    runs = {name: run(scenario(name, traffic=ELEPHANT, cost_ns=1900, table=[0, 1, 2, 3])) for name in POLICIES}
    balance = {name: one.summary["balance"]["max_over_mean"] for name, one in runs.items()}
    reordered = {name: one.summary["order"]["reordered"] for name, one in runs.items()}
    assert min(balance, key=balance.__getitem__) == "sprayer"
    assert balance["sprayer"] < 1.3 < balance["none"]
    assert max(reordered, key=reordered.__getitem__) == "sprayer"
    assert reordered["none"] == 0 < reordered["sprayer"]


@pytest.mark.parametrize("name", POLICIES)
def test_ordered_hand_over_never_reorders(name: str) -> None:
    """Whatever a policy moves under load, no frame is overtaken, and none is lost because of it (EPO-07, EPO-08)."""
    text = scenario(name, traffic=ELEPHANT, cost_ns=1900, table=[0, 0, 1, 2], hand_over="ordered")
    ordered = run(text)
    assert ordered.summary["order"]["reordered"] == 0
    assert ordered.report.totals.frames_lost == 0
    assert all(ordered.summary["checks"].values())
    assert (ordered.report.totals.frames_held > 0) == (ordered.report.totals.entries_moved > 0)
    assert (ordered.report.totals.entries_moved > 0) == (name != "none")


@pytest.mark.parametrize("name", POLICIES)
def test_an_elephant_bounds_balance(name: str) -> None:
    """With a flow of 11 % of the frames on ten processors, max/mean in a window is at least 1.1 in the mean (BAL-02).

    A flow stays on one processor between two ticks, so that the busiest processors of all windows together have at
    least as many frames as the flow; the sprayer takes it elsewhere at a tick, but not inside a window.
    """
    n = 10
    elephant = 'profile = "elephants"\nelephants = 1\nelephant_share = 0.11\nflows = 5000'
    # its tick is to stay in step with the windows
    parameters = f"{{ tick_min_ns = {TICK_NS}, tick_max_ns = {TICK_NS} }}" if name == "rsspp" else "{}"
    one = run(
        scenario(
            name, processors=n, queues=n, table=list(range(n)), traffic=elephant, rate_pps=2_000_000, packets=40_000,
            parameters=parameters,
        )
    )  # fmt: skip
    assert one.summary["dropped"] == {}
    share = one.result.flows.items.max() / one.summary["completed"]
    assert share == pytest.approx(0.11, rel=0.05)
    received = one.by_window("received")
    assert received.max(axis=1).sum() * n / received.sum() >= 0.99 * share * n  # the last window is not a whole one
    assert one.summary["balance"]["largest_flow_bound"] == pytest.approx(share * n, abs=1e-6)


@pytest.mark.parametrize("hand_over", ["permissive", "ordered"])
def test_growing_a_table_changes_nothing(hand_over: str) -> None:
    """A larger table first repeats the smaller one, so every frame goes where it went before (UPD-26)."""
    grow = "\n".join(
        f"[[event]]\nat_ns = {at_ns}\nrss = {{ vport = 1, num_indirection_table_entries = {entries} }}"
        for at_ns, entries in ((3_000_001, 32), (7_500_000, 128))
    )
    text = partial(scenario, table=[0, 1, 2, 3, 0, 2, 1, 1], entries=8, cost_ns=2500, hand_over=hand_over)
    grown, as_it_was = run(text(event=grow)), run(text())
    assert [len(one.requests) for one in grown.report.certificates] == [1, 1]
    assert grown.report.totals.entries_moved == grown.report.totals.frames_held == 0
    assert grown.summary["order"]["reordered"] == 0
    assert grown.summary["checks"]["updates_as_expected"]
    np.testing.assert_array_equal(grown.processors, as_it_was.processors)
    np.testing.assert_array_equal(grown.completions_ns, as_it_was.completions_ns)


def test_illegal_move_is_refused_and_traffic_goes_on() -> None:
    """A move beyond the queues ends with its NDIS status, is recorded, and leaves steering alone (POL-01, UPD-41).

    The policy is asked again at the next tick, and its legal move is carried out.
    """
    one = run(scenario(f"{__name__}:Illegal", queues=2))
    (refused,) = one.report.failed_requests
    assert refused["status"] == "NDIS_STATUS_NO_QUEUES"
    assert "UPD-41" in refused["why"]
    assert (refused["origin"], refused["requested_at_ns"]) == (f"policy {__name__}:Illegal", TICK_NS)
    assert one.report.totals.entries_moved == len(one.report.certificates) == 1
    assert one.summary["completed"] + sum(one.summary["dropped"].values()) == one.summary["arrived"] == 20_000
    assert one.summary["checks"]["updates_as_expected"] is False
    assert one.summary["findings"] == []
    assert set(one.processors[one.completions_ns > 0]) <= {0, 1}


def test_failing_policy_is_a_finding(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A policy that raises is not asked again; the run goes on, says so in one line, and ends with status 1."""
    file = tmp_path / "failing.toml"
    file.write_text(scenario(f"{__name__}:Failing"))
    assert cli.main(["run", str(file), "--out", str(tmp_path / "results"), "--json"]) == 1
    streams = capsys.readouterr()
    summary = json.loads(streams.out)
    (finding,) = summary["findings"]
    assert finding.startswith(
        f"policy {__name__}:Failing at 3 ms: RuntimeError: out of ideas (test_closed_loop.py line "
    )
    assert summary["arrived"] == 20_000
    assert all(summary["checks"].values())
    updates = json.loads((tmp_path / "results" / "updates.json").read_text())
    assert [one["requested_at_ns"] for one in updates] == [TICK_NS, 2 * TICK_NS]
    assert "Traceback" not in streams.err
