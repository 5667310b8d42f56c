"""The control side of a run: which requests are made when, how they end, and which epochs follow (TIM, EPO, POL rules).

A `ControlTimeline` decides and never waits. The NIC asks it up to which time the steering is known, and asks again at
that time. Its answers depend only on the requests, the policy and the loads, and never on how time is divided into
stretches.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import replace

from dataplane.control import Completion, ControlPlane, Decision, OidRequest
from dataplane.control.journal import JournaledControlPlane
from dataplane.ids import DEFAULT_PROCESSOR_INDEX, ProcessorNumber
from dataplane.ndis.codec import Failure, decode
from dataplane.ndis.oids import Oid
from dataplane.ndis.status import NdisStatus
from dataplane.ndis.structures import SetIndirectionEntries
from dataplane.processor.messages import Loads
from dataplane.switch.change import steering_change
from dataplane.switch.compile import compile_snapshot, processors_of
from dataplane.switch.configuration import Mode
from dataplane.switch.snapshot import SteeringSnapshot
from dataplane.update.load_window import is_idle, load_window
from dataplane.update.policy import DEFAULT_TICK_NS, Policy
from dataplane.update.records import RequestRecord, SteeringUpdate, Stretch
from dataplane.update.requests import move_parameters, scaling_parameters, set_parameters
from dataplane.update.schedule import ScheduledRequest, milliseconds
from dataplane.update.wishes import AskedPolicy, Places

#: Moments that are decided ahead of the traffic by default.
MOMENTS_AHEAD = 1024
#: Bytes that the snapshots decided ahead may add: with large tables fewer moments are decided ahead.
SNAPSHOT_BYTES_AHEAD = 16 << 20
#: Idle ticks in a row after which ticks are skipped until something arrives.
IDLE_TICKS = 64


class ControlTimeline:
    """The control plane of a run, its schedule, and a policy.

    - Scheduled requests are issued in the order of time, ties in the given order (TIM-03). At the moment of a tick, the
      policy comes after them. All changes of one moment are one epoch (EPO-03), even if some requests were refused.
    - Ticks are at start + k * tick (k = 1, 2, ...), or as far apart as the policy's `next_tick_ns` says. A tick sees
      what the processors did up to its moment, and nothing after it (POL-02).
    - A tick is *idle* if no processor had work since the previous tick and nothing waits. After 64 idle ticks in a row,
      the ticks before the next arrival are skipped: the next tick is the first one on the grid at or after that
      arrival. Nothing happens in between, so windows and tick numbers are the same as without skipping.
    - A request that names a processor without a row in the snapshot is refused before it is applied, because no such
      processor runs.
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

        `policy_name` is the policy's name in records and findings (default: module and class). `ahead` is the number of
        moments that may be decided before the traffic has reached them (default `MOMENTS_AHEAD`). With 0 a moment is
        decided when it is reached; a dataplane that takes requests while it runs needs this. `clock` counts ns and is
        used only for `remarks`.
        """
        self.control = control
        self.snapshot = snapshot  #: of the latest epoch
        self.records: list[RequestRecord] = []  #: all requests, those decided ahead included; see `reached`
        self._schedule = sorted(schedule, key=lambda one: one.at_ns)
        self._next = 0  # position in the schedule
        self._control_latency_ns = control_latency_ns
        self._policy = None if policy is None else AskedPolicy(policy, policy_name, tick_ns, clock)
        self._ahead = MOMENTS_AHEAD if ahead is None else ahead
        # until `begin` all moments count from the first arrival
        self._start_ns: int | None = None
        self._due_ns: int | None = 0  # when to call `advance`
        self._decided_ns: int | None = None  # the latest moment that was decided
        self._open_ns: int | None = None  # the earliest moment whose adoption time no epoch has yet; None: any
        self._tick = 0  # number of the next one
        self._next_tick_ns: int | None = None if policy is None else tick_ns
        self._window_start_ns = 0
        self._idle_ticks = 0
        self._waiting: dict[ProcessorNumber, int] = {}  # queue depth of each processor at the tick before

    @property
    def findings(self) -> list[str]:
        """What was wrong with the policy, one line each."""
        return self._policy.findings if self._policy else []

    @property
    def remarks(self) -> list[str]:
        """What a clock showed; no result depends on it."""
        return self._policy.remarks if self._policy else []

    # The course of time -----------------------------------------------------------------------------------------------

    def begin(self, start_ns: int) -> None:
        """The first frame arrives at `start_ns`, in model time; scheduled times count from there."""
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
        """The first stretch, before the time of the first arrival is known; its times count from that arrival.

        `advance` gives the following stretch. The stretch has no updates if the control plane keeps a journal, which
        must record the time of each request, or if the timeline decides nothing ahead.
        """
        if self._start_ns is not None:
            raise ValueError("the timeline has begun")
        if not self._ahead or isinstance(self.control, JournaledControlPlane):
            return Stretch((), self._due_ns)
        return self._stretch(None, None)

    def advance(self, loads: Loads | None = None, next_arrival_ns: int | None = None) -> Stretch:
        """The next stretch; called after `begin`, and then at the `until_ns` of the previous stretch.

        If that stretch `wants_loads`, `loads` are those of all processors since the previous time they were wanted, in
        any order; processors without work may be omitted. `next_arrival_ns` is the arrival time of the first frame at
        or after that moment (default: no ticks are skipped).
        """
        if self._start_ns is None:
            raise ValueError("the timeline has not begun")
        return self._stretch(loads, next_arrival_ns)

    def _stretch(self, loads: Loads | None, next_arrival_ns: int | None) -> Stretch:
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
                break  # requests scheduled for the moment of a tick are decided together with the tick
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
        """Decide a request from outside at model time `now_ns`; its update is in no stretch.

        A moment whose epoch is already published takes no more changes: the request then counts as made one ns later,
        see its record. Raises ValueError if an earlier moment has not been decided, or a later one has.
        """
        coming_ns = self._coming_ns()
        if coming_ns is not None and coming_ns <= now_ns:
            raise ValueError(f"what is to happen at {coming_ns} ns comes before a request at {now_ns} ns")
        if self._decided_ns is not None and now_ns < self._decided_ns:
            raise ValueError(f"what happens at {self._decided_ns} ns was decided before a request at {now_ns} ns")
        at_ns = self._opened(now_ns)
        record = self._issue(request, at_ns, origin)
        self.records.append(record)
        return record, self._published(at_ns, [record])

    def reached(self, last_arrival_ns: int) -> tuple[RequestRecord, ...]:
        """The requests that were made before the last frame had arrived; it arrived at `last_arrival_ns`."""
        return tuple(record for record in self.records if record.requested_at_ns <= last_arrival_ns)

    def unreached(self, last_arrival_ns: int | None) -> list[str]:
        """One line for each scheduled request, and for a first tick, after the last arrival; None: nothing arrived."""
        if self._start_ns is None or last_arrival_ns is None:
            return [
                f"{one.origin} at {milliseconds(one.at_ns)} is not reached: nothing arrived" for one in self._schedule
            ]
        last_ns = last_arrival_ns - self._start_ns
        beyond = f"is beyond the last arrival at {milliseconds(last_ns)}"
        missed = [
            f"{one.origin} at {milliseconds(one.at_ns)} {beyond}" for one in self._schedule if one.at_ns > last_ns
        ]
        if self._policy is not None and not self._policy.was_asked:
            first = f"its first tick at {milliseconds(self._policy.step_ns)}"
            missed.append(f"policy {self._policy.name} is never asked: {first} {beyond}, it needs a shorter tick_ns")
        return missed

    def _next_request_ns(self) -> int | None:
        if self._next == len(self._schedule):
            return None
        return (self._start_ns or 0) + self._schedule[self._next].at_ns

    def _coming_ns(self) -> int | None:
        """The next moment at which anything must be decided."""
        return min(
            (at_ns for at_ns in (self._next_request_ns(), self._next_tick_ns) if at_ns is not None), default=None
        )

    # One moment -------------------------------------------------------------------------------------------------------

    def _moment(
        self, at_ns: int, loads: Loads | None = None, next_arrival_ns: int | None = None
    ) -> SteeringUpdate | None:
        """Issue all requests of one moment; return the epoch they lead to (TIM-03, EPO-03)."""
        self._decided_ns = at_ns
        made_at_ns = self._opened(at_ns)
        first = len(self.records)
        while self._next_request_ns() == at_ns:
            scheduled = self._schedule[self._next]
            self._next += 1
            self._make(scheduled, made_at_ns)
        if loads is not None:
            self._rebalance(at_ns, made_at_ns, loads, next_arrival_ns)
        return self._published(made_at_ns, self.records[first:])

    def _opened(self, at_ns: int) -> int:
        """The moment, or the first one after it whose adoption time belongs to no epoch."""
        return at_ns if self._open_ns is None else max(at_ns, self._open_ns)

    def _published(self, at_ns: int, records: Iterable[RequestRecord]) -> SteeringUpdate | None:
        """The next epoch, if one follows from the requests of one moment (EPO-02)."""
        if all(record.epoch is None for record in records):
            return None
        before = self.snapshot
        self.snapshot = compile_snapshot(self.control.configuration, before.epoch + 1, before=before)
        self._open_ns = at_ns + 1
        return SteeringUpdate(
            requested_at_ns=at_ns,
            adopted_at_ns=at_ns + self._control_latency_ns,
            snapshot=self.snapshot,
            change=steering_change(before, self.snapshot),
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

    def _rebalance(self, at_ns: int, made_at_ns: int, loads: Loads, next_arrival_ns: int | None) -> None:
        """Let the policy make its requests, and set the next tick."""
        assert self._start_ns is not None, "nothing happens before the beginning"
        assert self._policy is not None, "without a policy there are no ticks"
        window = load_window(
            self.control,
            self.snapshot,
            loads,
            self._waiting,
            tick=self._tick,
            start_ns=self._window_start_ns - self._start_ns,
            end_ns=at_ns - self._start_ns,
        )
        self._waiting = {row.processor: row.queue_depth for row in window.processors}
        for vport_id, places in self._policy.wishes(window).items():
            for request in self._requests_for(vport_id, places):
                self.records.append(self._issue(request, made_at_ns, f"policy {self._policy.name}"))
        self._idle_ticks = self._idle_ticks + 1 if is_idle(loads) else 0
        if self._policy.has_failed:
            self._next_tick_ns = None
            return
        step_ns, steps = self._policy.step_ns, 1
        if self._idle_ticks >= IDLE_TICKS and next_arrival_ns is not None:
            steps = max(1, -((at_ns - next_arrival_ns) // step_ns))
        self._tick += steps
        self._next_tick_ns = at_ns + steps * step_ns
        self._window_start_ns = self._next_tick_ns - step_ns

    def _requests_for(self, vport_id: int, wanted: Places) -> Iterable[OidRequest]:
        """The requests that point the parameters of a VPort, or of the adapter, to the processors the policy wants."""
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


def _judged(request: OidRequest, completion: Completion) -> Completion:
    """A completion with the status of the first failed command: a request to move succeeds even then (UPD-36)."""
    if request.oid != Oid.OID_GEN_RSS_SET_INDIRECTION_TABLE_ENTRIES or not completion.why or completion.output is None:
        return completion  # without a reason nothing failed
    result = decode(SetIndirectionEntries, completion.output, output=True)
    assert not isinstance(result, Failure), result.why
    failed = (one.entry_status for one in result.rss_entry_table if one.entry_status != NdisStatus.NDIS_STATUS_SUCCESS)
    status = next(failed, None)
    return completion if status is None else replace(completion, status=NdisStatus(status))
