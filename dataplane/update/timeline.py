"""The control side of a run: which requests are made when, how they end, and which epochs follow (TIM, EPO, POL rules).

A `ControlTimeline` decides and never waits: whoever runs the traffic asks it how far the steering is known, and asks
again there. All its answers follow from the requests, the policy and the loads it is given, never from how the time
between them was cut into stretches.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from operator import index
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from dataplane.arrays import read_only
from dataplane.control import Completion, ControlPlane, Decision, OidRequest
from dataplane.control.journal import JournaledControlPlane
from dataplane.control.records import Entry, Requested
from dataplane.ids import DEFAULT_PROCESSOR_INDEX, DEFAULT_VPORT_ID, ProcessorNumber
from dataplane.ndis.codec import Failure, decode
from dataplane.ndis.oids import Oid
from dataplane.ndis.status import NdisStatus
from dataplane.ndis.structures import SetIndirectionEntries
from dataplane.processor.messages import ProcessorLoad
from dataplane.switch.change import steering_change
from dataplane.switch.compile import compile_snapshot, processors_of
from dataplane.switch.configuration import AdapterConfiguration, Mode, RssState
from dataplane.switch.snapshot import SLOTS_PER_TARGET, TABLE_ENTRIES_MAX, SteeringSnapshot
from dataplane.update.foreign import FOREIGN_SECONDS, OverdueError, foreign_code
from dataplane.update.policy import LoadWindow, Move, Policy, ProcessorWindow, Table, VPortWindow
from dataplane.update.records import RequestRecord, SteeringUpdate, Stretch
from dataplane.update.requests import move_parameters, scaling_parameters, set_parameters

#: Moments that are decided ahead of the traffic unless it is said otherwise.
MOMENTS_AHEAD = 1024
#: What their snapshots may add to those before: with large tables fewer moments are decided ahead.
SNAPSHOT_BYTES_AHEAD = 16 << 20
#: Idle ticks after which ticks are left out until something arrives.
IDLE_TICKS = 64
#: The shortest and the longest tick, as in a scenario.
TICK_NS_MIN = 1_000
TICK_NS_MAX = 10**15
DEFAULT_TICK_NS = 100_000_000
#: Wishes of one tick; a policy that never ends wishing is found out.
_WISHES_MAX = 1 << 16

#: Turns the configuration in force into the requests that are to be issued, in this order.
RequestMaker = Callable[[AdapterConfiguration], Sequence[OidRequest]]


@dataclass(frozen=True, slots=True)
class FixedRequests:
    """A maker of requests that do not depend on the configuration."""

    requests: tuple[OidRequest, ...]

    def __call__(self, configuration: AdapterConfiguration) -> Sequence[OidRequest]:
        """The requests."""
        return self.requests


@dataclass(frozen=True, slots=True)
class ScheduledRequest:
    """Something that is asked for at a moment.

    The requests that `make` gives follow each other; the first one that fails ends it. That one, or else the last one,
    is the one that `expect` speaks of. It can be pickled if `make` can.
    """

    at_ns: int  # relative to the first arrival
    origin: str  # who asks: "[[event]] 3"
    make: RequestMaker
    expect: NdisStatus | None = None  # how it is to end; None: successfully

    @classmethod
    def repeating(cls, entry: Entry, origin: str, *, start_ns: int, control_latency_ns: int) -> ScheduledRequest:
        """A request that a journal kept, at the moment it was made in a run that began at `start_ns`.

        Raises ValueError for an entry that is no request or has no adoption time.
        """
        if not isinstance(entry.record, Requested) or entry.adoption_ns is None:
            raise ValueError("only a request with an adoption time can be repeated")
        at_ns = entry.adoption_ns - control_latency_ns - start_ns
        return cls(at_ns, origin, FixedRequests((entry.record.request,)))


class ControlTimeline:
    """The control plane of a run, what is scheduled for it, and a policy.

    - What is scheduled is asked for in the order of time, ties in the order given (TIM-03); at the moment of a tick the
      policy comes after it. All that one moment changes is one epoch (EPO-03), whatever was asked for and refused.
    - Ticks are at start + k * tick (k = 1, 2, ...), or as far apart as the policy's `next_tick_ns` says. A tick sees
      what the processors did up to its moment, and nothing after it (POL-02).
    - A tick is *idle* when no processor had anything to do since the tick before and nothing waits. After 64 idle ticks
      in a row the ticks that come before the next arrival are left out: the next tick is the first one on the grid at
      or after it. As nothing happens in between, windows and numbers of ticks are what they would have been.
    - A request for something that the running processors cannot do, a processor that has no row in the snapshot, is
      refused before it is applied.
    - Nothing is outstanding in the sense of QUE-24 and VPT-27: queues are freed and VPorts deleted at once.
    """

    def __init__(
        self,
        control: ControlPlane,
        snapshot: SteeringSnapshot,
        schedule: Iterable[ScheduledRequest] = (),
        *,
        control_latency_ns: int = 0,
        policy: Policy | None = None,
        policy_name: str | None = None,
        tick_ns: int = DEFAULT_TICK_NS,
        ahead: int | None = None,
        clock: Callable[[], int] = time.perf_counter_ns,
    ) -> None:
        """Take over `control`, whose configuration `snapshot` is.

        `policy_name` is what records and findings call the policy (default: module and class). `ahead` is the number of
        moments that may be decided before the traffic has reached them (default `MOMENTS_AHEAD`); with 0 a moment is
        decided when it is reached, as a dataplane needs that takes requests while it runs. `clock` counts ns and is
        asked for nothing but `remarks`.
        """
        self.control = control
        self.snapshot = snapshot  #: of the latest epoch
        self.records: list[RequestRecord] = []  #: all requests, those decided ahead included; see `reached`
        self.findings: list[str] = []  #: what was wrong with the policy, one line each
        self.remarks: list[str] = []  #: what a clock showed; no result depends on it
        self._schedule = sorted(schedule, key=lambda one: one.at_ns)
        self._next = 0  # position in the schedule
        self._control_latency_ns = control_latency_ns
        self._policy = policy
        cls = type(policy)
        self._policy_name = f"{cls.__module__}:{cls.__qualname__}" if policy_name is None else policy_name
        self._tick_ns = tick_ns
        self._ahead = MOMENTS_AHEAD if ahead is None else ahead
        self._clock = clock
        # until `begin` all moments count from the first arrival
        self._start_ns: int | None = None
        self._due_ns: int | None = 0  # when `advance` is to be called
        self._decided_ns: int | None = None  # the latest moment that was decided
        self._open_ns: int | None = None  # the earliest moment whose adoption time no epoch has, None: any
        self._step_ns = tick_ns
        self._tick = 0  # number of the next one
        self._next_tick_ns: int | None = None if policy is None else tick_ns
        self._window_start_ns = 0
        self._idle_ticks = 0

    # The course of time -----------------------------------------------------------------------------------------------

    def begin(self, start_ns: int) -> None:
        """The first frame arrives at `start_ns`, in model time: what is scheduled counts from there."""
        if self._start_ns is not None:
            raise ValueError("the timeline has begun")
        self._start_ns = start_ns
        self._window_start_ns += start_ns
        self._due_ns, self._decided_ns, self._open_ns, self._next_tick_ns = (
            None if moment_ns is None else moment_ns + start_ns
            for moment_ns in (self._due_ns, self._decided_ns, self._open_ns, self._next_tick_ns)
        )
        self.records = [record.later(start_ns) for record in self.records]

    def foresee(self) -> Stretch:
        """The first stretch, before anybody knows when the first frame arrives: its times count from there.

        `advance` gives the one behind it. A journal has to know the time of what it records: it is asked for nothing
        before `begin`, and neither is a timeline that decides nothing ahead.
        """
        if self._start_ns is not None:
            raise ValueError("the timeline has begun")
        if not self._ahead or isinstance(self.control, JournaledControlPlane):
            return Stretch((), self._due_ns)
        return self._stretch(None, None)

    def advance(self, loads: Sequence[ProcessorLoad] | None = None, next_arrival_ns: int | None = None) -> Stretch:
        """The next stretch; to be called after `begin`, and then at the `until_ns` of the stretch before.

        Where that stretch `wants_loads`, `loads` are those of all processors since the time it was wanted before, in
        any order; processors that did nothing may be left out. `next_arrival_ns` is the arrival time of the first frame
        that is not before that moment (default: no ticks are left out).
        """
        if self._start_ns is None:
            raise ValueError("the timeline has not begun")
        return self._stretch(loads, next_arrival_ns)

    def _stretch(self, loads: Sequence[ProcessorLoad] | None, next_arrival_ns: int | None) -> Stretch:
        now_ns = self._due_ns
        if now_ns is None:
            return Stretch((), None)
        updates: list[SteeringUpdate | None] = []
        if now_ns == self._next_tick_ns:
            if loads is None:
                raise ValueError(f"the tick at {now_ns} ns needs the loads")
            updates.append(self._moment(now_ns, loads, next_arrival_ns))
        left, bytes_left = self._ahead, SNAPSHOT_BYTES_AHEAD
        while (at_ns := self._next_request_ns()) is not None and (left > 0 or (not self._ahead and at_ns <= now_ns)):
            if self._next_tick_ns is not None and self._next_tick_ns <= at_ns:
                break  # what is scheduled for the moment of a tick is decided together with it
            before = self.snapshot
            updates.append(self._moment(at_ns))
            bytes_left -= self.snapshot.bytes_beside(before)
            left = left - 1 if bytes_left > 0 else 0
        self._due_ns = self._coming_ns()
        wants_loads = self._due_ns is not None and self._due_ns == self._next_tick_ns
        return Stretch(tuple(one for one in updates if one is not None), self._due_ns, wants_loads)

    def request(
        self, request: OidRequest, now_ns: int, origin: str = "client"
    ) -> tuple[RequestRecord, SteeringUpdate | None]:
        """Decide a request from outside at model time `now_ns`; the update it leads to is in no stretch.

        A moment whose epoch has been given away takes no more changes: the request counts as made one ns later, see its
        record. Raises ValueError when something that comes before it has not been decided, or something after it has.
        """
        coming_ns = self._coming_ns()
        if coming_ns is not None and coming_ns <= now_ns:
            raise ValueError(f"what is to happen at {coming_ns} ns comes before a request at {now_ns} ns")
        if self._decided_ns is not None and now_ns < self._decided_ns:
            raise ValueError(f"what happens at {self._decided_ns} ns was decided before a request at {now_ns} ns")
        at_ns = self._opened(now_ns)
        record = self._issue(request, at_ns, origin)
        self.records.append(record)
        return record, self._published(at_ns, _changes([record]))

    def reached(self, last_arrival_ns: int) -> tuple[RequestRecord, ...]:
        """The requests that were made before the last frame had arrived; it arrived at `last_arrival_ns`."""
        return tuple(record for record in self.records if record.requested_at_ns <= last_arrival_ns)

    def unreached(self, last_arrival_ns: int | None) -> list[str]:
        """One line for everything that is scheduled behind the last arrival; None: nothing arrived."""
        if self._start_ns is None or last_arrival_ns is None:
            return [
                f"{one.origin} at {_milliseconds(one.at_ns)} is not reached: nothing arrived" for one in self._schedule
            ]
        last_ns = last_arrival_ns - self._start_ns
        return [
            f"{one.origin} at {_milliseconds(one.at_ns)} is beyond the last arrival at {_milliseconds(last_ns)}"
            for one in self._schedule
            if one.at_ns > last_ns
        ]

    def _next_request_ns(self) -> int | None:
        if self._next == len(self._schedule):
            return None
        return (self._start_ns or 0) + self._schedule[self._next].at_ns

    def _coming_ns(self) -> int | None:
        """The next moment at which anything is to be decided."""
        return min(
            (at_ns for at_ns in (self._next_request_ns(), self._next_tick_ns) if at_ns is not None), default=None
        )

    # One moment -------------------------------------------------------------------------------------------------------

    def _moment(
        self, at_ns: int, loads: Sequence[ProcessorLoad] | None = None, next_arrival_ns: int | None = None
    ) -> SteeringUpdate | None:
        """Everything that is asked for at one moment, and the epoch it leads to (TIM-03, EPO-03)."""
        self._decided_ns = at_ns
        made_at_ns = self._opened(at_ns)
        first = len(self.records)
        while self._next_request_ns() == at_ns:
            scheduled = self._schedule[self._next]
            self._next += 1
            self._make(scheduled, made_at_ns)
        if loads is not None:
            self._rebalance(at_ns, made_at_ns, loads, next_arrival_ns)
        return self._published(made_at_ns, _changes(self.records[first:]))

    def _opened(self, at_ns: int) -> int:
        """The moment, or the first one after it whose adoption time no epoch has."""
        return at_ns if self._open_ns is None else max(at_ns, self._open_ns)

    def _published(self, at_ns: int, changes: Sequence[RequestRecord]) -> SteeringUpdate | None:
        """The next epoch, which follows from `changes` at one moment (EPO-02)."""
        if not changes:
            return None
        before = self.snapshot
        self.snapshot = compile_snapshot(self.control.configuration, before.epoch + 1, before=before)
        self._open_ns = at_ns + 1
        return SteeringUpdate(
            requested_at_ns=at_ns,
            adopted_at_ns=at_ns + self._control_latency_ns,
            snapshot=self.snapshot,
            change=steering_change(before, self.snapshot),
            requests=tuple(changes),
        )

    def _make(self, scheduled: ScheduledRequest, at_ns: int) -> None:
        """Issue what is scheduled, up to the first failure."""
        requests = scheduled.make(self.control.configuration)
        if not requests:
            why = "there is nothing to ask for"
            self.records.append(RequestRecord(scheduled.origin, at_ns, None, None, why, scheduled.expect))
        for number, request in enumerate(requests, 1):
            record = self._issue(request, at_ns, scheduled.origin)
            ends = number == len(requests) or not record.as_expected
            if ends and scheduled.expect is not None:
                record = replace(record, expect=scheduled.expect)
            self.records.append(record)
            if ends:
                break

    def _issue(self, request: OidRequest, at_ns: int, origin: str) -> RequestRecord:
        """Decide and apply a request."""
        control = self.control
        if isinstance(control, JournaledControlPlane):
            control.adoption_ns = at_ns + self._control_latency_ns
        decision = control.decide(request)
        if missing := self._missing_processors(decision):
            return RequestRecord(origin, at_ns, request, None, f"the running dataplane has no processor {missing[0]}")
        before = control.epoch
        completion = _judged(request, control.apply(decision))
        why = "" if completion.accepted else completion.why
        epoch = self.snapshot.epoch + 1 if control.epoch != before else None
        return RequestRecord(origin, at_ns, request, completion, why, epoch=epoch)

    def _missing_processors(self, decision: Decision) -> list[ProcessorNumber]:
        """Processors that steering would name after a decision and that do not run, ascending."""
        before, after = self.control.configuration, self.control.configuration_after(decision)
        if after is before:
            return []
        rows = self.snapshot.processor_rows
        return [processor for processor in processors_of(after, known=before) if processor not in rows]

    # The policy -------------------------------------------------------------------------------------------------------

    def _rebalance(
        self, at_ns: int, made_at_ns: int, loads: Sequence[ProcessorLoad], next_arrival_ns: int | None
    ) -> None:
        """Let the policy ask for what it wants, and set the next tick."""
        window = self._window(at_ns, loads)
        for vport_id, places in self._wishes(window).items():
            for request in self._requests_for(vport_id, places):
                self.records.append(self._issue(request, made_at_ns, f"policy {self._policy_name}"))
        self._idle_ticks = self._idle_ticks + 1 if _is_idle(loads) else 0
        if self._policy is None:
            self._next_tick_ns = None
            return
        steps = 1
        if self._idle_ticks >= IDLE_TICKS and next_arrival_ns is not None:
            steps = max(1, -((at_ns - next_arrival_ns) // self._step_ns))
        self._tick += steps
        self._next_tick_ns = at_ns + steps * self._step_ns
        self._window_start_ns = self._next_tick_ns - self._step_ns

    def _wishes(self, window: LoadWindow) -> dict[int, _Places]:
        """What the policy wants, by VPort; nothing from a policy that fails, and it is not asked again."""
        policy, step_ns = self._policy, self._step_ns
        assert policy is not None, "without a policy there are no ticks"
        began_ns = self._clock()
        try:
            with foreign_code():
                wishes = list(islice(policy.rebalance(window), _WISHES_MAX + 1))
                wanted = _wanted(wishes, window)
                self._step_ns = _step(policy, self._tick_ns)
        except BaseException as error:  # a policy is somebody else's program, and may even ask to end this one
            finding = f"policy {self._policy_name} at {_milliseconds(window.end_ns)}: {_reason(error)}"
            self.findings.append(finding)
            self._policy = None
            return {}
        took_ns = self._clock() - began_ns
        if took_ns > step_ns and not self.remarks:
            self.remarks.append(
                f"policy {self._policy_name} at {_milliseconds(window.end_ns)} needed {_milliseconds(took_ns)}, "
                f"longer than its tick of {_milliseconds(step_ns)}: in real time it would come too late"
            )
        return wanted

    def _window(self, at_ns: int, loads: Sequence[ProcessorLoad]) -> LoadWindow:
        """What happened since the tick before, in the words of the policy."""
        configuration, processors = self.control.configuration, self.snapshot.processors
        length_ns = at_ns - self._window_start_ns
        by_processor = {processors[load.processor]: load for load in loads}
        entries = np.zeros((2, len(self.snapshot.targets) * SLOTS_PER_TARGET), np.int64)  # packets, busy ns
        for load in loads:
            rows = load.entries
            entries[0, rows["slot"]] += rows["received"] + rows["completions"] + rows["dropped"]
            entries[1, rows["slot"]] += rows["busy_ns"]
        return LoadWindow(
            tick=self._tick,
            start_ns=self._since_start_ns(self._window_start_ns),
            end_ns=self._since_start_ns(at_ns),
            processors=tuple(
                _processor_window(processor, by_processor.get(processor), length_ns)
                for processor in sorted(configuration.rss_processors)
            ),
            vports=tuple(self._vport_windows(entries)),
        )

    def _vport_windows(self, entries: npt.NDArray[np.int64]) -> Iterator[VPortWindow]:
        """The VPorts with RSS, or the adapter; `entries` is (2, slots): packets and busy time."""
        configuration, state = self.control.configuration, self.control.state
        by_target = entries.reshape(2, -1, SLOTS_PER_TARGET)[:, :, :TABLE_ENTRIES_MAX]
        rows = self.snapshot.target_rows
        tables: dict[int, tuple[int, RssState, tuple[ProcessorNumber, ...]]] = {}
        if configuration.mode is Mode.SWITCH:
            for vport in configuration.vports:
                queues = state.vports[vport.vport_id].parameters.num_queue_pairs
                tables[vport.vport_id] = (queues, vport.rss, vport.rss.indirection_table)
        elif configuration.mode is Mode.NEUTRAL:
            native = configuration.native_rss
            tables[DEFAULT_VPORT_ID] = (state.native.number_of_queues, native, configuration.native_table_in_use)
        for vport_id, (queues, rss, table) in tables.items():
            if not rss.enabled:
                continue
            assert rss.default_processor is not None, "RSS that is on has a default processor"
            loads = by_target[:, rows[vport_id]] if vport_id in rows else np.zeros((2, TABLE_ENTRIES_MAX), np.int64)
            # the table may have had another size in the window: entry i of a larger one goes on as entry i mod size
            packets, busy_ns = loads.reshape(2, -1, len(table)).sum(axis=1)
            yield VPortWindow(vport_id, queues, table, rss.default_processor, read_only(packets), read_only(busy_ns))

    def _requests_for(self, vport_id: int, wanted: _Places) -> Iterable[OidRequest]:
        """The requests that point the parameters of a VPort, or of the adapter, to where the policy wants them."""
        control = self.control
        version, current = control.specification.ndis_version, scaling_parameters(control.configuration, vport_id)
        assert current is not None, "the policy was shown it"
        places = current.by_index
        moved = {i: processor for i, processor in wanted.by_index.items() if processor != places[i]}
        if control.capabilities.rss_generation_2:
            return move_parameters(places, moved, version, vport_id)
        entity = vport_id if control.configuration.mode is Mode.SWITCH else None
        default = moved.pop(DEFAULT_PROCESSOR_INDEX, None)
        table = wanted.indirection_table if moved else None
        return [set_parameters(version, entity, indirection_table=table, default_processor=default)]

    def _since_start_ns(self, at_ns: int) -> int:
        assert self._start_ns is not None, "nothing happens before the beginning"
        return at_ns - self._start_ns


def _changes(records: Iterable[RequestRecord]) -> list[RequestRecord]:
    """Those that changed steering."""
    return [record for record in records if record.epoch is not None]


class _NonsenseError(ValueError):
    """What a policy wants makes no sense."""


def _reason(error: BaseException) -> str:
    """What a policy ended with, in one line."""
    if isinstance(error, OverdueError):
        return f"did not answer within {FOREIGN_SECONDS:.0f} s"
    if isinstance(error, KeyboardInterrupt):
        return "interrupted while it was asked"
    try:
        text = " ".join(str(error).split())
    except Exception:  # it cannot even say that
        text = ""
    name = "" if isinstance(error, _NonsenseError) else f"{type(error).__name__}: "
    return f"{name}{text}".removesuffix(": ")


class _Places(NamedTuple):
    """Where the entries and the default processor of a VPort point to."""

    indirection_table: tuple[ProcessorNumber, ...]
    default_processor: ProcessorNumber

    @property
    def by_index(self) -> dict[int, ProcessorNumber]:
        """By the index that names the parameter in a move command (UPD-37)."""
        return dict(enumerate(self.indirection_table)) | {DEFAULT_PROCESSOR_INDEX: self.default_processor}


def _wanted(wishes: Sequence[object], window: LoadWindow) -> dict[int, _Places]:
    """Where parameters are to point after all wishes in their order, for the VPorts that change; _NonsenseError."""
    if len(wishes) > _WISHES_MAX:
        raise _NonsenseError(f"has more than {_WISHES_MAX} wishes")
    known = {vport.vport_id: _Places(vport.indirection_table, vport.default_processor) for vport in window.vports}
    processors = {processor.processor for processor in window.processors}
    tables = {vport_id: list(places.indirection_table) for vport_id, places in known.items()}
    defaults = {vport_id: places.default_processor for vport_id, places in known.items()}
    for wish in wishes:
        if not isinstance(wish, Move | Table):
            raise _NonsenseError(f"wishes {_short(wish)}, which is neither Move nor Table")
        table = tables.get(wish.vport_id)
        if table is None:
            raise _NonsenseError(f"there is no VPort {_short(wish.vport_id)} with RSS")
        if isinstance(wish, Table):
            wanted = [_processor(processor) for processor in wish.indirection_table]
            if len(wanted) != len(table):
                raise _NonsenseError(f"wishes {len(wanted)} entries for VPort {wish.vport_id}, which has {len(table)}")
            table[:] = wanted
        else:
            target = _processor(wish.target)
            for entry in map(index, wish.indices):
                if entry == DEFAULT_PROCESSOR_INDEX:
                    defaults[wish.vport_id] = target
                elif 0 <= entry < len(table):
                    table[entry] = target
                else:
                    raise _NonsenseError(f"VPort {wish.vport_id} has no entry {entry}, its table has {len(table)}")
            wanted = [target]
        if unknown := [processor for processor in wanted if processor not in processors]:
            raise _NonsenseError(f"processor {unknown[0]} is not an RSS processor")
    places = {vport_id: _Places(tuple(table), defaults[vport_id]) for vport_id, table in tables.items()}
    return {vport_id: one for vport_id, one in places.items() if one != known[vport_id]}


def _processor(wished: ProcessorNumber) -> ProcessorNumber:
    """The processor, whose numbers somebody else may have made of anything that counts; TypeError for the others."""
    group, number = wished
    return ProcessorNumber(index(group), index(number))


def _step(policy: Policy, tick_ns: int) -> int:
    """The time to the next tick; _NonsenseError."""
    step_ns = tick_ns if policy.next_tick_ns is None else index(policy.next_tick_ns)
    if not TICK_NS_MIN <= step_ns <= TICK_NS_MAX:
        raise _NonsenseError(f"wants its next tick after {step_ns} ns, which is not in {TICK_NS_MIN}..{TICK_NS_MAX}")
    return step_ns


def _judged(request: OidRequest, completion: Completion) -> Completion:
    """A completion with the status of the first command that failed: moves succeed as a request even then (UPD-36)."""
    if request.oid != Oid.OID_GEN_RSS_SET_INDIRECTION_TABLE_ENTRIES or not completion.why or completion.output is None:
        return completion  # without a reason nothing failed
    result = decode(SetIndirectionEntries, completion.output, output=True)
    assert not isinstance(result, Failure), result.why
    failed = (one.entry_status for one in result.rss_entry_table if one.entry_status != NdisStatus.NDIS_STATUS_SUCCESS)
    status = next(failed, None)
    return completion if status is None else replace(completion, status=NdisStatus(status))


def _processor_window(processor: ProcessorNumber, load: ProcessorLoad | None, length_ns: int) -> ProcessorWindow:
    if load is None:
        return ProcessorWindow(processor, 0, 0, 0, 0.0, 0)
    busy_ns = int(load.busy_ns)
    return ProcessorWindow(
        processor, _items(load), int(load.dropped), busy_ns, busy_ns / length_ns, int(load.queue_depth)
    )


def _items(load: ProcessorLoad) -> int:
    return int(load.received + load.completions + load.dropped)


def _is_idle(loads: Iterable[ProcessorLoad]) -> bool:
    """Whether nothing arrived, nothing was done and nothing waits."""
    return not any(_items(load) or load.busy_ns or load.queue_depth for load in loads)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _milliseconds(time_ns: int) -> str:
    """A time as a person reads it, exactly: "90 ms", "0.0005 ms"."""
    whole, rest = divmod(time_ns, 1_000_000)
    return f"{whole}.{rest:06d}".rstrip("0").rstrip(".") + " ms"
