"""The endless traffic of a scenario, for a dataplane that runs until it is taken down, and for repeating its run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from dataplane.control import OidRequest
from dataplane.errors import UserError
from dataplane.ndis.values import MalformedValue
from dataplane.scenario import model
from dataplane.scenario.checks import keys_without_effect
from dataplane.scenario.events import oid_request, scheduled_requests
from dataplane.scenario.findings import key_of
from dataplane.scenario.load import message_of
from dataplane.scenario.model import Event, Scenario
from dataplane.scenario.source import traffic_source
from dataplane.traffic.batch import TrafficSource
from dataplane.traffic.live import FirstFrames, PacedSource
from dataplane.update.schedule import RequestMaker

#: So many frames, or repetitions of a capture, that nobody sees the last one.
_ENDLESS = 1 << 62

#: What keys of an event `rss` are called on the command line.
_OPTIONS = {"indirection_table": "--table", "hash_types": "--hash-types", "default_processor": "--default-processor"}


def endless_source(scenario: Scenario, *, paced: bool = False) -> TrafficSource:
    """The frames of a scenario without an end: a profile continues, a capture is repeated.

    A synthetic frame is a function of seed and number, so the first frames are those of the scenario. With `paced`,
    model time does not run ahead of the clock. Raises what `traffic_source` raises.
    """
    traffic = scenario.traffic
    assert traffic is not None, "an experiment has traffic"
    endless = {"packets": _ENDLESS} if traffic.capture is None else {"loop": _ENDLESS}
    source = traffic_source(scenario.model_copy(update={"traffic": traffic.model_copy(update=endless)}))
    if not paced:
        return source
    return PacedSource(source)


def first_frames(scenario: Scenario, frames: int, *, endless: bool) -> TrafficSource:
    """The first frames of a scenario's traffic, or of the same traffic without an end."""
    return FirstFrames(endless_source(scenario) if endless else traffic_source(scenario), frames)


def check_endless(scenario: Scenario) -> None:
    """UserError for traffic that cannot go on for ever."""
    traffic = scenario.traffic
    assert traffic is not None, "what runs has traffic"
    if traffic.capture == "-":
        raise UserError("standard input ends, and a dataplane's traffic goes on: save the capture to a file")
    if next(iter(traffic_source(scenario).batches(1)), None) is None:
        raise UserError(f"{traffic.capture or traffic.profile} has no frames: there is nothing to go on with")


# What clients of a running dataplane ask for --------------------------------------------------------------------------


def client_oid(scenario: Scenario, members: Mapping[str, Any]) -> OidRequest:
    """The request that the keys of an `oid` event describe; UserError for what is none."""
    try:
        return oid_request(model.OidRequest.model_validate(members), scenario.adapter.ndis_version)
    except (ValidationError, MalformedValue) as error:
        raise UserError(_one_line(error)) from None


def client_change(scenario: Scenario, key: str, members: Mapping[str, Any]) -> RequestMaker:
    """What the keys of an event `rss` or `move_entries` describe; UserError for what is none."""
    try:
        event = Event.model_validate({"at_ns": 0, key: dict(members)})
    except ValidationError as error:
        raise UserError(_one_line(error)) from None
    if event.rss is not None:
        ignored, rule = keys_without_effect(event.rss, scenario.adapter)
        if ignored:
            options = ", ".join(_OPTIONS.get(one, one) for one in ignored)
            raise UserError(f"--disable leaves no use for {options}: leave out what it ignores ({rule})")
    [scheduled] = scheduled_requests(scenario.model_copy(update={"events": (event,)}))
    return scheduled.make


def _one_line(error: ValidationError | MalformedValue) -> str:
    if isinstance(error, MalformedValue):
        return str(error).removeprefix("name: ")
    said = [(key_of(one["loc"]), message_of(one)) for one in error.errors(include_url=False)]
    return "; ".join(f"{key}: {text}" if key else text for key, text in said)
