"""The control plane: OID requests and updates per second, and the time that a client of a saturated dataplane waits."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from benchmarks import live
from benchmarks.control import requests_per_second, updates_per_second
from benchmarks.measure import Figure, Session

_TIMES = 200

KINDS = {
    "move_8_entries": "OID_GEN_RSS_SET_INDIRECTION_TABLE_ENTRIES: eight entries of a table of 128",
    "set_table_128": "OID_GEN_RECEIVE_SCALE_PARAMETERS: a table of 128",
    "set_key": "OID_GEN_RECEIVE_SCALE_PARAMETERS_V2: a hash secret key",
    "set_or_clear_filter": "OID_RECEIVE_FILTER_SET_FILTER and _CLEAR_FILTER in turns",
    "change_queue_pairs": "OID_NIC_SWITCH_VPORT_PARAMETERS: the number of queue pairs",
    "query_parameters": "OID_GEN_RECEIVE_SCALE_PARAMETERS_V2 as a query",
}
WAYS = {
    "request": "a request of a client that moves a table entry, until it is decided between two batches",
    "look": "the wait of a request for the end of a batch, without a call of control",
    "control": "a call of the control actor, which waits for no batch",
    "call": "a call of an actor that waits for no batch and does not call control",
}


def measure(session: Session) -> Iterator[tuple[str, Figure]]:
    """Rates in processor time in this process, then a live dataplane on Ray."""
    session.tell("OID requests")
    rounds = session.rounds or (2 if session.quick else 7)
    for name, rates in requests_per_second(rounds).items():
        yield name, Figure(KINDS.get(name, name), "requests_per_second", tuple(rates))
    session.tell("updates: decide, compile, find what changes")
    what = "a scheduled move of eight entries: request, decision, next snapshot, what changes for frames in flight"
    yield "update", Figure(what, "updates_per_second", tuple(updates_per_second(rounds)))
    if not session.quick:
        yield from _live(session)


def _live(session: Session) -> Iterator[tuple[str, Figure]]:
    measured = live.measure_live(_TIMES, session.tell)
    for way, seconds in measured.seconds.items():
        facts = {
            "p99_seconds": float(np.percentile(seconds, 99)),
            "frames_per_second": measured.frames_per_second,
        }
        yield f"live_{way}", Figure(WAYS[way], "seconds", tuple(seconds), facts=facts)
