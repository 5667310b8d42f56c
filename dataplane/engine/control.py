"""The control side of a run: its timeline, built from the experiment, and its report at the end."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import NamedTuple

from dataplane.control import ControlPlane, OidRequest
from dataplane.engine.experiment import Experiment, UpdatePlan
from dataplane.processor.messages import Loads
from dataplane.switch.snapshot import SteeringSnapshot
from dataplane.update.policies import make_policy
from dataplane.update.records import RequestRecord, Stretch
from dataplane.update.timeline import ControlTimeline


class ControlOutcome(NamedTuple):
    """The report of the control side."""

    requests: tuple[RequestRecord, ...] = ()  # that were made while traffic flowed
    findings: tuple[str, ...] = ()  # what went wrong, one line each
    remarks: tuple[str, ...] = ()
    seconds: float = 0.0  # spent deciding


class RunControl:
    """A timeline, and the time spent in it; the NIC of a run calls this."""

    def __init__(self, timeline: ControlTimeline, *, cut: bool = False) -> None:
        """`cut` as in `UpdatePlan`."""
        self.timeline = timeline
        self._cut = cut
        self.seconds = 0.0

    def begin(self, start_ns: int) -> None:
        """The first frame arrives."""
        self.timeline.begin(start_ns)

    def advance(self, loads: Loads | None, next_arrival_ns: int) -> Stretch:
        """As `ControlTimeline.advance`."""
        started = time.perf_counter()
        try:
            return self.timeline.advance(loads, next_arrival_ns)
        finally:
            self.seconds += time.perf_counter() - started

    def outcome(self, last_arrival_ns: int | None, *, interrupted: bool) -> ControlOutcome:
        """The report at the end; `last_arrival_ns` is None if nothing arrived."""
        timeline = self.timeline
        unreached = [] if interrupted or self._cut else timeline.unreached(last_arrival_ns)
        reached = () if last_arrival_ns is None else timeline.reached(last_arrival_ns)
        return ControlOutcome(reached, (*timeline.findings, *unreached), tuple(timeline.remarks), self.seconds)


def run_control(experiment: Experiment) -> RunControl | None:
    """The control side of an experiment before the first frame; None if nothing changes."""
    if experiment.updates is None:
        return None
    assert experiment.set_up is not None, "updates need the control plane that they are asked of"
    control = ControlPlane(experiment.set_up.specification)
    issue_set_up(control, experiment.set_up.requests)
    return RunControl(timeline_of(control, experiment.snapshot, experiment.updates), cut=experiment.updates.cut)


def issue_set_up(control: ControlPlane, requests: Iterable[OidRequest]) -> None:
    """The requests that set an adapter up; their result is epoch 0."""
    for request in requests:
        completion = control.request(request)
        assert completion.accepted, f"the set-up of an experiment has been tried before: {completion.why}"


def timeline_of(
    control: ControlPlane, snapshot: SteeringSnapshot, plan: UpdatePlan, *, ahead: int | None = None
) -> ControlTimeline:
    """The timeline of a run; with `ahead` = 0 nothing is decided before its time, so clients may ask in between."""
    policy = plan.policy
    return ControlTimeline(
        control,
        snapshot,
        plan.schedule,
        control_latency_ns=plan.control_latency_ns,
        policy=make_policy(policy.name, policy.parameters) if policy else None,
        policy_name=policy.name if policy else None,
        tick_ns=plan.tick_ns,
        ahead=ahead,
    )
