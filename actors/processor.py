"""The processor actor: owns one or several simulated processors of a host and serves their rows of every batch."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from actors.doorbell import connect
from actors.ring import DescriptorRing, Slot, slot_in
from actors.wire import Acknowledge, End, Hello, Start, Welcome, Work
from dataplane.engine.experiment import Experiment
from dataplane.processor.costs import CostModel
from dataplane.processor.processor import Processor, ProcessorReport, Windows
from dataplane.receive.work import new_work_columns


@dataclass(frozen=True, slots=True)
class HostPlan:
    """What one processor actor owns."""

    host: int  # number of the actor among those of the simulated host
    first_processor: int  # row of the snapshot's processors; the others follow it
    costs: tuple[CostModel, ...]  # by processor of this actor
    processors: int  # of the whole simulated host
    window_ns: int
    targets: int
    entry_slots: int


def plan_hosts(experiment: Experiment, processors_per_actor: int) -> list[HostPlan]:
    """Spread the processors of an experiment over actors, consecutive ones together."""
    entry_slots = len(experiment.snapshot.entry_slots().target)
    targets = len(experiment.snapshot.target_names)
    firsts = range(0, len(experiment.costs), processors_per_actor)
    return [
        HostPlan(
            host,
            first,
            experiment.costs[first : first + processors_per_actor],
            len(experiment.costs),
            experiment.window_ns,
            targets,
            entry_slots,
        )
        for host, first in enumerate(firsts)
    ]


def load_processor_kernels(plan: HostPlan) -> None:
    """Have the kernels of a processor ready (compiled, or out of the cache) before the first work comes."""
    processor = Processor(plan.costs[0], Windows(0, plan.window_ns), plan.targets, plan.entry_slots)
    processor.serve(new_work_columns(1), np.zeros(1, np.uint32), 0)


class ServedRows(NamedTuple):
    """The answer to a batch out of the object store: what was written to the host's rows, in selection order."""

    number: int  # of the doorbell
    drop: npt.NDArray[np.uint8]
    completion_ns: npt.NDArray[np.int64]


class ProcessorHost:
    """The processors of one actor; knows nothing of how work reaches it."""

    def __init__(self, plan: HostPlan) -> None:
        self._plan = plan
        self._processors: list[Processor] = []
        self._expected = 0  # number of the next doorbell
        self._epoch = 0

    def start(self, start_ns: int) -> None:
        """Make the processors; `start_ns` is the first arrival of the run."""
        assert not self._processors, "a host is started once"
        plan = self._plan
        windows = Windows(start_ns, plan.window_ns)
        self._processors = [Processor(costs, windows, plan.targets, plan.entry_slots) for costs in plan.costs]

    def serve(self, doorbell: Work, slot: Slot) -> Acknowledge:
        """Serve the rows of this host's processors; `drop` and `completion_ns` of the slot are written."""
        assert doorbell.number == self._expected, f"doorbell {doorbell.number}, not {self._expected}: a gap or a repeat"
        assert doorbell.epoch >= self._epoch, f"work of epoch {doorbell.epoch} behind work of epoch {self._epoch}"
        self._expected, self._epoch = doorbell.number + 1, doorbell.epoch
        for row, processor in enumerate(self._processors, self._plan.first_processor):
            rows = slot.selection[slot.offsets[row] : slot.offsets[row + 1]]
            if len(rows):
                processor.serve(slot.work, rows, doorbell.first_frame)
        return Acknowledge(doorbell.number)

    def own_rows(self, slot: Slot) -> npt.NDArray[np.uint32]:
        """Rows of a batch that belong to this host."""
        first = self._plan.first_processor
        return slot.selection[slot.offsets[first] : slot.offsets[first + len(self._plan.costs)]]

    def end(self, message: End) -> None:
        """Nothing comes any more."""
        assert message.number == self._expected, f"{message.number} doorbells were rung, {self._expected} heard"

    def report(self) -> list[ProcessorReport]:
        """What every processor has to say, by row; the host is not used afterwards."""
        return [processor.report() for processor in self._processors]


class ProcessorActor:
    """The shell around a `ProcessorHost`. Either `serve`, or `start` and `serve_stored`; then `report`."""

    def __init__(self, plan: HostPlan) -> None:
        load_processor_kernels(plan)
        self._plan = plan
        self._host = ProcessorHost(plan)

    def serve(self, address: str) -> None:
        """Serve the doorbell at that address to its end; PeerLostError when the NIC front end dies."""
        doorbell = connect(address)
        try:
            doorbell.ring(Hello(self._plan.host))
            welcome, memory = doorbell.wait_with_descriptor()
            assert isinstance(welcome, Welcome), welcome
            try:
                ring = DescriptorRing(memory, *welcome)
            finally:
                os.close(memory)
            while not isinstance(message := doorbell.wait(), End):
                if isinstance(message, Work):
                    doorbell.ring(self._host.serve(message, ring[message.slot]))
                else:
                    assert isinstance(message, Start), message
                    self._host.start(message.start_ns)
            self._host.end(message)
        finally:
            doorbell.close()

    def start(self, start_ns: int) -> None:
        """Work will come by `serve_stored`."""
        self._host.start(start_ns)

    def serve_stored(self, doorbell: Work, stored: npt.NDArray[np.uint8]) -> ServedRows:
        """Serve rows of a batch out of the object store."""
        # objects of the store are read-only, and the kernels are compiled for columns that are not
        slot = slot_in(stored.copy(), doorbell.rows, self._plan.processors)
        rows = self._host.own_rows(slot)
        number = self._host.serve(doorbell, slot).number
        return ServedRows(number, slot.work.drop[rows], slot.work.completion_ns[rows])

    def report(self) -> list[ProcessorReport]:
        """What every processor of this actor has to say, by row."""
        return self._host.report()
