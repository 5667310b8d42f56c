"""A running dataplane on its own Ray cluster: started, asked, observed, taken down, and repeated."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet
import pytest

from actors.live import UpOptions, connected, up
from actors.state import State, StateFiles
from cli import main
from tests.actors.processes import actors_below, descendants, wait_for_end

SCENARIO = """
[adapter]
rss_processors = 4

[[vport]]
id = 1
num_queue_pairs = 4
  [[vport.filter]]
  mac = "00:15:5d:01:02:01"
  [vport.rss]
  hash_types = ["ipv4", "tcp_ipv4", "udp_ipv4"]
  indirection_table = [0, 1, 2, 3]
  num_indirection_table_entries = 64

[traffic]
profile = "zipf"
packets = 10
rate_pps = 50_000
flows = 100
"""

Ask = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A place for state files."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(folder))
        yield folder


@pytest.fixture
def ask(home: Path, capsys: pytest.CaptureFixture[str]) -> Ask:
    """Run a command: exit status, output, errors."""

    def run(*arguments: str) -> tuple[int, str, str]:
        code = main(arguments)
        out, err = capsys.readouterr()
        return code, out, err

    return run


@dataclass
class Live:
    """A running dataplane."""

    state: State
    folder: Path


@pytest.fixture(scope="module")
def live(home: Path) -> Iterator[Live]:
    """One dataplane for all tests, because it takes seconds to start. Nothing of it remains, whatever the tests do."""
    (home / "live.toml").write_text(SCENARIO)
    state = up(UpOptions(home / "live.toml", "lab", home / "run", False, None, 4, True))
    assert state.holder is not None
    assert state.folder is not None
    yield Live(state, home)
    if StateFiles().read("lab") is not None:
        main(["down", "--quiet"])
    assert wait_for_end(state.holder.id)
    assert not Path(state.folder).exists()
    assert StateFiles().names() == []
    assert not list(home.glob(".partial-*"))


@pytest.mark.parametrize(
    "arguments",
    [
        ("oid", "OID_GEN_CURRENT_PACKET_FILTER"),
        ("rss", "move", "--vport", "1", "--indices", "0", "--target", "1"),
        ("rss", "set", "--vport", "1", "--disable"),
        ("show", "nobody"),
        ("top", "--once", "--name", "nobody"),
        ("down", "--name", "nobody"),
    ],
)
def test_without_a_dataplane_there_is_one_line(ask: Ask, arguments: tuple[str, ...]) -> None:
    """Commands that need a running dataplane say that there is none, with the status for wrong input."""
    if arguments[0] in {"oid", "rss"}:
        arguments = (*arguments, "--name", "nobody")
    code, out, err = ask(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("vmmq: no dataplane nobody runs")
    assert err.count("\n") == 1


@pytest.mark.ray
@pytest.mark.usefixtures("live")
def test_requests_change_the_running_adapter(ask: Ask) -> None:
    """A move is answered with its epoch, `show` shows the new state, a refusal says why and has no effect (MOD-09)."""
    code, out, _ = ask("rss", "move", "--vport", "1", "--indices", "0-3", "--target", "3", "--json")
    answers = json.loads(out)
    assert code == 0
    assert [one["status"] for one in answers] == ["NDIS_STATUS_SUCCESS"] * 4
    epochs = [one["epoch"] for one in answers if one["epoch"] is not None]
    assert epochs == [1, 2, 3], "three of the four entries pointed elsewhere"
    assert all(one["adopted_at_ns"] == one["requested_at_ns"] for one in answers if one["epoch"] is not None)
    code, out, _ = ask("show", "lab", "--json")
    before = json.loads(out)
    [_, vport] = before["vports"]
    assert vport["rss"]["indirection_table"][:5] == ["0:3"] * 4 + ["0:0"]
    assert before["epoch"] == 3
    code, out, _ = ask("oid", "OID_RECEIVE_FILTER_CLEAR_FILTER", '{"filter_id": 77}')
    assert code == 1
    assert "NDIS_STATUS_FILE_NOT_FOUND (FLT-41" in out
    code, out, _ = ask("oid", "send", "OID_GEN_CURRENT_PACKET_FILTER", "--kind", "query", "--json")
    assert (code, json.loads(out)["out"]) == (0, {"packet_filter": ["PROMISCUOUS"]})
    code, out, _ = ask("rss", "set", "--vport", "1", "--default-processor", "2")
    assert code == 0
    assert "epoch 4 from" in out
    code, out, err = ask("oid", "OID_NO_SUCH_THING")
    assert (code, out, err.count("\n")) == (2, "", 1)
    code, out, err = ask("rss", "set", "--vport", "1", "--disable", "--hash-types", "ipv4")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "--disable leaves no use for --hash-types:" in err
    code, out, _ = ask("show", "lab", "--json")
    after = json.loads(out)
    assert after["filters"] == before["filters"]
    assert after["epoch"] == 4


@pytest.mark.ray
@pytest.mark.usefixtures("live")
def test_top_sees_frames_pass(ask: Ask) -> None:
    """One block of plain lines: throughput, every processor, every VPort."""
    code, out, _ = ask("top", "--once", "--interval", "0.2")
    lines = out.splitlines()
    assert code == 0
    assert "frames/s" in lines[0]
    assert not lines[0].startswith("lab  0 frames/s")
    assert [line.split()[1] for line in lines if line.startswith("processor")] == ["0:0", "0:1", "0:2", "0:3"]


@pytest.mark.ray
def test_second_up_of_a_name_is_refused(ask: Ask, live: Live) -> None:
    """A name stands for one dataplane: one line, exit status 2."""
    code, out, err = ask("up", str(live.folder / "live.toml"), "--name", "lab")
    assert (code, out) == (2, "")
    assert "runs already" in err


def keep_asking() -> None:
    """Send queries until killed."""
    from dataplane.scenario.live import client_oid
    from dataplane.update.schedule import FixedRequests

    with connected("lab") as dataplane:
        query = client_oid(dataplane.scenario, {"name": "OID_GEN_CURRENT_PACKET_FILTER", "kind": "query"})
        while True:
            dataplane.request(FixedRequests((query,)), "B")
            print("answered", flush=True)


@pytest.mark.ray
def test_client_that_dies_changes_nothing(ask: Ask, live: Live) -> None:
    """After kill -9 of a client in the middle of its requests, the dataplane continues and serves the next client."""
    _, before, _ = ask("show", "lab", "--json")
    client = subprocess.Popen(
        [sys.executable, "-c", "from tests.actors.test_live import keep_asking; keep_asking()"], stdout=subprocess.PIPE
    )
    assert client.stdout is not None
    assert client.stdout.readline() == b"answered\n"
    client.kill()
    client.wait()
    client.stdout.close()
    assert ask("show", "lab", "--json")[1] == before
    assert ask("oid", "OID_GEN_CURRENT_PACKET_FILTER", "--kind", "query")[0] == 0


@pytest.mark.ray
def test_run_directory_is_written_and_can_be_repeated(ask: Ask, live: Live) -> None:
    """`down` writes the files of a run; a repetition in one process has equal tables (ENG-01, ENG-05)."""
    assert ask("rss", "move", "--vport", "1", "--indices", "8-15", "--target", "1")[0] == 0
    code, out, err = ask("down", "--name", "lab")
    assert code == 0, err
    assert "checks   all held" in out
    run, again = live.folder / "run", live.folder / "again"
    assert ask("run", "--replay", str(run), "--out", str(again), "--quiet")[0] == 0
    summaries = [json.loads((folder / "summary.json").read_text()) for folder in (run, again)]
    assert [one.pop("wall")["engine"] for one in summaries] == ["ray", "inline"]
    assert summaries[0] == summaries[1]
    assert summaries[0]["epochs"] > 4
    assert (run / "updates.json").read_bytes() == (again / "updates.json").read_bytes()
    for table in run.glob("*.parquet"):
        assert pyarrow.parquet.read_table(table) == pyarrow.parquet.read_table(again / table.name), table.name
    assert ask("down", "--name", "lab")[0] == 2


@pytest.mark.ray
def test_dead_actor_is_told_and_cleared_away(ask: Ask, home: Path) -> None:
    """After kill -9 of a processor actor every command says so in one line, and `down` cleans up with exit status 3."""
    (home / "live.toml").write_text(SCENARIO)
    state = up(UpOptions(home / "live.toml", "doomed", home / "doomed", False, None, 4, True))
    assert state.holder is not None
    [processor] = actors_below(state.holder.id, "ProcessorActor")
    os.kill(processor, signal.SIGKILL)
    assert wait_for_end(processor)
    code, out, err = ask("oid", "OID_GEN_CURRENT_PACKET_FILTER", "--kind", "query", "--name", "doomed")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "dataplane doomed has died" in err
    code, _, err = ask("down", "--name", "doomed")
    assert (code, err.count("\n")) == (3, 1)
    assert not state.holder.is_running
    assert not (home / "doomed").exists()
    assert not list(home.glob(".partial-*"))
    assert ask("down", "--name", "doomed")[0] == 2


@pytest.mark.ray
def test_dead_cluster_is_no_dataplane(ask: Ask, home: Path) -> None:
    """After kill -9 of Ray's own process the rest ends by itself, and nothing waits for the dead cluster."""
    (home / "live.toml").write_text(SCENARIO)
    state = up(UpOptions(home / "live.toml", "dead", home / "dead", False, None, 4, True))
    assert state.holder is not None
    assert state.folder is not None
    [raylet] = [process for process, command in descendants(state.holder.id) if "raylet/raylet " in command]
    [supervisor] = actors_below(state.holder.id, "DataplaneActor")
    os.kill(raylet, signal.SIGKILL)
    assert wait_for_end(state.holder.id)
    assert wait_for_end(supervisor)
    code, out, err = ask("top", "--once", "--name", "dead")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "no dataplane dead runs" in err
    assert not Path(state.folder).exists()
    assert not list(home.glob(".partial-*"))


@pytest.mark.ray
def test_interrupted_start_leaves_nothing(home: Path) -> None:
    """Ctrl-C while Ray is being started: no process, no state, no run directory."""
    (home / "live.toml").write_text(SCENARIO)
    command = [sys.executable, "-m", "cli", "up", str(home / "live.toml"), "--name", "early", "--out", str(home / "x")]
    starter = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    holders: list[int] = []
    while not holders:
        assert starter.poll() is None
        children = Path(f"/proc/{starter.pid}/task/{starter.pid}/children").read_text().split()
        holders = [int(one) for one in children if "actors.holder" in Path(f"/proc/{one}/cmdline").read_text()]
    starter.send_signal(signal.SIGINT)
    assert "interrupted" in starter.communicate(timeout=60)[1]
    assert starter.returncode == 3
    assert wait_for_end(holders[0])  # if nobody told it to end, it has found nobody to stay for
    assert StateFiles().read("early") is None
    assert not (home / "x").exists()
