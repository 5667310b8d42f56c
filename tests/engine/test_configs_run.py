"""Every scenario that comes with the project runs, and shows what its comment promises."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest

import configs
from dataplane.commands import RunOptions, RunOutcome, inline_engine, run_scenario

CONFIGS = {file.stem: file for file in sorted(Path(configs.__file__).parent.glob("*.toml"))}


def summary_of(name: str, directory: Path) -> dict[str, Any]:
    """Run a scenario; its summary."""
    return outcome_of(CONFIGS[name], directory / name).summary


def outcome_of(scenario: Path, directory: Path) -> RunOutcome:
    """Run a scenario into a directory."""
    options = RunOptions(scenario, None, directory, False, None)
    outcome = run_scenario(options, inline_engine(), lambda frames, share: None)
    assert isinstance(outcome, RunOutcome)
    return outcome


def changed(name: str, old: str, new: str, directory: Path) -> Path:
    """A scenario in which one thing is different."""
    text = CONFIGS[name].read_text("utf-8").partition("\n[adapter]")[2]
    assert text.count(old) == 1
    file = directory / f"{name}-changed.toml"
    file.write_text("[adapter]" + text.replace(old, new), "utf-8")
    return file


def loads_by_window(run: RunOutcome) -> dict[tuple[int, str], float]:
    """Load by window number and processor, without windows that have no work."""
    rows = pyarrow.parquet.read_table(run.directory / "windows.parquet").to_pylist()
    return {(row["window"], row["processor"]): row["load"] for row in rows}


@pytest.mark.parametrize("name", CONFIGS)
def test_scenario_runs(name: str, tmp_path: Path) -> None:
    """Every scenario ends with all checks held and no findings about its input (MOD-11, ENG-03)."""
    options = RunOptions(CONFIGS[name], None, tmp_path / name, False, None)
    summary = run_scenario(options, inline_engine(), lambda frames, share: None).summary
    assert summary["arrived"] > 0
    assert all(summary["checks"].values())
    assert summary["findings"] == []


def test_quick_start_is_interesting(tmp_path: Path) -> None:
    """One processor is hot and drops a little, others idle half the time; every VPort gets traffic."""
    summary = summary_of("quick-start", tmp_path)
    loads = sorted(row["load"] for row in summary["processors"])
    assert loads[-1] > 0.95
    assert loads[len(loads) // 2] < 0.75
    assert 0 < summary["dropped"]["queue_full"] < 0.01 * summary["arrived"]
    assert all(row["received"] for row in summary["vports"])


def test_real_traffic_has_both_directions(tmp_path: Path) -> None:
    """Frames from and to the virtual machines are sends and receives of their VPorts (TX-01, TX-07, RX-01)."""
    summary = summary_of("real-traffic", tmp_path)
    for row in summary["vports"][1:]:
        assert row["received"] > 0
        assert row["completions"] > 0


def test_rss_moves_reorder_once(tmp_path: Path) -> None:
    """Moves away from a full queue reorder, moves back from short queues do not; nothing is lost (EPO-06, EPO-08)."""
    away, default, back = outcome_of(CONFIGS["rss-moves"], tmp_path / "run").updates.certificates
    assert [len(one.entries) for one in (away, default, back)] == [3, 1, 3]
    assert default.entries[0]["index"] == "default"
    assert away.frames_old_epoch_after_adoption > 300
    assert away.frames_reordered > 50
    assert back.frames_old_epoch_after_adoption < 20
    assert back.frames_reordered == default.frames_reordered == 0
    assert all(one.frames_held == one.frames_lost == 0 for one in (away, default, back))


def test_ordered_hand_over_holds_and_keeps_order(tmp_path: Path) -> None:
    """A chain of moves: every update holds frames, none reorders or loses any; without holds many are (EPO-07, EPO-08).

    No update of the chain is over when the next one is adopted (EPO-04).
    """
    run = outcome_of(CONFIGS["ordered-hand-over"], tmp_path / "ordered")
    certificates = run.updates.certificates
    chain = certificates[:3]
    assert all(before.drained_at_ns > after.adopted_at_ns for before, after in pairwise(chain))
    assert [{entry["target"] for entry in one.entries} for one in chain] == [{"0:1"}, {"0:2"}, {"0:0"}]
    assert all(one.frames_held and one.longest_hold_ns and one.blocked_time_ns for one in certificates)
    assert all(one.frames_reordered == one.frames_lost == 0 for one in certificates)
    assert certificates[3].frames_dropped_behind_holds > 0
    assert run.summary["order"]["reordered"] == 0
    other = changed("ordered-hand-over", 'hand_over = "ordered"', 'hand_over = "permissive"', tmp_path)
    permissive = outcome_of(other, tmp_path / "permissive").summary
    assert permissive["order"]["reordered"] > 200
    assert all(permissive["checks"].values())


def test_rss_off_and_on_waits_for_the_primary_processor(tmp_path: Path) -> None:
    """With RSS off all frames are unhashed on processor 0; then the others wait for its queue (UPD-12, UPD-17)."""
    run = outcome_of(CONFIGS["rss-off-and-on"], tmp_path / "run")
    off, on = run.updates.certificates
    there = [(entry["index"], entry["source"], entry["target"]) for entry in off.entries]
    back = [(entry["index"], entry["source"], entry["target"]) for entry in on.entries]
    assert len(there) == 12
    assert {target for _, _, target in there} == {"0:0"}
    assert back == [(index, target, source) for index, source, target in there]
    assert 256 * 800 * 0.9 < on.longest_hold_ns <= 256 * 800
    vport = run.summary["vports"][1]
    assert 0 < vport["hashed"] < vport["received"]
    assert run.summary["order"]["reordered"] == 0
    loads = loads_by_window(run)
    assert {processor for window, processor in loads if window == 3} == {"0:0"}


def test_queue_growth_is_two_updates(tmp_path: Path) -> None:
    """On a restricted adapter growth and shrinkage are one update each, of entries 2 and 3 (UPD-07, UPD-10, EPO-03)."""
    run = outcome_of(CONFIGS["queue-growth"], tmp_path / "run")
    growth, shrinkage = run.updates.certificates
    moves = [[(e["index"], e["source"], e["target"]) for e in one.entries] for one in (growth, shrinkage)]
    assert moves == [[(2, "0:0", "0:2"), (3, "0:1", "0:3")], [(2, "0:2", "0:0"), (3, "0:3", "0:1")]]
    queues, table = "OID_NIC_SWITCH_VPORT_PARAMETERS", "OID_GEN_RECEIVE_SCALE_PARAMETERS"
    assert [request["oid"] for request in growth.requests] == [queues, table]
    assert [request["oid"] for request in shrinkage.requests] == [table, table]
    assert [(other["oid"], other["requested_at_ns"]) for other in run.updates.other_requests] == [(queues, 20_000_000)]
    at_work = {
        window for (window, processor), load in loads_by_window(run).items() if processor == "0:3" and load > 0.1
    }
    assert at_work == {2, 3}


def test_filter_move_moves_frames_but_no_entry(tmp_path: Path) -> None:
    """Every frame is on one of two VPorts or dropped by the full queue; older frames complete (FLT-34, UPD-03)."""
    run = outcome_of(CONFIGS["filter-move"], tmp_path / "run")
    (move,) = run.updates.certificates
    assert move.entries == ()
    assert move.frames_old_epoch_after_adoption > 100
    assert move.frames_lost == move.frames_reordered == 0
    assert move.retired_at_ns > move.adopted_at_ns
    host, machine = run.summary["vports"]
    assert host["received"] + machine["received"] + host["dropped"] == run.summary["arrived"]
    assert machine["dropped"] == 0
    assert {processor for window, processor in loads_by_window(run) if window < 5} == {"0:0"}


def test_rssv1_update_spreads_anew(tmp_path: Path) -> None:
    """A table, other hash types and another key reorder frames, and the last two move no entry (RSS-09, UPD-04)."""
    run = outcome_of(CONFIGS["rssv1-update"], tmp_path / "run")
    assert [len(one.entries) for one in run.updates.certificates] == [32, 0, 0]
    assert all(one.frames_reordered > 0 for one in run.updates.certificates)
    assert all(one.frames_lost == 0 for one in run.updates.certificates)
    assert {processor for window, processor in loads_by_window(run) if window < 2} == {"0:0", "0:1"}


def test_refused_events_change_nothing(tmp_path: Path) -> None:
    """Three refusals are on record beside two updates; without its `expect` one of them is a failed check (UPD-41)."""
    run = outcome_of(CONFIGS["refused-event"], tmp_path / "run")
    assert [len(one.entries) for one in run.updates.certificates] == [1, 0]
    refused = [other["status"] for other in run.updates.other_requests]
    assert refused == ["NDIS_STATUS_NO_QUEUES", "NDIS_STATUS_NO_QUEUES", "NDIS_STATUS_FILE_NOT_FOUND"]
    assert run.updates.failed_requests == ()
    unexpected = changed("refused-event", 'expect = "NDIS_STATUS_FILE_NOT_FOUND"', "", tmp_path)
    assert not outcome_of(unexpected, tmp_path / "other").summary["checks"]["updates_as_expected"]


def test_rsspp_evens_out(tmp_path: Path) -> None:
    """The highest load falls, and far fewer frames are dropped than without a policy (POL-01)."""
    run = outcome_of(CONFIGS["rsspp"], tmp_path / "rsspp")
    loads = loads_by_window(run)
    first, fourth = (max(load for (at, _), load in loads.items() if at == window) for window in (0, 3))
    assert first > 0.95
    assert fourth < 0.9
    requests = [request for one in run.updates.certificates for request in one.requests]
    assert {request["origin"] for request in requests} == {"policy rsspp"}
    without = outcome_of(changed("rsspp", 'name = "rsspp"', 'name = "none"', tmp_path), tmp_path / "none").summary
    assert run.summary["dropped"]["queue_full"] * 10 < without["dropped"]["queue_full"]
    assert without["epochs"] == 1


EVERY_PARAMETER = """
[adapter]
rss_processors = 4
[[vport]]
id = 1
num_queue_pairs = 3
processor_affinity = [0, 1, 2]
  [[vport.filter]]
  mac = "00:15:5d:01:02:01"
  [vport.rss]
  hash_types = ["tcp_ipv4"]
  indirection_table = [0, 1]
  num_indirection_table_entries = 8
  default_processor = 2
[[vport]]
id = 2
processor_affinity = [3]
  [[vport.filter]]
  mac = "00:15:5d:01:02:02"
[processors]
receive_cost_ns = 900
completion_cost_ns = 300
dpc_queue_depth = 4
[traffic]
profile = "uniform"
packets = 20_000
rate_pps = 4_000_000
flows = 40
udp_share = 0.3
lengths = "imix:classic"
transmit = "by-source-mac"
transmit_share = 0.4
[run]
per_packet = true
window_ns = 1_000_000
"""


def test_tables_are_sums_of_the_frames(tmp_path: Path) -> None:
    """entries.parquet and windows.parquet say what the rows of packets.parquet add up to (BAL-01, HSH-32).

    A VPort with RSS has its entries and, for unhashed frames, its default processor; without RSS, its primary one.
    """
    scenario = tmp_path / "every-parameter.toml"
    scenario.write_text(EVERY_PARAMETER, "utf-8")
    run = outcome_of(scenario, tmp_path / "run")
    tables = {
        name: pyarrow.parquet.read_table(run.directory / f"{name}.parquet").to_pylist()
        for name in ("packets", "entries", "windows")
    }
    entries: dict[tuple[Any, ...], Counter[str]] = {}
    windows: dict[tuple[Any, ...], Counter[str]] = {}
    for frame in tables["packets"]:
        window, index = frame["timestamp_ns"] // 1_000_000, frame["indirection_table_index"]
        parameter = "primary" if frame["vport_id"] == 2 else "default" if index is None else "entry"
        if frame["drop_reason"] is not None:
            counts = Counter(dropped=1)
        elif frame["direction"] == "tx":
            counts = Counter(completions=1, busy_ns=300)
        else:
            counts = Counter(received=1, bytes=frame["length"], busy_ns=900)
        entry = (window, frame["vport_id"], parameter, index, frame["processor"])
        entries.setdefault(entry, Counter()).update(counts)
        windows.setdefault((window, frame["processor"]), Counter()).update(counts)
    assert {parameter for _, _, parameter, _, _ in entries} == {"entry", "default", "primary"}
    counted = ("received", "completions", "bytes", "dropped")
    for row in tables["entries"]:
        sums = entries.pop(tuple(row[name] for name in ("window", "vport_id", "parameter", "index", "processor")))
        assert {name: row[name] for name in (*counted, "busy_ns")} == {
            name: sums[name] for name in (*counted, "busy_ns")
        }
        assert row["window_start_ns"] == row["window"] * 1_000_000
    for row in tables["windows"]:
        sums = windows.pop((row["window"], row["processor"]), Counter())  # none where something older is still served
        assert {name: row[name] for name in counted} == {name: sums[name] for name in counted}
        assert row["load"] == row["busy_ns"] / 1_000_000
    assert not entries
    assert not windows
    assert sum(row["busy_ns"] for row in tables["windows"]) == sum(row["busy_ns"] for row in tables["entries"])
