"""The control actor: owns the configuration of a simulated host and compiles what its NIC front end steers with.

It is the only one that does: requests that change the configuration come here, and each that changes steering makes
the next snapshot with the next epoch. The NIC adopts a snapshot between two batches and stamps its epoch on every
doorbell. A run whose configuration never changes has epoch 0 only.

With a journal every change is on file before it is answered, and a control actor that is started again on the same
journal stands where the one before it stood. A request that was never answered may have taken effect or not.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from dataplane.control.adapter import ControlPlane
from dataplane.control.journal import Recovered, recover_or_create
from dataplane.control.packing import packed, unpacked
from dataplane.control.requests import Completion, OidRequest
from dataplane.control.specification import AdapterSpecification
from dataplane.engine.control import ControlOutcome, RunControl, issue_set_up, timeline_of
from dataplane.engine.experiment import UpdatePlan
from dataplane.ids import ProcessorNumber
from dataplane.processor.messages import ProcessorLoad
from dataplane.switch.configuration import AdapterConfiguration
from dataplane.switch.snapshot import SteeringSnapshot, compile_snapshot
from dataplane.update.records import RequestRecord, SteeringUpdate, Stretch


class OidCall(NamedTuple):
    """What a caller sends with a request."""

    request: OidRequest
    outstanding: frozenset[int] = frozenset()  # queues (VPorts in switch mode) with NBLs not returned


def encode_call(call: OidCall) -> bytes:
    """A call as msgpack."""
    return packed(call, OidCall)


def decode_completion(answer: bytes) -> Completion:
    """The completion that `ControlActor.request` answered with; ValueError for anything else."""
    return unpacked(answer, Completion)


@dataclass(frozen=True, slots=True)
class ControlPlan:
    """The adapter a control actor owns."""

    specification: AdapterSpecification
    journal: str | None = None  # path of its journal, recovered when it is there; None: changes die with the actor
    requests: tuple[OidRequest, ...] = ()  # set the adapter up, unless its journal already has
    fsync: bool = True  # what was answered survives a power failure, not just the death of the actor
    updates: UpdatePlan | None = None  # what changes in a run; None: nothing but what others request
    ahead: int | None = None  # as of `ControlTimeline`; 0: others may request at any time


class _FixedConfiguration(NamedTuple):
    """The configuration of a run in which nothing changes."""

    configuration: AdapterConfiguration
    epoch: int


class ControlActor:
    """Owns the control plane of one adapter, or one configuration that never changes.

    `processors` fixes the rows of the processors for the whole run; None: those that the configuration names. `epoch`
    is that of a configuration; a control plane counts its own. Raises what `recover_or_create` raises.
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
        if isinstance(owned, AdapterConfiguration):
            self._control = _FixedConfiguration(owned, epoch)
            return
        if owned.journal is None:
            self._control = _issued(ControlPlane(owned.specification), owned.requests)
            self._epoch_of_set_up = self._control.epoch
        else:
            control, self._recovered = recover_or_create(Path(owned.journal), owned.specification, fsync=owned.fsync)
            self._control = control if self._recovered.records else _issued(control, owned.requests)
            self._epoch_of_set_up = _issued(ControlPlane(owned.specification), owned.requests).epoch
        if owned.updates is not None:
            self._run = RunControl(timeline_of(self._control, self.publish(), owned.updates, ahead=owned.ahead))

    def recovered(self) -> Recovered:
        """What was found in the journal when the actor started."""
        return self._recovered

    def request(self, call: bytes) -> bytes:
        """Decide and apply a request (`encode_call`), and answer with its completion (`decode_completion`).

        Raises ValueError for bytes that are no call, and OSError when the journal cannot be written: then nothing has
        been changed, and nothing will be.
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

    def advance(self, loads: Sequence[ProcessorLoad] | None, next_arrival_ns: int) -> Stretch:
        """As `ControlTimeline.advance`."""
        return self._of_run.advance(loads, next_arrival_ns)

    def request_at(self, call: bytes, now_ns: int, origin: str) -> tuple[RequestRecord, SteeringUpdate | None]:
        """Decide a request from outside at a moment of the run (`encode_call`); see `ControlTimeline.request`."""
        request, _ = unpacked(call, OidCall)
        return self._of_run.timeline.request(request, now_ns, origin)

    def outcome(self, last_arrival_ns: int | None, *, interrupted: bool) -> ControlOutcome:
        """What the control side has to report at the end of the run."""
        return self._of_run.outcome(last_arrival_ns, interrupted=interrupted)

    @property
    def _of_run(self) -> RunControl:
        assert self._run is not None, "nothing was to change in this run"
        return self._run


def _issued(control: ControlPlane, requests: Iterable[OidRequest]) -> ControlPlane:
    """The control plane after the requests that set its adapter up."""
    issue_set_up(control, requests)
    return control
