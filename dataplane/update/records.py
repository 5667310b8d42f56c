"""The records of changes in a run: requests with their answers, and the updates they lead to (EPO rules)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dataplane.switch.change import SteeringChange
from dataplane.switch.snapshot import SteeringSnapshot

if TYPE_CHECKING:  # an actor that does not use the control plane need not load it
    from dataplane.control.requests import Completion, OidRequest
    from dataplane.ndis.status import NdisStatus

#: The origin of a request from outside begins with this; the name of the client follows.
CLIENT_ORIGIN = "client "


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """A request that was made while traffic flowed, and how it ended."""

    origin: str  # who asked: "[[event]] 3", "policy rsspp", "client A"
    requested_at_ns: int  # model time
    request: OidRequest | None  # None if no request could be built, see `why`
    completion: Completion | None
    why: str = ""  # of a failure: "UPD-41: 5 processors in use, 4 queues"
    expect: NdisStatus | None = None  # the expected status
    epoch: int | None = None  # the epoch it led to, with others of the same moment; None: it changed no steering

    @property
    def status(self) -> NdisStatus | None:
        """How the request ended; None if it could not be made."""
        return self.completion.status if self.completion else None

    @property
    def as_expected(self) -> bool:
        """Whether it succeeded, or failed as expected."""
        if self.expect is not None:
            return self.status is self.expect
        return self.completion is not None and self.completion.accepted

    @property
    def is_of_client(self) -> bool:
        """Whether it came from outside: its client has the answer, and no scenario says which answer is expected."""
        return self.origin.startswith(CLIENT_ORIGIN)

    def later(self, time_ns: int) -> RequestRecord:
        """The same, later by that time; see `Stretch.later`."""
        return replace(self, requested_at_ns=self.requested_at_ns + time_ns)


@dataclass(frozen=True, slots=True)
class UpdateRecord:
    """The part of an update that is kept when its snapshot is not needed any more."""

    epoch: int  # the new one
    requested_at_ns: int  # of the first request that led to it
    adopted_at_ns: int  # EPO-03
    change: SteeringChange  # against the snapshot before


@dataclass(frozen=True, slots=True)
class SteeringUpdate:
    """A published epoch: the snapshot that is in force from `adopted_at_ns` on; `RequestRecord.epoch` says why."""

    requested_at_ns: int  # of the first request that led to it
    adopted_at_ns: int  # EPO-03
    snapshot: SteeringSnapshot
    change: SteeringChange  # against the snapshot before

    @property
    def epoch(self) -> int:
        """Number of the snapshot."""
        return self.snapshot.epoch

    @property
    def record(self) -> UpdateRecord:
        """The update without its snapshot."""
        return UpdateRecord(self.epoch, self.requested_at_ns, self.adopted_at_ns, self.change)


@dataclass(frozen=True, slots=True)
class Stretch:
    """What is known of the control side up to a moment.

    Every update adopted before `until_ns` is in `updates` of this stretch or of an earlier one. At `until_ns` the NIC
    must ask control again, with the loads at that moment if `wants_loads`.
    """

    updates: tuple[SteeringUpdate, ...]  # by time of adoption, which may lie at or behind `until_ns`
    until_ns: int | None  # None: nothing else will happen
    wants_loads: bool = False

    def later(self, time_ns: int) -> Stretch:
        """The same, with times that counted from the first arrival converted to model time; it was at `time_ns`."""
        updates = tuple(
            replace(one, requested_at_ns=one.requested_at_ns + time_ns, adopted_at_ns=one.adopted_at_ns + time_ns)
            for one in self.updates
        )
        return replace(self, updates=updates, until_ns=None if self.until_ns is None else self.until_ns + time_ns)
