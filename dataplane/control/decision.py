"""What request handlers share: their arguments, their results, and checks that several of them make."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dataplane.control.capabilities import Capabilities
from dataplane.control.requests import Discard, Event, OidRequest, invalid_parameter, not_supported
from dataplane.control.specification import AdapterSpecification
from dataplane.control.state import AdapterState
from dataplane.ndis.layout import Structure
from dataplane.ndis.values import GroupAffinity


@dataclass(frozen=True, slots=True)
class Context:
    """Everything a decision may look at."""

    specification: AdapterSpecification
    capabilities: Capabilities
    state: AdapterState
    request: OidRequest
    #: Queues (VPorts in switch mode) with NBLs that have not been returned (QUE-24, VPT-27).
    outstanding: Container[int] = ()

    @property
    def issuer(self) -> str:
        """Who issued the request (MOD-05)."""
        return self.request.issuer


@dataclass(frozen=True, slots=True)
class Outcome:
    """What happens if the miniport agrees: the next state and the answer."""

    state: AdapterState
    answer: Structure | None = None  # the structure to write as the result
    #: Members to overwrite in the buffer of an in/out method (OID-05), and of the elements of its array.
    changes: Mapping[str, Any] | None = None
    element_changes: Sequence[Mapping[str, Any]] = ()
    why: str = ""  # why parts failed although the request as a whole succeeds (UPD-36)
    pending: bool = False  # completes when the last packet is returned (OID-14)
    events: tuple[Event, ...] = ()
    discards: tuple[Discard, ...] = ()


def require_receive_filters(context: Context) -> None:
    """VMQ and receive filter OIDs need receive filtering, supported and enabled."""
    capabilities = context.capabilities
    if capabilities.receive_filter_hardware is None or not (capabilities.vm_queues or capabilities.switch_interface):
        raise not_supported("CAP-08: receive filtering is not supported or not enabled by the keywords")


def require_switch_interface(context: Context) -> None:
    """Switch OIDs need the switch interface, supported and enabled (OID-17)."""
    if not context.capabilities.switch_interface:
        raise not_supported("OID-17: the NIC switch interface is not supported or not enabled")


def require_switch(context: Context) -> None:
    """VPort OIDs and MOVE_FILTER need a switch (ERR-04)."""
    require_switch_interface(context)
    if context.state.switch is None:
        raise not_supported("OID-17: there is no NIC switch")


def check_affinity(
    context: Context, affinity: GroupAffinity, rule: str, *, within_rss_set: bool, by_miniport: bool = False
) -> None:
    """An affinity names at least one processor and, with VMMQ, only RSS processors (VPT-11, VPT-21, QUE-17)."""
    if not affinity.mask:
        raise invalid_parameter(f"{rule}: ProcessorAffinity is empty", by_miniport=by_miniport)
    if within_rss_set:
        outside = [str(one) for one in affinity.processors if one not in context.capabilities.rss_processors]
        if outside:
            raise invalid_parameter(
                f"{rule}: processor {outside[0]} is not in the RSS processor set", by_miniport=by_miniport
            )
