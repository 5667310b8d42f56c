"""Reads from a run directory how to repeat its run with the same results (ENG-05)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dataplane.control.journal import JOURNAL_NAME
from dataplane.control.records import AdapterInitialized, JournalError, JournalReader, Requested
from dataplane.control.specification import AdapterSpecification
from dataplane.errors import UserError
from dataplane.update.records import CLIENT_ORIGIN
from dataplane.update.schedule import ScheduledRequest

_NEEDED = ("scenario.toml", "summary.json", "updates.json", JOURNAL_NAME)

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class PastRun:
    """What a run directory says about its run."""

    directory: Path
    summary: Json
    frames: int  # that arrived
    batch_frames: int  # asked of the source: what it counts on the way is counted by batches
    endless: bool  # the traffic went on for ever
    cut: bool  # not all frames of the scenario arrived, or more
    client_moments: frozenset[int]  # when clients made requests, ns after the first arrival

    @property
    def scenario(self) -> Path:
        """The resolved scenario."""
        return self.directory / "scenario.toml"

    def client_requests(self, control_latency_ns: int) -> tuple[ScheduledRequest, ...]:
        """The requests of clients at their moments; raises JournalError, and UserError if the journal lacks some.

        No client request has the same moment as a scheduled request, so the moment distinguishes them.
        """
        path = self.directory / JOURNAL_NAME
        start_ns = int(self.summary["start_ns"])
        found = [
            ScheduledRequest.repeating(
                entry,
                CLIENT_ORIGIN + entry.record.request.issuer,
                start_ns=start_ns,
                control_latency_ns=control_latency_ns,
            )
            for entry in JournalReader(path.read_bytes(), str(path))
            if isinstance(entry.record, Requested) and entry.adoption_ns is not None
        ]
        requests = tuple(one for one in found if one.at_ns in self.client_moments)
        if missing := self.client_moments - {one.at_ns for one in requests}:
            raise UserError(f"{path} lacks the request that was made at {min(missing)} ns: the run cannot be repeated")
        return requests

    def journal(self, specification: AdapterSpecification) -> bytes:
        """The whole records of its journal; JournalError when it is not the journal of that adapter."""
        path = self.directory / JOURNAL_NAME
        data = path.read_bytes()
        reader = JournalReader(data, str(path))
        entries = list(reader)
        if not entries or entries[0].record != AdapterInitialized(specification):
            whose = "another" if entries else "no"
            raise JournalError(f"{path} is the journal of {whose} adapter: the run cannot be repeated")
        return data[: reader.end]

    def difference(self, summary: Json) -> str | None:
        """The first key in which another summary differs, what a clock measured aside; None when they are equal."""
        keys = [key for key in {**self.summary, **summary} if key != "wall"]
        return next((key for key in keys if self.summary.get(key) != summary.get(key)), None)


def read_past_run(directory: Path) -> PastRun:
    """Read what a run directory says; UserError when it is none."""
    if (directory / "summary.json").is_file() and not (directory / JOURNAL_NAME).exists():
        nics = sorted(path.parent.name for path in directory.glob(f"*/{JOURNAL_NAME}"))
        if nics:
            raise UserError(
                f"{directory} is a run of several NICs: repeat one of them, {directory / nics[0]}, "
                f"or run {directory / 'scenario.toml'} again"
            )
    for name in _NEEDED:
        if not (directory / name).is_file():
            raise UserError(
                f"{directory} is no run directory, it has no {name}: name one that vmmq run or vmmq down wrote"
            )
    try:
        summary = json.loads((directory / "summary.json").read_text("utf-8"))
        updates = json.loads((directory / "updates.json").read_text("utf-8"))
        requests = [request for one in updates for request in one["requests"]]
        wall = summary["wall"]
        endless = "pace" in wall
        return PastRun(
            directory=directory,
            summary=summary,
            frames=int(summary["arrived"]),
            batch_frames=int(wall["batch_packets"]),
            endless=endless,
            cut=endless or bool(summary["interrupted"]),
            client_moments=frozenset(
                int(request["requested_at_ns"]) for request in requests if request["origin"].startswith(CLIENT_ORIGIN)
            ),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{directory} cannot be repeated: its summary.json or updates.json is damaged ({error})"
        ) from error
