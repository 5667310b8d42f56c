"""The run of a dataplane is repeated from its run directory; here without Ray, with requests between batches."""

from __future__ import annotations

import json
import pickle
from collections import deque
from collections.abc import Sequence
from pathlib import Path

import pyarrow.parquet
import pytest

from actors.control import ControlActor, ControlPlan, encode_maker
from actors.updates import UpdateReader
from dataplane.commands import RunOptions, RunOutcome, inline_engine, live_experiment, run_scenario, write_run
from dataplane.control.journal import JOURNAL_NAME, write_journal
from dataplane.control.records import JournalReader
from dataplane.engine.control import ControlOutcome
from dataplane.engine.experiment import Progress, RunResult
from dataplane.engine.nic import Nic
from dataplane.engine.plan import plan_host
from dataplane.engine.transport import LocalTransport
from dataplane.errors import UserError
from dataplane.oracle.specification import parse_adapter
from dataplane.processor.messages import Loads
from dataplane.results.replay import read_past_run
from dataplane.results.run_directory import PacketsParquet
from dataplane.scenario.live import client_change, client_oid, endless_source
from dataplane.update.records import SteeringUpdate, Stretch
from dataplane.update.schedule import FixedRequests, RequestMaker

SCENARIO = """
[adapter]
rss_processors = 4

[[vport]]
id = 1
num_queue_pairs = 4
  [[vport.filter]]
  mac = "00:15:5d:01:02:01"
  [vport.rss]
  hash_types = ["ipv4", "tcp_ipv4"]
  indirection_table = [0, 1, 2, 3]
  num_indirection_table_entries = 16

[traffic]
profile = "zipf"
packets = 10
rate_pps = 3_000_000
flows = 50

[[event]]
at_ns = 40_000
move_entries = { vport = 1, indices = "0-7", target = 2 }

[[event]]
at_ns = 900_000_000
rss = { vport = 1, enabled = false }

[update]
control_latency_ns = 300

[run]
per_packet = true
"""


class Told:
    """A control actor as its NIC sees it, in the same process."""

    def __init__(self, control: ControlActor, reader: UpdateReader) -> None:
        self.begin = control.begin
        self._control = control
        self._reader = reader

    def advance(self, loads: Loads | None, next_arrival_ns: int) -> Stretch:
        """As `ControlTimeline.advance`."""
        return self._reader.stretch(self._control.advance(loads, next_arrival_ns))


def live_run(folder: Path, hand_over: str, asked: dict[int, list[RequestMaker]], batches: int) -> Path:
    """The run directory of a dataplane after some batches; `asked` has requests by number of the previous batch."""
    path = folder / "live.toml"
    path.write_text(SCENARIO.replace("[update]", f'[update]\nhand_over = "{hand_over}"'))
    scenario, experiment = live_experiment(path, 100)
    directory = folder / "run"
    directory.mkdir()
    assert experiment.set_up is not None
    plan = ControlPlan(
        experiment.set_up.specification,
        str(directory / JOURNAL_NAME),
        experiment.set_up.requests,
        fsync=False,
        updates=experiment.updates,
        ahead=0,
    )
    control = ControlActor(plan, 0, experiment.snapshot.processors)
    transport = LocalTransport(plan_host(experiment, 0, 0, len(experiment.costs), rows_wanted=True), 100)
    sink = PacketsParquet(directory, experiment.snapshot)
    reader = UpdateReader(experiment.snapshot)
    nic = Nic(control.publish(), transport, Told(control, reader), sink.write, ordered=hand_over == "ordered")
    calls: deque[bytes] = deque()

    def ask(now_ns: int) -> SteeringUpdate | None:
        decided = control.request_at(calls.popleft(), now_ns, "client A")
        if decided.rest is not None:
            calls.appendleft(decided.rest)
        return reader.update(decided.update) if decided.update is not None else None

    for number, batch in zip(range(batches), endless_source(scenario).batches(100), strict=False):
        nic.take(batch)
        calls.extend(map(encode_maker, asked.get(number, [])))
        while calls and nic.interject(ask):
            pass
    assert not calls, "no request is forgotten"
    nic.finish()
    sink.__exit__(None, None, None)
    told = nic.result()
    outcome: ControlOutcome = pickle.loads(control.outcome(told.last_arrival_ns, interrupted=False))
    result = RunResult(
        experiment=experiment,
        start_ns=told.start_ns,
        last_arrival_ns=told.last_arrival_ns,
        arrived=told.arrived,
        dropped=told.dropped,
        timestamp_regressions=0,
        findings=outcome.findings,
        processors=transport.report().processors,
        flows=transport.report().flows,
        target_ids=told.target_ids,
        target_names=told.target_names,
        updates=told.updates,
        requests=outcome.requests,
    )
    write_run(directory, directory, scenario, result, 1.0, {"pace": "none"})
    return directory


def makers(folder: Path) -> dict[int, list[RequestMaker]]:
    """Requests of clients: several at one place, refused ones, queries, one without effect, and one at the end."""
    path = folder / "makers.toml"
    path.write_text(SCENARIO)
    scenario, _ = live_experiment(path, 100)

    def move(indices: str, target: int) -> RequestMaker:
        return client_change(scenario, "move_entries", {"vport": 1, "indices": indices, "target": target})

    def oid(**members: object) -> RequestMaker:
        return FixedRequests((client_oid(scenario, members),))

    return {
        0: [move("0-3", 3), move("0-3", 3), move("5", 0)],
        2: [oid(name="OID_RECEIVE_FILTER_CLEAR_FILTER", **{"in": {"filter_id": 9}})],
        3: [oid(name="OID_GEN_CURRENT_PACKET_FILTER", kind="query"), move("default", 1), move("0-15", 1)],
        5: [client_change(scenario, "rss", {"vport": 1, "enabled": False})],
        7: [client_change(scenario, "rss", {"vport": 1, "indirection_table": [3, 2]})],
        9: [move("1", 0)],  # nothing arrives after it
    }


def files_of(directory: Path) -> dict[str, object]:
    """Everything in a run directory that must not differ between two runs."""
    summary = json.loads((directory / "summary.json").read_text())
    summary.pop("wall")
    tables = {path.name: pyarrow.parquet.read_table(path) for path in directory.glob("*.parquet")}
    texts = {name: (directory / name).read_bytes() for name in ("updates.json", "scenario.toml", JOURNAL_NAME)}
    return {"summary": summary, **tables, **texts}


def outcome_of(options: RunOptions, progress: Progress = lambda frames, share: None) -> RunOutcome:
    """Run one NIC in this process."""
    outcome = run_scenario(options, inline_engine(), progress)
    assert isinstance(outcome, RunOutcome)
    return outcome


def replayed(directory: Path, out: Path) -> Path:
    """Repeat the run of a directory into another one."""
    options = RunOptions(None, None, out, False, None, directory)
    outcome = outcome_of(options)
    assert outcome.difference is None
    return out


@pytest.mark.parametrize("hand_over", ["permissive", "ordered"])
def test_replay_gives_equal_results(tmp_path: Path, hand_over: str) -> None:
    """A repeated run is equal in every file, and so is the repetition of the repetition (ENG-05, TIM-03, EPO-03)."""
    directory = live_run(tmp_path, hand_over, makers(tmp_path), 10)
    expected = files_of(directory)
    updates = json.loads((directory / "updates.json").read_text())
    origins = {request["origin"] for one in updates for request in one["requests"]}
    assert origins == {"client A", "[[event]] 1"}
    assert sum(one["epoch"] is not None for one in updates) > 5
    again = replayed(directory, tmp_path / "again")
    assert files_of(again) == expected
    assert files_of(replayed(again, tmp_path / "once-more")) == expected


@pytest.mark.parametrize("hand_over", ["permissive", "ordered"])
@pytest.mark.parametrize("tick", [0, 1, 2])
@pytest.mark.parametrize("behind", [(), (1,), (1, 2), (2,), (2, 4)])
def test_requests_beside_what_is_scheduled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, behind: tuple[int, ...], tick: int, hand_over: str
) -> None:
    """Clients ask at moments of their own, however many events and ticks come just behind the last frame (ENG-05).

    `behind` are ns from the last frame before requests to events, `tick` likewise; 0: no policy.
    """
    path = tmp_path / "scenario.toml"
    path.write_text(SCENARIO)
    batch = next(iter(endless_source(live_experiment(path, 100)[0]).batches(100)))
    last_ns = int(batch.timestamp_ns[-1] - batch.timestamp_ns[0])
    move = 'move_entries = {{ vport = 1, indices = "{}", target = 1 }}'
    events = [f"[[event]]\nat_ns = {last_ns + one}\n{move.format(9 + one)}\n" for one in behind]
    policy = f'[policy]\nname = "lpt"\ntick_ns = {last_ns + tick}\n' if tick else ""
    monkeypatch.setattr(f"{__name__}.SCENARIO", "".join([SCENARIO, *events, policy]))
    directory = live_run(tmp_path, hand_over, makers(tmp_path), 10)
    updates = json.loads((directory / "updates.json").read_text())
    moments = [{one["origin"] for one in update["requests"]} for update in updates]
    assert not any("client A" in origins and len(origins) > 1 for origins in moments)
    assert files_of(replayed(directory, tmp_path / "again")) == files_of(directory)


def test_refused_requests_and_queries_leave_no_trace(tmp_path: Path) -> None:
    """Requests without a record in the journal have no effect on the run: without them it is the same."""
    asked = makers(tmp_path)
    fewer: dict[int, list[RequestMaker]] = {key: list(value) for key, value in asked.items() if key != 2}
    del fewer[3][0]
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    with_them, without = (live_run(tmp_path / name, "ordered", one, 10) for name, one in (("a", asked), ("b", fewer)))
    assert files_of(with_them) == files_of(without)


def test_difference_is_told(tmp_path: Path) -> None:
    """A repetition with a different result names the difference."""
    directory = live_run(tmp_path, "permissive", {}, 3)
    path = directory / "summary.json"
    path.write_text(path.read_text().replace('"seed": 1', '"seed": 2'))
    options = RunOptions(None, None, tmp_path / "out", False, None, directory)
    assert outcome_of(options).difference == "seed"
    past = read_past_run(directory)
    assert past.difference(past.summary | {"wall": {}}) is None
    assert past.difference(past.summary | {"new": 1}) == "new"


def _damage(directory: Path, what: str) -> None:
    if what == "no journal":
        (directory / JOURNAL_NAME).unlink()
    elif what == "short journal":
        path = directory / JOURNAL_NAME
        path.write_bytes(path.read_bytes()[:-3])
    else:
        (directory / "summary.json").write_text("{}")


@pytest.mark.parametrize("what", ["no journal", "short journal", "no summary"])
def test_damaged_directories_are_one_line(tmp_path: Path, what: str) -> None:
    """A directory without the needed files is wrong input, not a defect."""
    asked: dict[int, Sequence[RequestMaker]] = {2: makers(tmp_path)[0][:1]}
    directory = live_run(tmp_path, "permissive", {key: list(value) for key, value in asked.items()}, 4)
    _damage(directory, what)
    with pytest.raises(UserError) as caught:
        outcome_of(RunOptions(None, None, tmp_path / "out", False, None, directory))
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_journal_of_a_repetition_is_whole(tmp_path: Path) -> None:
    """A torn last record is not copied; an empty journal, or that of another adapter, is an error."""
    directory = live_run(tmp_path, "permissive", {}, 3)
    path = directory / JOURNAL_NAME
    whole = path.read_bytes()
    reader = JournalReader(whole)
    assert list(reader)
    path.write_bytes(whole + whole[reader.offset : -3])
    assert (replayed(directory, tmp_path / "again") / JOURNAL_NAME).read_bytes() == whole
    for number, other in enumerate((b"", whole[:8], journal_of_another_adapter(tmp_path))):
        path.write_bytes(other)
        with pytest.raises(UserError, match=r"the journal of (no|another) adapter"):
            replayed(directory, tmp_path / f"out-{number}")


def journal_of_another_adapter(folder: Path) -> bytes:
    """A sound journal."""
    path = folder / "another.journal"
    write_journal(path, parse_adapter({"preset": "CFG-Q"}), [])
    return path.read_bytes()


def test_finished_run_is_repeated_too(tmp_path: Path) -> None:
    """The run of a scenario without clients is repeated whatever happened to its journal, which is not needed."""
    path = tmp_path / "plain.toml"
    path.write_text(SCENARIO.replace("packets = 10", "packets = 1000"))
    first = RunOptions(path, None, tmp_path / "first", False, None)
    outcome_of(first)
    expected = files_of(tmp_path / "first")
    journal = tmp_path / "first" / JOURNAL_NAME
    journal.write_bytes(journal.read_bytes()[:-3])
    assert files_of(replayed(tmp_path / "first", tmp_path / "again")) == expected


@pytest.mark.parametrize("policy", ["", '[policy]\nname = "sprayer"\n'])  # whose first tick is after 100 ms
def test_interrupted_run_is_repeated_as_far_as_it_came(tmp_path: Path, policy: str) -> None:
    """Ctrl-C between two batches: frames that had not arrived, and later events, are not part of the run."""
    path = tmp_path / "plain.toml"
    text = SCENARIO.replace("packets = 10", "packets = 1000").replace("[run]", "[run]\nbatch_packets = 100")
    path.write_text(text + policy)

    def interrupt(frames: int, share: float) -> None:
        if frames == 300:
            raise KeyboardInterrupt

    outcome_of(RunOptions(path, None, tmp_path / "first", False, None), interrupt)
    first = files_of(tmp_path / "first")
    summary = json.loads((tmp_path / "first" / "summary.json").read_text())
    assert (summary["interrupted"], summary["arrived"], summary["findings"]) == (True, 300, [])
    assert files_of(replayed(tmp_path / "first", tmp_path / "again")) == first
