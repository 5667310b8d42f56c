"""The NIC front-end actor: the shell around the NIC of a run, its source and its transport."""

from __future__ import annotations

import gc
import os
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from actors.doorbell import DoorbellListener
from actors.ring import buffers_for
from actors.source import SourcedBatch, batches_ahead
from actors.transport import ActorTransport, RingTransport
from actors.updates import UpdateReader
from actors.wire import encode_report
from dataplane.engine.experiment import CompleteRows, EpochSpan, SourceFactory
from dataplane.engine.loading import load_steering_kernels
from dataplane.engine.nic import Nic, NicResult
from dataplane.engine.statistics import NicStatistics
from dataplane.errors import ExitCode, UserError
from dataplane.processor.messages import Loads
from dataplane.receive.work import work_bytes, work_columns_in
from dataplane.switch.snapshot import SteeringSnapshot
from dataplane.update.records import RequestRecord, SteeringUpdate, Stretch

if TYPE_CHECKING:  # loads the control plane
    from actors.control import DecidedAt

_PROGRESS_INTERVAL_SECONDS = 0.1

TransportName = Literal["ring", "object-store"]


@dataclass(frozen=True, slots=True)
class NicPlan:
    """The parameters of a NIC front end."""

    open_source: SourceFactory
    transmit_by_source: bool
    host_ends: tuple[int, ...]  # processor actor h owns the processor rows below host_ends[h] that no other owns
    transport: TransportName
    batch_frames: int
    directory: str  # base of relative paths
    rows_wanted: bool  # send every batch back once its rows are complete
    buffers: int | None = None  # batches in flight; None: from `buffers_for`
    ordered: bool = False  # EPO-07
    threads: int = 1  # that steer a batch together
    held: bool = False  # take no frame before `release`
    idle_seconds: float | None = None  # look for requests at least that often; None: there are no requests


class Progressed(NamedTuple):
    """Sent when the processors are ready, and from time to time."""

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
        """A copy, since the buffer of the original will be used again."""
        rows = len(complete.work.drop)
        columns = np.zeros(work_bytes(rows), np.uint8)
        copy: Sequence[Any] = work_columns_in(columns, rows)
        for to, of in zip(copy, complete.work, strict=True):
            to[:] = of
        return cls(complete.first_frame, rows, columns, complete.spans)

    @property
    def complete(self) -> CompleteRows:
        """The rows in the form that every engine delivers."""
        return CompleteRows(self.first_frame, work_columns_in(self.columns, self.rows), self.spans)


class Answered(NamedTuple):
    """The outcome of a request from outside."""

    record: RequestRecord
    start_ns: int  # of the run: model times count from there
    epoch: int | None  # the epoch it led to; None: it changed no steering
    adopted_at_ns: int | None  # frames that arrive from then on are steered by it


class NicReport(NamedTuple):
    """The report of a NIC front end."""

    result: NicResult
    timestamp_regressions: int
    findings: tuple[str, ...]
    stopped: bool  # before the source was exhausted
    object_bytes: int = 0  # sent to the processors through Ray's object store


class NicActor:
    """Takes batches from the source, steers them and sends them to the processors, as far as there are credits.

    `run` is one long call. `stop`, `release`, `request` and `statistics` belong into other concurrency groups. `run`
    handles them between batches, so each may take as long as a batch.
    """

    def __init__(self, plan: NicPlan) -> None:
        with suppress(OSError):  # another node may not have the directory; relative names are then not found
            os.chdir(plan.directory)
        self._plan = plan
        self._listener = DoorbellListener()
        self._stop = threading.Event()
        self._released = threading.Event()
        self._control: Any = None  # the RemoteControl, while it runs
        self._requests: deque[_Request] = deque()  # of clients, not yet passed to control
        self._looks: deque[_Look] = deque()
        self._over = False  # no more requests are accepted

    def address(self) -> str:
        """The address to which processor actors connect if the transport is the ring."""
        return self._listener.address

    def stop(self) -> None:
        """Take no more batches; what was taken is finished and reported."""
        self._stop.set()

    def release(self) -> None:
        """Begin to take frames, if the plan says to wait for this call."""
        self._released.set()

    def request(self, make: bytes, origin: str) -> list[Answered]:
        """Make requests (`actors.control.encode_maker`) at the next moments between two batches; how they ended.

        The requests follow each other, each at its own moment; the first one that fails ends the series. Raises
        UserError if the run is over or ends before, and what `ControlActor.request_at` raises.
        """
        request = _Request(self._control, make, origin)
        self._requests.append(request)
        self._wait_for(request)
        if request.failure is not None:
            raise request.failure
        if not request.answers:
            raise self._ended()
        return request.answers

    def statistics(self) -> NicStatistics:
        """The counts so far; UserError if the run is over."""
        look = _Look()
        self._looks.append(look)
        self._wait_for(look)
        if look.statistics is None:
            raise self._ended()
        return look.statistics

    def _ended(self) -> UserError:
        """The reason why requests are not handled any more."""
        if self._stop.is_set():
            return UserError("the dataplane is being taken down")
        return UserError("its NIC takes no more frames", ExitCode.INCONCLUSIVE)

    def _wait_for(self, errand: _Request | _Look) -> None:
        if self._over:
            self._turn_away()
        errand.done.wait()

    def _run_errands(self, nic: Nic) -> None:
        """Let control decide waiting requests, unless they must wait for frames, and answer callers of `statistics`."""
        while self._requests and self._requests[0].pass_on(nic):
            self._requests.popleft().done.set()
        while self._looks:
            self._looks.popleft().look(nic)

    def _turn_away(self) -> None:
        """Reject waiting requests: nothing is decided any more."""
        self._over = True
        for errands in (self._requests, self._looks):
            while errands:  # only the caller that waits for the last one may remove it at the same time
                with suppress(IndexError):
                    errands.popleft().done.set()

    def run(
        self, snapshot: SteeringSnapshot, hosts: Sequence[Any], control: Any = None
    ) -> Iterator[Progressed | CopiedRows | bytes]:
        """Run to the end of the source, or until `stop`; the last item is a NicReport from `encode_report`.

        `hosts` are the handles of the processor actors, which only the object store needs. `control` is the handle of
        the control actor if the steering may change. Raises what the source raises, and PeerLostError if a processor
        actor dies.
        """
        plan = self._plan
        self._control = None if control is None else RemoteControl(control, snapshot, ahead=plan.idle_seconds is None)
        load_steering_kernels(snapshot)
        source = plan.open_source()
        last: SourcedBatch | None = None
        stopped = False
        complete: deque[CopiedRows] = deque()
        try:
            with closing(self._listener), closing(self._new_transport(hosts)) as transport:
                nic = Nic(
                    snapshot,
                    transport,
                    self._control,
                    (lambda rows: complete.append(CopiedRows.of(rows))) if plan.rows_wanted else None,
                    transmit_by_source=plan.transmit_by_source,
                    ordered=plan.ordered,
                    threads=plan.threads,
                )
                gc.freeze()  # garbage collection after updates skips the objects that exist by now
                yield Progressed(0, 0.0)
                if plan.held:
                    self._released.wait()
                told = time.monotonic()
                with closing(batches_ahead(source, plan.batch_frames, plan.idle_seconds)) as batches:
                    for made in batches:
                        if stopped := self._stop.is_set():
                            break
                        self._run_errands(nic)
                        if made is None:
                            nic.listen()
                            continue
                        last = made
                        nic.take(made.batch)
                        while complete:
                            yield complete.popleft()  # `yield from` passes on what Ray sends into generators
                        if time.monotonic() - told >= _PROGRESS_INTERVAL_SECONDS:
                            told = time.monotonic()
                            yield Progressed(nic.arrived, made.progress)
                self._turn_away()
                nic.finish()
                while complete:
                    yield complete.popleft()
        finally:
            self._turn_away()  # waiting callers get an answer, even if something breaks
        # of a stopped source only findings about the frames that were taken count
        regressions, findings = (last.timestamp_regressions, last.findings) if last else (0, ())
        report = NicReport(
            nic.result(),
            regressions if stopped else source.timestamp_regressions,
            findings if stopped else tuple(source.findings),
            stopped,
            transport.object_bytes,
        )
        yield encode_report(report)

    def _new_transport(self, hosts: Sequence[Any]) -> ActorTransport:
        plan = self._plan
        buffers = plan.buffers or buffers_for(len(plan.host_ends))
        if plan.transport == "ring":
            return RingTransport(
                self._listener, plan.host_ends, buffers, plan.batch_frames, rows_wanted=plan.rows_wanted
            )
        from actors.object_store import ObjectStoreTransport  # noqa: PLC0415  # the ring is used without Ray in tests

        return ObjectStoreTransport(hosts, plan.host_ends, buffers, rows_wanted=plan.rows_wanted)


class _Request:
    """A request from outside on its way, or several that follow each other."""

    def __init__(self, control: RemoteControl, make: bytes, origin: str) -> None:
        self.done = threading.Event()
        self.answers: list[Answered] = []
        self.failure: Exception | None = None
        self._control = control
        self._left: bytes | None = make
        self._origin = origin
        self._start_ns = 0

    def pass_on(self, nic: Nic) -> bool:
        """Let control decide everything; false while the requests must wait for frames."""
        self._start_ns = nic.result().start_ns
        while self._left is not None:
            if not nic.interject(self._decide):
                return False
        return True

    def _decide(self, now_ns: int) -> SteeringUpdate | None:
        """Let the control actor decide the first remaining request."""
        import ray  # noqa: PLC0415  # the ring is used without Ray in tests

        assert self._left is not None, "somebody has looked"
        try:
            decided, update = self._control.request_at(self._left, now_ns, self._origin)
        except ray.exceptions.RayTaskError as error:  # the request is at fault, not the run
            self.failure, self._left = error.cause or error, None
            return None
        epoch, adopted_at_ns = (update.epoch, update.adopted_at_ns) if update else (None, None)
        self.answers.append(Answered(decided.record, self._start_ns, epoch, adopted_at_ns))
        self._left = decided.rest
        return update


class _Look:
    """A call of `statistics` that waits for its answer."""

    def __init__(self) -> None:
        self.done = threading.Event()
        self.statistics: NicStatistics | None = None

    def look(self, nic: Nic) -> None:
        """Between two batches."""
        told = nic.result()
        self.statistics = NicStatistics(
            told.arrived,
            told.start_ns,
            told.last_arrival_ns,
            nic.live_epochs[-1],
            told.dropped,
            told.target_ids,
            told.target_names,
            nic.live_target_ids,
        )
        self.done.set()


class RemoteControl:
    """The control actor as seen by the NIC; stretches that need no loads are requested in advance.

    All updates before the first tick are there before the first frame.
    """

    def __init__(self, control: Any, snapshot: SteeringSnapshot, *, ahead: bool) -> None:
        """`snapshot` is that of epoch 0. Without `ahead` nothing is asked in advance: clients may ask in between."""
        import ray  # noqa: PLC0415  # the ring is used without Ray in tests

        self._control = control
        self._reader = UpdateReader(snapshot)
        self._ahead = ahead
        self._start_ns = 0
        self._first: Stretch | None = self._reader.stretch(ray.get(control.foresee.remote())) if ahead else None
        self._coming: Any = None  # the next stretch, requested but not yet received

    def begin(self, start_ns: int) -> None:
        """The first frame arrives."""
        self._start_ns = start_ns
        self._control.begin.remote(start_ns)  # calls of one caller keep their order

    def advance(self, loads: Loads | None, next_arrival_ns: int) -> Stretch:
        """As `ControlTimeline.advance`."""
        import ray  # noqa: PLC0415  # the ring is used without Ray in tests

        if self._first is not None:
            stretch, self._first = self._first.later(self._start_ns), None
        else:
            if self._coming is None:
                self._coming = self._control.advance.remote(loads, next_arrival_ns)
            stretch = self._reader.stretch(ray.get(self._coming))
        self._coming = None
        if self._ahead and stretch.until_ns is not None and not stretch.wants_loads:
            self._coming = self._control.advance.remote(None, stretch.until_ns)
        return stretch

    def request_at(self, make: bytes, now_ns: int, origin: str) -> tuple[DecidedAt, SteeringUpdate | None]:
        """As `ControlActor.request_at`, and the update it leads to."""
        import ray  # noqa: PLC0415  # the ring is used without Ray in tests

        decided: DecidedAt = ray.get(self._control.request_at.remote(make, now_ns, origin))
        return decided, self._reader.update(decided.update) if decided.update is not None else None
