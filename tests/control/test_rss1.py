"""RSS parameters of generation 1 (section 7 of the rules)."""

from __future__ import annotations

from typing import Any

import pytest

from dataplane.control.rss1 import native_table_in_use
from dataplane.switch.configuration import HashType, Mode, RssState
from tests.control.host import (
    FAILURE,
    INVALID_LENGTH,
    INVALID_PARAMETER,
    INVALID_PORT,
    K1,
    K2,
    NOT_SUPPORTED,
    SUCCESS,
    Host,
    processor,
    processors,
    unchanged,
    without,
)

PER_VPORT_HASH = [f"RSS_PER_PF_VPORT_HASH_{what}_SUPPORTED" for what in ("FUNCTION", "TYPE", "KEY")]


@pytest.fixture
def host() -> Host:
    """VPort 1 with four queue pairs on processors 2, 4, 6, 8."""
    host = Host("CFG-S")
    host.vport([2, 4, 6, 8], 4)
    return host


def rss_of(host: Host, vport_id: int = 1) -> RssState:
    """RSS of a VPort as steering sees it."""
    return next(one.rss for one in host.control.configuration.vports if one.vport_id == vport_id)


def test_each_vport_has_its_own_parameters(host: Host) -> None:
    """Types, key, table, default processor, set by the RSS OID aimed at the VPort (RSS-01, RSS-02, RSS-12, OID-02)."""
    host.vport([4, 6], 2)
    assert host.rss(1, [2, 4, 6, 8], 8) == SUCCESS
    assert host.rss(2, [4, 6], 4, hash_secret_key=K2, hash_information=["Toeplitz", "IPV6"]) == SUCCESS
    first, second = rss_of(host, 1), rss_of(host, 2)
    assert first == RssState(
        True, HashType.IPV4 | HashType.TCP_IPV4, bytes.fromhex(K1), processors(2, 4, 6, 8), processor(8)
    )
    assert second == RssState(True, HashType.IPV6, bytes.fromhex(K2), processors(4, 6), processor(4))
    assert rss_of(host, 0) == RssState()  # RSS-05


def test_request_without_vport_flag(host: Host) -> None:
    """In switch mode it is for the default VPort, otherwise for the adapter (OID-03)."""
    assert host.rss(None, [0, 2], 0) == SUCCESS
    assert rss_of(host, 0).enabled
    native = Host("CFG-T")
    assert native.rss(None, [0, 2], 0) == SUCCESS
    assert native.control.configuration.native_rss.enabled


def test_vport_flag_is_from_650() -> None:
    """Below NDIS 6.50 a request has no VPort members (OID-02)."""
    old = Host("CFG-S", ndis_version="6.30", **without("RSS_ON_PF_VPORTS_SUPPORTED"))
    assert old.oid("OID_GEN_RECEIVE_SCALE_PARAMETERS", request={"vport_id": 9}) == SUCCESS
    assert Host("CFG-S").oid("OID_GEN_RECEIVE_SCALE_PARAMETERS", request={"vport_id": 9}) == INVALID_PORT


def test_default_processor_need_not_be_in_the_table(host: Host) -> None:
    """The default processor need not be in the table, but is an RSS processor, and counts (RSS-03, RSS-17, RSS-18)."""
    assert host.rss(1, [2, 4], 8) == SUCCESS
    assert host.rss(1, [2, 4], 3) == INVALID_PARAMETER
    three = Host("CFG-S")
    three.vport([2, 4, 6, 8], 3)
    outcomes = [three.rss(1, table, default) for table, default in (
        ([2, 4, 6, 8], 2), ([4, 6, 8, 4], 2), ([2, 4, 6, 4], 2), ([4, 6, 4, 6], 2)
    )]  # fmt: skip
    assert outcomes == [INVALID_PARAMETER, INVALID_PARAMETER, SUCCESS, SUCCESS]


def test_disabling_ignores_and_forgets_everything(host: Host) -> None:
    """DISABLE_RSS: nothing else is validated, and the entity has its initial state (RSS-05..RSS-08, RSS-14, UPD-12)."""
    host.rss(1, [2, 4], 4)
    bad = {"hash_secret_key_size": 3, "indirection_table_size": 7, "hash_information": ["Reserved3"]}
    assert host.rss(1, [2, 4], 4, flags=["DISABLE_RSS"], **bad) == SUCCESS
    assert rss_of(host) == RssState()
    for flag in ("HASH_INFO_UNCHANGED", "ITABLE_UNCHANGED", "HASH_KEY_UNCHANGED"):
        refused = host.rss(1, [2, 4], 4, flags=[flag])
        assert refused == INVALID_PARAMETER
        assert refused.why.startswith("RSS-08: ")
    # DEFAULT_PROCESSOR_UNCHANGED is the exception (RSS-10)
    assert host.rss(1, [2, 4], 4, flags=["DEFAULT_PROCESSOR_UNCHANGED"]) == SUCCESS
    assert rss_of(host).default_processor == processor(2)


def test_hash_function(host: Host) -> None:
    """0 disables, Toeplitz enables, others are not supported (RSS-06, HSH-03, ERR-38)."""
    host.rss(1, [2, 4])
    assert host.rss(1, hash_information=["IPV4"], hash_secret_key="", indirection_table_size=7) == SUCCESS
    assert not rss_of(host).enabled
    for function in ("Reserved1", "Reserved3"):
        assert host.rss(1, [2, 4], hash_information=[function, "IPV4"]) == NOT_SUPPORTED
    assert host.rss(1, [2, 4], hash_information=["Toeplitz", "Reserved1", "IPV4"]) == NOT_SUPPORTED


def test_unchanged_flags_keep_the_stored_value(host: Host) -> None:
    """Members that a flag names are ignored, all others are taken (RSS-09, RSS-11, RSS-27, UPD-04)."""
    host.rss(1, [2, 4, 6, 8], 8)
    others = ["HASH_INFO_UNCHANGED", "HASH_KEY_UNCHANGED", "DEFAULT_PROCESSOR_UNCHANGED"]
    assert host.rss(1, [8, 6, 4, 2], 4, flags=others, hash_information=["Reserved1"], hash_secret_key="00") == SUCCESS
    assert rss_of(host).indirection_table == processors(8, 6, 4, 2)
    assert (rss_of(host).default_processor, rss_of(host).hash_secret_key) == (processor(8), bytes.fromhex(K1))
    flags = ["ITABLE_UNCHANGED", "HASH_KEY_UNCHANGED", "DEFAULT_PROCESSOR_UNCHANGED"]
    assert host.rss(1, flags=flags, hash_information=["Toeplitz", "IPV4"]) == SUCCESS
    assert rss_of(host).hash_types == HashType.IPV4
    flags = ["ITABLE_UNCHANGED", "HASH_INFO_UNCHANGED", "DEFAULT_PROCESSOR_UNCHANGED"]
    assert host.rss(1, flags=flags, hash_secret_key=K2) == SUCCESS
    assert rss_of(host).hash_secret_key == bytes.fromhex(K2)


def test_lower_revisions(host: Host) -> None:
    """Revision 2 has no default processor, revision 1 one byte for each entry (RSS-10, RSS-15, OID-11)."""
    host.rss(1, [2, 4], 4)
    assert host.rss(1, [2, 4, 2, 4], header={"revision": 2}) == SUCCESS
    assert rss_of(host).default_processor == processor(2)
    assert host.rss(1, [6, 4], header={"revision": 1}) == SUCCESS
    assert rss_of(host).indirection_table == processors(6, 4)
    # a revision nobody knows is read as the highest known (OID-10)
    assert host.rss(1, [2, 4], 4, header={"revision": 9}) == SUCCESS
    assert rss_of(host).default_processor == processor(4)


@pytest.mark.parametrize(
    ("members", "rule"),
    [
        ({"indirection_table_size": 0}, "RSS-15"),
        ({"indirection_table_size": 7}, "RSS-15"),
        ({"indirection_table_size": 516}, "RSS-15"),
        ({"indirection_table_offset": 4000}, "OID-09"),
        ({"indirection_table_offset": 40}, "OID-09"),  # inside the fixed part
        ({"hash_secret_key_size": 39}, "RSS-12"),
        ({"hash_secret_key_size": 41}, "RSS-12"),
        ({"hash_secret_key_offset": 4000}, "OID-09"),
        ({"number_of_processor_masks": 1, "processor_masks_entry_size": 16, "processor_masks_offset": 4000}, "OID-09"),
    ],
)
def test_bad_lengths(host: Host, members: dict[str, int], rule: str) -> None:
    """Table, key and masks lie in the buffer; table and key have legal sizes (RSS-12, RSS-15, RSS-29, ERR-36)."""
    before = unchanged(host)
    answer = host.rss(1, [2, 4], **members)
    assert answer == INVALID_LENGTH
    assert answer.why.startswith(f"{rule}: ")
    assert before == unchanged(host)


def test_table_of_revision_1_is_limited(host: Host) -> None:
    """128 bytes; and every revision up to the capability in entries (RSS-15, CAP-25, ERR-36, ERR-37)."""
    assert host.rss(1, [2] * 129, header={"revision": 1}) == INVALID_LENGTH
    assert host.rss(1, [2] * 128, header={"revision": 1}) == INVALID_PARAMETER  # more entries than the VPort may have
    assert host.rss(1, [2] * 64) == INVALID_PARAMETER
    assert host.rss(1, [2] * 32) == SUCCESS
    assert host.rss(0, [0] * 64, 0) == SUCCESS
    assert Host("CFG-T").rss(None, [0] * 128, 0) == SUCCESS


@pytest.mark.parametrize(
    "members",
    [
        {"indirection_table": [2, 4, 6]},
        {"indirection_table": [2, 3]},
        {"indirection_table": ["1:2", 2]},
        {"hash_information": ["Toeplitz"]},
        {"hash_information": ["Toeplitz", "UDP_IPV4"]},
        {"hash_information": ["Toeplitz", "IPV4", 0x20000]},
        {"hash_information": ["Toeplitz", "IPV4", 0x80000000]},  # an IntFlag would lose this bit
    ],
)
def test_bad_members(host: Host, members: dict[str, Any]) -> None:
    """No power of two, foreign processors, types beyond the capability or none (RSS-15, RSS-17, HSH-31, ERR-37)."""
    before = unchanged(host)
    given = {"table": members["indirection_table"]} if "indirection_table" in members else {"table": [2, 4], **members}
    assert host.rss(1, **given) == INVALID_PARAMETER
    assert before == unchanged(host)


def test_masks_and_base_cpu_are_ignored(host: Host) -> None:
    """BaseCpuNumber and the contents of the masks mean nothing to the model (RSS-16, RSS-29)."""
    assert host.rss(1, [2, 4], base_cpu_number=7, processor_masks=[[1, 3]]) == SUCCESS
    assert host.rss(1, [2, 4], flags=["BASE_CPU_UNCHANGED"]) == SUCCESS


def test_tables_need_not_stay_inside_the_affinity(host: Host) -> None:
    """Entries may name RSS processors outside the mask, and those of other VPorts (RSS-17, RSS-28)."""
    host.vport([2], 2)
    assert host.rss(2, [10, 12], 10) == SUCCESS
    assert host.rss(1, [10, 12], 10) == SUCCESS


def test_restricted_tables() -> None:
    """The number of entries is that of queue pairs, rounded up (RSS-20, CAP-23)."""
    host = Host("CFG-R")
    host.vport([2, 4, 6, 8], 3)
    assert host.rss(1, [2, 4]) == INVALID_PARAMETER
    assert host.rss(1, [2, 4, 6, 4, 2, 4, 6, 4]) == INVALID_PARAMETER
    assert host.rss(1, [2, 4, 6, 4]) == SUCCESS


def test_what_rss_requires(host: Host) -> None:
    """VMMQ, an existing VPort, the PF; not activation (RSS-21, ERR-33..ERR-35)."""
    off = Host("CFG-S", keywords={"*RssOnHostVPorts": 0})
    assert off.rss(0, [0], 0) == NOT_SUPPORTED
    assert off.rss(0, flags=["DISABLE_RSS"]) == NOT_SUPPORTED
    assert host.rss(5, [2]) == INVALID_PORT
    assert host.oid("OID_GEN_RECEIVE_SCALE_PARAMETERS", request={"vport_id": 1, "switch_id": 1}) == INVALID_PORT
    host.oid("OID_NIC_SWITCH_ALLOCATE_VF", kind="method")
    host.create_vport(attached_function_id=0, vport_state="Activated")
    assert host.rss(2, [2]) == INVALID_PARAMETER
    host.vport([4], active=False)
    assert host.rss(3, [4], 4) == SUCCESS
    none = Host("CFG-T", receive_scale_capabilities=None)
    assert none.rss(None, [0], 0) == NOT_SUPPORTED
    assert none.oid("OID_GEN_RECEIVE_SCALE_PARAMETERS") == NOT_SUPPORTED


def test_number_of_rss_vports(host: Host) -> None:
    """Not more nondefault VPorts than advertised have RSS at once; the default one does not count (RSS-21, ERR-47)."""
    for _ in range(4):
        host.vport([2])
    assert host.rss(0, [0], 0) == SUCCESS
    assert [host.rss(vport, [2]) for vport in (1, 2, 3, 4)] == [SUCCESS] * 4
    assert host.rss(5, [2]) == FAILURE
    assert host.rss(1, [4], 4) == SUCCESS  # it has RSS already
    host.rss(2, flags=["DISABLE_RSS"])
    assert host.rss(5, [2]) == SUCCESS


def test_rss_and_vmq_exclude_each_other() -> None:
    """In VMQ mode no RSS parameter is set; without queues native RSS is possible (MOD-04)."""
    host = Host("CFG-Q")
    queue = host.queue([4])
    assert host.control.state.mode is Mode.VMQ
    assert host.rss(None, [0, 2], 0) == NOT_SUPPORTED
    host.free(queue)
    assert host.rss(None, [0, 2], 0) == SUCCESS
    assert Host("CFG-T", keywords={"*RSS": 0}).rss(None, [0, 2], 0) == NOT_SUPPORTED


def test_shared_hash() -> None:
    """With one hash for all VPorts another one is refused; table and default stay per VPort (RSS-19, CAP-22)."""
    host = Host("CFG-S", nic_switch_capabilities={"nic_switch_capabilities": {"remove": PER_VPORT_HASH}})
    for _ in range(2):
        host.vport([2, 4, 6], 4)
    assert host.rss(1, [2, 4]) == SUCCESS
    assert host.rss(2, [6, 4], 6, hash_secret_key=K2) == INVALID_PARAMETER
    assert host.rss(2, [6, 4], 6, hash_information=["Toeplitz", "IPV4"]) == INVALID_PARAMETER
    assert host.rss(2, [6, 4], 6) == SUCCESS
    host.rss(2, flags=["DISABLE_RSS"])
    assert host.rss(1, [2, 4], hash_secret_key=K2) == SUCCESS  # nobody else uses RSS


def test_query(host: Host) -> None:
    """NDIS answers with what is in force; zeros while disabled (RSS-24, OID-08)."""
    host.rss(1, [2, 4, 6, 8], 8)
    answer = host.oid("OID_GEN_RECEIVE_SCALE_PARAMETERS", request={"vport_id": 1})
    assert not answer.reached_miniport
    assert answer["header"] == {"type": 0x89, "revision": 3, "size": 44}
    assert (answer["indirection_table_size"], answer["indirection_table_offset"]) == (16, 44)
    assert (answer["hash_secret_key_size"], answer["hash_secret_key"]) == (40, K1)
    assert (answer["indirection_table"], answer["default_processor_number"]) == ([2, 4, 6, 8], 8)
    disabled = host.oid("OID_GEN_RECEIVE_SCALE_PARAMETERS", request={"vport_id": 0})
    assert (disabled["hash_information"], disabled["indirection_table_size"], disabled["hash_secret_key_size"]) == (
        [],
        0,
        0,
    )


def test_update_is_one_epoch(host: Host) -> None:
    """Everything changes in one step, and other VPorts not at all (RSS-04, RSS-25, RX-28, UPD-01, UPD-02, EPO-02)."""
    host.vport([2], 1)
    host.rss(2, [2])
    before, other = host.control.epoch, rss_of(host, 2)
    host.rss(1, [2, 4, 6, 8], 8)
    assert host.control.epoch == before + 1
    assert rss_of(host, 2) is other
    host.rss(1, [2, 4, 6, 8], 8)
    assert host.control.epoch == before + 1  # nothing has changed


@pytest.mark.parametrize(
    ("table", "queues", "expected"),
    [
        ([2, 4, 6, 8], 4, [2, 4, 6, 8]),
        ([2, 4, 6, 8], 2, [2, 4, 2, 4]),
        ([8, 6, 8, 4, 2, 4, 8, 8], 3, [8, 6, 8, 4, 8, 4, 8, 8]),
        ([2, 4, 6, 8], 1, [2, 2, 2, 2]),
    ],
)
def test_native_rss_uses_a_subset(table: list[int], queues: int, expected: list[int]) -> None:
    """The first Q processors in table order stay, others map to them by first appearance (RSS-26)."""
    rss = RssState(True, HashType.IPV4, bytes(40), processors(*table), processor(2))
    assert processors(*expected) == native_table_in_use(rss, queues)


def test_native_rss_accepts_more_processors_than_queues() -> None:
    """There is no failure, the configuration has the subset (RSS-18, RSS-26)."""
    host = Host("CFG-T", receive_scale_capabilities={"number_of_receive_queues": 2})
    assert host.rss(None, [2, 4, 6, 8], 8) == SUCCESS
    assert host.control.configuration.native_table_in_use == processors(2, 4, 2, 4)
    answer = host.oid("OID_GEN_RECEIVE_SCALE_PARAMETERS")
    assert answer["indirection_table"] == [2, 4, 6, 8]
