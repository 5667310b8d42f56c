"""A run directory: written aside, then renamed, so that what has the name is whole."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow.parquet

from dataplane.engine.experiment import CompleteRows, PacketSink, RunResult
from dataplane.errors import UserError
from dataplane.results.packets import BackgroundWriter, PacketTable, ParquetPackets
from dataplane.results.tables import (
    PROCESSORS_SCHEMA,
    QUEUES_SCHEMA,
    VPORTS_SCHEMA,
    entries_table,
    rows_table,
    windows_table,
)
from dataplane.results.updates import updates_document, updates_table
from dataplane.switch.snapshot import SteeringSnapshot
from dataplane.update.certificates import UpdateReport

_MARK = "summary.json"


@contextmanager
def written_aside(path: Path, *, overwrite: bool) -> Iterator[Path]:
    """A temporary path beside `path` that takes its name when the block ends well, and vanishes when it does not.

    Raises UserError when `path` exists and `overwrite` is false, or is a directory that is no run directory.
    """
    check_free(path, overwrite=overwrite)
    made_parent = not path.parent.exists()
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.parent / f".partial-{os.getpid()}-{path.name}"  # same ending as the name it will get
    remove_abandoned(path)
    try:
        yield aside
        if path.exists():
            _remove(path)
        aside.rename(path)
    finally:
        _remove(aside)
        if made_parent and not any(path.parent.iterdir()):
            path.parent.rmdir()


def check_free(path: Path, *, overwrite: bool) -> None:
    """UserError when results may not be put at `path`."""
    if not path.exists():
        return
    if not overwrite:
        raise UserError(f"{path} exists: give another name or --overwrite")
    if path.is_dir() and any(path.iterdir()) and not (path / _MARK).exists():
        raise UserError(f"{path} is a directory but not one of a run: it is not overwritten; give another name")


def free_name(parent: Path, name: str) -> Path:
    """`parent/name`, or with the first number that is not taken."""
    path, number = parent / name, 2
    while path.exists():
        path, number = parent / f"{name}-{number}", number + 1
    return path


class PacketsParquet(PacketSink):
    """`packets.parquet` of a run: every frame with its steering, completion and latency."""

    def __init__(self, directory: Path, snapshot: SteeringSnapshot) -> None:
        self._table = PacketTable(snapshot)
        self._writer = BackgroundWriter(ParquetPackets(directory / "packets.parquet", served=True))

    def write(self, rows: CompleteRows) -> None:
        """Append the frames of a batch."""
        self._writer.write(self._table.served_batch(rows))

    def close(self) -> None:
        """Finish the file."""
        self._writer.close()


def write_results(
    directory: Path, result: RunResult, report: UpdateReport, summary: dict[str, Any], resolved_scenario: str
) -> None:
    """Fill an existing directory with everything a run leaves (docs/results.md)."""
    (directory / "scenario.toml").write_text(resolved_scenario, encoding="utf-8")
    tables = {
        "processors": rows_table(summary["processors"], PROCESSORS_SCHEMA),
        "vports": rows_table(summary["vports"], VPORTS_SCHEMA),
        "windows": windows_table(result),
        "entries": entries_table(result),
        "updates": updates_table(report),
    }
    if summary["queues"]:
        tables["queues"] = rows_table(summary["queues"], QUEUES_SCHEMA)
    for name, table in tables.items():
        pyarrow.parquet.write_table(table, directory / f"{name}.parquet")
    document = json.dumps(updates_document(report), indent=2, allow_nan=False) + "\n"
    (directory / "updates.json").write_text(document, encoding="utf-8")
    text = json.dumps(summary, indent=2, allow_nan=False) + "\n"
    (directory / _MARK).write_text(text, encoding="utf-8")


def write_whole(directory: Path, summary: dict[str, Any], resolved_scenario: str) -> None:
    """Put beside the directories of several NICs what they have come to together."""
    (directory / "scenario.toml").write_text(resolved_scenario, encoding="utf-8")
    text = json.dumps(summary, indent=2, allow_nan=False) + "\n"
    (directory / _MARK).write_text(text, encoding="utf-8")


def remove_abandoned(path: Path) -> None:
    """Remove what processes that are no more left beside `path`."""
    for aside in path.parent.glob(f".partial-*-{path.name}"):
        process = aside.name.removeprefix(".partial-").removesuffix(f"-{path.name}")
        if process.isdigit() and (int(process) == os.getpid() or not Path(f"/proc/{process}").exists()):
            _remove(aside)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
