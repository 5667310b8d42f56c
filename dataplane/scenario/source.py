"""The frames of a scenario: its capture or its synthetic profile, opened."""

from __future__ import annotations

from dataplane.errors import UserError
from dataplane.hash_tuple import HASH_SECRET_KEYS
from dataplane.scenario.model import Queue, Scenario, Traffic, VPort
from dataplane.traffic.arrivals import Arrivals
from dataplane.traffic.batch import TrafficSource
from dataplane.traffic.capture import open_capture
from dataplane.traffic.profiles import Profile
from dataplane.traffic.synthetic import Destination, SyntheticSource

_ARRIVAL_KEYS = {"arrivals": "kind", "seed": "seed", "burst_frames": "burst_frames", "on_share": "on_share"}


def traffic_source(scenario: Scenario) -> TrafficSource:
    """Open the source of frames; raises UserError without [traffic], TrafficError when the source cannot be used."""
    traffic = scenario.traffic
    if traffic is None:
        raise UserError("the scenario has no [traffic]: give it a capture or a profile")
    if traffic.capture is not None:
        return open_capture(traffic.capture, loop=traffic.loop or 1, arrivals=_arrivals(traffic))
    return SyntheticSource(Profile.named(str(traffic.profile), **traffic.profile_keys), destinations(scenario))


def destinations(scenario: Scenario) -> list[Destination]:
    """Where synthetic frames go: what the filters ask for, or the adapter's own address when no filter names one."""
    targets: tuple[VPort | Queue, ...] = (*scenario.vports, *scenario.queues)
    found = [
        Destination(item.mac, item.vlan, hash_secret_key=_key(target))
        for target in targets
        for item in target.filters
        if item.mac is not None
    ]
    native = scenario.native_rss
    key = native.key if native else HASH_SECRET_KEYS["microsoft"]
    return found or [Destination(scenario.adapter.permanent_address, hash_secret_key=key)]


def _arrivals(traffic: Traffic) -> Arrivals | None:
    """How a capture is re-timed, None to keep its own timestamps."""
    if traffic.rate_pps is None:
        return None
    given = traffic.model_dump(include=set(_ARRIVAL_KEYS), exclude_none=True)
    return Arrivals(traffic.rate_pps, **{_ARRIVAL_KEYS[key]: value for key, value in given.items()})


def _key(target: VPort | Queue) -> bytes:
    rss = target.rss if isinstance(target, VPort) else None
    return rss.key if rss else HASH_SECRET_KEYS["microsoft"]
