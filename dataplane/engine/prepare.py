"""From a loaded scenario to an experiment that an engine can run."""

from __future__ import annotations

from dataclasses import fields

from dataplane.control import ControlPlane
from dataplane.engine.experiment import DEFAULT_BATCH_FRAMES, AdapterSetUp, Experiment, PolicyPlan, UpdatePlan
from dataplane.errors import UserError
from dataplane.ids import ProcessorNumber
from dataplane.processor.costs import CostModel
from dataplane.scenario.events import named_processors, scheduled_requests
from dataplane.scenario.model import Scenario
from dataplane.scenario.set_up import set_up
from dataplane.switch.compile import compile_snapshot
from dataplane.update.policies import make_policy


def experiment(scenario: Scenario, *, default_batch_frames: int = DEFAULT_BATCH_FRAMES) -> Experiment:
    """Compile a scenario; raises UserError for what this program cannot run."""
    if scenario.traffic is None:
        raise UserError(
            "the scenario has no [traffic]: give it a capture or a profile (vmmq run also takes --capture FILE)"
        )
    done = set_up(scenario)
    set_up_done = AdapterSetUp(done.control.specification, done.accepted)
    updates = _update_plan(scenario)
    configuration = done.control.configuration
    snapshot = compile_snapshot(configuration, 0, _processors(done.control, updates))
    names = [field.name for field in fields(CostModel)]
    return Experiment(
        snapshot=snapshot,
        costs=tuple(
            CostModel(**{name: getattr(costs, name) for name in names})
            for costs in (scenario.costs(processor) for processor in snapshot.processors)
        ),
        transmit_by_source=scenario.transmit_by_source,
        window_ns=scenario.run.window_ns,
        set_up=set_up_done,
        hand_over=scenario.update.hand_over,
        updates=updates,
        batch_frames=default_batch_frames if scenario.run.batch_packets == "auto" else scenario.run.batch_packets,
    )


def _update_plan(scenario: Scenario) -> UpdatePlan | None:
    """What changes while traffic flows; None if nothing changes."""
    name, parameters = scenario.policy.name, dict(scenario.policy.parameters)
    make_policy(name, parameters)  # wrong parameters are reported before anything starts
    policy = None if name == "none" else PolicyPlan(name, parameters)
    if not scenario.events and policy is None:
        return None
    return UpdatePlan(scheduled_requests(scenario), policy, scenario.policy.tick_ns, scenario.update.control_latency_ns)


def _processors(control: ControlPlane, updates: UpdatePlan | None) -> tuple[ProcessorNumber, ...]:
    """Every processor that steering may name during the run, ascending; `control` cannot be used afterwards."""
    scheduled = updates.schedule if updates is not None else ()
    return tuple(sorted(named_processors(control, scheduled)))
