"""The seven-state table of VMQ queues."""

from __future__ import annotations

import pytest

from dataplane.control.queue_states import OPERATIONAL_STATE, TRANSITIONS, QueueEvent, QueueState, next_state
from dataplane.ndis.constants import QueueOperationalState

#: The documented table, row by row; columns Undefined, Allocated, Set, Running, Paused, StopDma, Freeing.
DOCUMENTED = {
    "ALLOCATE_QUEUE": "Allocated - - - - - -",
    "QUEUE_PARAMETERS method or set": "- Allocated Set Running Paused - -",
    "SET_FILTER": "- Set Set Running Running - -",
    "CLEAR_FILTER, last filter": "- - Allocated Paused - - -",
    "CLEAR_FILTER, not last": "- - Set Running - - -",
    "ENUM_FILTERS": "- Allocated Set Running Paused - -",
    "FILTER PARAMETERS query": "- - Set Running - - -",
    "QUEUE_ALLOCATION_COMPLETE": "- Paused Running - - - -",
    "receive packet": "- - - Running - - -",
    "FREE_QUEUE": "- StopDma - - StopDma - -",
    "DMA stopped, status indicated": "- - - - - Freeing -",
    "all packets returned, resources freed": "- - - - - - Undefined",
}


@pytest.mark.parametrize("event", list(QueueEvent), ids=lambda event: event.name)
def test_transitions_are_the_documented_ones(event: QueueEvent) -> None:
    """Every event leads from every state where QUE-03 says, and nowhere where the table is empty (QUE-04)."""
    after = [None if name == "-" else QueueState(name) for name in DOCUMENTED[event.value].split()]
    assert after == [next_state(state, event) for state in QueueState]


def test_table_is_complete() -> None:
    """No event of the documented table is missing (QUE-03)."""
    assert set(DOCUMENTED) == {event.value for event in TRANSITIONS}


def test_only_running_receives() -> None:
    """Frames are received in Running and in no other state (QUE-05, QUE-06)."""
    receiving = {state for state in QueueState if next_state(state, QueueEvent.RECEIVE_PACKET)}
    assert receiving == {QueueState.RUNNING}


def test_operational_state() -> None:
    """Seven states are reported as four (QUE-20)."""
    reported = {state.value: reported.name for state, reported in OPERATIONAL_STATE.items()}
    assert reported == {
        "Undefined": "Undefined",
        "Allocated": "Paused",
        "Set": "Paused",
        "Running": "Running",
        "Paused": "Paused",
        "StopDma": "DmaStopped",
        "Freeing": "DmaStopped",
    }
    assert set(OPERATIONAL_STATE.values()) <= set(QueueOperationalState)
