"""The state of an adapter as one JSON document: what the Windows tools and `ethtool -x` would say about it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dataplane.control import AdapterSpecification, ControlPlane
from dataplane.control.keywords import Interface
from dataplane.control.queue_states import OPERATIONAL_STATE, QueueState
from dataplane.control.state import QueueRecord, VPortRecord
from dataplane.ids import DEFAULT_QUEUE_ID, ProcessorNumber, format_mac
from dataplane.ndis.constants import NicSwitchCapabilityFlags, PacketFilterFlags, VPortState
from dataplane.ndis.values import format_flags, format_function
from dataplane.switch.configuration import Filter, HashType, MacField, Mode, RssState

Json = dict[str, Any]


def adapter_document(name: str, control: ControlPlane) -> Json:
    """Everything a client can have set, and what the adapter offers; processors are written `group:number`."""
    state, specification = control.state, control.specification
    filters = [record.steering for record in state.filters.values()]
    document: Json = {
        "name": name,
        "ndis_version": str(specification.ndis_version),
        "mode": state.mode.value,
        "permanent_address": format_mac(specification.permanent_address),
        "packet_filter": [one.lower() for one in format_flags(PacketFilterFlags, state.packet_filter)],
        "multicast_list": [format_mac(address) for address in state.multicast_list],
        **_interfaces(control),
        "vports": [_vport(vport_id, record, control) for vport_id, record in state.vports.items()],
        "queues": [],
        "filters": [_filter(one, state.mode) for one in filters],
        "native_rss": None,
    }
    if state.mode is Mode.VMQ:
        queues = [_queue(queue_id, record, control) for queue_id, record in state.queues.items()]
        document["queues"] = [_default_queue(control), *queues]
    if state.mode is Mode.NEUTRAL:
        document["native_rss"] = _native_rss(control)
    return document


def _interfaces(control: ControlPlane) -> Json:
    """What Get-NetAdapterRss, -Vmq and -Sriov show of the adapter."""
    capabilities, specification = control.capabilities, control.specification
    processors = specification.rss_processors
    mode, switch = control.state.mode, control.state.switch
    return {
        "rss": {
            # not together with VMQ (MOD-04)
            "enabled": {Mode.SWITCH: capabilities.vmmq, Mode.VMQ: False, Mode.NEUTRAL: capabilities.native_rss}[mode],
            "generation": 2 if capabilities.rss_generation_2 else 1,
            "number_of_receive_queues": capabilities.receive_queues,
            "base_processor": str(specification.rss_base_processor),
            "max_processor": str(specification.rss_max_processor),
            "max_processors": len(processors),
            "rss_processors": _processors(processors),
        },
        "vmq": {
            "enabled": Interface.VMQ in capabilities.interfaces,
            "base_vmq_processor": str(specification.rss_base_processor),
            "max_processors": len(processors),
            # nondefault VPorts take the place of queues (CAP-11)
            "number_of_receive_queues": capabilities.pf_vports_max
            if capabilities.switch_interface
            else capabilities.receive_filter.num_queues,
            "vmmq": capabilities.vmmq,
        },
        "sriov": {
            "enabled": Interface.SRIOV in capabilities.interfaces,
            "switch_name": switch.parameters.switch_friendly_name if switch else "",
            "num_vfs": switch.parameters.num_vfs if switch else 0,
            "capabilities": format_flags(NicSwitchCapabilityFlags, capabilities.nic_switch.nic_switch_capabilities),
        },
    }


def _vport(vport_id: int, record: VPortRecord, control: ControlPlane) -> Json:
    parameters = record.parameters
    return {
        "vport_id": vport_id,
        "name": parameters.vport_name,
        "attached_function_id": format_function(parameters.attached_function_id),
        "state": VPortState(parameters.vport_state).name,
        "num_queue_pairs": parameters.num_queue_pairs,
        "processor_affinity": _processors(parameters.processor_affinity.processors),
        "primary_processor": str(record.primary_processor),
        "owner": record.owner,
        "filters": control.state.filters_on(vport_id),
        "rss": _rss(record.rss, parameters.num_queue_pairs),
        **_ethtool(record.rss, record.rss.indirection_table, control.specification),
    }


def _native_rss(control: ControlPlane) -> Json:
    """RSS of the adapter; it uses no more processors than it has hardware queues, whatever its table says (RSS-26)."""
    native, in_use = control.state.native, control.configuration.native_table_in_use
    own = _rss(native.rss, native.number_of_queues) | {"table_in_use": _processors(in_use)}
    return own | _ethtool(native.rss, in_use, control.specification)


def _rss(rss: RssState, queues: int) -> Json:
    """The parameters in force, and with RSSv2 those that are tracked while RSS is off (UPD-17)."""
    key, default = rss.hash_secret_key, rss.default_processor
    return {
        "enabled": rss.enabled,
        "number_of_queues": queues,
        "hash_types": [str(one.name).lower() for one in HashType if one in rss.hash_types],
        "hash_secret_key": None if key is None else key.hex(),
        "default_processor": None if default is None else str(default),
        "indirection_table": _processors(rss.indirection_table),
    }


def _ethtool(rss: RssState, table: Iterable[ProcessorNumber], specification: AdapterSpecification) -> Json:
    """What is in force under the keys of `ethtool -x --json`; a ring is the position of its processor in the array."""
    rings = {processor: ring for ring, processor in enumerate(specification.rss_processors)}
    return {
        "rss-indirection-table": [rings[processor] for processor in table] if rss.enabled else [],
        "rss-hash-key": list(rss.hash_secret_key or b"") if rss.enabled else [],
        "rss-hash-function": "toeplitz" if rss.enabled else None,
    }


def _default_queue(control: ControlPlane) -> Json:
    base = control.configuration.rss_base_processor
    return {
        "queue_id": DEFAULT_QUEUE_ID,
        "vm_friendly_name": "",
        "queue_name": "default",
        "state": OPERATIONAL_STATE[QueueState.RUNNING].name,
        "processor": str(base),
        "processor_affinity": _processors([base]),
        "msix_table_entry": None,
        "owner": None,
        "filters": control.state.filters_on(DEFAULT_QUEUE_ID),
    }


def _queue(queue_id: int, record: QueueRecord, control: ControlPlane) -> Json:
    parameters = record.parameters
    return {
        "queue_id": queue_id,
        "vm_friendly_name": parameters.vm_name,
        "queue_name": parameters.queue_name,
        "state": OPERATIONAL_STATE[record.state].name,
        "processor": str(record.processor),
        "processor_affinity": _processors(parameters.processor_affinity.processors),
        "msix_table_entry": parameters.msix_table_entry,
        "owner": record.owner,
        "filters": control.state.filters_on(queue_id),
    }


def _filter(one: Filter, mode: Mode) -> Json:
    values = {test.field: test.value for test in one.tests}
    address = values.get(MacField.DESTINATION_ADDRESS)
    return {
        "filter_id": one.filter_id,
        "vport_id" if mode is Mode.SWITCH else "queue_id": one.target_id,
        "mac": None if address is None else format_mac(address),
        "vlan_id": values.get(MacField.VLAN_ID),
        "untagged_or_zero": one.untagged_or_zero,
        "owner": one.owner,
    }


def _processors(processors: Iterable[ProcessorNumber]) -> list[str]:
    return [str(processor) for processor in processors]
