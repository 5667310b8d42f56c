"""`vmmq bench`: the groups of figures, and one measurement of some groups, from options to the JSON document."""

from __future__ import annotations

import difflib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple, cast

from benchmarks import machine
from benchmarks.measure import Figure, Session
from dataplane.errors import ExitCode, UserError
from dataplane.results.aside import check_free, check_writable, written_aside

#: Version of the schema of the JSON document, which docs/cli.md describes.
SCHEMA_VERSION = 1


class Group(NamedTuple):
    """Figures that belong together; its module in `benchmarks.groups` has the same name."""

    name: str
    does: str
    seconds: float  # about how long it takes on two cores; for the progress bar

    @property
    def measure(self) -> Callable[[Session], Iterator[tuple[str, Figure]]]:
        """The function that measures the group; imported only now, because some groups need Ray."""
        module = import_module(f"benchmarks.groups.{self.name}")
        return cast(Callable[[Session], Iterator[tuple[str, Figure]]], module.measure)


GROUPS = {
    group.name: group
    for group in (
        Group("kernels", "hash, steer, group, serve and make frames on one core", 40),
        Group("captures", "run and steer of captures on disk", 40),
        Group("engines", "whole runs, inline and on Ray", 140),
        Group("control", "OID requests, updates, and how long a live request takes", 60),
        Group("swaps", "what updates cost the traffic", 200),
        Group("start", "how long vmmq takes to start", 30),
        Group("memory", "peak memory of runs", 90),
    )
}


@dataclass(frozen=True, slots=True)
class Options:
    """The options of one call."""

    only: tuple[str, ...] = ()  # names of groups; none: all
    rounds: int | None = None  # None: as many as each series needs
    quick: bool = False
    output: Path | None = None
    overwrite: bool = False

    @classmethod
    def parse(cls, only: str | None, rounds: int | None, quick: bool, output: Path | None, overwrite: bool) -> Options:
        """Options from the command line; `only` is a comma-separated list. UserError has a line for every mistake."""
        names = () if only is None else tuple(name.strip() for name in only.split(","))
        problems = [_unknown(name) for name in names if name not in GROUPS]
        if output is not None:
            if output.suffix != ".json":
                problems.append(f"--output {output}: the figures are JSON: give a name that ends in .json")
            try:
                check_free(output, overwrite=overwrite)
                check_writable(output)
            except UserError as error:
                problems.append(f"--output: {error}")
            except OSError as error:
                problems.append(f"--output {output}: {error.strerror}")
        if problems:
            raise UserError("\n".join(problems))
        return cls(tuple(dict.fromkeys(names)), rounds, quick, output, overwrite)


def _unknown(name: str) -> str:
    close = difflib.get_close_matches(name, GROUPS, n=1)
    hint = f"did you mean {close[0]}?" if close else f"there is {', '.join(GROUPS)}"
    return f"--only {name or 'nothing'}: no such group; {hint}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one call."""

    document: dict[str, Any]
    groups: dict[str, dict[str, Figure]] = field(default_factory=dict)

    @property
    def exit_code(self) -> ExitCode:
        """INCONCLUSIVE if interrupted, FINDINGS if there are findings, otherwise DONE."""
        if self.document["interrupted"]:
            return ExitCode.INCONCLUSIVE
        return ExitCode.FINDINGS if self.document["findings"] else ExitCode.DONE


#: Called with a text about the current measurement, and the share of the work that is done.
Progress = Callable[[str, float], object]


def run(options: Options, progress: Progress) -> Outcome:
    """Measure the chosen groups. A group that fails becomes a finding; Ctrl-C keeps the finished figures."""
    session = Session(options.rounds, options.quick)
    chosen = [GROUPS[name] for name in options.only or GROUPS]
    all_seconds = sum(group.seconds for group in chosen)
    missing = machine.missing_peers()
    started, started_at, described = time.monotonic(), datetime.now(UTC), machine.machine()
    groups: dict[str, dict[str, Figure]] = {}
    before = 0.0
    try:
        for group in chosen:
            session.tell = lambda text, name=group.name, share=before / all_seconds: progress(f"{name}: {text}", share)  # type: ignore[misc]
            measured = groups[group.name] = {}
            try:
                for name, figure in group.measure(session):
                    measured[name] = figure
            except Exception as error:  # from a child process, Ray or a peer: the figures of other groups are kept
                text = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
                session.findings.append(f"{group.name}: {text}".replace("\n", "; "))
            before += group.seconds
            if session.interrupted:
                break
    except KeyboardInterrupt:
        session.interrupted = True
    document = {
        "schema_version": SCHEMA_VERSION,
        "started_at": started_at.isoformat(timespec="seconds"),
        "seconds": round(time.monotonic() - started, 1),
        "quick": options.quick,
        "interrupted": session.interrupted,
        "machine": described,
        "choices": machine.choices(),
        "missing": [one._asdict() for one in missing],
        "findings": session.findings,
        **{
            group: {name: figure.document() for name, figure in measured.items()}
            for group, measured in groups.items()
            if measured
        },
    }
    if options.output is not None:
        with written_aside(options.output, overwrite=options.overwrite) as aside:
            aside.write_text(json.dumps(document, indent=2) + "\n", "utf-8")
    return Outcome(document, groups)
