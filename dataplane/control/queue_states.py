"""The states of a VMQ receive queue and every legal transition, as one table (QUE-03)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from dataplane.ndis.constants import QueueOperationalState


class QueueState(Enum):
    """States of the documented state machine; the values are their documented names."""

    UNDEFINED = "Undefined"
    ALLOCATED = "Allocated"
    SET = "Set"
    RUNNING = "Running"
    PAUSED = "Paused"
    STOP_DMA = "StopDma"
    FREEING = "Freeing"


class QueueEvent(Enum):
    """What happens to a queue: requests, and steps of its freeing."""

    ALLOCATE_QUEUE = "ALLOCATE_QUEUE"
    QUEUE_PARAMETERS = "QUEUE_PARAMETERS method or set"
    SET_FILTER = "SET_FILTER"
    CLEAR_LAST_FILTER = "CLEAR_FILTER, last filter"
    CLEAR_FILTER = "CLEAR_FILTER, not last"
    ENUM_FILTERS = "ENUM_FILTERS"
    QUERY_FILTER = "FILTER PARAMETERS query"
    ALLOCATION_COMPLETE = "QUEUE_ALLOCATION_COMPLETE"
    RECEIVE_PACKET = "receive packet"
    FREE_QUEUE = "FREE_QUEUE"
    DMA_STOPPED = "DMA stopped, status indicated"
    PACKETS_RETURNED = "all packets returned, resources freed"


_S = QueueState
_ANY_LIVE = {state: state for state in (_S.ALLOCATED, _S.SET, _S.RUNNING, _S.PAUSED)}

#: Event -> state before -> state after; the event is invalid in states that are not listed (QUE-04).
TRANSITIONS: Mapping[QueueEvent, Mapping[QueueState, QueueState]] = {
    QueueEvent.ALLOCATE_QUEUE: {_S.UNDEFINED: _S.ALLOCATED},
    QueueEvent.QUEUE_PARAMETERS: _ANY_LIVE,
    QueueEvent.SET_FILTER: {_S.ALLOCATED: _S.SET, _S.SET: _S.SET, _S.RUNNING: _S.RUNNING, _S.PAUSED: _S.RUNNING},
    QueueEvent.CLEAR_LAST_FILTER: {_S.SET: _S.ALLOCATED, _S.RUNNING: _S.PAUSED},
    QueueEvent.CLEAR_FILTER: {_S.SET: _S.SET, _S.RUNNING: _S.RUNNING},
    QueueEvent.ENUM_FILTERS: _ANY_LIVE,
    QueueEvent.QUERY_FILTER: {_S.SET: _S.SET, _S.RUNNING: _S.RUNNING},
    QueueEvent.ALLOCATION_COMPLETE: {_S.ALLOCATED: _S.PAUSED, _S.SET: _S.RUNNING},
    QueueEvent.RECEIVE_PACKET: {_S.RUNNING: _S.RUNNING},
    QueueEvent.FREE_QUEUE: {_S.ALLOCATED: _S.STOP_DMA, _S.PAUSED: _S.STOP_DMA},
    QueueEvent.DMA_STOPPED: {_S.STOP_DMA: _S.FREEING},
    QueueEvent.PACKETS_RETURNED: {_S.FREEING: _S.UNDEFINED},
}

#: State -> reported operational state (QUE-20).
OPERATIONAL_STATE: Mapping[QueueState, QueueOperationalState] = {
    _S.UNDEFINED: QueueOperationalState.Undefined,
    _S.ALLOCATED: QueueOperationalState.Paused,
    _S.SET: QueueOperationalState.Paused,
    _S.RUNNING: QueueOperationalState.Running,
    _S.PAUSED: QueueOperationalState.Paused,
    _S.STOP_DMA: QueueOperationalState.DmaStopped,
    _S.FREEING: QueueOperationalState.DmaStopped,
}


def next_state(state: QueueState, event: QueueEvent) -> QueueState | None:
    """The state after `event`, None when the event is invalid in `state` (QUE-04)."""
    return TRANSITIONS[event].get(state)
