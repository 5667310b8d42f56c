"""The state of an adapter as one immutable value, and the records it is made of.

Requests replace the whole value in a single assignment; nothing in here is ever edited. Mappings are ordinary dicts
that are copied before they change (`added`, `removed`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, TypeVar

from dataplane.control.queue_states import QueueState
from dataplane.ids import ProcessorNumber
from dataplane.ndis.constants import NDIS_PF_FUNCTION_ID, VPortState
from dataplane.ndis.status import NdisStatus
from dataplane.ndis.structures import FilterParameters, NicSwitchParameters, QueueParameters, VPortParameters
from dataplane.ndis.values import GroupAffinity
from dataplane.switch.configuration import Filter, MacField, Mode, RssState, Test

_GROUP_ADDRESS_BIT = 1 << 40

Key = TypeVar("Key")
Value = TypeVar("Value")


class Condition(Enum):
    """Whether the adapter works at all (MOD-13, OID-15)."""

    RUNNING = "running"
    PAUSED = "paused"
    RESETTING = "resetting"
    REMOVED = "removed"


class FailureMoment(Enum):
    """When an injected failure happens: before or after the miniport has programmed its hardware."""

    START = "start"
    END = "end"


@dataclass(frozen=True, slots=True)
class InjectedFailure:
    """A failure of the next request with this OID that reaches the miniport, only once (ERR-50)."""

    oid: int
    status: NdisStatus = NdisStatus.NDIS_STATUS_RESOURCES
    moment: FailureMoment = FailureMoment.START


@dataclass(frozen=True, slots=True)
class PendingRequest:
    """A FREE_QUEUE or DELETE_VPORT that waits for packets to be returned (OID-14)."""

    request_id: str
    oid: int


@dataclass(frozen=True, slots=True)
class QueueRecord:
    """A VMQ receive queue between its allocation and the end of its freeing."""

    owner: str  # who allocated it (QUE-02)
    state: QueueState
    parameters: QueueParameters  # including the members that the adapter assigned
    pending: PendingRequest | None = None  # the FREE_QUEUE that waits; also None if a close freed the queue
    state_before_free: QueueState = QueueState.PAUSED  # the state after an aborted FREE_QUEUE (MOD-09)

    @property
    def processor(self) -> ProcessorNumber:
        """The lowest-numbered processor of its affinity (QUE-18)."""
        return lowest_processor(self.parameters.processor_affinity)


@dataclass(frozen=True, slots=True)
class VPortRecord:
    """A VPort between its creation and the end of its deletion."""

    owner: str | None  # who created it; nobody owns the default VPort (VPT-23)
    parameters: VPortParameters
    #: Lowest-numbered processor of ProcessorAffinity (VPT-12), or where a move command put it (UPD-16).
    primary_processor: ProcessorNumber
    rss: RssState
    deleting: bool = False  # DELETE_VPORT has been accepted: no further indications (VPT-27)
    pending: PendingRequest | None = None  # the DELETE_VPORT that waits; also None if a close deleted the VPort

    @property
    def on_pf(self) -> bool:
        """Whether it is attached to the PF."""
        return self.parameters.attached_function_id == NDIS_PF_FUNCTION_ID

    @property
    def activated(self) -> bool:
        """Whether it is activated (VPT-16)."""
        return self.parameters.vport_state == VPortState.Activated


@dataclass(frozen=True, slots=True)
class FilterRecord:
    """A receive filter: what steering tests, and the parameters as they were set (FLT-44)."""

    steering: Filter
    parameters: FilterParameters

    @property
    def unicast_addresses(self) -> frozenset[int]:
        """The unicast addresses it tests for equality (FLT-39)."""
        return frozenset(
            test.value
            for test in self.steering.tests
            if test.field is MacField.DESTINATION_ADDRESS
            and test.test is Test.EQUAL
            and not test.value & _GROUP_ADDRESS_BIT
        )


@dataclass(frozen=True, slots=True)
class SwitchRecord:
    """The NIC switch and its virtual functions."""

    parameters: NicSwitchParameters
    virtual_functions: frozenset[int] = frozenset()  # allocated VF ids


@dataclass(frozen=True, slots=True)
class NativeRss:
    """The adapter as scaling entity (MOD-04); dormant while there is a switch or a queue."""

    rss: RssState
    primary_processor: ProcessorNumber
    number_of_queues: int  # hardware queues in use; only RSSv2 can make them fewer than the capability


@dataclass(frozen=True, slots=True)
class AdapterState:
    """Everything that requests and faults can change."""

    native: NativeRss
    packet_filter: int  # MOD-12
    multicast_list: tuple[int, ...] = ()
    switch: SwitchRecord | None = None
    vports: Mapping[int, VPortRecord] = field(default_factory=dict)  # ascending by id, the default one included
    queues: Mapping[int, QueueRecord] = field(default_factory=dict)  # ascending by id, without the default queue
    filters: Mapping[int, FilterRecord] = field(default_factory=dict)  # ascending by id
    #: Number of filters for each unicast address; kept up to date, so that a request costs what it touches (FLT-39).
    unicast_addresses: Mapping[int, int] = field(default_factory=dict)
    receive_hash: RssState = field(default_factory=RssState)  # OID_GEN_RECEIVE_HASH (RSS-23)
    paused: bool = False
    resetting: bool = False
    removed: bool = False
    injected: tuple[InjectedFailure, ...] = ()  # in the order they were injected

    @property
    def condition(self) -> Condition:
        """Whether the adapter works; a pause and a reset last until their own end, also if they overlap (MOD-13)."""
        if self.removed:
            return Condition.REMOVED
        if self.resetting:
            return Condition.RESETTING
        return Condition.PAUSED if self.paused else Condition.RUNNING

    @property
    def mode(self) -> Mode:
        """The mode of the adapter (MOD-02, MOD-03)."""
        if self.switch is not None:
            return Mode.SWITCH
        return Mode.VMQ if self.queues else Mode.NEUTRAL

    def with_queue(self, queue_id: int, record: QueueRecord | None) -> AdapterState:
        """The state with one queue replaced, or without it."""
        queues = removed(self.queues, queue_id) if record is None else added(self.queues, queue_id, record)
        return dataclasses.replace(self, queues=queues)

    def with_vport(self, vport_id: int, record: VPortRecord | None) -> AdapterState:
        """The state with one VPort replaced, or without it."""
        vports = removed(self.vports, vport_id) if record is None else added(self.vports, vport_id, record)
        return dataclasses.replace(self, vports=vports)

    def with_filter(self, filter_id: int, record: FilterRecord | None) -> AdapterState:
        """The state with one filter replaced, or without it."""
        filters = removed(self.filters, filter_id) if record is None else added(self.filters, filter_id, record)
        addresses = dict(self.unicast_addresses)
        if (before := self.filters.get(filter_id)) is not None:
            for address in before.unicast_addresses:
                addresses[address] -= 1
                if not addresses[address]:
                    del addresses[address]
        for address in record.unicast_addresses if record is not None else ():
            addresses[address] = addresses.get(address, 0) + 1
        return dataclasses.replace(self, filters=filters, unicast_addresses=addresses)

    def without_filters(self) -> AdapterState:
        """The state without any filter."""
        return dataclasses.replace(self, filters={}, unicast_addresses={})

    def filters_on(self, target_id: int) -> list[int]:
        """The ids of the filters on a queue or VPort, ascending."""
        return [filter_id for filter_id, record in self.filters.items() if record.steering.target_id == target_id]


def lowest_processor(affinity: GroupAffinity) -> ProcessorNumber:
    """The lowest-numbered processor of a mask that is not empty."""
    return ProcessorNumber(affinity.group, (affinity.mask & -affinity.mask).bit_length() - 1)


def lowest_free(used: Mapping[int, Any] | Sequence[int], first: int, last: int) -> int | None:
    """The lowest unused number of first..last (VPT-07, QUE-02, FLT-30), None if all are used.

    `used` ascends. If it has no gaps, the result is the number after its end, without a search.
    """
    if used and next(iter(used)) <= first:
        highest = next(reversed(used))
        if len(used) == highest - next(iter(used)) + 1:
            first = max(first, highest + 1)
    return next((number for number in range(first, last + 1) if number not in used), None)


def added(mapping: Mapping[Key, Value], key: Key, value: Value) -> dict[Key, Value]:
    """A copy with one entry added or replaced; keys stay ascending."""
    copy = dict(mapping)
    in_order = key in copy or not copy or key > next(reversed(copy))  # type: ignore[operator]
    copy[key] = value
    if in_order:
        return copy
    ordered: list[Any] = sorted(copy.items())
    return dict(ordered)


def removed(mapping: Mapping[Key, Value], key: Key) -> dict[Key, Value]:
    """A copy without one entry."""
    copy = dict(mapping)
    del copy[key]
    return copy
