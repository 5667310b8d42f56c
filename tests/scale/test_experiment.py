"""A whole scaling experiment with a site that only returns results of runs."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from dataplane.errors import UserError
from dataplane.scale.experiment import ScaleOptions, ScalePlan, carry_out, plan, write_tables
from dataplane.scale.plots import write_plots
from dataplane.scale.points import GridOptions, Run
from dataplane.scale.schedule import Assignment, Done, Failed, Lost, Outcome
from tests.scale.examples import NIC, SCENARIO, written
from tests.traffic.captures import Packet, pcap

POLICY = """from dataplane.update.policy import Policy

class Mine(Policy):
    def rebalance(self, window):
        return []
"""
GRID = GridOptions(processors="1,2,4", nics="1,2", repeat=2)


class MadeUpSite:
    """Ends every run at once, as `outcome` says."""

    def __init__(self, outcome: Callable[[Run], Outcome], nodes: Sequence[str] = ("a",)) -> None:
        self.started: list[Run] = []
        self._nodes = nodes
        self._outcome = outcome

    def nodes(self) -> Sequence[str]:
        """As given."""
        return self._nodes

    def start(self, assignment: Assignment) -> None:
        """Take note."""
        self.started.append(assignment.run)

    def wait(self) -> Sequence[tuple[Run, Outcome]]:
        """The latest run."""
        return [(self.started[-1], self._outcome(self.started[-1]))]


def good(run: Run) -> Outcome:
    """The measures of a run that went well."""
    processors = run.point.value or 4
    nic = replace(NIC, processors=processors, seed=run.repeat, results_digest=f"{processors} {run.repeat}")
    return Done((nic,) * run.point.nics)


def options(directory: Path, grid: GridOptions = GRID, text: str = SCENARIO) -> ScaleOptions:
    """An experiment in that directory."""
    return ScaleOptions(written(directory, text), grid, directory / "out")


def done(todo: ScalePlan, outcome: Callable[[Run], Outcome] = good) -> list[Run]:
    """Carry out the missing runs; returns the runs that were started."""
    site = MadeUpSite(outcome)
    carry_out(todo, todo.waiting, site, lambda frames, share: None)
    return site.started


def test_a_second_call_does_what_is_missing(tmp_path: Path) -> None:
    """Finished runs are not repeated, a larger grid starts only its new runs, and the table has all of them."""
    assert len(done(plan(options(tmp_path)))) == 12
    assert not done(plan(options(tmp_path)))
    todo = plan(options(tmp_path, replace(GRID, processors="2,4,8", repeat=3)))
    new = done(todo)
    assert {run.point.value for run in new if run.repeat < 2} == {8}
    assert len(new) == 2 * 2 + 3 * 2
    assert len(write_tables(todo).rows) == 22


def test_what_was_half_written_is_run_again(tmp_path: Path) -> None:
    """An unreadable file of a run counts as missing."""
    first = plan(options(tmp_path))
    done(first)
    torn, other, number, *wrong = sorted((tmp_path / "out" / "runs").iterdir())[:7]
    torn.write_text(torn.read_text()[:50])
    other.write_text("{}")
    number.write_text("1")
    values = {"seconds": None, "frames": "1", "axis": "nonsense", "engine": [1]}
    for path, (name, value) in zip(wrong, values.items(), strict=True):
        path.write_text(json.dumps(json.loads(path.read_text()) | {name: value}))
    todo = plan(options(tmp_path))
    assert len(done(todo)) == 7
    assert len(write_tables(todo).rows) == 12
    (tmp_path / "out" / "scale.json").write_text("[1]")
    with pytest.raises(UserError, match=r"scale\.json cannot be read"):
        plan(options(tmp_path))


def test_another_scenario_is_refused(tmp_path: Path) -> None:
    """Runs of another experiment are refused, unless the directory is to be overwritten."""
    done(plan(options(tmp_path)))
    changed = options(tmp_path, text=SCENARIO.replace("flows = 100", "flows = 101"))
    with pytest.raises(UserError, match="another scenario: give another --out"):
        plan(changed)
    anew = plan(replace(changed, overwrite=True))
    assert not anew.rows, "those of the other scenario are gone"
    assert len(done(anew)) == 12
    with pytest.raises(UserError, match="another scenario"):
        plan(replace(changed, seed=8))


def test_another_capture_is_refused(tmp_path: Path) -> None:
    """Path, size and modification time of a capture belong to the identity of an experiment."""
    capture = tmp_path / "a.pcap"
    capture.write_bytes(pcap([Packet.whole(0, bytes(60))]))
    text = f"{SCENARIO.partition('[traffic]')[0]}[traffic]\ncapture = '{capture}'\n"
    plan(options(tmp_path, text=text))
    plan(options(tmp_path, text=text))
    capture.write_bytes(pcap([Packet.whole(moment, bytes(60)) for moment in (0, 1)]))
    with pytest.raises(UserError, match="another capture: give another --out"):
        plan(options(tmp_path, text=text))


def test_another_version_of_a_policy_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The source file of a user's policy belongs to the identity of an experiment."""
    module = tmp_path / "mine_and_scaled.py"
    module.write_text(POLICY)
    monkeypatch.syspath_prepend(tmp_path)
    text = SCENARIO + '[policy]\nname = "mine_and_scaled:Mine"\n'
    plan(options(tmp_path, text=text))
    plan(options(tmp_path, text=text))
    module.write_text(POLICY + "# another\n")
    with pytest.raises(UserError, match="another version of the policy: give another --out"):
        plan(options(tmp_path, text=text))


def test_other_directories_are_left_alone(tmp_path: Path) -> None:
    """A directory with other contents is neither used nor overwritten."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("")
    with pytest.raises(UserError, match="not one of a scaling experiment"):
        plan(replace(options(tmp_path), overwrite=True))
    assert (tmp_path / "out" / "thesis.tex").exists()


def test_everything_wrong_is_told_before_anything_is_written(tmp_path: Path) -> None:
    """Mistakes in options, scenario and variants are all reported at once."""
    text = SCENARIO.replace("[adapter]", "[adapter]\nmax_num_vports = 3\nmax_num_queue_pairs = 6")
    with pytest.raises(UserError) as error:
        plan(options(tmp_path, GridOptions(processors="2,16", nics="0", engine="abacus"), text))
    lines = str(error.value).splitlines()
    assert len(lines) == 3
    assert "queue pairs" in lines[2]
    assert not (tmp_path / "out").exists()
    with pytest.raises(UserError) as error:
        plan(replace(options(tmp_path, GridOptions(nics="0")), scenario=tmp_path / "none.toml"))
    assert len(str(error.value).splitlines()) == 2
    with pytest.raises(UserError) as error:
        plan(replace(options(tmp_path, GridOptions(nics="0")), scenario=tmp_path / f"{'long' * 99}.toml"))
    assert [line.rpartition(": ")[2] for line in str(error.value).splitlines()] == [
        "File name too long; give a shorter name",
        "0 is not 1 to 1,000",
    ]


def test_a_point_that_fails_does_not_stop_the_others(tmp_path: Path) -> None:
    """A failed run is named with its scenario, which can be run alone, and the next call tries it again."""
    todo = plan(options(tmp_path))
    done(todo, lambda run: Failed("out of ideas") if run.point.value == 2 and run.point.nics == 1 else good(run))
    summary = write_tables(todo)
    assert len(summary.rows) == 10
    assert len(summary.findings) == 2
    assert summary.missing == 2
    assert "processors 2, inline, 1 NIC, batches of 16,384, repeat 0: out of ideas" in summary.findings[0]
    kept = summary.findings[0].rpartition(" is ")[2].rstrip(")")
    assert "indirection_table" in Path(kept).read_text()
    assert len(done(plan(options(tmp_path)))) == 2
    assert not Path(kept).exists(), "it is no failure any more"


def test_what_dies_is_run_again(tmp_path: Path) -> None:
    """A lost run is repeated; one that dies every time is a failure; without a node all waiting runs are failures."""
    todo, seen = plan(options(tmp_path)), set[Run]()

    def once(run: Run) -> Outcome:
        if run in seen:
            return good(run)
        seen.add(run)
        return Lost("its node went away")

    assert len(done(todo, once)) == 24
    assert len(todo.rows) == 12
    other = plan(replace(options(tmp_path), out=tmp_path / "other"))
    done(other, lambda run: Lost("its node went away") if run.repeat else good(run))
    assert all(why.startswith("its node went away, in each of 3") for why in other.failures.values())
    assert len(other.failures) == 6
    third = plan(replace(options(tmp_path), out=tmp_path / "third"))
    carry_out(third, third.waiting, MadeUpSite(good, nodes=()), lambda frames, share: None)
    assert len(third.failures) == 12


def test_after_an_interruption_there_is_what_there_is(tmp_path: Path) -> None:
    """Finished runs are kept, and the table and plots made of them say so."""
    todo = plan(options(tmp_path))

    def interrupted(run: Run) -> Outcome:
        if run.repeat:
            raise KeyboardInterrupt
        return good(run)

    with pytest.raises(KeyboardInterrupt):
        done(todo, interrupted)
    todo.interrupted = True
    summary = write_tables(todo)
    assert len(summary.rows) == 6
    assert summary.missing == 6
    assert any("missing" in remark for remark in summary.remarks)
    written = write_plots(summary, tmp_path, "svg")
    assert all("interrupted" in path.read_text() for path in written)


def test_plots_are_the_same_for_the_same_runs(tmp_path: Path) -> None:
    """The same summary gives the same plots, byte for byte, one for each subject."""
    todo = plan(options(tmp_path))
    done(todo)
    summary = write_tables(todo)
    first = {path.name: path.read_bytes() for path in write_plots(summary, tmp_path, "svg")}
    assert set(first) == {"throughput.svg", "efficiency.svg", "model.svg", "growth-processors.svg"}
    assert first == {path.name: path.read_bytes() for path in write_plots(summary, tmp_path, "svg")}
