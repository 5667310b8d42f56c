"""The screen that `vmmq run` shows at the end, as rich renderables, with tables in the style of the Windows tools."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

_BAR_CELLS = 12
_ANY_WIDTH = 100_000
_HOT_LOAD = 0.9


def run_screen(summary: dict[str, Any], where: Path) -> RenderableType:
    """Totals, VPorts or queues, processors, balance and order, throughput, and where the results are."""
    wall = summary["wall"]
    return Group(
        _head(summary),
        _targets(summary),
        _processors(summary),
        _measures(summary),
        *(Text(f"! {finding}", style="yellow") for finding in summary["findings"]),
        *(Text(remark, style="yellow") for remark in wall["remarks"]),
        wall_text(wall, "frames/s"),
        *(Text(line, style="dim") for line in place_lines(wall)),
        Text(f"results in {where}", style="bold"),
    )


def dropped_text(dropped: Mapping[str, int]) -> Text:
    """How many frames were dropped, and why; goes on behind a comma."""
    total, reasons = sum(dropped.values()), ", ".join(f"{reason} {count:,}" for reason, count in dropped.items())
    return Text(f", {total:,} dropped ({reasons})", "red") if total else Text(", none dropped")


def checks_text(failed: Sequence[str]) -> Text:
    """The line about the checks of a summary."""
    return Text(f"checks   failed: {', '.join(failed)}", "red") if failed else Text("checks   all held")


def wall_text(wall: Mapping[str, Any], rate: str) -> Text:
    """The line about what a clock measured; `rate` is what its frames per second are called."""
    start_up = f", start-up {wall['startup_seconds']:.1f} s" if wall.get("startup_seconds") else ""
    engine, seconds = wall["engine"], wall["seconds"]
    return Text(f"{engine} engine: {seconds:.2f} s, {si(wall['frames_per_second']).rstrip()} {rate}{start_up}", "dim")


def place_lines(wall: Mapping[str, Any]) -> list[str]:
    """Where a simulated host was and what it sent to the process that started it; nothing of other engines."""
    if "placement" not in wall:
        return []
    place, sent = wall["placement"], wall["bytes_to_driver_per_frame"]
    others = [node for node in place["processors"] if node != place["nic"]]
    kinds = ", ".join(f"{kind} {size:.3g}" for kind, size in sent.items())
    where = "on the driver's node" if place["nic"] == place["driver"] else f"on {place['nic']}"
    text = f"{where}, {wall['transport']}"
    if others:
        text += f", processors also on {', '.join(others)}"
    text += f"; to the driver {sum(sent.values()):.3g} bytes a frame ({kinds})"
    if "object_store_bytes_per_frame" in wall:
        text += f"; through the object store {wall['object_store_bytes_per_frame']:.3g}"
    return [text]


def _head(summary: dict[str, Any]) -> Text:
    text = Text.assemble(
        (summary["scenario"], "bold"),
        f"  {summary['arrived']:,} frames in {summary['duration_ns'] / 1e9:.6g} s of model time",
        f", {summary['completed']:,} completed",
    )
    text.append_text(dropped_text(summary["dropped"]))
    if summary["timestamp_regressions"]:
        text.append(f", {summary['timestamp_regressions']:,} timestamps stepped back", "yellow")
    if summary["interrupted"]:
        text.append("\nstopped early: only the frames read until then are counted", "yellow")
    return text


def _targets(summary: dict[str, Any]) -> Table:
    in_switch = bool(summary["vports"])
    rows = summary["vports"] or summary["queues"]
    total = sum(row["received"] + row["completions"] for row in rows) or 1
    table = plain_table(
        "VPortId" if in_switch else "QueueId", "Name", "Received", "Hashed", "Sent", "Share", "MB", "Dropped"
    )
    for row in rows:
        items = row["received"] + row["completions"]
        table.add_row(
            str(row["vport_id" if in_switch else "queue_id"]),
            row["name"],
            f"{row['received']:,}",
            f"{row['hashed']:,}",
            f"{row['completions']:,}",
            f"{100 * items / total:.1f} %",
            f"{row['bytes'] / 1e6:,.1f}",
            _drops(row["dropped"]),
        )
    return table


def _processors(summary: dict[str, Any]) -> Table:
    rows = summary["processors"]
    total = sum(row["received"] + row["completions"] for row in rows) or 1
    table = plain_table(
        "Processor", "Items", "Share", "Load", "", "p50 us", "p99 us", "p99.9 us", "Interrupts", "Dropped"
    )
    for row in rows:
        items = row["received"] + row["completions"]
        latency = row["latency_ns"]
        table.add_row(
            row["processor"],
            f"{items:,}",
            f"{100 * items / total:.1f} %",
            f"{100 * row['load']:.1f} %",
            load_bar(row["load"], _BAR_CELLS),
            *(f"{latency[name] / 1000:,.2f}" if items else "-" for name in ("p50", "p99", "p999")),
            f"{row['interrupts']:,}",
            _drops(row["dropped"]),
        )
    return table


def _measures(summary: dict[str, Any]) -> Text:
    balance, order = summary["balance"], summary["order"]
    parts = [
        f"max/mean {_number(balance['max_over_mean'])} (one flow alone: {_number(balance['largest_flow_bound'])})",
        f"Jain {_number(balance['jain'])}",
        f"(max-min)/min {_number(balance['max_minus_min_over_min_percent'])} %",
        f"cov {_number(balance['cov'])}",
    ]
    text = Text("balance  " + ", ".join(parts) + "\norder    ")
    text.append(
        f"{order['reordered']:,} reordered of {summary['flows']:,} flows' {summary['completed']:,} items",
        "red" if order["reordered"] else "",
    )
    failed = [name for name, held in summary["checks"].items() if not held]
    return text.append("\n").append_text(checks_text(failed))


def packets_screen(rows: Sequence[dict[str, Any]], left_out: int) -> RenderableType:
    """The first rows of the per-frame table."""
    columns = {
        "packet": "Packet", "length": "Length", "direction": "Dir", "vport_id": "VPort", "queue_id": "Queue",
        "filter_id": "Filter", "vlan_id": "VLAN", "hash_type": "HashType", "hash_value": "Hash",
        "indirection_table_index": "Entry", "processor": "Processor", "drop_reason": "Dropped",
    }  # fmt: skip
    shown = {key: name for key, name in columns.items() if any(row[key] is not None for row in rows)}
    table = plain_table(*shown.values())
    for row in rows:
        table.add_row(*(_cell(key, row[key]) for key in shown))
    note = [Text(f"... and {left_out:,} more: write them all with --output FILE", "dim")] if left_out else []
    return Group(table, *note)


def steps_screen(steps: Iterable[tuple[str, str, str]]) -> Table:
    """The steps of an explanation: step, rule, text."""
    table = plain_table("Step", "Rule", "What")
    for column in table.columns:
        column.justify = "left"
        column.no_wrap = column.header != "What"
    for step in steps:
        table.add_row(*step)
    return table


def members_screen(rows: Iterable[Any]) -> Table:
    """The members of a decoded buffer: offset, size, member, bytes, meaning."""
    table = plain_table("Offset", "Size", "Member", "Bytes", "Meaning")
    for column in table.columns[2:]:
        column.justify, column.no_wrap = "left", False
    for row in rows:
        table.add_row(str(row.offset), str(row.size), row.member, row.raw, row.meaning)
    return table


@dataclass(frozen=True, slots=True)
class Bar:
    """A share as a bar of so many cells, or of as many as a narrow terminal leaves to its column, which may wrap."""

    share: float
    cells: int
    style: str

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        """It can do without any."""
        return Measurement(0, min(self.cells, options.max_width))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        """As much of the width there is as its share."""
        yield Text("█" * round(min(self.cells, options.max_width) * self.share), self.style)


def load_bar(load: float, cells: int) -> Bar:
    """The load of a processor, red where it is nearly all that it can do."""
    return Bar(min(1.0, load), cells, "red" if load > _HOT_LOAD else "green")


def print_whole(console: Console, screen: RenderableType) -> None:
    """Print a screen with every digit: what a table has no room for is taken from its gaps and bars.

    One that still cannot be as narrow as the terminal is left to it to fold.
    """
    columns = console.width
    for part in screen.renderables if isinstance(screen, Group) else (screen,):
        if isinstance(part, Table):
            width = _least_width(console, part)
            if width > columns:
                part.padding = (0, 1, 0, 0)
                width = _least_width(console, part)
            console.width = max(columns, width)
        console.print(part, highlight=False)
        console.width = columns


def _least_width(console: Console, table: Table) -> int:
    """The columns of a terminal that a table takes when no cell is cut off: a line where none may wrap, else a word."""
    options = console.options.update(width=_ANY_WIDTH)
    widths = []
    for column in table.columns:
        sizes = [Measurement.get(console, options, cell) for cell in (column.header, *column.cells)]
        widths.append(max(size.maximum if column.no_wrap else size.minimum for size in sizes))
    _, right, _, left = table.padding
    return sum(widths) + (len(widths) - 1) * (left + right)


def plain_table(*names: str, left: Collection[str] = ("Name", "Processor")) -> Table:
    """A table without lines, numbers to the right but for the columns in `left`; one without a name has bars."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for name in names:
        table.add_column(name, justify="left" if name in (*left, "") else "right", no_wrap=name != "")
    return table


def si(value: float) -> str:
    """A number with a metric prefix: 12.3 M."""
    for factor, prefix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= 0.9995 * factor:  # three digits of anything below it
            return f"{value / factor:.3g} {prefix}"
    return f"{value:.3g} "


def _cell(key: str, value: Any) -> str:
    if value is None:
        return "-"
    return f"0x{value:08x}" if key == "hash_value" else str(value)


def _drops(count: int) -> Text:
    return Text(f"{count:,}", "red" if count else "")


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"
