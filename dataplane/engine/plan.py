"""Which process owns which simulated processors, and what the run needs from it."""

from __future__ import annotations

from dataplane.engine.experiment import Experiment
from dataplane.kernels.tracking import FOREVER
from dataplane.processor.host import HostPlan


def plan_host(
    experiment: Experiment, host: int, first: int, end: int, *, rows_wanted: bool, ticks: bool = False
) -> HostPlan:
    """The host process that owns the processor rows `first` to `end - 1`."""
    updates = experiment.updates
    ordered = updates is not None and experiment.hand_over == "ordered"  # then held frames drain later
    return HostPlan(
        host=host,
        first_processor=first,
        costs=experiment.costs[first:end],
        processors=len(experiment.costs),
        window_ns=experiment.window_ns,
        targets=len(experiment.snapshot.targets),
        updates=updates is not None,
        ordered=ordered,
        drain_ns_max=int(FOREVER) if ordered else max(costs.drain_ns_max for costs in experiment.costs),
        ticks=ticks or (updates is not None and updates.policy is not None),
        rows_wanted=rows_wanted,
    )


def plan_hosts(experiment: Experiment, processors_per_host: int, *, rows_wanted: bool) -> list[HostPlan]:
    """Spread the processors of an experiment over host processes, consecutive ones together."""
    count = len(experiment.costs)
    return [
        plan_host(experiment, host, first, min(first + processors_per_host, count), rows_wanted=rows_wanted)
        for host, first in enumerate(range(0, count, processors_per_host))
    ]
