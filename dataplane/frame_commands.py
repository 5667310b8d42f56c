"""What `vmmq steer` and `vmmq explain` do, without a terminal: where the NIC of a scenario sends frames, and why.

This module is separate from the other commands because the answer for a few frames must come at once: it does not
import what only a run needs, such as processors, timelines and engines.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from dataplane.engine.interrupts import uninterrupted
from dataplane.errors import UserError
from dataplane.kernels.steer import count_dropped
from dataplane.receive.steering import steer_batch
from dataplane.receive.work import DROP_REASONS, new_work_columns
from dataplane.results.aside import check_ending, written_aside
from dataplane.results.packets import (
    FORMATS,
    BackgroundWriter,
    PacketTable,
    open_packet_file,
    rows_as_json_array,
)
from dataplane.scenario.load import load_scenario
from dataplane.scenario.model import Scenario
from dataplane.scenario.set_up import adapter_configuration
from dataplane.switch.compile import compile_snapshot
from dataplane.switch.snapshot import SteeringSnapshot
from dataplane.traffic.batch import FrameBatch, TrafficSource
from dataplane.traffic.capture import open_capture, read_frame

_BATCH_FRAMES = 65_536
_NAME_MAX = 255
_NUMBERED = re.compile(r"(.+):([0-9]+)", re.DOTALL)
_HEX = re.compile(r"(?:0x)?((?:[0-9a-fA-F]{2}[:\s]?)+)")


@dataclass(slots=True)
class Steering:
    """A capture on its way through the NIC of a scenario; `batches` may be taken once."""

    capture: str  # where the frames come from
    snapshot: SteeringSnapshot
    source: TrafficSource
    transmit_by_source: bool
    remarks: list[str]  # what of the scenario was left out of it; at the end also what there was to say of the frames
    packets: int = 0
    drops: Any = field(default_factory=lambda: np.zeros(len(DROP_REASONS), np.int64))
    progress: Callable[[int, float], None] = lambda frames, share: None  # told after each batch

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Record batches of the per-frame table (string columns as dictionaries).

        Ctrl-C takes effect between two of them, so that what is made of one is whole.
        """
        table = PacketTable(self.snapshot)
        work = new_work_columns(_BATCH_FRAMES)
        with uninterrupted() as shield:
            for batch in self.source.batches(_BATCH_FRAMES):
                steer_batch(batch, self.snapshot, work, transmit_by_source=self.transmit_by_source)
                count_dropped(work.drop[: len(batch)], self.drops)
                self.packets += len(batch)
                yield table.batch(batch, work)
                self.progress(self.packets, self.source.progress())
                if shield.pending:
                    break
        if not self.packets:
            self.remarks.append("there are no frames")
        if stepped_back := self.source.timestamp_regressions:
            self.remarks.append(
                f"timestamps that stepped back and count as the largest before (TIM-02): {stepped_back:,}"
            )

    def json_document(self) -> Iterator[str]:
        """All rows as the pieces of one JSON array of objects."""
        return rows_as_json_array(self.batches())

    @property
    def findings(self) -> list[str]:
        """What was wrong with the capture."""
        return self.source.findings

    def totals(self) -> dict[str, Any]:
        """What `--json` says when the rows went to a file."""
        dropped = {reason: int(n) for reason, n in zip(DROP_REASONS, self.drops, strict=True) if n and reason}
        return {
            "packets": self.packets,
            "dropped": dropped,
            "timestamp_regressions": self.source.timestamp_regressions,
            "findings": self.findings,
            "remarks": self.remarks,
        }


def steer_capture(capture: str, config: Path, adapter: str | None = None) -> Steering:
    """Open a capture to be steered by a scenario's NIC; of several it is the one named `adapter`."""
    scenario = load_scenario(config, adapter=adapter)
    return Steering(
        capture, _snapshot(scenario), open_capture(capture), scenario.transmit_by_source, _left_out(scenario)
    )


def steer_to_file(steering: Steering, output: Path, *, overwrite: bool) -> dict[str, Any]:
    """Steer everything into a file named by its ending, which is not the capture; returns the totals."""
    check_ending(output, FORMATS)
    if output.exists() and os.path.exists(steering.capture) and output.samefile(steering.capture):
        raise UserError(f"{output} is what is to be steered: name another output")
    with written_aside(output, overwrite=overwrite) as aside, BackgroundWriter(open_packet_file(aside)) as writer:
        for batch in steering.batches():
            writer.write(batch)
    return steering.totals() | {"output": str(output)}


def steer_first_rows(steering: Steering, limit: int) -> tuple[list[dict[str, Any]], int]:
    """The first rows as dictionaries, and how many were left out."""
    rows: list[dict[str, Any]] = []
    for batch in steering.batches():
        if len(rows) < limit:
            rows += batch.slice(0, limit - len(rows)).to_pylist()
    return rows, steering.packets - len(rows)


def explain_frame(frame: str, config: Path, adapter: str | None = None) -> dict[str, Any]:
    """Explain frame N of a capture (`CAPTURE:N`) or a frame given as hexadecimal digits."""
    from dataplane.receive.explain import explain  # noqa: PLC0415 - steering does without

    scenario = load_scenario(config, adapter=adapter)
    snapshot = _snapshot(scenario)
    explanation = explain(snapshot, _one_frame(frame), transmit_by_source=scenario.transmit_by_source)
    steps = [{"step": one.step, "rule": one.rule, "text": one.text} for one in explanation.steps]
    row = PacketTable(snapshot).batch(explanation.batch, explanation.work).to_pylist()[0]
    return {"steps": steps, "rule": explanation.rule, "remarks": _left_out(scenario), **row}


def _left_out(scenario: Scenario) -> list[str]:
    """A line about what would change steering in a run."""
    changes = [f"{len(scenario.events)} [[event]]"] if scenario.events else []
    if scenario.policy.name != "none":
        changes.append(f"[policy] {scenario.policy.name}")
    what = " and ".join(changes)
    return [f"steered as before any change: vmmq run carries out the scenario's {what}"] if what else []


def _one_frame(text: str) -> FrameBatch:
    match = _HEX.fullmatch(text.strip())
    numbered = _NUMBERED.fullmatch(text)
    if numbered and not (match and len(text) > _NAME_MAX):  # bytes with colons look like it, too
        path, number = numbered.groups()
        if not match or Path(path).exists():
            return read_frame(path, int(number))
    if not match:
        odd = re.fullmatch(r"(0x)?[0-9a-fA-F]+", text.strip())
        what = (
            "has an odd number of hexadecimal digits" if odd else "is neither CAPTURE:N nor the bytes of a frame in hex"
        )
        raise UserError(f"{text if len(text) < 40 else text[:36] + '...'} {what}")
    return FrameBatch.of_one(bytes.fromhex(re.sub(r"[:\s]", "", match[1])))


def _snapshot(scenario: Scenario) -> SteeringSnapshot:
    """What steers before the first event."""
    return compile_snapshot(adapter_configuration(scenario), 0)
