"""The specification of an adapter, from an `adapter` step, a scenario, or the first record of a journal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dataplane.ids import NdisVersion, ProcessorNumber
from dataplane.ndis.structures import FilterCapabilities, NicSwitchCapabilities, ScaleCapabilities
from dataplane.switch.configuration import PacketFilter


@dataclass(frozen=True, slots=True)
class SwitchSpecification:
    """A NIC switch that exists from the start (VPT-03)."""

    num_vfs: int = 0
    num_queue_pairs_for_default_vport: int = 1
    switch_friendly_name: str = ""
    #: True: the miniport built it at initialization; the adapter starts neutral and CREATE_SWITCH must repeat this.
    static: bool = False


@dataclass(frozen=True, slots=True)
class AdapterSpecification:
    """Everything that is fixed when an adapter is initialized, and its initial settings."""

    ndis_version: NdisVersion
    permanent_address: int  # 48 bits
    rss_processors: tuple[ProcessorNumber, ...]  # as NdisGetRssProcessorInformation returns them (CAP-31, CAP-34)
    rss_base_processor: ProcessorNumber
    rss_max_processor: ProcessorNumber
    multicast_list: tuple[int, ...] = ()
    packet_filter: PacketFilter = PacketFilter.PROMISCUOUS  # MOD-12
    keywords: tuple[tuple[str, int], ...] = ()  # the keywords in the registry, with their asterisks
    #: Hardware capabilities; the current ones follow from the keywords (CAP-08).
    receive_filter_capabilities: FilterCapabilities | None = None
    nic_switch_capabilities: NicSwitchCapabilities | None = None
    receive_scale_capabilities: ScaleCapabilities | None = None
    switch: SwitchSpecification | None = None
    inner_headers: bool = False  # the optional encapsulation feature is there (HSH-30, FLT-40)
    receive_buffers: int | None = None  # outstanding NBLs before indications use RESOURCES (RX-25); None = no limit

    @property
    def keyword_values(self) -> Mapping[str, int]:
        """The keywords by name."""
        return dict(self.keywords)
