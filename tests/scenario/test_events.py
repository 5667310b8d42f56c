"""Events of a scenario as requests: the requests of each event at its time, and their effects."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataplane.hash_tuple import HASH_SECRET_KEYS
from dataplane.ids import ProcessorNumber
from dataplane.kernels.steer import CLASSES_BYTES
from dataplane.ndis.codec import Failure, decode
from dataplane.ndis.oids import Oid, RequestKind
from dataplane.ndis.status import NdisStatus
from dataplane.ndis.structures import EXCHANGES
from dataplane.oracle.oid_step import parse_oid_step
from dataplane.scenario import model
from dataplane.scenario.events import oid_request, scheduled_requests
from dataplane.scenario.findings import ScenarioError
from dataplane.scenario.load import load_scenario
from dataplane.scenario.resolve import resolved_toml, toml_text
from dataplane.scenario.set_up import set_up
from dataplane.switch.compile import compile_snapshot
from dataplane.switch.configuration import HashType, RssState, VPort
from dataplane.update.records import RequestRecord
from dataplane.update.timeline import ControlTimeline

SUCCESS = NdisStatus.NDIS_STATUS_SUCCESS
RESTRICTED = "nic_switch_capabilities = { add = ['RSS_PER_PF_VPORT_INDIRECTION_TABLE_SIZE_RESTRICTED'] }\n"
#: By name: RSSv1 and RSSv2 adapters, free ones and those whose tables follow the queue pairs (CAP-23).
ADAPTERS = {
    "v1": '[adapter]\nndis_version = "6.60"\n',
    "v2": "[adapter]\n",
    "v1-restricted": f'[adapter]\nndis_version = "6.60"\n{RESTRICTED}',
    "v2-restricted": f"[adapter]\n{RESTRICTED}",
}


def vport(table: str = "[0, 1, 2, 3]", pairs: int = 4, more: str = "") -> str:
    """VPort 1 with RSS."""
    return f"[[vport]]\nid = 1\nnum_queue_pairs = {pairs}\n[vport.rss]\nindirection_table = {table}\n{more}\n"


def rss(members: str, at_ns: int = 1, more: str = "") -> str:
    """An event that changes RSS of VPort 1."""
    return f"[[event]]\nat_ns = {at_ns}\nrss = {{ vport = 1, {members} }}\n{more}"


def oid(name: str, members: dict[str, Any], at_ns: int = 1, **others: Any) -> str:
    """An event with any request."""
    event = {"at_ns": at_ns, "oid": {"name": name, "in": members}} | others
    return toml_text({"event": [event]})


def played(text: str) -> ControlTimeline:
    """A timeline that has decided all events of a scenario."""
    scenario = load_scenario(text)
    control = set_up(scenario).control
    schedule = pickle.loads(pickle.dumps(scheduled_requests(scenario)))
    timeline = ControlTimeline(control, compile_snapshot(control.configuration, 0), schedule)
    timeline.begin(0)
    assert timeline.advance().until_ns is None
    return timeline


def statuses(timeline: ControlTimeline) -> list[NdisStatus | None]:
    """How the requests ended."""
    return [record.status for record in timeline.records]


def oids(timeline: ControlTimeline) -> list[str]:
    """The names of the requests, without the common parts."""
    requests = [record.request for record in timeline.records if record.request]
    return [Oid(one.oid).name.removeprefix("OID_GEN_").removeprefix("OID_") for one in requests]


def member(record: RequestRecord, name: str) -> Any:
    """A member of the structure that a request carries."""
    assert record.request is not None
    structure = EXCHANGES[Oid(record.request.oid), record.request.kind].request
    assert structure is not None
    value = decode(structure, record.request.buffer)
    assert not isinstance(value, Failure)
    return getattr(value, name)


def vport_1(timeline: ControlTimeline) -> VPort:
    """VPort 1 at the end."""
    return next(one for one in timeline.snapshot.configuration.vports if one.vport_id == 1)


def numbers(table: tuple[ProcessorNumber, ...]) -> list[int]:
    """Processors of group 0."""
    return [processor.number for processor in table]


MOVES, PARAMETERS_2 = "RSS_SET_INDIRECTION_TABLE_ENTRIES", "RECEIVE_SCALE_PARAMETERS_V2"
PARAMETERS_1, VPORT_PARAMETERS = "RECEIVE_SCALE_PARAMETERS", "NIC_SWITCH_VPORT_PARAMETERS"


# --- the schedule -----------------------------------------------------------------------------------------------------


def test_events_are_scheduled_by_time_and_named_by_row() -> None:
    """Simultaneous ones keep the order of the file (TIM-03); an event says how it is to end."""
    text = vport() + rss("enabled = true", 9) + rss("enabled = false", 5, "expect = 'NDIS_STATUS_FAILURE'\n")
    text += rss("enabled = true", 9) + rss("enabled = false", 5)
    schedule = scheduled_requests(load_scenario(text))
    assert [(one.at_ns, one.origin, one.expect) for one in schedule] == [
        (5, "[[event]] 2", NdisStatus.NDIS_STATUS_FAILURE),
        (5, "[[event]] 4", None),
        (9, "[[event]] 1", None),
        (9, "[[event]] 3", None),
    ]
    assert pickle.loads(pickle.dumps(schedule)) == schedule


def test_the_expected_status_is_a_status_and_is_kept() -> None:
    """An unknown name is a finding with the nearest name; a resolved scenario has the same expectation (ENG-05)."""
    with pytest.raises(ScenarioError, match="did you mean NDIS_STATUS_NO_QUEUES"):
        load_scenario(rss("enabled = false", 1, "expect = 'NDIS_STATUS_NO_QUEUE'\n"))
    scenario = load_scenario(vport() + rss("enabled = false", 1, "expect = 'NDIS_STATUS_NO_QUEUES'\n"))
    assert load_scenario(resolved_toml(scenario), name=scenario.name) == scenario
    assert scenario.events[0].expect == "NDIS_STATUS_NO_QUEUES"


@pytest.mark.parametrize("adapter", ["v1", "v2"])
@pytest.mark.parametrize(
    ("expect", "as_expected"),
    [("", False), ("expect = 'NDIS_STATUS_INVALID_PORT'", True), ("expect = 'NDIS_STATUS_FAILURE'", False)],
)
def test_an_event_may_be_there_to_fail(adapter: str, expect: str, as_expected: bool) -> None:
    """A failure is as expected only if its status was named (ERR-33); it leads to no epoch."""
    text = ADAPTERS[adapter] + vport() + oid("OID_NIC_SWITCH_CREATE_VPORT", {"vport_state": "Deactivated"}, 9)
    event = f"[[event]]\nat_ns = 1\nrss = {{ vport = 2, enabled = false }}\n{expect}\n"
    timeline = played(text + event)
    assert timeline.records[0].status is NdisStatus.NDIS_STATUS_INVALID_PORT
    assert timeline.records[0].as_expected is as_expected


@pytest.mark.parametrize(
    ("adapter", "event", "status"),
    [
        ("v1", "rss = { vport = 2, enabled = false }", "INVALID_PORT"),
        ("v2", "rss = { vport = 2, enabled = false }", "INVALID_PORT"),
        ("v2", "move_entries = { vport = 2, indices = 0, target = 1 }", "INVALID_PARAMETER"),
        ("v1", 'rss = { vport = 1, indirection_table = [0, "1:5"] }', "INVALID_PARAMETER"),
        ("v2", 'rss = { vport = 1, indirection_table = [0, "1:5"] }', "INVALID_DATA"),
        ("v2", 'move_entries = { vport = 1, indices = 0, target = "1:5" }', "INVALID_DATA"),
    ],
)
def test_what_an_event_names_need_not_exist_when_it_is_to_fail(adapter: str, event: str, status: str) -> None:
    """An unknown VPort or processor is a finding, unless the adapter is expected to refuse it (ERR-33, UPD-40)."""
    text = f"{ADAPTERS[adapter]}{vport()}[[event]]\nat_ns = 1\n{event}\n"
    with pytest.raises(ScenarioError, match=r"there is no VPort 2|1:5 not in rss_processors"):
        load_scenario(text)
    record = played(f"{text}expect = 'NDIS_STATUS_{status}'\n").records[-1]
    assert (record.status, record.as_expected) == (NdisStatus[f"NDIS_STATUS_{status}"], True)


# --- move_entries -----------------------------------------------------------------------------------------------------


def move(indices: str, target: int, at_ns: int = 1) -> str:
    """An event that moves parameters of VPort 1."""
    return f"[[event]]\nat_ns = {at_ns}\nmove_entries = {{ vport = 1, indices = {indices}, target = {target} }}\n"


def test_moves_are_issued_where_the_entries_are() -> None:
    """One request on each processor that entries leave (UPD-38); the processors are looked up at the event's time."""
    timeline = played(vport() + move('"1-3"', 0) + move('"0-2"', 3, 2))
    assert statuses(timeline) == [SUCCESS] * 4
    assert sorted(one.request.processor.number for one in timeline.records[:3] if one.request) == [1, 2, 3]
    assert timeline.records[3].request
    assert timeline.records[3].request.processor == ProcessorNumber(0, 0)
    assert numbers(vport_1(timeline).rss.indirection_table) == [3, 3, 3, 0]
    assert timeline.snapshot.epoch == 2


def test_default_and_primary_processor_move_by_name() -> None:
    """The default processor is active with RSS on, the primary one with RSS off (UPD-14, UPD-37)."""
    timeline = played(vport() + move('"default"', 3) + move('"primary"', 2, 2) + rss("enabled = false", 3))
    assert statuses(timeline) == [SUCCESS] * 3
    default, primary = ProcessorNumber(0, 3), ProcessorNumber(0, 2)
    assert (vport_1(timeline).rss.default_processor, vport_1(timeline).primary_processor) == (default, primary)
    assert not vport_1(timeline).rss.enabled


def test_moves_of_native_rss_name_no_vport() -> None:
    """VPort 0 of a move is the adapter when there is no switch (UPD-49)."""
    text = '[adapter]\ninterface = "native-rss"\n[native_rss]\nindirection_table = [0, 1]\n'
    text += "[[event]]\nat_ns = 1\nmove_entries = { indices = 1, target = 5 }\n"
    timeline = played(text)
    assert statuses(timeline) == [SUCCESS]
    assert numbers(timeline.snapshot.configuration.native_rss.indirection_table) == [0, 5]


@pytest.mark.parametrize(
    ("event", "status", "rule"),
    [
        (move("8", 0), NdisStatus.NDIS_STATUS_INVALID_PARAMETER, "UPD-37"),
        (move("1", 4), NdisStatus.NDIS_STATUS_NO_QUEUES, "UPD-41"),
        (move("1", 4).replace("vport = 1", "vport = 2"), NdisStatus.NDIS_STATUS_INVALID_PARAMETER, "UPD-42"),
    ],
)
def test_moves_that_fail_say_why(event: str, status: NdisStatus, rule: str) -> None:
    """The adapter refuses what does not exist, or needs more queues than there are."""
    later = oid("OID_NIC_SWITCH_CREATE_VPORT", {"vport_state": "Deactivated", "processor_affinity": [0]}, 9)
    timeline = played(vport("[0, 1, 2, 3, 0, 1, 2, 3]") + event + later)
    first = timeline.records[0]
    assert (first.status, first.why.partition(":")[0]) == (status, rule)


def test_moves_are_ordered_so_that_queues_suffice() -> None:
    """A group that gives a processor up comes before one that needs another (UPD-41)."""
    timeline = played(vport("[1, 1, 2, 0]", 3) + rss("indirection_table = [1, 3, 0, 0]"))
    assert statuses(timeline) == [SUCCESS] * 2
    assert numbers(vport_1(timeline).rss.indirection_table) == [1, 3, 0, 0]


# --- rss --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("adapter", ["v1", "v2"])
def test_keys_that_are_left_out_stay(adapter: str) -> None:
    """A table alone changes nothing else; shorter than the one in force it is repeated (UPD-26, RSS-09)."""
    before = played(ADAPTERS[adapter] + vport(pairs=5))
    after = played(ADAPTERS[adapter] + vport(pairs=5) + rss("indirection_table = [4, 2]"))
    old, new = vport_1(before).rss, vport_1(after).rss
    assert numbers(new.indirection_table) == [4, 2, 4, 2]
    assert (new.hash_types, new.hash_secret_key, new.default_processor) == (
        old.hash_types,
        old.hash_secret_key,
        old.default_processor,
    )
    assert {one.as_expected for one in after.records} == {True}
    assert after.snapshot.epoch == 1


@pytest.mark.parametrize("adapter", ["v1", "v2"])
def test_key_types_and_default_processor_change(adapter: str) -> None:
    """Given hash information, key and default processor are taken (RSS-27, UPD-23), in one epoch."""
    members = "hash_types = ['ipv4'], hash_secret_key = 'symmetric', default_processor = 3"
    timeline = played(ADAPTERS[adapter] + vport() + rss(members))
    new = vport_1(timeline).rss
    assert (new.hash_types, new.hash_secret_key) == (HashType.IPV4, HASH_SECRET_KEYS["symmetric"])
    assert new.default_processor == ProcessorNumber(0, 3)
    assert numbers(new.indirection_table) == [0, 1, 2, 3]
    assert timeline.snapshot.epoch == 1
    assert oids(timeline) == ([PARAMETERS_1] if adapter == "v1" else [PARAMETERS_2, MOVES])


def test_rss_v1_forgets_when_it_is_turned_off() -> None:
    """A later event has to give everything again (RSS-07, RSS-08)."""
    everything = "indirection_table = [1, 2], hash_types = ['ipv4'], hash_secret_key = 'symmetric'"
    text = vport() + rss("enabled = false") + rss("indirection_table = [1, 2]", 2) + rss(everything, 3)
    timeline = played(ADAPTERS["v1"] + text)
    assert statuses(timeline) == [SUCCESS, NdisStatus.NDIS_STATUS_INVALID_PARAMETER, SUCCESS]
    assert timeline.records[1].why.startswith("RSS-08")
    assert numbers(vport_1(timeline).rss.indirection_table) == [1, 2]
    assert timeline.snapshot.epoch == 2


def test_rss_v2_goes_on_where_it_stopped() -> None:
    """Table, types and key are tracked while RSS is off, and can be changed then (UPD-17, UPD-20)."""
    text = vport("[0, 1]", 2) + rss("enabled = false, indirection_table = [1, 2, 3, 5]") + rss("num_queue_pairs = 5", 2)
    timeline = played(ADAPTERS["v2"] + text)
    assert {one.as_expected for one in timeline.records} == {True}
    before, after = vport_1(played(vport("[0, 1]", 2))).rss, vport_1(timeline).rss
    expected = RssState(
        True,
        before.hash_types,
        before.hash_secret_key,
        tuple(ProcessorNumber(0, n) for n in (1, 2, 3, 5)),
        before.default_processor,
    )
    assert after == expected
    assert timeline.snapshot.epoch == 2


@pytest.mark.parametrize("adapter", ["v1", "v2"])
def test_an_event_that_changes_nothing_asks_all_the_same(adapter: str) -> None:
    """A request for the present state is sent to the adapter, which accepts it; no epoch follows (EPO-02)."""
    timeline = played(ADAPTERS[adapter] + vport() + rss("enabled = true"))
    assert statuses(timeline) == [SUCCESS]
    assert timeline.snapshot.epoch == 0


@pytest.mark.parametrize(
    ("adapter", "steps"),
    [
        ("v1", [VPORT_PARAMETERS, PARAMETERS_1]),
        ("v1-restricted", [VPORT_PARAMETERS, PARAMETERS_1]),
        ("v2", [VPORT_PARAMETERS, PARAMETERS_2, MOVES, MOVES]),
        ("v2-restricted", [VPORT_PARAMETERS, MOVES, MOVES]),
    ],
)
def test_more_queue_pairs_come_before_the_table(adapter: str, steps: list[str]) -> None:
    """A restricted table grows with its queue pairs (UPD-10), others on request; then it is set (UPD-11, UPD-26)."""
    timeline = played(
        ADAPTERS[adapter] + vport("[0, 1]", 2) + rss("num_queue_pairs = 4, indirection_table = [0, 1, 2, 3]")
    )
    assert statuses(timeline) == [SUCCESS] * len(steps)
    assert oids(timeline) == steps
    assert numbers(vport_1(timeline).rss.indirection_table) == [0, 1, 2, 3]
    assert timeline.control.state.vports[1].parameters.num_queue_pairs == 4
    assert timeline.snapshot.epoch == 1


SHRINK = "num_queue_pairs = 2, indirection_table = [0, 1]"


@pytest.mark.parametrize(
    ("adapter", "members", "steps"),
    [
        ("v1", SHRINK, [PARAMETERS_1, VPORT_PARAMETERS]),
        (
            "v1",
            f"{SHRINK}, num_indirection_table_entries = 2",
            [PARAMETERS_1, VPORT_PARAMETERS, PARAMETERS_1],
        ),
        ("v1-restricted", SHRINK, [PARAMETERS_1, VPORT_PARAMETERS, PARAMETERS_1]),
        ("v2", SHRINK, [MOVES, MOVES, VPORT_PARAMETERS]),
        ("v2", f"{SHRINK}, num_indirection_table_entries = 2", [MOVES, MOVES, VPORT_PARAMETERS, PARAMETERS_2]),
        ("v2-restricted", SHRINK, [MOVES, MOVES, VPORT_PARAMETERS, PARAMETERS_2]),
    ],
)
def test_fewer_queue_pairs_come_after_a_table_that_uses_no_more(adapter: str, members: str, steps: list[str]) -> None:
    """First a table of the old size, then the queue pairs, then the smaller table (UPD-07, UPD-09, UPD-27)."""
    timeline = played(ADAPTERS[adapter] + vport() + rss(members))
    assert statuses(timeline) == [SUCCESS] * len(steps)
    assert oids(timeline) == steps
    entries = 2 if steps[-1] != VPORT_PARAMETERS else 4
    assert numbers(vport_1(timeline).rss.indirection_table) == ([0, 1] * 2)[:entries]
    assert timeline.control.state.vports[1].parameters.num_queue_pairs == 2
    assert timeline.snapshot.epoch == 1


@pytest.mark.parametrize(("adapter", "size"), [("v1-restricted", 2), ("v2-restricted", 2), ("v1", 4), ("v2", 4)])
def test_a_table_that_repeats_may_follow_the_queue_pairs_alone(adapter: str, size: int) -> None:
    """A restricted table that is a smaller one repeated shrinks with its queue pairs (UPD-09), others stay."""
    timeline = played(ADAPTERS[adapter] + vport("[0, 1, 0, 1]", 4) + rss("num_queue_pairs = 2"))
    assert {one.as_expected for one in timeline.records} == {True}
    assert numbers(vport_1(timeline).rss.indirection_table) == ([0, 1] * 2)[:size]


@pytest.mark.parametrize(
    ("adapter", "status"),
    [
        ("v1-restricted", NdisStatus.NDIS_STATUS_INVALID_PARAMETER),
        ("v2-restricted", NdisStatus.NDIS_STATUS_INVALID_DATA),
    ],
)
def test_a_table_that_does_not_repeat_keeps_its_queue_pairs(adapter: str, status: NdisStatus) -> None:
    """Without a new table the smaller table is unknown, so the adapter refuses (UPD-09)."""
    timeline = played(ADAPTERS[adapter] + vport("[0, 0, 0, 1]", 4) + rss("num_queue_pairs = 2"))
    assert statuses(timeline) == [status]
    assert timeline.snapshot.epoch == 0


@pytest.mark.parametrize("adapter", ["v1", "v2"])
def test_queue_pairs_that_do_not_suffice_are_refused(adapter: str) -> None:
    """Fewer than the processors in use (UPD-08)."""
    timeline = played(ADAPTERS[adapter] + vport() + rss("num_queue_pairs = 2"))
    assert timeline.records[-1].why.startswith("UPD-08")
    assert timeline.snapshot.epoch == 0


def test_queues_of_native_rss_change_with_rss_v2_only() -> None:
    """Queue pairs of the adapter are NumberOfQueues (UPD-25), for which RSSv1 has no request."""
    text = 'interface = "native-rss"\n[native_rss]\nindirection_table = [0, 1]\n'
    text += "[[event]]\nat_ns = 1\nrss = { num_queue_pairs = 2 }\n"
    timeline = played(f"[adapter]\n{text}")
    assert oids(timeline) == [PARAMETERS_2]
    assert timeline.control.state.native.number_of_queues == 2
    with pytest.raises(ScenarioError, match="UPD-25"):
        load_scenario(f'[adapter]\nndis_version = "6.60"\n{text}')


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (ADAPTERS["v1"] + vport() + rss("enabled = false, indirection_table = [0]"), "RSS-07"),
        (ADAPTERS["v2"] + vport() + rss("enabled = false, hash_types = ['ipv4']"), "UPD-22"),
        (
            '[adapter]\nndis_version = "6.30"\ninterface = "native-rss"\n[native_rss]\n'
            "[[event]]\nat_ns = 1\nrss = { default_processor = 1 }",
            "RSS-10",
        ),
    ],
)
def test_keys_without_effect_are_findings(text: str, rule: str) -> None:
    """Values that no request can carry, or that would be ignored, are findings before anything starts."""
    with pytest.raises(ScenarioError, match=rule):
        load_scenario(text)


@pytest.mark.parametrize("members", ["vport = 1", ""])
def test_rss_that_sets_nothing_is_a_finding(members: str) -> None:
    """An event must name a change, even if only RSS on; a VPort alone changes nothing (RSS-21)."""
    with pytest.raises(ScenarioError) as caught:
        load_scenario(f"{vport()}[[event]]\nat_ns = 1\nrss = {{ {members} }}\n")
    assert caught.value.lines[0].startswith(
        "scenario:9: [[event]] 1 rss: sets nothing: give one of enabled, hash_types,"
    )
    assert len(load_scenario(vport() + rss("enabled = true")).events) == 1


@dataclass(frozen=True)
class Change:
    """A table and queue pairs, before and after, that an adapter allows."""

    old: list[int]
    new: list[int]
    pairs_before: int
    pairs_after: int
    entries: int | None  # as the event says

    @property
    def size(self) -> int:
        """The entries at the end."""
        return self.entries or max(len(self.old), len(self.new))


@st.composite
def changes(draw: st.DrawFn, adapter: str) -> Change:
    """Tables over few enough processors, the default processor 0 among them, of sizes that the adapter takes."""
    before, after = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    others = draw(st.permutations(range(1, 6)))
    # with RSSv2 an order of moves need not exist when the queues are too few for the processors of both tables (UPD-41)
    enough = (min(before, after),) * 2 if "v2" in adapter else (before, after)
    pools = [[0, *others[: pairs - 1]] for pairs in enough]
    if "restricted" in adapter:
        sizes = [1 << (pairs - 1).bit_length() for pairs in (before, after)]
        entries: int | None = sizes[1]
    else:
        sizes = [1 << draw(st.integers(0, 3)) for _ in pools]
        entries = draw(st.none() | st.sampled_from([size for size in (1, 2, 4, 8, 16) if size >= sizes[1]]))
    old, new = (
        draw(st.lists(st.sampled_from(pool), min_size=size, max_size=size))
        for pool, size in zip(pools, sizes, strict=True)
    )
    return Change(old, new, before, after, entries)


@settings(max_examples=40)
@given(data=st.data())
@pytest.mark.parametrize("is_on", [True, False], ids=["on", "off"])
@pytest.mark.parametrize("adapter", ADAPTERS)
def test_every_table_leads_to_every_other(adapter: str, is_on: bool, data: st.DataObject) -> None:
    """No step on the way is refused if both ends are allowed (UPD-07 to UPD-11, UPD-26, UPD-27)."""
    change = data.draw(changes(adapter))
    members = f"num_queue_pairs = {change.pairs_after}, indirection_table = {change.new}"
    if change.entries and "restricted" not in adapter:  # whose tables have the size of their queue pairs
        members += f", num_indirection_table_entries = {change.entries}"
    if not is_on:
        members += ", hash_types = ['ipv4'], hash_secret_key = 'symmetric', default_processor = 0"
    text = vport(str(change.old), change.pairs_before, "default_processor = 0")
    timeline = played(ADAPTERS[adapter] + text + ("" if is_on else rss("enabled = false", 0)) + rss(members))
    assert [record.why for record in timeline.records] == [""] * len(timeline.records)
    result = vport_1(timeline).rss
    size = change.size
    if "v1" in adapter and not is_on:  # it has forgotten its size (RSS-08)
        size = change.entries or len(change.new)
    expected = [change.new[i % len(change.new)] for i in range(size)]
    assert (result.enabled, numbers(result.indirection_table)) == (True, expected)
    assert timeline.control.state.vports[1].parameters.num_queue_pairs == change.pairs_after


# --- oid --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "step",
    [
        {"oid": "OID_RECEIVE_FILTER_CLEAR_FILTER", "in": {"filter_id": 1}},
        {"oid": "OID_NIC_SWITCH_CREATE_VPORT", "issuer": "B", "in": {"num_queue_pairs": 2, "processor_affinity": [1]}},
        {"oid": "OID_NIC_SWITCH_VPORT_PARAMETERS", "kind": "method", "in": {"vport_id": 1}},
        {"oid": "OID_GEN_RECEIVE_SCALE_PARAMETERS_V2", "vport_id": 1, "in": {"flags": ["ENABLE_RSS"]}},
        {"oid": "OID_GEN_RECEIVE_SCALE_PARAMETERS_V2", "vport_id": 1, "switch_id": 3},
        {"oid": "OID_GEN_CURRENT_PACKET_FILTER", "issuer": "application"},
        {"oid": "OID_GEN_CURRENT_PACKET_FILTER", "in_hex": "0100", "buffer_length": 4},
        {
            "oid": "OID_GEN_RSS_SET_INDIRECTION_TABLE_ENTRIES",
            "processor": "0:3",
            "in": {"rss_entry_table": [{"vport_id": 1, "target_processor_number": 2}]},
        },
        {"oid": "OID_GEN_RSS_SET_INDIRECTION_TABLE_ENTRIES", "sync": False, "in": {}},
        {"oid": "OID_RECEIVE_FILTER_QUEUE_PARAMETERS", "kind": "query", "in_hex": "00"},
        {"oid": "0x00010227", "in": {"field_parameters": [{"field_value": "00:15:5d:01:02:01"}]}},
        {"oid": "0x12345678", "in_hex": "ff"},
        {"oid": "0x12345678"},
    ],
    ids=lambda step: step["oid"],
)
def test_oid_events_are_oracle_steps(step: dict[str, Any]) -> None:
    """The same members make the same request, byte for byte (docs/oracle-protocol.md, section 4)."""
    version = load_scenario("").adapter.ndis_version
    members = {key: value for key, value in step.items() if key != "oid"}
    event = model.OidRequest.model_validate({"name": step["oid"], **members})
    assert oid_request(event, version, request_id="x") == parse_oid_step(step, "x", version).request


def test_inputs_that_no_request_can_carry_are_findings() -> None:
    """All wrong events are reported at once, each with its row and line."""
    text = vport() + oid("OID_RECEIVE_FILTER_CLEAR_FILTER", {"filter": 1}) + oid("OID_RECEIVE_FILTER_CLEAR_FILTERS", {})
    text += rss("enabled = false") + oid("OID_GEN_CURRENT_PACKET_FILTER", {}, oid={"name": "OID_GEN_VLAN_ID", "in": {}})
    with pytest.raises(ScenarioError) as caught:
        load_scenario(text, name="x")
    lines = text.splitlines()
    assert [(lines[(finding.line or 0) - 1], str(finding)) for finding in caught.value.findings] == [
        ("[event.oid]", "[[event]] 1 oid: in: FILTER_CLEAR_PARAMETERS has no member 'filter'"),
        (
            "[event.oid]",
            "[[event]] 2 oid: name: OID_RECEIVE_FILTER_CLEAR_FILTERS is not known; "
            "did you mean OID_RECEIVE_FILTER_CLEAR_FILTER?",
        ),
        ("[event.oid]", "[[event]] 4 oid: in: this kind of request has no structured input"),
    ]


@pytest.mark.parametrize(
    ("members", "why"),
    [
        ({"switch_id": 1}, "switch_id is there only with vport_id"),
        ({"buffer_length": 1 << 25}, "buffers of up to"),
        ({"kind": "query", "in": {}}, "no structured input"),
    ],
)
def test_members_that_go_together(members: dict[str, Any], why: str) -> None:
    """As in the oracle protocol."""
    event = {"at_ns": 1, "oid": {"name": "OID_GEN_CURRENT_PACKET_FILTER"} | members}
    with pytest.raises(ScenarioError, match=why):
        load_scenario(toml_text({"event": [event]}))


MAC = "00:15:5d:01:02:01"


def test_a_filter_moves_to_another_vport() -> None:
    """OID_RECEIVE_FILTER_MOVE_FILTER steers the address to the other VPort from its epoch on (FLT-34, FLT-36)."""
    text = vport() + f"[[vport.filter]]\nmac = '{MAC}'\n[[vport]]\nid = 2\n"
    text += oid("OID_RECEIVE_FILTER_MOVE_FILTER", {"filter_id": 1, "source_vport_id": 1, "dest_vport_id": 2})
    timeline = played(text)
    assert statuses(timeline) == [SUCCESS]
    assert [(one.filter_id, one.target_id) for one in timeline.snapshot.configuration.filters] == [(1, 2)]
    assert timeline.snapshot.arrays.filters["classes"].tolist() == [
        timeline.snapshot.target_ids.index(2) * CLASSES_BYTES
    ]


def test_an_event_acts_as_the_client_of_the_scenario_unless_it_names_another() -> None:
    """Only its owner clears a filter (FLT-41)."""
    text = vport() + f"[[vport.filter]]\nmac = '{MAC}'\n"
    clear = {"name": "OID_RECEIVE_FILTER_CLEAR_FILTER", "in": {"filter_id": 1}}
    text += oid("", {}, 1, oid=clear | {"issuer": "B"}) + oid("", {}, 2, oid=clear)
    timeline = played(text)
    assert statuses(timeline) == [NdisStatus.NDIS_STATUS_FILE_NOT_FOUND, SUCCESS]
    assert timeline.snapshot.configuration.filters == ()


def test_a_vport_comes_and_goes_while_traffic_flows() -> None:
    """Created, activated, filtered and deleted by requests; its row of the snapshot stays (EPO-01, VPT-07)."""
    steps: list[tuple[str, dict[str, Any]]] = [
        ("OID_NIC_SWITCH_CREATE_VPORT", {"vport_state": "Deactivated", "processor_affinity": [3]}),
        ("OID_NIC_SWITCH_VPORT_PARAMETERS", {"vport_id": 2, "flags": ["STATE_CHANGED"], "vport_state": "Activated"}),
        ("OID_RECEIVE_FILTER_SET_FILTER", {"vport_id": 2, "field_parameters": [{"field_value": MAC}]}),
        ("OID_RECEIVE_FILTER_CLEAR_FILTER", {"filter_id": 1}),
        ("OID_NIC_SWITCH_DELETE_VPORT", {"vport_id": 2}),
    ]
    text = vport() + "".join(oid(name, members, at_ns) for at_ns, (name, members) in enumerate(steps))
    timeline = played(text)
    assert statuses(timeline) == [SUCCESS] * 5
    assert timeline.snapshot.epoch == 5
    assert timeline.snapshot.target_ids == [0, 1, 2]
    assert [one.vport_id for one in timeline.snapshot.configuration.vports] == [0, 1]


def test_vmq_queues_change_while_traffic_flows() -> None:
    """A queue gets another processor, loses its filter and is freed; another one is allocated (QUE-17, QUE-22)."""
    text = '[adapter]\ninterface = "vmq"\n[[queue]]\nid = 1\nprocessor_affinity = [2]\nfilter = [{ vlan = 2 }]\n'
    text += "[[queue]]\nid = 2\nprocessor_affinity = [3]\nfilter = [{ vlan = 3 }]\n"
    affinity = {"queue_id": 1, "flags": ["PROCESSOR_AFFINITY_CHANGED"], "processor_affinity": [5]}
    steps: list[tuple[str, dict[str, Any]]] = [
        ("OID_RECEIVE_FILTER_QUEUE_PARAMETERS", affinity),
        ("OID_RECEIVE_FILTER_CLEAR_FILTER", {"queue_id": 2, "filter_id": 2}),
        ("OID_RECEIVE_FILTER_FREE_QUEUE", {"queue_id": 2}),
        ("OID_RECEIVE_FILTER_ALLOCATE_QUEUE", {"processor_affinity": [4]}),
    ]
    timeline = played(text + "".join(oid(name, members, at_ns) for at_ns, (name, members) in enumerate(steps)))
    assert statuses(timeline) == [SUCCESS] * 4
    queues = timeline.snapshot.configuration.queues
    assert [(one.queue_id, one.processor.number, one.running) for one in queues] == [(1, 5, True), (2, 4, False)]


def test_a_processor_that_only_an_event_names_may_have_costs_of_its_own() -> None:
    """A receive queue may move to a non-RSS processor (QUE-10); a [[processor]] without work is a finding."""
    text = '[adapter]\ninterface = "vmq"\nrss_processors = 2\n[[queue]]\nid = 1\nprocessor_affinity = [1]\n'
    affinity = {"queue_id": 1, "flags": ["PROCESSOR_AFFINITY_CHANGED"], "processor_affinity": [5]}
    text += oid("OID_RECEIVE_FILTER_QUEUE_PARAMETERS", affinity)
    costs = "[[processor]]\nprocessor = {}\nreceive_cost_ns = 9\n"
    assert load_scenario(text + costs.format(5)).costs(ProcessorNumber(0, 5)).receive_cost_ns == 9
    with pytest.raises(ScenarioError, match="0:6 never gets work"):
        load_scenario(text + costs.format(5) + costs.format(6))


def test_a_query_is_answered_on_record() -> None:
    """A query reaches the adapter, as an application's query does (OID-04), and changes nothing."""
    text = oid("", {}, oid={"name": "OID_GEN_CURRENT_PACKET_FILTER", "issuer": "application"})
    timeline = played(text)
    (record,) = timeline.records
    assert record.request is not None
    assert record.completion is not None
    assert (record.request.kind, record.completion.output) == (RequestKind.QUERY_STATISTICS, bytes([0x20, 0, 0, 0]))
    assert timeline.snapshot.epoch == 0


def test_rss_v1_requests_flag_what_stays() -> None:
    """Only given parameters are taken (RSS-09)."""
    timeline = played(ADAPTERS["v1"] + vport() + rss("hash_secret_key = 'symmetric'"))
    (record,) = timeline.records
    assert member(record, "flags") == 0x02 | 0x04 | 0x20
    assert member(record, "hash_secret_key") == HASH_SECRET_KEYS["symmetric"]
