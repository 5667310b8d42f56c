"""The control actor: owns the configuration of a simulated host, and compiles the snapshots for its NIC front end.

All requests that change the configuration come to this actor. The changes of steering at one moment make the next
snapshot, with the next epoch. The NIC adopts a snapshot between two frames, and tells the processors with a marker. A
run whose configuration never changes has only epoch 0.

With a journal, every change is on file before its request is answered, and a control actor that is restarted on the
same journal continues where the previous one was. A request that was never answered may or may not have taken effect.
"""

from __future__ import annotations

import gc
import pickle
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from actors.updates import UpdateWriter
from actors.wire import encode_report
from dataplane.control.adapter import ControlPlane
from dataplane.control.journal import JournaledControlPlane, Recovered, recover_or_create
from dataplane.control.packing import packed, unpacked
from dataplane.control.requests import Completion, OidRequest
from dataplane.control.specification import AdapterSpecification
from dataplane.engine.control import RunControl, issue_set_up, timeline_of
from dataplane.engine.experiment import UpdatePlan
from dataplane.ids import ProcessorNumber
from dataplane.processor.messages import Loads
from dataplane.results.adapter import adapter_document
from dataplane.switch.compile import compile_snapshot
from dataplane.switch.configuration import AdapterConfiguration
from dataplane.switch.snapshot import SteeringSnapshot
from dataplane.update.records import RequestRecord
from dataplane.update.schedule import FixedRequests, RequestMaker

#: Requests that are kept for display.
_RECENT = 16


class OidCall(NamedTuple):
    """The message of a caller with a request."""

    request: OidRequest
    outstanding: frozenset[int] = frozenset()  # queues (VPorts in switch mode) with NBLs not returned


def encode_call(call: OidCall) -> bytes:
    """A call as msgpack."""
    return packed(call, OidCall)


def decode_completion(answer: bytes) -> Completion:
    """The completion in an answer of `ControlActor.request`; ValueError for anything else."""
    return unpacked(answer, Completion)


def encode_maker(make: RequestMaker) -> bytes:
    """A maker of requests as bytes, for `ControlActor.request_at`."""
    return pickle.dumps(make)


class DecidedAt(NamedTuple):
    """The outcome of the first of several requests, and the remaining ones."""

    record: RequestRecord
    update: bytes | None  # as `UpdateWriter.update`; None: it changed no steering
    rest: bytes | None  # as `encode_maker`; None: no others remain, or this one failed


@dataclass(frozen=True, slots=True)
class ControlPlan:
    """The adapter a control actor owns."""

    specification: AdapterSpecification
    journal: str | None = None  # path of its journal, recovered if it exists; None: changes die with the actor
    requests: tuple[OidRequest, ...] = ()  # set the adapter up, unless its journal already has them
    fsync: bool = True  # answered requests survive a power failure, not just the death of the actor
    updates: UpdatePlan | None = None  # what changes in a run; None: only what clients request
    ahead: int | None = None  # as of `ControlTimeline`; 0: others may request at any time


class _FixedConfiguration(NamedTuple):
    """The configuration of a run in which nothing changes."""

    configuration: AdapterConfiguration
    epoch: int


class ControlActor:
    """Owns the control plane of one adapter, or one configuration that never changes.

    `processors` fixes the rows of the processors for the whole run; None: those that the configuration names. `epoch`
    is that of a fixed configuration; a control plane counts its own epochs. Raises what `recover_or_create` raises.
    """

    def __init__(
        self,
        owned: ControlPlan | AdapterConfiguration,
        epoch: int = 0,
        processors: tuple[ProcessorNumber, ...] | None = None,
    ) -> None:
        self._control: ControlPlane | _FixedConfiguration
        self._epoch_of_set_up = 0
        self._recovered = Recovered(0)
        self._processors = processors
        self._run: RunControl | None = None
        self._unrecorded: deque[RequestRecord] = deque(maxlen=_RECENT)
        if isinstance(owned, AdapterConfiguration):
            self._control = _FixedConfiguration(owned, epoch)
            return
        if owned.journal is None:
            self._control = ControlPlane(owned.specification)
            issue_set_up(self._control, owned.requests)
            self._epoch_of_set_up = self._control.epoch
        else:
            self._control, self._recovered = recover_or_create(
                Path(owned.journal), owned.specification, fsync=owned.fsync
            )
            if not self._recovered.records:
                issue_set_up(self._control, owned.requests)
            rehearsal = ControlPlane(owned.specification)
            issue_set_up(rehearsal, owned.requests)
            self._epoch_of_set_up = rehearsal.epoch
        if owned.ahead == 0:
            import dataplane.scenario.events  # noqa: F401, PLC0415  # makes what clients send: no NIC is to wait for it
        if owned.updates is not None:
            snapshot = self.publish()
            timeline = timeline_of(self._control, snapshot, owned.updates, ahead=owned.ahead)
            self._run = RunControl(timeline, cut=owned.updates.cut)
            self._writer = UpdateWriter(snapshot)
        gc.freeze()  # garbage collection skips imported objects when it runs between updates

    def recovered(self) -> Recovered:
        """What was found in the journal when the actor started."""
        return self._recovered

    def request(self, call: bytes) -> bytes:
        """Decide and apply a request (`encode_call`), and answer with its completion (`decode_completion`).

        Raises ValueError for bytes that are no call, and OSError if the journal cannot be written: then nothing has
        changed, and nothing will.
        """
        request, outstanding = unpacked(call, OidCall)
        assert isinstance(self._control, ControlPlane), "a fixed configuration takes no requests"
        return packed(self._control.request(request, outstanding), Completion)

    def publish(self) -> SteeringSnapshot:
        """The snapshot in force, for the NIC front end."""
        epoch = self._control.epoch - self._epoch_of_set_up
        return compile_snapshot(self._control.configuration, epoch, self._processors)

    # The run, as its NIC sees it

    def begin(self, start_ns: int) -> None:
        """The first frame arrives."""
        self._of_run.begin(start_ns)

    def foresee(self) -> bytes:
        """As `ControlTimeline.foresee`, from `UpdateWriter.stretch`."""
        return self._writer.stretch(self._of_run.timeline.foresee())

    def advance(self, loads: Loads | None, next_arrival_ns: int) -> bytes:
        """As `ControlTimeline.advance`, from `UpdateWriter.stretch`."""
        return self._writer.stretch(self._of_run.advance(loads, next_arrival_ns))

    def request_at(self, make: bytes, now_ns: int, origin: str) -> DecidedAt:
        """Decide the first request of a client (`encode_maker`) at a moment of the run.

        See `ControlTimeline.request`. With a journal, requests without a record in it (queries and refused requests)
        are not part of the run; only their client gets the answer. Raises what the maker raises, and OSError if the
        journal cannot be written: then nothing has changed.
        """
        maker: RequestMaker = pickle.loads(make)
        assert isinstance(self._control, ControlPlane), "a fixed configuration takes no requests"
        requests = maker(self._control.configuration)
        if not requests:
            return DecidedAt(RequestRecord(origin, now_ns, None, None, "there is nothing to ask for"), None, None)
        recorded = self._recorded
        record, update = self._of_run.timeline.request(requests[0], now_ns, origin)
        if recorded is not None and self._recorded == recorded:
            self._unrecorded.append(self._of_run.timeline.records.pop())
        left = tuple(requests[1:]) if record.as_expected else ()
        return DecidedAt(
            record,
            self._writer.update(update) if update else None,
            encode_maker(FixedRequests(left)) if left else None,
        )

    def recent(self) -> list[RequestRecord]:
        """The latest requests by anybody, ascending by the moment at which they were made."""
        records = [*self._of_run.timeline.records[-_RECENT:], *self._unrecorded]
        return sorted(records, key=lambda record: record.requested_at_ns)[-_RECENT:]

    def document(self, name: str) -> dict[str, Any]:
        """The adapter as it is now, as `vmmq show` has it, and the latest epoch."""
        assert isinstance(self._control, ControlPlane), "a fixed configuration has no adapter"
        return adapter_document(name, self._control) | {"epoch": self._of_run.timeline.snapshot.epoch}

    @property
    def _recorded(self) -> int | None:
        """Changes that are on file; None without a journal."""
        return self._control.recorded if isinstance(self._control, JournaledControlPlane) else None

    def outcome(self, last_arrival_ns: int | None, *, interrupted: bool) -> bytes:
        """The report of the control side at the end of the run: a ControlOutcome from `encode_report`."""
        return encode_report(self._of_run.outcome(last_arrival_ns, interrupted=interrupted))

    @property
    def _of_run(self) -> RunControl:
        assert self._run is not None, "nothing was to change in this run"
        return self._run
