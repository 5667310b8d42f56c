"""The NIC front-end actor: source, steering and the transport of one simulated host."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from actors.doorbell import DoorbellListener
from actors.source import batches_ahead
from actors.transport import RingTransport, Sent, Transport
from dataplane.engine.experiment import SourceFactory
from dataplane.receive.front_end import NicFrontEnd
from dataplane.receive.work import first_rows, new_work_columns, work_bytes, work_columns_in
from dataplane.switch.snapshot import SteeringSnapshot
from dataplane.traffic.batch import FrameBatch

_PROGRESS_INTERVAL_SECONDS = 0.1

TransportName = Literal["ring", "object-store"]


@dataclass(frozen=True, slots=True)
class NicPlan:
    """What a NIC front end is told before the run."""

    open_source: SourceFactory
    transmit_by_source: bool
    host_ends: tuple[int, ...]  # processor actor h owns the processor rows below host_ends[h] that no other owns
    transport: TransportName
    slots: int  # batches in flight
    batch_frames: int
    directory: str  # what relative paths are relative to
    rows_wanted: bool  # send every batch back once its rows are complete


class Progressed(NamedTuple):
    """Told when the processors are there, and now and then."""

    frames: int  # so far
    share: float  # of the input


class CompleteRows(NamedTuple):
    """A batch whose rows are complete; comes in order."""

    first_frame: int
    rows: int
    columns: npt.NDArray[np.uint8]  # `work_columns_in` for that many rows


class NicReport(NamedTuple):
    """What a NIC front end knows at the end."""

    start_ns: int
    arrived: int
    dropped: dict[str, int]  # before any processor, by reason
    timestamp_regressions: int
    findings: tuple[str, ...]
    stopped: bool  # before the source was exhausted


def load_steering_kernels(snapshot: SteeringSnapshot) -> None:
    """Have the kernels of the NIC front end ready (compiled, or out of the cache) before the first frame comes."""
    one = np.zeros(1, np.uint32)
    frame = FrameBatch(0, np.zeros(1, np.int64), one, one, np.zeros(1, np.int64), np.zeros(64, np.uint8))
    offsets = np.zeros(len(snapshot.processors) + 1, np.int64)
    NicFrontEnd(snapshot).accept(frame, new_work_columns(1), offsets, one.copy())


class NicActor:
    """Takes batches from the source, steers them and hands them to the processors, as far as there are credits.

    `run` is one long call. `stop` belongs into another concurrency group: `run` heeds it between batches, which is also
    where a new snapshot would be adopted.
    """

    def __init__(self, plan: NicPlan) -> None:
        with suppress(OSError):  # another node need not have it; relative names are then not found
            os.chdir(plan.directory)
        self._plan = plan
        self._listener = DoorbellListener()
        self._stop = threading.Event()

    def address(self) -> str:
        """Where processor actors report when the transport is the ring."""
        return self._listener.address

    def stop(self) -> None:
        """Take no more batches; what was taken is finished and reported."""
        self._stop.set()

    def run(self, snapshot: SteeringSnapshot, hosts: Sequence[Any]) -> Iterator[Progressed | CompleteRows | NicReport]:
        """Run to the end of the source, or until `stop`; the last item is the report.

        `hosts` are the handles of the processor actors, which only the object store needs. Raises what the source
        raises, and PeerLostError when a processor actor dies.
        """
        plan = self._plan
        load_steering_kernels(snapshot)
        source = plan.open_source()
        front_end = NicFrontEnd(snapshot, transmit_by_source=plan.transmit_by_source)
        start_ns = regressions = 0
        stopped = False
        with closing(self._listener), closing(self._new_transport(hosts)) as transport:
            yield Progressed(0, 0.0)
            told = time.monotonic()
            with closing(batches_ahead(source, plan.batch_frames)) as batches:
                for batch, share, regressions_so_far in batches:
                    if stopped := self._stop.is_set():
                        break
                    if not front_end.arrived:
                        start_ns = int(batch.timestamp_ns[0])
                        transport.start(start_ns)
                    yield from self._rows(transport.settle(transport.slots - 1))
                    slot = transport.next_slot(len(batch))
                    front_end.accept(batch, slot.work, slot.offsets, slot.selection)
                    transport.send(Sent(slot, len(batch), batch.first_frame), snapshot.epoch)
                    regressions = regressions_so_far
                    if time.monotonic() - told >= _PROGRESS_INTERVAL_SECONDS:
                        told = time.monotonic()
                        yield Progressed(front_end.arrived, share)
            if not front_end.arrived:
                transport.start(start_ns)
            yield from self._rows(transport.settle(0))
            transport.end()
        yield NicReport(
            start_ns,
            front_end.arrived,
            front_end.dropped(),
            regressions if stopped else source.timestamp_regressions,
            tuple(source.findings),
            stopped,
        )

    def _new_transport(self, hosts: Sequence[Any]) -> Transport:
        plan = self._plan
        if plan.transport == "ring":
            return RingTransport(self._listener, plan.host_ends, plan.slots, plan.batch_frames)
        from actors.object_store import ObjectStoreTransport  # noqa: PLC0415  # the ring is used without Ray in tests

        return ObjectStoreTransport(hosts, plan.host_ends, plan.slots)

    def _rows(self, complete: list[Sent]) -> Iterator[CompleteRows]:
        if self._plan.rows_wanted:
            for batch in complete:
                columns = np.zeros(work_bytes(batch.rows), np.uint8)
                copy: Sequence[Any] = work_columns_in(columns, batch.rows)
                for to, of in zip(copy, first_rows(batch.slot.work, 0, batch.rows), strict=True):
                    to[:] = of
                yield CompleteRows(batch.first_frame, batch.rows, columns)
