"""The `oid` step, `inspect`, `close` and `check` (sections 4, 5 and 9 of the oracle protocol)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.oracle.script import (
    K1,
    M1,
    M2,
    Step,
    adapter,
    arp,
    frame,
    last,
    oid,
    queue,
    rss,
    run,
    set_filter,
    tcp4,
    vport,
)

S, Q = adapter("CFG-S"), adapter("CFG-Q")
FILTER_ON_QUEUE_1 = {"queue_id": 1, "field_parameters": [{"field_value": M1, "flags": ["UNTAGGED_OR_ZERO"]}]}


def test_result_members() -> None:
    """A result has every member; `why` only if the request was refused."""
    accepted = last(S, oid("OID_NIC_SWITCH_CREATE_VPORT", {"label": "new"}, processor_affinity=[2]))
    assert accepted["label"] == "new"
    assert (accepted["status"], accepted["pending"], accepted["bytes_needed"]) == ("NDIS_STATUS_SUCCESS", False, 0)
    assert (accepted["reached_miniport"], accepted["events"]) == (True, [])
    assert accepted["out"]["header"] == {"type": 0x80, "revision": 2, "size": 748}
    assert "why" not in accepted
    assert "out_hex" not in accepted
    refused = last(S, oid("OID_NIC_SWITCH_CREATE_VPORT", processor_affinity=[]))
    assert refused["out"] is None
    assert refused["why"] == "VPT-11: ProcessorAffinity is empty"


def test_refused_commands_say_why() -> None:
    """A move request that succeeds says why groups of it failed (UPD-36)."""
    command = {"vport_id": 5, "target_processor_number": 4}
    result = last(adapter("CFG-2"), oid("OID_GEN_RSS_SET_INDIRECTION_TABLE_ENTRIES", rss_entry_table=[command]))
    assert result["status"] == "NDIS_STATUS_SUCCESS"
    assert result["out"]["rss_entry_table"][0]["entry_status"] == "NDIS_STATUS_INVALID_PARAMETER"
    assert result["why"].startswith("UPD-42: ")


def test_hex_in_and_out() -> None:
    """The buffer byte for byte; the result has the first BytesWritten bytes (OID-05)."""
    structured = last(Q, oid("OID_RECEIVE_FILTER_SET_FILTER", {"hex": True}, field_parameters=[{"field_value": M1}]))
    data = structured["out_hex"]
    assert len(data) // 2 == 48 + 56
    again = last(Q, {"oid": "OID_RECEIVE_FILTER_SET_FILTER", "in_hex": data})
    assert again["status"] == "NDIS_STATUS_INVALID_PARAMETER"  # FilterId is 1 in there (FLT-09)
    zero_id = data[:32] + "00000000" + data[40:]
    accepted = last(Q, {"oid": "OID_RECEIVE_FILTER_SET_FILTER", "in_hex": zero_id})
    assert accepted["out_hex"] == data
    longer = last(Q, {"oid": "OID_RECEIVE_FILTER_SET_FILTER", "in_hex": zero_id, "buffer_length": 200})
    assert longer["out_hex"] == data
    failed = last(Q, {"oid": "OID_RECEIVE_FILTER_SET_FILTER", "in_hex": "00"})
    assert (failed["status"], failed["out_hex"], failed["bytes_needed"]) == ("NDIS_STATUS_INVALID_LENGTH", "", 36)


@pytest.mark.parametrize(
    ("step", "status"),
    [
        ({"oid": "OID_RECEIVE_FILTER_SET_FILTER", "kind": "set", "in": FILTER_ON_QUEUE_1}, "NOT_SUPPORTED"),
        ({"oid": "OID_RECEIVE_FILTER_SET_FILTER", "kind": "query"}, "NOT_SUPPORTED"),
        ({"oid": "0x0001010e"}, "SUCCESS"),
        ({"oid": "0xff010203", "in_hex": "00"}, "NOT_SUPPORTED"),
        ({"oid": "OID_GEN_VLAN_ID", "in_hex": "00000000"}, "NOT_SUPPORTED"),
        ({"oid": "OID_GEN_CURRENT_PACKET_FILTER", "issuer": "application"}, "SUCCESS"),
        ({"oid": "OID_GEN_CURRENT_PACKET_FILTER", "in_hex": "20000000"}, "SUCCESS"),
        ({"oid": "OID_GEN_CURRENT_PACKET_FILTER", "sync": True}, "NOT_SUPPORTED"),
    ],
)
def test_kinds_and_paths(step: dict[str, Any], status: str) -> None:
    """Natural kinds, explicit kinds, OIDs by code, the two request paths (OID-01, OID-18, OID-03)."""
    assert last(Q, step)["status"] == f"NDIS_STATUS_{status}"


def test_vport_of_an_adapter_without_switch() -> None:
    """A request that names a VPort where there is none fails (OID-02, ERR-33)."""
    step = {"oid": "OID_GEN_RECEIVE_SCALE_PARAMETERS", "vport_id": 0, "switch_id": 0}
    assert last(adapter("CFG-T"), step)["status"] == "NDIS_STATUS_INVALID_PORT"


def test_default_issuers() -> None:
    """The default issuer is A, and NDIS for creating and deleting the switch (MOD-05, OID-16)."""
    create = oid("OID_NIC_SWITCH_CREATE_SWITCH", num_queue_pairs_for_default_vport=1)
    results = run(adapter("CFG-N"), create, *vport(1, [2]), {"inspect": {"vport": 1}}, {"inspect": {"vport": 0}})
    assert results[1]["status"] == "NDIS_STATUS_SUCCESS"
    assert [result["vport"]["owner"] for result in results[-2:]] == ["A", None]


# Inspecting ----------------------------------------------------------------------------------------------------------


def test_inspecting_queues() -> None:
    """The default queue is shown running and without owner; others show their state (QUE-01, QUE-20)."""
    results = run(Q, *queue(1, [4, 6], M1), *({"inspect": {"queue": number}} for number in (0, 1, 2)))
    default, first, none = (result["queue"] for result in results[-3:])
    assert default == {
        "queue_id": 0, "state": "Running", "queue_state": "Running", "owner": None, "num_filters": 0, "filters": [],
        "processor_affinity": [0], "processor": 0, "outstanding": 0,
    }  # fmt: skip
    assert first == {
        "queue_id": 1, "state": "Running", "queue_state": "Running", "owner": "A", "num_filters": 1, "filters": [1],
        "processor_affinity": [4, 6], "processor": 4, "outstanding": 0,
    }  # fmt: skip
    assert none["state"] == "Undefined"


def test_inspecting_vports() -> None:
    """Parameters, filters and RSS; null where there is none; a VF has no primary processor."""
    vf = [oid("OID_NIC_SWITCH_ALLOCATE_VF"), oid("OID_NIC_SWITCH_CREATE_VPORT", attached_function_id=0, vport_state=1)]
    looks: list[Step] = [{"inspect": {"vport": number}} for number in (1, 2, 3)]
    results = run(S, *vport(1, [2, 4], 3, M1), rss(1, [2, 4], 6), *vf, frame(tcp4(M1), "a", keep=True), *looks)
    first, second, third = (result["vport"] for result in results[-3:])
    assert third is None
    assert (second["attached_function_id"], second["vport_state"], second["rss"]["primary_processor"]) == (
        0,
        "Activated",
        None,
    )
    assert first["rss"] == {
        "enabled": True, "hash_information": ["Toeplitz", "IPV4", "TCP_IPV4"], "hash_secret_key": K1,
        "indirection_table": [2, 4], "default_processor": 6, "primary_processor": 2, "number_of_queues": 3,
    }  # fmt: skip
    assert (first["num_queue_pairs"], first["num_filters"], first["filters"], first["outstanding"]) == (3, 1, [1], 1)
    off = last(S, {"inspect": {"vport": 0}})["vport"]["rss"]
    assert off == {
        "enabled": False, "hash_information": [], "hash_secret_key": None, "indirection_table": [],
        "default_processor": None, "primary_processor": 0, "number_of_queues": 4,
    }  # fmt: skip


def test_inspecting_native_rss() -> None:
    """`inspect` shows the adapter as scaling entity; the number of queues is that of the adapter, not of a VPort."""
    result = last(adapter("CFG-T"), rss(None, [2, 4], 2), {"inspect": "native_rss"})["rss"]
    assert (result["enabled"], result["indirection_table"], result["number_of_queues"]) == (True, [2, 4], None)
    assert (result["primary_processor"], result["default_processor"]) == (0, 2)


def test_receive_hash_is_not_spreading() -> None:
    """Hash OOB is set, the processor is the base (RSS-23)."""
    enable = oid(
        "OID_GEN_RECEIVE_HASH", flags=["ENABLE_HASH"], hash_information=["Toeplitz", "IPV4"], hash_secret_key=K1
    )
    result = last(adapter("CFG-T"), enable, frame(tcp4(M1), "a"))
    assert (result["processor"], result["entry"], result["hash_info"]) == (0, None, "0x00000101")


def test_closing() -> None:
    """`close` reports what was left behind, the violated rules, and the dropped frames (VPT-30, QUE-26, FLT-46)."""
    results = run(
        Q, *queue(1, [4], M1), set_filter(M2, step={"issuer": "B"}), {"hold_dpc": "all"}, frame(tcp4(M1), "a"),
        {"close": "A"}, {"close": "A"}, {"inspect": "adapter"},
    )  # fmt: skip
    closed = results[-3]
    assert closed["cleaned"] == {"filters": [1], "queues": [1], "vports": []}
    assert closed["violations"] == ["FLT-46", "QUE-26"]
    assert [event["event"] for event in closed["events"]] == ["frame_dropped", "status_indication"]
    assert results[-2]["cleaned"] == {"filters": [], "queues": [], "vports": []}
    assert results[-2]["violations"] == []
    assert results[-1]["mode"] == "neutral"


def test_inspecting_changes_nothing() -> None:
    """Repeated `inspect` steps give the same result."""
    looks: list[Step] = [{"inspect": "counters"}, {"inspect": {"vport": 0}}, {"inspect": "adapter"}]
    results = run(S, frame(arp(), "a"), *looks, *looks)
    shown = [{name: value for name, value in result.items() if name != "line"} for result in results[2:]]
    assert shown[:3] == shown[3:]


# Checks --------------------------------------------------------------------------------------------------------------


_CANDIDATES = {"base": 2, "max": "1:0", "processors": ["1:0", 1, 2, "1:1"]}
_PROCESSORS = {"base": 1, "max_rss_processors": 2, "processors": [3, 2, 1, 0]}
_VECTORS = {"queues": 17, "data_vectors": 15, "other_vectors": 3}


@pytest.mark.parametrize(
    ("what", "members", "expected"),
    [
        ("interface", {"keywords": {"*SriovPreferred": 1, "*SRIOV": 1}}, {"interface": ["SRIOV"]}),
        ("interface", {"keywords": {"*RssOnHostVPorts": 0}}, {"interface": ["RSS"], "rss_on_host_vports": False}),
        ("rss_candidates", _CANDIDATES, {"candidates": ["1:0", 2]}),
        ("rss_processors", _PROCESSORS, {"rss_processors": [1, 2]}),
        ("msix_vectors", {"queues": 17, "data_vectors": 16}, {"ok": True, "rules": []}),
        ("msix_vectors", _VECTORS, {"ok": False, "rules": ["INT-01", "INT-02"]}),
    ],
)
def test_checks(what: str, members: dict[str, Any], expected: dict[str, Any]) -> None:
    """Rules without an adapter (CAP-10, CAP-12, CAP-31..CAP-33, INT-01, INT-02)."""
    result = last({"check": what, **members})
    assert {name: result[name] for name in expected} == expected
