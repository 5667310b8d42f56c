"""What is asked of the control plane at a moment of a run (TIM rules)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dataplane.control import OidRequest
from dataplane.control.records import Entry, Requested
from dataplane.ndis.status import NdisStatus
from dataplane.switch.configuration import AdapterConfiguration

#: Turns the configuration in force into the requests that are to be issued, in this order.
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
    """Something that is asked for at a moment.

    The requests that `make` gives follow each other; the first one that fails ends it. That one, or else the last one,
    is the one that `expect` speaks of. It can be pickled if `make` can.
    """

    at_ns: int  # relative to the first arrival
    origin: str  # who asks: "[[event]] 3"
    make: RequestMaker
    expect: NdisStatus | None = None  # how it is to end; None: successfully

    @classmethod
    def repeating(cls, entry: Entry, origin: str, *, start_ns: int, control_latency_ns: int) -> ScheduledRequest:
        """A request that a journal kept, at the moment it was made in a run that began at `start_ns`.

        Raises ValueError for an entry that is no request or has no adoption time.
        """
        if not isinstance(entry.record, Requested) or entry.adoption_ns is None:
            raise ValueError("only a request with an adoption time can be repeated")
        at_ns = entry.adoption_ns - control_latency_ns - start_ns
        return cls(at_ns, origin, FixedRequests((entry.record.request,)))


def milliseconds(time_ns: int) -> str:
    """A time as a person reads it, exactly: "90 ms", "0.0005 ms"."""
    whole, rest = divmod(time_ns, 1_000_000)
    return f"{whole}.{rest:06d}".rstrip("0").rstrip(".") + " ms"
