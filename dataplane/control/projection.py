"""The part of the state for steering, `AdapterConfiguration`, and whether a request changes it (EPO-01, EPO-02)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from itertools import compress
from operator import is_not
from typing import Any, NamedTuple, TypeVar

from dataplane.control.capabilities import Capabilities
from dataplane.control.queue_states import QueueState
from dataplane.control.rss1 import native_table_in_use
from dataplane.control.specification import AdapterSpecification
from dataplane.control.state import AdapterState, QueueRecord, VPortRecord
from dataplane.ids import ProcessorNumber
from dataplane.switch.configuration import AdapterConfiguration, Filter, Mode, PacketFilter, ReceiveQueue, VPort

Record = TypeVar("Record")


class Projection(NamedTuple):
    """A state, and the configuration for steering in it."""

    state: AdapterState
    configuration: AdapterConfiguration


def configuration_of(
    specification: AdapterSpecification,
    capabilities: Capabilities,
    state: AdapterState,
    before: Projection | None = None,
) -> AdapterConfiguration:
    """The steering-relevant part of the state.

    In neutral mode `rss_base_processor` is the primary processor of the adapter as scaling entity, which RSSv2 can move
    (RX-14, UPD-49). Native RSS and receive hash are dormant unless the adapter is neutral (MOD-04). Objects that have
    not changed since the projection `before` of the same adapter are shared with it.
    """
    if before is not None and _settings_untouched(before.state, state):
        return dataclasses.replace(
            before.configuration,
            filters=_filters(state, before),
            vports=_vports(state, before),
            queues=_queues(state, before),
        )
    return AdapterConfiguration(
        **_settings(specification, state),
        ndis_version=specification.ndis_version,
        rss_processors=specification.rss_processors,
        permanent_address=specification.permanent_address,
        vlan_filtering=capabilities.vlan_filtering,
        inner_headers=specification.inner_headers,
        filters=_filters(state, before),
        vports=_vports(state, before),
        queues=_queues(state, before),
    )


def _filters(state: AdapterState, before: Projection | None) -> tuple[Filter, ...]:
    if before is not None and state.filters is before.state.filters:
        return before.configuration.filters
    return tuple(record.steering for record in state.filters.values())


def _vports(state: AdapterState, before: Projection | None) -> tuple[VPort, ...]:
    if before is None:
        return tuple(_vport(vport_id, record) for vport_id, record in state.vports.items() if not record.deleting)
    if state.vports is before.state.vports:
        return before.configuration.vports
    known = {vport.vport_id: vport for vport in before.configuration.vports}
    records = before.state.vports
    return tuple(
        known[vport_id] if record is records.get(vport_id) else _vport(vport_id, record)
        for vport_id, record in state.vports.items()
        if not record.deleting
    )


def _queues(state: AdapterState, before: Projection | None) -> tuple[ReceiveQueue, ...]:
    if before is not None and state.queues is before.state.queues:
        return before.configuration.queues
    return tuple(_queue(queue_id, record) for queue_id, record in state.queues.items())


def _settings(specification: AdapterSpecification, state: AdapterState) -> dict[str, Any]:
    """Members of the configuration that belong to no filter, VPort or queue and that requests can change."""
    native = state.native
    return {
        "mode": state.mode,
        "rss_base_processor": _base(specification, state),
        "packet_filter": PacketFilter(state.packet_filter),
        "multicast_list": state.multicast_list,
        "native_rss": native.rss,
        "native_table_in_use": native_table_in_use(native.rss, native.number_of_queues) if native.rss.enabled else (),
        "receive_hash": state.receive_hash,
    }


def _base(specification: AdapterSpecification, state: AdapterState) -> ProcessorNumber:
    return state.native.primary_processor if state.mode is Mode.NEUTRAL else specification.rss_base_processor


def _vport(vport_id: int, record: VPortRecord) -> VPort:
    return VPort(
        vport_id,
        record.activated,
        record.primary_processor,
        record.rss,
        record.parameters.vport_name,
        attached_to_vf=not record.on_pf,
    )


def _queue(queue_id: int, record: QueueRecord) -> ReceiveQueue:
    return ReceiveQueue(queue_id, record.state is QueueState.RUNNING, record.processor, record.parameters.queue_name)


def changes_steering(specification: AdapterSpecification, before: AdapterState, after: AdapterState) -> bool:
    """Whether `configuration_of` differs, without building it.

    Records that are the same object are not compared, so the cost depends only on what the request touched.
    """
    if before is after:
        return False
    same = (
        _same(before.filters, after.filters, lambda _, record: record.steering)
        and _same(before.vports, after.vports, lambda i, record: None if record.deleting else _vport(i, record))
        and _same(before.queues, after.queues, _queue)
        and (_settings_untouched(before, after) or _settings(specification, before) == _settings(specification, after))
    )
    return not same


def _settings_untouched(before: AdapterState, after: AdapterState) -> bool:
    """Whether `_settings` is certainly equal for both states; a cheap test for the usual case."""
    return (
        before.native is after.native
        and before.receive_hash is after.receive_hash
        and before.mode is after.mode
        and before.packet_filter == after.packet_filter
        and before.multicast_list is after.multicast_list
    )


def _same(before: Mapping[int, Record], after: Mapping[int, Record], steering: Callable[[int, Record], object]) -> bool:
    """Whether two maps of records are equal for steering; `steering` projects one record, None = invisible.

    An added record is always visible, so a longer map need not be compared; otherwise only records that are not the
    same object are compared.
    """
    if before is after:
        return True
    if len(after) > len(before):
        return False
    touched: Iterable[int] = before
    if before.keys() == after.keys():  # both ascend, so equal keys have equal positions
        touched = compress(before, map(is_not, before.values(), after.values()))
    return all(_projected(before, key, steering) == _projected(after, key, steering) for key in touched)


def _projected(records: Mapping[int, Record], key: int, steering: Callable[[int, Record], object]) -> object:
    record = records.get(key)
    return None if record is None else steering(key, record)
