"""NIC switch, virtual functions and VPorts (section 4 of the rules)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from dataplane.control import RequestCompleted
from dataplane.ids import NdisVersion
from dataplane.ndis.codec import encode_output
from dataplane.ndis.constants import VPortParametersFlags as Flags
from dataplane.ndis.oids import Oid, RequestKind
from dataplane.ndis.status import NdisStatus
from dataplane.ndis.structures import VPortParameters
from dataplane.switch.configuration import Mode
from tests.control.host import (
    FAILURE,
    FILE_NOT_FOUND,
    INVALID_LENGTH,
    INVALID_PARAMETER,
    INVALID_PORT,
    M1,
    M2,
    NOT_SUPPORTED,
    PENDING,
    SUCCESS,
    Host,
    processor,
    unchanged,
    without,
)

ASYMMETRIC = "ASYMMETRIC_QUEUE_PAIRS_FOR_NONDEFAULT_VPORT_SUPPORTED"


@pytest.fixture
def host() -> Host:
    """NDIS 6.60 with a switch and its default VPort."""
    return Host("CFG-S")


# The switch ----------------------------------------------------------------------------------------------------------


def test_switch_brings_the_default_vport() -> None:
    """VPort 0: on the PF, activated, on the RSS base processor, with its queue pairs (VPT-01, VPT-13, CAP-26)."""
    host = Host("CFG-N", rss_base_processor=4)
    assert host.create_switch()["switch_id"] == 0
    (vport,) = host.control.configuration.vports
    assert (vport.vport_id, vport.activated, vport.primary_processor) == (0, True, processor(4))
    assert host.control.state.vports[0].parameters.num_queue_pairs == 4
    assert host.read_vport(0)["processor_affinity"] == [4]


def test_errors_of_creation() -> None:
    """Not from a client, bad members, a second switch (OID-16, VPT-01, VPT-02, CAP-26, ERR-21..ERR-23)."""
    host = Host("CFG-N")
    assert host.create_switch(issuer="A") == NOT_SUPPORTED
    for bad in (
        {"switch_id": 1},
        {"switch_type": "Unspecified"},
        {"num_queue_pairs_for_default_vport": 0},
        {"num_queue_pairs_for_default_vport": 9},
    ):
        assert host.create_switch(**bad) == INVALID_PARAMETER
    assert host.control.state.mode is Mode.NEUTRAL
    assert host.create_switch() == SUCCESS
    assert host.create_switch() == FAILURE


def test_default_vport_of_an_adapter_without_vmmq() -> None:
    """Without RSS on host VPorts the default VPort has one queue pair (CAP-26)."""
    host = Host("CFG-S", keywords={"*RssOnHostVPorts": 0})
    assert host.control.state.vports[0].parameters.num_queue_pairs == 1


def test_static_switch() -> None:
    """A switch of the miniport must be created with the same parameters (VPT-03)."""
    static = {"num_vfs": 2, "num_queue_pairs_for_default_vport": 4, "switch_friendly_name": "sw", "static": True}
    host = Host("CFG-S", switch=static)
    assert host.control.state.mode is Mode.NEUTRAL
    assert host.create_switch(num_vfs=1, switch_friendly_name="sw") == INVALID_PARAMETER
    assert host.create_switch() == INVALID_PARAMETER
    assert host.create_switch(switch_friendly_name="sw") == SUCCESS


def test_static_switch_before_660() -> None:
    """The queue pairs of the default VPort are no parameter yet, so they need not be repeated (VPT-03, OID-11)."""
    switch = {"num_vfs": 2, "num_queue_pairs_for_default_vport": 4, "static": True}
    flags = {"nic_switch_capabilities": {"nic_switch_capabilities": ["SINGLE_VPORT_POOL"]}}
    host = Host("CFG-S", ndis_version="6.50", switch=switch, **flags)
    assert host.oid("OID_NIC_SWITCH_CREATE_SWITCH", issuer="NDIS", num_vfs=1) == INVALID_PARAMETER
    assert host.oid("OID_NIC_SWITCH_CREATE_SWITCH", issuer="NDIS", num_vfs=2) == SUCCESS


@pytest.mark.parametrize("static", [False, True])
def test_initial_switch_that_is_impossible(static: bool) -> None:
    """An adapter is not initialized with a switch that CREATE_SWITCH would refuse (CAP-26)."""
    with pytest.raises(ValueError, match="CAP-26"):
        Host("CFG-S", switch={"num_queue_pairs_for_default_vport": 9, "static": static})


def test_only_the_name_changes(host: Host) -> None:
    """And only when its CHANGED flag is set (VPT-04)."""

    def name() -> str:
        answer = host.oid("OID_NIC_SWITCH_PARAMETERS", kind="method")
        assert not answer.reached_miniport
        friendly_name: str = answer["switch_friendly_name"]
        return friendly_name

    assert host.oid("OID_NIC_SWITCH_PARAMETERS", switch_friendly_name="other", num_vfs=1) == SUCCESS
    assert name() == ""
    given: dict[str, Any] = {"flags": ["SWITCH_NAME_CHANGED"], "switch_friendly_name": "other"}
    assert host.oid("OID_NIC_SWITCH_PARAMETERS", num_vfs=1, **given) == SUCCESS
    assert name() == "other"
    assert host.oid("OID_NIC_SWITCH_PARAMETERS", kind="method")["num_vfs"] == 2
    assert host.oid("OID_NIC_SWITCH_PARAMETERS", switch_id=1, **given) == INVALID_PARAMETER


def test_deleting_the_switch(host: Host) -> None:
    """Nondefault VPorts go first; the default one and its frames go with the switch (VPT-05, ERR-24, ERR-25)."""
    vport = host.vport([2])
    host.filter(M1, vport_id=0)
    assert host.delete_switch(issuer="A") == NOT_SUPPORTED
    assert host.delete_switch(1) == FILE_NOT_FOUND
    assert host.delete_switch() == INVALID_PARAMETER
    host.delete_vport(vport)
    answer = host.delete_switch()
    assert answer == SUCCESS
    assert [(one.target_id, one.reason) for one in answer.completion.discards] == [(0, "vport deleted")]
    assert host.control.state.mode is Mode.NEUTRAL
    assert not host.control.configuration.vports
    assert not host.control.configuration.filters
    assert host.delete_switch() == FILE_NOT_FOUND


def test_switch_enumeration(host: Host) -> None:
    """NDIS_NIC_SWITCH_INFO counts VPorts, queue pairs, VFs and addresses (VPT-01, OID-19)."""
    host.vport([2, 4], 2)
    host.vport([2], active=False)
    host.oid("OID_NIC_SWITCH_ALLOCATE_VF", kind="method")
    host.filter(M1, vport_id=0)
    host.filter(M1, 10, vport_id=1)
    host.filter(M2, vport_id=1)
    host.filter(M2, 10, vport_id=1)  # neither another address nor another VLAN
    answer = host.oid("OID_NIC_SWITCH_ENUM_SWITCHES")
    assert (answer["num_elements"], answer["first_element_offset"], answer["element_size"]) == (1, 16, 572)
    (info,) = answer["elements"]
    assert (info["num_vports"], info["num_active_vports"]) == (3, 2)
    assert (info["num_queue_pairs_for_default_vport"], info["num_queue_pairs_for_non_default_vports"]) == (4, 3)
    assert (info["num_vfs"], info["num_allocated_vfs"]) == (2, 1)
    assert info["num_active_default_vport_mac_addresses"] == 1
    assert (info["num_active_non_default_vport_mac_addresses"], info["num_active_non_default_vport_vlan_ids"]) == (2, 1)
    assert Host("CFG-N").oid("OID_NIC_SWITCH_ENUM_SWITCHES")["num_elements"] == 0


@pytest.mark.parametrize("preset", ["CFG-Q", "CFG-Q20", "CFG-T"])
def test_switch_oids_need_the_interface(preset: str) -> None:
    """Not supported, not enabled, below 6.30: NOT_SUPPORTED (OID-13, OID-17, ERR-04)."""
    host = Host(preset)
    assert host.create_switch() == NOT_SUPPORTED
    assert host.create_vport(processor_affinity=[2]) == NOT_SUPPORTED
    assert host.oid("OID_NIC_SWITCH_ENUM_SWITCHES") == NOT_SUPPORTED


def test_switch_interface_disabled_by_keywords() -> None:
    """Keywords that enable neither SR-IOV nor VMQ leave no switch (OID-17, CAP-12)."""
    host = Host("CFG-S", keywords={"*SRIOV": 0, "*VMQ": 0})
    assert host.control.state.mode is Mode.NEUTRAL
    assert host.create_switch() == NOT_SUPPORTED
    assert host.create_vport(processor_affinity=[2]) == NOT_SUPPORTED
    assert Host("CFG-N").create_vport(processor_affinity=[2]) == NOT_SUPPORTED  # no switch yet (ERR-04)


# Creating ------------------------------------------------------------------------------------------------------------


def test_creation(host: Host) -> None:
    """The lowest free id, deactivated, no filters, primary = lowest of the mask (VPT-06..VPT-09, VPT-12, VPT-14)."""
    first = host.create_vport(processor_affinity=[6, 4], num_queue_pairs=2)
    assert first["vport_id"] == 1
    assert first.reached_miniport
    assert host.vport([2], active=False) == 2
    record = host.control.state.vports[1]
    assert (record.activated, record.primary_processor, record.owner) == (False, processor(4), "A")
    assert host.control.state.filters_on(1) == []
    assert not record.rss.enabled  # RSS-05
    host.delete_vport(1)
    assert host.vport([2]) == 1


@pytest.mark.parametrize(
    "members",
    [
        {"vport_id": 1},
        {"switch_id": 1},
        {"attached_function_id": 0},
        {"attached_function_id": 0, "vport_state": "Activated"},
        {"vport_state": "Activated"},
        {"vport_state": "Undefined"},
        {"num_queue_pairs": 0},
        {"num_queue_pairs": 9},
        {"processor_affinity": []},
        {"processor_affinity": [2, 3]},
    ],
)
def test_bad_creation_parameters(host: Host, members: dict[str, Any]) -> None:
    """Refused by NDIS, and no id is used up (VPT-06, VPT-08..VPT-11, ERR-26, OID-06)."""
    before = unchanged(host)
    answer = host.create_vport(**{"processor_affinity": [2], **members})
    assert answer == INVALID_PARAMETER
    assert not answer.reached_miniport
    assert before == unchanged(host)
    assert host.vport([2]) == 1


def test_queue_pair_pool(host: Host) -> None:
    """The sum over all VPorts stays within MaxNumQueuePairs (CAP-20, CAP-15, ERR-27)."""
    for _ in range(3):
        host.vport([2], 8)
    assert host.create_vport(processor_affinity=[2], num_queue_pairs=8) == FAILURE
    assert host.vport([2], 4) == 4
    assert host.change_vport(4, "NUM_QUEUE_PAIRS_CHANGED", num_queue_pairs=5) == FAILURE  # ERR-30
    assert host.change_vport(0, "NUM_QUEUE_PAIRS_CHANGED", num_queue_pairs=3) == SUCCESS
    assert host.change_vport(4, "NUM_QUEUE_PAIRS_CHANGED", num_queue_pairs=5) == SUCCESS


def test_number_of_vports() -> None:
    """MaxNumVPorts counts them all: the default one, those of the PF and those of VFs (CAP-14, ERR-27)."""
    host = Host("CFG-S", nic_switch_capabilities={"max_num_vports": 3})
    assert host.vport([2]) == 1
    for vf_id, status in ((0, SUCCESS), (1, FAILURE)):
        assert host.oid("OID_NIC_SWITCH_ALLOCATE_VF", kind="method")["vf_id"] == vf_id
        assert host.create_vport(attached_function_id=vf_id, vport_state="Activated") == status


def test_symmetric_queue_pairs() -> None:
    """Without the asymmetric capability all nondefault VPorts have the same number (CAP-19)."""
    host = Host("CFG-S", **without(ASYMMETRIC))
    assert host.vport([2], 2) == 1
    assert host.change_vport(1, "NUM_QUEUE_PAIRS_CHANGED", num_queue_pairs=3) == SUCCESS  # it is the only one
    assert host.create_vport(processor_affinity=[2], num_queue_pairs=2) == INVALID_PARAMETER
    assert host.vport([2], 3) == 2
    assert host.change_vport(1, "NUM_QUEUE_PAIRS_CHANGED", num_queue_pairs=2) == INVALID_PARAMETER
    assert host.change_vport(0, "NUM_QUEUE_PAIRS_CHANGED", num_queue_pairs=8) == SUCCESS  # the default VPort may differ


def test_more_queue_pairs_need_vmmq() -> None:
    """While RSS on host VPorts is off: one queue pair, any processor in the mask (VPT-10, VPT-11, VPT-15)."""
    host = Host("CFG-S", keywords={"*RssOnHostVPorts": 0})
    assert host.create_vport(processor_affinity=[2], num_queue_pairs=2) == INVALID_PARAMETER
    vport = host.vport([3, 5])
    assert host.control.state.vports[vport].primary_processor == processor(3)


def test_virtual_functions(host: Host) -> None:
    """One nondefault VPort for each VF, created activated; a VF in use is not freed (VPT-08, VPT-09)."""
    allocated = [host.oid("OID_NIC_SWITCH_ALLOCATE_VF", kind="method") for _ in range(2)]
    assert [(answer["vf_id"], answer["requestor_id"]) for answer in allocated] == [(0, 1), (1, 2)]
    assert host.oid("OID_NIC_SWITCH_ALLOCATE_VF", kind="method") == FAILURE
    on_vf: dict[str, Any] = {"attached_function_id": 0, "vport_state": "Activated"}
    assert host.create_vport(attached_function_id=0, vport_state="Deactivated") == INVALID_PARAMETER
    assert host.create_vport(**on_vf) == SUCCESS
    assert host.create_vport(**on_vf) == INVALID_PARAMETER
    assert host.oid("OID_NIC_SWITCH_FREE_VF", vf_id=0) == INVALID_PARAMETER
    assert host.oid("OID_NIC_SWITCH_FREE_VF", vf_id=1) == SUCCESS
    assert host.oid("OID_NIC_SWITCH_FREE_VF", vf_id=1) == INVALID_PARAMETER
    assert host.change_vport(1, "PROCESSOR_AFFINITY_CHANGED", processor_affinity=[2]) == INVALID_PARAMETER  # VPT-20
    assert host.change_vport(1, "NUM_QUEUE_PAIRS_CHANGED", num_queue_pairs=2) == INVALID_PARAMETER  # UPD-06
    (vport,) = host.control.configuration.vports[1:]
    assert vport.attached_to_vf


def test_a_switch_has_no_more_functions_than_the_nic() -> None:
    """The NIC limits the VFs, whatever the parameters request; a query returns these without flags (VPT-04, VPT-08)."""
    host = Host("CFG-N")
    limit = host.control.capabilities.nic_switch.max_num_vfs
    assert host.create_switch(num_vfs=limit + 1, flags=["SWITCH_NAME_CHANGED"]) == SUCCESS
    read = host.oid("OID_NIC_SWITCH_PARAMETERS", kind="method")
    assert (read["num_vfs"], read["flags"]) == (limit + 1, [])
    for vf_id in range(limit):
        assert host.oid("OID_NIC_SWITCH_ALLOCATE_VF", kind="method")["vf_id"] == vf_id
    assert host.oid("OID_NIC_SWITCH_ALLOCATE_VF", kind="method") == FAILURE


# Changing ------------------------------------------------------------------------------------------------------------


def test_only_flagged_members_change(host: Host) -> None:
    """Everything else is ignored, AttachedFunctionId always (VPT-08, VPT-19)."""
    vport = host.vport([4, 6])
    ignored: dict[str, Any] = {
        "processor_affinity": [8],
        "attached_function_id": 0,
        "num_queue_pairs": 8,
        "vport_name": "x",
    }
    assert host.change_vport(vport, **ignored) == SUCCESS
    read = host.read_vport(vport)
    assert (read["processor_affinity"], read["num_queue_pairs"], read["vport_name"]) == ([4, 6], 1, "")
    assert read["attached_function_id"] == "PF"
    flags = ("NAME_CHANGED", "FLAGS_CHANGED", "LOOKAHEAD_SPLIT_ENABLED")
    assert host.change_vport(vport, *flags, vport_name="web") == SUCCESS
    read = host.read_vport(vport)
    assert (read["vport_name"], read["flags"]) == ("web", ["LOOKAHEAD_SPLIT_ENABLED"])


def test_members_of_later_versions() -> None:
    """NdkParams and QosSqId change from 6.50, whatever revision a buffer has, each by its own flag (MOD-01, VPT-19)."""
    ndk = bytes(range(1, 169))
    given = VPortParameters(vport_id=1, ndk_params=ndk, qos_sq_id=3)
    set_vport = Oid.OID_NIC_SWITCH_VPORT_PARAMETERS, RequestKind.SET
    only = Flags.NDK_PARAMS_CHANGED, Flags.QOS_SQ_ID_CHANGED
    for version, changed in (("6.30", [(bytes(168), 0)] * 2), ("6.50", [(ndk, 0), (bytes(168), 3)])):
        for flags, expected in zip(only, changed, strict=True):
            host = Host("CFG-S", ndis_version=version, **without("RSS_ON_PF_VPORTS_SUPPORTED"))
            host.vport([2])
            buffer = encode_output(replace(given, flags=flags), NdisVersion(6, 60))
            assert host.raw(*set_vport, buffer).status is NdisStatus.NDIS_STATUS_SUCCESS
            parameters = host.control.state.vports[1].parameters
            assert (parameters.ndk_params, parameters.qos_sq_id) == expected


def test_affinity_moves_the_primary_processor(host: Host) -> None:
    """And neither the table nor the default processor; bad masks fail (VPT-12, VPT-21)."""
    vport = host.vport([4, 6], 2)
    host.rss(vport, [4, 6], 4)
    assert host.change_vport(vport, "PROCESSOR_AFFINITY_CHANGED", processor_affinity=[10, 8]) == SUCCESS
    record = host.control.state.vports[vport]
    assert record.primary_processor == processor(8)
    assert (host.table(vport), record.rss.default_processor) == ([4, 6], processor(4))
    for bad in ([], [2, 3]):
        assert host.change_vport(vport, "PROCESSOR_AFFINITY_CHANGED", processor_affinity=bad) == INVALID_PARAMETER
    assert host.change_vport(0, "PROCESSOR_AFFINITY_CHANGED", processor_affinity=[2], issuer="B") == SUCCESS


def test_activation_is_one_way(host: Host) -> None:
    """Activated once, never back; the default VPort always is (VPT-16, VPT-17)."""
    vport = host.vport([2], active=False)
    assert host.change_vport(vport, "STATE_CHANGED", vport_state="Deactivated") == INVALID_PARAMETER
    assert host.change_vport(vport, "STATE_CHANGED", vport_state="Activated") == SUCCESS
    assert host.change_vport(vport, "STATE_CHANGED", vport_state="Activated") == SUCCESS
    assert host.change_vport(vport, "STATE_CHANGED", vport_state="Deactivated") == INVALID_PARAMETER
    assert host.change_vport(0, "STATE_CHANGED", vport_state="Deactivated") == INVALID_PARAMETER


def test_filters_on_a_deactivated_vport(host: Host) -> None:
    """They may be set and moved there (VPT-18)."""
    vport = host.vport([2], active=False)
    assert host.filter(M1, vport_id=vport) == SUCCESS
    host.filter(M2, vport_id=0)
    assert host.move(2, 0, vport) == SUCCESS
    assert not host.control.configuration.vports[vport].activated


def test_ownership(host: Host) -> None:
    """Anybody reads, the creator changes and deletes, the default VPort is for everybody (VPT-23, ERR-28)."""
    vport = host.vport([2])
    assert host.read_vport(vport, issuer="B")["num_queue_pairs"] == 1
    assert host.change_vport(vport, "NAME_CHANGED", issuer="B") == INVALID_PARAMETER
    assert host.delete_vport(vport, issuer="B") == INVALID_PARAMETER
    assert host.change_vport(0, "NAME_CHANGED", issuer="B") == SUCCESS
    assert host.change_vport(7, "NAME_CHANGED") == INVALID_PARAMETER


def test_interrupt_moderation() -> None:
    """It differs between VPorts only if the NIC can do that; it changes no steering (INT-09)."""
    host = Host("CFG-S")
    vport = host.vport([2])
    epoch = host.control.epoch
    assert host.change_vport(vport, "INT_MOD_CHANGED", interrupt_moderation="High") == SUCCESS
    assert host.read_vport(vport)["interrupt_moderation"] == "High"
    assert host.control.epoch == epoch
    other = Host("CFG-S", **without("PER_VPORT_INTERRUPT_MODERATION_SUPPORTED"))
    assert other.change_vport(0, "INT_MOD_CHANGED", interrupt_moderation="High") == NOT_SUPPORTED


def test_a_refused_change_changes_nothing(host: Host) -> None:
    """One bad member keeps all others from being applied (MOD-09)."""
    vport = host.vport([2])
    before = unchanged(host)
    flags = ("NAME_CHANGED", "PROCESSOR_AFFINITY_CHANGED", "NUM_QUEUE_PAIRS_CHANGED")
    answer = host.change_vport(vport, *flags, vport_name="x", processor_affinity=[4], num_queue_pairs=9)
    assert answer == INVALID_PARAMETER
    assert before == unchanged(host)


# Queue pairs at run time ---------------------------------------------------------------------------------------------


def test_number_of_queue_pairs_needs_vmmq() -> None:
    """Below 6.60, and with VMMQ off: INVALID_PARAMETER (VPT-20, VPT-22, UPD-06)."""
    off = Host("CFG-S", keywords={"*RssOnHostVPorts": 0})
    old = Host("CFG-S", ndis_version="6.50", **without("RSS_ON_PF_VPORTS_SUPPORTED"))
    for host in (off, old):
        assert host.change_vport(0, "NUM_QUEUE_PAIRS_CHANGED", num_queue_pairs=1) == INVALID_PARAMETER


def test_lowering_the_number(host: Host) -> None:
    """Not below the processors in use while RSS is on, default processor included (UPD-07, UPD-08, ERR-29)."""
    vport = host.vport([2, 4, 6, 8], 4)
    host.rss(vport, [2, 4, 2, 4], 6)
    refused = host.change_vport(vport, "NUM_QUEUE_PAIRS_CHANGED", num_queue_pairs=2)
    assert refused == INVALID_PARAMETER
    assert refused.reached_miniport
    assert host.change_vport(vport, "NUM_QUEUE_PAIRS_CHANGED", num_queue_pairs=3) == SUCCESS
    host.rss(vport, flags=["DISABLE_RSS"])
    assert host.change_vport(vport, "NUM_QUEUE_PAIRS_CHANGED", num_queue_pairs=1) == SUCCESS


def test_raising_the_number(host: Host) -> None:
    """The table stays; then more processors may be used (UPD-11)."""
    vport = host.vport([2, 4, 6, 8], 2)
    host.rss(vport, [2, 4, 2, 4])
    assert host.rss(vport, [2, 4, 6, 8]) == INVALID_PARAMETER
    assert host.change_vport(vport, "NUM_QUEUE_PAIRS_CHANGED", num_queue_pairs=4) == SUCCESS
    assert host.table(vport) == [2, 4, 2, 4]
    assert host.rss(vport, [2, 4, 6, 8]) == SUCCESS
    assert host.change_vport(vport, "NUM_QUEUE_PAIRS_CHANGED", num_queue_pairs=0) == INVALID_PARAMETER


def test_restricted_tables_follow(host: Host) -> None:
    """Shrinking needs a repeated table and keeps it; growing repeats it (UPD-09, UPD-10, RSS-20)."""
    host = Host("CFG-R")
    vport = host.vport([2, 4, 6, 8], 4)
    assert host.rss(vport, [2, 4]) == INVALID_PARAMETER
    assert host.rss(vport, [2, 4, 4, 2]) == SUCCESS
    assert host.change_vport(vport, "NUM_QUEUE_PAIRS_CHANGED", num_queue_pairs=2) == INVALID_PARAMETER
    assert host.rss(vport, [2, 4, 2, 4]) == SUCCESS
    assert host.change_vport(vport, "NUM_QUEUE_PAIRS_CHANGED", num_queue_pairs=2) == SUCCESS
    assert host.table(vport) == [2, 4, 2, 4]  # in force until a smaller one is set
    unchanged_table: dict[str, Any] = {"flags": ["ITABLE_UNCHANGED", "HASH_KEY_UNCHANGED"]}
    assert host.rss(vport, **unchanged_table) == SUCCESS
    assert host.rss(vport, [2, 4]) == SUCCESS
    assert host.change_vport(vport, "NUM_QUEUE_PAIRS_CHANGED", num_queue_pairs=5) == SUCCESS
    assert host.table(vport) == [2, 4] * 4


@pytest.mark.parametrize("preset", ["CFG-R", "CFG-2"])
def test_restricted_table_that_cannot_grow(preset: str) -> None:
    """Queue pairs that need a longer restricted table than allowed are refused (UPD-10, CAP-25)."""
    restricted = {"add": ["RSS_PER_PF_VPORT_INDIRECTION_TABLE_SIZE_RESTRICTED"]}
    limits = {"number_of_indirection_table_entries_per_non_default_pf_vport": 4}
    host = Host(preset, nic_switch_capabilities={"nic_switch_capabilities": restricted, **limits})
    vport = host.vport([2], 4)
    assert (host.enable2(vport, 4) if preset == "CFG-2" else host.rss(vport, [2] * 4)) == SUCCESS
    assert host.change_vport(vport, "NUM_QUEUE_PAIRS_CHANGED", num_queue_pairs=5) == INVALID_PARAMETER
    assert host.table(vport) == [2] * 4
    assert host.read_vport(vport)["num_queue_pairs"] == 4


# Deleting and enumerating --------------------------------------------------------------------------------------------


def test_deleting(host: Host) -> None:
    """Default, unknown and foreign VPorts, and those with filters, stay; RSS may be on (VPT-26..VPT-29, ERR-31)."""
    vport = host.vport([2, 4], 2)
    host.rss(vport, [2, 4])
    filter_id = host.filter(M1, vport_id=vport)["filter_id"]
    for bad in (0, 5, vport):
        assert host.delete_vport(bad) == INVALID_PARAMETER
    host.clear(filter_id)
    answer = host.delete_vport(vport)
    assert answer == SUCCESS
    assert [(one.target_id, one.reason) for one in answer.completion.discards] == [(vport, "vport deleted")]
    again = host.vport([2, 4], 2)
    assert again == vport
    assert not host.control.state.vports[again].rss.enabled  # VPT-29
    assert host.table(again) == []


def test_deleting_waits_for_packets(host: Host) -> None:
    """The id is in use and the VPort useless until its last packet is returned (VPT-27, OID-14)."""
    vport = host.vport([2])
    assert host.delete_vport(vport, outstanding={vport}) == PENDING
    assert [one.vport_id for one in host.control.configuration.vports] == [0]
    for answer in (
        host.delete_vport(vport),
        host.filter(M1, vport_id=vport),
        host.change_vport(vport, "NAME_CHANGED"),
        host.delete_switch(),
    ):
        assert answer == INVALID_PARAMETER
    assert host.rss(vport, [2]) == INVALID_PORT
    assert host.vport([2]) == vport + 1
    (event,) = host.control.packets_returned(vport)
    assert isinstance(event, RequestCompleted)
    assert event.status is SUCCESS
    assert host.vport([2]) == vport


def test_enumeration(host: Host) -> None:
    """All, of one function, of one switch; ascending, with the number of filters (VPT-24, VPT-25, ERR-32)."""
    host.oid("OID_NIC_SWITCH_ALLOCATE_VF", kind="method")
    host.vport([2, 4], 2)
    host.create_vport(attached_function_id=0, vport_state="Activated")
    host.filter(M1, vport_id=1)

    def listed(*flags: str, **members: Any) -> list[int]:
        answer = host.oid("OID_NIC_SWITCH_ENUM_VPORTS", flags=list(flags), **members)
        assert answer == SUCCESS
        assert not answer.reached_miniport
        return [one["vport_id"] for one in answer["elements"]]

    assert listed(switch_id=9, attached_function_id=7) == [0, 1, 2]
    assert listed("ENUM_ON_SPECIFIC_FUNCTION", attached_function_id="PF") == [0, 1]
    assert listed("ENUM_ON_SPECIFIC_FUNCTION", attached_function_id=0) == [2]
    assert listed("ENUM_ON_SPECIFIC_FUNCTION", attached_function_id=1) == []
    assert listed("ENUM_ON_SPECIFIC_SWITCH") == [0, 1, 2]
    assert listed("ENUM_ON_SPECIFIC_SWITCH", switch_id=1) == []
    both: dict[str, Any] = {"flags": ["ENUM_ON_SPECIFIC_FUNCTION", "ENUM_ON_SPECIFIC_SWITCH"]}
    assert host.oid("OID_NIC_SWITCH_ENUM_VPORTS", **both) == INVALID_PARAMETER
    info = host.oid("OID_NIC_SWITCH_ENUM_VPORTS", kind="method")["elements"][1]
    assert (info["num_filters"], info["num_queue_pairs"], info["processor_affinity"]) == (1, 2, [2, 4])
    short = host.oid("OID_NIC_SWITCH_ENUM_VPORTS", kind="method", step={"buffer_length": 600})
    assert short == INVALID_LENGTH
    assert short.completion.bytes_needed == 32 + 3 * 576


def test_closing(host: Host) -> None:
    """VPorts and filters a client leaves behind are cleaned up and reported (VPT-30, FLT-46)."""
    mine, other = host.vport([2]), host.vport([2], issuer="B")
    host.filter(M1, vport_id=mine)
    host.filter(M2, vport_id=0)
    closed = host.control.close("A")
    assert (closed.filters, closed.queues, closed.vports) == ((1, 2), (), (mine,))
    assert closed.violations == ["FLT-46", "VPT-30"]
    assert list(host.control.state.vports) == [0, other]
    assert [(one.target_id, one.reason) for one in closed.discards] == [
        (mine, "queue cleared"),
        (mine, "vport deleted"),
    ]


def test_closing_with_packets_outstanding(host: Host) -> None:
    """The VPort of a closed client goes with its last packet; nobody waits for a completion (VPT-27, VPT-30)."""
    vport = host.vport([2])
    assert [one.vport_id for one in host.control.configuration.vports] == [0, vport]
    assert host.control.close("A", outstanding={vport}).vports == (vport,)
    epoch = host.control.epoch
    assert list(host.control.state.vports) == [0, vport]
    assert [one.vport_id for one in host.control.configuration.vports] == [0]
    assert host.control.close("A", outstanding={vport}).vports == ()  # it is on its way
    assert host.control.packets_returned(vport) == ()
    assert list(host.control.state.vports) == [0]
    assert host.control.epoch == epoch  # steering has not seen it for long (EPO-02)
