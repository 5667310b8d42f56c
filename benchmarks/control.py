"""The cost of the control plane, for requests by kind and for whole updates: `python -m benchmarks.control`.

A *request* is decided and applied on an adapter with one VPort, which has eight queues and a table of 128 entries. An
*update* is the whole work of the control side for a scheduled move of eight table entries: making the request of the
event, deciding and applying it, compiling the next snapshot, and finding what changes for frames in flight. Rates are
per second of processor time, because nothing here waits. The first round warms up.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

from benchmarks.one_vport import ONE_VPORT
from benchmarks.swaps import SWAPS, scenario_with
from dataplane.control import ControlPlane, OidRequest
from dataplane.engine.control import run_control
from dataplane.engine.prepare import experiment
from dataplane.ids import NdisVersion, ProcessorNumber
from dataplane.ndis.oids import Oid, RequestKind
from dataplane.ndis.structures import FilterClearParameters
from dataplane.scenario.load import load_scenario
from dataplane.scenario.model import Filter
from dataplane.scenario.requests import set_filter
from dataplane.scenario.set_up import set_up
from dataplane.update.requests import (
    CLIENT,
    change_queue_pairs,
    move_parameters,
    oid_request,
    set_parameters,
    set_parameters_v2,
)

_ROUNDS = 7
_REQUESTS = 1_000  # in a round
_GENERATION_1, _GENERATION_2 = NdisVersion(6, 60), NdisVersion(6, 80)
_VPORT_ID = 1
_FILTER_ID = 2  # the lowest free id, which the adapter gives to the next filter


def _adapter(version: NdisVersion) -> ControlPlane:
    return set_up(load_scenario(ONE_VPORT.replace("[adapter]", f'[adapter]\nndis_version = "{version}"'))).control


def _move(source: int, target: int) -> OidRequest:
    """The request that moves eight entries from processor `source` to processor `target`."""
    indices = range(0, 64, 8)
    places, targets = (dict.fromkeys(indices, ProcessorNumber(0, number)) for number in (source, target))
    [request] = move_parameters(places, targets, _GENERATION_2, _VPORT_ID)
    return request


def _table(first: int) -> OidRequest:
    table = tuple(ProcessorNumber(0, (first + i) % 8) for i in range(128))
    return set_parameters(_GENERATION_1, _VPORT_ID, indirection_table=table)


def _key(first: int) -> OidRequest:
    return set_parameters_v2(_GENERATION_2, _VPORT_ID, enable=True, hash_secret_key=bytes(range(first, first + 40)))


def _filter() -> tuple[OidRequest, OidRequest]:
    """The requests that set a filter and clear it again."""
    clear = FilterClearParameters(filter_id=_FILTER_ID)
    return (
        set_filter(Filter.model_validate({"mac": "00:15:5d:01:02:02"}), _GENERATION_2, vport_id=_VPORT_ID),
        oid_request(Oid.OID_RECEIVE_FILTER_CLEAR_FILTER, clear, _GENERATION_2),
    )


def _query() -> OidRequest:
    oid, kind = Oid.OID_GEN_RECEIVE_SCALE_PARAMETERS_V2, RequestKind.QUERY
    return OidRequest(oid, kind, CLIENT, vport_id=_VPORT_ID)


#: By kind: the NDIS version of the adapter, and the requests that are repeated on it in turn.
_KINDS: dict[str, tuple[NdisVersion, tuple[OidRequest, ...]]] = {
    "move_8_entries": (_GENERATION_2, (_move(0, 1), _move(1, 0))),
    "set_table_128": (_GENERATION_1, (_table(0), _table(1))),
    "set_key": (_GENERATION_2, (_key(1), _key(2))),
    "set_or_clear_filter": (_GENERATION_2, _filter()),
    "change_queue_pairs": (
        _GENERATION_2,
        (change_queue_pairs(_VPORT_ID, 16, _GENERATION_2), change_queue_pairs(_VPORT_ID, 8, _GENERATION_2)),
    ),
    "query_parameters": (_GENERATION_2, (_query(),)),
}


def requests_per_second(rounds: int = _ROUNDS) -> dict[str, list[float]]:
    """Requests per second of processor time, for each kind, by round."""
    rates = {}
    for name, (version, requests) in _KINDS.items():
        control = _adapter(version)

        def issue(control: ControlPlane = control, requests: tuple[OidRequest, ...] = requests) -> None:
            for number in range(_REQUESTS):
                completion = control.request(requests[number % len(requests)])
                assert completion.accepted, completion.why
                assert not completion.why, completion.why

        rates[name] = [_REQUESTS / seconds for seconds in _rounds(issue, rounds)]
    return rates


def updates_per_second(rounds: int = _ROUNDS) -> list[float]:
    """Updates per second of processor time, by round."""
    moving = experiment(scenario_with(SWAPS))
    controls = [run_control(moving) for _ in range(rounds + 1)]

    def decide_all() -> None:
        control = controls.pop()
        assert control is not None, "there are updates"
        control.begin(0)
        updates, until_ns = 0, 0
        while True:
            stretch = control.advance(None, until_ns)
            updates += len(stretch.updates)
            if stretch.until_ns is None:
                break
            until_ns = stretch.until_ns
        assert updates == SWAPS

    return [SWAPS / seconds for seconds in _rounds(decide_all, rounds)]


def _rounds(act: Callable[[], object], rounds: int) -> list[float]:
    """Seconds of processor time of each round, after one round that warms up."""
    seconds = []
    for _ in range(rounds + 1):
        began = time.process_time()
        act()
        seconds.append(time.process_time() - began)
    return seconds[1:]


def main() -> None:
    """Print the median and the spread of every rate."""
    for name, rates in {**requests_per_second(), "update": updates_per_second()}.items():
        median = statistics.median(rates)
        print(
            f"{name:<20} {median:9,.0f} a second  ({min(rates):,.0f} to {max(rates):,.0f})  {1e6 / median:7.1f} us each"
        )


if __name__ == "__main__":
    main()
