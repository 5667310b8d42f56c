"""The control actor: it answers in wire form, and has the same state after kill -9."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.control import ControlActor, ControlPlan, OidCall, decode_completion, encode_call
from dataplane.control import ControlPlane, OidRequest
from dataplane.control.journal import JournaledControlPlane, Recovered, write_journal
from dataplane.control.records import JournalError, JournalReader
from dataplane.ids import ProcessorNumber
from dataplane.ndis.codec import decode
from dataplane.ndis.status import NdisStatus
from dataplane.ndis.structures import FilterParameters
from dataplane.ndis.values import MalformedValue
from dataplane.oracle.oid_step import parse_oid_step
from dataplane.oracle.specification import parse_adapter
from dataplane.switch.configuration import AdapterConfiguration, MacField
from tests.actors.processes import actors_below, wait_for_end
from tests.control.journals import life

MANY = 600
SPECIFICATION = parse_adapter(
    {
        "preset": "CFG-S",
        "receive_filter_capabilities": {"max_mac_header_filters": MANY},
        "nic_switch_capabilities": {"max_num_mac_addresses": MANY},
    }
)
ADDRESS = 0x0015_5D01_0000


def filter_request(number: int) -> OidRequest:
    """Sets a filter of its own on the default VPort."""
    test = {"field_value": (ADDRESS + number).to_bytes(6, "big").hex(":"), "flags": ["UNTAGGED_OR_ZERO"]}
    step = {"oid": "OID_RECEIVE_FILTER_SET_FILTER", "in": {"vport_id": 0, "field_parameters": [test]}}
    return parse_oid_step(step, f"#{number}", SPECIFICATION.ndis_version).request


def filter_call(number: int) -> bytes:
    """The request in wire form."""
    return encode_call(OidCall(filter_request(number)))


def after(requests: int) -> ControlPlane:
    """A control plane after `count` filter requests."""
    control = ControlPlane(SPECIFICATION)
    for number in range(requests):
        assert control.request(filter_request(number)).accepted
    return control


def assigned_filter(answer: bytes) -> int:
    """The id in the answer to an accepted filter request."""
    completion = decode_completion(answer)
    assert completion.status is NdisStatus.NDIS_STATUS_SUCCESS
    assert completion.output is not None
    parameters = decode(FilterParameters, completion.output, output=True)
    assert isinstance(parameters, FilterParameters)
    return parameters.filter_id


def filters_of(configuration: AdapterConfiguration) -> dict[int, int]:
    """Filter id to destination address."""
    tests = {one.filter_id: one.tests[0] for one in configuration.filters}
    assert all(test.field is MacField.DESTINATION_ADDRESS for test in tests.values())
    return {filter_id: test.value for filter_id, test in tests.items()}


# --- without Ray ------------------------------------------------------------------------------------------------------


@settings(max_examples=30)
@given(st.integers(0, 2**32))
def test_answers_are_those_of_the_control_plane(seed: int) -> None:
    """Decoded answers are equal to those of the control plane, and so are snapshot and epoch."""
    preset, what = life(seed)
    specification = parse_adapter({"preset": preset})
    control, actor = ControlPlane(specification), ControlActor(ControlPlan(specification))
    for number, one in enumerate(what):
        if one.name != "oid":
            continue
        try:
            request = parse_oid_step(one.argument, f"#{number}", specification.ndis_version).request
        except MalformedValue:
            continue
        answer = actor.request(encode_call(OidCall(request, one.outstanding)))
        assert decode_completion(answer) == control.request(request, one.outstanding)
    snapshot = actor.publish()
    assert (snapshot.configuration, snapshot.epoch) == (control.configuration, control.epoch)


def test_other_bytes_are_refused() -> None:
    """Bytes that are no call raise ValueError and have no effect."""
    actor = ControlActor(ControlPlan(SPECIFICATION))
    call = filter_call(0)
    for data in (b"", call[:-1], call + b"\0", b"\xc1", b"\xc0", b"\x90", call.replace(b"vport_id", b"vport_ie")):
        with pytest.raises(ValueError, match=r"\w"):
            actor.request(data)
    assert actor.publish().epoch == 0


def test_configuration_that_never_changes() -> None:
    """Without an adapter the actor returns the given configuration, with its epoch and the processors of the run."""
    configuration = after(2).configuration
    processors = (*SPECIFICATION.rss_processors, ProcessorNumber(0, 60))
    snapshot = ControlActor(configuration, 3, processors).publish()
    assert (snapshot.configuration, snapshot.epoch, snapshot.processors) == (configuration, 3, processors)


def test_journal_of_another_adapter(tmp_path: Path) -> None:
    """An actor does not continue the journal of another adapter."""
    journal = tmp_path / "control.journal"
    write_journal(journal, parse_adapter({"preset": "CFG-Q"}), [])
    with pytest.raises(JournalError, match="another adapter"):
        ControlActor(ControlPlan(SPECIFICATION, str(journal)))


def test_set_up_is_in_the_journal_once(tmp_path: Path) -> None:
    """An actor restarted on a journal does not repeat the set-up; the set-up is epoch 0 both times (ENG-02)."""
    requests = (filter_request(0), filter_request(1))
    plan = ControlPlan(SPECIFICATION, str(tmp_path / "control.journal"), requests, fsync=False)
    first = ControlActor(plan)
    assert isinstance(first._control, JournaledControlPlane)
    assert first._control.journal is not None
    first._control.journal.close()  # as its death does
    again = ControlActor(plan)
    assert again.recovered() == Recovered(1 + len(requests))
    before, after_it = first.publish(), again.publish()
    assert (before.epoch, before.configuration) == (after_it.epoch, after_it.configuration)
    assert before.epoch == 0
    assert len(before.configuration.filters) == 2


# --- with Ray ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """One Ray for the tests here."""
    from actors.session import ray_session

    with ray_session(None, actors=2):
        yield


def start(actor_class: type, *arguments: Any, **options: Any) -> Any:
    """Start an actor as the engine does."""
    import ray

    options = {"num_cpus": 0, "max_restarts": 0, "max_task_retries": 0} | options
    actor: Any = ray.remote(**options)(actor_class).remote(*arguments)
    return actor


def answers(calls: list[Any]) -> dict[int, bytes]:
    """The answers that came, by number of the call."""
    import ray
    from ray.exceptions import RayActorError

    came = {}
    for number, call in enumerate(calls):
        try:
            came[number] = ray.get(call)
        except RayActorError:
            continue
    return came


@pytest.mark.ray
@pytest.mark.usefixtures("cluster")
def test_kill_in_a_storm_of_requests(tmp_path: Path) -> None:
    """Every request answered before kill -9 is in force when another actor continues the journal."""
    import ray

    journal = tmp_path / "control.journal"
    actor = start(ControlActor, ControlPlan(SPECIFICATION, str(journal)))
    assert ray.get(actor.recovered.remote()) == Recovered(0)
    (process,) = actors_below(os.getpid(), "ControlActor")
    calls = [actor.request.remote(filter_call(number)) for number in range(MANY)]
    ray.get(calls[50])
    os.kill(process, signal.SIGKILL)
    came = answers(calls)
    assert wait_for_end(process)
    assert len(came) > 50

    successor = start(ControlActor, ControlPlan(SPECIFICATION, str(journal)))
    found = ray.get(successor.recovered.remote())
    accepted = found.records - 1
    assert accepted >= max(came) + 1
    snapshot = ray.get(successor.publish.remote())
    expected = after(accepted)
    assert (snapshot.configuration, snapshot.epoch) == (expected.configuration, expected.epoch)
    filters = filters_of(snapshot.configuration)
    assert all(filters[assigned_filter(answer)] == ADDRESS + number for number, answer in came.items())
    ray.kill(successor)


class DoomedActor(ControlActor):
    """Dies by SIGKILL at request `LAST`: when half of its record is written, or the whole record but nothing more."""

    LAST = 3

    def __init__(self, plan: ControlPlan, share: float, mark: str) -> None:
        super().__init__(plan)
        self._share = share
        self._mark = Path(mark)
        self._requests = 0

    def request(self, call: bytes) -> bytes:
        """Make the requests; the actor dies at the last one the first time, and answers it after a restart."""
        if self._requests == self.LAST and not self._mark.exists():
            self._mark.touch()
            write = os.write

            def deadly(file: int, data: bytes) -> None:
                write(file, data[: int(len(data) * self._share)])
                os.kill(os.getpid(), signal.SIGKILL)

            setattr(os, "write", deadly)  # noqa: B010 - the type checker is not to know
        self._requests += 1
        return super().request(call)


@pytest.mark.ray
@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize("share", [0.5, 1.0])
def test_kill_while_a_record_is_written(tmp_path: Path, share: float) -> None:
    """After a restart by Ray, answered requests are in force; the last one is if its whole record was written."""
    import ray

    journal = tmp_path / "control.journal"
    plan = ControlPlan(SPECIFICATION, str(journal))
    actor = start(DoomedActor, plan, share, str(tmp_path / "died"), max_restarts=1)
    came = [ray.get(actor.request.remote(filter_call(number))) for number in range(DoomedActor.LAST)]
    assert [assigned_filter(answer) for answer in came] == [1, 2, 3]
    assert answers([actor.request.remote(filter_call(DoomedActor.LAST))]) == {}

    found = ray.get(actor.recovered.options(max_task_retries=-1).remote())
    accepted = DoomedActor.LAST + (share == 1)
    assert found.records == accepted + 1
    assert (found.cut_bytes > 0) is (found.finding is not None) is (share < 1)
    snapshot = ray.get(actor.publish.remote())
    expected = after(accepted)
    assert (snapshot.configuration, snapshot.epoch) == (expected.configuration, expected.epoch)
    assert assigned_filter(ray.get(actor.request.remote(filter_call(accepted)))) == accepted + 1
    assert len(list(JournalReader(journal.read_bytes()))) == accepted + 2
    ray.kill(actor)
