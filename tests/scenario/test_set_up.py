"""The set-up of a scenario by OIDs: the configuration is that of the file, for every interface."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataplane.control import NDIS, ControlPlane
from dataplane.ids import ProcessorNumber, format_mac
from dataplane.ndis.codec import Failure, decode
from dataplane.ndis.oids import Oid, RequestKind
from dataplane.ndis.structures import EXCHANGES, ScaleParametersV2, SetIndirectionEntries
from dataplane.scenario.load import load_scenario
from dataplane.scenario.model import Queue, Rss, Scenario
from dataplane.scenario.model import VPort as VPortTable
from dataplane.scenario.requests import SCENARIO_CLIENT, specification_of
from dataplane.scenario.resolve import toml_text
from dataplane.scenario.set_up import SetUp, adapter_configuration, set_up
from dataplane.switch.configuration import (
    AdapterConfiguration,
    FieldTest,
    Filter,
    HashType,
    MacField,
    Mode,
    PacketFilter,
    ReceiveQueue,
    RssState,
    VPort,
)
from tests.reference.steering import native_table_in_use
from tests.scenario.test_resolve import EVERYTHING

# --- single scenarios -------------------------------------------------------------------------------------------------


def test_switch_configuration() -> None:
    """VPorts in order of their ids, filters numbered in file order (FLT-30), RSS as listed (RSS-01)."""
    configuration = adapter_configuration(load_scenario(EVERYTHING))
    low, high, other = ProcessorNumber(0, 2), ProcessorNumber(0, 4), ProcessorNumber(1, 0)
    assert Mode.SWITCH is configuration.mode
    assert configuration.packet_filter == PacketFilter.DIRECTED | PacketFilter.ALL_MULTICAST
    assert configuration.multicast_list == (0x01005E000001,)
    assert [(item.filter_id, item.target_id, item.untagged_or_zero) for item in configuration.filters] == [
        (1, 1, False),
        (2, 1, False),
        (3, 1, True),
    ]
    mac_and_vlan = (FieldTest(MacField.DESTINATION_ADDRESS, 0x00155D010201), FieldTest(MacField.VLAN_ID, 7))
    assert mac_and_vlan == configuration.filters[0].tests
    default, first, second = configuration.vports
    assert (0, low, True) == (default.vport_id, default.primary_processor, default.rss.enabled)
    assert (HashType.TCP_IPV4, (low, high, low, high), low) == (
        first.rss.hash_types,
        first.rss.indirection_table,
        first.rss.default_processor,
    )
    assert RssState(indirection_table=(other,), default_processor=other) == second.rss  # tracked (UPD-15)


def test_default_vport_need_not_be_listed() -> None:
    """An unlisted default VPort exists as well, activated on the RSS base processor (VPT-01, VPT-13)."""
    configuration = adapter_configuration(load_scenario('[adapter]\nndis_version = "6.60"\nrss_processors = [3, 4]'))
    (default,) = configuration.vports
    assert (0, True, ProcessorNumber(0, 3), RssState()) == (
        default.vport_id,
        default.activated,
        default.primary_processor,
        default.rss,  # empty with RSSv1 (RSS-05)
    )


def test_vmq_configuration() -> None:
    """A queue with a filter is running (QUE-05), one without is not (QUE-06); the default queue is not among them."""
    configuration = adapter_configuration(
        load_scenario(
            '[adapter]\ninterface = "vmq"\n[[queue]]\nid = 0\nfilter = [{ vlan = 1 }]\n'
            "[[queue]]\nid = 1\nprocessor_affinity = [3, 2]\nfilter = [{ vlan = 2 }]\n"
            "[[queue]]\nid = 2\nprocessor_affinity = [1]"
        )
    )
    assert Mode.VMQ is configuration.mode
    assert [(1, True, ProcessorNumber(0, 2)), (2, False, ProcessorNumber(0, 1))] == [
        (queue.queue_id, queue.running, queue.processor) for queue in configuration.queues
    ]
    assert [(item.filter_id, item.target_id) for item in configuration.filters] == [(1, 0), (2, 1)]
    assert configuration.vports == ()


def test_native_rss_configuration() -> None:
    """Native RSS is RSS of the whole adapter, on as many processors as it has queues (MOD-04, RSS-26)."""
    configuration = adapter_configuration(
        load_scenario(
            '[adapter]\nndis_version = "6.60"\ninterface = "native-rss"\nnumber_of_receive_queues = 2\n'
            "[native_rss]\nindirection_table = [0, 1, 2, 1]"
        )
    )
    assert Mode.NEUTRAL is configuration.mode
    assert configuration.native_rss.enabled
    assert [p.number for p in configuration.native_rss.indirection_table] == [0, 1, 2, 1]
    assert [p.number for p in configuration.native_table_in_use] == [0, 1, 0, 1]


def test_vlan_filtering_follows_the_capability() -> None:
    """An adapter that does not advertise VLAN_ID does not filter by it (CAP-03, FLT-26)."""
    text = '[adapter]\nsupported_mac_header_fields = ["dest_addr"]'
    assert not adapter_configuration(load_scenario(text)).vlan_filtering
    assert adapter_configuration(load_scenario("")).vlan_filtering


def test_default_vport_can_be_changed() -> None:
    """VPORT_PARAMETERS set its name, processor and queue pairs; tracked RSS stays (VPT-19, UPD-06, UPD-16)."""
    configuration = adapter_configuration(
        load_scenario(
            '[[vport]]\nid = 0\nname = "host"\nprocessor_affinity = [3, 5]\nnum_queue_pairs = 2\n'
            "[[vport.filter]]\nvlan = 9"
        )
    )
    (host,) = configuration.vports
    base = ProcessorNumber(0, 0)
    assert (host.name, host.primary_processor) == ("host", ProcessorNumber(0, 3))
    assert RssState(indirection_table=(base,), default_processor=base) == host.rss
    assert [(one.filter_id, one.target_id) for one in configuration.filters] == [(1, 0)]


def oids(done: SetUp) -> list[str]:
    """The accepted requests by name, without the common part."""
    return [Oid(request.oid).name.removeprefix("OID_") for request in done.accepted]


def test_requests_in_their_order() -> None:
    """NDIS creates the switch (OID-16); each VPort is created, activated, given RSS, then filters (VPT-09, UPD-42)."""
    text = "vport = [{ id = 1, filter = [{ vlan = 1 }], rss = { indirection_table = [0, 1] } }, { id = 2 }]"
    done = set_up(load_scenario(text))
    assert oids(done) == [
        "802_3_MULTICAST_LIST",
        "GEN_CURRENT_PACKET_FILTER",
        "NIC_SWITCH_CREATE_SWITCH",
        "NIC_SWITCH_CREATE_VPORT",
        "NIC_SWITCH_VPORT_PARAMETERS",
        "GEN_RECEIVE_SCALE_PARAMETERS_V2",
        "GEN_RSS_SET_INDIRECTION_TABLE_ENTRIES",
        "GEN_RECEIVE_SCALE_PARAMETERS_V2",
        "RECEIVE_FILTER_SET_FILTER",
        "NIC_SWITCH_CREATE_VPORT",
        "NIC_SWITCH_VPORT_PARAMETERS",
    ]
    issuers = {request.issuer for request in done.accepted if request.oid != Oid.OID_NIC_SWITCH_CREATE_SWITCH}
    assert (issuers, done.accepted[2].issuer) == ({SCENARIO_CLIENT}, NDIS)


def test_queues_run_from_their_first_moment() -> None:
    """Filters are set before the allocation is complete (QUE-05, QUE-13, QUE-14)."""
    text = 'adapter = { interface = "vmq" }\nqueue = [{ id = 1, processor_affinity = [1], filter = [{ vlan = 1 }] }]'
    assert oids(set_up(load_scenario(text)))[2:] == [
        "RECEIVE_FILTER_GLOBAL_PARAMETERS",
        "RECEIVE_FILTER_ALLOCATE_QUEUE",
        "RECEIVE_FILTER_SET_FILTER",
        "RECEIVE_FILTER_QUEUE_ALLOCATION_COMPLETE",
    ]


def parameters(done: SetUp, oid: Oid) -> list[Any]:
    """The structures of the accepted requests for an OID."""
    found = []
    for request in done.accepted:
        if request.oid == oid:
            structure = EXCHANGES[oid, request.kind].request
            assert structure is not None
            value = decode(structure, request.buffer)
            assert not isinstance(value, Failure)
            found.append(value)
    return found


def test_moves_are_issued_where_the_entries_point_to() -> None:
    """New entries are on the primary processor, and a table that repeats moves once (UPD-15, UPD-26, UPD-38)."""
    text = (
        "[[vport]]\nid = 1\nprocessor_affinity = [5, 6, 7]\n[vport.rss]\nindirection_table = [5, 6, 7, 6]\n"
        "num_indirection_table_entries = 64\ndefault_processor = 7"
    )
    done = set_up(load_scenario(text))
    (request,) = [one for one in done.accepted if one.oid == Oid.OID_GEN_RSS_SET_INDIRECTION_TABLE_ENTRIES]
    assert (request.processor, request.synchronous, request.vport_id) == (ProcessorNumber(0, 5), True, None)
    (moves,) = parameters(done, Oid.OID_GEN_RSS_SET_INDIRECTION_TABLE_ENTRIES)
    assert isinstance(moves, SetIndirectionEntries)
    assert [
        (one.vport_id, one.indirection_table_index, one.target_processor_number.number) for one in moves.rss_entry_table
    ] == [(1, 1, 6), (1, 2, 7), (1, 3, 6), (1, 0xFFFF, 7)]
    first, last = parameters(done, Oid.OID_GEN_RECEIVE_SCALE_PARAMETERS_V2)
    assert isinstance(first, ScaleParametersV2)
    assert (first.enables, first.number_of_indirection_table_entries) == (False, 4)
    assert (last.enables, last.number_of_indirection_table_entries) == (True, 64)


@pytest.mark.parametrize(("version", "revision"), [("6.1", 1), ("6.20", 2), ("6.60", 3)])
def test_structures_have_the_revision_of_the_version(version: str, revision: int) -> None:
    """RSSv1 parameters have the revision of the NDIS version, its default processor from 6.60 on (CAP-09, RSS-10)."""
    text = f'[adapter]\nndis_version = "{version}"\ninterface = "native-rss"\n[native_rss]\nindirection_table = [1, 0]'
    done = set_up(load_scenario(text))
    (request,) = [one for one in done.accepted if one.oid == Oid.OID_GEN_RECEIVE_SCALE_PARAMETERS]
    assert request.buffer[1] == revision
    rss = done.control.configuration.native_rss
    assert [processor.number for processor in rss.indirection_table] == [1, 0]
    assert ProcessorNumber(0, 0) == rss.default_processor


def test_native_rss_without_rssv2_has_no_receive_filters() -> None:
    """Receive filter capabilities are there only to advertise RSSv2 (CAP-30)."""
    text = '[adapter]\ninterface = "native-rss"\nndis_version = "%s"'
    assert specification_of(load_scenario(text % "6.60").adapter).receive_filter_capabilities is None
    assert specification_of(load_scenario(text % "6.80").adapter).receive_filter_capabilities is not None


# --- any scenario -----------------------------------------------------------------------------------------------------

RSS_PROCESSORS = ["0:0", "0:2", "0:3", "0:5", "0:63", "1:0", "1:7"]
MAC_ADDRESSES = [0x00155D010201, 0x00155D010202, 0x01005E000001, 0xFFFFFFFFFFFF]
HASH_TYPES = ["ipv4", "tcp_ipv4", "ipv6", "tcp_ipv6", "ipv6_ex", "tcp_ipv6_ex"]
KEYS = ["microsoft", "symmetric", "random", "5a" * 40]
RESTRICTED = "RSS_PER_PF_VPORT_INDIRECTION_TABLE_SIZE_RESTRICTED"
Json = dict[str, Any]


@st.composite
def filters(draw: st.DrawFn) -> list[Json]:
    """Filters of one VPort or queue."""
    rows = []
    for mac in draw(st.lists(st.none() | st.sampled_from(MAC_ADDRESSES), max_size=3)):
        row: Json = {} if mac is None else {"mac": format_mac(mac)}
        if mac is None or draw(st.booleans()):
            row["vlan"] = draw(st.integers(1, 4094))
        elif draw(st.booleans()):
            row["untagged_or_zero"] = draw(st.booleans())
        rows.append(row)
    return rows


@st.composite
def rss_tables(draw: st.DrawFn, processors: list[str], entries: list[int], shared: Json | None = None) -> Json:
    """RSS parameters on some of the processors; `entries` are the sizes that are allowed."""
    size = draw(st.sampled_from(entries))
    table = draw(st.lists(st.sampled_from(processors), min_size=1, max_size=size))
    own: Json = {
        "hash_types": draw(st.lists(st.sampled_from(HASH_TYPES), min_size=1, unique=True)),
        "hash_secret_key": draw(st.sampled_from(KEYS)),
    }
    own |= shared or {}
    own |= {"indirection_table": table, "num_indirection_table_entries": size}
    own["default_processor"] = draw(st.sampled_from(processors))
    return own


@st.composite
def switches(draw: st.DrawFn) -> Json:
    """A scenario with VPorts, of either generation of RSS or without it."""
    version = draw(st.sampled_from(["6.30", "6.50", "6.60", "6.80"]))
    vmmq = version in ("6.60", "6.80")
    processors = sorted(draw(st.lists(st.sampled_from(RSS_PROCESSORS), min_size=1, unique=True)))
    groups = [[one for one in processors if one.startswith(f"{group}:")] for group in (0, 1)]
    flags = [RESTRICTED] if vmmq and draw(st.booleans()) else []
    shared = None
    adapter: Json = {"ndis_version": version, "rss_processors": processors}
    if vmmq and draw(st.booleans()):
        names = [f"RSS_PER_PF_VPORT_HASH_{name}_SUPPORTED" for name in ("FUNCTION", "TYPE", "KEY")]
        adapter["nic_switch_capabilities"] = {"add": flags, "remove": names}
        shared = {"hash_types": ["ipv4", "tcp_ipv6"], "hash_secret_key": "microsoft"}
    elif flags:
        adapter["nic_switch_capabilities"] = {"add": flags}
    count = draw(st.integers(0, 4))
    ids = draw(st.permutations([*range(1, count + 1), 0])) if draw(st.booleans()) else list(range(1, count + 1))
    ids = sorted(ids, key=lambda one: (one == 0, one)) if draw(st.booleans()) else _ascending_but_default(ids)
    vports = []
    for vport_id in ids:
        affinity = draw(st.lists(st.sampled_from(draw(st.sampled_from([one for one in groups if one]))), min_size=1))
        vport: Json = {"id": vport_id, "processor_affinity": affinity, "filter": draw(filters())}
        if draw(st.booleans()):
            vport["name"] = draw(st.text(max_size=8))
        if vmmq and draw(st.booleans()):
            used = draw(st.lists(st.sampled_from(processors), min_size=1, max_size=4, unique=True))
            pairs = draw(st.integers(len(used), 8))
            entries = [1 << (pairs - 1).bit_length()] if flags else [1, 2, 4, 16, 128]
            vport |= {"num_queue_pairs": pairs, "rss": draw(rss_tables(used, entries, shared))}
        elif vmmq and draw(st.booleans()):
            vport["num_queue_pairs"] = draw(st.integers(1, 8))
        vports.append(vport)
    return {"adapter": adapter, "vport": vports}


def _ascending_but_default(ids: list[int]) -> list[int]:
    """The ids in creation order, with 0 at its place."""
    others = iter(sorted(one for one in ids if one))
    return [next(others) if one else 0 for one in ids]


@st.composite
def vm_queues(draw: st.DrawFn) -> Json:
    """A scenario with receive queues."""
    version = draw(st.sampled_from(["6.20", "6.30", "6.60", "6.80"]))
    queues = []
    for queue_id in range(1, 1 + draw(st.integers(0, 4))):
        affinity = draw(st.lists(st.integers(0, 63), min_size=1, max_size=3))
        rows = [row for row in draw(filters()) if version != "6.20" or row.get("untagged_or_zero", True)]
        queues.append({"id": queue_id, "processor_affinity": affinity, "filter": rows})
    if draw(st.booleans()):
        queues.insert(draw(st.integers(0, len(queues))), {"id": 0, "filter": [{"vlan": 5}]})
    return {"adapter": {"ndis_version": version, "interface": "vmq", "rss_processors": 8}, "queue": queues}


@st.composite
def native_adapters(draw: st.DrawFn) -> Json:
    """A scenario with RSS of the whole adapter or without RSS."""
    version = draw(st.sampled_from(["6.1", "6.20", "6.30", "6.60", "6.80"]))
    processors = ["0:0", "0:2", "0:3", "0:5"]
    queues = draw(st.integers(4 if version == "6.80" else 1, 8))  # RSSv2 does not use a subset (UPD-19)
    adapter = {
        "ndis_version": version,
        "interface": "native-rss",
        "rss_processors": processors,
        "number_of_receive_queues": queues,
    }
    if draw(st.booleans()):
        return {"adapter": adapter}
    rss = draw(rss_tables(processors, [1, 2, 4, 16, 128]))
    if version not in ("6.60", "6.80"):
        del rss["default_processor"]
    return {"adapter": adapter, "native_rss": rss}


@st.composite
def scenarios(draw: st.DrawFn) -> Scenario:
    """Any legal scenario."""
    document = draw(st.one_of(switches(), vm_queues(), native_adapters()))
    names = st.sampled_from(["directed", "multicast", "all_multicast", "broadcast", "promiscuous"])
    document["adapter"] |= {
        "packet_filter": draw(st.lists(names, unique=True)),
        "multicast_list": [format_mac(one) for one in draw(st.lists(st.sampled_from(MAC_ADDRESSES[2:]), max_size=2))],
        "inner_headers": draw(st.booleans()),
    }
    return load_scenario(toml_text(document))


def expected_configuration(scenario: Scenario) -> AdapterConfiguration:
    """The configuration that the file asks for, without a control plane."""
    adapter, base = scenario.adapter, scenario.adapter.rss_base_processor
    tracked = RssState(indirection_table=(base,), default_processor=base) if adapter.has_rss_v2 else RssState()
    native = state_of(scenario.native_rss) if scenario.native_rss else tracked
    mode = Mode.SWITCH if adapter.interface == "switch" else Mode.NEUTRAL
    vports = {0: VPort(0, True, base, tracked, "")} if mode is Mode.SWITCH else {}
    for vport in scenario.vports:
        primary = min(vport.processor_affinity)
        rss = dataclasses.replace(tracked, indirection_table=(primary,) * adapter.has_rss_v2)
        if adapter.has_rss_v2:
            rss = dataclasses.replace(rss, default_processor=primary)
        if vport.id == 0:
            rss = tracked  # it was there before it got its affinity (UPD-16)
        vports[vport.id] = VPort(vport.id, True, primary, state_of(vport.rss) if vport.rss else rss, vport.name)
    queues = {
        queue.id: ReceiveQueue(queue.id, bool(queue.filters), min(queue.processor_affinity), queue.name)
        for queue in scenario.queues
        if queue.id
    }
    targets: tuple[VPortTable | Queue, ...] = (*scenario.vports, *scenario.queues)
    listed = [(target.id, item) for target in targets for item in target.filters]
    return AdapterConfiguration(
        mode=Mode.VMQ if queues else mode,
        ndis_version=adapter.ndis_version,
        rss_processors=adapter.rss_processors,
        rss_base_processor=base,
        permanent_address=adapter.permanent_address,
        packet_filter=PacketFilter(sum(PacketFilter[name.upper()] for name in adapter.packet_filter)),
        multicast_list=adapter.multicast_list,
        vlan_filtering=adapter.interface != "native-rss",
        filters=tuple(
            Filter(
                number,
                target_id,
                tuple(
                    FieldTest(field, value)
                    for field, value in ((MacField.DESTINATION_ADDRESS, item.mac), (MacField.VLAN_ID, item.vlan))
                    if value is not None
                ),
                item.untagged_or_zero,
                SCENARIO_CLIENT,
            )
            for number, (target_id, item) in enumerate(listed, 1)
        ),
        vports=tuple(vports[i] for i in sorted(vports)),
        queues=tuple(queues[i] for i in sorted(queues)),
        native_rss=native,
        native_table_in_use=(
            native_table_in_use(native.indirection_table, adapter.number_of_receive_queues) if native.enabled else ()
        ),
        inner_headers=adapter.inner_headers,
    )


def state_of(rss: Rss) -> RssState:
    """The parameters that a table of the file asks for."""
    types = HashType(sum(HashType[name.upper()] for name in rss.hash_types))
    return RssState(True, types, bytes.fromhex(rss.hash_secret_key), rss.indirection_table, rss.default_processor)


@settings(max_examples=200)
@given(scenarios())
def test_configuration_is_what_the_file_asks_for(scenario: Scenario) -> None:
    """Filters, VPorts, queues, tables, default processors, for every interface and both generations of RSS.

    CAP-36, VPT-07, VPT-12, FLT-30, QUE-05, RSS-01, RSS-02, RSS-26, UPD-15, UPD-17, UPD-23, UPD-26, UPD-49, MOD-12.
    """
    assert expected_configuration(scenario) == adapter_configuration(scenario)


@settings(max_examples=50)
@given(scenarios())
def test_requests_are_all_that_is_needed(scenario: Scenario) -> None:
    """The accepted requests lead a fresh control plane to the same state: a journal of them is enough (MOD-09)."""
    done = set_up(scenario)
    assert done.refused == ()
    again = ControlPlane(specification_of(scenario.adapter))
    for request in done.accepted:
        assert again.request(request).accepted
    assert done.control.state == again.state
    assert done.control.epoch == again.epoch
    assert all(request.kind is not RequestKind.QUERY_STATISTICS for request in done.accepted)
