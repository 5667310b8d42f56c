"""The screen of `vmmq bench`: the machine, and a table for each group."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from benchmarks.bench import GROUPS, Outcome
from benchmarks.measure import Figure, spread


def bench_screen(outcome: Outcome) -> RenderableType:
    """All figures with their spread and ratios."""
    return Group(*_parts(outcome))


def _parts(outcome: Outcome) -> Iterator[RenderableType]:
    document = outcome.document
    machine = document["machine"]
    yield Text(
        f"{machine['cpu']}, {machine['cores']} cores, load average {machine['load_average'][0]:.1f} at the start; "
        f"hashes by {document['choices']['toeplitz']}"
    )
    for name, figures in outcome.groups.items():
        if figures:
            yield _table(f"{name}: {GROUPS[name].does}", figures)
    if document["interrupted"]:
        yield Text("interrupted: this is what was finished", style="yellow")


def _table(title: str, figures: dict[str, Figure]) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold", title_style="bold")
    table.add_column("")
    for heading in ("Median", "Half of the rounds", "Rounds"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("Times")
    has_facts = any(figure.facts for figure in figures.values())
    if has_facts:
        table.add_column("Apart")
    for name, figure in figures.items():
        values = spread(figure.values)
        half = f"{quantity(values['lower_quartile'], '')} - {quantity(values['upper_quartile'], '')}"
        ratios = ", ".join(f"{ratio(statistics.median(v))} x {other}" for other, v in figure.ratios.items())
        facts = ", ".join(f"{key} {fact(key, value)}" for key, value in figure.facts.items())
        cells = (name, quantity(figure.median, figure.unit), half, str(len(figure.values)), ratios)
        table.add_row(*cells, *([facts] if has_facts else []))
    return table


_UNITS = {
    "frames_per_second": "frames/s",
    "hashes_per_second": "hashes/s",
    "requests_per_second": "requests/s",
    "updates_per_second": "updates/s",
    "bytes_per_second": "B/s",
    "seconds": "s",
    "bytes": "B",
}


_PREFIXES = ((1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""), (1e-3, "m"), (1e-6, "u"), (1e-9, "n"))


def quantity(value: float, unit: str) -> str:
    """The value with three digits and a fitting prefix: `23.4 M frames/s`, `412 ms`, `1.20 GB/s`."""
    if not value:
        return f"0 {_UNITS.get(unit, unit)}".rstrip()
    limit, prefix = next((one for one in _PREFIXES if value >= one[0]), _PREFIXES[-1])
    scaled = value / limit
    digits = 0 if scaled >= 100 else 1 if scaled >= 10 else 2
    word = _UNITS.get(unit, unit)
    space = " " if prefix and len(word) > 3 else ""  # MB/s and ms, but M frames/s
    return f"{scaled:.{digits}f} {prefix}{space}{word}".rstrip()


def fact(key: str, value: float) -> str:
    """The value of a fact; the key of a fact ends with its unit."""
    for unit in ("frames_per_second", "seconds", "bytes"):
        if key.endswith(unit):
            return quantity(value, unit)
    return f"{value:,}" if isinstance(value, int) else f"{value:.2f}"


def ratio(value: float) -> str:
    """The value with three digits."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
