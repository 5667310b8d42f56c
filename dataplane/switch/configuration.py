"""The steering-relevant configuration of an adapter as immutable values.

`dataplane.control` writes these values (it is the only writer); `dataplane.switch.snapshot` compiles them into what the
receive and transmit paths read. Nothing here decides anything.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, IntFlag

from dataplane.ids import NdisVersion, ProcessorNumber


class Mode(Enum):
    """The mode of the adapter (MOD-02); native RSS is neutral mode without either interface."""

    SWITCH = "switch"
    VMQ = "vmq"
    NEUTRAL = "neutral"


class PacketFilter(IntFlag):
    """Bits of OID_GEN_CURRENT_PACKET_FILTER (MOD-12, RX-07)."""

    DIRECTED = 0x1
    MULTICAST = 0x2
    ALL_MULTICAST = 0x4
    BROADCAST = 0x8
    SOURCE_ROUTING = 0x10
    PROMISCUOUS = 0x20


class HashType(IntFlag):
    """NDIS_HASH_* bits of HashInformation (constants, section 9)."""

    NONE = 0
    IPV4 = 0x00000100
    TCP_IPV4 = 0x00000200
    IPV6 = 0x00000400
    IPV6_EX = 0x00000800
    TCP_IPV6 = 0x00001000
    TCP_IPV6_EX = 0x00002000
    UDP_IPV4 = 0x00004000
    UDP_IPV6 = 0x00008000
    UDP_IPV6_EX = 0x00010000


TOEPLITZ = 0x01  # NdisHashFunctionToeplitz, low byte of HashInformation
HASH_SECRET_KEY_BYTES = 40


class Test(Enum):
    """NDIS_RECEIVE_FILTER_TEST (FLT-12)."""

    EQUAL = 1
    MASK_EQUAL = 2
    NOT_EQUAL = 3


class MacField(Enum):
    """NDIS_MAC_HEADER_FIELD as far as VMQ filters use it (FLT-08)."""

    DESTINATION_ADDRESS = 1
    VLAN_ID = 4


@dataclass(frozen=True, slots=True)
class FieldTest:
    """One field test of a filter: a 48-bit address or a 12-bit VLAN id, as host integers."""

    field: MacField
    value: int  # FieldValue (the mask for MASK_EQUAL)
    test: Test = Test.EQUAL
    result: int = 0  # ResultValue, MASK_EQUAL only


@dataclass(frozen=True, slots=True)
class Filter:
    """One receive filter; all its tests must pass (FLT-32)."""

    filter_id: int
    target_id: int  # VPort id in switch mode, queue id otherwise
    tests: tuple[FieldTest, ...]
    untagged_or_zero: bool = False  # flag found in any element (FLT-25)
    owner: str = ""  # the client that set it


@dataclass(frozen=True, slots=True)
class RssState:
    """RSS of one scaling entity, VPort or adapter (RSS-01).

    For RSSv2 all members are tracked while disabled; for RSSv1 they are empty then (RSS-08, UPD-20).
    """

    enabled: bool = False
    hash_types: HashType = HashType.NONE
    hash_secret_key: bytes | None = None  # 40 bytes
    indirection_table: tuple[ProcessorNumber, ...] = ()
    default_processor: ProcessorNumber | None = None


@dataclass(frozen=True, slots=True)
class VPort:
    """A VPort as steering sees it; `primary_processor` is what traffic uses while RSS is off (VPT-12)."""

    vport_id: int
    activated: bool
    primary_processor: ProcessorNumber
    rss: RssState = field(default_factory=RssState)
    name: str = ""
    attached_to_vf: bool = False


@dataclass(frozen=True, slots=True)
class ReceiveQueue:
    """A VMQ receive queue as steering sees it; only a Running one attracts frames (RX-03)."""

    queue_id: int
    running: bool
    processor: ProcessorNumber
    name: str = ""


@dataclass(frozen=True, slots=True)
class AdapterConfiguration:
    """Everything that decides where a frame goes; the input of `switch.compile.compile_snapshot`."""

    mode: Mode
    ndis_version: NdisVersion
    rss_processors: tuple[ProcessorNumber, ...]  # the RSS processor array (CAP-31), base first or not
    rss_base_processor: ProcessorNumber
    permanent_address: int  # 48 bits
    packet_filter: PacketFilter = PacketFilter.PROMISCUOUS
    multicast_list: tuple[int, ...] = ()
    vlan_filtering: bool = True  # VLAN_ID_SUPPORTED in the current capabilities (FLT-26)
    filters: tuple[Filter, ...] = ()  # ascending by filter id
    vports: tuple[VPort, ...] = ()  # ascending by id, default VPort first; empty unless SWITCH
    queues: tuple[ReceiveQueue, ...] = ()  # ascending by id, without the default queue; empty unless VMQ
    native_rss: RssState = field(default_factory=RssState)  # adapter-wide RSS when neither switch nor queues exist
    #: Native RSS: entry processors after RSS-26 (at most as many distinct ones as hardware queues); empty otherwise.
    native_table_in_use: tuple[ProcessorNumber, ...] = ()
    receive_hash: RssState = field(default_factory=RssState)  # OID_GEN_RECEIVE_HASH: hashed but not spread (RSS-23)
    inner_headers: bool = False  # optional encapsulation feature (HSH-30, FLT-40)
