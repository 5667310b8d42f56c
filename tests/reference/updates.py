"""A whole host whose configuration changes under traffic, event by event in virtual time (EPO, TX-14, ORD-02).

One event is taken at a time, the earliest first and at one instant in the order of `Turn`. Every frame that has arrived
and not completed carries its *reach*: the steering parameters that may steer its flow in the epoch now in force. An
adoption maps the reach of every such frame through the groups of the update ("whose frames"). So "frames of the
group that arrived before the adoption" are simply those with a parameter of the group in their reach, however many
updates ago they arrived. A frame that has to wait names the frames it waits for; it is released when all are completed.

Readings of the text:

- Frames of both directions belong to a group, and are waited for: a parameter steers received frames and completions.
- The update that *holds* a frame is the latest one that moved its group (or, when nothing moved since, a group one of
  its members was in), whichever processor is still waited for. For a transmit completion it is the latest one that
  moved a group of its VPort with a parameter on its processor. So frames that must keep their order never swap when
  they are released at one instant.
- Completions come before releases, also if the released frames complete at once: of two frames without cost that are
  released at one instant, the first one has completed when the second one enters.
- Inactive parameters (the table while RSS is off, the primary processor while it is on) steer nothing. So changes of
  inactive parameters move no group, and of a group that changes only the active parameters count.
- Without a VPort, "VPort" means the queue, or the adapter itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum

from dataplane.ids import DEFAULT_PROCESSOR_INDEX, DEFAULT_QUEUE_ID, PRIMARY_PROCESSOR_INDEX, ProcessorNumber
from dataplane.switch.configuration import AdapterConfiguration, HashType, Mode, RssState
from tests.reference.order import measure_order
from tests.reference.processor import Item, Processor, ProcessorCosts, State, busy_ns
from tests.reference.steering import flow_identity, steer, steer_by_source_mac

QUEUE_FULL = "queue_full"

BEGINNING_NS = -(2**63)


# --- what comes out ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FrameOutcome:
    """The result of one frame."""

    epoch: int  # whose configuration steered it
    processor: ProcessorNumber | None  # None when it was dropped before it was assigned
    drop_reason: str | None  # "runt" | "packet filter" | "queue_full" | None
    entered_ns: int | None  # when it entered the DPC queue; None when dropped
    completion_ns: int | None  # None when dropped


@dataclass(frozen=True, slots=True)
class HeldFrame:
    """A frame that was held under `ordered`."""

    frame: int  # its place in arrival order
    hold_ns: int  # from its arrival until it entered the DPC queue, at least 1
    target_id: int  # VPort or queue
    index: int  # of the table entry that steered it, or DEFAULT_PROCESSOR_INDEX, PRIMARY_PROCESSOR_INDEX


@dataclass(frozen=True, slots=True)
class MovedParameter:
    """A steering parameter that points to another processor.

    Table entries are compared by index, repeating the smaller table (UPD-26). When RSS goes on or off, every entry and
    the default processor are compared with the primary processor, under the index of the entry or the default.
    """

    target_id: int
    index: int
    source: ProcessorNumber
    destination: ProcessorNumber


@dataclass(frozen=True, slots=True)
class Update:
    """The effects of one update (EPO-09); its epoch is the one that it adopts."""

    epoch: int  # 1, 2, ...
    adoption_ns: int
    moved: tuple[MovedParameter, ...]  # by target, entries ascending, then the default or primary processor
    old_frames: int  # in a queue or held at the adoption
    drained_ns: dict[ProcessorNumber, int]  # when the last of them completed there; the adoption if there was none
    new_frames: dict[ProcessorNumber, int]  # arrived there at or after the adoption and before it was drained, any fate
    held: tuple[HeldFrame, ...]  # by this update, in arrival order
    frames_dropped_behind_holds: int  # while this was the latest update


@dataclass(frozen=True, slots=True)
class ReorderedByUpdate:
    """A reordered frame (ORD-02) and the update it counts for."""

    frame: int  # its place in arrival order
    extent: int  # frames
    late_ns: int
    epoch: int | None  # of the first update that moved its group while it was in a queue


@dataclass(frozen=True, slots=True)
class Load:
    """The view of one processor by a tick at time T (POL-02)."""

    busy_ns: int  # before T, from the beginning
    queue_depth: int  # arrived before T, neither dropped nor completed at T; held frames included
    arrivals: int  # before T, dropped ones included
    drops: int  # before T


@dataclass(frozen=True, slots=True)
class Result:
    """The whole run."""

    frames: tuple[FrameOutcome, ...]  # in arrival order
    updates: tuple[Update, ...]  # epochs 1, 2, ...
    reordered: tuple[ReorderedByUpdate, ...]  # in arrival order
    loads: tuple[dict[ProcessorNumber, Load], ...]  # one per moment of `loads_at`


# --- parameters and groups --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Target:
    """The steering parameters of one VPort, queue or adapter."""

    primary_processor: ProcessorNumber
    table: tuple[ProcessorNumber, ...] = ()  # empty: RSS is off
    default_processor: ProcessorNumber | None = None
    hash_types: HashType = HashType.NONE
    hash_secret_key: bytes | None = None

    @property
    def parameters(self) -> dict[int, ProcessorNumber]:
        """The active parameters by index."""
        if not self.table:
            return {PRIMARY_PROCESSOR_INDEX: self.primary_processor}
        assert self.default_processor is not None
        return {**dict(enumerate(self.table)), DEFAULT_PROCESSOR_INDEX: self.default_processor}

    def index(self, indirection_table_index: int | None) -> int:
        """The index of the parameter that steers a frame with this table index or without any (RX-12 to RX-14)."""
        if indirection_table_index is not None:
            return indirection_table_index
        return DEFAULT_PROCESSOR_INDEX if self.table else PRIMARY_PROCESSOR_INDEX


def targets(configuration: AdapterConfiguration) -> dict[int, Target]:
    """All VPorts, queues or the adapter to which frames can belong under a configuration."""
    base = configuration.rss_base_processor
    if configuration.mode is Mode.SWITCH:
        return {
            vport.vport_id: _target(vport.primary_processor, vport.rss, vport.rss.indirection_table)
            for vport in configuration.vports
        }
    if configuration.mode is Mode.VMQ:
        queues = {queue.queue_id: Target(queue.processor) for queue in configuration.queues}
        return {DEFAULT_QUEUE_ID: Target(base)} | queues
    return {DEFAULT_QUEUE_ID: _target(base, configuration.native_rss, configuration.native_table_in_use)}


def _target(primary: ProcessorNumber, rss: RssState, table: tuple[ProcessorNumber, ...]) -> Target:
    if not rss.enabled:
        return Target(primary)
    return Target(primary, table, rss.default_processor, rss.hash_types, rss.hash_secret_key)


@dataclass(frozen=True, slots=True)
class Group:
    """Parameters of one target before and after an update: any of the latter may steer a flow of any of the former."""

    before: dict[int, ProcessorNumber]  # by index
    after: dict[int, ProcessorNumber]
    regrouped: bool = False  # its members are not what they were, so it counts as moved

    @property
    def moved(self) -> bool:
        """Whether the members of the group change, or some of its frames go to another processor than before."""
        return self.regrouped or any(
            source != destination for source in self.before.values() for destination in self.after.values()
        )


def groups(old: Target, new: Target) -> list[Group]:
    """The groups of one target ("whose frames")."""
    both_spread = bool(old.table) and bool(new.table)
    same_hash = (old.hash_types, old.hash_secret_key) == (new.hash_types, new.hash_secret_key)
    if not (both_spread and same_hash):
        # RSS off before and after: the primary processor
        return [Group(old.parameters, new.parameters, regrouped=bool(old.table or new.table))]
    size = min(len(old.table), len(new.table))
    return [
        *(
            Group(
                {i: processor for i, processor in enumerate(old.table) if i % size == remainder},
                {i: processor for i, processor in enumerate(new.table) if i % size == remainder},
                regrouped=len(old.table) != len(new.table),
            )
            for remainder in range(size)
        ),
        Group(
            {DEFAULT_PROCESSOR_INDEX: old.parameters[DEFAULT_PROCESSOR_INDEX]},
            {DEFAULT_PROCESSOR_INDEX: new.parameters[DEFAULT_PROCESSOR_INDEX]},
        ),
    ]


def moved_parameters(target_id: int, old: Target, new: Target) -> list[MovedParameter]:
    """The parameters of one target that point to another processor, compared as `MovedParameter` says."""
    sides = []
    for target, other in ((old, new), (new, old)):
        if not target.table and other.table:
            sides.append(dict.fromkeys(other.parameters, target.primary_processor))
        elif target.table and other.table:
            repeated = {i: target.table[i % len(target.table)] for i in range(max(len(old.table), len(new.table)))}
            sides.append(repeated | {DEFAULT_PROCESSOR_INDEX: target.parameters[DEFAULT_PROCESSOR_INDEX]})
        else:
            sides.append(target.parameters)
    before, after = sides
    return [MovedParameter(target_id, i, before[i], after[i]) for i in sorted(before) if before[i] != after[i]]


# --- the host ---------------------------------------------------------------------------------------------------------


class Turn(IntEnum):
    """The order of events at one instant ("instants")."""

    PROCESSOR = 0  # completions, and whatever else a processor does by itself
    RELEASE = 1
    ADOPTION = 2
    ARRIVAL = 3


@dataclass(slots=True, eq=False)
class _Frame:
    """A pending frame; the members after `drop_reason` are valid only if it has a processor."""

    number: int
    arrival_ns: int
    epoch: int
    drop_reason: str | None = None

    is_transmit: bool = False
    flow: bytes = b""
    target_id: int = 0
    index: int = 0  # of the parameter that steered it
    processor: ProcessorNumber | None = None
    cost_ns: int = 0
    reach: frozenset[int] = frozenset()  # indices of parameters that may steer its flow now
    moved_by: int | None = None  # the first update that moved its group while it was in a queue
    waits_for: set[_Frame] = field(default_factory=set)
    held_by: int | None = None  # the update
    entered_ns: int | None = None
    completion_ns: int | None = None


@dataclass(slots=True)
class _Processor(Processor):
    """A processor; a held frame enters its queue at the release, but takes a place from its arrival on ("depth")."""

    depth: int = 0  # instead of costs.dpc_queue_depth, which is 0 here
    frames: list[_Frame] = field(default_factory=list)  # by item number
    held: list[_Frame] = field(default_factory=list)

    def has_place(self, with_held: bool = True) -> bool:
        """Whether the queue has room for one more frame; optionally as if no frames were held."""
        taken = len(self.queue) + (len(self.held) if with_held else 0)
        return self.depth == 0 or taken < self.depth

    def enter(self, frame: _Frame, now: int) -> None:
        """Let a frame into the DPC queue."""
        frame.entered_ns = now
        self.frames.append(frame)
        self.arrive(Item(now, frame.cost_ns))

    def step(self) -> _Frame | None:
        """Take the next event; returns the frame that it completes, if any."""
        completed = self.frames[self.queue[0][0]] if self.state is State.SERVICE else None
        if completed:
            completed.completion_ns = self.event_ns
        self._event()
        return completed


@dataclass(slots=True)
class _Host:
    """Everything that changes during a run."""

    configurations: Sequence[tuple[int | None, AdapterConfiguration]]
    costs: Mapping[ProcessorNumber, ProcessorCosts]
    ordered: bool
    transmit_by_source: bool

    processors: dict[ProcessorNumber, _Processor] = field(init=False)
    now: int = BEGINNING_NS
    epoch: int = 0
    frames: list[_Frame] = field(default_factory=list)  # all so far
    pending: list[_Frame] = field(default_factory=list)  # in a queue or held, in arrival order
    targets: dict[int, Target] = field(default_factory=dict)  # as they are, or last were
    holder: dict[tuple[int, int], int | None] = field(default_factory=dict)  # by target and parameter: latest update
    #: By target and processor: frames whose completion releases the groups that moved there, and the latest update.
    transmits_wait_for: dict[tuple[int, ProcessorNumber], set[_Frame]] = field(default_factory=dict)
    transmit_holder: dict[tuple[int, ProcessorNumber], int] = field(default_factory=dict)
    moved: dict[int, list[MovedParameter]] = field(default_factory=dict)  # by epoch
    dropped_behind_holds: dict[int, int] = field(default_factory=dict)  # by epoch

    def __post_init__(self) -> None:
        self.processors = {
            number: _Processor(replace(costs, dpc_queue_depth=0), depth=costs.dpc_queue_depth)
            for number, costs in self.costs.items()
        }
        self.targets = targets(self.configurations[0][1])

    def run(self, arrivals: Sequence[tuple[int, bytes, int]]) -> None:
        """Take one event after the other until there are none."""
        while True:
            events = [(p.event_ns, Turn.PROCESSOR) for p in self.processors.values() if p.state is not State.IDLE]
            if self._released():
                events.append((self.now, Turn.RELEASE))
            if self.epoch + 1 < len(self.configurations):
                adoption_ns = self.configurations[self.epoch + 1][0]
                assert adoption_ns is not None
                events.append((adoption_ns, Turn.ADOPTION))
            if len(self.frames) < len(arrivals):
                events.append((arrivals[len(self.frames)][0], Turn.ARRIVAL))
            if not events:
                return
            self.now, turn = min(events)
            if turn is Turn.PROCESSOR:
                self._step()
            elif turn is Turn.RELEASE:
                self._release(self._released()[0])
            elif turn is Turn.ADOPTION:
                self._adopt()
            else:
                _, data, wire_length = arrivals[len(self.frames)]
                self._arrive(data, wire_length)

    def _step(self) -> None:
        """Take one event of one processor that has an event now."""
        processor = next(p for p in self.processors.values() if p.state is not State.IDLE and p.event_ns == self.now)
        completed = processor.step()
        if completed:
            self.pending.remove(completed)
            for frame in self.pending:
                frame.waits_for.discard(completed)

    def _released(self) -> list[_Frame]:
        """The held frames that no longer wait, in the order in which they enter."""
        held = [frame for processor in self.processors.values() for frame in processor.held if not frame.waits_for]
        return sorted(held, key=lambda frame: (frame.held_by, frame.number))

    def _release(self, frame: _Frame) -> None:
        assert frame.processor is not None
        processor = self.processors[frame.processor]
        processor.held.remove(frame)
        processor.enter(frame, self.now)

    def _adopt(self) -> None:
        """Put the next epoch in force."""
        self.epoch += 1
        self.moved[self.epoch] = []
        for target_id, new in sorted(targets(self.configurations[self.epoch][1]).items()):
            if target_id in self.targets:
                old = self.targets[target_id]
                self.moved[self.epoch] += moved_parameters(target_id, old, new)
                self._regroup(target_id, groups(old, new))
            self.targets[target_id] = new  # a target that is gone stays as it last was

    def _regroup(self, target_id: int, of_target: list[Group]) -> None:
        """Map the reach of pending frames, and the waits of new frames, through the groups of the update."""
        reach: dict[_Frame, frozenset[int]] = {}
        holder: dict[tuple[int, int], int | None] = {}
        for group in of_target:
            members = [f for f in self.pending if f.target_id == target_id and not f.reach.isdisjoint(group.before)]
            for frame in members:
                reach[frame] = reach.get(frame, frozenset()) | frozenset(group.after)
            earlier = [update for i in group.before if (update := self.holder.get((target_id, i))) is not None]
            for i in group.after:
                holder[target_id, i] = self.epoch if group.moved else max(earlier, default=None)
            if group.moved:
                for frame in members:
                    frame.moved_by = frame.moved_by or self.epoch
                for processor in set(group.after.values()):
                    elsewhere = {frame for frame in members if frame.processor != processor}
                    self.transmits_wait_for.setdefault((target_id, processor), set()).update(elsewhere)
                    self.transmit_holder[target_id, processor] = self.epoch
        for frame, indices in reach.items():
            frame.reach = indices
        self.holder.update(holder)

    def _arrive(self, data: bytes, wire_length: int) -> None:
        """Steer the next frame and queue, hold or drop it."""
        configuration = self.configurations[self.epoch][1]
        frame = _Frame(len(self.frames), self.now, self.epoch)
        self.frames.append(frame)
        steering = steer_by_source_mac if self.transmit_by_source else steer
        steered = steering(configuration, data, wire_length)
        if steered.processor is None:
            frame.drop_reason = steered.drop_reason
            return
        target_id = steered.vport_id if steered.vport_id is not None else steered.queue_id
        assert target_id is not None
        costs = self.costs[steered.processor]
        frame.is_transmit = steered.direction == "tx"
        frame.flow = flow_identity(data, wire_length, steered.direction, target_id, configuration.inner_headers)
        frame.target_id = target_id
        frame.index = self.targets[target_id].index(steered.indirection_table_index)
        frame.processor = steered.processor
        frame.cost_ns = costs.completion_cost_ns if frame.is_transmit else costs.receive_cost(wire_length)

        processor = self.processors[steered.processor]
        if not processor.has_place():
            frame.drop_reason = QUEUE_FULL
            if processor.has_place(with_held=False):
                self.dropped_behind_holds[self.epoch] = self.dropped_behind_holds.get(self.epoch, 0) + 1
            return
        if self.ordered:
            self._find_hold(frame, steered.processor)
        frame.reach = frozenset({frame.index})
        self.pending.append(frame)
        if frame.waits_for:
            processor.held.append(frame)
        else:
            processor.enter(frame, self.now)

    def _find_hold(self, frame: _Frame, on: ProcessorNumber) -> None:
        """The frames that the frame must wait for ("release", "transmits")."""
        of_group = {
            earlier
            for earlier in self.pending
            if earlier.target_id == frame.target_id and frame.index in earlier.reach and earlier.processor != on
        }
        if frame.is_transmit:
            of_target = self.transmits_wait_for.get((frame.target_id, on), set()).intersection(self.pending)
            assert of_group <= of_target
            frame.waits_for, holder = of_target, self.transmit_holder.get((frame.target_id, on))
        else:
            frame.waits_for, holder = of_group, self.holder.get((frame.target_id, frame.index))
        if frame.waits_for:
            assert holder is not None
            frame.held_by = holder


# --- the run ----------------------------------------------------------------------------------------------------------


def simulate(
    frames: Sequence[tuple[int, bytes, int]],
    configurations: Sequence[tuple[int | None, AdapterConfiguration]],
    costs: Mapping[ProcessorNumber, ProcessorCosts],
    *,
    ordered: bool,
    transmit_by_source: bool = False,
    loads_at: Sequence[int] = (),
) -> Result:
    """Serve `(arrival_ns, frame, wire_length)` in arrival order to the end.

    `configurations` are `(adoption_ns, configuration)`, one per epoch: the first without an adoption, the others with
    ascending ones. A frame is steered by the latest one adopted at or before its arrival (TIM-03).
    """
    host = _Host(configurations, costs, ordered, transmit_by_source)
    host.run(frames)
    assert not host.pending
    return Result(
        tuple(
            FrameOutcome(frame.epoch, frame.processor, frame.drop_reason, frame.entered_ns, frame.completion_ns)
            for frame in host.frames
        ),
        tuple(_update(host, epoch) for epoch in range(1, len(configurations))),
        _reordered(host.frames),
        tuple(
            {number: _load(processor, host.frames, number, at) for number, processor in host.processors.items()}
            for at in loads_at
        ),
    )


def _update(host: _Host, epoch: int) -> Update:
    adoption_ns = host.configurations[epoch][0]
    assert adoption_ns is not None
    old = [
        (frame.processor, frame.completion_ns)
        for frame in host.frames
        if frame.epoch < epoch and frame.completion_ns is not None and frame.completion_ns > adoption_ns
    ]
    drained_ns = {
        number: max((at for processor, at in old if processor == number), default=adoption_ns) for number in host.costs
    }
    new_frames = {
        number: sum(
            f.epoch >= epoch and f.processor == number and f.arrival_ns < drained_ns[number] for f in host.frames
        )
        for number in host.costs
    }
    held = tuple(
        HeldFrame(frame.number, frame.entered_ns - frame.arrival_ns, frame.target_id, frame.index)
        for frame in host.frames
        if frame.held_by == epoch and frame.entered_ns is not None
    )
    dropped_behind_holds = host.dropped_behind_holds.get(epoch, 0)
    moved = tuple(host.moved[epoch])
    return Update(epoch, adoption_ns, moved, len(old), drained_ns, new_frames, held, dropped_behind_holds)


def _reordered(frames: Sequence[_Frame]) -> tuple[ReorderedByUpdate, ...]:
    order = measure_order([(frame.flow, frame.completion_ns) for frame in frames])
    return tuple(
        ReorderedByUpdate(late.frame, late.extent, late.late_ns, frames[late.frame].moved_by)
        for late in order.reordered
    )


def _load(processor: _Processor, frames: Sequence[_Frame], number: ProcessorNumber, at: int) -> Load:
    before = [frame for frame in frames if frame.processor == number and frame.arrival_ns < at]
    drops = sum(frame.drop_reason is not None for frame in before)
    queued = sum(frame.completion_ns is not None and frame.completion_ns > at for frame in before)
    return Load(busy_ns(processor.busy, BEGINNING_NS, at), queued, len(before), drops)
