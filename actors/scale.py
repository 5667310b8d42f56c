"""`vmmq scale`: inline runs in processes of this machine, those of the Ray engine or for a cluster as Ray tasks."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from math import ceil
from pathlib import Path

from actors.scale_local import LocalSite
from dataplane.engine.experiment import Progress
from dataplane.scale.experiment import ScaleOptions, ScalePlan, carry_out, plan, write_tables
from dataplane.scale.points import Run
from dataplane.scale.summary import Summary


def scale(options: ScaleOptions, address: str | None, plots: str, progress: Progress) -> tuple[Summary, Path]:
    """Make the missing runs of a scaling experiment, then write its table and plots; return the summary and its folder.

    Without `address`, inline runs need no Ray and come first, while no other process of the experiment runs. Finished
    runs are written even after Ctrl-C. Raises UserError before the first run for anything that cannot be run.
    """
    todo = plan(options)
    try:
        local = [run for run in todo.waiting if address is None and run.point.engine == "inline"]
        if local:
            with closing(LocalSite(todo.jobs)) as site:
                carry_out(todo, local, site, progress)
        others = [run for run in todo.waiting if address is not None or run.point.engine == "ray"]
        if others:
            _on_ray(todo, others, address, progress)
    except KeyboardInterrupt:
        todo.interrupted = True
    summary = write_tables(todo)
    from dataplane.scale.plots import write_plots  # noqa: PLC0415  # matplotlib takes a while

    write_plots(summary, todo.store.directory, plots)
    return summary, todo.store.directory


def _on_ray(todo: ScalePlan, runs: Sequence[Run], address: str | None, progress: Progress) -> None:
    from actors.scale_ray import RaySite  # noqa: PLC0415  # as does Ray
    from actors.session import ray_session  # noqa: PLC0415

    with ray_session(address, actors=max(_workers(todo, run) for run in runs)), closing(RaySite(todo.jobs)) as site:
        carry_out(todo, runs, site, progress)


def _workers(todo: ScalePlan, run: Run) -> int:
    """Ray workers of a run at the most: tasks, NICs, processors, controls, the gate."""
    point = run.point
    processors = point.value if point.axis == "processors" else len(todo.base.scenario.used_processors)
    hosts = ceil((processors or 1) / (point.processors_per_actor or 1))
    return 1 + point.nics * (1 if point.engine == "inline" else 3 + hosts)
