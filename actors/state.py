"""State files: which dataplanes run, and where. They are only a directory: nothing in them is part of a dataplane.

A file is made when a dataplane is about to start, and removed when it is down. If its processes have ended it is stale;
the next command that finds it removes it. Needs no Ray.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from dataplane.errors import UserError
from dataplane.results.aside import MACHINE, process_start, remove_abandoned

#: The name of the dataplane if the user gives none.
DEFAULT_NAME = "vmmq"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


@dataclass(frozen=True, slots=True)
class Process:
    """A process, distinguished from a later one with the same id."""

    id: int
    started: int  # clock ticks after the start of the machine

    @classmethod
    def running(cls, process: int) -> Process | None:
        """The process with that id; None when there is none."""
        started = process_start(process)
        return None if started is None else cls(process, started)

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return Process.running(self.id) == self


@dataclass(frozen=True, slots=True)
class State:
    """What is known about a dataplane from outside."""

    name: str
    directory: str  # the run directory that `down` will write
    starter: Process  # the process that starts it
    address: str | None = None  # of its Ray cluster; None: it is starting
    holder: Process | None = None  # holds that cluster; None: the cluster existed before
    folder: str | None = None  # where that cluster keeps its sockets and logs

    @property
    def is_starting(self) -> bool:
        """Whether somebody is at it."""
        return self.address is None

    @property
    def is_stale(self) -> bool:
        """Whether the processes that it needs have ended; in a cluster that existed before, this cannot be known."""
        needed = self.starter if self.is_starting else self.holder
        return needed is not None and not needed.is_running


class StateFiles:
    """The state files of a user."""

    def __init__(self, directory: Path | None = None) -> None:
        """Default: $XDG_STATE_HOME/vmmq/MACHINE, or ~/.local/state/vmmq/MACHINE: nothing can be said of other ones."""
        home = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
        self._directory = directory or Path(home) / "vmmq" / MACHINE

    def claim(self, state: State) -> None:
        """Take a name for a dataplane that is about to start; UserError if the name is taken or invalid."""
        check_name(state.name)
        if (known := self.read(state.name)) is not None:
            doing = "is being started" if known.is_starting else "runs already"
            raise UserError(f"dataplane {state.name} {doing}: take it down with vmmq down, or choose another --name")
        self._directory.mkdir(parents=True, exist_ok=True)
        aside = self._written_aside(state)
        try:
            self._path(state.name).hardlink_to(aside)  # readers find the whole file
        except FileExistsError:
            raise UserError(
                f"dataplane {state.name} is being started by somebody else: choose another --name"
            ) from None
        finally:
            aside.unlink()

    def write(self, state: State) -> None:
        """Replace what is known about a dataplane."""
        self._written_aside(state).replace(self._path(state.name))

    def read(self, name: str) -> State | None:
        """What is known about a dataplane; a stale file is removed, with what its processes have left behind."""
        try:
            state = _state(self._path(name).read_text("utf-8"))
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError):
            state = None  # only an earlier version can have written it
        if state is None or state.is_stale:
            self.remove(name)
            if state is not None:
                remove_abandoned(Path(state.directory))
                if state.folder is not None:
                    shutil.rmtree(state.folder, ignore_errors=True)
            return None
        return state

    def remove(self, name: str) -> None:
        """Forget a dataplane."""
        self._path(name).unlink(missing_ok=True)

    def names(self) -> list[str]:
        """The states of all known dataplanes that are not stale."""
        if not self._directory.is_dir():
            return []
        found = sorted(path.stem for path in self._directory.glob("*.json") if not path.name.startswith("."))
        return [name for name in found if self.read(name) is not None]

    def find(self, name: str | None) -> State:
        """The dataplane of that name, or the only one; UserError if there is none."""
        if name is None:
            names = self.names()
            if len(names) > 1 and DEFAULT_NAME not in names:
                raise UserError(f"several dataplanes run ({', '.join(names)}): say which with --name")
            name = names[0] if len(names) == 1 else DEFAULT_NAME
        state = self.read(check_name(name))
        if state is None:
            others = self.names()
            hint = f"there is {', '.join(others)}" if others else "start one with vmmq up SCENARIO"
            raise UserError(f"no dataplane {name} runs: {hint}")
        if state.is_starting:
            raise UserError(f"dataplane {name} is being started: wait until it is ready")
        return state

    @contextmanager
    def taking_down(self, name: str | None) -> Iterator[State]:
        """What `find` gives, for one process at a time; UserError for the others."""
        state = self.find(name)
        with ExitStack() as stack:
            with suppress(FileNotFoundError):  # another process was faster
                file = stack.enter_context(self._path(state.name).open("rb"))
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    raise UserError(f"dataplane {state.name} is being taken down by another vmmq down") from None
            yield self.find(state.name)

    def _written_aside(self, state: State) -> Path:
        aside = self._path(f".{state.name}.{os.getpid()}")
        aside.write_text(_text(state), encoding="utf-8")
        return aside

    def _path(self, name: str) -> Path:
        return self._directory / f"{name}.json"


def check_name(name: str) -> str:
    """The name of a dataplane; UserError if it is invalid."""
    if not _NAME.fullmatch(name):
        raise UserError(f"{name!r} is no name of a dataplane: letters, digits, '-', '_' and '.', up to 64")
    return name


def _text(state: State) -> str:
    return json.dumps(asdict(state), indent=2) + "\n"


def _state(text: str) -> State:
    members = json.loads(text)
    for key in ("starter", "holder"):
        if members[key] is not None:
            members[key] = Process(**members[key])
    return State(**members)
