"""Finding, killing and waiting for the processes of actors, by their place in the process tree."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dataplane.traffic.batch import FrameBatch
from tests.actors.small_hosts import SmallTraffic, small_traffic


def descendants(ancestor: int) -> Iterator[tuple[int, str]]:
    """Process ids and titles of everything below a process."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            status = (folder / "stat").read_text()
        except OSError:  # it has just ended
            continue
        parent = int(status.rpartition(")")[2].split()[1])
        children.setdefault(parent, []).append(int(folder.name))
    waiting = children.get(ancestor, [])
    while waiting:
        process = waiting.pop()
        waiting += children.get(process, [])
        try:
            yield process, Path(f"/proc/{process}/cmdline").read_text().replace("\0", " ").strip()
        except OSError:
            continue


def actors_below(ancestor: int, title: str) -> list[int]:
    """The actors whose process titles begin with a prefix."""
    return sorted(process for process, command in descendants(ancestor) if command.startswith(f"ray::{title}"))


def wait_for_end(process: int, seconds: float = 30) -> bool:
    """Whether a process, which need not be a child, ends in time."""
    try:
        handle = os.pidfd_open(process)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], seconds)[0])
    finally:
        os.close(handle)


@dataclass
class DeadlySource:
    """The traffic of `small_traffic`; kills one actor (of its own simulated host) before it yields batch `batch`."""

    seed: int
    frames: int
    batch: int
    title: str  # of the actor: NicActor or ProcessorActor
    mark: Path  # made before the first kill; when it exists nobody is killed, unless `always`
    always: bool = False

    def __call__(self) -> SmallTraffic:
        """Open the source."""
        return _Deadly(self)


class _Deadly(SmallTraffic):
    def __init__(self, plan: DeadlySource) -> None:
        source = small_traffic(plan.seed, plan.frames)
        super().__init__(source.frames)
        self.timestamp_regressions, self.findings = source.timestamp_regressions, source.findings
        self._plan = plan

    def batches(self, batch_frames: int) -> Iterator[FrameBatch]:
        """Batches, before one of which an actor is killed."""
        for number, batch in enumerate(super().batches(batch_frames)):
            if number == self._plan.batch and (self._plan.always or not self._plan.mark.exists()):
                self._plan.mark.touch()
                os.kill(actors_below(os.getppid(), self._plan.title)[0], signal.SIGKILL)
            yield batch
