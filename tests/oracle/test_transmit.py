"""The transmit path of the model adapter (section 10 of the rules, and VPT-31, VPT-32)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.oracle.script import (
    M1,
    M2,
    M3,
    Step,
    adapter,
    arp,
    clear_filter,
    frame,
    labels,
    last,
    oid,
    queue,
    rss,
    run,
    set_filter,
    tcp4,
    vport,
)

S = adapter("CFG-S")
OUT = tcp4("00:15:5d:00:00:99")  # to a station outside
GIVEN: list[Step] = [S, *vport(1, [2, 4, 6, 8], 5, M1), rss(1, [2, 4, 6, 8], 10)]


def send(data: Any = OUT, label: str = "p", **members: Any) -> Step:
    """A send step with one NBL of VPort 1 (unless `queue_id` says otherwise)."""
    target = {} if "queue_id" in members else {"vport_id": 1}
    return {"send": {"data": data, **target, **members}, "label": label}


def sent(*steps: Step) -> dict[str, Any]:
    """The only send of the last step."""
    (one,) = last(*steps)["sends"]
    result: dict[str, Any] = one
    return result


@pytest.mark.parametrize(
    ("members", "processor", "entry"),
    [
        ({"hash_info": "0x201", "hash_value": "0x1"}, 4, 1),
        ({"hash_info": "0x101", "hash_value": "0xfffffffe"}, 6, 2),
        ({"hash_info": "0x201", "hash_value": 0}, 2, 0),  # present, value 0 (HSH-28)
        ({"hash_info": "0x1", "hash_value": 3}, 8, 3),  # the function bits alone say "present"
        ({"hash_info": 0, "hash_value": 3}, 10, None),
        ({"hash_info": "0x200", "hash_value": 3}, 10, None),  # types without function: absent
    ],
)
def test_completion_processor(members: dict[str, Any], processor: int, entry: int | None) -> None:
    """The carried hash indexes the table of the VPort, whatever the packet; else the default (TX-01..TX-04, INT-08)."""
    for data in (OUT, arp()):
        result = last(*GIVEN, send(data, **members))
        (one,) = result["sends"]
        assert (one["result"], one["status"], one["vport_id"]) == ("completed", "NDIS_STATUS_SUCCESS", 1)
        assert (one["processor"], one["entry"], result["interrupts"]) == (processor, entry, [processor])
        (dpc,) = result["dpcs"]
        assert (dpc["processor"], dpc["calls"]) == (processor, [])
        (call,) = dpc["completion_calls"]
        assert (labels(call), call["flags"]) == (["p"], [])
        assert one["wire"] == [data]


def test_rss_disabled() -> None:
    """Completion on the primary processor (TX-05)."""
    one = sent(S, *vport(1, [4, 6], 1, M1), send(hash_info="0x201", hash_value=3))
    assert (one["processor"], one["entry"]) == (4, None)


def test_unknown_vport() -> None:
    """The default VPort and its table are used (TX-06, TX-07)."""
    one = sent(S, rss(None, [0, 2, 4, 6], 6), send(vport_id=5, hash_info="0x201", hash_value=2))
    assert (one["vport_id"], one["processor"]) == (0, 4)


@pytest.mark.parametrize("filtered", [False, True])
def test_vports_that_may_not_send(filtered: bool) -> None:
    """Sends of deactivated VPorts, or nondefault ones without filter, fail on the primary processor (TX-08, ERR-48)."""
    create = oid("OID_NIC_SWITCH_CREATE_VPORT", num_queue_pairs=1, processor_affinity=[6])
    steps = [S, create, set_filter(M1, vport_id=1)] if filtered else [S, *vport(1, [6])]
    one = sent(*steps, {"hold_tx": True}, send(hash_info="0x201"))
    assert (one["result"], one["status"]) == ("completed", "NDIS_STATUS_INVALID_PORT_STATE")
    assert (one["processor"], one["entry"], one["wire"]) == (6, None, [])
    spread = sent(*GIVEN, clear_filter(1), send(hash_info="0x201", hash_value=1))  # RSS is on, and not asked
    assert (spread["status"], spread["entry"]) == ("NDIS_STATUS_INVALID_PORT_STATE", None)
    assert sent(S, send(vport_id=0))["status"] == "NDIS_STATUS_SUCCESS"  # the default VPort needs no filter (VPT-17)


def test_vmq_mode() -> None:
    """The queue comes from the QueueId OOB; SINGLE_QUEUE when all NBLs of a call were sent on one (TX-09, TX-11)."""
    given = [adapter("CFG-Q"), *queue(1, [4], M1), *queue(2, [4], M2)]
    assert sent(*given, send(queue_id=1))["processor"] == 4
    unknown = sent(*given, send(queue_id=9))
    assert (unknown["queue_id"], unknown["processor"]) == (0, 0)
    one_queue = last(*given, {"send": [{"data": OUT, "queue_id": 1}] * 2, "flags": ["SINGLE_QUEUE"]})
    two_queues = last(*given, {"send": [{"data": OUT, "queue_id": queue_id} for queue_id in (1, 2)]})
    flags = [result["dpcs"][0]["completion_calls"][0]["flags"] for result in (one_queue, two_queues)]
    assert flags == [["SINGLE_QUEUE"], []]


def test_native_mode() -> None:
    """With native RSS the adapter's table steers completions (TX-01, RSS-26)."""
    native = adapter("CFG-T", receive_scale_capabilities={"number_of_receive_queues": 2})
    one = sent(native, rss(None, [2, 4, 6, 8], 8), send(queue_id=0, hash_info="0x201", hash_value=2))
    assert (one["queue_id"], one["entry"], one["processor"]) == (0, 2, 2)


def test_net_buffers_share_the_oob() -> None:
    """All NBs of an NBL complete together, once, on one processor (TX-10)."""
    result = last(*GIVEN, send([OUT, arp()], hash_info="0x201", hash_value=1))
    (one,) = result["sends"]
    assert one["wire"] == [OUT, arp()]
    assert [labels(call) for dpc in result["dpcs"] for call in dpc["completion_calls"]] == [["p"]]


def test_processor_is_fixed_at_acceptance() -> None:
    """The table at submission steers a completion, whatever happens later (TX-12); order of submission (TX-14)."""
    given = [*GIVEN, {"hold_tx": True}, send(label="a", hash_info="0x201", hash_value=1)]
    given += [rss(1, [8, 8, 8, 8], 10), send(label="b", hash_info="0x201", hash_value=1)]
    results = run(*given, {"release_tx": True})
    assert results[-4]["sends"][0]["result"] == "queued"
    assert results[-4]["sends"][0]["wire"] == []
    assert "status" not in results[-4]["sends"][0]
    released = results[-1]
    assert [(one["label"], one["processor"], one["result"]) for one in released["sends"]] == [
        ("a", 4, "completed"),
        ("b", 8, "completed"),
    ]
    same = last(*GIVEN, {"hold_dpc": "all"}, send(label="a"), send(label="b"), {"release_dpc": "all"})
    assert labels(same["dpcs"][0]["completion_calls"][0]) == ["a", "b"]


def test_a_refused_send_completes_behind_one_submitted_before() -> None:
    """A refused send does not wait for hardware (TX-08), but one call completes in submission order (TX-14)."""
    held = [S, *vport(1, [2], 1, M1), {"hold_tx": True}, {"hold_dpc": "all"}, send(label="a"), clear_filter(1)]
    result = last(*held, send(label="b"), {"release_tx": True}, {"run_dpc": "all"})
    (call,) = result["dpcs"][0]["completion_calls"]
    assert [(nbl["label"], nbl["status"]) for nbl in call["nbls"]] == [
        ("a", "NDIS_STATUS_SUCCESS"),
        ("b", "NDIS_STATUS_INVALID_PORT_STATE"),
    ]


def test_held_completion() -> None:
    """Transmitted at once, completed when the DPC runs."""
    one = sent(*GIVEN, {"hold_dpc": "all"}, send())
    assert (one["result"], one["wire"]) == ("held", [OUT])
    assert "status" not in one


@pytest.mark.parametrize(
    ("ieee8021q", "tag"),
    [("0x2a3", "8100602a"), ("0x5", "8100a000"), (0, ""), ("0x8", "81001000"), ("0xfff7", "8100efff")],
)
def test_tag_insertion(ieee8021q: object, tag: str) -> None:
    """A nonzero 8021Q value puts a tag behind the source address (TX-13)."""
    assert sent(*GIVEN, send(ieee8021q=ieee8021q))["wire"] == [OUT[:24] + tag + OUT[24:]]


def test_sends_of_a_stopped_adapter() -> None:
    """Sends of a paused adapter complete inside the call with NDIS_STATUS_PAUSED (MOD-13, ERR-49)."""
    for fault in ("pause", "reset_begin", "surprise_removal"):
        result = last(*GIVEN, {"fault": fault}, send())
        (one,) = result["sends"]
        assert (one["result"], one["status"], one["processor"]) == ("completed", "NDIS_STATUS_PAUSED", None)
        assert (one["wire"], result["dpcs"], result["interrupts"]) == ([], [], [])
    queued = last(*GIVEN, {"hold_tx": True}, send(), {"fault": "pause"}, {"release_tx": True})
    assert (queued["sends"][0]["status"], queued["sends"][0]["wire"]) == ("NDIS_STATUS_PAUSED", [])


def test_labels_of_nbls() -> None:
    """Default labels of NBLs in a list are numbered from 1; each NBL may have its own label."""
    result = last(S, {"send": [{"data": OUT}, {"data": OUT, "label": "own"}], "label": "p"})
    assert [one["label"] for one in result["sends"]] == ["p.1", "own"]
    assert last(S, {"send": [{"data": OUT}], "label": "p"})["sends"][0]["label"] == "p"


# From VPort to VPort -------------------------------------------------------------------------------------------------

TWO: list[Step] = [S, *vport(1, [2], 1, M1), *vport(2, [4], 1, M2)]


def test_forwarding() -> None:
    """A frame for another VPort is received there and not put on the wire (VPT-31, VPT-32)."""
    result = last(*TWO, send(tcp4(M2)))
    (one,) = result["sends"]
    assert one["wire"] == []
    (received,) = one["received"]
    assert (received["label"], received["result"], received["vport_id"]) == ("p/rx", "indicated", 2)
    assert (received["processor"], received["data"]) == (4, tcp4(M2))
    assert [(dpc["processor"], len(dpc["calls"]), len(dpc["completion_calls"])) for dpc in result["dpcs"]] == [
        (2, 0, 1),
        (4, 1, 0),
    ]
    assert sorted(result["interrupts"]) == [2, 4]
    counters = last(*TWO, send(tcp4(M2)), {"inspect": "counters"})
    assert (counters["arrived"], counters["indicated"]) == (1, 1)


def test_what_is_not_forwarded() -> None:
    """Frames for nobody, for the sender itself, for a deactivated VPort: only the wire (VPT-32)."""
    for data in (OUT, tcp4(M1)):
        one = sent(*TWO, send(data))
        assert (one["wire"], one["received"]) == ([data], [])
    sleeping = oid("OID_NIC_SWITCH_CREATE_VPORT", num_queue_pairs=1, processor_affinity=[2])
    assert sent(*TWO, sleeping, set_filter(M3, vport_id=3), send(tcp4(M3)))["wire"] == [tcp4(M3)]


def test_forwarding_to_the_default_vport() -> None:
    """The default VPort receives like any other activated VPort, if one of its filters matches (VPT-32)."""
    one = sent(*TWO, set_filter(M3, vport_id=0), send(tcp4(M3)))
    assert [received["vport_id"] for received in one["received"]] == [0]


def test_filters_of_the_sender_do_not_hide_others() -> None:
    """The same address on the sender and on another VPort: the other one receives (VPT-32, FLT-38)."""
    one = sent(*TWO, set_filter(M1, vport_id=2, step={"issuer": "A"}), send(tcp4(M1)))
    assert [received["vport_id"] for received in one["received"]] == [2]


def test_forwarding_looks_at_the_tag() -> None:
    """From the 8021Q OOB of the sender or in the frame (VPT-32)."""
    vlan = oid("OID_RECEIVE_FILTER_SET_FILTER", vport_id=2, field_parameters=[{"field_value": M3}, {"field_value": 10}])
    untagged = sent(*TWO, vlan, send(tcp4(M3)))
    assert untagged["received"] == []
    by_oob = sent(*TWO, vlan, send(tcp4(M3), ieee8021q="0xa0"))
    in_band = sent(*TWO, vlan, send(tcp4(M3, tag="000a")))
    for one in (by_oob, in_band):
        (received,) = one["received"]
        assert (received["vport_id"], received["ieee8021q"], received["data"]) == (2, "0x000000a0", tcp4(M3))


def test_forwarded_net_buffers_are_numbered() -> None:
    """Looped-back frames are labelled by their place in the NBL; the receiver may keep them."""
    results = run(*TWO, send([tcp4(M2), OUT, tcp4(M2)], keep=True), {"return": ["p/rx3", "p/rx"]})
    (one,) = results[-2]["sends"]
    assert [(received["label"], received["kept"]) for received in one["received"]] == [("p/rx", True), ("p/rx3", True)]
    assert one["wire"] == [OUT]
    assert results[-1]["returned"] == ["p/rx3", "p/rx"]


def test_forwarded_frames_wait_for_their_dpc() -> None:
    """Held like any other frame, and dropped with the filter of the receiver (FLT-42)."""
    results = run(*TWO, {"hold_dpc": [4]}, send(tcp4(M2)), clear_filter(2), frame(tcp4(M1), "x"))
    assert results[-3]["sends"][0]["received"][0]["result"] == "held"
    assert [one["label"] for one in results[-2]["events"]] == ["p/rx"]
