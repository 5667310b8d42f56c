"""Requests to the control plane that are scheduled for a moment of a run (TIM rules)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dataplane.control import OidRequest
from dataplane.control.records import Entry, Requested
from dataplane.ndis.status import NdisStatus
from dataplane.switch.configuration import AdapterConfiguration

#: Makes the requests to issue, in this order, from the configuration in force.
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
    """A change that is scheduled for a moment.

    The requests from `make` are issued one after the other; the first one that fails ends the change. `expect` is the
    status of the failed request, or of the last one if none fails. The object can be pickled if `make` can.
    """

    at_ns: int  # relative to the first arrival
    origin: str  # who asks: "[[event]] 3"
    make: RequestMaker
    expect: NdisStatus | None = None  # the expected status; None: success

    @classmethod
    def repeating(cls, entry: Entry, origin: str, *, start_ns: int, control_latency_ns: int) -> ScheduledRequest:
        """A request from a journal, at the moment at which it was made in a run that began at `start_ns`.

        Raises ValueError if the entry is not a request or has no adoption time.
        """
        if not isinstance(entry.record, Requested) or entry.adoption_ns is None:
            raise ValueError("only a request with an adoption time can be repeated")
        at_ns = entry.adoption_ns - control_latency_ns - start_ns
        return cls(at_ns, origin, FixedRequests((entry.record.request,)))


def milliseconds(time_ns: int) -> str:
    """A time as a person reads it, exactly: "90 ms", "0.0005 ms"."""
    whole, rest = divmod(time_ns, 1_000_000)
    return f"{whole}.{rest:06d}".rstrip("0").rstrip(".") + " ms"
