"""The shells of one simulated host, joined by their ring and doorbells in one process: all of the engine but Ray."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.doorbell import DoorbellListener, PeerLostError
from actors.nic import NicActor, NicPlan, NicReport
from actors.processor import ProcessorActor
from actors.ring import buffer_bytes, buffer_in
from actors.transport import ActorTransport
from dataplane.engine.inline import run_inline
from dataplane.engine.plan import plan_hosts
from dataplane.engine.transport import Sent
from dataplane.errors import ExitCode, UserError
from dataplane.processor.host import ProcessorHost
from dataplane.processor.messages import LATE_ROW, Acknowledge, End, FromHost, Segment, ToHost, Work
from dataplane.processor.work_buffer import WorkBuffer
from tests.actors.small_hosts import (
    KeptRows,
    ignore_progress,
    plain,
    run_in_threads,
    small_experiment,
    source_of,
)


@given(
    seed=st.integers(0, 1000),
    frames=st.integers(0, 300),
    processors=st.integers(1, 5),
    processors_per_actor=st.integers(1, 5),
    batch_frames=st.sampled_from([1, 7, 64, 65_536]),
    buffers=st.integers(1, 4),
    rows_wanted=st.booleans(),
)
def test_equal_to_inline(
    seed: int,
    frames: int,
    processors: int,
    processors_per_actor: int,
    batch_frames: int,
    buffers: int,
    rows_wanted: bool,
) -> None:
    """Results and rows equal those of the inline engine, whatever the batches, actors and credits (ENG-01, TIM-01)."""
    experiment = small_experiment(seed, processors, 100)
    expected_rows, rows = KeptRows(), KeptRows() if rows_wanted else None
    expected = run_inline(experiment, source_of(seed, frames), expected_rows, ignore_progress)
    actual = run_in_threads(
        replace(experiment, batch_frames=batch_frames),
        source_of(seed, frames),
        rows,
        processors_per_actor=processors_per_actor,
        buffers=buffers,
    )
    assert plain(expected) == plain(actual)
    assert rows in (None, expected_rows)


def test_traffic_reaches_several_processors_and_is_dropped_for_every_reason() -> None:
    """The random experiments cover every way that a frame can go (ENG-03)."""
    result = run_inline(small_experiment(1, 4, 100), source_of(1, 300), None, ignore_progress)
    assert {"runt", "packet filter"} == set(result.dropped)
    assert all(report.counters["accepted"] for report in result.processors)
    assert any(report.counters["dropped"] for report in result.processors)


def test_lost_processor_ends_the_run() -> None:
    """If a processor disappears, the NIC front end notices and does not wait for ever."""
    experiment = small_experiment(0, 2, 1)
    plans = plan_hosts(experiment, 1, rows_wanted=False)
    plan = NicPlan(source_of(0, 50), False, (1, 2), "ring", 1, os.getcwd(), rows_wanted=False, buffers=2)
    nic = NicActor(plan)
    broken = ProcessorActor(replace(plans[1], processors=2))
    broken._host.receive = None  # type: ignore[assignment, method-assign]
    with ThreadPoolExecutor(2) as pool:
        serving = [pool.submit(actor.serve, nic.address()) for actor in (ProcessorActor(plans[0]), broken)]
        with pytest.raises(PeerLostError):
            list(nic.run(experiment.snapshot, []))
        assert isinstance(serving[0].exception(), PeerLostError)
        assert isinstance(serving[1].exception(), TypeError)


def test_stop_finishes_what_was_taken() -> None:
    """A stopped NIC front end reports the frames it has taken, and that it was stopped."""
    experiment = small_experiment(0, 1, 1)
    nic = NicActor(NicPlan(source_of(0, 50), False, (1,), "ring", 1, os.getcwd(), rows_wanted=True, buffers=2))
    actor = ProcessorActor(plan_hosts(experiment, 1, rows_wanted=False)[0])
    with ThreadPoolExecutor(1) as pool:
        serving = pool.submit(actor.serve, nic.address())
        items = nic.run(experiment.snapshot, [])
        taken = [next(items) for _ in range(3)]
        nic.stop()
        *rest, encoded = [*taken, *items]
        serving.result()
    assert isinstance(encoded, bytes)
    report: NicReport = pickle.loads(encoded)
    counters = actor.report().processors[0].counters
    assert report.stopped
    assert 0 < report.result.arrived < 50
    finished = counters["accepted"] + counters["dropped"] + sum(report.result.dropped.values())
    assert finished == report.result.arrived
    assert len(rest) == 1 + report.result.arrived


@pytest.mark.parametrize(
    ("message", "complaint"), [(Work(1, 0, 0, 1, (Segment(0, 1, ()),)), "gap"), (End(1), "received")]
)
def test_processor_refuses_what_is_out_of_order(message: Work | End, complaint: str) -> None:
    """A gap and an early end are detected at once."""
    experiment = small_experiment(0, 1, 1)
    host = ProcessorHost(plan_hosts(experiment, 1, rows_wanted=False)[0])
    host.start(0)
    buffer = buffer_in(np.zeros(buffer_bytes(1, 1), np.uint8), 1, 1)
    with pytest.raises(AssertionError, match=complaint):
        host.receive(message, buffer)


class NoteOfMessages(ActorTransport):
    """A transport that keeps what it should send; every host acknowledges at once."""

    def __init__(self, host_ends: tuple[int, ...]) -> None:
        super().__init__(host_ends, 2)
        self.works: list[tuple[int, Work]] = []

    def start(self, start_ns: int) -> None:
        """Do nothing."""

    def next_buffer(self, rows: int) -> WorkBuffer:
        """A buffer for five processors."""
        return buffer_in(np.zeros(buffer_bytes(rows, 5), np.uint8), rows, 5)

    def close(self) -> None:
        """Do nothing; there is nothing to close."""

    def _post(self, hosts: Sequence[int], message: ToHost) -> None:
        assert isinstance(message, Work)
        self.works += [(host, message) for host in hosts]

    def _messages(self, *, wait: bool) -> list[tuple[int, FromHost]]:
        works, self.works = self.works, []
        return [(host, Acknowledge(work.number, np.zeros(0, LATE_ROW))) for host, work in works]


@pytest.mark.parametrize(("host_ends", "told"), [((2, 4, 5), [0, 2]), ((1, 2, 3, 4, 5), [1, 4]), ((5,), [0])])
def test_only_hosts_with_rows_are_told(host_ends: tuple[int, ...], told: list[int]) -> None:
    """A host whose processors get no rows of a batch gets no work, unless all hosts must know how far time is.

    The works that a host gets are numbered without gaps.
    """
    transport = NoteOfMessages(host_ends)
    segments = (Segment(0, 9, ()),)
    for number, offsets in enumerate(([0, 0, 4, 4, 4, 9], [0, 0, 0, 0, 0, 0], [0, 0, 4, 4, 4, 9])):
        assert transport.has_buffer()
        buffer = transport.next_buffer(9)
        buffer.offsets[0] = offsets
        transport.send(Sent(buffer, 9, 9 * number, segments), (), everywhere=False)
        sent = [(host, work.number, work.first_frame) for host, work in transport.works]
        assert sent == ([(host, number // 2, 9 * number) for host in told] if number != 1 else [])
        transport.receive(wait=False)
        assert [back.first_frame for back in transport.settle()] == [9 * number]
    transport.send(Sent(transport.next_buffer(9), 9, 27, segments), (), everywhere=True)
    assert sorted(host for host, _ in transport.works) == list(range(len(host_ends)))


def test_addresses_are_never_the_same() -> None:
    """Several hosts on one machine do not interfere with each other."""
    listeners = [DoorbellListener() for _ in range(3)]
    assert len({listener.address for listener in listeners}) == 3
    for listener in listeners:
        listener.close()


def test_whoever_comes_too_late_is_told_why() -> None:
    """When no more frames are taken, a client is told that the dataplane is being taken down, or that it has died."""
    nic = NicActor(NicPlan(source_of(0, 50), False, (1,), "ring", 1, os.getcwd(), rows_wanted=False, buffers=2))
    nic._turn_away()
    calls: tuple[Callable[[], object], ...] = (nic.statistics, partial(nic.request, b"", "client A"))
    for call in calls:
        with pytest.raises(UserError, match="takes no more frames") as caught:
            call()
        assert caught.value.exit_code is ExitCode.INCONCLUSIVE
    nic.stop()
    for call in calls:
        with pytest.raises(UserError, match="is being taken down"):
            call()
