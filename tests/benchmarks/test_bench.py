"""`vmmq bench` as users see it: a tiny real measurement, and errors."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import cli
from benchmarks import bench, machine
from benchmarks.budget import LINES
from benchmarks.groups import start
from benchmarks.measure import Figure, Session
from benchmarks.peers import dpdk, in_python
from dataplane.errors import ExitCode, UserError

Measured = Iterator[tuple[str, Figure]]


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The result of one round of the kernels on a machine without a C compiler and without scapy."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shutil, "which", lambda name: None)
        patch.setattr(in_python, "find_spec", lambda name: None if name == "scapy" else object())
        file = tmp_path_factory.mktemp("bench") / "figures.json"
        arguments = ["bench", "--only", "kernels", "--rounds", "1", "--quick", "--output", str(file)]
        assert cli.main(arguments) == ExitCode.DONE
    return json.loads(file.read_text("utf-8"))


def test_figures_are_where_scripts_look(document: Any) -> None:
    """`kernels.steer_64.frames_per_second` is a number, with spread, rounds and ratios beside it."""
    steer = document["kernels"]["steer_64"]
    assert isinstance(steer["frames_per_second"], float)
    assert steer["frames_per_second"] > 0
    assert set(steer["spread"]) == {"min", "lower_quartile", "upper_quartile", "max"}
    assert steer["rounds"] == 1
    assert {"numpy_64", "copy_64", "dpkt_64"} == set(steer["ratios"])
    assert all(one["median"] > 0 for one in steer["ratios"].values())


def test_every_figure_has_its_unit(document: Any) -> None:
    """The unit names the key of the median, in every figure."""
    for figure in document["kernels"].values():
        assert figure[figure["unit"]] > 0
        assert figure["what"]


def test_the_document_says_where_it_is_from(document: Any) -> None:
    """The document has schema, machine and choices, and says whether it is complete."""
    assert document["schema_version"] == 1
    assert document["quick"]
    assert not document["interrupted"]
    assert document["findings"] == []
    assert document["machine"]["cores"] >= 1
    assert document["machine"]["packages"]["numpy"]
    assert len(document["machine"]["load_average"]) == 3
    assert document["choices"]["toeplitz"]


def test_missing_peers_are_named_with_a_way_to_install_them(document: Any) -> None:
    """Missing peers are listed, and have no figures."""
    assert {one["name"] for one in document["missing"]} == {"dpdk", "scapy"}
    assert all(one["install"] for one in document["missing"])
    assert not [name for name in document["kernels"] if name.startswith(("dpdk", "scapy"))]


def test_lines_of_the_budget_name_figures_that_are_measured(document: Any) -> None:
    """A renamed figure must not remove its budget line: lines of kernels have values, except those of absent peers."""
    places = [place for line in LINES for place in line.places if place[0] == "kernels"]
    assert len(places) >= 3
    for _, name, other in places:
        assert name in document["kernels"]
        assert other is None or other.startswith("dpdk_") or other in document["kernels"][name]["ratios"]


def test_missing_peers_are_said_on_standard_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line for each missing peer says how to install it; `--quiet` prints nothing; `--json` prints one document."""
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(in_python, "find_spec", lambda name: None)
    use_groups(monkeypatch, first=one_figure)
    assert cli.main(["bench", "--json"]) == ExitCode.DONE
    output = capsys.readouterr()
    assert json.loads(output.out)["first"]["figure"]["seconds"] == 1.0
    lines = output.err.splitlines()
    assert [line.split()[1] for line in lines] == ["dpdk", "scapy", "dpkt"]
    assert "apt-get install libdpdk-dev" in lines[0]
    assert "pip install scapy" in lines[1]
    assert cli.main(["bench", "--quiet"]) == ExitCode.DONE
    assert capsys.readouterr().err == ""


def test_wrong_input_is_refused_with_all_findings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Wrong groups and a wrong output: a line for each, before anything is measured."""
    (tmp_path / "figures").mkdir()
    arguments = ["bench", "--only", "kernel,teleport,start", "--output", str(tmp_path / "figures")]
    assert cli.main(arguments) == ExitCode.WRONG_INPUT
    output = capsys.readouterr()
    assert output.out == ""
    lines = output.err.splitlines()
    assert len(lines) == 4
    assert "did you mean kernels?" in lines[0]
    assert "teleport" in lines[1]
    assert "kernels, captures" in lines[1]
    assert ".json" in lines[2]
    assert "exists" in lines[3]


def test_an_output_that_exists_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An existing file is refused unless `--overwrite` is given."""
    use_groups(monkeypatch, first=one_figure)
    file = tmp_path / "figures.json"
    file.write_text("mine")
    assert cli.main(["bench", "--quiet", "--output", str(file)]) == ExitCode.WRONG_INPUT
    assert file.read_text() == "mine"
    assert cli.main(["bench", "--quiet", "--output", str(file), "--overwrite"]) == ExitCode.DONE
    assert json.loads(file.read_text())["first"]["figure"]["rounds"] == 1


def one_figure(session: Session) -> Measured:
    """A group of one figure."""
    yield "figure", Figure("a second", "seconds", (1.0,))


def one_and_an_interrupt(session: Session) -> Measured:
    """A group that Ctrl-C ends after its first figure."""
    yield from one_figure(session)
    raise KeyboardInterrupt


def one_and_a_failure(session: Session) -> Measured:
    """A group that fails after its first figure."""
    yield from one_figure(session)
    raise UserError("no Ray\nto be had")


def use_groups(patch: pytest.MonkeyPatch, **groups: Any) -> None:
    """Replace the groups of `vmmq bench`."""
    patch.setattr(bench, "GROUPS", {name: bench.Group(name, "nothing much", 1.0) for name in groups})
    patch.setattr("benchmarks.screen.GROUPS", bench.GROUPS)
    patch.setattr(bench.Group, "measure", property(lambda self: groups[self.name]))


def test_an_interrupt_leaves_what_was_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """After Ctrl-C the status is 3, screen and file have the figures so far and say so, and no other group begins."""
    use_groups(monkeypatch, first=one_and_an_interrupt, second=one_figure)
    file = tmp_path / "figures.json"
    assert cli.main(["bench", "--output", str(file)]) == ExitCode.INCONCLUSIVE
    output = capsys.readouterr()
    assert "figure" in output.out
    assert "interrupted" in output.out
    assert output.err.endswith("vmmq: interrupted\n")
    written = json.loads(file.read_text())
    assert written["interrupted"]
    assert "figure" in written["first"]
    assert "second" not in written


def test_a_group_that_fails_is_a_finding(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A group that fails is named in one line, the status is 1, and the other groups are measured."""
    use_groups(monkeypatch, first=one_and_a_failure, second=one_figure)
    assert cli.main(["bench", "--json", "--quiet"]) == ExitCode.FINDINGS
    output = capsys.readouterr()
    assert output.err == "vmmq: first: no Ray; to be had\n"
    written = json.loads(output.out)
    assert written["findings"] == ["first: no Ray; to be had"]
    assert "figure" in written["first"]
    assert "figure" in written["second"]


def test_a_child_that_fails_is_a_finding(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever goes wrong in a group, what the others have measured is kept."""

    def with_a_child(session: Session) -> Measured:
        yield from one_figure(session)
        raise subprocess.CalledProcessError(3, ["vmmq", "run"])

    use_groups(monkeypatch, first=with_a_child, second=one_figure)
    assert cli.main(["bench", "--json", "--quiet"]) == ExitCode.FINDINGS
    output = capsys.readouterr()
    assert output.err.startswith("vmmq: first: CalledProcessError: Command '['vmmq', 'run']' returned")
    assert "figure" in json.loads(output.out)["second"]


def test_cold_caches_are_no_part_of_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every command runs once before it counts, in a quick measurement too: the first one may compile the kernels."""
    called: list[str] = []

    def call(command: list[str], processor_seconds: list[float]) -> None:
        processor_seconds.append(1.0 if " ".join(command) in called else 60.0)
        called.append(" ".join(command))

    monkeypatch.setattr(start, "_call", call)
    for name, figure in start.measure(Session(rounds=1, quick=True)):
        assert figure.facts["processor_seconds"] == 1.0, name
    assert len(called) == 2 * len(set(called))


def test_an_output_that_cannot_be_written_is_told_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An output that cannot be written is refused at once, not after ten minutes of measuring."""
    (tmp_path / "file").touch()
    assert cli.main(["bench", "--output", str(tmp_path / "file" / "figures.json")]) == ExitCode.WRONG_INPUT
    assert capsys.readouterr().err.endswith("figures.json: File exists\n")


def test_groups_have_modules() -> None:
    """The module of every group exists and has `measure`."""
    for group in bench.GROUPS.values():
        assert callable(group.measure)


def test_gfni_is_missing_where_the_cpu_lacks_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """With DPDK on a CPU without GFNI, only the GFNI hash is reported as missing."""
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(subprocess, "run", lambda *arguments, **options: subprocess.CompletedProcess([], 0))
    assert [one.name for one in dpdk.missing(frozenset({"avx2"}))] == ["dpdk_gfni"]
    assert dpdk.missing(frozenset({"gfni", "avx512f"})) == []
    assert "not on this CPU" in dpdk.missing(frozenset())[0].line


def test_the_machine_is_described() -> None:
    """Python, kernel and memory of this machine."""
    described = machine.machine()
    assert described["memory_bytes"] > 1 << 20
    assert described["kernel"].startswith("Linux")
