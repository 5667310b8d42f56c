"""Strategies for records, and for control planes with a journal and any calls."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random
from typing import Any

import pytest
from hypothesis import strategies as st

from dataplane.control import (
    AdapterSpecification,
    ControlPlane,
    FailureMoment,
    InjectedFailure,
    OidRequest,
    SwitchSpecification,
)
from dataplane.control.journal import JournaledControlPlane
from dataplane.control.records import (
    AdapterEvent,
    AdapterInitialized,
    ClientClosed,
    ConditionChanged,
    Entry,
    FailedAtEnd,
    FailureInjected,
    PacketsReturned,
    Requested,
)
from dataplane.control.state import AdapterState
from dataplane.ids import KNOWN_NDIS_VERSIONS, ProcessorNumber
from dataplane.ndis.layout import HeadedStructure, Header
from dataplane.ndis.oids import Oid, RequestKind
from dataplane.ndis.status import NdisStatus
from dataplane.ndis.structures import FilterCapabilities, NicSwitchCapabilities, ScaleCapabilities
from dataplane.ndis.values import MalformedValue
from dataplane.oracle.oid_step import parse_oid_step
from dataplane.switch.configuration import AdapterConfiguration, PacketFilter

# --- records ----------------------------------------------------------------------------------------------------------

_words = st.integers(0, 2**32 - 1)
_names = st.text(st.characters(exclude_categories=()), max_size=10)  # halves of surrogate pairs, too
_processors = st.builds(ProcessorNumber, st.integers(0, 2**16 - 1), st.integers(0, 63))
_targets = st.frozensets(_words, max_size=4)
_statuses = st.sampled_from(NdisStatus)
_addresses = st.integers(0, 2**48 - 1)


def _capabilities(cls: type[HeadedStructure]) -> st.SearchStrategy[Any]:
    words = {field.name: _words for field in dataclasses.fields(cls) if field.name != "header"}
    headers = st.builds(Header, st.integers(0, 255), st.integers(0, 255), st.integers(0, 65535))
    return st.none() | st.builds(cls, header=headers, **words)


specifications = st.builds(
    AdapterSpecification,
    ndis_version=st.sampled_from(KNOWN_NDIS_VERSIONS),
    permanent_address=_addresses,
    rss_processors=st.lists(_processors, max_size=4).map(tuple),
    rss_base_processor=_processors,
    rss_max_processor=_processors,
    multicast_list=st.lists(_addresses, max_size=3).map(tuple),
    packet_filter=_words.map(PacketFilter),
    keywords=st.lists(st.tuples(_names, st.integers(-(2**31), 2**32)), max_size=3).map(tuple),
    receive_filter_capabilities=_capabilities(FilterCapabilities),
    nic_switch_capabilities=_capabilities(NicSwitchCapabilities),
    receive_scale_capabilities=_capabilities(ScaleCapabilities),
    switch=st.none() | st.builds(SwitchSpecification, _words, _words, _names, st.booleans()),
    receive_buffers=st.none() | _words,
)
requests = st.builds(
    OidRequest,
    oid=st.sampled_from(Oid) | _words,
    kind=st.sampled_from(RequestKind),
    issuer=_names,
    buffer=st.binary(max_size=40),
    buffer_length=st.none() | _words,
    vport_id=st.none() | _words,
    switch_id=_words,
    processor=_processors,
    synchronous=st.booleans(),
    request_id=_names,
)
_failures = st.builds(InjectedFailure, _words, _statuses, st.sampled_from(FailureMoment))
records = st.one_of(
    st.builds(AdapterInitialized, specifications),
    st.builds(Requested, requests, _targets, _statuses, st.booleans()),
    st.builds(FailedAtEnd),
    st.builds(PacketsReturned, _words),
    st.builds(ClientClosed, _names, _targets),
    st.builds(FailureInjected, _failures),
    st.builds(ConditionChanged, st.sampled_from(AdapterEvent)),
)
entries = st.builds(Entry, records, st.none() | st.integers(-(2**63), 2**63 - 1))

# --- what happens to a control plane ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Happening:
    """A call of a control plane."""

    name: str  # of the method; "oid" for a request
    argument: Any = None  # the oracle step of a request
    outstanding: frozenset[int] = frozenset()
    during: bool = False  # frames arrive while the hardware is programmed
    indicated: bool = False  # one of them is indicated because of the request, so it cannot fail any more


Step = dict[str, Any]
PRESETS = ("CFG-S", "CFG-R", "CFG-2", "CFG-N", "CFG-Q", "CFG-T")
_HASH = {"hash_information": ["Toeplitz", "IPV4"], "hash_secret_key": "6d5a56da255b0ec2" * 5}
_ENABLE = ["ENABLE_RSS", "HASH_INFO_CHANGED", "HASH_KEY_CHANGED", "NUMBER_OF_ENTRIES_CHANGED"]


def life(seed: int) -> tuple[str, list[Happening]]:
    """A preset and the calls to its adapter, many of which are accepted."""
    random = Random(seed)
    preset = random.choice(PRESETS)
    return preset, [_happening(random, preset) for _ in range(random.randrange(30))]


def _happening(random: Random, preset: str) -> Happening:
    outstanding = frozenset(one for one in (1, 2, 3) if random.random() < 0.3)
    chance = random.random()
    if chance < 0.1:
        return Happening("packets_returned", _id(random))
    if chance < 0.15:
        oid = random.choice((Oid.OID_RECEIVE_FILTER_SET_FILTER, Oid.OID_NIC_SWITCH_CREATE_VPORT))
        return Happening("inject", InjectedFailure(oid, moment=random.choice(list(FailureMoment))))
    if chance < 0.18:
        return Happening("close", _client(random), outstanding)
    if chance < 0.22:
        return Happening(random.choice(("pause", "restart", "reset_begin", "reset_end")))
    step = random.choice(_steps(random, preset))
    return Happening("oid", step, outstanding, random.random() < 0.5, random.random() < 0.5)


def _id(random: Random) -> int:
    return random.choice((1, 1, 2, 0, 3))


def _client(random: Random) -> str:
    return random.choice("AAAAB")


def _steps(random: Random, preset: str) -> list[Step]:
    """One step of each kind that makes sense for a preset, and some that do not."""
    one, other, processor = _id(random), _id(random), random.choice((2, 4, 6, 3))
    table = [random.choice((2, 4, 6)) for _ in range(4)]
    affinity = random.choice(([2], [4], [2, 4, 6], []))

    def oid(name: str, more: Step | None = None, /, **members: Any) -> Step:
        return {"oid": f"OID_{name}", "issuer": _client(random), "in": members, **(more or {})}

    address = random.choice(("00:15:5d:01:02:01", "00:15:5d:01:02:02"))
    tests: list[Step] = [{"field_value": address, "flags": ["UNTAGGED_OR_ZERO"]}]
    if random.random() < 0.4:
        tests = [{"field_value": address}, {"field_value": random.choice((10, 20))}]
    rss = _HASH | {"indirection_table": table, "default_processor_number": processor}
    command = {"vport_id": one, "indirection_table_index": other, "target_processor_number": processor}
    for_all = [
        oid("GEN_CURRENT_PACKET_FILTER", packet_filter=random.choice((["DIRECTED"], ["PROMISCUOUS"]))),
        oid("GEN_RECEIVE_HASH", flags=["ENABLE_HASH"], **_HASH),
        oid("GEN_RECEIVE_SCALE_PARAMETERS", **rss),
        oid("RECEIVE_FILTER_CLEAR_FILTER", filter_id=one, queue_id=0 if preset < "CFG-Q" else other),
        {"oid": "OID_NIC_SWITCH_ENUM_SWITCHES"},
        {"oid": "0x00010299"},
    ]
    for_switches = [
        oid("NIC_SWITCH_CREATE_VPORT", num_queue_pairs=random.choice((1, 2, 4, 9)), processor_affinity=affinity),
        oid("NIC_SWITCH_CREATE_VPORT", num_queue_pairs=4, processor_affinity=[2, 4]),
        oid("NIC_SWITCH_VPORT_PARAMETERS", vport_id=one, flags=["STATE_CHANGED"], vport_state="Activated"),
        oid("NIC_SWITCH_VPORT_PARAMETERS", vport_id=one, flags=["NUM_QUEUE_PAIRS_CHANGED"], num_queue_pairs=2),
        oid("NIC_SWITCH_DELETE_VPORT", vport_id=one),
        oid("RECEIVE_FILTER_SET_FILTER", vport_id=one, field_parameters=tests),
        oid("RECEIVE_FILTER_SET_FILTER", vport_id=one, field_parameters=tests),
        oid("RECEIVE_FILTER_MOVE_FILTER", filter_id=1, source_vport_id=one, dest_vport_id=other),
        oid("GEN_RECEIVE_SCALE_PARAMETERS", {"vport_id": one}, **rss),
        oid(
            "GEN_RECEIVE_SCALE_PARAMETERS_V2",
            {"vport_id": one},
            flags=_ENABLE,
            number_of_indirection_table_entries=4,
            **_HASH,
        ),
        oid("GEN_RSS_SET_INDIRECTION_TABLE_ENTRIES", {"processor": processor}, rss_entry_table=[command]),
        oid("NIC_SWITCH_ALLOCATE_VF"),
        oid("NIC_SWITCH_FREE_VF", vf_id=0),
        oid("NIC_SWITCH_CREATE_SWITCH", {"issuer": "NDIS"}, num_vfs=2, num_queue_pairs_for_default_vport=4),
    ]
    if random.random() < 0.1:
        for_switches.append(oid("NIC_SWITCH_DELETE_SWITCH", {"issuer": "NDIS"}))
    for_queues = [
        oid("RECEIVE_FILTER_ALLOCATE_QUEUE", processor_affinity=affinity),
        oid("RECEIVE_FILTER_QUEUE_ALLOCATION_COMPLETE", elements=[{"queue_id": one}, {"queue_id": other}]),
        oid("RECEIVE_FILTER_FREE_QUEUE", queue_id=one),
        oid("RECEIVE_FILTER_SET_FILTER", queue_id=one, field_parameters=tests),
        oid("RECEIVE_FILTER_SET_FILTER", queue_id=one, field_parameters=tests),
    ]
    usual = {"CFG-Q": for_queues, "CFG-N": for_switches + for_queues, "CFG-T": for_all}.get(preset, for_switches)
    return for_all + 3 * usual + [random.choice(for_switches), random.choice(for_queues)]


def happen(control: JournaledControlPlane, what: Happening, label: str) -> None:
    """Make a call; a step that makes no request is left out."""
    if what.name == "oid":
        try:
            request = parse_oid_step(what.argument, label, control.specification.ndis_version).request
        except MalformedValue:
            return
        decision = control.decide(request, what.outstanding)
        if what.during and decision.programmed is not None:
            control.apply(decision.programmed)
            if what.indicated:
                return
        control.apply(decision)
    elif what.name == "close":
        control.close(what.argument, what.outstanding)
    else:
        getattr(control, what.name)(*([] if what.argument is None else [what.argument]))


# --- watching ---------------------------------------------------------------------------------------------------------

Position = tuple[AdapterState, int, AdapterConfiguration]


def position(control: ControlPlane) -> Position:
    """The position of a control plane: everything that recovery must restore."""
    return control.state, control.epoch, control.configuration


@contextmanager
def watched() -> Iterator[list[tuple[int, Position]]]:
    """The length of the journal and the position after every change of a control plane with a journal."""
    history: list[tuple[int, Position]] = []
    become = JournaledControlPlane._become

    def watched_become(control: JournaledControlPlane, state: AdapterState) -> None:
        become(control, state)
        if control.journal is not None:
            history.append((len(control.journal.read()), position(control)))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(JournaledControlPlane, "_become", watched_become)
        yield history
