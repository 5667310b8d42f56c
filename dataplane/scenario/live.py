"""The traffic of a scenario without an end: for a dataplane that runs until it is taken down, and to repeat its run."""

from __future__ import annotations

from dataplane.errors import UserError
from dataplane.scenario.model import Scenario
from dataplane.scenario.source import traffic_source
from dataplane.traffic.batch import TrafficSource
from dataplane.traffic.live import FirstFrames, PacedSource

#: So many frames, or repetitions of a capture, that nobody sees the last one.
_ENDLESS = 1 << 62


def endless_source(scenario: Scenario, *, paced: bool = False) -> TrafficSource:
    """The frames of a scenario, for ever: a profile goes on, a capture is played again and again.

    A synthetic frame is a function of seed and number, so the first ones are those of the scenario. With `paced` model
    time does not run ahead of the clock. Raises what `traffic_source` raises.
    """
    traffic = scenario.traffic
    assert traffic is not None, "an experiment has traffic"
    endless = {"packets": _ENDLESS} if traffic.capture is None else {"loop": _ENDLESS}
    source = traffic_source(scenario.model_copy(update={"traffic": traffic.model_copy(update=endless)}))
    return PacedSource(source) if paced else source


def first_frames(scenario: Scenario, frames: int, *, endless: bool) -> TrafficSource:
    """The first frames of a scenario's traffic, or of the same traffic without an end."""
    return FirstFrames(endless_source(scenario) if endless else traffic_source(scenario), frames)


def check_endless(scenario: Scenario) -> None:
    """UserError for traffic that cannot go on for ever."""
    traffic = scenario.traffic
    if traffic is None:
        raise UserError("the scenario has no [traffic]: give it a capture or a profile")
    if traffic.capture == "-":
        raise UserError("standard input ends, and a dataplane's traffic goes on: save the capture to a file")
    if next(iter(traffic_source(scenario).batches(1)), None) is None:
        raise UserError(f"{traffic.capture or traffic.profile} has no frames: there is nothing to go on with")
