"""The state of the reference adapter, as plain mutable values, and the decisions of handlers.

A handler takes a request and the state, and returns a `Decision`: every rule that the request breaks, and what to do
if it breaks none. A handler itself changes nothing, so a failed request changes nothing (MOD-09).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from tests.reference.control_names import HASH_BITS, SUCCESS

Processor = tuple[int, int]  # group, number

#: An expectation that nothing satisfies better than anything else: the rules or the protocol leave the value open.
ANYTHING: dict[str, Any] = {}


class OpenError(Exception):
    """The effect of this step is not agreed (protocol, section 10), or no rule says it: do not compare the step."""


class Level(IntEnum):
    """The precedence of refusals (rules, end of section 13)."""

    FEATURE = 0
    LENGTH = 1
    HEADER = 2
    TARGET = 3
    OWNER = 4
    VALUE = 5
    LIMIT = 6


@dataclass
class Decision:
    """The decision about a request."""

    refusals: list[tuple[Level, str]] = field(default_factory=list)
    apply: Callable[[], Any] = lambda: None  # carries the request out and gives its `out`
    refused_by_ndis: bool = False  # a rule names NDIS as the layer that refuses it
    bytes_needed: int | None = None

    def refuse(self, level: Level, status: str, condition: bool = True) -> None:
        """Note a refusal if its condition holds."""
        if condition:
            self.refusals.append((level, status))

    def status(self) -> Any:
        """The status of a refused request; `ANYTHING` where the precedence does not say which; None if accepted.

        The precedence orders levels. Within a level, and between values and limits if some limits are values as well
        (UPD-27 against UPD-28), equal statuses decide, and different statuses leave the result open.
        """
        if not self.refusals:
            return None
        first = min(level for level, _ in self.refusals)
        statuses = {status for level, status in self.refusals if level == first}
        return statuses.pop() if len(statuses) == 1 else ANYTHING


@dataclass
class Request:
    """An `oid` step, resolved."""

    oid: str
    kind: str
    issuer: str
    target: int | None  # VPortId of the request, None when its flag is clear
    processor: Processor
    members: dict[str, Any]  # the `in` object
    label: str
    buffer_length: int | None
    revision: int  # as processed: the highest known at most (OID-10)


@dataclass
class Filter:
    """A receive filter and the parameters it was set with."""

    filter_id: int
    target: int  # VPort in switch mode, queue otherwise
    owner: str
    untagged_or_zero: bool
    tests: list[dict[str, Any]]  # the field elements, completed with their defaults
    requested_vport_id: int = 0


@dataclass
class Queue:
    """A VMQ receive queue."""

    queue_id: int
    owner: str
    affinity: list[Processor]
    flags: list[str]
    buffers: int
    vm_name: str
    queue_name: str
    complete: bool = False
    freeing: str | None = None  # label of the pending FREE_QUEUE


@dataclass
class Rss:
    """RSS of a scaling entity."""

    enabled: bool = False
    hash_information: list[str] = field(default_factory=list)
    key: str | None = None
    table: list[Processor] = field(default_factory=list)
    default: Processor | None = None
    default_was_given: bool = False

    def in_use(self) -> set[Processor]:
        """The processors that count against the queues: of the entries and the default one (RSS-18, UPD-41)."""
        return {*self.table, *([] if self.default is None else [self.default])}

    def hash_types(self) -> int:
        """The hash types as a bit mask, without the function."""
        return sum(HASH_BITS[name] for name in self.hash_information) & 0xFFFF00 if self.enabled else 0


@dataclass
class VPort:
    """A VPort of the switch."""

    vport_id: int
    owner: str | None
    function: Any  # "PF" or the VF number
    queue_pairs: int
    affinity: list[Processor]
    primary: Processor
    activated: bool
    name: str = ""
    interrupt_moderation: str = "Undefined"
    flags: list[str] = field(default_factory=list)
    rss: Rss = field(default_factory=Rss)
    affinity_is_open: bool = False  # after a move of the primary processor (protocol, section 10)
    deleting: str | None = None  # label of the pending DELETE_VPORT


@dataclass
class Work:
    """A frame or a send completion queued for a processor."""

    processor: Processor
    target: int
    label: str
    record: dict[str, Any]  # the NBL record, or what a completion reports
    is_completion: bool = False
    keep: bool = False
    submitted: int = 0  # of a completion: how many sends were submitted before it


@dataclass
class State:
    """Everything that changes while the adapter lives."""

    run_state: str = "running"
    packet_filter: set[str] = field(default_factory=set)
    multicast_list: list[str] = field(default_factory=list)
    has_switch: bool = False
    switch_name: str = ""
    switch_vfs: int = 0
    switch_queue_pairs: int = 0
    static_switch: dict[str, Any] | None = None
    vfs: list[int] = field(default_factory=list)
    vports: dict[int, VPort] = field(default_factory=dict)
    queues: dict[int, Queue] = field(default_factory=dict)
    filters: dict[int, Filter] = field(default_factory=dict)
    native_rss: Rss = field(default_factory=Rss)
    receive_hash: Rss = field(default_factory=Rss)
    faults: list[dict[str, str]] = field(default_factory=list)  # injected, not used up
    #: Requests that a reset aborted: the state of their queue or VPort is open.
    aborted: set[str] = field(default_factory=set)
    # traffic
    arrived: int = 0
    indicated: int = 0
    drops: dict[str, int] = field(default_factory=dict)
    queued: list[Work] = field(default_factory=list)  # in arrival order, all processors
    pending: set[Processor] = field(default_factory=set)  # interrupts raised, DPC not run
    #: Processors whose frames were all discarded before their DPC ran: whether the interrupt is still pending is open.
    doubtful: set[Processor] = field(default_factory=set)
    hold_all: bool = False
    held: set[Processor] = field(default_factory=set)
    not_held: set[Processor] = field(default_factory=set)  # released while all are held
    outstanding: dict[str, int] = field(default_factory=dict)  # label of a kept NBL -> its queue or VPort
    receive_buffers: int | None = None
    hold_tx: bool = False
    unsent: list[dict[str, Any]] = field(default_factory=list)  # accepted behind hold_tx
    submitted: int = 0  # sends

    @property
    def mode(self) -> str:
        """`switch`, `vmq` or `neutral` (MOD-02)."""
        return "switch" if self.has_switch else "vmq" if self.queues else "neutral"

    def filters_of(self, target: int) -> list[Filter]:
        """The filters of a queue or VPort, ascending by id."""
        return [self.filters[i] for i in sorted(self.filters) if self.filters[i].target == target]

    def queue_state(self, queue_id: int) -> str:
        """The state of a queue by the names of QUE-03."""
        if queue_id == 0:
            return "Running"
        queue = self.queues.get(queue_id)
        if queue is None:
            return "Undefined"
        if queue.freeing is not None:
            return "Freeing"
        if queue.complete:
            return "Running" if self.filters_of(queue_id) else "Paused"
        return "Set" if self.filters_of(queue_id) else "Allocated"


def processor_in(text: Any) -> Processor:
    """A processor as steps write it: 4 or "1:4"."""
    if isinstance(text, int):
        return 0, text
    group, number = text.split(":")
    return int(group), int(number)


def processor_out(processor: Processor) -> Any:
    """A processor as results write it."""
    return processor[1] if processor[0] == 0 else f"{processor[0]}:{processor[1]}"


def processors_out(processors: Any) -> list[Any]:
    """Processors as results write them, in the given order."""
    return [processor_out(processor) for processor in processors]


def flags_out(names: Any, order: Any) -> list[str]:
    """Flag names by ascending bit."""
    return [name for name in order if name in names]


def lowest_free(used: Any, start: int) -> int:
    """The lowest number from `start` on that is not used (VPT-07, QUE-02, FLT-30)."""
    number = start
    while number in used:
        number += 1
    return number


def outcome(status: Any, reached: bool | None, out: Any) -> dict[str, Any]:
    """The result of an `oid` step, without what is open."""
    result: dict[str, Any] = {"status": status, "events": []}
    if status != ANYTHING:
        result["pending"] = status == "NDIS_STATUS_PENDING"
    if reached is not None:
        result["reached_miniport"] = reached
    result["out"] = out if status == SUCCESS else None
    return result
