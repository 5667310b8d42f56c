"""Grids as users write them."""

from __future__ import annotations

import pytest

from dataplane.scale.points import GridOptions, Point, Run, read_points, runs_of


def read(options: GridOptions) -> tuple[list[Point], list[str]]:
    """The points, and the problems."""
    problems: list[str] = []
    return read_points(options, {"inline": 4096, "ray": 65_536}, problems), problems


def test_a_grid_is_the_product_of_its_options() -> None:
    """Every combination once, in the order of the options; only Ray has processors for an actor."""
    points, problems = read(
        GridOptions(processors="1,2", nics="1,3", batch="64,1e3", engine="inline,ray", processors_per_actor="1,4")
    )
    assert not problems
    assert len(points) == len(set(points)) == 2 * 2 * 2 * (1 + 2)
    assert {point.processors_per_actor for point in points if point.engine == "inline"} == {None}
    assert {point.processors_per_actor for point in points if point.engine == "ray"} == {1, 4}
    assert {point.batch_frames for point in points} == {64, 1000}


def test_what_is_left_out_is_the_scenario_as_it_is() -> None:
    """One inline point that changes nothing."""
    assert read(GridOptions()) == ([Point(None, None, "inline", 1, 4096, None)], [])


def test_each_engine_has_its_own_batches() -> None:
    """Without `--batch` a point has batches as a run on its engine."""
    points, _ = read(GridOptions(engine="inline,ray"))
    assert [(point.engine, point.batch_frames) for point in points] == [("inline", 4096), ("ray", 65_536)]


def test_growth_has_values_of_its_own() -> None:
    """Numbers as people write them, or those of the axis."""
    points, problems = read(GridOptions(grow=("flows=1e3,20_000", "entries")))
    assert not problems
    assert [(p.axis, p.value) for p in points[:3]] == [("flows", 1000), ("flows", 20_000), ("entries", 1)]
    assert [p.value for p in points if p.axis == "entries"][-1] == 128


@pytest.mark.parametrize(
    ("options", "problems"),
    [
        (
            GridOptions(processors="0,x", nics="-1", batch="8", engine="gpu", repeat=0),
            ["--repeat 0", "--processors 0,x: 0 is", "--processors 0,x: 'x'", "--nics -1", "--batch 8", "--engine gpu"],
        ),
        (GridOptions(processors="4000,1e30"), ["4000 is not 1 to 2,048", "1e30 is not"]),
        (GridOptions(processors=""), ["'' is not a whole number"]),
        (GridOptions(engine=""), ["--engine : ''"]),
        (GridOptions(processors_per_actor="2"), ["is for --engine ray"]),
        (GridOptions(grow=("colours",), batch="64"), ["leave --batch out", "'colours' is not known"]),
        (GridOptions(grow=("entries=256,1.5",)), ["--grow entries=256,1.5: 256 is not", "'1.5' is not"]),
    ],
)
def test_everything_that_is_wrong_is_told_at_once(options: GridOptions, problems: list[str]) -> None:
    """A line for each thing, which names the option."""
    told = read(options)[1]
    assert len(told) == len(problems)
    for line, expected in zip(told, problems, strict=True):
        assert expected in line


def test_a_wrong_number_stands_for_no_others() -> None:
    """Only readable given values make points, so no message is about a value that nobody gave."""
    points, _ = read(GridOptions(grow=("entries=3,256", "vports=x")))
    assert [(point.axis, point.value) for point in points] == [("entries", 3)]
    points, _ = read(GridOptions(processors="2,0", nics="x"))
    assert [(point.value, point.nics) for point in points] == [(2, 1)]


def test_a_run_is_named_by_all_that_tells_it_from_others() -> None:
    """The label of a run in findings: what is changed, engine, NICs, batch, actors, repeat."""
    points, _ = read(GridOptions(processors="1024", nics="1,2", engine="ray", processors_per_actor="1,8", batch="4096"))
    assert [str(Run(point, 3)) for point in points] == [
        f"processors 1,024, ray, {nics}, batches of 4,096, {actors} per actor, repeat 3"
        for nics in ("1 NIC", "2 NICs")
        for actors in ("1 processor", "8 processors")
    ]
    inline = Run(Point(None, None, "inline", 1, 64, None), 0)
    assert str(inline) == "inline, 1 NIC, batches of 64, repeat 0"


def test_repeats_go_round() -> None:
    """All points run once before any point runs a second time."""
    points, _ = read(GridOptions(processors="1,2,3"))
    runs = runs_of(points, 2)
    assert [run.point for run in runs] == points * 2
    assert [run.repeat for run in runs] == [0] * 3 + [1] * 3


@pytest.mark.parametrize("number", ["1__0", "_1", "1_", "1_e3", "1e", "e3", ""])
def test_numbers_are_written_as_toml_has_them(number: str) -> None:
    """An underscore stands between digits, and nothing else is taken."""
    _, problems = read(GridOptions(processors=number))
    assert len(problems) == 1
