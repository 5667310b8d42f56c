"""From a loaded scenario to an experiment that an engine can run."""

from __future__ import annotations

from dataclasses import fields

from dataplane.engine.experiment import DEFAULT_BATCH_FRAMES, AdapterSetUp, Experiment
from dataplane.errors import UserError
from dataplane.processor.costs import CostModel
from dataplane.scenario.model import Scenario
from dataplane.scenario.set_up import adapter_configuration, set_up
from dataplane.switch.snapshot import SteeringSnapshot, compile_snapshot


def steering_snapshot(scenario: Scenario) -> SteeringSnapshot:
    """The snapshot in force before the first event."""
    return compile_snapshot(adapter_configuration(scenario), 0)


def experiment(scenario: Scenario, *, default_batch_frames: int = DEFAULT_BATCH_FRAMES) -> Experiment:
    """Compile a scenario; raises UserError for what this program cannot run."""
    if scenario.traffic is None:
        raise UserError("the scenario has no [traffic]: give it a capture or a profile, or pass --capture FILE")
    if scenario.events:
        raise UserError("[[event]] cannot be run yet: take the events out, or ask `vmmq oracle` about single requests")
    if scenario.policy.name != "none":
        raise UserError('[policy] cannot be run yet: take the table out or set name = "none"')
    done = set_up(scenario)
    snapshot = compile_snapshot(done.control.configuration, 0)
    names = [field.name for field in fields(CostModel)]
    return Experiment(
        snapshot=snapshot,
        costs=tuple(
            CostModel(**{name: getattr(costs, name) for name in names})
            for costs in (scenario.costs(processor) for processor in snapshot.processors)
        ),
        transmit_by_source=scenario.traffic.transmit == "by-source-mac",
        window_ns=scenario.run.window_ns,
        set_up=AdapterSetUp(done.control.specification, done.accepted),
        batch_frames=default_batch_frames if scenario.run.batch_packets == "auto" else scenario.run.batch_packets,
    )
