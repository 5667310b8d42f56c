"""`vmmq scale` as users see it: real runs, each in its own process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow.parquet
import pytest

import cli
from dataplane.scale.rows import SCHEMA
from tests.actors.processes import descendants, wait_for_end
from tests.scale.examples import SCENARIO, written

#: Comes to a tick, and to its end, after 5 ms: 5,000 frames.
DEADLY = SCENARIO.replace("[run]", '[policy]\nname = "tests.scale.deadly_policy:Deadly"\ntick_ns = 5_000_000\n[run]')


def test_a_grid_from_scenario_to_plots(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Table on the screen, Parquet file, plots; NICs differ, repeats too; a second call runs nothing."""
    scenario, out = str(written(tmp_path)), tmp_path / "out"
    arguments = ["scale", scenario, "--processors", "2,4", "--nics", "2", "--repeat", "1", "--out", str(out)]
    assert cli.main(arguments) == 0
    screen = capsys.readouterr().out
    assert "efficiency" in screen
    assert "stopped early" not in screen
    assert str(out) in screen
    table = pyarrow.parquet.read_table(out / "runs.parquet")
    assert table.schema.equals(SCHEMA)
    assert table["processors"].to_pylist() == [2, 4]
    assert table["frames"].to_pylist() == [4_000, 4_000], "two NICs"
    assert {path.suffix for path in out.iterdir()} == {"", ".json", ".parquet", ".svg"}
    kept = {path: path.stat().st_mtime_ns for path in (out / "runs").iterdir()}
    assert cli.main([*arguments, "--json", "--quiet"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [run["repeat"] for run in document["runs"]] == [0, 0]
    assert document["missing"] == 0
    assert kept == {path: path.stat().st_mtime_ns for path in (out / "runs").iterdir()}


def test_growth_names_what_a_frame_costs_and_a_point_that_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run that does not end is a finding with its scenario (status 1); the others are there."""
    scenario = str(written(tmp_path, DEADLY))
    arguments = ["scale", scenario, "--grow", "packets=100,1000,9000", "--repeat", "1", "--out", str(tmp_path / "out")]
    assert cli.main([*arguments, "--plots", "png"]) == 1
    told = capsys.readouterr()
    assert "with more packets: time of a frame" in told.out
    finding, *of_short_runs = told.err.splitlines()[-3:]
    assert all("is never asked: its first tick at 5 ms" in line for line in of_short_runs)
    assert "packets 9,000" in finding
    assert "its process died (signal 9: see the machine's memory)" in finding
    assert next((tmp_path / "out" / "failed").iterdir()).name in finding
    assert (tmp_path / "out" / "growth-packets.png").exists()
    rows = pyarrow.parquet.read_table(tmp_path / "out" / "runs.parquet").to_pylist()
    assert [row["value"] for row in rows] == [100, 1000]
    assert all(row["peak_memory_bytes"] > 10_000_000 and row["set_up_seconds"] > 0 for row in rows)
    assert all(0 < row["source_seconds"] < row["seconds"] for row in rows)


def test_where_every_run_fails_there_is_a_document_of_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """If every run fails: findings and status 1 as usual, also in JSON; an empty table; missing runs are counted."""
    scenario = str(written(tmp_path, DEADLY))
    arguments = ["scale", scenario, "--grow", "packets=9000", "--repeat", "1", "--out", str(tmp_path / "out"), "--json"]
    assert cli.main(arguments) == 1
    told = capsys.readouterr()
    document = json.loads(told.out)
    [finding] = document["findings"]
    assert "packets 9,000" in finding
    assert told.err.splitlines()[-1] == f"vmmq: {finding}"
    assert (document["runs"], document["missing"]) == ([], 1)
    assert pyarrow.parquet.read_table(tmp_path / "out" / "runs.parquet").schema.equals(SCHEMA)


def test_bad_input_is_told_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Wrong options give one line each and status 2, and nothing is written."""
    arguments = ["--processors", "0", "--engine", "gpu", "--batch", "1", "--out", str(tmp_path / "out")]
    assert cli.main(["scale", str(written(tmp_path)), *arguments]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 3
    assert not (tmp_path / "out").exists()


@contextmanager
def started(scenario: Path, out: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """The command in a session of its own, as that of a terminal; nothing of it is left when a test fails."""
    process = subprocess.Popen(
        [sys.executable, "-m", "cli", "scale", str(scenario), "--out", str(out), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


def blocked_signals(process: int) -> set[int]:
    """The signals that the main thread of a process does not hear."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{process}/status").read_text().splitlines())
    mask = int(status["SigBlk"], 16)
    return {number for number in range(1, 65) if mask >> (number - 1) & 1}


def test_an_interruption_keeps_what_is_finished(tmp_path: Path) -> None:
    """Ctrl-C to all processes of the terminal: status 3, table and plots of the finished runs, no process left."""
    scenario = written(tmp_path, SCENARIO.replace("[run]", "").replace("seed = 7", ""))
    out = tmp_path / "out"
    with started(scenario, out, "--repeat", "100") as process:
        while not (out / "runs").is_dir() or not any((out / "runs").glob("*.json")):
            assert process.poll() is None, process.stderr and process.stderr.read()
            time.sleep(0.05)
        helpers = [helper for helper, _ in descendants(process.pid)]
        os.killpg(process.pid, signal.SIGINT)
        screen, errors = process.communicate(timeout=60)
    assert process.returncode == 3, errors
    assert "stopped early" in screen
    assert "runs are missing: the same command goes on with them" in screen
    assert pyarrow.parquet.read_table(out / "runs.parquet").num_rows >= 1
    assert (out / "throughput.svg").exists()
    assert helpers
    assert all(wait_for_end(helper) for helper in helpers)


@pytest.mark.parametrize("as_json", [True, False])
def test_an_interruption_before_the_first_run_is_finished(tmp_path: Path, as_json: bool) -> None:
    """Ctrl-C before any run is finished: status 3, document or screen say so, and the table has no rows."""
    scenario, out = written(tmp_path, SCENARIO.replace("2_000", "2_000_000_000")), tmp_path / "out"
    with started(scenario, out, "--repeat", "2", *(["--json"] if as_json else [])) as process:
        nics: list[int] = []
        while not nics:
            assert process.poll() is None, process.stderr and process.stderr.read()
            time.sleep(0.05)
            nics = [helper for helper, command in descendants(process.pid) if "spawn_main" in command]
        assert signal.SIGINT in blocked_signals(nics[0]), "only its parent is to hear Ctrl-C"
        os.killpg(process.pid, signal.SIGINT)
        printed, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (3, "")
    if as_json:
        document = json.loads(printed)
        assert document["interrupted"] is True
        assert (document["missing"], document["points"], document["runs"]) == (2, [], [])
    else:
        assert "stopped early" in printed
        assert "2 runs are missing: the same command goes on with them" in printed
        assert "plots" not in printed
    assert pyarrow.parquet.read_table(out / "runs.parquet").num_rows == 0
