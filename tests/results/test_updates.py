"""The files and the screen of a run about its updates."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from typing import Any

import pyarrow as pa
from rich.console import Console

from dataplane.results.tables import UPDATES_SCHEMA
from dataplane.results.updates import updates_document, updates_screen, updates_table
from dataplane.update.certificates import UpdateReport
from tests.update.logs import REFUSED, log, report_of, request, update

#: Keys of a certificate that scripts rely on (docs/scenario-format.md).
PROMISED = {
    "epoch", "requested_at_ns", "adopted_at_ns", "drained_at_ns", "retired_at_ns", "hand_over", "entries",
    "frames_old_epoch_after_adoption", "frames_held", "longest_hold_ns", "blocked_time_ns", "frames_lost",
    "frames_reordered", "flows_reordered", "max_extent", "verdicts",
}  # fmt: skip


def small_report(hand_over: str = "ordered") -> UpdateReport:
    """Two updates and three requests without an update, two of them at the moment of the first update."""
    led = request(100_000, epoch=1)
    refused = [
        request(100_000, REFUSED, why="UPD-41: 5 processors in use, 4 queues"),
        request(100_000, None, why="gone"),
    ]
    updates = [update(1, 100_000, 1_200_000, [(1, 3, 0, 1)]), update(2, 2_000_000, 2_000_000)]
    logs = [
        log(
            marks=[(1, 4000, 1_450_000, 2, 0), (2, 0, 2_000_000, 0, 5)],
            holds=[(1, 7, 60, 123_450, 9, 23_450)],
            overtakable=[(1, 5, 8, 1_300_000)],
            followers=[(5, 9, 1_250_000)],
            dropped=[(1, 3)],
        ),
    ]
    return report_of(updates, logs, [led, *refused, request(2_500_000)], hand_over=hand_over)


def shown(report: UpdateReport, width: int = 200) -> list[str]:
    """The lines of the screen."""
    console = Console(file=io.StringIO(), width=width)
    console.print(updates_screen(report))
    assert isinstance(console.file, io.StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def cells(line: str) -> list[str]:
    """The cells of a line."""
    return re.split(r" {2,}", line.strip())


def test_the_document_is_in_order_of_time() -> None:
    """Certificates by epoch with the promised keys; between them an entry for other requests of a moment (EPO-09)."""
    document: list[dict[str, Any]] = json.loads(json.dumps(updates_document(small_report()), allow_nan=False))
    assert [(one["epoch"], one["requested_at_ns"]) for one in document] == [
        (1, 100_000),
        (None, 100_000),
        (2, 2_000_000),
        (None, 2_500_000),
    ]
    assert all(one.keys() >= PROMISED for one in document if one["epoch"] is not None)
    assert document[1].keys() == {"epoch", "requested_at_ns", "requests"}
    assert [one["status"] for one in document[1]["requests"]] == ["NDIS_STATUS_NO_QUEUES", None]
    assert [one["status"] for one in document[3]["requests"]] == ["NDIS_STATUS_SUCCESS"]


def test_certificates_stay_in_epoch_order() -> None:
    """Entries are in the order of epochs, also if the update requested first is adopted last (EPO-09)."""
    report = report_of([update(1, 900, 1000), update(2, 100, 1100)], [None], [request(500)])
    assert [one["epoch"] for one in updates_document(report) if one["epoch"] is not None] == [1, 2]


def test_the_table() -> None:
    """One row for each certificate, numbers as in the document; a verdict that was not asked for is null (EPO-09)."""
    ordered, permissive = updates_table(small_report()), updates_table(small_report("permissive"))
    assert ordered.schema.equals(UPDATES_SCHEMA, check_metadata=False)
    assert ordered.schema.metadata[b"vmmq.schema_version"]
    certificates = [one for one in updates_document(small_report()) if one["epoch"] is not None]
    for row, certificate in zip(ordered.to_pylist(), certificates, strict=True):
        verdicts = {f"verdicts_{name}": held for name, held in certificate.pop("verdicts").items()}
        moved = {"entries_moved": len(certificate.pop("entries"))}
        del certificate["requests"]
        assert row == {**certificate, **verdicts, **moved}
    assert ordered["verdicts_order_kept"].to_pylist() == [False, True]
    assert permissive["verdicts_order_kept"].to_pylist() == [None, None]


def test_a_table_of_nothing_has_the_schema() -> None:
    """A run without updates leaves an empty table."""
    table = updates_table(report_of([], [None]))
    assert isinstance(table, pa.Table)
    assert table.num_rows == 0
    assert table.schema.equals(UPDATES_SCHEMA, check_metadata=False)


def test_the_screen() -> None:
    """A line for each update, one for all, the verdicts that failed, and what was refused (EPO-09, ORD-05)."""
    head, first, second, together, blocked, verdicts, *failed = shown(small_report())
    assert cells(head) == [
        "Epoch", "Adopted ms", "Entries", "Old", "Held", "Hold us", "Blocked us", "Lost", "Reordered", "Flows",
        "Retired us",
    ]  # fmt: skip
    assert cells(first) == ["1", "1.200", "1", "4,000", "60", "123.45", "23.45", "0", "1", "1", "250.00"]
    assert cells(second) == ["2", "2.000", "0", "0", "0", "0.00", "0.00", "5", "0", "0", "0.00"]
    assert cells(together) == ["all", "1", "4,000", "60", "123.45", "23.45", "5", "1", "1", "250.00"]
    assert blocked == (
        "blocked  first held frames 23.45 us, lost frames / offered rate 4.00 us (5 lost, 3 dropped behind held ones)"
    )
    assert verdicts == (
        "verdicts failed: order_kept (1 of 2, first epoch 1), no_loss (1 of 2, first epoch 2), "
        "conservation (1 of 2, first epoch 2)"
    )
    assert failed == [
        "! [[event]] 1 at 0.100 ms: OID_GEN_RSS_SET_INDIRECTION_TABLE_ENTRIES NDIS_STATUS_NO_QUEUES "
        "(UPD-41: 5 processors in use, 4 queues)",
        "! [[event]] 1 at 0.100 ms: no request (gone)",
    ]


def test_the_screen_fits() -> None:
    """Nothing of the table is cut in a terminal of 100 columns."""
    assert shown(small_report(), 100)[:4] == shown(small_report())[:4]


def test_the_screen_is_one_screen() -> None:
    """The first of many updates and failed requests are shown, and the number of the others."""
    updates = [update(epoch, epoch, epoch) for epoch in range(1, 101)]
    failed = [request(epoch, REFUSED) for epoch in range(1, 101)]
    lines = shown(report_of(updates, [None], failed))
    assert [cells(line)[0] for line in lines[1:15]] == [*map(str, range(1, 13)), "...", "all"]
    assert "88 more" in lines[13]
    assert lines[16] == "verdicts failed: adopted_everywhere (100 of 100, first epoch 1)"
    assert lines[-1] == "... and 88 more in updates.json"
    assert len(lines) == 1 + 14 + 2 + 13


def test_a_sound_run_says_so() -> None:
    """If all verdicts held, the check holds; a request that failed as expected is no failure."""
    sound = log(marks=[(1, 0, 1, 0, 0)])
    report = report_of([update(1, 1, 1)], [sound], [request(3, REFUSED, expect=REFUSED)])
    assert shown(report)[-1] == "verdicts all held"
    assert shown(replace(report, certificates=())) in ([], [""])


def test_text_of_users_is_no_markup() -> None:
    """Square brackets in a reason are shown as they are, and what was expected is told."""
    report = report_of([], [None], [request(1_000_000, expect=REFUSED, why="[red]no[/red]")])
    assert shown(report) == [
        "! [[event]] 1 at 1.000 ms: OID_GEN_RSS_SET_INDIRECTION_TABLE_ENTRIES NDIS_STATUS_SUCCESS, "
        "not NDIS_STATUS_NO_QUEUES ([red]no[/red])"
    ]
