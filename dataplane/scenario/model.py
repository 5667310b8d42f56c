"""The scenario as values: one class for each TOML table, with the keys, defaults and ranges of docs/scenario-format.md.

A class checks its own table. `complete` fills in and `checks` checks what depends on several tables. `load_scenario`
runs all three; use it to get a `Scenario`. In a loaded scenario every default is explicit: the empty values that mean
"not given" below (an empty tuple, 0, "") are gone.

A field carries the rule it follows as `Rule` metadata, so that a finding can name it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationInfo,
    field_validator,
    model_validator,
)

from dataplane.ids import NdisVersion, ProcessorNumber, parse_mac
from dataplane.ndis.status import NdisStatus
from dataplane.ndis.values import parse_string
from dataplane.scenario.capabilities import CAPABILITY_FLAGS, default_flags
from dataplane.traffic.profiles import LENGTH_MIXES, OWN_KEYS, PROFILES, Profile
from dataplane.update.policy import DEFAULT_TICK_NS, TICK_NS_MAX, TICK_NS_MIN

T = TypeVar("T")

COST_MAX = 1_000_000_000  # ns or ps; more than a second of work for one frame is a slip of the pen
TIME_MAX_NS = 10**18  # about 31 years: sums of times stay far inside 64 bits
HASH_TYPE_NAMES = (
    "ipv4", "tcp_ipv4", "udp_ipv4", "ipv6", "tcp_ipv6", "udp_ipv6", "ipv6_ex", "tcp_ipv6_ex", "udp_ipv6_ex",
)  # fmt: skip
PACKET_FILTER_NAMES = ("directed", "multicast", "all_multicast", "broadcast", "source_routing", "promiscuous")
_RANGE = re.compile(r"\s*(\d+)\s*(?:-\s*(\d+)\s*)?", re.ASCII)
_EXPONENTIAL = re.compile(r"exponential:([1-9][0-9]{0,3})", re.ASCII)
_ARRIVALS = {"arrivals", "burst_frames", "on_share"}
#: Keys of [traffic] that all profiles look at; those that some do are `OWN_KEYS`.
_SYNTHETIC = _ARRIVALS | {
    "profile", "packets", "rate_pps", "flows", "lengths", "udp_share", "ipv6_share", "transmit", "transmit_share",
    "seed",
}  # fmt: skip
KEY_NAMES = ("microsoft", "symmetric", "random")


@dataclass(frozen=True, slots=True)
class Rule:
    """Field metadata: the rule a wrong value breaks."""

    rule_id: str


def _text(parse: Callable[[str], T]) -> Callable[[Any], T]:
    """A validator that gives a parser of text only text, so that `mac = 5` is a finding and no TypeError."""

    def read(value: Any) -> T:
        if not isinstance(value, str):
            raise ValueError(f"{value!r} must be a text in quotes")
        return parse(value)

    return read


def _parse_processor(value: Any) -> ProcessorNumber:
    if isinstance(value, ProcessorNumber):
        return value
    if not isinstance(value, (int, str)):
        raise ValueError(f"{value!r} is not a processor: write 3 or '1:16'")
    return ProcessorNumber.parse(value)


def _rss_processors(value: Any) -> Any:
    """A count becomes the first processors of the machine, 64 to a group (CAP-31)."""
    if isinstance(value, int) and not isinstance(value, bool):
        if not 1 <= value <= 2048:
            raise ValueError(f"{value} is not a number of processors: 1 to 2048")
        return tuple(ProcessorNumber(n // 64, n % 64) for n in range(value))
    if not isinstance(value, list):
        raise ValueError(f"{value!r} is neither a number of processors nor a list of them")
    return value


def _names(known: tuple[str, ...]) -> Callable[[Any], tuple[str, ...]]:
    """A validator for a list of names in any case; the result is without repetitions in the order of `known`."""

    def read(value: Any) -> tuple[str, ...]:
        if not isinstance(value, (list, tuple)):
            raise ValueError(f"must be a list of names out of {' '.join(known)}")
        lowered = {name.lower(): name for name in known}
        wrong = [name for name in value if not isinstance(name, str) or name.lower() not in lowered]
        if wrong:
            near = get_close_matches(str(wrong[0]).lower(), lowered, 1, 0.5)
            hint = f"did you mean {lowered[near[0]]}?" if near else f"known are {' '.join(known)}"
            raise ValueError(f"{', '.join(map(repr, wrong))} is not known; {hint}")
        chosen = {lowered[name.lower()] for name in value}
        return tuple(name for name in known if name in chosen)

    return read


def _hash_secret_key(value: str) -> str:
    text = value.lower()
    if text in KEY_NAMES or (len(text) == 80 and all(digit in "0123456789abcdef" for digit in text)):
        return text
    raise ValueError(f"{value!r} is not a key: write {', '.join(KEY_NAMES)} or 80 hexadecimal digits")


def _indices(value: Any) -> Any:
    """`5`, `"0-31"`, `"0,2,8-11"`, `"default"`, `"primary"` or a list of numbers."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = [value]
    if isinstance(value, list):
        if not value or not all(isinstance(i, int) and not isinstance(i, bool) for i in value):
            raise ValueError("a list of indices holds whole numbers and at least one")
        parts = [(i, i) for i in value]
    elif isinstance(value, str):
        if value in {"default", "primary"}:
            return value
        try:
            parts = [_range(part) for part in value.split(",")]
        except ValueError:
            raise ValueError(f"{value!r} are no indices: write '0-31', '0,2,8-11', 'default' or 'primary'") from None
    else:
        raise ValueError(f"{value!r} are no indices: write '0-31', '0,2,8-11', 'default' or 'primary'")
    for low, high in parts:
        written = f"{low}-{high}" if low != high else f"{low}"
        if low > high:
            raise ValueError(f"{written} is no range: the lower index comes first")
        if not 0 <= low <= high <= 127:
            raise ValueError(f"{written} is not inside a table of at most 128 entries")
    return tuple(sorted({i for low, high in parts for i in range(low, high + 1)}))


def _one_of(known: tuple[str, ...]) -> Callable[[str], str]:
    def read(value: str) -> str:
        if value not in known:
            near = get_close_matches(value, known, 1, 0.5)
            hint = f"did you mean {near[0]}?" if near else f"known are {' '.join(known)}"
            raise ValueError(f"{value!r} is not known; {hint}")
        return value

    return read


def _lengths(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        if not 14 <= value <= 65_535:
            raise ValueError(f"{value} bytes: a frame has 14 to 65535 without the FCS")
        return value
    exponential = _EXPONENTIAL.fullmatch(value) if isinstance(value, str) else None
    is_mix = isinstance(value, str) and value in LENGTH_MIXES
    if not is_mix and not (exponential and int(exponential[1]) <= 4096):
        known = f"{', '.join(LENGTH_MIXES)} or exponential:MEAN with a mean up to 4096"
        raise ValueError(f"{value!r} is not known; write a number of bytes, {known}")
    return value


def _range(text: str) -> tuple[int, int]:
    match = _RANGE.fullmatch(text)
    if not match:
        raise ValueError(f"{text!r} is no range")
    return int(match[1]), int(match[2] or match[1])


Rows = Annotated[tuple[T, ...], Field(strict=False)]  # a TOML array
Processor = Annotated[ProcessorNumber, PlainValidator(_parse_processor)]
MacAddress = Annotated[int, PlainValidator(_text(parse_mac))]
HashTypes = Annotated[tuple[str, ...], PlainValidator(_names(HASH_TYPE_NAMES)), Rule("HSH-02")]
HashSecretKey = Annotated[str, PlainValidator(_text(_hash_secret_key)), Rule("RSS-12")]
Entries = Annotated[int, Field(ge=1, le=128), Rule("CAP-25")]
Limit = Annotated[int, Field(ge=0, le=0xFFFF_FFFF)]
Cost = Annotated[int, Field(ge=0, le=COST_MAX)]
Time = Annotated[int, Field(ge=0, le=TIME_MAX_NS)]
Share = Annotated[float, Field(ge=0, le=1)]
Seed = Annotated[int, Field(ge=0, le=2**63 - 1)]
Name = Annotated[str, AfterValidator(parse_string)]  # travels in an NDIS_IF_COUNTED_STRING


class Table(BaseModel):
    """Every table: no conversions between types, no unknown keys, no changes afterwards."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


class Adapter(Table):
    """[adapter]: the NIC. The capability members default to the most capable NIC the model knows."""

    ndis_version: Annotated[NdisVersion, PlainValidator(_text(NdisVersion.parse)), Rule("MOD-01")] = NdisVersion(6, 80)
    interface: Annotated[Literal["switch", "vmq", "native-rss"], Rule("MOD-02")] = "switch"
    rss_processors: Annotated[
        tuple[Processor, ...], Field(min_length=1, strict=False), BeforeValidator(_rss_processors), Rule("CAP-31")
    ] = tuple(ProcessorNumber(0, n) for n in range(16))  # *MaxRssProcessors (CAP-33)
    #: The lowest and highest candidate for an RSS processor; the default is the lowest and highest one there is.
    rss_base_processor: Annotated[Processor, Rule("CAP-31")] = Field(default_factory=lambda data: min(_listed(data)))
    rss_max_processor: Annotated[Processor, Rule("CAP-31")] = Field(default_factory=lambda data: max(_listed(data)))
    permanent_address: Annotated[MacAddress, Rule("MOD-12")] = 0x00155D000001
    packet_filter: Annotated[tuple[str, ...], PlainValidator(_names(PACKET_FILTER_NAMES)), Rule("MOD-12")] = (
        "promiscuous",
    )
    multicast_list: Annotated[Rows[MacAddress], Rule("MOD-12")] = ()
    #: The optional encapsulation feature: filter and hash by the inner headers of VXLAN and NVGRE (HSH-30).
    inner_headers: Annotated[bool, Rule("HSH-30")] = False

    # NDIS_RECEIVE_FILTER_CAPABILITIES
    enabled_filter_types: tuple[str, ...] = Field(
        default_factory=lambda data: default_flags("enabled_filter_types", data)
    )
    enabled_queue_types: tuple[str, ...] = Field(
        default_factory=lambda data: default_flags("enabled_queue_types", data)
    )
    supported_queue_properties: Annotated[tuple[str, ...], Rule("CAP-01")] = Field(
        default_factory=lambda data: default_flags("supported_queue_properties", data)
    )
    supported_filter_tests: Annotated[tuple[str, ...], Rule("CAP-02")] = Field(
        default_factory=lambda data: default_flags("supported_filter_tests", data)
    )
    supported_headers: Annotated[tuple[str, ...], Rule("CAP-02")] = Field(
        default_factory=lambda data: default_flags("supported_headers", data)
    )
    supported_mac_header_fields: Annotated[tuple[str, ...], Rule("CAP-02")] = Field(
        default_factory=lambda data: default_flags("supported_mac_header_fields", data)
    )
    num_queues: Annotated[Limit, Rule("CAP-04")] = 0
    max_mac_header_filters: Annotated[Limit, Rule("CAP-06")] = 256
    max_queue_groups: Limit = 0
    max_queues_per_queue_group: Limit = 0
    min_lookahead_split_size: Annotated[Limit, Rule("CAP-07")] = 0
    max_lookahead_split_size: Annotated[Limit, Rule("CAP-07")] = 0

    # NDIS_NIC_SWITCH_CAPABILITIES
    nic_switch_capabilities: tuple[str, ...] = Field(
        default_factory=lambda data: default_flags("nic_switch_capabilities", data)
    )
    max_num_switches: Annotated[Limit, Rule("CAP-13")] = 1
    max_num_vports: Annotated[int, Field(ge=1, le=0x10000), Rule("CAP-14")] = 64  # the OOB holds 16 bits (RX-20)
    max_num_vfs: Annotated[Limit, Rule("CAP-14")] = 0
    max_num_queue_pairs: Annotated[Limit, Rule("CAP-15")] = 1024
    max_num_queue_pairs_per_non_default_vport: Annotated[Limit, Rule("CAP-17")] = 64
    max_num_mac_addresses: Annotated[Limit, Rule("CAP-16")] = 256
    max_num_rss_capable_non_default_pf_vports: Annotated[Limit, Rule("CAP-24")] = 63
    number_of_indirection_table_entries_for_default_vport: Entries = 128
    number_of_indirection_table_entries_per_non_default_pf_vport: Entries = 128
    max_num_queue_pairs_for_default_vport: Annotated[Limit, Rule("CAP-17")] = 64

    # NDIS_RECEIVE_SCALE_CAPABILITIES
    capabilities_flags: Annotated[tuple[str, ...], Rule("CAP-29")] = Field(
        default_factory=lambda data: default_flags("capabilities_flags", data)
    )
    number_of_interrupt_messages: Annotated[Limit, Rule("INT-01")] = 64
    number_of_receive_queues: Annotated[int, Field(ge=1, le=0xFFFF_FFFF), Rule("RSS-26")] = 64
    number_of_indirection_table_entries: Entries = 128

    @field_validator(*CAPABILITY_FLAGS, mode="plain")
    @classmethod
    def _read_flags(cls, value: Any, info: ValidationInfo) -> tuple[str, ...]:
        """A list of flags, or `{ add = [...], remove = [...] }` against the default."""
        field = str(info.field_name)
        read = _names(tuple(CAPABILITY_FLAGS[field].__members__))
        if not isinstance(value, Mapping):
            return read(value)
        if unknown := set(value) - {"add", "remove"}:
            raise ValueError(f"{', '.join(sorted(unknown))}: a change of the default has the keys add and remove")
        flags = set(default_flags(field, info.data)) | set(read(value.get("add", [])))
        return read(list(flags - set(read(value.get("remove", [])))))

    @property
    def has_rss_v2(self) -> bool:
        """Whether RSS parameters are those of generation 2 (CAP-30)."""
        return (
            self.ndis_version >= (6, 80)
            and "SUPPORTS_INDEPENDENT_ENTRY_MOVE" in self.capabilities_flags
            and "DYNAMIC_PROCESSOR_AFFINITY_CHANGE" in self.supported_queue_properties
        )

    @property
    def has_vmmq(self) -> bool:
        """Whether VPorts of the physical function can have RSS (CAP-21)."""
        return self.ndis_version >= (6, 60) and "RSS_ON_PF_VPORTS_SUPPORTED" in self.nic_switch_capabilities

    @property
    def has_restricted_tables(self) -> bool:
        """Whether a VPort's table has exactly its number of queue pairs, rounded up, as entries (CAP-23)."""
        return "RSS_PER_PF_VPORT_INDIRECTION_TABLE_SIZE_RESTRICTED" in self.nic_switch_capabilities


def _listed(data: Mapping[str, Any]) -> tuple[ProcessorNumber, ...]:
    return data["rss_processors"]  # type: ignore[no-any-return]  # validated before, as declared


class Filter(Table):
    """[[vport.filter]] or [[queue.filter]]: what a frame must carry to go there; all given tests must pass (FLT-32)."""

    mac: Annotated[MacAddress | None, Rule("FLT-15")] = None
    vlan: Annotated[int | None, Field(ge=0, le=0xFFFF), Rule("FLT-14")] = None
    #: Only untagged frames and VLAN 0 (FLT-16); false takes any VLAN (FLT-20).
    untagged_or_zero: Annotated[bool, Rule("FLT-24")] = Field(
        default_factory=lambda data: data["mac"] is not None and data["vlan"] is None
    )


class Rss(Table):
    """[vport.rss] or [native_rss]: RSS of a VPort or of the whole adapter; without the table RSS is off (RSS-01)."""

    hash_types: HashTypes = ()
    hash_secret_key: HashSecretKey = "microsoft"
    indirection_table: Annotated[
        tuple[Processor, ...], Field(min_length=1, max_length=128, strict=False), Rule("RSS-15")
    ] = ()
    num_indirection_table_entries: Entries = 0
    default_processor: Annotated[Processor | None, Rule("RSS-02")] = None

    @property
    def key(self) -> bytes:
        """The 40 bytes of the secret key; only of a loaded scenario, where names are resolved."""
        return bytes.fromhex(self.hash_secret_key)


class VPort(Table):
    """[[vport]]: a VPort, created and activated before traffic starts."""

    id: Annotated[int, Field(ge=0, le=0xFFFF), Rule("VPT-07")]
    name: Name = ""
    num_queue_pairs: Annotated[int, Field(ge=1, le=0xFFFF_FFFF), Rule("VPT-10")] = 0
    processor_affinity: Annotated[tuple[Processor, ...], Field(min_length=1, strict=False), Rule("VPT-11")] = ()
    filters: Rows[Filter] = Field(default=(), alias="filter")
    rss: Rss | None = None

    @property
    def primary_processor(self) -> ProcessorNumber:
        """The lowest processor of the affinity (VPT-12)."""
        return min(self.processor_affinity)


class Queue(Table):
    """[[queue]]: a VMQ receive queue; id 0, the default queue, may be listed for its filters."""

    id: Annotated[int, Field(ge=0, le=0xFFFF), Rule("QUE-02")]
    name: Name = ""
    processor_affinity: Annotated[tuple[Processor, ...], Field(min_length=1, strict=False), Rule("QUE-10")] = ()
    filters: Rows[Filter] = Field(default=(), alias="filter")

    @property
    def processor(self) -> ProcessorNumber:
        """The lowest processor of the affinity (QUE-18)."""
        return min(self.processor_affinity)


class ProcessorCosts(Table):
    """[processors]: the cost model of every processor (PRC-01..PRC-03)."""

    dpc_queue_depth: Annotated[int, Field(ge=0, le=COST_MAX), Rule("PRC-01")] = 1024  # 0 = unbounded
    receive_cost_ns: Annotated[Cost, Rule("PRC-02")] = 500
    receive_cost_per_byte_ps: Annotated[Cost, Rule("PRC-02")] = 0
    completion_cost_ns: Annotated[Cost, Rule("PRC-02")] = 200
    interrupt_moderation_ns: Annotated[Cost, Rule("PRC-03")] = 0
    interrupt_latency_ns: Annotated[Cost, Rule("PRC-03")] = 0
    dpc_overhead_ns: Annotated[Cost, Rule("PRC-03")] = 0
    max_nbls_to_indicate: Annotated[int, Field(ge=0, le=COST_MAX), Rule("PRC-03")] = 0  # 0 = no limit


class ProcessorOverride(Table):
    """[[processor]]: what one processor does differently from [processors]."""

    processor: Annotated[Processor, Rule("CAP-32")]
    dpc_queue_depth: Annotated[int | None, Field(ge=0, le=COST_MAX), Rule("PRC-01")] = None
    receive_cost_ns: Annotated[Cost | None, Rule("PRC-02")] = None
    receive_cost_per_byte_ps: Annotated[Cost | None, Rule("PRC-02")] = None
    completion_cost_ns: Annotated[Cost | None, Rule("PRC-02")] = None
    interrupt_moderation_ns: Annotated[Cost | None, Rule("PRC-03")] = None
    interrupt_latency_ns: Annotated[Cost | None, Rule("PRC-03")] = None
    dpc_overhead_ns: Annotated[Cost | None, Rule("PRC-03")] = None
    max_nbls_to_indicate: Annotated[int | None, Field(ge=0, le=COST_MAX), Rule("PRC-03")] = None


class Traffic(Table):
    """[traffic]: one source of frames, a capture or a synthetic profile; what is left out is the profile's default."""

    capture: str | None = None
    loop: Annotated[int, Field(ge=1, le=COST_MAX)] | None = None
    transmit: Literal["by-source-mac"] | None = None

    profile: Annotated[str, AfterValidator(_one_of(tuple(PROFILES)))] | None = None
    packets: Annotated[int, Field(ge=0, le=10**15)] | None = None
    rate_pps: Annotated[float, Field(gt=0, le=1e9, allow_inf_nan=False)] | None = None
    arrivals: Literal["poisson", "constant", "on-off"] | None = None
    flows: Annotated[int, Field(ge=1, le=2**31)] | None = None
    lengths: Annotated[int | str | None, PlainValidator(_lengths)] = None
    zipf_s: Annotated[float, Field(ge=0, le=10)] | None = None
    elephants: Annotated[int, Field(ge=1, le=10**8)] | None = None
    elephant_share: Share | None = None
    udp_share: Share | None = None
    ipv6_share: Share | None = None
    transmit_share: Share | None = None
    burst_frames: Annotated[int, Field(ge=1, le=COST_MAX)] | None = None
    on_share: Annotated[float, Field(gt=0, le=1)] | None = None
    churn_frames: Annotated[int, Field(ge=1, le=COST_MAX)] | None = None
    table_entries: Annotated[int, Field(ge=1, le=4096)] | None = None
    vlans: Rows[Annotated[int, Field(ge=1, le=4094)]] | None = None
    seed: Seed | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if problem := self.contradiction({key for key, value in self if value is not None}):
            raise ValueError(problem)
        return self

    @staticmethod
    def contradiction(given: Collection[str]) -> str | None:
        """What is wrong with a table that has these keys, whatever their values."""
        count = sum(key in given for key in ("capture", "profile"))
        if count == 1:
            return None
        return f"needs exactly one of capture and profile: {'both are' if count else 'neither is'} given"

    @property
    def keys_in_use(self) -> set[str]:
        """Keys that the source looks at."""
        if self.capture is not None:
            fitting = {"capture", "loop", "transmit"} | ({"rate_pps", "seed"} | _ARRIVALS if self.rate_pps else set())
            arrivals = self.arrivals
        else:
            name = self.profile or "uniform"  # without one something else is wrong, and told
            fitting = _SYNTHETIC | OWN_KEYS.get(name, set())
            arrivals = self.arrivals or Profile.defaults(name)["arrivals"]
        if arrivals != "on-off":
            fitting = fitting - {"burst_frames", "on_share"}
        return fitting

    @property
    def keys_without_effect(self) -> list[str]:
        """Keys that are given although the source does not look at them."""
        in_use = self.keys_in_use
        return [key for key, value in self if value is not None and key not in in_use]

    @property
    def profile_keys(self) -> dict[str, Any]:
        """What is given of the keys that make a profile, as `Profile.named` takes them."""
        return self.model_dump(exclude={"capture", "loop", "transmit", "profile"}, exclude_none=True)


class MoveEntries(Table):
    """`move_entries`: RSSv2 moves of table entries, or of the default or primary processor (UPD-31)."""

    vport: Annotated[int, Field(ge=0, le=0xFFFF), Rule("UPD-42")] = 0  # 0 under native-rss: the adapter (UPD-49)
    indices: Annotated[tuple[int, ...] | Literal["default", "primary"], PlainValidator(_indices), Rule("UPD-37")]
    target: Annotated[Processor, Rule("UPD-40")]


class RssChange(Table):
    """`rss`: new RSS parameters of a VPort; keys left out stay as they are."""

    vport: Annotated[int, Field(ge=0, le=0xFFFF), Rule("RSS-21")] = 0
    enabled: Annotated[bool, Rule("UPD-21")] = True
    hash_types: HashTypes | None = None
    hash_secret_key: HashSecretKey | None = None
    indirection_table: (
        Annotated[tuple[Processor, ...], Field(min_length=1, max_length=128, strict=False), Rule("RSS-15")] | None
    ) = None
    num_indirection_table_entries: Entries | None = None
    default_processor: Annotated[Processor | None, Rule("RSS-02")] = None
    num_queue_pairs: Annotated[int, Field(ge=1, le=0xFFFF_FFFF), Rule("UPD-06")] | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.model_fields_set - {"vport"}:
            keys = (name for name in type(self).model_fields if name != "vport")
            raise ValueError(f"sets nothing: give one of {', '.join(keys)}")
        return self


class OidRequest(Table):
    """`oid`: any request, with the members of an `oid` step of docs/oracle-protocol.md; `name` is the OID."""

    name: Annotated[str, Field(pattern=r"^(OID_[A-Z0-9_]+|0x[0-9a-fA-F]{1,8})$"), Rule("OID-01")]
    kind: Annotated[Literal["query", "set", "method"] | None, Rule("OID-01")] = None
    issuer: Annotated[str, Rule("MOD-05")] = "A"
    vport_id: Annotated[Limit | None, Rule("OID-02")] = None
    switch_id: Annotated[Limit, Rule("OID-02")] = 0
    processor: Annotated[Processor, Rule("OID-18")] = ProcessorNumber(0, 0)
    sync: Annotated[bool | None, Rule("OID-18")] = None
    input: dict[str, Any] | None = Field(default=None, alias="in")
    in_hex: Annotated[str, Field(pattern=r"^([0-9a-fA-F]{2})*$")] | None = None
    buffer_length: Annotated[Limit | None, Rule("OID-09")] = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.input is not None and self.in_hex is not None:
            raise ValueError("takes in or in_hex, not both")
        return self


class Event(Table):
    """[[event]]: one change at a time relative to the first arrival, before arrivals of that instant (TIM-03)."""

    at_ns: Annotated[Time, Rule("TIM-03")]
    move_entries: MoveEntries | None = None
    rss: RssChange | None = None
    oid: OidRequest | None = None
    #: How it is to end; without it, it is to succeed. Of moves the status of the first entry that failed (UPD-36).
    expect: Annotated[str, AfterValidator(_one_of(tuple(NdisStatus.__members__)))] | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if problem := self.contradiction({key for key, value in self if value is not None}):
            raise ValueError(problem)
        return self

    @staticmethod
    def contradiction(given: Collection[str]) -> str | None:
        """What is wrong with a table that has these keys, whatever their values."""
        actions = [key for key in ("move_entries", "rss", "oid") if key in given]
        if len(actions) == 1:
            return None
        what = f"{' and '.join(actions)} are given" if actions else "none is given"
        return f"needs exactly one of move_entries, rss and oid: {what}"


class Update(Table):
    """[update]: how changes reach the traffic."""

    control_latency_ns: Annotated[Time, Rule("EPO-03")] = 0
    hand_over: Annotated[Literal["permissive", "ordered"], Rule("EPO-06")] = "permissive"


class Policy(Table):
    """[policy]: a closed loop that rebalances at every tick (POL-01)."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9-]+$|^[A-Za-z_][\w.]*:[A-Za-z_]\w*$"), Rule("POL-01")] = (
        "none"  # a name of the model's own policies or "package.module:Class"
    )
    tick_ns: Annotated[int, Field(ge=TICK_NS_MIN, le=TICK_NS_MAX), Rule("POL-01")] = DEFAULT_TICK_NS
    parameters: dict[str, Any] = Field(default_factory=dict)  # given to the policy as keyword arguments


class Run(Table):
    """[run]: how the experiment is run and measured."""

    seed: Seed = 1
    window_ns: Annotated[int, Field(ge=1_000, le=10**15), Rule("BAL-01")] = 100_000_000
    batch_packets: Annotated[int, Field(ge=1, le=2**24)] | Literal["auto"] = "auto"
    per_packet: bool = False


class Scenario(Table):
    """A whole experiment."""

    name: str = ""
    description: str = ""
    adapter: Adapter = Field(default_factory=Adapter)
    vports: Rows[VPort] = Field(default=(), alias="vport")  # in file order
    queues: Rows[Queue] = Field(default=(), alias="queue")  # in file order
    native_rss: Rss | None = None
    processors: ProcessorCosts = ProcessorCosts()
    processor_overrides: Rows[ProcessorOverride] = Field(default=(), alias="processor")
    traffic: Traffic | None = None  # commands that bring their own frames need none
    events: Rows[Event] = Field(default=(), alias="event")  # in file order; simultaneous ones happen in that order
    update: Update = Update()
    policy: Policy = Policy()
    run: Run = Run()

    def costs(self, processor: ProcessorNumber) -> ProcessorCosts:
        """The cost model of one processor, its [[processor]] table applied."""
        costs = self.processors
        for override in self.processor_overrides:
            if override.processor == processor:
                costs = costs.model_copy(update=override.model_dump(exclude={"processor"}, exclude_none=True))
        return costs

    @property
    def transmit_by_source(self) -> bool:
        """Whether frames from the address of a VPort or queue are its sends."""
        return self.traffic is not None and self.traffic.transmit == "by-source-mac"

    @property
    def used_processors(self) -> tuple[ProcessorNumber, ...]:
        """Every processor that can get work: the RSS processors and those of the affinities; ascending."""
        others = [vport.primary_processor for vport in self.vports]
        others += [queue.processor for queue in self.queues if queue.processor_affinity]
        return tuple(sorted({*self.adapter.rss_processors, *others}))
