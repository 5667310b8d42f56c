"""Snapshots made by hand."""

from __future__ import annotations

from dataplane.ids import NdisVersion, ProcessorNumber
from dataplane.switch.compile import compile_snapshot
from dataplane.switch.configuration import (
    AdapterConfiguration,
    FieldTest,
    Filter,
    HashType,
    MacField,
    Mode,
    PacketFilter,
    RssState,
    VPort,
)
from dataplane.switch.snapshot import SteeringSnapshot
from tests.reference.vectors import KEYS


def four_vports(first_processor: int = 0) -> SteeringSnapshot:
    """VPorts 1 to 4, addresses from 00-15-5D-01-02-01, 16 entries over four processors each; not promiscuous."""
    processors = tuple(ProcessorNumber(0, n) for n in range(4))
    types = HashType.TCP_IPV4 | HashType.IPV4 | HashType.TCP_IPV6
    table = tuple(processors[(n + first_processor) % 4] for n in range(16))
    rss = RssState(True, types, KEYS["ms_default"], table, processors[first_processor])
    return compile_snapshot(
        AdapterConfiguration(
            mode=Mode.SWITCH,
            ndis_version=NdisVersion(6, 60),
            rss_processors=processors,
            rss_base_processor=processors[0],
            permanent_address=0x00155D000001,
            packet_filter=PacketFilter.DIRECTED,
            filters=tuple(
                Filter(n, n, (FieldTest(MacField.DESTINATION_ADDRESS, 0x00155D010200 + n),), False) for n in range(1, 5)
            ),
            vports=tuple(VPort(n, True, processors[0], rss) for n in range(5)),
        ),
        0,
    )
