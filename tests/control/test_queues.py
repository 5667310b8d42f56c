"""VMQ receive queues (section 5 of the rules)."""

from __future__ import annotations

from typing import Any

import pytest

from dataplane.control import RequestCompleted, StatusIndicated
from tests.control.host import (
    FAILURE,
    INVALID_PARAMETER,
    M1,
    M2,
    NOT_SUPPORTED,
    PENDING,
    SUCCESS,
    Host,
    processor,
    unchanged,
)


@pytest.fixture
def host() -> Host:
    """NDIS 6.30, VMQ, four queues."""
    return Host("CFG-Q")


def test_life_of_a_queue(host: Host) -> None:
    """Allocated, Set, Running, Paused, and gone; only Running attracts frames (QUE-03, QUE-05, QUE-27, RX-03)."""
    queue = host.queue([4])
    assert host.queue_state(queue) == "Allocated"
    filter_id = host.filter(M1, queue_id=queue)["filter_id"]
    assert host.queue_state(queue) == "Set"
    assert [one.running for one in host.control.configuration.queues] == [False]
    assert host.complete(queue) == ["SUCCESS"]
    assert host.queue_state(queue) == "Running"
    assert [one.running for one in host.control.configuration.queues] == [True]
    assert host.clear(filter_id, queue) == SUCCESS
    assert host.queue_state(queue) == "Paused"
    assert host.free(queue) == SUCCESS
    assert not host.control.state.queues


def test_complete_without_filters_is_paused_until_one_is_set(host: Host) -> None:
    """Allocation complete without filters must not indicate; SET_FILTER makes it Running (QUE-06, QUE-13)."""
    queue = host.queue([4])
    host.complete(queue)
    assert host.queue_state(queue) == "Paused"
    assert host.filter(M1, queue_id=queue) == SUCCESS
    assert host.queue_state(queue) == "Running"


def test_clearing_filters(host: Host) -> None:
    """One of several leaves the state; the last one pauses and discards, without a status (QUE-08, QUE-09, FLT-43)."""
    queue = host.queue([4])
    host.complete(queue)
    for mac in (M1, M2):
        host.filter(mac, queue_id=queue)
    first = host.clear(1, queue)
    assert host.queue_state(queue) == "Running"
    assert not first.completion.discards
    last = host.clear(2, queue)
    assert host.queue_state(queue) == "Paused"
    assert [(one.target_id, one.reason) for one in last.completion.discards] == [(queue, "queue cleared")]
    assert not last.completion.events


def test_identifiers(host: Host) -> None:
    """The lowest free id of 1..NumQueues; the issuer owns it; the fifth of four fails (QUE-02, QUE-12, ERR-07)."""
    assert [host.queue([2]) for _ in range(4)] == [1, 2, 3, 4]
    before = unchanged(host)
    assert host.allocate(processor_affinity=[2]) == FAILURE
    assert before == unchanged(host)
    host.free(2)
    assert host.queue([2], issuer="B") == 2
    assert host.control.state.queues[2].owner == "B"


def test_allocation_outputs(host: Host) -> None:
    """QueueId and MSIXTableEntry come back; queues of one processor share its vector (QUE-11, OID-05, INT-07)."""
    first, second, third = (host.allocate(processor_affinity=affinity) for affinity in ([4], [4, 6], [6]))
    assert [answer["queue_id"] for answer in (first, second, third)] == [1, 2, 3]
    assert first["msix_table_entry"] == second["msix_table_entry"] != third["msix_table_entry"]
    outside = host.allocate(processor_affinity=[3])  # no RSS processor, and it shares no vector with one of those
    assert outside["msix_table_entry"] == len(host.control.capabilities.rss_processors)


@pytest.mark.parametrize(
    "members",
    [
        {"queue_type": "Unspecified"},
        {"queue_type": 2},
        {"processor_affinity": []},
        {"flags": ["FLAGS_CHANGED"]},
        {"flags": ["LOOKAHEAD_SPLIT_REQUIRED"]},
        {"flags": 4},
    ],
)
def test_bad_allocation_parameters(host: Host, members: dict[str, Any]) -> None:
    """Type, affinity and flags are checked by NDIS; nothing is allocated (QUE-10, OID-06, MOD-09, ERR-06)."""
    answer = host.allocate(**{"processor_affinity": [4], **members})
    assert answer == INVALID_PARAMETER
    assert not answer.reached_miniport
    assert not host.control.state.queues


def test_lookahead_split_before_630() -> None:
    """LOOKAHEAD_SPLIT_REQUIRED may be set below NDIS 6.30 (QUE-10)."""
    assert Host("CFG-Q20").allocate(processor_affinity=[4], flags=["LOOKAHEAD_SPLIT_REQUIRED"]) == SUCCESS


@pytest.mark.parametrize("bit", [bit for bit in range(32) if bit > 1])
def test_no_other_flag_before_630(bit: int) -> None:
    """Every bit but the two behaviour flags is refused below NDIS 6.30, bits without a name included (QUE-10)."""
    host = Host("CFG-Q20")
    assert host.allocate(processor_affinity=[4], flags=1 | 1 << bit) == INVALID_PARAMETER
    assert not host.control.state.queues


def test_completion_status_of_each_element(host: Host) -> None:
    """Unknown, foreign and completed queues fail in their element, the others complete (QUE-14, QUE-15, ERR-09)."""
    mine, foreign, done = host.queue([4]), host.queue([4], issuer="B"), host.queue([4])
    host.complete(done)
    assert host.complete(mine, 9, foreign, done, mine, 0) == [
        "SUCCESS",
        "INVALID_PARAMETER",
        "INVALID_PARAMETER",
        "INVALID_PARAMETER",
        "INVALID_PARAMETER",
        "INVALID_PARAMETER",
    ]
    assert [host.queue_state(queue) for queue in (mine, foreign, done)] == ["Paused", "Allocated", "Paused"]


def test_only_flagged_members_change(host: Host) -> None:
    """A set changes what a CHANGED flag names; the processor is the lowest of the mask (QUE-16, QUE-17, QUE-18)."""
    queue = host.queue([4], num_suggested_receive_buffers=64, queue_name="q", vm_name="vm")
    ignored: dict[str, Any] = {"num_suggested_receive_buffers": 128, "queue_name": "other", "vm_name": "other"}
    assert host.change_queue(queue, processor_affinity=[8], **ignored) == SUCCESS
    assert host.control.state.queues[queue].processor == processor(4)
    assert host.change_queue(queue, "PROCESSOR_AFFINITY_CHANGED", processor_affinity=[6, 8], **ignored) == SUCCESS
    assert host.control.configuration.queues[0].processor == processor(6)
    read = host.oid("OID_RECEIVE_FILTER_QUEUE_PARAMETERS", kind="method", queue_id=queue)
    assert (read["processor_affinity"], read["num_suggested_receive_buffers"]) == ([6, 8], 64)
    assert (read["queue_name"], read["vm_name"]) == ("q", "vm")
    assert not read.reached_miniport
    assert read["msix_table_entry"] == host.allocate(processor_affinity=[6])["msix_table_entry"]  # INT-07
    flags = ("FLAGS_CHANGED", "SUGGESTED_RECV_BUFFER_NUMBERS_CHANGED", "NAME_CHANGED")
    assert host.change_queue(queue, "PER_QUEUE_RECEIVE_INDICATION", *flags, **ignored) == SUCCESS
    read = host.oid("OID_RECEIVE_FILTER_QUEUE_PARAMETERS", kind="method", queue_id=queue)
    assert read["flags"] == ["PER_QUEUE_RECEIVE_INDICATION"]
    assert (read["num_suggested_receive_buffers"], read["queue_name"]) == (128, "other")


def test_members_of_later_versions() -> None:
    """The coalescing domain changes from 6.30, the SQ id from 6.50 (QUE-16)."""
    flags = ("INTERRUPT_COALESCING_DOMAIN_ID_CHANGED", "QOS_SQ_ID_CHANGED")
    values: dict[str, Any] = {"interrupt_coalescing_domain_id": 7, "qos_sq_id": 9}
    for version, expected in (("6.30", (7, 0)), ("6.50", (7, 9))):
        host = Host("CFG-Q", ndis_version=version)
        queue = host.queue([4])
        assert host.change_queue(queue, *flags, **values) == SUCCESS
        parameters = host.control.state.queues[queue].parameters
        assert expected == (parameters.interrupt_coalescing_domain_id, parameters.qos_sq_id)


@pytest.mark.parametrize(
    ("queue", "issuer", "flags", "members"),
    [
        (0, "A", [], {}),
        (3, "A", [], {}),
        (1, "B", [], {}),
        (1, "A", ["PROCESSOR_AFFINITY_CHANGED"], {"processor_affinity": []}),
        (1, "A", ["FLAGS_CHANGED", "LOOKAHEAD_SPLIT_REQUIRED"], {}),
    ],
)
def test_what_cannot_be_changed(host: Host, queue: int, issuer: str, flags: list[str], members: dict[str, Any]) -> None:
    """Default, unknown and foreign queues, an empty mask, bad flags: INVALID_PARAMETER (QUE-15, QUE-17, ERR-08)."""
    host.queue([4])
    before = unchanged(host)
    assert host.change_queue(queue, *flags, issuer=issuer, **members) == INVALID_PARAMETER
    assert before == unchanged(host)


def test_anybody_reads_a_queue_but_not_the_default_one(host: Host) -> None:
    """Only setting needs the owner (QUE-15); the default queue has no parameters to read (ERR-08)."""
    queue = host.queue([4])
    read = host.oid("OID_RECEIVE_FILTER_QUEUE_PARAMETERS", kind="method", issuer="B", queue_id=queue)
    assert read["processor_affinity"] == [4]
    unknown = host.oid("OID_RECEIVE_FILTER_QUEUE_PARAMETERS", kind="method", queue_id=0)
    assert unknown == INVALID_PARAMETER


def test_what_cannot_be_freed(host: Host) -> None:
    """Default, unknown, foreign queues and queues with filters stay (QUE-01, QUE-22, QUE-25, ERR-10)."""
    queue = host.queue([4])
    host.filter(M1, queue_id=queue)
    before = unchanged(host)
    for target, issuer in ((0, "A"), (3, "A"), (queue, "A"), (queue, "B")):
        answer = host.free(target, issuer=issuer)
        assert answer == INVALID_PARAMETER
        assert not answer.completion.events
    assert before == unchanged(host)


def test_freeing_waits_for_packets(host: Host) -> None:
    """The status indication comes at once, the completion with the last packet (QUE-23, QUE-24, OID-14)."""
    queue = host.queue([4])
    answer = host.free(queue, outstanding={queue})
    assert answer == PENDING
    assert answer.completion.events == (StatusIndicated(queue),)
    assert host.queue_state(queue) == "Freeing"
    assert host.change_queue(queue) == INVALID_PARAMETER  # QUE-04
    assert host.filter(M1, queue_id=queue) == INVALID_PARAMETER
    assert host.oid("OID_RECEIVE_FILTER_ENUM_FILTERS", queue_id=queue) == INVALID_PARAMETER
    assert host.queue([4]) == 2  # the id is still in use
    (event,) = host.control.packets_returned(queue)
    assert isinstance(event, RequestCompleted)
    assert (event.status, event.request_id) == (SUCCESS, "OID_RECEIVE_FILTER_FREE_QUEUE")
    assert host.queue([4]) == 1
    assert host.control.packets_returned(1) == ()  # nothing was waiting


def test_enumeration(host: Host) -> None:
    """A client sees its own queues, applications and NDIS see all, nobody sees the default one (QUE-19..QUE-21)."""
    mine, foreign = host.queue([4]), host.queue([6], issuer="B")
    host.filter(M1, queue_id=mine)

    def listed(issuer: str) -> list[tuple[int, str, int]]:
        answer = host.oid("OID_RECEIVE_FILTER_ENUM_QUEUES", issuer=issuer)
        return [(one["queue_id"], one["queue_state"], one["num_filters"]) for one in answer["elements"]]

    assert listed("A") == [(mine, "Paused", 1)]
    assert listed("B") == [(foreign, "Paused", 0)]
    assert listed("C") == []
    assert listed("application") == listed("NDIS") == [(mine, "Paused", 1), (foreign, "Paused", 0)]


def test_enumeration_tells_what_the_queue_has(host: Host) -> None:
    """The members that QUEUE_INFO shares with the queue's parameters have the same values (QUE-19)."""
    members: dict[str, Any] = {
        "queue_group_id": 3,
        "num_suggested_receive_buffers": 5,
        "vm_name": "vm",
        "queue_name": "q",
    }
    queue = host.queue([8], flags=["PER_QUEUE_RECEIVE_INDICATION"], **members)
    (told,) = host.oid("OID_RECEIVE_FILTER_ENUM_QUEUES")["elements"]
    read = host.oid("OID_RECEIVE_FILTER_QUEUE_PARAMETERS", kind="method", queue_id=queue)
    assert read.out is not None
    shared = told.keys() & read.out.keys() - {"header"}
    assert shared > {*members, "flags", "msix_table_entry", "interrupt_coalescing_domain_id", "processor_affinity"}
    assert {name: told[name] for name in shared} == {name: read[name] for name in shared}
    assert told["msix_table_entry"] == told["interrupt_coalescing_domain_id"] != 0


def test_closing_frees_queues(host: Host) -> None:
    """What a client leaves behind is cleaned up and reported (QUE-26, FLT-46, MOD-05)."""
    queue, other = host.queue([4]), host.queue([4], issuer="B")
    host.filter(M1, queue_id=queue)
    host.filter(M2, queue_id=0)
    closed = host.control.close("A")
    assert (closed.filters, closed.queues, closed.vports) == ((1, 2), (queue,), ())
    assert closed.violations == ["FLT-46", "QUE-26"]
    assert closed.events == (StatusIndicated(queue),)
    assert list(host.control.state.queues) == [other]
    assert not host.control.state.filters
    assert host.control.close("A").violations == []


def test_closing_with_packets_outstanding(host: Host) -> None:
    """The queue of a closed client goes with its last packet; nobody waits for a completion (QUE-24, QUE-26)."""
    queue = host.queue([4])
    closed = host.control.close("A", outstanding={queue})
    assert closed.queues == (queue,)
    assert host.queue_state(queue) == "Freeing"
    assert host.control.close("A", outstanding={queue}).queues == ()  # it is on its way
    assert host.control.packets_returned(queue) == ()
    assert not host.control.state.queues


def test_queues_need_vmq() -> None:
    """Queue OIDs fail below 6.20, without the capability, and with VMQ disabled by keyword (OID-13, ERR-03, CAP-08)."""
    old = Host("CFG-T", ndis_version="6.1")
    assert old.oid("OID_RECEIVE_FILTER_ENUM_QUEUES") == NOT_SUPPORTED
    assert Host("CFG-T").allocate(processor_affinity=[2]) == NOT_SUPPORTED
    assert Host("CFG-Q", keywords={"*VMQ": 0}).allocate(processor_affinity=[2]) == NOT_SUPPORTED
    only_sriov = Host("CFG-N", keywords={"*VMQ": 0})
    assert only_sriov.allocate(processor_affinity=[2]) == NOT_SUPPORTED
    assert only_sriov.allocate(step={"buffer_length": 1}) == NOT_SUPPORTED  # the feature comes before the length
