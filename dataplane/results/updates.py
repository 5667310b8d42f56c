"""What a run leaves and shows about its updates (EPO-09): `updates.json`, `updates.parquet`, a table on the screen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from heapq import merge
from itertools import groupby
from operator import itemgetter
from typing import Any

import pyarrow as pa
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from dataplane.results.screen import plain_table
from dataplane.results.tables import UPDATES_SCHEMA, rows_table
from dataplane.update.certificates import VERDICTS, Certificate, UpdateReport, UpdateTotals

Json = dict[str, Any]

_LINES = 12  # of each part of the screen
_COLUMNS = (
    "Epoch", "Adopted ms", "Entries", "Old", "Held", "Hold us", "Blocked us", "Lost", "Reordered", "Flows",
    "Retired us",
)  # fmt: skip


def updates_document(report: UpdateReport) -> list[Json]:
    """The content of `updates.json`: certificates in epoch order, and between them the requests without an update.

    Requests that were refused, or changed no steering, are listed at the time they were made, one entry for each
    moment: `{"epoch": null, "requested_at_ns": ..., "requests": [...]}`. They come after an update of the same moment.
    """
    at = itemgetter("requested_at_ns")
    others: Iterator[Json] = (
        {"epoch": None, "requested_at_ns": moment, "requests": list(requests)}
        for moment, requests in groupby(report.other_requests, at)
    )
    return list(merge((certificate.document() for certificate in report.certificates), others, key=at))


def updates_table(report: UpdateReport) -> pa.Table:
    """The content of `updates.parquet`: a row for each certificate, with how many entries were moved."""
    return rows_table([_row(certificate) for certificate in report.certificates], UPDATES_SCHEMA)


def _row(certificate: Certificate) -> Json:
    row = certificate.document()
    row["entries_moved"] = len(row.pop("entries"))
    del row["requests"]  # only in `updates.json`
    return row | {"verdicts": dict.fromkeys(VERDICTS) | certificate.verdicts}


def updates_screen(report: UpdateReport) -> RenderableType:
    """The first updates, all of them together, their verdicts, and the requests that did not end as they were to.

    `Old` counts frames of older epochs at the adoption, `Hold` is the longest hold, and `Retired` counts from the
    adoption.
    """
    parts: list[RenderableType] = []
    if report.certificates:
        parts += [_table(report), _blocked(report.totals), _verdicts(report.certificates)]
    parts += _failed(report.failed_requests)
    return Group(*parts)


def _table(report: UpdateReport) -> Table:
    table = plain_table(*_COLUMNS)
    for one in report.certificates[:_LINES]:
        retired_ns = one.retired_at_ns - one.adopted_at_ns
        table.add_row(
            str(one.epoch), f"{one.adopted_at_ns / 1e6:,.3f}", *_numbers(one, len(one.entries)), _us(retired_ns)
        )
    if left_out := len(report.certificates[_LINES:]):
        table.add_row("...", Text(f"{left_out:,} more", "dim"))
    longest_ns = max(one.retired_at_ns - one.adopted_at_ns for one in report.certificates)
    table.add_row("all", "", *_numbers(report.totals, report.totals.entries_moved), _us(longest_ns), style="bold")
    return table


def _numbers(one: Certificate | UpdateTotals, entries: int) -> Iterator[str | Text]:
    yield f"{entries:,}"
    yield f"{one.frames_old_epoch_after_adoption:,}"
    yield f"{one.frames_held:,}"
    yield _us(one.longest_hold_ns)
    yield _us(one.blocked_time_ns)
    yield _bad(one.frames_lost)
    yield _bad(one.frames_reordered)
    yield f"{one.flows_reordered:,}"


def _blocked(totals: UpdateTotals) -> Text:
    """Both forms of blocked time (ORD-05)."""
    frames = f"{totals.frames_lost:,} lost, {totals.frames_dropped_behind_holds:,} dropped behind held ones"
    held, by_rate = _us(totals.blocked_time_ns), _us(totals.blocked_time_lost_over_rate_ns)
    return Text(f"blocked  first held frames {held} us, lost frames / offered rate {by_rate} us ({frames})")


def _verdicts(certificates: Sequence[Certificate]) -> Text:
    failed: dict[str, list[int]] = {}
    for one in certificates:
        for name in (name for name, held in one.verdicts.items() if not held):
            failed.setdefault(name, []).append(one.epoch)
    if not failed:
        return Text("verdicts all held")
    parts = [
        f"{name} ({len(epochs):,} of {len(certificates):,}, first epoch {epochs[0]})" for name, epochs in failed.items()
    ]
    return Text("verdicts ").append(f"failed: {', '.join(parts)}", "red")


def outcome_text(request: Json, expected: str = "") -> str:
    """How a request (`request_document`) ended, as far as there was one, what was `expected`, and why."""
    how = " ".join(part for part in (request["oid"], request["status"]) if part) or "no request"
    return f"{how}{expected}" + (f" ({request['why']})" if request["why"] else "")


def _failed(requests: Sequence[Json]) -> Iterator[Text]:
    for one in requests[:_LINES]:
        what = f"{one['origin']} at {one['requested_at_ns'] / 1e6:,.3f} ms"
        expected = f", not {one['expect']}" if one["expect"] else ""
        yield Text(f"! {what}: {outcome_text(one, expected)}")
    if left_out := len(requests[_LINES:]):
        yield Text(f"... and {left_out:,} more in updates.json", "dim")


def _us(value_ns: int | None) -> str:
    return "-" if value_ns is None else f"{value_ns / 1000:,.2f}"


def _bad(count: int) -> Text:
    return Text(f"{count:,}", "red" if count else "")
