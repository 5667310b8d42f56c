"""Update certificates from logs with known answers, and their order part against the slow reference."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataplane.ids import DEFAULT_PROCESSOR_INDEX, PRIMARY_PROCESSOR_INDEX
from dataplane.ndis.oids import Oid
from dataplane.processor.log import UpdateLog
from tests.reference import order as reference
from tests.update.logs import REFUSED, START_NS, SUCCESS, VMQ, log, report_of, request, update

UPDATES = [
    update(1, 100, 200, [(1, 3, 0, 1), (1, DEFAULT_PROCESSOR_INDEX, 1, 2), (0, PRIMARY_PROCESSOR_INDEX, 0, 2)]),
    update(2, 800, 900),
]
LOGS = [
    log(
        marks=[(1, 4, 450, 2, 0), (2, 0, 900, 0, 0)],
        overtakable=[(1, 7, 10, 400), (1, 7, 11, 450), (1, 7, 12, 460), (1, 8, 15, 500)],
    ),
    log(
        marks=[(1, 1, 300, 3, 0), (2, 2, 1000, 1, 0)],
        holds=[(1, 10, 3, 250, 105, 250), (2, 11, 1, 70, 120, 70)],
        overtakable=[(1, 9, 13, 300), (2, 7, 20, 950)],
        followers=[(7, 19, 430), (7, 20, 950), (9, 14, 300)],
        dropped=[(1, 2)],
    ),
    log(
        marks=[(1, 5, 950, 0, 0), (2, 3, 950, 0, 0)],
        holds=[(1, 10, 1, 400, 103, 90), (1, 11, 2, 60, 104, 60)],
        followers=[(7, 30, 940), (8, 16, 499)],
        dropped=[(2, 1)],
    ),
]


def test_every_number() -> None:
    """Times count from the first arrival; sums, maxima and order are those of the rows (EPO-09, ORD-02, ORD-05).

    Flow 7 completes as 10, 19, 11, 12, 30, 20: 11 and 12 are behind 19, which arrived later, 20 is behind 30, which was
    queued when the second update came. Of flow 8 frame 16 overtakes 15; frames 13 and 14 of flow 9 complete together.
    The first frame held for slot 10 is 103, on another processor than the longest hold of the slot. Both updates held
    frames for slot 11, and each counts the first of its own.
    """
    first, second = report_of(UPDATES, LOGS).certificates
    measured = {"no_loss": True, "conservation": True, "adopted_everywhere": True, "drained_in_order": True}
    assert first.document() == {
        "epoch": 1,
        "requested_at_ns": 100,
        "adopted_at_ns": 200,
        "drained_at_ns": 450,  # 0:0 and 0:1 are sources, 1:16 is none
        "retired_at_ns": 950,
        "hand_over": "permissive",
        "entries": [
            {"vport_id": 5, "index": 3, "source": "0:0", "target": "0:1"},
            {"vport_id": 5, "index": "default", "source": "0:1", "target": "1:16"},
            {"vport_id": 0, "index": "primary", "source": "0:0", "target": "1:16"},
        ],
        "frames_old_epoch_after_adoption": 10,
        "frames_new_epoch_before_drained": 5,
        "frames_held": 6,
        "longest_hold_ns": 400,
        "blocked_time_ns": 90 + 60,
        "blocked_time_lost_over_rate_ns": 2 * 500,
        "frames_lost": 0,
        "frames_dropped_behind_holds": 2,
        "frames_reordered": 3,
        "flows_reordered": 2,
        "max_extent": 2,
        "max_late_ns": 30,
        "requests": [],
        "verdicts": measured,
    }
    assert second.document() == {
        "epoch": 2,
        "requested_at_ns": 800,
        "adopted_at_ns": 900,
        "drained_at_ns": 900,  # nothing was moved
        "retired_at_ns": 1000,
        "hand_over": "permissive",
        "entries": [],
        "frames_old_epoch_after_adoption": 5,
        "frames_new_epoch_before_drained": 1,
        "frames_held": 1,
        "longest_hold_ns": 70,
        "blocked_time_ns": 70,
        "blocked_time_lost_over_rate_ns": 500,
        "frames_lost": 0,
        "frames_dropped_behind_holds": 1,
        "frames_reordered": 1,
        "flows_reordered": 1,
        "max_extent": 1,
        "max_late_ns": 10,
        "requests": [],
        "verdicts": measured,
    }


def test_totals() -> None:
    """Totals are sums and maxima over the updates; a flow that two of them reordered is one flow (EPO-09)."""
    assert asdict(report_of(UPDATES, LOGS).totals) == {
        "updates": 2,
        "entries_moved": 3,
        "frames_old_epoch_after_adoption": 15,
        "frames_new_epoch_before_drained": 6,
        "frames_held": 7,
        "longest_hold_ns": 400,
        "blocked_time_ns": 220,
        "blocked_time_lost_over_rate_ns": 1500,
        "frames_lost": 0,
        "frames_dropped_behind_holds": 3,
        "frames_reordered": 4,
        "flows_reordered": 2,
        "max_extent": 2,
        "max_late_ns": 30,
    }


def quiet(*marks: tuple[int, ...]) -> UpdateLog:
    """The log of a processor on which two updates did nothing, except for the given marks."""
    own = {mark[0]: mark for mark in marks}
    return log(marks=[own.get(epoch, (epoch, 0, at, 0, 0)) for epoch, at in ((1, 200), (2, 900))])


@pytest.mark.parametrize(
    ("broken", "failed"),
    [
        ([quiet((1, 0, 200, 0, 1)), quiet()], ["no_loss", "conservation"]),
        ([quiet((1, 0, 200, 0, 1)), quiet((1, 0, 200, 0, -1))], ["conservation"]),
        ([quiet(), log(marks=[(2, 0, 900, 0, 0)])], ["adopted_everywhere"]),
        ([quiet(), None], ["adopted_everywhere"]),
        ([quiet(), quiet((1, 0, 199, 0, 0))], ["drained_in_order"]),
        ([replace(quiet(), overtakable=LOGS[0].overtakable), replace(quiet(), followers=LOGS[1].followers)],
         ["order_kept"]),
    ],
)  # fmt: skip
def test_verdicts_can_be_false(broken: list[UpdateLog | None], failed: list[str]) -> None:
    """Each verdict can fail: loss, books that do not balance, a lost marker, order (EPO-05, EPO-08, EPO-09)."""
    verdicts = report_of(UPDATES, broken, hand_over="ordered").certificates[0].verdicts
    assert [name for name, held in verdicts.items() if not held] == failed
    sound = report_of(UPDATES, [quiet(), quiet()], hand_over="ordered").certificates[0].verdicts
    assert sound == dict.fromkeys(verdicts, True)


def test_an_epoch_is_not_retired_before_an_older_one() -> None:
    """While frames of epoch 0 are left epoch 1 is not retired, and it shows when it was drained before (EPO-04)."""
    first, second = report_of(UPDATES, [quiet((1, 9, 1500, 0, 0), (2, 1, 1000, 0, 0)), quiet()]).certificates
    assert (first.retired_at_ns, second.retired_at_ns) == (1500, 1500)
    assert (first.verdicts["drained_in_order"], second.verdicts["drained_in_order"]) == (True, False)


def test_reordering_without_an_update() -> None:
    """Reordered frames that no update found in a queue are in the totals but in no certificate (ORD-02)."""
    report = report_of(
        UPDATES, [quiet(), replace(quiet(), followers=log(followers=[(7, 5, 90), (7, 6, 80)]).followers)]
    )
    assert [one.frames_reordered for one in report.certificates] == [0, 0]
    totals = report.totals
    assert (totals.frames_reordered, totals.flows_reordered, totals.max_extent, totals.max_late_ns) == (1, 1, 1, 10)


def test_blocked_time_needs_a_rate() -> None:
    """Without frames, or with all of them at one instant, there is no offered rate; else it is rounded (ORD-05)."""
    lossy = [quiet((1, 0, 200, 0, 1)), quiet()]

    def over_rate(arrived: int, last_arrival_ns: int) -> int | None:
        report = report_of(UPDATES, lossy, arrived=arrived, last_arrival_ns=last_arrival_ns)
        assert report.totals.blocked_time_lost_over_rate_ns == report.certificates[0].blocked_time_lost_over_rate_ns
        return report.certificates[0].blocked_time_lost_over_rate_ns

    assert [over_rate(0, 0), over_rate(5, 0), over_rate(3, 100), over_rate(3, 101)] == [None, None, 33, 34]


def test_queues() -> None:
    """Entries of a receive queue carry its queue_id (EPO-09)."""
    moved = [(1, PRIMARY_PROCESSOR_INDEX, 1, 0)]
    (certificate,) = report_of([update(1, 0, 0, moved, configuration=VMQ)], [None, None, None]).certificates
    assert certificate.entries == ({"queue_id": 3, "index": "primary", "source": "0:1", "target": "0:0"},)


def test_requests() -> None:
    """A request belongs to the update it led to; other requests are listed too, failures also separately (EPO-09)."""
    led = request(100, epoch=1)
    again = request(100)  # the same thing twice: it moved nothing the second time
    refused = request(300, REFUSED, why="UPD-41: 5 processors in use, 4 queues")
    as_it_was_to = request(400, REFUSED, expect=REFUSED, oid=0x00ABCDEF)
    unexpected = request(500, expect=REFUSED, epoch=1)
    impossible = request(600, None, why="VPort 9 is gone")
    everything = [led, again, refused, as_it_was_to, unexpected, impossible]
    report = report_of([update(1, 100, 200)], [None], everything)
    name = Oid.OID_GEN_RSS_SET_INDIRECTION_TABLE_ENTRIES.name
    assert [(one["oid"], one["status"]) for one in report.certificates[0].requests] == [(name, SUCCESS.name)] * 2
    assert [(one["requested_at_ns"], one["oid"], one["status"]) for one in report.other_requests] == [
        (100, name, SUCCESS.name),
        (300, name, REFUSED.name),
        (400, "0x00abcdef", REFUSED.name),
        (600, None, None),
    ]
    refused_document, unexpected_document, impossible_document = report.failed_requests
    assert refused_document == {
        "requested_at_ns": 300,
        "origin": "[[event]] 1",
        "oid": name,
        "status": "NDIS_STATUS_NO_QUEUES",
        "why": "UPD-41: 5 processors in use, 4 queues",
        "expect": None,
    }
    assert (unexpected_document["status"], unexpected_document["expect"]) == (SUCCESS.name, REFUSED.name)
    assert (impossible_document["status"], impossible_document["why"]) == (None, "VPort 9 is gone")


def test_what_clients_asked_for_is_told_and_does_not_count() -> None:
    """The refusal of a client's request is on record, but no failure of the run, because the client has the answer."""
    of_client = replace(request(5, REFUSED), origin="client A")
    report = report_of([], [None, None], [of_client])
    assert [one["origin"] for one in report.other_requests] == ["client A"]
    assert report.failed_requests == ()


def test_a_run_without_updates() -> None:
    """Without updates there are no certificates, totals are 0, and refused requests are still listed."""
    report = report_of([], [None, None], [request(5, REFUSED)])
    assert report.certificates == ()
    assert set(asdict(report.totals).values()) == {0}
    assert report.other_requests == report.failed_requests != ()


#: Of each frame in arrival order: flow, completion, epoch in whose adoption it was found waiting (0: it was not, and is
#: a follower), whether it is a follower as well, and the processor that tells.
FRAMES = st.lists(
    st.tuples(
        st.sampled_from([1, 2, (1 << 64) - 1]), st.integers(0, 12), st.integers(0, 2), st.booleans(), st.integers(0, 2)
    ),
    max_size=30,
)


@settings(max_examples=100)
@given(FRAMES, st.integers(0, 1 << 40), st.randoms(use_true_random=False))
def test_order_equals_the_reference(
    frames: list[tuple[int, int, int, bool, int]], first_frame: int, random: Callable[..., object]
) -> None:
    """Whatever processor logs a frame, in whatever order: the measures are those of RFC 4737 (ORD-02)."""
    overtakable: list[list[tuple[int, ...]]] = [[], [], []]
    followers: list[list[tuple[int, ...]]] = [[], [], []]
    numbered = list(enumerate(frames, first_frame))
    random.shuffle(numbered)  # type: ignore[attr-defined]
    for frame, (flow, completion, epoch, also, processor) in numbered:
        if epoch:
            overtakable[processor].append((epoch, flow, frame, completion))
        if also or not epoch:
            followers[(processor + 1) % 3].append((flow, frame, completion))
    logs = [log(overtakable=overtakable[p], followers=followers[p]) for p in range(3)]
    report = report_of(UPDATES, logs)

    expected = reference.measure_order([(flow, completion) for flow, completion, *_ in frames])
    totals = report.totals
    assert (totals.frames_reordered, totals.flows_reordered) == (len(expected.reordered), expected.flows_reordered)
    assert (totals.max_extent, totals.max_late_ns) == (expected.max_extent, expected.max_late_ns)
    for certificate in report.certificates:
        own = [one for one in expected.reordered if frames[one.frame][2] == certificate.epoch]
        assert certificate.frames_reordered == len(own)
        assert certificate.flows_reordered == len({frames[one.frame][0] for one in own})
        assert certificate.max_extent == max((one.extent for one in own), default=0)
        assert certificate.max_late_ns == max((one.late_ns for one in own), default=0)


def test_the_log_is_left_as_it_was() -> None:
    """Certificates can be made twice from the same log."""
    before = [log.overtakable.copy() for log in LOGS]
    assert report_of(UPDATES, LOGS) == report_of(UPDATES, LOGS)
    assert all(np.array_equal(log.overtakable, rows) for log, rows in zip(LOGS, before, strict=True))
    assert int(LOGS[0].marks["drained_ns"][0]) == START_NS + 450
