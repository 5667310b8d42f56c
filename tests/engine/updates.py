"""Runs with updates for tests: the NIC of a run with a control side that knows all updates beforehand."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from random import Random
from typing import Any

import numpy as np

from dataplane.engine.experiment import CompleteRows, Experiment, UpdatePlan
from dataplane.engine.nic import Nic, NicResult
from dataplane.engine.plan import plan_host
from dataplane.engine.transport import LocalTransport, Sent
from dataplane.ids import ProcessorNumber
from dataplane.processor.costs import CostModel
from dataplane.processor.host import HostPlan, HostReport, ProcessorHost
from dataplane.processor.messages import Acknowledge, End, FromHost, Loads, Settle, Tick, ToHost, Work
from dataplane.processor.processor import ProcessorReport
from dataplane.processor.work_buffer import SEGMENTS_MAX, WorkBuffer, work_buffer
from dataplane.receive.work import WorkColumns, new_work_columns
from dataplane.switch.change import steering_change
from dataplane.switch.compile import compile_snapshot
from dataplane.switch.configuration import AdapterConfiguration
from dataplane.traffic.batch import FrameBatch
from dataplane.update.certificates import UpdateReport, certify
from dataplane.update.records import SteeringUpdate, Stretch
from tests.batches import FramesInMemory
from tests.reference.processor import ProcessorCosts

__all__ = ["FinishedRun", "Planned", "Scattered", "planned_updates", "run_with_updates"]


class Planned:
    """A control side that returns given updates, in stretches of some length, and asks for loads at given moments."""

    def __init__(self, updates: Sequence[SteeringUpdate], *, stretch: int = 100, ticks_ns: Sequence[int] = ()) -> None:
        self.loads: list[Loads] = []
        self._updates = list(updates)
        self._stretch = stretch
        self._ticks_ns = list(ticks_ns)
        self._asked_for_loads = False

    def begin(self, start_ns: int) -> None:
        """All times are absolute already."""

    def advance(self, loads: Loads | None, next_arrival_ns: int) -> Stretch:
        """The next stretch."""
        if self._asked_for_loads:
            assert loads is not None, "loads were asked for"
            self.loads.append(loads)
            self._ticks_ns.pop(0)
        tick_ns = self._ticks_ns[0] if self._ticks_ns else None
        now: list[SteeringUpdate] = []
        while self._updates and len(now) < self._stretch:
            if tick_ns is not None and self._updates[0].requested_at_ns >= tick_ns:
                break
            now.append(self._updates.pop(0))
        coming = self._updates[0].requested_at_ns if self._updates else None
        self._asked_for_loads = tick_ns is not None and (coming is None or tick_ns <= coming)
        return Stretch(tuple(now), tick_ns if self._asked_for_loads else coming, self._asked_for_loads)


def planned_updates(
    configurations: Sequence[tuple[int | None, AdapterConfiguration]], processors: Sequence[ProcessorNumber]
) -> list[SteeringUpdate]:
    """Updates that put each configuration in force at its moment."""
    before = compile_snapshot(configurations[0][1], 0, processors)
    updates = []
    for epoch, (adoption_ns, configuration) in enumerate(configurations[1:], 1):
        assert adoption_ns is not None, "only the first configuration is there from the beginning"
        after = compile_snapshot(configuration, epoch, before=before)
        updates.append(SteeringUpdate(adoption_ns, adoption_ns, after, steering_change(before, after)))
        before = after
    return updates


@dataclass(frozen=True, slots=True)
class Scattered:
    """Processors spread over hosts that work at random times."""

    host_ends: list[int]  # host h owns the processors below host_ends[h] that no other owns
    buffers: int  # batches in flight
    seed: int


class ScatteredTransport:
    """Hosts in one process whose messages are delivered in any order that a real transport may have."""

    def __init__(self, plans: Sequence[HostPlan], batch_frames: int, scattered: Scattered) -> None:
        self.hosts = len(plans)
        self._random = Random(scattered.seed)
        self._processors = [ProcessorHost(plan) for plan in plans]
        self._free = deque(
            work_buffer(
                new_work_columns(batch_frames),
                np.zeros((SEGMENTS_MAX, plans[0].processors + 1), np.int64),
                np.zeros(batch_frames, np.uint32),
            )
            for _ in range(scattered.buffers)
        )
        self._ends = [0, *scattered.host_ends]
        self._to_host: list[deque[tuple[ToHost, WorkBuffer | None]]] = [deque() for _ in plans]
        self._from_host: list[deque[FromHost]] = [deque() for _ in plans]
        self._works = [0] * len(plans)
        self._in_flight: deque[tuple[Sent, set[int]]] = deque()  # and hosts that have not acknowledged
        self._batch_of_work: list[deque[tuple[Sent, set[int]]]] = [deque() for _ in plans]

    def start(self, start_ns: int) -> None:
        """As `Transport.start`."""
        for host in self._processors:
            host.start(start_ns)

    def has_buffer(self) -> bool:
        """As `Transport.has_buffer`."""
        return bool(self._free)

    def next_buffer(self, rows: int) -> WorkBuffer:
        """As `Transport.next_buffer`."""
        return self._free.popleft()

    def send(self, batch: Sent, settled: Sequence[Settle], *, everywhere: bool) -> None:
        """As `Transport.send`."""
        offsets = batch.buffer.offsets[: len(batch.segments)]
        entry: tuple[Sent, set[int]] = (batch, set())
        for host in range(self.hosts):
            rows = (offsets[:, self._ends[host + 1]] - offsets[:, self._ends[host]]).sum()
            if not rows and not everywhere and not settled:
                continue
            work = Work(self._works[host], 0, batch.rows, batch.first_frame, batch.segments, tuple(settled))
            self._works[host] += 1
            entry[1].add(host)
            self._to_host[host].append((work, batch.buffer))
            self._batch_of_work[host].append(entry)
        self._in_flight.append(entry)

    def tell(self, message: Settle | Tick) -> None:
        """As `Transport.tell`."""
        for queue in self._to_host:
            queue.append((message, None))

    def receive(self, *, wait: bool) -> list[tuple[int, FromHost]]:
        """As `Transport.receive`: some host takes a message, or one of its messages arrives."""
        while True:
            ways = [(host, "to") for host, queue in enumerate(self._to_host) if queue]
            ways += [(host, "from") for host, queue in enumerate(self._from_host) if queue]
            if not ways:
                assert not wait, "everybody waits for somebody"
                return []
            if not wait and self._random.random() < 0.5:
                return []
            host, way = self._random.choice(ways)
            if way == "to":
                message, buffer = self._to_host[host].popleft()
                self._from_host[host].extend(self._processors[host].receive(message, buffer))
                continue
            heard = self._from_host[host].popleft()
            if isinstance(heard, Acknowledge):
                self._batch_of_work[host].popleft()[1].remove(host)
            return [(host, heard)]

    def settle(self) -> list[Sent]:
        """As `Transport.settle`."""
        back = []
        while self._in_flight and not self._in_flight[0][1]:
            back.append(self._in_flight.popleft()[0])
            self._free.append(back[-1].buffer)
        return back

    def end(self) -> None:
        """As `Transport.end`."""
        for queue, works in zip(self._to_host, self._works, strict=True):
            queue.append((End(works), None))

    def reports(self) -> list[HostReport]:
        """The reports of all hosts."""
        return [host.report() for host in self._processors]


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """The results of a run."""

    nic: NicResult
    processors: list[ProcessorReport]
    report: UpdateReport
    rows: dict[str, np.ndarray]  # of every frame: columns of the work, and `epoch`
    loads: list[Loads]


def run_with_updates(
    batch: FrameBatch,
    configurations: Sequence[tuple[int | None, AdapterConfiguration]],
    costs: Mapping[ProcessorNumber, ProcessorCosts],
    *,
    ordered: bool,
    batch_frames: int = 7,
    stretch: int = 100,
    ticks_ns: Sequence[int] = (),
    scattered: Scattered | None = None,
) -> FinishedRun:
    """A whole run: inline, or with the processors `scattered` over hosts."""
    numbers = tuple(sorted(costs))
    snapshot = compile_snapshot(configurations[0][1], 0, numbers)
    experiment = Experiment(
        snapshot,
        tuple(CostModel(**asdict(costs[number])) for number in numbers),
        transmit_by_source=True,
        window_ns=10,
        batch_frames=batch_frames,
        hand_over="ordered" if ordered else "permissive",
        updates=UpdatePlan(),
    )
    ends = scattered.host_ends if scattered else [len(numbers)]
    plans = [
        plan_host(experiment, host, first, end, rows_wanted=True, ticks=bool(ticks_ns))
        for host, (first, end) in enumerate(zip([0, *ends], ends, strict=False))
    ]
    transport: LocalTransport | ScatteredTransport = (
        ScatteredTransport(plans, batch_frames, scattered) if scattered else LocalTransport(plans[0], batch_frames)
    )
    control = Planned(planned_updates(configurations, numbers), stretch=stretch, ticks_ns=ticks_ns)
    kept: list[CompleteRows] = []

    def keep(rows: CompleteRows) -> None:
        columns: list[Any] = [column.copy() for column in rows.work]
        kept.append(rows._replace(work=WorkColumns(*columns)))

    nic = Nic(snapshot, transport, control, keep, transmit_by_source=True, ordered=ordered)
    for part in FramesInMemory(batch).batches(batch_frames):
        nic.take(part)
    nic.finish()
    reports = transport.reports() if isinstance(transport, ScatteredTransport) else [transport.report()]
    processors = [processor for host in reports for processor in host.processors]
    told = nic.result()
    report = certify(
        told.updates,
        (),
        [processor.updates for processor in processors],
        processors=numbers,
        target_ids=told.target_ids,
        target_key="vport_id",
        hand_over=experiment.hand_over,
        start_ns=0,
        last_arrival_ns=told.last_arrival_ns,
        arrived=told.arrived,
    )
    assert nic.live_epochs == [len(told.updates)], "every older epoch is retired at the end"
    return FinishedRun(told, processors, report, _joined(kept), control.loads)


def _joined(kept: Sequence[CompleteRows]) -> dict[str, np.ndarray]:
    empty = new_work_columns(0)
    whole = [np.concatenate(parts) for parts in zip(empty, *(part.work for part in kept), strict=True)]
    work = WorkColumns(*whole)
    rows = {name: work.rows[name] for name in work.rows.dtype.names or ()} | work._asdict()
    del rows["rows"]
    epochs = [np.repeat([s.epoch for s in p.spans], np.diff([s.end_row for s in p.spans], prepend=0)) for p in kept]
    rows["epoch"] = np.concatenate([np.zeros(0), *epochs])
    assert [part.first_frame for part in kept] == np.cumsum([0, *(len(p.work.drop) for p in kept)])[:-1].tolist()
    return rows
