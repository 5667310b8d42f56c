"""`docs/benchmarks.md` from a document of `vmmq bench`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import document
from benchmarks.bench import SCHEMA_VERSION
from benchmarks.budget import LINES, judge

UNITS = {"start": "seconds", "memory": "bytes"}


def sample(share: float) -> dict[str, Any]:
    """A document whose figures reach a given share of every limit; without GFNI."""
    made: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "started_at": "2026-11-28T19:00:00+00:00",
        "seconds": 600.0,
        "quick": False,
        "interrupted": False,
        "machine": {
            "cpu": "Example CPU",
            "cpu_family_model_stepping": ["25", "1", "1"],
            "cores": 2,
            "caches": {"L1d": 32768},
            "flags": ["avx2"],
            "memory_bytes": 1 << 34,
            "kernel": "Linux 6",
            "python": "3.12.1",
            "packages": {"numpy": "2.4.6"},
            "load_average": [0.1, 0.2, 0.3],
        },
        "choices": {"toeplitz": "byte tables", "inline_batch_frames": 65536, "ray_batch_frames": 65536},
        "missing": [{"name": "dpdk_gfni", "why": "not on this CPU", "install": "another CPU"}],
        "findings": [],
    }
    for line in LINES:
        for group, name, other in line.places:
            unit = UNITS.get(group, "frames_per_second")
            figure = made.setdefault(group, {}).setdefault(
                name, {"what": f"about {name}", "unit": unit, unit: 1.0, "rounds": 3, "ratios": {}}
            )
            figure["spread"] = dict.fromkeys(("min", "lower_quartile", "upper_quartile", "max"), figure[unit])
            value = line.limit * share
            if other is None:
                figure[unit] = value
                figure["spread"] = dict.fromkeys(figure["spread"], value)
            elif other != "dpdk_gfni_64":
                figure["ratios"][other] = {"median": value, "spread": dict.fromkeys(figure["spread"], value)}
    made["kernels"]["numpy_64"] = {**made["kernels"]["steer_64"], "what": "numpy", "ratios": {}}
    return made


def test_lines_that_are_reached_are_met() -> None:
    """A value just above a limit meets a minimum and does not meet a maximum."""
    for one in judge(sample(1.01)):
        if one.line.peer == "dpdk_gfni":
            assert one.verdict == "cannot be measured here: dpdk_gfni not on this CPU"
        else:
            assert one.is_met == one.line.is_least, one.line.name


def test_lines_that_are_missed_are_not_met() -> None:
    """A value just below a limit does not meet a minimum and meets a maximum."""
    for one in judge(sample(0.99)):
        if one.line.peer != "dpdk_gfni":
            assert one.is_met != one.line.is_least, one.line.name


def test_the_best_of_several_configurations_counts() -> None:
    """A line with two places is met if one of them meets it, and names that place."""
    figures = sample(1.01)
    figures["engines"]["ray_8_actors"]["frames_per_second"] = 1.0
    [rate] = [one for one in judge(figures) if one.line.name == "ray_rate"]
    assert rate.is_met
    assert rate.place == ("engines", "ray_2_actors", None)


def test_a_peer_that_is_missing_makes_no_verdict() -> None:
    """Without DPDK neither of its lines can be measured, and the line says why; groups left out are not measured."""
    figures = sample(1.0)
    figures["missing"] = [{"name": "dpdk", "why": "there is no cc", "install": "apt-get install gcc"}]
    figures["kernels"]["steer_64"]["ratios"] = {}
    del figures["memory"]
    verdicts = {one.line.name: one.verdict for one in judge(figures)}
    assert verdicts["kernel_softrss"] == "cannot be measured here: dpdk there is no cc"
    assert verdicts["kernel_gfni"] == "cannot be measured here: dpdk there is no cc"
    assert verdicts["memory_flows"] == "not measured"


def test_the_document_has_figures_plots_and_remarks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The document has verdicts, all figures, links to plots that exist, and the remark of a line that is not met."""
    remarks = tmp_path / "remarks"
    remarks.mkdir()
    (remarks / "inline_generated.md").write_text("Because of the memory.\n")
    (remarks / "start_help.md").write_text("Met, so nobody reads this.\n")
    monkeypatch.setattr(document, "REMARKS", remarks)
    figures, target = sample(0.9), tmp_path / "docs" / "figures.md"
    (tmp_path / "figures.json").write_text(json.dumps(figures))
    assert document.main([str(tmp_path / "figures.json"), str(target)]) == 0
    text = target.read_text("utf-8")
    assert "Example CPU" in text
    assert "| at least 10.0 M frames/s | 9.00 M frames/s | **not met** |" in text
    assert "cannot be measured here: dpdk_gfni not on this CPU" in text
    assert "Because of the memory." in text
    assert "nobody reads this" not in text
    linked = [part.partition(")")[0] for part in text.split("](figures/")[1:]]
    assert linked
    assert sorted(linked) == sorted(file.name for file in (tmp_path / "docs" / "figures").iterdir())
    assert "`kernels.steer_64`" not in text.partition("## Where we lose")[2]


def test_losses_are_told(tmp_path: Path) -> None:
    """A peer that is faster is listed with what it does."""
    figures = sample(1.0)
    figures["kernels"]["steer_64"]["ratios"]["numpy_64"] = {"median": 0.5, "spread": {}}
    document.write_document(figures, tmp_path / "figures.md")
    losses = (tmp_path / "figures.md").read_text("utf-8").partition("## Where we lose")[2]
    assert "`kernels.steer_64` does 0.5 of `numpy_64` (numpy)." in losses


def test_what_else_is_in_the_folder_stays(tmp_path: Path) -> None:
    """Older plots are removed; other files in the folder stay."""
    folder = tmp_path / "figures"
    folder.mkdir()
    (folder / "thesis.txt").touch()
    (folder / "old.svg").touch()
    document.write_document(sample(1.0), tmp_path / "figures.md")
    assert (folder / "thesis.txt").exists()
    assert not (folder / "old.svg").exists()


def test_the_same_figures_make_the_same_bytes(tmp_path: Path) -> None:
    """The same figures give the same document and plots, without dates or random names."""
    for name in ("one", "two"):
        document.write_document(sample(1.0), tmp_path / name / "figures.md")
    files = [file.relative_to(tmp_path / "one") for file in sorted((tmp_path / "one").rglob("*.*"))]
    assert len(files) > 5
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes(), file


def test_an_unfinished_measurement_makes_a_document_that_says_so(tmp_path: Path) -> None:
    """Groups that were not measured have no section, and the head says why."""
    figures = sample(1.0) | {"interrupted": True, "quick": True, "findings": ["swaps: no Ray"]}
    for group in ("captures", "engines", "swaps", "memory", "start"):
        del figures[group]
    document.write_document(figures, tmp_path / "figures.md")
    text = (tmp_path / "figures.md").read_text("utf-8")
    assert "**Interrupted" in text
    assert "**A quick measurement" in text
    assert "**swaps: no Ray**" in text
    assert "## Engines" not in text
    assert "not measured" in text


@pytest.mark.parametrize("content", ["{}", "[]", "no JSON", '{"schema_version": 99}'])
def test_what_is_no_measurement_is_refused(content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong file gives one line and status 2, and no document is written."""
    file = tmp_path / "figures.json"
    file.write_text(content)
    assert document.main([str(file), str(tmp_path / "figures.md")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "figures.md").exists()


def test_usage(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a file it prints how to call it."""
    assert document.main([]) == 2
    assert "usage" in capsys.readouterr().err
