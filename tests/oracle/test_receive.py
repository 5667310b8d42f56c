"""The receive path of the model adapter: targets, OOB data, DPCs, indications, returns (sections 9, 12 of the rules).

The tests of the kernels cover matching and hash values; these tests cover what happens to a frame afterwards.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.oracle.script import (
    BROADCAST,
    M1,
    M2,
    M3,
    Step,
    adapter,
    arp,
    clear_filter,
    error,
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

S, Q = adapter("CFG-S"), adapter("CFG-Q")
COUNTERS: Step = {"inspect": "counters"}


def test_vport_oob() -> None:
    """Switch mode: VPortId OOB, FilterId 0, hash slots (RX-12, RX-17, RX-18, RX-20, RX-21, INT-04)."""
    result = last(S, *vport(1, [2, 4], 2, M1), rss(1, [2, 4], 2), frame(tcp4(M1), "a"))
    assert (result["result"], result["vport_id"], result["processor"], result["entry"]) == ("indicated", 1, 4, 1)
    assert (result["filter_id"], result["filtering_info"]) == (0, "0x00010000")
    assert (result["hash_info"], result["hash_value"]) == ("0x00000201", "0x12c50765")
    assert (result["interrupts"], result["kept"], result["receive_flags"]) == ([4], False, [])
    assert "queue_id" not in result


def test_one_target_for_each_frame() -> None:
    """Only the first target that matches gets the frame, nondefault ids ascending (RX-01, RX-04, FLT-37)."""
    group = "01:00:5e:01:02:03"
    given = [S, *vport(1, [2], 1, M1), *vport(2, [4], 1, group)]
    for vport_id in (0, 1):
        given.append(set_filter(group, vport_id=vport_id))
    results = run(*given, frame(arp(group), "a"), clear_filter(4), frame(arp(group), "b"), COUNTERS)
    assert [results[index]["vport_id"] for index in (-4, -2)] == [1, 2]
    assert (results[-1]["arrived"], results[-1]["indicated"]) == (2, 2)


@pytest.mark.parametrize(
    ("tag", "with_flag", "with_vlan", "mac_only"),
    [("", True, False, True), ("a000", True, False, True), ("6064", False, True, True), ("0065", False, False, True)],
)
def test_vlan_conditions(tag: str, with_flag: bool, with_vlan: bool, mac_only: bool) -> None:
    """Flag: untagged or VID 0; VLAN test: exactly that VID; neither: any (FLT-16..FLT-23, FLT-28, FLT-32)."""
    flagged = [{"field_value": M1, "flags": ["UNTAGGED_OR_ZERO"]}]
    exact = [{"field_value": M1}, {"field_value": 100}]
    for fields, matches in ((flagged, with_flag), (exact, with_vlan), ([{"field_value": M1}], mac_only)):
        given = [S, *vport(1, [2]), oid("OID_RECEIVE_FILTER_SET_FILTER", vport_id=1, field_parameters=fields)]
        result = last(*given, frame(tcp4(M1, tag=tag), "a"))
        assert result["vport_id"] == (1 if matches else 0)
        assert result["data"] == tcp4(M1)  # the tag is gone in any case (FLT-21, FLT-23)


def test_low_bits_of_the_hash_choose_the_entry() -> None:
    """index = hash & (N - 1), frames without hash go to the default processor (RSS-13, RX-13)."""
    given = [S, *vport(1, [2, 4, 6, 8], 4, M1), rss(1, [2, 4, 6, 8], 2)]
    results = run(*given, *(frame(tcp4(M1, port), str(port)) for port in (1024, 1025, 1032, 1033)), frame(arp(M1), "x"))
    found = [(one["hash_value"], one["entry"], one["processor"]) for one in results[-5:]]
    assert found == [
        ("0x12c50765", 1, 4),
        ("0x805ba6b4", 0, 2),
        ("0x6096d35f", 3, 8),
        ("0xf208728e", 2, 6),
        ("0x00000000", None, 2),
    ]


def test_no_hash() -> None:
    """Without hash both slots are 0, the default processor indicates; with RSS off the primary one (RX-13, RX-14)."""
    given = [S, *vport(1, [2, 4], 3, M1), rss(1, [2, 4], 8)]
    result = last(*given, frame(arp(M1), "a"))
    assert (result["processor"], result["entry"]) == (8, None)
    assert (result["hash_info"], result["hash_value"]) == ("0x00000000", "0x00000000")
    disable = oid("OID_GEN_RECEIVE_SCALE_PARAMETERS", {"vport_id": 1}, flags=["DISABLE_RSS"])
    assert last(*given, disable, frame(tcp4(M1), "a"))["processor"] == 2


def test_vlan_oob() -> None:
    """A tag is removed from the data and reported; an untagged frame has 0 (RX-05, RX-09, RX-10, RX-11, RX-19)."""
    tagged, untagged = (
        last(Q, set_filter(M1), frame(tcp4(M1, tag=tag), "a")) for tag in ("602a", "")
    )  # fmt: skip
    assert tagged["data"] == untagged["data"] == tcp4(M1)
    assert (tagged["ieee8021q"], untagged["ieee8021q"]) == ("0x000002a3", "0x00000000")
    double = last(Q, frame(tcp4(M1, tag="000a81000014"), "a"))
    assert double["data"][24:32] == "81000014"  # the inner tag stays
    assert (double["queue_id"], double["processor"]) == (0, 0)


@pytest.mark.parametrize(
    ("packet_filter", "destination", "accepted"),
    [
        (["DIRECTED"], "00:15:5d:00:00:01", True),
        (["DIRECTED"], M1, False),
        (["MULTICAST"], "01:00:5e:00:00:01", True),
        (["MULTICAST"], "01:00:5e:00:00:02", False),
        (["MULTICAST"], BROADCAST, False),
        (["ALL_MULTICAST"], "01:00:5e:00:00:02", True),
        (["ALL_MULTICAST"], BROADCAST, False),
        (["BROADCAST"], BROADCAST, True),
        ([], M1, False),
    ],
)
def test_packet_filter(packet_filter: list[str], destination: str, accepted: bool) -> None:
    """The packet filter decides only about frames that match no receive filter (MOD-12, RX-07, RX-08)."""
    given = adapter("CFG-S", packet_filter=packet_filter, multicast_list=["01:00:5e:00:00:01"])
    result = last(given, frame(arp(destination), "a"))
    assert result["result"] == ("indicated" if accepted else "dropped")
    if not accepted:
        assert result["reason"] == "packet filter"
        assert result["interrupts"] == []
    assert last(given, set_filter(destination), frame(arp(destination), "a"))["result"] == "indicated"


def test_a_listed_broadcast_address_is_listed() -> None:
    """MULTICAST accepts every listed address, the broadcast address too; ALL_MULTICAST leaves it out (RX-07)."""
    for packet_filter, expected in (("MULTICAST", "indicated"), ("ALL_MULTICAST", "dropped")):
        given = adapter("CFG-S", packet_filter=[packet_filter], multicast_list=[BROADCAST])
        assert last(given, frame(arp(BROADCAST), "a"))["result"] == expected


def test_targets_that_attract_no_frames() -> None:
    """Deactivated VPorts, queues not complete: frames for them are unmatched (RX-02, RX-03, RX-06, VPT-18)."""
    create = oid("OID_NIC_SWITCH_CREATE_VPORT", num_queue_pairs=1, processor_affinity=[2])
    assert last(S, create, set_filter(M1, vport_id=1), frame(tcp4(M1), "a"))["vport_id"] == 0
    allocate = oid("OID_RECEIVE_FILTER_ALLOCATE_QUEUE", processor_affinity=[4])
    assert last(Q, allocate, set_filter(M1, queue_id=1), frame(tcp4(M1), "a"))["queue_id"] == 0


def test_runts() -> None:
    """Frames that end before their addresses or inside their tag are dropped (MOD-10)."""
    for data in ("", "00155d010201", arp()[:26], M1.replace(":", "") + "00155d000099810000"):
        result = last(S, frame(data, "a"))
        assert (result["result"], result["reason"]) == ("dropped", "runt")


def test_cut_frames() -> None:
    """`wire_length` is the length on the wire, which may be more than what was captured (HSH-32)."""
    given = [S, *vport(1, [2, 4], 2, M1), rss(1, [2, 4], 2)]
    whole = tcp4(M1)
    headers = last(*given, frame(whole[: 2 * 38], "a", wire_length=len(whole) // 2))
    assert headers["hash_info"] == "0x00000201"
    addresses = last(*given, frame(whole[: 2 * 34], "a", wire_length=len(whole) // 2))
    assert addresses["hash_info"] == "0x00000000"


# Interrupts and DPCs -------------------------------------------------------------------------------------------------


def test_interrupts_and_dpcs() -> None:
    """One interrupt until the DPC ran; it takes all queued frames in order (INT-05, INT-06, INT-11, RX-15, RX-16)."""
    results = run(
        S,
        *vport(1, [2, 4], 2, M1),
        rss(1, [2, 4], 2),
        {"hold_dpc": "all"},
        *(frame(tcp4(M1, port), f"{position}") for position, port in enumerate((1025, 1025, 1024))),
        {"run_dpc": [2, 6]},
        {"run_dpc": "all"},
        {"run_dpc": "all"},
        frame(tcp4(M1, 1025), "last"),
    )
    assert [result["interrupts"] for result in results[6:9]] == [[2], [], [4]]
    assert [(run["processor"], labels(run["calls"][0])) for run in results[9]["dpcs"]] == [(2, ["0", "1"])]
    assert [(run["processor"], labels(run["calls"][0])) for run in results[10]["dpcs"]] == [(4, ["2"])]
    assert results[11]["dpcs"] == []
    assert (results[12]["result"], results[12]["interrupts"]) == ("held", [2])  # holds stay; a new interrupt


@pytest.mark.parametrize(
    ("steps", "held"),
    [
        ([{"hold_dpc": [0]}], True),
        ([{"hold_dpc": [2]}], False),
        ([{"hold_dpc": "all"}, {"release_dpc": [0]}], False),
        ([{"hold_dpc": "all"}, {"release_dpc": [2]}], True),
        ([{"hold_dpc": "all"}, {"release_dpc": [0]}, {"hold_dpc": [0]}], True),
        ([{"hold_dpc": [0]}, {"release_dpc": "all"}], False),
        ([{"hold_dpc": "all"}, {"release_dpc": "all"}], False),
        ([{"hold_dpc": ["0:0", "1:2"]}], True),
    ],
)
def test_holds(steps: list[Step], held: bool) -> None:
    """Processors are held and released one by one or all together."""
    assert last(S, *steps, frame(arp(), "a"))["result"] == ("held" if held else "indicated")


def test_release_runs_what_is_pending() -> None:
    """Frames queued on the old processor are indicated there, as they were classified (UPD-03, UPD-05, INT-10)."""
    results = run(
        S,
        *vport(1, [2, 4], 2, M1),
        rss(1, [2, 4], 2),
        {"hold_dpc": "all"},
        frame(tcp4(M1, 1024), "old"),
        rss(1, [2, 2], 2),
        frame(tcp4(M1, 1024), "new"),
        {"release_dpc": "all"},
        COUNTERS,
    )
    runs = results[-2]["dpcs"]
    assert [(run["processor"], labels(run["calls"][0])) for run in runs] == [(2, ["new"]), (4, ["old"])]
    assert runs[1]["calls"][0]["nbls"][0]["entry"] == 1
    assert (results[-1]["arrived"], results[-1]["indicated"], results[-1]["dropped"]) == (2, 2, 0)


def test_one_call_for_each_vport() -> None:
    """In switch mode NBLs of two VPorts are not mixed (RX-23)."""
    results = run(
        S, *vport(1, [2], 1, M1), *vport(2, [2], 1, M2), {"hold_dpc": "all"},
        *(frame(tcp4(mac), f"{position}") for position, mac in enumerate((M2, M1, M2))),
        {"run_dpc": "all"},
    )  # fmt: skip
    (dpc,) = results[-1]["dpcs"]
    assert [labels(call) for call in dpc["calls"]] == [["1"], ["0", "2"]]
    assert [nbl["kept"] for call in dpc["calls"] for nbl in call["nbls"]] == [False] * 3


def test_per_queue_indications() -> None:
    """PER_QUEUE queues have calls of their own, the others share one; all are shared memory (RX-22, RX-23, RX-24)."""
    per_queue = "PER_QUEUE_RECEIVE_INDICATION"
    results = run(
        adapter("CFG-Q"),
        *queue(1, [0], M1),
        *queue(2, [0], M2, per_queue),
        *queue(3, [0], M3, per_queue),
        {"hold_dpc": "all"},
        *(frame(tcp4(mac), f"{position}") for position, mac in enumerate((M3, M1, M2, BROADCAST, M3))),
        {"run_dpc": [0]},
    )
    (dpc,) = results[-1]["dpcs"]
    single, shared = ["SINGLE_QUEUE", "SHARED_MEMORY_INFO_VALID"], ["SHARED_MEMORY_INFO_VALID"]
    assert [(labels(call), call["receive_flags"]) for call in dpc["calls"]] == [
        (["2"], single),
        (["0", "4"], single),
        (["1", "3"], shared),
    ]


def test_one_call_without_queues() -> None:
    """Neutral: one call without flags (RX-23)."""
    results = run(Q, {"hold_dpc": "all"}, frame(arp(), "a"), frame(arp(), "b"), {"release_dpc": [0]})
    (call,) = results[-1]["dpcs"][0]["calls"]
    assert (labels(call), call["receive_flags"]) == (["a", "b"], [])


def test_low_resources() -> None:
    """NBLs beyond the receive buffers are indicated with RESOURCES, and are not returned (RX-25)."""
    given = [adapter("CFG-S", receive_buffers=2), *vport(1, [0], 1, M1)]
    keep = [frame(tcp4(M1), label, keep=True) for label in "abc"]
    results = run(*given, *keep, {"return": ["a"]}, frame(tcp4(M1), "d", keep=True))
    assert [result["kept"] for result in results[4:7]] == [True, True, False]
    assert [result["receive_flags"] for result in results[4:7]] == [[], [], ["RESOURCES"]]
    assert (results[-1]["kept"], results[-1]["receive_flags"]) == (True, [])
    both = run(*given, *keep, {"return": ["a", "b"]}, *(frame(tcp4(M1), label, keep=True) for label in "de"))
    assert [result["kept"] for result in both[-2:]] == [True, True]
    assert "is outstanding" in error(*given, *keep, {"return": ["c"]})
    # within one DPC run: a call of its own behind that of the same group, buffers free again for the next group
    many = [frame(tcp4(mac), label) for label, mac in zip("abcde", (M1, M1, M1, BROADCAST, BROADCAST), strict=True)]
    (dpc,) = last(*given, {"hold_dpc": "all"}, *many, {"run_dpc": "all"})["dpcs"]
    assert [(labels(call), call["receive_flags"]) for call in dpc["calls"]] == [
        (["d", "e"], []),
        (["a", "b"], []),
        (["c"], ["RESOURCES"]),
    ]


def test_returning() -> None:
    """In any grouping and order; SINGLE_QUEUE with NBLs of two queues is a violation (RX-26)."""
    given = [Q, *queue(1, [4], M1), frame(tcp4(M1), "a", keep=True), frame(arp(), "b", keep=True)]
    given.append(frame(tcp4(M1), "c", keep=True))
    result = last(*given, {"return": ["c", "b"], "flags": ["DISPATCH_LEVEL"]})
    assert (result["returned"], result["violations"]) == (["c", "b"], [])
    assert last(*given, {"return": ["c", "b"], "flags": ["SINGLE_QUEUE"]})["violations"] == ["RX-26"]
    assert last(*given, {"return": ["c", "a"], "flags": ["SINGLE_QUEUE"]})["violations"] == []
    assert "is outstanding" in error(*given, {"return": ["a"]}, {"return": ["a"]})
    inspected = last(*given, {"return": ["c"]}, {"inspect": {"queue": 1}})
    assert inspected["queue"]["outstanding"] == 1


def test_returning_to_a_queue_that_is_gone() -> None:
    """NBLs of the default queue count as those of queue 0 (RX-27)."""
    free = oid("OID_RECEIVE_FILTER_FREE_QUEUE", queue_id=1)
    given = [Q, *queue(1, [4], M1), *queue(2, [4], M2), frame(tcp4(M1), "a", keep=True), frame(arp(), "b", keep=True)]
    steps = [*given, {"close": "A"}, frame(arp(), "c")]
    result = last(*steps, {"return": ["a"]}, {"inspect": "adapter"})
    assert result["mode"] == "neutral"
    assert last(*given, clear_filter(1, 1), free, {"return": ["a", "b"]})["events"][0]["event"] == "oid_complete"


# What ends or stops queues -------------------------------------------------------------------------------------------


def test_clearing_the_last_filter_drops_held_frames() -> None:
    """Held frames are dropped in order with reason "queue cleared"; none is indicated (FLT-42, QUE-08, QUE-09)."""
    results = run(
        S, *vport(1, [2, 4], 2, M1), rss(1, [2, 4], 2), {"hold_dpc": "all"},
        *(frame(tcp4(M1, port), f"{position}") for position, port in enumerate((1024, 1025, 1024))),
        frame(arp(), "other"), clear_filter(1), {"run_dpc": "all"}, COUNTERS,
    )  # fmt: skip
    events = results[-3]["events"]
    assert [(one["event"], one["label"], one["reason"]) for one in events] == [
        ("frame_dropped", label, "queue cleared") for label in ("0", "1", "2")
    ]
    assert [labels(call) for dpc in results[-2]["dpcs"] for call in dpc["calls"]] == [["other"]]
    assert results[-1]["drop_reasons"] == {"queue cleared": 3}


def test_freeing_a_queue_waits_for_its_packets() -> None:
    """The events come in order: status indication at once, completion with the last return (QUE-23, QUE-24)."""
    free = oid("OID_RECEIVE_FILTER_FREE_QUEUE", {"label": "free"}, queue_id=1)
    results = run(
        Q, *queue(1, [4], M1), frame(tcp4(M1), "a", keep=True), frame(tcp4(M1), "b", keep=True),
        clear_filter(1, 1), free, {"inspect": {"queue": 1}}, {"return": ["b"]}, {"return": ["a"]},
        {"inspect": {"queue": 1}},
    )  # fmt: skip
    pending, inspected, first, second, gone = results[-5:]
    assert (pending["status"], pending["pending"], pending["out"]) == ("NDIS_STATUS_PENDING", True, None)
    assert pending["events"] == [
        {
            "event": "status_indication",
            "status": "NDIS_STATUS_RECEIVE_QUEUE_STATE",
            "buffer": {"queue_id": 1, "queue_state": "DmaStopped"},
        }
    ]
    assert (inspected["queue"]["state"], inspected["queue"]["outstanding"]) == ("Freeing", 2)
    assert first["events"] == []
    assert second["events"] == [
        {
            "event": "oid_complete",
            "request": "free",
            "oid": "OID_RECEIVE_FILTER_FREE_QUEUE",
            "status": "NDIS_STATUS_SUCCESS",
        }
    ]
    assert gone["queue"] == {"queue_id": 1, "state": "Undefined", "queue_state": "Undefined", "owner": None}


def test_moved_filters_leave_held_frames_alone() -> None:
    """A frame's target was decided at classification; requests come between stages (MOD-07, MOD-08, FLT-34)."""
    move = oid("OID_RECEIVE_FILTER_MOVE_FILTER", filter_id=1, source_vport_id=1, dest_vport_id=0)
    results = run(
        S, *vport(1, [2], 1, M1), {"hold_dpc": "all"}, frame(tcp4(M1), "a"), move, {"release_dpc": "all"},
        frame(tcp4(M1), "b"),
    )  # fmt: skip
    assert results[-3]["events"] == []
    assert results[-2]["dpcs"][0]["calls"][0]["nbls"][0]["vport_id"] == 1
    assert results[-1]["vport_id"] == 0


def test_only_frames_of_the_switch_go_with_it() -> None:
    """The default queue has the number of the default VPort; its frames outlast a switch (MOD-08, QUE-01, VPT-05)."""
    results = run(
        adapter("CFG-N"), {"hold_dpc": "all"}, frame(arp(), "before"), oid("OID_NIC_SWITCH_CREATE_SWITCH"),
        frame(arp(), "during"), oid("OID_NIC_SWITCH_DELETE_SWITCH"), {"release_dpc": "all"},
    )  # fmt: skip
    assert results[-2]["events"] == [{"event": "frame_dropped", "label": "during", "reason": "vport deleted"}]
    assert [labels(call) for call in results[-1]["dpcs"][0]["calls"]] == [["before"]]


@pytest.mark.parametrize(
    ("fault", "reason", "state"),
    [
        ("pause", "paused", "paused"),
        ("reset_begin", "resetting", "resetting"),
        ("surprise_removal", "removed", "removed"),
    ],
)
def test_stopped_adapter(fault: str, reason: str, state: str) -> None:
    """No frame is indicated while the adapter does not run; conservation holds (MOD-11, MOD-13)."""
    results = run(
        S, {"hold_dpc": "all"}, frame(arp(), "held"), {"fault": fault}, frame(arp(), "late"),
        {"inspect": "adapter"}, {"run_dpc": "all"}, COUNTERS,
    )  # fmt: skip
    assert [(one["label"], one["reason"]) for one in results[3]["events"]] == [("held", reason)]
    assert (results[4]["result"], results[4]["reason"]) == ("dropped", reason)
    assert results[5]["state"] == state
    assert results[6]["dpcs"] == []
    assert results[7]["drop_reasons"] == {reason: 2}


def test_running_again() -> None:
    """After restart or the end of a reset frames are received (MOD-13)."""
    for begin, end in (("pause", "restart"), ("reset_begin", "reset_end")):
        assert last(S, {"fault": begin}, {"fault": end}, frame(arp(), "a"))["result"] == "indicated"


# Frames while a request is processed ---------------------------------------------------------------------------------


def during(*frames: dict[str, Any]) -> Step:
    """SET_FILTER on queue 1 with frames in progress."""
    return set_filter(M1, queue_id=1, step={"label": "set", "during": list(frames)})


PAUSED_QUEUE: list[Step] = [
    Q,
    oid("OID_RECEIVE_FILTER_ALLOCATE_QUEUE", processor_affinity=[4]),
    oid("OID_RECEIVE_FILTER_QUEUE_ALLOCATION_COMPLETE", elements=[{"queue_id": 1}]),
]
FAIL_AT_END: Step = {"fault": {"fail": "OID_RECEIVE_FILTER_SET_FILTER", "when": "end"}}


def test_frames_in_progress_may_be_indicated_already() -> None:
    """The hardware is programmed before the request completes (QUE-07)."""
    result = last(*PAUSED_QUEUE, during({"frame": tcp4(M1)}, {"frame": arp()}))
    assert result["status"] == "NDIS_STATUS_SUCCESS"
    assert [(one["label"], one["queue_id"], one["result"]) for one in result["during"]] == [
        ("set/d1", 1, "indicated"),
        ("set/d2", 0, "indicated"),
    ]


def test_an_indication_makes_the_request_succeed() -> None:
    """If a frame was indicated because of the filter, SET_FILTER succeeds, and the failure is used up (QUE-07)."""
    results = run(*PAUSED_QUEUE, FAIL_AT_END, during({"frame": tcp4(M1)}), set_filter(M2, queue_id=1))
    assert [result["status"] for result in results[-2:]] == ["NDIS_STATUS_SUCCESS"] * 2
    assert results[-1]["out"]["filter_id"] == 2


def test_without_an_indication_it_may_fail() -> None:
    """Frames indicated for another reason do not count; nothing of the filter remains (QUE-07, MOD-09)."""
    results = run(*PAUSED_QUEUE, FAIL_AT_END, during({"frame": arp()}), {"inspect": {"queue": 1}})
    assert results[-2]["status"] == "NDIS_STATUS_RESOURCES"
    assert results[-2]["reached_miniport"] is True
    assert (results[-1]["queue"]["state"], results[-1]["queue"]["filters"]) == ("Paused", [])


def test_held_frames_of_a_failed_filter_are_dropped() -> None:
    """A frame that waits for its DPC is not indicated, because its queue has no filter any more (QUE-07, QUE-09)."""
    hold: Step = {"hold_dpc": [4]}
    results = run(*PAUSED_QUEUE, FAIL_AT_END, hold, during({"frame": tcp4(M1)}), COUNTERS)
    assert results[-2]["status"] == "NDIS_STATUS_RESOURCES"
    assert results[-2]["events"] == [{"event": "frame_dropped", "label": "set/d1", "reason": "queue cleared"}]
    assert (results[-1]["held"], results[-1]["dropped"]) == (0, 1)


def test_rejected_requests_let_frames_arrive_afterwards() -> None:
    """If NDIS rejects, or the miniport fails at the start, the old configuration steers the frames (QUE-07)."""
    start: Step = {"fault": {"fail": "OID_RECEIVE_FILTER_SET_FILTER"}}
    result = last(*PAUSED_QUEUE, start, during({"frame": tcp4(M1)}))
    assert (result["status"], result["during"][0]["queue_id"]) == ("NDIS_STATUS_RESOURCES", 0)
    foreign = set_filter(M1, queue_id=1, step={"issuer": "B", "during": [{"frame": tcp4(M1)}]})
    result = last(*PAUSED_QUEUE, foreign)
    assert (result["status"], result["during"][0]["queue_id"]) == ("NDIS_STATUS_INVALID_PARAMETER", 0)
    assert result["reached_miniport"] is False
