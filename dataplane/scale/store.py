"""A directory of finished runs, which need not be run again.

`scale.json` says what the directory belongs to: the loaded scenario, its capture, the source of a policy of the user's
own, and the version of the program. Every finished run is a file in `runs/`, named by a digest of everything that
defines the run. So a larger grid adds runs to a directory; a changed scenario is refused.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path
from typing import Any

from dataplane.errors import UserError
from dataplane.results.aside import replaced_whole
from dataplane.scale.points import Run
from dataplane.scale.rows import SCHEMA_VERSION, RunRow, row_from_json
from dataplane.scale.variants import Base
from dataplane.scenario.resolve import resolved_toml
from dataplane.update.policies import policy_source

MANIFEST = "scale.json"
_RUNS, _FAILED = "runs", "failed"


class Store:
    """The finished runs of one scenario."""

    def __init__(self, directory: Path, base: Base) -> None:
        self.directory = directory
        self._identity = identity(base)

    def open(self, *, overwrite: bool) -> None:
        """Make the directory, or go on with it; UserError when it is another scenario's or not one of ours."""
        manifest = self.directory / MANIFEST
        if self.directory.exists() and not manifest.exists() and any(self.directory.iterdir()):
            raise UserError(f"{self.directory} is a directory but not one of a scaling experiment: give another name")
        if manifest.exists():
            if overwrite:
                shutil.rmtree(self.directory)
            elif differing := _differing(manifest, self._identity):
                raise UserError(
                    f"{self.directory} has runs of another {differing}: give another --out, or --overwrite these"
                )
        (self.directory / _RUNS).mkdir(parents=True, exist_ok=True)
        _write(manifest, json.dumps(self._identity, indent=2) + "\n")
        shutil.rmtree(self.directory / _FAILED, ignore_errors=True)  # what failed is tried again

    def key(self, run: Run, scenarios: Sequence[str]) -> str:
        """The digest of all that defines a run; `scenarios` are the TOML texts of its NICs."""
        return _digest({"run": asdict(run), "scenarios": scenarios, "of": self._identity})

    def rows(self) -> dict[str, RunRow]:
        """Everything that is finished, by key; what cannot be read counts as not finished."""
        found = {}
        for path in sorted((self.directory / _RUNS).glob("*.json")):
            try:
                found[path.stem] = row_from_json(json.loads(path.read_text("utf-8")))
            except (OSError, ValueError):
                continue
        return found

    def keep(self, key: str, row: RunRow) -> None:
        """A run is finished."""
        _write(self.directory / _RUNS / f"{key}.json", json.dumps(asdict(row), indent=2) + "\n")

    def keep_failed(self, key: str, scenario: str) -> Path:
        """The scenario of a run that failed, for who wants to see why; where it is."""
        path = self.directory / _FAILED / f"{key}.toml"
        path.parent.mkdir(exist_ok=True)
        _write(path, scenario)
        return path


def identity(base: Base) -> dict[str, Any]:
    """What makes runs comparable: the scenario, its capture, the file of a policy of the user's own, the program."""
    traffic = base.scenario.traffic
    capture = Path(traffic.capture) if traffic is not None and traffic.capture is not None else None
    status = capture.stat() if capture is not None and capture.exists() else None
    source = policy_source(base.scenario.policy.name)
    return {
        "schema_version": SCHEMA_VERSION,
        "version": version("vmmq-dataplane"),
        "name": base.name,
        "scenario": _digest(resolved_toml(base.scenario)),
        "capture": status and f"{capture}, {status.st_size} bytes, {status.st_mtime_ns}",
        # no key without one: it would give another name to all runs that have been kept
        **({"policy": _digest(source)} if source is not None else {}),
    }


def _differing(manifest: Path, wanted: Mapping[str, Any]) -> str | None:
    """What the directory has of another kind, in words; None when nothing."""
    try:
        found = dict(json.loads(manifest.read_text("utf-8")))
    except (ValueError, TypeError):
        return "program (scale.json cannot be read)"
    names = {"schema_version": "version of the program", "version": "version of the program", "name": "scenario",
             "scenario": "scenario", "capture": "capture", "policy": "version of the policy"}  # fmt: skip
    return next((what for key, what in names.items() if found.get(key) != wanted.get(key)), None)


def _write(path: Path, text: str) -> None:
    with replaced_whole(path) as aside:
        aside.write_text(text, encoding="utf-8")


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True)
    return blake2b(text.encode(), digest_size=16).hexdigest()
