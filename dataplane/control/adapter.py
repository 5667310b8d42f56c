"""The control plane of one adapter: the only writer of its configuration.

A request is decided first, on values that nobody else sees, and then applied in one assignment that cannot fail
(MOD-09). A decision depends only on the specification, the earlier requests and the outstanding NBLs. So the same calls
to a new object give the same state, and a journal of them is enough for a restart.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Container, Iterable
from dataclasses import dataclass

from dataplane.control import filters, queues, vports
from dataplane.control.capabilities import Capabilities, violated_rules
from dataplane.control.decision import Context, Outcome
from dataplane.control.dispatch import Row, decide, row_of
from dataplane.control.nic_switch import check_queue_pairs, with_switch
from dataplane.control.projection import Projection, changes_steering, configuration_of
from dataplane.control.queue_states import QueueState
from dataplane.control.requests import (
    QUEUE_CLEARED,
    Completion,
    Discard,
    Event,
    OidRequest,
    Refusal,
    RequestCompleted,
    StatusIndicated,
)
from dataplane.control.scaling import initial_rss
from dataplane.control.specification import AdapterSpecification
from dataplane.control.state import (
    AdapterState,
    Condition,
    FailureMoment,
    InjectedFailure,
    NativeRss,
    QueueRecord,
    VPortRecord,
)
from dataplane.ids import DEFAULT_QUEUE_ID
from dataplane.ndis.codec import encode_output, write_back
from dataplane.ndis.constants import NicSwitchType
from dataplane.ndis.layout import HeadedStructure
from dataplane.ndis.oids import Oid
from dataplane.ndis.status import NdisStatus
from dataplane.ndis.structures import EXCHANGES, NicSwitchParameters
from dataplane.switch.configuration import AdapterConfiguration, Mode

#: Requests that a resetting or a removed miniport refuses (OID-15); the rules leave all others open.
REFUSED_DURING: dict[Condition, frozenset[int]] = {
    Condition.RESETTING: frozenset({Oid.OID_RECEIVE_FILTER_FREE_QUEUE, Oid.OID_NIC_SWITCH_DELETE_SWITCH}),
    Condition.REMOVED: frozenset({Oid.OID_RECEIVE_FILTER_CLEAR_FILTER}),
}


class AdapterRefused(ValueError):  # noqa: N818 - named as the rules name it
    """The capabilities violate rules; the adapter is not initialized (CAP-36)."""

    def __init__(self, rules: list[str]) -> None:
        super().__init__(f"the advertised capabilities violate {', '.join(rules)}")
        self.rules = rules


@dataclass(frozen=True, slots=True)
class Decision:
    """A request decided but not applied."""

    completion: Completion
    state: AdapterState  # after it; if it fails, the state before it, apart from used-up injected failures
    #: With a failure injected at the end: the decision that is in force while the hardware is programmed (QUE-07).
    programmed: Decision | None = None


@dataclass(frozen=True, slots=True)
class Closed:
    """What a client left behind when it closed; everything has been cleaned up (VPT-30)."""

    filters: tuple[int, ...]
    queues: tuple[int, ...]
    vports: tuple[int, ...]
    events: tuple[Event, ...]
    discards: tuple[Discard, ...]

    @property
    def violations(self) -> list[str]:
        """The rules that the client violated by leaving things behind."""
        left = {"FLT-46": self.filters, "QUE-26": self.queues, "VPT-30": self.vports}
        return [rule for rule, ids in left.items() if ids]


class ControlPlane:
    """Takes requests and faults of one adapter; `state` and `configuration` are immutable values."""

    def __init__(self, specification: AdapterSpecification) -> None:
        """Initialize the adapter; raises AdapterRefused (CAP-36), or ValueError for an impossible initial switch."""
        if rules := violated_rules(specification):
            raise AdapterRefused(rules)
        self.specification = specification
        self.capabilities = Capabilities.of(specification)
        self.state = _initial_state(specification, self.capabilities)
        #: Number of configurations published so far, without the first one, which is epoch 0 (EPO-01, EPO-02).
        self.epoch = 0
        self._in_force: Projection | None = None  # None: not requested since steering changed
        self._latest: Projection | None = None  # the next projection shares unchanged objects with it
        self._next: Projection | None = None  # of the latest decision that would change steering, if requested

    @property
    def configuration(self) -> AdapterConfiguration:
        """The present configuration for steering."""
        if self._in_force is None:
            self._in_force = self._projected(self.state)
        return self._in_force.configuration

    def configuration_after(self, decision: Decision) -> AdapterConfiguration:
        """The configuration for steering after a decision; `configuration` itself if nothing changes."""
        configuration = self.configuration
        if not changes_steering(self.specification, self.state, decision.state):
            return configuration
        self._next = self._projected(decision.state)
        return self._next.configuration

    def _projected(self, state: AdapterState) -> Projection:
        configuration = configuration_of(self.specification, self.capabilities, state, self._latest)
        self._latest = Projection(state, configuration)
        return self._latest

    # Requests

    def request(self, request: OidRequest, outstanding: Container[int] = ()) -> Completion:
        """Decide a request and apply it. `outstanding`: queues (VPorts in switch mode) with NBLs not returned."""
        return self.apply(self.decide(request, outstanding))

    def decide(self, request: OidRequest, outstanding: Container[int] = ()) -> Decision:
        """Decide a request; nothing changes."""
        context = Context(self.specification, self.capabilities, self.state, request, outstanding)
        try:
            row = row_of(context)
            outcome = decide(context, row)
            output = _output(context, outcome)
        except Refusal as refusal:
            return Decision(_refused(refusal), self.state)
        completion = _completed(outcome, output, row)
        if not row.reaches_miniport:
            return Decision(completion, outcome.state)
        return self._by_miniport(request, Decision(completion, outcome.state))

    def _by_miniport(self, request: OidRequest, decision: Decision) -> Decision:
        """The decision, unless the miniport is not there or a failure was injected (OID-15, ERR-50)."""
        if request.oid in REFUSED_DURING.get(self.state.condition, ()):
            why = f"OID-15: the adapter is {self.state.condition.value}"
            return Decision(_failed(NdisStatus.NDIS_STATUS_NOT_ACCEPTED, why), self.state)
        failure = next((one for one in self.state.injected if one.oid == request.oid), None)
        if failure is None:
            return decision
        rest = list(self.state.injected)
        rest.remove(failure)
        state = dataclasses.replace(self.state, injected=tuple(rest))
        programmed = Decision(decision.completion, dataclasses.replace(decision.state, injected=tuple(rest)))
        why = f"ERR-50: injected failure at the {failure.moment.value}"
        return Decision(
            _failed(failure.status, why), state, programmed if failure.moment is FailureMoment.END else None
        )

    def apply(self, decision: Decision) -> Completion:
        """Make a decision the state of the adapter: one assignment, and the next epoch if steering changed (EPO-02)."""
        self._become(decision.state)
        return decision.completion

    def _become(self, state: AdapterState) -> None:
        expected = self._next if self._next is not None and self._next.state is state else None
        if expected is not None or changes_steering(self.specification, self.state, state):
            self.epoch += 1
            self._in_force = expected
        self._next = None
        self.state = state

    def discards_of(self, target_ids: Iterable[int]) -> tuple[Discard, ...]:
        """The frames that the data path must drop: nondefault targets without a filter hold no frames (QUE-09)."""
        return tuple(
            Discard(target_id, QUEUE_CLEARED)
            for target_id in target_ids
            if target_id != DEFAULT_QUEUE_ID and not self.state.filters_on(target_id)
        )

    # What happens to the adapter

    def packets_returned(self, target_id: int) -> tuple[Event, ...]:
        """The last outstanding NBL of a queue or VPort has been returned (QUE-24, VPT-27)."""
        returned = vports.packets_returned if self.state.mode is Mode.SWITCH else queues.packets_returned
        state, events = returned(self.state, target_id)
        self._become(state)
        return events

    def close(self, client: str, outstanding: Container[int] = ()) -> Closed:
        """A client closes: its filters are cleared, its queues freed, its VPorts deleted (VPT-30, QUE-26)."""
        state = self.state
        left_filters = [i for i, record in state.filters.items() if record.steering.owner == client]
        events: list[Event] = []
        discards: list[Discard] = []
        for filter_id in left_filters:
            state, cleared = filters.without_filter(state, filter_id)
            discards += cleared
        left_queues = [
            i for i, record in state.queues.items() if record.owner == client and record.state is not QueueState.FREEING
        ]
        for queue_id in left_queues:
            state, _ = queues.freed(state, queue_id, outstanding, None)
            events.append(StatusIndicated(queue_id))
        left_vports = [i for i, record in state.vports.items() if record.owner == client and not record.deleting]
        for vport_id in left_vports:
            state, _ = vports.deleted(state, vport_id, outstanding, None)
            discards.append(vports.discard(vport_id))
        self._become(state)
        return Closed(tuple(left_filters), tuple(left_queues), tuple(left_vports), tuple(events), tuple(discards))

    def inject(self, failure: InjectedFailure) -> None:
        """Make the next request with that OID fail in the miniport (ERR-50)."""
        self._become(dataclasses.replace(self.state, injected=(*self.state.injected, failure)))

    def pause(self) -> None:
        """The adapter pauses (MOD-13)."""
        self._become(dataclasses.replace(self.state, paused=True))

    def restart(self) -> None:
        """The pause is over."""
        self._become(dataclasses.replace(self.state, paused=False))

    def reset_begin(self) -> tuple[Event, ...]:
        """A reset begins: pending requests are aborted and leave their queue or VPort as it was (OID-15, MOD-09)."""
        aborted: list[Event] = []
        if self.state.removed:
            return ()
        state = dataclasses.replace(self.state, resetting=True)
        for queue_id, queue in self.state.queues.items():
            if queue.pending:
                aborted.append(_aborted(queue))
                kept = dataclasses.replace(queue, state=queue.state_before_free, pending=None)
                state = state.with_queue(queue_id, kept)
        for vport_id, vport in self.state.vports.items():
            if vport.pending:
                aborted.append(_aborted(vport))
                state = state.with_vport(vport_id, dataclasses.replace(vport, deleting=False, pending=None))
        self._become(state)
        return tuple(aborted)

    def reset_end(self) -> None:
        """The reset is over."""
        self._become(dataclasses.replace(self.state, resetting=False))

    def surprise_removal(self) -> None:
        """The NIC is removed permanently."""
        self._become(dataclasses.replace(self.state, removed=True))


def _initial_state(specification: AdapterSpecification, capabilities: Capabilities) -> AdapterState:
    base = specification.rss_base_processor
    native = NativeRss(initial_rss(capabilities, base), base, capabilities.receive_queues)
    state = AdapterState(native, int(specification.packet_filter), specification.multicast_list)
    switch = specification.switch
    if switch is None or not capabilities.switch_interface:
        return state  # NDIS creates a switch only if the keywords enable it (CAP-12)
    parameters = NicSwitchParameters(
        switch_type=NicSwitchType.External,
        num_vfs=switch.num_vfs,
        switch_friendly_name=switch.switch_friendly_name,
        num_queue_pairs_for_default_vport=switch.num_queue_pairs_for_default_vport,
    )
    try:
        if capabilities.vmmq:
            check_queue_pairs(capabilities, switch.num_queue_pairs_for_default_vport)
        created = with_switch(state, capabilities, parameters, base)
    except Refusal as refusal:
        raise ValueError(f"the switch cannot be created: {refusal.why}") from None
    return state if switch.static else created  # a static switch is not announced before CREATE_SWITCH (VPT-03)


def _output(context: Context, outcome: Outcome) -> bytes | None:
    """The answer as bytes; refuses a buffer that is too short for it (OID-09)."""
    request = context.request
    if outcome.changes is not None:
        structure = EXCHANGES[Oid(request.oid), request.kind].request
        assert structure is not None
        return write_back(structure, request.information_buffer, outcome.changes, outcome.element_changes)
    answer = outcome.answer
    if answer is None:
        return None
    revision = answer.header.revision if isinstance(answer, HeadedStructure) else 0
    output = encode_output(answer, context.capabilities.ndis_version, revision=revision or None)
    if request.buffer_length is not None and len(output) > request.buffer_length:
        needed = len(output)
        why = f"OID-09: the answer needs {needed} bytes, the buffer has {request.buffer_length}"
        raise Refusal(NdisStatus.NDIS_STATUS_INVALID_LENGTH, why, bytes_needed=needed)
    return output


def _completed(outcome: Outcome, output: bytes | None, row: Row) -> Completion:
    return Completion(
        NdisStatus.NDIS_STATUS_PENDING if outcome.pending else NdisStatus.NDIS_STATUS_SUCCESS,
        reached_miniport=row.reaches_miniport,
        output=output,
        why=outcome.why,
        events=outcome.events,
        discards=outcome.discards,
    )


def _refused(refusal: Refusal) -> Completion:
    return Completion(
        refusal.status,
        reached_miniport=refusal.by_miniport,
        bytes_needed=refusal.bytes_needed,
        why=refusal.why,
    )


def _failed(status: NdisStatus, why: str) -> Completion:
    return Completion(status, reached_miniport=True, why=why)


def _aborted(record: QueueRecord | VPortRecord) -> RequestCompleted:
    assert record.pending is not None
    return RequestCompleted(record.pending.request_id, record.pending.oid, NdisStatus.NDIS_STATUS_REQUEST_ABORTED)
