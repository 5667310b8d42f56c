"""A scaling experiment from the command line to its results, except for the places where runs are carried out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow.parquet

from dataplane.engine.experiment import DEFAULT_BATCH_FRAMES, DEFAULT_BATCH_FRAMES_ON_RAY, Progress
from dataplane.engine.prepare import experiment
from dataplane.errors import UserError, system_problem
from dataplane.results.aside import directory_name, replaced_whole
from dataplane.scale.measure import NicJob
from dataplane.scale.points import EngineName, GridOptions, Run, read_points, runs_of
from dataplane.scale.rows import RunRow, run_row, runs_table
from dataplane.scale.schedule import Done, Schedule, Site
from dataplane.scale.store import Store
from dataplane.scale.summary import Summary
from dataplane.scale.variants import Base, load_base, variant_problems, variant_text

TABLE = "runs.parquet"


@dataclass(frozen=True, slots=True)
class ScaleOptions:
    """What the user asked of `vmmq scale`."""

    scenario: Path
    grid: GridOptions
    out: Path | None = None  # None: runs/scale-NAME
    overwrite: bool = False
    seed: int | None = None  # instead of the scenario's


@dataclass(slots=True)
class ScalePlan:
    """A checked experiment: runs that are finished and runs that are not."""

    base: Base
    store: Store
    keys: Mapping[Run, str]
    rows: dict[str, RunRow]  # by key; grows
    failures: dict[str, str] = field(default_factory=dict)
    interrupted: bool = False

    @property
    def waiting(self) -> list[Run]:
        """What was asked for and is not there."""
        return [run for run, key in self.keys.items() if key not in self.rows]

    def jobs(self, run: Run) -> list[NicJob]:
        """The NICs of a run."""
        return [NicJob(self.base.name, text) for text in _texts(self.base, run)]

    def summary(self) -> Summary:
        """What there is."""
        return Summary(self.base.name, tuple(self.rows.values()), len(self.waiting), self.failures, self.interrupted)


def plan(options: ScaleOptions) -> ScalePlan:
    """Check everything, and open the directory of results.

    Raises UserError with all that is wrong, a line each, before anything is run or written.
    """
    problems: list[str] = []
    base: Base | None = None
    try:
        base = load_base(options.scenario, seed=options.seed)
        experiment(base.scenario)  # a policy that cannot be made is told now
    except UserError as error:
        problems += str(error).splitlines()
    except OSError as error:
        problems.append(system_problem(error))
    points = read_points(options.grid, _batch_frames(base), problems)
    if base is not None:
        for axis, value in dict.fromkeys((point.axis, point.value) for point in points if point.axis):
            problems += variant_problems(base, axis, value)
    if problems or base is None:
        raise UserError("\n".join(dict.fromkeys(problems)))
    store = Store(options.out or Path("runs") / f"scale-{directory_name(base.name)}", base)
    store.open(overwrite=options.overwrite)
    keys = {run: store.key(run, list(_texts(base, run))) for run in runs_of(points, options.grid.repeat)}
    return ScalePlan(base, store, keys, store.rows())


def _batch_frames(base: Base | None) -> dict[EngineName, int]:
    """By engine, where the user says nothing: as the scenario says, or as a run has it."""
    given = "auto" if base is None else base.scenario.run.batch_packets
    if given != "auto":
        return {"inline": given, "ray": given}
    return {"inline": DEFAULT_BATCH_FRAMES, "ray": DEFAULT_BATCH_FRAMES_ON_RAY}


def _texts(base: Base, run: Run) -> Iterable[str]:
    point = run.point
    for nic in range(point.nics):
        yield variant_text(base, point.axis, point.value, batch_frames=point.batch_frames, repeat=run.repeat, nic=nic)


def carry_out(plan: ScalePlan, runs: Sequence[Run], site: Site, progress: Progress) -> None:
    """Do runs at a site; rows and failures go into the plan as they come. KeyboardInterrupt leaves what is finished."""
    schedule = Schedule(runs)
    while not schedule.is_over:
        nodes = site.nodes()
        if not nodes and schedule.is_idle:
            schedule.give_up("there is no node to run it on any more")
        while assignment := schedule.next(nodes):
            site.start(assignment)
        for run, outcome in site.wait() if not schedule.is_idle else ():
            schedule.ended(run, outcome)
            key = plan.keys[run]
            if isinstance(outcome, Done):
                plan.rows[key] = run_row(plan.base.name, run, outcome.nics)
                plan.store.keep(key, plan.rows[key])
            elif run in schedule.failures:
                where = plan.store.keep_failed(key, plan.jobs(run)[0].scenario)
                plan.failures[str(run)] = f"{schedule.failures[run]} (its scenario is {where})"
            done = len(plan.keys) - len(plan.waiting) + len(plan.failures)
            progress(sum(row.frames for row in plan.rows.values()), done / len(plan.keys))
    for run, why in schedule.failures.items():
        plan.failures.setdefault(str(run), why)


def write_tables(plan: ScalePlan) -> Summary:
    """Write `runs.parquet` from everything there is."""
    summary = plan.summary()
    table = runs_table((row for one in summary.points for row in one.rows), summary.derived())
    with replaced_whole(plan.store.directory / TABLE) as aside:
        pyarrow.parquet.write_table(table, aside)
    return summary
