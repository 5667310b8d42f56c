"""The files of a run directory."""

from __future__ import annotations

import json
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow.parquet

from dataplane.engine.experiment import CompleteRows, PacketSink, RunResult
from dataplane.results.aside import RUN_MARK
from dataplane.results.packets import BackgroundWriter, PacketTable, ParquetPackets
from dataplane.results.tables import (
    PROCESSORS_SCHEMA,
    QUEUES_SCHEMA,
    VPORTS_SCHEMA,
    entries_tables,
    rows_table,
    windows_table,
)
from dataplane.results.updates import updates_document, updates_table
from dataplane.switch.snapshot import SteeringSnapshot
from dataplane.update.certificates import UpdateReport


class PacketsParquet(PacketSink):
    """`packets.parquet` of a run: every frame with its steering, completion and latency."""

    def __init__(self, directory: Path, snapshot: SteeringSnapshot) -> None:
        self._table = PacketTable(snapshot)
        self._writer = BackgroundWriter(ParquetPackets(directory / "packets.parquet", served=True))

    def write(self, rows: CompleteRows) -> None:
        """Append the frames of a batch."""
        self._writer.write(self._table.served_batch(rows))

    def __enter__(self) -> PacketsParquet:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Finish the file, or leave it when the run has failed."""
        self._writer.__exit__(kind, value, traceback)


def write_results(
    directory: Path, result: RunResult, report: UpdateReport, summary: dict[str, Any], resolved_scenario: str
) -> None:
    """Fill an existing directory with everything a run leaves (docs/results.md)."""
    tables = {
        "processors": rows_table(summary["processors"], PROCESSORS_SCHEMA),
        "vports": rows_table(summary["vports"], VPORTS_SCHEMA),
        "windows": windows_table(result),
        "updates": updates_table(report),
    }
    if summary["queues"]:
        tables["queues"] = rows_table(summary["queues"], QUEUES_SCHEMA)
    for name, table in tables.items():
        pyarrow.parquet.write_table(table, directory / f"{name}.parquet")
    entries = entries_tables(result)
    first = next(entries)
    with pyarrow.parquet.ParquetWriter(directory / "entries.parquet", first.schema) as writer:
        for table in chain([first], entries):
            writer.write_table(table)
    document = json.dumps(updates_document(report), indent=2, allow_nan=False) + "\n"
    (directory / "updates.json").write_text(document, encoding="utf-8")
    write_whole(directory, summary, resolved_scenario)


def write_whole(directory: Path, summary: dict[str, Any], resolved_scenario: str) -> None:
    """What runs of one NIC and of several have in common: scenario and summary."""
    (directory / "scenario.toml").write_text(resolved_scenario, encoding="utf-8")
    text = json.dumps(summary, indent=2, allow_nan=False) + "\n"
    (directory / RUN_MARK).write_text(text, encoding="utf-8")
