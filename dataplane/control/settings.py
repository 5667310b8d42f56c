"""Packet filter, multicast list, own address, and the capability queries (MOD-12, CAP-08, CAP-09)."""

from __future__ import annotations

import dataclasses

from dataplane.control.decision import Context, Outcome
from dataplane.control.requests import not_supported
from dataplane.ndis.structures import CurrentAddress, FilterGlobalParameters, MulticastList, PacketFilter


def query_packet_filter(context: Context, _parameters: None) -> Outcome:
    """OID_GEN_CURRENT_PACKET_FILTER."""
    return Outcome(context.state, answer=PacketFilter(packet_filter=context.state.packet_filter))


def set_packet_filter(context: Context, parameters: PacketFilter) -> Outcome:
    """OID_GEN_CURRENT_PACKET_FILTER: decides about frames that match no receive filter (MOD-12, RX-07)."""
    return Outcome(dataclasses.replace(context.state, packet_filter=parameters.packet_filter))


def query_multicast_list(context: Context, _parameters: None) -> Outcome:
    """OID_802_3_MULTICAST_LIST."""
    return Outcome(context.state, answer=MulticastList(addresses=context.state.multicast_list))


def set_multicast_list(context: Context, parameters: MulticastList) -> Outcome:
    """OID_802_3_MULTICAST_LIST: replaces the whole list."""
    return Outcome(dataclasses.replace(context.state, multicast_list=parameters.addresses))


def query_address(context: Context, _parameters: None) -> Outcome:
    """OID_802_3_CURRENT_ADDRESS."""
    return Outcome(context.state, answer=CurrentAddress(address=context.specification.permanent_address))


def require_filter_capabilities(context: Context) -> None:
    """The adapter has receive filtering, whether enabled or not."""
    if context.capabilities.receive_filter_hardware is None:
        raise not_supported("CAP-08: the adapter has no receive filter capabilities")


def query_filter_hardware(context: Context, _parameters: None) -> Outcome:
    """Everything the NIC can do (CAP-08)."""
    return Outcome(context.state, answer=context.capabilities.receive_filter_hardware)


def query_filter_current(context: Context, _parameters: None) -> Outcome:
    """What the keywords enable (CAP-08)."""
    return Outcome(context.state, answer=context.capabilities.receive_filter)


def query_global_parameters(context: Context, _parameters: None) -> Outcome:
    """OID_RECEIVE_FILTER_GLOBAL_PARAMETERS: the enabled filter and queue types."""
    current = context.capabilities.receive_filter
    answer = FilterGlobalParameters(
        enabled_filter_types=current.enabled_filter_types, enabled_queue_types=current.enabled_queue_types
    )
    return Outcome(context.state, answer=answer)


def require_switch_capabilities(context: Context) -> None:
    """The adapter has a NIC switch, whether enabled or not."""
    if context.capabilities.nic_switch_hardware is None:
        raise not_supported("OID-17: the adapter has no NIC switch capabilities")


def query_switch_hardware(context: Context, _parameters: None) -> Outcome:
    """Everything the NIC can do (CAP-08)."""
    return Outcome(context.state, answer=context.capabilities.nic_switch_hardware)


def query_switch_current(context: Context, _parameters: None) -> Outcome:
    """What the keywords enable (CAP-08)."""
    return Outcome(context.state, answer=context.capabilities.nic_switch)
