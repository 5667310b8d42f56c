"""RSS of generation 2: parameters and moves (sections 11.2 to 11.4 of the rules)."""

from __future__ import annotations

from typing import Any

import pytest

from dataplane.ids import ProcessorNumber
from dataplane.ndis.oids import Oid, RequestKind
from dataplane.switch.configuration import RssState
from tests.control.host import (
    FAILURE,
    INVALID_DATA,
    INVALID_LENGTH,
    INVALID_PARAMETER,
    INVALID_PORT,
    K1,
    K2,
    NO_QUEUES,
    NOT_SUPPORTED,
    SUCCESS,
    Host,
    default_move,
    ite,
    primary_move,
    processor,
    processors,
    unchanged,
)

MOVE = "OID_GEN_RSS_SET_INDIRECTION_TABLE_ENTRIES"


@pytest.fixture
def host() -> Host:
    """VPort 1 with three queue pairs on processor 2, RSS off."""
    host = Host("CFG-2")
    host.vport([2], 3)
    return host


@pytest.fixture
def enabled(host: Host) -> Host:
    """The same with RSS on and a table of four entries, all on processor 2."""
    assert host.enable2(1, 4) == SUCCESS
    return host


def rss_of(host: Host, vport_id: int = 1) -> RssState:
    """RSS of a VPort, in force or tracked."""
    return host.control.state.vports[vport_id].rss


# Parameters ----------------------------------------------------------------------------------------------------------


def test_initial_values(host: Host) -> None:
    """One entry, default and primary on the affinity processor, RSS off (UPD-14, UPD-15)."""
    assert rss_of(host) == RssState(indirection_table=processors(2), default_processor=processor(2))
    answer = host.oid("OID_GEN_RECEIVE_SCALE_PARAMETERS_V2", request={"vport_id": 1})
    assert (answer["number_of_queues"], answer["number_of_indirection_table_entries"]) == (3, 1)
    assert (answer["flags"], answer["hash_information"], answer["hash_secret_key_size"]) == ([], [], 0)


def test_generations(host: Host) -> None:
    """On an RSSv2 adapter v1 is query only; on an RSSv1 adapter v2 does not exist (UPD-13, OID-13, OID-18, ERR-35)."""
    assert host.rss(1, [2]) == NOT_SUPPORTED
    assert host.oid("OID_GEN_RECEIVE_SCALE_PARAMETERS", request={"vport_id": 1}) == SUCCESS
    first = Host("CFG-S")
    assert first.enable2(0) == NOT_SUPPORTED
    assert first.oid("OID_GEN_RECEIVE_SCALE_PARAMETERS_V2") == NOT_SUPPORTED
    assert first.oid(MOVE, rss_entry_table=[]) == NOT_SUPPORTED
    assert host.oid(MOVE, request={"sync": False}, rss_entry_table=[]) == NOT_SUPPORTED
    assert host.oid("OID_GEN_CURRENT_PACKET_FILTER", request={"sync": True}) == NOT_SUPPORTED


def test_enabling_needs_hash_information_and_key(host: Host) -> None:
    """Key and types come from this or an earlier request; disabling ignores both (UPD-21, UPD-22, UPD-24, ERR-43)."""
    types = {"hash_information": ["Toeplitz", "IPV4", "TCP_IPV4"]}
    assert host.rss2(1, "ENABLE_RSS") == INVALID_PARAMETER
    assert host.rss2(1, "ENABLE_RSS", "HASH_INFO_CHANGED", **types) == INVALID_PARAMETER
    assert (
        host.rss2(1, "HASH_KEY_CHANGED", "HASH_INFO_CHANGED", hash_secret_key="000000", hash_information=9) == SUCCESS
    )
    assert rss_of(host).hash_secret_key is None
    flags = (
        "ENABLE_RSS",
        "HASH_INFO_CHANGED",
        "HASH_KEY_CHANGED",
        "NUMBER_OF_ENTRIES_CHANGED",
        "NUMBER_OF_QUEUES_CHANGED",
    )
    sizes = {"number_of_indirection_table_entries": 4, "number_of_queues": 2}
    assert host.rss2(1, *flags, hash_secret_key=K1, **types, **sizes) == SUCCESS
    assert rss_of(host).enabled
    assert (host.table(1), host.control.state.vports[1].parameters.num_queue_pairs) == ([2, 2, 2, 2], 2)
    # function 0 asks for off and leaves the stored hash information alone
    assert host.rss2(1, "ENABLE_RSS", "HASH_INFO_CHANGED", "HASH_KEY_CHANGED", hash_secret_key="00") == SUCCESS
    assert not rss_of(host).enabled
    assert host.rss2(1, "ENABLE_RSS") == SUCCESS
    assert rss_of(host).hash_secret_key == bytes.fromhex(K1)


def test_disabling_keeps_what_is_tracked(enabled: Host) -> None:
    """Table, key and hash information are in force again after the next enabling (UPD-12, UPD-20, UPD-23, CON-25)."""
    enabled.move_entries(2, ite(1, 1, 4))
    assert enabled.rss2(1) == SUCCESS
    off = rss_of(enabled)
    assert (off.enabled, off.indirection_table) == (False, processors(2, 4, 2, 2))
    v1 = enabled.oid("OID_GEN_RECEIVE_SCALE_PARAMETERS", request={"vport_id": 1})
    assert v1["indirection_table_size"] == 0  # not in force (RSS-24)
    v2 = enabled.oid("OID_GEN_RECEIVE_SCALE_PARAMETERS_V2", request={"vport_id": 1})
    assert v2["flags"] == []
    assert v2["hash_information"]
    assert enabled.rss2(1, "ENABLE_RSS", "HASH_KEY_CHANGED", hash_secret_key=K2) == SUCCESS
    assert rss_of(enabled).indirection_table == processors(2, 4, 2, 2)
    assert rss_of(enabled).hash_secret_key == bytes.fromhex(K2)


@pytest.mark.parametrize(
    ("flags", "members", "status"),
    [
        (["HASH_KEY_CHANGED"], {"hash_secret_key": "000000"}, INVALID_LENGTH),
        (["HASH_KEY_CHANGED"], {"hash_secret_key": K1, "hash_secret_key_offset": 4000}, INVALID_LENGTH),
        (["HASH_INFO_CHANGED"], {"hash_information": ["Reserved1", "IPV4"]}, NOT_SUPPORTED),
        (["HASH_INFO_CHANGED"], {"hash_information": ["Toeplitz"]}, INVALID_PARAMETER),
        (["HASH_INFO_CHANGED"], {"hash_information": ["Toeplitz", 0x20000]}, INVALID_PARAMETER),
        (["NUMBER_OF_ENTRIES_CHANGED"], {"number_of_indirection_table_entries": 3}, INVALID_PARAMETER),
        (["NUMBER_OF_ENTRIES_CHANGED"], {"number_of_indirection_table_entries": 0}, INVALID_PARAMETER),
        (["NUMBER_OF_ENTRIES_CHANGED"], {"number_of_indirection_table_entries": 64}, INVALID_PARAMETER),
        (["NUMBER_OF_QUEUES_CHANGED"], {"number_of_queues": 0}, INVALID_PARAMETER),
        (["NUMBER_OF_QUEUES_CHANGED"], {"number_of_queues": 9}, INVALID_PARAMETER),
    ],
)
def test_bad_members(enabled: Host, flags: list[str], members: dict[str, Any], status: object) -> None:
    """Bad lengths, functions, types and counts (UPD-25, HSH-31, ERR-38, ERR-39, ERR-43)."""
    before = unchanged(enabled)
    assert enabled.rss2(1, "ENABLE_RSS", *flags, **members) == status
    assert before == unchanged(enabled)


def test_targets(host: Host) -> None:
    """Missing VPorts, VPorts of VFs, VMMQ off (RSS-21, ERR-33, ERR-34, ERR-35)."""
    assert host.enable2(5) == INVALID_PORT
    assert host.oid("OID_GEN_RECEIVE_SCALE_PARAMETERS_V2", request={"vport_id": 5}) == INVALID_PORT
    host.oid("OID_NIC_SWITCH_ALLOCATE_VF", kind="method")
    host.create_vport(attached_function_id=0, vport_state="Activated")
    assert host.enable2(2) == INVALID_PARAMETER
    assert Host("CFG-2", keywords={"*RssOnHostVPorts": 0}).enable2(0) == NOT_SUPPORTED


def test_growing_and_shrinking(enabled: Host) -> None:
    """A table grows by repetition, in both states; it shrinks only if it is a repetition (UPD-26, UPD-27, ERR-42)."""
    enabled.move_entries(2, ite(1, 1, 4))

    def entries(number: int, *flags: str) -> object:
        members = {"number_of_indirection_table_entries": number}
        return enabled.rss2(1, *flags, "NUMBER_OF_ENTRIES_CHANGED", **members)

    assert entries(8, "ENABLE_RSS") == SUCCESS
    assert enabled.table(1) == [2, 4, 2, 2] * 2
    assert entries(2, "ENABLE_RSS") == INVALID_DATA
    assert enabled.table(1) == [2, 4, 2, 2] * 2
    assert entries(4, "ENABLE_RSS") == SUCCESS
    enabled.rss2(1)
    assert entries(2) == INVALID_DATA  # checked while disabled as well
    assert enabled.move_entries(2, ite(1, 3, 4)) == ["SUCCESS"]
    assert entries(2) == SUCCESS
    assert enabled.table(1) == [2, 4]


def test_lowering_the_number_of_queues(enabled: Host) -> None:
    """Not below the processors in use while RSS is on; the same variable as NumQueuePairs (UPD-28, UPD-29, ERR-40)."""
    enabled.move_entries(2, ite(1, 1, 4), ite(1, 2, 6))
    lower = {"number_of_queues": 2}
    refused = enabled.rss2(1, "ENABLE_RSS", "NUMBER_OF_QUEUES_CHANGED", **lower)
    assert (refused == NO_QUEUES, refused.why[:6]) == (True, "UPD-28")
    assert enabled.change_vport(1, "NUM_QUEUE_PAIRS_CHANGED", num_queue_pairs=2) == NO_QUEUES  # ERR-29
    assert enabled.rss2(1, "NUMBER_OF_QUEUES_CHANGED", **lower) == SUCCESS  # disabling at once
    assert enabled.read_vport(1)["num_queue_pairs"] == 2
    refused = enabled.rss2(1, "ENABLE_RSS")
    assert (refused == NO_QUEUES, refused.why[:6]) == (True, "UPD-19")  # ERR-41
    assert enabled.rss2(1, "ENABLE_RSS", "NUMBER_OF_QUEUES_CHANGED", number_of_queues=3) == SUCCESS


def test_queue_pair_pool(host: Host) -> None:
    """Raising beyond what the NIC has fails like CREATE_VPORT (CAP-20)."""
    for _ in range(3):
        host.vport([2], 8)
    assert host.rss2(1, "NUMBER_OF_QUEUES_CHANGED", number_of_queues=8) == FAILURE
    assert host.rss2(1, "NUMBER_OF_QUEUES_CHANGED", number_of_queues=4) == SUCCESS


def restricted_host() -> Host:
    """A host whose tables have as many entries as queue pairs, rounded up."""
    restricted = {"add": ["RSS_PER_PF_VPORT_INDIRECTION_TABLE_SIZE_RESTRICTED"]}
    return Host("CFG-2", nic_switch_capabilities={"nic_switch_capabilities": restricted})


def test_restricted_tables() -> None:
    """While RSS is on the entries are the queues, rounded up (UPD-30, UPD-09, UPD-10)."""
    host = restricted_host()
    host.vport([2], 3)
    assert host.enable2(1, 2) == INVALID_PARAMETER
    assert host.enable2(1, 4) == SUCCESS
    host.move_entries(2, ite(1, 1, 4))
    assert host.rss2(1, "ENABLE_RSS", "NUMBER_OF_QUEUES_CHANGED", number_of_queues=2) == INVALID_PARAMETER
    assert host.change_vport(1, "NUM_QUEUE_PAIRS_CHANGED", num_queue_pairs=2) == INVALID_DATA
    assert host.change_vport(1, "NUM_QUEUE_PAIRS_CHANGED", num_queue_pairs=5) == SUCCESS
    assert host.table(1) == [2, 4, 2, 2] * 2
    assert host.rss2(1, "NUMBER_OF_QUEUES_CHANGED", number_of_queues=2) == SUCCESS  # off: sizes are free


def test_restricted_table_that_still_has_the_old_size() -> None:
    """Only a decrease needs a repeated table; entries of a longer table may have moved meanwhile (UPD-09, UPD-10)."""
    host = restricted_host()
    host.vport([2], 8)
    assert host.enable2(1, 8) == SUCCESS
    assert host.change_vport(1, "NUM_QUEUE_PAIRS_CHANGED", num_queue_pairs=2) == SUCCESS
    assert host.move_entries(2, ite(1, 5, 4)) == ["SUCCESS"]
    for queue_pairs in (2, 3, 4):
        assert host.change_vport(1, "NUM_QUEUE_PAIRS_CHANGED", num_queue_pairs=queue_pairs) == SUCCESS
        assert host.table(1) == [2, 2, 2, 2, 2, 4, 2, 2]
    assert host.change_vport(1, "NUM_QUEUE_PAIRS_CHANGED", num_queue_pairs=3) == INVALID_DATA


def test_transitions_validate_what_becomes_active(host: Host) -> None:
    """Inactive parameters may point anywhere until the transition that activates them (UPD-17, UPD-18, UPD-40)."""
    assert host.move_entries(2, ite(1, 0, 3)) == ["SUCCESS"]
    assert host.enable2(1, 1) == INVALID_DATA
    assert not rss_of(host).enabled
    assert host.move_entries(3, ite(1, 0, 2)) == ["SUCCESS"]
    assert host.move_entries(2, default_move(1, 3)) == ["SUCCESS"]
    assert host.enable2(1, 1) == INVALID_DATA
    host.move_entries(3, default_move(1, 2))
    assert host.enable2(1, 1) == SUCCESS
    assert host.move_entries(2, primary_move(1, 200)) == ["SUCCESS"]  # a number that no mask has
    assert host.rss2(1) == INVALID_DATA
    assert rss_of(host).enabled
    on_200 = host.control.state.vports[1].primary_processor
    assert on_200 == processor(200)


def test_shared_hash_and_number_of_vports() -> None:
    """The limits of generation 1 hold as well (RSS-19, RSS-21, ERR-47)."""
    names = [f"RSS_PER_PF_VPORT_HASH_{what}_SUPPORTED" for what in ("FUNCTION", "TYPE", "KEY")]
    switch = {"nic_switch_capabilities": {"remove": names}, "max_num_rss_capable_non_default_pf_vports": 1}
    host = Host("CFG-2", nic_switch_capabilities=switch)
    for _ in range(2):
        host.vport([2], 2)
    assert host.enable2(1) == SUCCESS
    assert host.enable2(0, hash_secret_key=K2) == INVALID_PARAMETER
    assert host.enable2(2) == FAILURE


# Moves ---------------------------------------------------------------------------------------------------------------


def test_moving_entries(enabled: Host) -> None:
    """Each command moves one entry; the effect is immediate, also of moves back to back (UPD-31, UPD-36, UPD-47)."""
    epoch = enabled.control.epoch
    assert enabled.move_entries(2, ite(1, 1, 4), ite(1, 3, 6)) == ["SUCCESS", "SUCCESS"]
    assert enabled.table(1) == [2, 4, 2, 6]
    assert enabled.control.epoch == epoch + 1
    assert enabled.move_entries(4, ite(1, 1, 6)) == ["SUCCESS"]
    assert enabled.move_entries(6, ite(1, 1, 2)) == ["SUCCESS"]
    assert enabled.table(1) == [2, 2, 2, 6]


def test_default_and_primary_processor(enabled: Host) -> None:
    """Named by a flag, index then ignored, or by a special index (UPD-37, UPD-16, UPD-14)."""
    assert enabled.move_entries(2, default_move(1, 4) | {"indirection_table_index": 99}) == ["SUCCESS"]
    assert enabled.move_entries(4, ite(1, 0xFFFF, 6)) == ["SUCCESS"]
    assert rss_of(enabled).default_processor == processor(6)
    assert enabled.move_entries(2, primary_move(1, 8)) == ["SUCCESS"]
    assert enabled.move_entries(8, ite(1, 0xFFFE, 10)) == ["SUCCESS"]
    assert enabled.control.state.vports[1].primary_processor == processor(10)
    assert enabled.read_vport(1)["processor_affinity"] == [10]  # read back the same way
    assert enabled.move_entries(10, primary_move(1, 63)) == ["SUCCESS"]
    assert enabled.move_entries(63, primary_move(1, 64)) == ["SUCCESS"]
    assert enabled.read_vport(1)["processor_affinity"] == [63]  # a mask has no bit for the other one
    assert enabled.table(1) == [2, 2, 2, 2]


@pytest.mark.parametrize(
    ("command", "status"),
    [
        (ite(1, 0, 4, flags=["PRIMARY_PROCESSOR", "DEFAULT_PROCESSOR"]), "INVALID_PARAMETER"),
        (ite(1, 0, 4, flags=4), "INVALID_PARAMETER"),
        (ite(1, 4, 4), "INVALID_PARAMETER"),
        (ite(5, 0, 4), "INVALID_PARAMETER"),
        (ite(1, 0, 4, switch_id=1), "INVALID_PARAMETER"),
        (ite(2, 0, 4), "INVALID_PORT_STATE"),
        (ite(3, 0, 4), "INVALID_PARAMETER"),
        (default_move(3, 4), "INVALID_PARAMETER"),
        (ite(0, 0, 4), "NOT_ACCEPTED"),
        (ite(1, 0, 3), "INVALID_DATA"),
        (ite(1, 0, 2), "SUCCESS"),
    ],
)
def test_single_command_checks(enabled: Host, command: dict[str, Any], status: str) -> None:
    """Target, port state, flags, index, issuing processor, processor set (UPD-37..UPD-40, UPD-42, UPD-43, ERR-46)."""
    enabled.vport([2], active=False)
    enabled.oid("OID_NIC_SWITCH_ALLOCATE_VF", kind="method")
    enabled.create_vport(attached_function_id=0, vport_state="Activated")
    before = unchanged(enabled)
    assert enabled.move_entries(2, command) == [status]
    assert before == unchanged(enabled)


def test_order_of_checks(enabled: Host) -> None:
    """The first check that fails, of the first command that fails, gives the status of the group (UPD-33, UPD-43)."""
    wrong_processor_and_target = ite(1, 0, 3)
    assert enabled.move_entries(4, wrong_processor_and_target) == ["NOT_ACCEPTED"]
    assert enabled.move_entries(4, ite(1, 9, 3)) == ["INVALID_PARAMETER"]
    assert enabled.move_entries(2, ite(1, 0, 4), ite(1, 1, 3), ite(1, 9, 4)) == ["INVALID_DATA"] * 3
    # the queue count comes last, even for an earlier command
    assert enabled.move_entries(2, ite(1, 0, 4), ite(1, 1, 6), ite(1, 2, 8), ite(1, 9, 4)) == ["INVALID_PARAMETER"] * 4


def test_groups_are_all_or_nothing(enabled: Host) -> None:
    """On any error the group changes nothing, and all its commands get one status (UPD-32, UPD-35, CON-12)."""
    assert enabled.move_entries(2, ite(1, 0, 4), ite(1, 1, 3)) == ["INVALID_DATA", "INVALID_DATA"]
    assert enabled.table(1) == [2, 2, 2, 2]


def test_queue_count_is_judged_on_the_final_state(enabled: Host) -> None:
    """All entries may leave a processor at once although an intermediate state exceeds the limit (UPD-41, CON-15)."""
    enabled.rss2(1, "ENABLE_RSS", "NUMBER_OF_QUEUES_CHANGED", number_of_queues=2)
    assert enabled.move_entries(2, ite(1, 0, 4), ite(1, 1, 6)) == ["NO_QUEUES", "NO_QUEUES"]
    assert enabled.table(1) == [2, 2, 2, 2]
    assert enabled.move_entries(2, ite(1, 0, 4), ite(1, 1, 4)) == ["SUCCESS", "SUCCESS"]
    all_away = [ite(1, 2, 6), ite(1, 3, 6), default_move(1, 6)]
    assert enabled.move_entries(2, *all_away) == ["SUCCESS"] * 3
    assert enabled.table(1) == [4, 4, 6, 6]


def test_queue_count_does_not_matter_while_disabled(host: Host) -> None:
    """Inactive parameters are only tracked (UPD-17, UPD-41)."""
    host.rss2(1, "NUMBER_OF_ENTRIES_CHANGED", number_of_indirection_table_entries=4)
    commands = [ite(1, index, target) for index, target in enumerate((4, 6, 8, 10))]
    assert host.move_entries(2, *commands) == ["SUCCESS"] * 4


def test_interleaving_splits_groups(enabled: Host) -> None:
    """Runs of one VPort are groups of their own; a later one sees the earlier one's result (UPD-31, UPD-34)."""
    enabled.vport([2], 3)
    enabled.enable2(2, 4)
    outcomes = enabled.move_entries(2, ite(1, 0, 4), ite(2, 9, 4), ite(1, 1, 3), ite(1, 2, 4), ite(2, 0, 6))
    assert outcomes == ["SUCCESS", "INVALID_PARAMETER", "INVALID_DATA", "INVALID_DATA", "SUCCESS"]
    assert (enabled.table(1), enabled.table(2)) == ([4, 2, 2, 2], [6, 2, 2, 2])
    outcomes = enabled.move_entries(2, ite(1, 3, 4), ite(1, 2, 4, switch_id=1))
    assert outcomes == ["SUCCESS", "INVALID_PARAMETER"]  # that VPort is none of this switch
    assert enabled.move_entries(4, ite(1, 3, 2)) == ["SUCCESS"]
    # entry 0 of VPort 1 has left processor 2 by the time the second group is tried
    assert enabled.move_entries(4, ite(1, 0, 2), ite(2, 1, 2), ite(1, 0, 6)) == [
        "SUCCESS",
        "NOT_ACCEPTED",
        "NOT_ACCEPTED",
    ]


def test_the_last_of_two_commands_wins(enabled: Host) -> None:
    """Each is checked against the state before the group (UPD-38, UPD-44)."""
    assert enabled.move_entries(2, ite(1, 0, 4), ite(1, 0, 6)) == ["SUCCESS", "SUCCESS"]
    assert enabled.table(1)[0] == 6
    assert enabled.move_entries(6, ite(1, 0, 4), ite(1, 0, 6)) == ["SUCCESS", "SUCCESS"]
    assert enabled.table(1)[0] == 6


def test_malformed_requests(enabled: Host) -> None:
    """VPort flag, entry size, array beyond the buffer, header type (UPD-45, OID-12, ERR-44, ERR-45)."""
    command = [ite(1, 0, 4)]
    assert enabled.oid(MOVE, request={"vport_id": 1, "processor": 2}, rss_entry_table=command) == INVALID_PARAMETER
    assert enabled.oid(MOVE, rss_entry_size=20, rss_entry_table=command) == INVALID_PARAMETER
    assert enabled.oid(MOVE, number_of_rss_entries=2, rss_entry_table=command) == INVALID_LENGTH
    assert enabled.oid(MOVE, header={"type": 0x80}, rss_entry_table=command) == INVALID_PARAMETER
    wide = enabled.oid(MOVE, request={"processor": 2}, rss_entry_size=32, rss_entry_table=[*command, ite(1, 1, 6)])
    assert [entry["entry_status"] for entry in wide["rss_entry_table"]] == ["NDIS_STATUS_SUCCESS"] * 2


def test_number_of_commands(enabled: Host) -> None:
    """No upper limit, and none at all succeeds (UPD-46)."""
    assert enabled.move_entries(2) == []
    many = [ite(1, index % 4, 2) for index in range(1000)]
    assert enabled.move_entries(2, *many) == ["SUCCESS"] * 1000


def test_the_request_has_no_other_effects(enabled: Host) -> None:
    """The handler makes no indication of any kind, and leaves no work pending (UPD-48, UPD-50)."""
    buffer = (
        bytes([0xC9, 1, 20, 0])
        + bytes(4)
        + (24).to_bytes(4, "little")
        + (24).to_bytes(4, "little")
        + (1).to_bytes(4, "little")
    )
    command = (
        bytes(4) + (1).to_bytes(4, "little") + bytes(6) + bytes([0, 0, 4, 0]) + bytes(2) + (0x103).to_bytes(4, "little")
    )
    completion = enabled.raw(
        Oid.OID_GEN_RSS_SET_INDIRECTION_TABLE_ENTRIES,
        RequestKind.METHOD,
        buffer + bytes(4) + command,
        synchronous=True,
        processor=ProcessorNumber(0, 2),
    )
    assert completion.status is SUCCESS
    assert (completion.events, completion.discards, completion.pending) == ((), (), False)
    assert completion.output is not None
    assert completion.output[-4:] == bytes(4)  # EntryStatus has been overwritten
    assert enabled.table(1) == [4, 2, 2, 2]


def test_native_rssv2() -> None:
    """Without a switch the commands name 0 and 0 and address the adapter (UPD-49, MOD-04)."""
    host = Host("CFG-2", switch=None)
    assert host.enable2(None, 4) == SUCCESS
    assert host.move_entries(0, ite(0, 1, 4), default_move(0, 6), ite(0, 2, 6)) == ["SUCCESS"] * 3
    assert host.move_entries(0, ite(1, 0, 4)) == ["INVALID_PARAMETER"]
    configuration = host.control.configuration
    assert configuration.native_table_in_use == processors(0, 4, 6, 0)
    assert configuration.native_rss.default_processor == processor(6)
    assert host.rss2(None, "ENABLE_RSS", "NUMBER_OF_QUEUES_CHANGED", number_of_queues=9) == INVALID_PARAMETER
    assert host.rss2(None, "ENABLE_RSS", "NUMBER_OF_QUEUES_CHANGED", number_of_queues=2) == NO_QUEUES
    assert host.move_entries(0, primary_move(0, 8)) == ["SUCCESS"]
    host.rss2(None)
    assert host.control.configuration.rss_base_processor == processor(8)
    host.create_switch()
    assert host.control.configuration.rss_base_processor == processor(0)


def test_number_of_queues_of_the_adapter() -> None:
    """Without a switch it is that of the adapter, and is kept (UPD-25, UPD-29, UPD-49)."""
    host = Host("CFG-2", switch=None)
    assert host.rss2(None, "NUMBER_OF_QUEUES_CHANGED", number_of_queues=2) == SUCCESS
    assert host.oid("OID_GEN_RECEIVE_SCALE_PARAMETERS_V2")["number_of_queues"] == 2


def test_generation_2_is_advertised_or_refused() -> None:
    """On NDIS 6.80 without independent moves no OID of RSSv2 is supported, and RSSv1 is (CAP-30, OID-13, UPD-13)."""
    flags = {"capabilities_flags": {"remove": ["SUPPORTS_INDEPENDENT_ENTRY_MOVE"]}}
    host = Host("CFG-2", receive_scale_capabilities=flags)
    vport = host.vport([2], 3)
    answers = [
        host.oid("OID_GEN_RECEIVE_SCALE_PARAMETERS_V2", kind="query", request={"vport_id": vport}),
        host.enable2(vport, 4),
        host.oid(MOVE, request={"processor": 2}, rss_entry_table=[ite(vport, 0, 2)]),
    ]
    assert [(one.completion.status, one.why.split(":")[0]) for one in answers] == [(NOT_SUPPORTED, "CAP-30")] * 3
    assert host.oid("OID_GEN_RECEIVE_SCALE_PARAMETERS", kind="query", request={"vport_id": vport}) == SUCCESS
