"""The NIC front-end actor: the shell around the NIC of a run, its source and its transport."""

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
from actors.transport import ActorTransport, RingTransport
from dataplane.engine.experiment import CompleteRows, EpochSpan, SourceFactory
from dataplane.engine.nic import Nic, NicResult
from dataplane.processor.messages import ProcessorLoad
from dataplane.receive.front_end import NicFrontEnd
from dataplane.receive.work import new_work_columns, work_bytes, work_columns_in
from dataplane.switch.snapshot import SteeringSnapshot
from dataplane.traffic.batch import FrameBatch
from dataplane.update.records import Stretch

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
    ordered: bool = False  # EPO-07


class Progressed(NamedTuple):
    """Told when the processors are there, and now and then."""

    frames: int  # so far
    share: float  # of the input


class CopiedRows(NamedTuple):
    """A batch whose rows are complete; comes in order."""

    first_frame: int
    rows: int
    columns: npt.NDArray[np.uint8]  # `work_columns_in` for that many rows
    spans: tuple[EpochSpan, ...]

    @classmethod
    def of(cls, complete: CompleteRows) -> CopiedRows:
        """A copy, since the slot of the original will be used again."""
        rows = len(complete.work.drop)
        columns = np.zeros(work_bytes(rows), np.uint8)
        copy: Sequence[Any] = work_columns_in(columns, rows)
        for to, of in zip(copy, complete.work, strict=True):
            to[:] = of
        return cls(complete.first_frame, rows, columns, complete.spans)

    @property
    def complete(self) -> CompleteRows:
        """The rows as every engine gives them out."""
        return CompleteRows(self.first_frame, work_columns_in(self.columns, self.rows), self.spans)


class NicReport(NamedTuple):
    """What a NIC front end knows at the end."""

    result: NicResult
    timestamp_regressions: int
    findings: tuple[str, ...]
    stopped: bool  # before the source was exhausted


def load_steering_kernels(snapshot: SteeringSnapshot) -> None:
    """Have the kernels of the NIC front end ready (compiled, or out of the cache) before the first frame comes."""
    one = np.zeros(1, np.uint32)
    frame = FrameBatch(0, np.zeros(1, np.int64), one, one, np.zeros(1, np.int64), np.zeros(64, np.uint8))
    offsets = np.zeros(len(snapshot.processors) + 1, np.int64)
    NicFrontEnd(snapshot).accept(frame, new_work_columns(1), 0, offsets, one.copy())


class NicActor:
    """Takes batches from the source, steers them and hands them to the processors, as far as there are credits.

    `run` is one long call. `stop` belongs into another concurrency group: `run` heeds it between batches.
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

    def run(
        self, snapshot: SteeringSnapshot, hosts: Sequence[Any], control: Any = None
    ) -> Iterator[Progressed | CopiedRows | NicReport]:
        """Run to the end of the source, or until `stop`; the last item is the report.

        `hosts` are the handles of the processor actors, which only the object store needs; `control` is that of the
        control actor when the steering may change. Raises what the source raises, and PeerLostError when a processor
        actor dies.
        """
        plan = self._plan
        load_steering_kernels(snapshot)
        source = plan.open_source()
        regressions, stopped = 0, False
        complete: list[CopiedRows] = []
        with closing(self._listener), closing(self._new_transport(hosts)) as transport:
            nic = Nic(
                snapshot,
                transport,
                RemoteControl(control) if control is not None else None,
                (lambda rows: complete.append(CopiedRows.of(rows))) if plan.rows_wanted else None,
                transmit_by_source=plan.transmit_by_source,
                ordered=plan.ordered,
            )
            yield Progressed(0, 0.0)
            told = time.monotonic()
            with closing(batches_ahead(source, plan.batch_frames)) as batches:
                for batch, share, regressions_so_far in batches:
                    if stopped := self._stop.is_set():
                        break
                    nic.take(batch)
                    yield from complete
                    complete.clear()
                    regressions = regressions_so_far
                    if time.monotonic() - told >= _PROGRESS_INTERVAL_SECONDS:
                        told = time.monotonic()
                        yield Progressed(nic.arrived, share)
            nic.finish()
            yield from complete
        yield NicReport(
            nic.result(),
            regressions if stopped else source.timestamp_regressions,
            tuple(source.findings),
            stopped,
        )

    def _new_transport(self, hosts: Sequence[Any]) -> ActorTransport:
        plan = self._plan
        if plan.transport == "ring":
            return RingTransport(self._listener, plan.host_ends, plan.slots, plan.batch_frames)
        from actors.object_store import ObjectStoreTransport  # noqa: PLC0415  # the ring is used without Ray in tests

        return ObjectStoreTransport(hosts, plan.host_ends, plan.slots)


class RemoteControl:
    """The control actor as the NIC asks it; what needs no loads is asked for in advance."""

    def __init__(self, control: Any) -> None:
        self._control = control
        self._coming: Any = None  # the next stretch, on its way

    def begin(self, start_ns: int) -> None:
        """The first frame arrives."""
        self._control.begin.remote(start_ns)  # calls of one caller keep their order

    def advance(self, loads: Sequence[ProcessorLoad] | None, next_arrival_ns: int) -> Stretch:
        """As `ControlTimeline.advance`."""
        import ray  # noqa: PLC0415  # the ring is used without Ray in tests

        if self._coming is None:
            self._coming = self._control.advance.remote(loads, next_arrival_ns)
        stretch: Stretch = ray.get(self._coming)
        self._coming = None
        if stretch.until_ns is not None and not stretch.wants_loads:
            self._coming = self._control.advance.remote(None, stretch.until_ns)
        return stretch
