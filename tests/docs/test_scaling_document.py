"""docs/scaling.md is written from runs: every marked section is known, and filling it again changes nothing."""

from __future__ import annotations

import re
from dataclasses import replace

from benchmarks.scaling import DOCUMENT, GRIDS, filled, sections
from dataplane.scale.points import read_points
from dataplane.scale.summary import Summary
from dataplane.scale.variants import AXES
from tests.scale.examples import POINT, row


def made_up() -> dict[str, Summary]:
    """Runs of the document's three experiments."""
    grown = tuple(row(replace(POINT, axis=axis, value=value), seconds=value) for axis in AXES for value in (1, 2, 4))
    return {"grid": Summary("x", (row(),)), "batches": Summary("x", (row(),)), "growth": Summary("x", grown)}


def test_every_section_is_filled() -> None:
    """Each section gets a table or a line; filling it a second time changes nothing, and other text stays."""
    text, marked = DOCUMENT.read_text("utf-8"), r"<!-- measured: (\w+) -->(.*?)<!-- end -->"
    found = sections(made_up())
    assert sorted(re.findall(marked, text, re.DOTALL), key=lambda one: one[0])
    assert {name for name, _ in re.findall(marked, text, re.DOTALL)} == set(found)
    once = filled(text, found)
    assert once == filled(once, found)
    assert re.sub(marked, "", once, flags=re.DOTALL) == re.sub(marked, "", text, flags=re.DOTALL)
    assert "| with more | time of a frame |" in once
    assert "linear (1.00)" in once


def test_its_grids_are_possible_and_its_plots_are_those_that_are_made() -> None:
    """Every option is understood; every plot that is shown has the name of one that is written."""
    for grids in GRIDS.values():
        for grid in grids:
            problems: list[str] = []
            assert read_points(grid, {"inline": 16_384, "ray": 65_536}, problems)
            assert not problems
    shown = set(re.findall(r"\]\(scaling/(.*?)\.svg\)", DOCUMENT.read_text("utf-8")))
    assert shown == {"throughput", "efficiency", "model", *(f"growth-{axis}" for axis in AXES)}
