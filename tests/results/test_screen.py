"""Numbers and tables as terminals of all widths show them."""

from __future__ import annotations

import io

import pytest
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from dataplane.results.screen import Bar, print_whole, si


def screen() -> Group:
    """A table of numbers with a bar, 34 cells wide, between two texts."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("Items", no_wrap=True)
    table.add_column("Load")
    table.add_column("p99 us", no_wrap=True)
    table.add_row("123,456,789", Bar(1.0, 12, "green"), "478.21 us")
    return Group(Text("head"), table, Text("a text of several words"))


def lines(columns: int) -> list[str]:
    """The text for a terminal of `width` columns."""
    output = io.StringIO()
    print_whole(Console(file=output, width=columns), screen())
    return [line.rstrip() for line in output.getvalue().splitlines()]


@pytest.mark.parametrize("columns", [1, 10, 20, 24, 30, 80])
def test_no_width_costs_a_digit(columns: int) -> None:
    """Headings and cells are whole on the narrowest terminal."""
    text = "\n".join(lines(columns))
    assert [cell for cell in ("Items", "p99 us", "123,456,789", "478.21 us") if cell not in text] == []


@pytest.mark.parametrize(("columns", "gap", "bar"), [(80, 2, 12), (36, 2, 12), (30, 2, 6), (28, 2, 4), (27, 1, 5)])
def test_gaps_and_bars_give_way_first(columns: int, gap: int, bar: int) -> None:
    """With room a table has its gaps and the whole bar; with less room a shorter bar, then narrower gaps."""
    assert lines(columns)[2] == f"123,456,789{' ' * gap}{'█' * bar}{' ' * gap}478.21 us"


def test_texts_fold_at_words() -> None:
    """A text is as wide as the terminal, whatever the table above it needs."""
    assert lines(16)[-2:] == ["a text of", "several words"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0 "),
        (999.49, "999 "),
        (999.5, "1 k"),
        (12_345, "12.3 k"),
        (999_499, "999 k"),
        (999_600, "1 M"),
        (999_600_000, "1 G"),
        (12e9, "12 G"),
    ],
)
def test_what_rounds_to_a_thousand_takes_the_next_prefix(value: float, text: str) -> None:
    """Three digits at most, and never an exponent."""
    assert si(value) == text
