"""`vmmq policy compare` and `list` as users see them."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest

import cli
from dataplane.ids import ProcessorNumber
from dataplane.results.comparison import MEASURES
from dataplane.update.policies import POLICIES
from dataplane.update.policy import LoadWindow, Move, Policy

SCENARIO = """
[adapter]
rss_processors = 4
[[vport]]
id = 1
num_queue_pairs = 4
processor_affinity = [0, 1, 2, 3]
  [[vport.filter]]
  mac = "00:15:5d:01:02:01"
  [vport.rss]
  indirection_table = [0, 0, 1, 2]
  num_indirection_table_entries = 64
[processors]
receive_cost_ns = 2500
[traffic]
profile = "uniform"
flows = 100
packets = 5_000
rate_pps = 1_000_000
[policy]
name = "lpt"
tick_ns = 500_000
parameters = { threshold = 0.2 }
[run]
seed = 7
window_ns = 1_000_000
"""


class Failing(Policy):
    """Fails at its third tick."""

    def rebalance(self, window: LoadWindow) -> Iterable[Move]:
        """One move, then nothing, then an exception."""
        if window.tick == 2:
            raise RuntimeError("out of\nideas")
        return [Move(1, (0,), ProcessorNumber(0, 3))]


class Nonsense(Policy):
    """Wishes for a VPort that is not there."""

    def rebalance(self, window: LoadWindow) -> Iterable[Move]:
        """The wish."""
        return [Move(9, (0,), ProcessorNumber(0, 3))]


class Illegal(Policy):
    """Moves an entry to a fourth processor at its first tick."""

    def rebalance(self, window: LoadWindow) -> Iterable[Move]:
        """The wish."""
        return [Move(1, (0,), ProcessorNumber(0, 3))] if window.tick == 0 else []


class Impatient(Policy):
    """A policy that raises Ctrl-C in its second run, as a user would."""

    runs = 0

    def rebalance(self, window: LoadWindow) -> Iterable[Move]:
        """Ctrl-C, or nothing."""
        if window.tick == 0:
            Impatient.runs += 1
        if Impatient.runs == 2:
            signal.raise_signal(signal.SIGINT)
        return ()


class Talkative(Policy):
    """A policy that prints, as users do to see what their policy gets."""

    def rebalance(self, window: LoadWindow) -> Iterable[Move]:
        """Only print."""
        print("tick", window.tick)
        return ()


class Thoughtful(Policy):
    """A policy that needs longer than the shortest tick."""

    def rebalance(self, window: LoadWindow) -> Iterable[Move]:
        """No wishes, after some time."""
        return () if sum(range(100_000)) else (Move(1, (0,), window.processors[0].processor),)


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    """The scenario above, in a file."""
    path = tmp_path / "tiny.toml"
    path.write_text(SCENARIO)
    return path


def compare(*arguments: object) -> int:
    """Run `vmmq policy compare` in this process; its exit status."""
    return cli.main(["policy", "compare", *map(str, arguments)])


def test_table_of_policies(scenario: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A column for each policy, a row for each measure, and nothing on standard error."""
    assert compare("none", "rsspp", scenario, "--seeds", 2) == 0
    streams = capsys.readouterr()
    assert streams.err == ""
    assert "tick 0.5 ms, window 1 ms, permissive hand-over, seeds 7 to 8" in streams.out
    assert streams.out.splitlines()[1].split() == ["none", "rsspp"]
    for measure in MEASURES:
        assert (measure.label in streams.out) == (measure.field not in {"frames_held", "longest_hold_ns"})


def test_same_traffic_for_all_policies(scenario: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """At one seed all policies get the same frames, those of `vmmq run --seed`; other seeds have others."""
    assert compare("none", "round-robin:", scenario) == 2
    capsys.readouterr()
    assert compare("none", "lpt", "lpt:threshold=0.9", scenario, "--seeds", 3, "--json") == 0
    document = json.loads(capsys.readouterr().out)
    runs = {(run["policy"], run["seed"]): run for run in document["runs"]}
    policies = ["none", "lpt:threshold=0.2", "lpt:threshold=0.9"]
    assert list(runs) == [(policy, seed) for seed in (7, 8, 9) for policy in policies]
    left_alone, never = ([runs[policy, seed] for seed in (7, 8, 9)] for policy in (policies[0], policies[2]))
    for one, other in zip(left_alone, never, strict=True):
        assert {**one, "policy": ""} == {**other, "policy": ""}  # no move is worth 90 %
    assert len({run["jain"] for run in left_alone}) == 3
    assert all(runs[policies[1], seed]["entries_moved"] > 0 for seed in (7, 8, 9))
    for seed, expected in ((7, left_alone[0]), (9, left_alone[2])):
        out = scenario.parent / str(seed)
        scenario.write_text(SCENARIO.replace('"lpt"', '"none"').replace("parameters =", "#"))
        assert cli.main(["run", str(scenario), "--seed", str(seed), "--out", str(out), "--json"]) == 0
        summary = json.loads(capsys.readouterr().out)
        assert summary["balance"]["jain"] == expected["jain"]
        assert summary["balance"]["max_over_mean"] == expected["max_over_mean"]


def test_json_document(scenario: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One document: means with intervals by policy, and every run."""
    assert compare("none", "sprayer", scenario, "--seeds", 2, "--hand-over", "ordered", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["schema_version"], document["scenario"], document["interrupted"]) == (1, "tiny", False)
    for row in document["policies"]:
        runs = [run for run in document["runs"] if run["policy"] == row["policy"]]
        assert row["seeds"] == [run["seed"] for run in runs] == [7, 8]
        for name, one in row["measures"].items():
            low, high = sorted(run[name] for run in runs)
            assert one["mean"] == pytest.approx((low + high) / 2)
            assert one["half_width_95"] == pytest.approx(12.706 * (high - low) / 2, rel=1e-9, abs=1e-12)
    assert {run["hand_over"] for run in document["runs"]} == {"ordered"}
    assert all(run["reordered"] == 0 for run in document["runs"])
    assert document["policies"][1]["measures"]["frames_held"]["mean"] > 0


def test_tick_and_parameters_are_those_asked_for(scenario: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--tick-ns is for all policies, parameters for one; values are those of TOML, or else text (POL-01)."""
    policies = ["least-loaded:moves_max=1,threshold=0.0,measure=packets", "least-loaded:moves_max=2,threshold=0.0"]
    assert compare(*policies, scenario, "--seeds", 1, "--tick-ns", 1_000_000, "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert [run["policy"] for run in document["runs"]] == policies
    assert {run["tick_ns"] for run in document["runs"]} == {1_000_000}
    one, two = (run["entries_moved"] for run in document["runs"])
    assert 1 <= one <= 4  # four ticks in 5 ms
    assert one < two <= 8
    assert document["policies"][0]["measures"]["jain"]["half_width_95"] is None


def test_exported_rows(scenario: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--output has the runs of --json; an existing file is kept unless --overwrite is given."""
    output = tmp_path / "runs.parquet"
    arguments = ("none", "lpt:threshold=0.0", scenario, "--seeds", 2, "--json", "--output", output)
    assert compare(*arguments) == 0
    document = json.loads(capsys.readouterr().out)
    rows: list[dict[str, Any]] = pyarrow.parquet.read_table(output).to_pylist()
    expected = [{**run, "schema_version": 1, "findings": None} for run in document["runs"]]
    assert rows == [{name: run[name] for name in rows[0]} for run in expected]
    before = output.read_bytes()
    assert compare(*arguments) == 2
    assert output.read_bytes() == before
    assert compare(*arguments, "--overwrite") == 0


@pytest.mark.parametrize(
    ("policy", "finding"),
    [
        ("Failing", "at 1.5 ms: RuntimeError: out of ideas (test_policy.py line N)"),
        ("Nonsense", "at 0.5 ms: there is no VPort 9 with RSS"),
    ],
)
def test_policy_that_fails(policy: str, finding: str, scenario: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line for all its runs, its results are kept, and the status is 1 (POL-01)."""
    name = f"{__name__}:{policy}"
    assert compare("none", name, scenario, "--seeds", 2, "--json") == 1
    streams = capsys.readouterr()
    told = re.sub(r"line \d+", "line N", streams.err)
    assert told == f"vmmq: {name}, seed 7: policy {name} {finding} (and 1 more)\n"
    document = json.loads(streams.out)
    assert [len(run["findings"]) for run in document["runs"]] == [0, 1, 0, 1]
    assert [run["arrived"] for run in document["runs"]] == [5000] * 4
    assert [run["entries_moved"] for run in document["runs"]] == [0, policy == "Failing"] * 2


def test_refused_requests_are_a_finding(scenario: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Refused wishes are counted and named with their statuses, and the exit status is 1 (UPD-41)."""
    scenario.write_text(SCENARIO.replace("num_queue_pairs = 4", "num_queue_pairs = 3"))
    name = f"{__name__}:Illegal"
    assert compare("none", name, scenario, "--seeds", 1) == 1
    streams = capsys.readouterr()
    assert streams.err.startswith(
        f"vmmq: {name}, seed 7: 1 refused, first by policy {name} at 0.500 ms: OID_GEN_RSS_SET_"
    )
    assert streams.err.endswith("_ENTRIES NDIS_STATUS_NO_QUEUES (UPD-41: 4 processors in use, 3 queues)\n")
    (refused,) = (line for line in streams.out.splitlines() if line.startswith("requests refused"))
    assert refused.split()[-2:] == ["0", "1"]


def test_interrupt_keeps_what_is_finished(
    scenario: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After Ctrl-C the finished runs, even if there are none, are printed and written, without the interrupted one."""
    monkeypatch.setattr(Impatient, "runs", 0)
    output, name = tmp_path / "runs.csv", f"{__name__}:Impatient"
    assert compare("none", name, scenario, "--output", output) == 3
    streams = capsys.readouterr()
    assert streams.err == ""
    assert "stopped early" in streams.out
    (counts,) = (line for line in streams.out.splitlines() if line.startswith("runs"))
    assert counts.split() == ["runs", "2", "1"]
    assert len(output.read_text().splitlines()) == 1 + 3
    monkeypatch.setattr(Impatient, "runs", 1)
    assert compare(name, scenario, "--output", tmp_path / "none.csv") == 3
    assert capsys.readouterr() == ("tiny\nstopped early: no run was finished\n", "")
    assert len((tmp_path / "none.csv").read_text().splitlines()) == 1
    monkeypatch.setattr(Impatient, "runs", 1)
    assert compare(name, scenario, "--json") == 3
    streams = capsys.readouterr()
    document = json.loads(streams.out)
    assert (streams.err, document["interrupted"], document["runs"]) == ("", True, [])
    assert document["policies"][0]["seeds"] == []
    assert set(document["policies"][0]["measures"].values()) == {None}


def test_what_a_policy_prints_is_not_in_the_document(scenario: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Standard output has one JSON document; prints are on standard error."""
    assert compare(f"{__name__}:Talkative", scenario, "--seeds", 1, "--json") == 0
    streams = capsys.readouterr()
    assert json.loads(streams.out)["findings"] == []
    assert streams.err.startswith("tick 0\n")


def test_seed_of_the_traffic_goes_up_too(scenario: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A `seed` in [traffic] does not make all runs the same."""
    scenario.write_text(SCENARIO.replace("[policy]", "seed = 3\n[policy]"))
    assert compare("none", scenario, "--seeds", 3, "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["policies"][0]["seeds"] == [7, 8, 9]
    assert len({run["jain"] for run in document["runs"]}) == 3


CAPTURE = Path(__file__).parents[2] / "configs" / "ipv6-mobile-nodes.pcap"


def test_what_no_seed_changes_is_run_once(scenario: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A capture with its own timestamps is the same with every seed, so there is no interval."""
    head, _, tail = SCENARIO.partition("[traffic]\n")
    scenario.write_text(f'{head}[traffic]\ncapture = "{CAPTURE}"\n{tail[tail.index("[policy]") :]}')
    assert compare("none", scenario) == 0
    assert "nothing in the scenario depends on the seed" in capsys.readouterr().out
    scenario.write_text(scenario.read_text().replace("[vport.rss]", '[vport.rss]\n  hash_secret_key = "random"'))
    assert compare("none", scenario, "--json") == 0
    assert len(json.loads(capsys.readouterr().out)["runs"]) == 5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nonne", "rsspp", "{scenario}"], "there is no policy 'nonne'; did you mean none?"),
        (["none", "nowhere:Class", "{scenario}"], "module nowhere cannot be imported: not found"),
        (["rsspp:treshold=1", "{scenario}"], "policy rsspp has no parameter treshold; did you mean threshold?"),
        (["rsspp:threshold", "{scenario}"], "parameters are written rsspp:key=value"),
        (["rsspp:threshold=0.1,=2", "{scenario}"], "'=2' is not key=value"),
        (["lpt:threshold=high", "{scenario}"], "does not take its parameters: threshold"),
        (["none", "none", "{scenario}"], "named twice"),
        (["lpt", "lpt:threshold=0.2", "{scenario}"], "named twice"),  # the scenario's own parameters
        (["none", "missing.toml"], "missing.toml does not exist; check the name"),
        (["{scenario}"], "name one POLICY"),
        (["none", "{scenario}", "--seeds", "31"], "--seeds"),
        (["none", "{scenario}", "--seeds", "0"], "--seeds"),
        (["none", "{scenario}", "--hand-over", "orderly"], "--hand-over"),
        (["none", "{scenario}", "--tick-ns", "999"], "--tick-ns"),
        (["none", "{scenario}", "--output", "runs.xlsx"], "unknown output format '.xlsx'"),
        (["none", "silent.toml"], "no [traffic]"),
        (["none", "stdin.toml"], "the capture - cannot be read again"),
        (["none", "pipe.toml"], "pipe cannot be read again"),
    ],
)
def test_wrong_input_is_one_line(
    arguments: list[str],
    message: str,
    scenario: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Before anything runs, one line says what is wrong; status 2, nothing is left behind."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "silent.toml").write_text("")
    (tmp_path / "stdin.toml").write_text('[traffic]\ncapture = "-"\n')
    (tmp_path / "pipe.toml").write_text('[traffic]\ncapture = "pipe"\n')
    os.mkfifo(tmp_path / "pipe")
    before = sorted(tmp_path.rglob("*"))
    assert compare(*(one.format(scenario=scenario) for one in arguments)) == 2
    streams = capsys.readouterr()
    assert streams.out == ""
    assert message in streams.err
    assert len(streams.err.splitlines()) == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_all_that_is_wrong_with_policies_comes_at_once(scenario: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Misspelt parameters, unknown names and parameters, policies named twice: a line each, in the order given."""
    assert compare("lpt:x", "nonne", "none", "rsspp:a=1,b=2", "lpt:=3,4=4", "none", scenario) == 2
    starts = (
        "policy 'lpt:x': parameters are written lpt:key=value",
        "there is no policy 'nonne'; did you mean none?",
        "policy rsspp has no parameter a; it has threshold",
        "policy rsspp has no parameter b; it has threshold",
        "policy 'lpt:=3,4=4': '=3' is not key=value",
        "policy 'lpt:=3,4=4': '4=4' is not key=value",
        "policy 'none' is named twice",
    )
    lines = capsys.readouterr().err.splitlines()
    assert [line.startswith(f"vmmq: {start}") for line, start in zip(lines, starts, strict=True)] == [True] * 7


def test_list_of_policies(capsys: pytest.CaptureFixture[str]) -> None:
    """Every name with one line on what it does; the same as JSON."""
    assert cli.main(["policy", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(POLICIES)
    assert all(line.endswith(".") and len(line.split()) > 3 for line in lines)
    assert cli.main(["policy", "list", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [f"{one['name']:<12}  {one['does']}" for one in document] == lines


def test_all_wrong_policies_are_told_at_once(scenario: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A line for each, before anything runs."""
    assert compare("nopol", "none", "rsspp:treshold=1", "none:x=1", scenario) == 2
    assert [line.partition(";")[0] for line in capsys.readouterr().err.splitlines()] == [
        "vmmq: there is no policy 'nopol'",
        "vmmq: policy rsspp has no parameter treshold",
        "vmmq: policy none has no parameter x",
    ]
    assert compare("lpt:threshold=0.1,threshold=0.2", "lpt:=", scenario) == 2
    assert capsys.readouterr().err.splitlines() == [
        "vmmq: policy 'lpt:threshold=0.1,threshold=0.2': a parameter is given twice",
        "vmmq: policy 'lpt:=': '=' is not key=value",
    ]


def test_a_policy_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    """The line says how the two arguments were understood."""
    assert compare("rsspp") == 2
    assert capsys.readouterr().err.startswith("vmmq: rsspp stands where the SCENARIO is: name one POLICY")


def test_policies_slower_than_their_tick_are_named(scenario: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line for each on the screens of `compare` and `run`, whatever their number of runs; results are as ever."""
    scenario.write_text(SCENARIO.replace("packets = 5_000", "packets = 50").replace("500_000", "1_000"))
    name = f"{__name__}:{Thoughtful.__qualname__}"
    assert compare("none", name, scenario, "--seeds", 2) == 0
    told = f"policy {name} at 0.001 ms needed"
    assert capsys.readouterr().out.count(told) == 1
    assert compare(name, scenario, "--seeds", 1, "--json") == 0
    [remark] = json.loads(capsys.readouterr().out)["remarks"]
    assert remark.startswith(told)
    text = scenario.read_text().replace('name = "lpt"', f'name = "{name}"').replace("parameters =", "#")
    scenario.write_text(text)
    assert cli.main(["run", str(scenario), "--out", str(scenario.parent / "r")]) == 0
    assert f"{told} " in capsys.readouterr().out
