"""The NDIS control plane: requests in, completions and the next configuration out. The only writer of configuration.

`ControlPlane(specification).request(OidRequest(...))` is the interface; `.configuration` is what steering reads.
One module for each subject: `filters`, `queues` (with `queue_states`), `nic_switch`, `vports`, `rss1`, `rss2`, `moves`,
`receive_hash`, `settings`; `dispatch` is the table of requests, `adapter` decides and applies, `projection` turns the
state into an `AdapterConfiguration`.
"""

from dataplane.control.adapter import AdapterRefused, Closed, ControlPlane, Decision
from dataplane.control.requests import (
    APPLICATION,
    NDIS,
    Completion,
    Discard,
    OidRequest,
    RequestCompleted,
    StatusIndicated,
)
from dataplane.control.specification import AdapterSpecification, SwitchSpecification
from dataplane.control.state import Condition, FailureMoment, InjectedFailure

__all__ = [
    "APPLICATION",
    "NDIS",
    "AdapterRefused",
    "AdapterSpecification",
    "Closed",
    "Completion",
    "Condition",
    "ControlPlane",
    "Decision",
    "Discard",
    "FailureMoment",
    "InjectedFailure",
    "OidRequest",
    "RequestCompleted",
    "StatusIndicated",
    "SwitchSpecification",
]
