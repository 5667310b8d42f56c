"""The events of a scenario as requests: what each [[event]] requests at its moment.

The requests of an event can depend on the configuration at that time: on the processors that the entries point to
(UPD-38), and on the order of steps that keeps every state in between allowed (UPD-07 to UPD-11). So an event becomes an
object that makes its requests at its time. This module checks nothing; refusals by the adapter are recorded.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from dataplane.control import APPLICATION, ControlPlane, OidRequest
from dataplane.control.capabilities import round_up_to_power_of_two
from dataplane.ids import (
    DEFAULT_PROCESSOR_INDEX,
    DEFAULT_VPORT_ID,
    PRIMARY_PROCESSOR_INDEX,
    NdisVersion,
    ProcessorNumber,
)
from dataplane.ndis.layout import Structure
from dataplane.ndis.oids import OID_RULES, Oid, RequestKind, natural_kind
from dataplane.ndis.status import NdisStatus
from dataplane.ndis.structured import encode
from dataplane.ndis.structures import EXCHANGES
from dataplane.ndis.values import MalformedValue
from dataplane.scenario import model
from dataplane.scenario.model import Adapter, Event, Scenario
from dataplane.scenario.requests import hash_information
from dataplane.switch.compile import processors_of
from dataplane.switch.configuration import AdapterConfiguration, Mode, RssState
from dataplane.update.requests import (
    change_queue_pairs,
    disable,
    move_entries,
    move_parameters,
    repeated,
    scaling_parameters,
    set_parameters,
    set_parameters_v2,
)
from dataplane.update.schedule import FixedRequests, RequestMaker, ScheduledRequest

#: More than any request of the model can use.
BUFFER_BYTES_MAX = 1 << 24

_KINDS = {"query": RequestKind.QUERY, "set": RequestKind.SET, "method": RequestKind.METHOD}
_NAMED_INDICES = {"default": DEFAULT_PROCESSOR_INDEX, "primary": PRIMARY_PROCESSOR_INDEX}


def scheduled_requests(scenario: Scenario) -> tuple[ScheduledRequest, ...]:
    """The events of a loaded scenario by time, simultaneous ones in file order (TIM-03)."""
    scheduled: list[ScheduledRequest] = []
    for number, event in enumerate(scenario.events, 1):
        origin = f"[[event]] {number}"
        expect = NdisStatus[event.expect] if event.expect else None
        scheduled.append(ScheduledRequest(event.at_ns, origin, _maker(event, scenario.adapter, origin), expect))
    return tuple(sorted(scheduled, key=lambda one: one.at_ns))


def named_processors(control: ControlPlane, schedule: Iterable[ScheduledRequest]) -> set[ProcessorNumber]:
    """Every processor that steering names, now and after any scheduled request.

    VPorts use RSS processors (VPT-11, UPD-40), but a receive queue may be allocated to any processor (QUE-10).
    Therefore the schedule is rehearsed on `control`, which cannot be used afterwards.
    """
    named = set(processors_of(control.configuration))
    if control.configuration.mode is not Mode.SWITCH:
        for one in schedule:
            for request in one.make(control.configuration):
                control.request(request)
            named.update(processors_of(control.configuration))
    return named


def _maker(event: Event, adapter: Adapter, origin: str) -> RequestMaker:
    if event.move_entries is not None:
        move = event.move_entries
        indices = (_NAMED_INDICES[move.indices],) if isinstance(move.indices, str) else move.indices
        return EntryMoves(adapter.ndis_version, move.vport, indices, move.target)
    if event.rss is not None:
        return _rss_parameters(event.rss, adapter)
    assert event.oid is not None, "an event does one thing"
    return FixedRequests((oid_request(event.oid, adapter.ndis_version, request_id=origin),))


# move_entries --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class EntryMoves:
    """Moves steering parameters of a VPort to one processor, from wherever they are (UPD-31, UPD-38)."""

    version: NdisVersion
    vport_id: int  # 0 without a switch: the adapter (UPD-49)
    indices: tuple[int, ...]  # of table entries, or those that name default and primary processor (UPD-37)
    target: ProcessorNumber

    def __call__(self, configuration: AdapterConfiguration) -> Sequence[OidRequest]:
        """One request for each processor that entries leave; for entries that do not exist, on the base processor."""
        current = scaling_parameters(configuration, self.vport_id)
        places = current.by_index if current else {}
        for index in self.indices:
            places.setdefault(index, configuration.rss_base_processor)
        return list(move_parameters(places, dict.fromkeys(self.indices, self.target), self.version, self.vport_id))


# rss -----------------------------------------------------------------------------------------------------------------


def _rss_parameters(change: model.RssChange, adapter: Adapter) -> RssParameters:
    return RssParameters(
        version=adapter.ndis_version,
        generation_2=adapter.has_rss_v2,
        restricted=adapter.has_restricted_tables and adapter.interface == "switch",
        vport_id=change.vport if adapter.interface == "switch" else None,
        enabled=change.enabled,
        hash_information=None if change.hash_types is None else hash_information(change.hash_types),
        hash_secret_key=None if change.hash_secret_key is None else bytes.fromhex(change.hash_secret_key),
        indirection_table=change.indirection_table,
        entries=change.num_indirection_table_entries,
        default_processor=change.default_processor,
        queues=change.num_queue_pairs,
    )


@dataclass(frozen=True, slots=True)
class RssParameters:
    """Gives a VPort, or the adapter, other RSS parameters; None: as they are.

    Queue pairs come first if the table in force fits the new number, otherwise after the new table. On an adapter with
    restricted tables, a table that shrinks is first set at its old size, and last at its own (UPD-07 to UPD-11). With
    RSSv2 a table grows before its entries move, and shrinks afterwards (UPD-26, UPD-27). RSS is turned on after all
    these steps, or off before them, so that the steps are made while RSS is off (UPD-17).
    """

    version: NdisVersion
    generation_2: bool
    restricted: bool  # tables follow the number of queue pairs (CAP-23)
    vport_id: int | None  # None: the adapter
    enabled: bool = True
    hash_information: int | None = None
    hash_secret_key: bytes | None = None  # 40 bytes
    indirection_table: tuple[ProcessorNumber, ...] | None = None  # repeated until it has its number of entries
    entries: int | None = None
    default_processor: ProcessorNumber | None = None
    queues: int | None = None  # queue pairs of the VPort

    def __call__(self, configuration: AdapterConfiguration) -> Sequence[OidRequest]:
        """The requests in their order, at least one."""
        current = scaling_parameters(configuration, self.vport_id or DEFAULT_VPORT_ID)
        rss = current.rss if current else RssState()  # the adapter will say that there is no such VPort
        if not self.generation_2:
            return list(self._generation_1(rss))
        return list(self._generation_2(rss)) or [self._set(enable=self.enabled)]

    def _generation_1(self, rss: RssState) -> Iterator[OidRequest]:
        if not self.enabled:
            yield disable(self.version, self.vport_id)
            rss = RssState()  # RSS-08
        queues_first = self._allows_queues(rss)
        if queues_first:
            yield from self._change_queues(rss)
            rss = self._with_queues(rss)
        if not self.enabled:
            return
        old, entries = rss.indirection_table, self._entries(rss)
        table = repeated(self.indirection_table or old, entries) if self.indirection_table or old else None
        changed = table != old or self.indirection_table is not None
        first = table if changed else None
        if not queues_first and len(table or ()) < len(old):  # the smaller table has to wait for the queues
            first = repeated(self.indirection_table, len(old)) if self.indirection_table else None
        if self.queues is None or not rss.enabled or first is not None or self._changes_more:
            yield set_parameters(
                self.version,
                self.vport_id,
                indirection_table=first,
                hash_information=self.hash_information,
                hash_secret_key=self.hash_secret_key,
                default_processor=self.default_processor,
            )
        if not queues_first:
            yield from self._change_queues(rss)
            if changed and table != first:
                yield set_parameters(self.version, self.vport_id, indirection_table=table)

    def _generation_2(self, rss: RssState) -> Iterator[OidRequest]:
        if rss.enabled and not self.enabled:
            yield self._set(enable=False)
            rss = dataclasses.replace(rss, enabled=False)
        queues_first = self._allows_queues(rss)
        if queues_first:
            yield from self._change_queues(rss)
            rss = self._with_queues(rss)
        entries, size = self._entries(rss), len(rss.indirection_table)
        grows, has_hash = entries > size, self.hash_information is not None or self.hash_secret_key is not None
        if grows or (rss.enabled and has_hash):
            yield self._set(enable=rss.enabled, entries=entries if grows else None, with_hash=rss.enabled)
        if rss.indirection_table and rss.default_processor:
            size = max(entries, size)
            old = dataclasses.replace(rss, indirection_table=repeated(rss.indirection_table, size))
            new = old.indirection_table
            if self.indirection_table:
                new = repeated(repeated(self.indirection_table, entries), size)
            default = self.default_processor or rss.default_processor
            yield from move_entries(old, new, default, self.version, self.vport_id or DEFAULT_VPORT_ID)
        if not queues_first:
            yield from self._change_queues(rss)
        if entries < size or self.enabled != rss.enabled:
            entries_or_not = entries if entries < size else None
            yield self._set(enable=self.enabled, entries=entries_or_not, with_hash=not rss.enabled)

    def _set(self, *, enable: bool, entries: int | None = None, with_hash: bool = False) -> OidRequest:
        return set_parameters_v2(
            self.version,
            self.vport_id,
            enable=enable,
            entries=entries,
            hash_information=self.hash_information if with_hash else None,
            hash_secret_key=self.hash_secret_key if with_hash else None,
        )

    @property
    def _changes_more(self) -> bool:
        """Whether anything except table and queues changes."""
        others = (self.hash_information, self.hash_secret_key, self.default_processor)
        return any(one is not None for one in others)

    def _entries(self, rss: RssState) -> int:
        """The number of entries that the table is to have in the end."""
        if self.entries is not None:
            return self.entries
        if self.restricted and self.queues is not None:
            return round_up_to_power_of_two(self.queues)
        return max(len(self.indirection_table or ()), len(rss.indirection_table))

    def _allows_queues(self, rss: RssState) -> bool:
        """Whether the table in force allows the new number of queues (UPD-08, UPD-09)."""
        if self.queues is None or not rss.enabled:
            return True
        in_use = {*rss.indirection_table, rss.default_processor}
        fits = not self.restricted or round_up_to_power_of_two(self.queues) >= len(rss.indirection_table)
        return fits and len(in_use) <= self.queues

    def _change_queues(self, rss: RssState) -> Iterator[OidRequest]:
        if self.queues is None:
            return
        if self.vport_id is None and self.generation_2:
            yield set_parameters_v2(self.version, None, enable=rss.enabled, queues=self.queues)
        else:
            yield change_queue_pairs(self.vport_id or DEFAULT_VPORT_ID, self.queues, self.version)

    def _with_queues(self, rss: RssState) -> RssState:
        """What the adapter makes of the table in force when it gets more queues (UPD-10)."""
        if self.queues is None or not self.restricted or not rss.enabled:
            return rss
        return dataclasses.replace(
            rss, indirection_table=repeated(rss.indirection_table, round_up_to_power_of_two(self.queues))
        )


# oid -----------------------------------------------------------------------------------------------------------------


def oid_request(oid: model.OidRequest, version: NdisVersion, *, request_id: str = "") -> OidRequest:
    """The request that an `oid` key describes; raises MalformedValue for what cannot be written into a request."""
    code = _code(oid.name)
    has_input = oid.input is not None or oid.in_hex is not None
    if oid.kind is not None:
        kind = _KINDS[oid.kind]
    elif code in OID_RULES:
        kind = natural_kind(Oid(code), with_input=has_input)
    else:
        kind = RequestKind.SET if has_input else RequestKind.QUERY
    if oid.switch_id and oid.vport_id is None:
        raise MalformedValue("switch_id is there only with vport_id")
    if (oid.buffer_length or 0) > BUFFER_BYTES_MAX:
        raise MalformedValue(f"buffer_length: the model has buffers of up to {BUFFER_BYTES_MAX} bytes")
    is_move = code == Oid.OID_GEN_RSS_SET_INDIRECTION_TABLE_ENTRIES
    return OidRequest(
        oid=code,
        kind=RequestKind.QUERY_STATISTICS if kind is RequestKind.QUERY and oid.issuer == APPLICATION else kind,
        issuer=oid.issuer,
        buffer=_buffer(oid, code, kind, version),
        buffer_length=oid.buffer_length,
        vport_id=oid.vport_id,
        switch_id=oid.switch_id,
        processor=oid.processor,
        synchronous=is_move if oid.sync is None else oid.sync,
        request_id=request_id,
    )


def _code(name: str) -> int:
    if name.startswith("0x"):
        return int(name, 16)
    if name not in Oid.__members__:
        near = get_close_matches(name, Oid.__members__, 1, 0.5)
        hint = f"did you mean {near[0]}?" if near else "write its code as 0x........"
        raise MalformedValue(f"name: {name} is not known; {hint}")
    return int(Oid[name])


def _buffer(oid: model.OidRequest, code: int, kind: RequestKind, version: NdisVersion) -> bytes:
    if oid.in_hex is not None:
        return bytes.fromhex(oid.in_hex)
    if oid.input is None:
        return b""
    structure = _input_structure(code, kind)
    if structure is None:
        raise MalformedValue("in: this kind of request has no structured input")
    try:
        return encode(structure, oid.input, version)
    except MalformedValue as error:
        raise MalformedValue(f"in: {error}") from None


def _input_structure(code: int, kind: RequestKind) -> type[Structure] | None:
    """What a request carries; a set or method request of the wrong kind carries what the right kind would."""
    if kind is RequestKind.QUERY or code not in OID_RULES:
        return None
    exchanges = (EXCHANGES.get((Oid(code), one)) for one in (kind, RequestKind.METHOD, RequestKind.SET))
    return next((exchange.request for exchange in exchanges if exchange and exchange.request), None)
