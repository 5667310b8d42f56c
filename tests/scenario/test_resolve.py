"""What a scenario becomes: explicit TOML that loads to the same value, and the adapter's configuration."""

from __future__ import annotations

import tomllib

from hypothesis import given, settings
from hypothesis import strategies as st

from dataplane.ids import ProcessorNumber
from dataplane.scenario.load import load_scenario
from dataplane.scenario.resolve import adapter_configuration, resolved_toml, table_in_use, toml_text
from dataplane.switch.configuration import FieldTest, HashType, MacField, Mode, PacketFilter, RssState

EVERYTHING = r"""
name = "everything \"quoted\" \\ ü"
description = "two\nlines"
[adapter]
ndis_version = "6.80"
rss_processors = ["0:2", "0:4", "1:0"]
packet_filter = ["DIRECTED", "all_multicast"]
multicast_list = ["01:00:5e:00:00:01"]
[[vport]]
id = 0
rss = { hash_secret_key = "symmetric" }
[[vport]]
id = 1
num_queue_pairs = 2
processor_affinity = [2, 4]
filter = [{ mac = "00:15:5d:01:02:01", vlan = 7 }, { vlan = 8 }, { mac = "00:15:5d:01:02:02" }]
rss = { hash_types = ["tcp_ipv4"], hash_secret_key = "random", num_indirection_table_entries = 4 }
[[vport]]
id = 2
processor_affinity = ["1:0"]
[processors]
receive_cost_ns = 1
[[processor]]
processor = "1:0"
dpc_queue_depth = 0
[traffic]
profile = "zipf"
packets = 10
rate_pps = 1.5e6
zipf_s = 1.1
lengths = "imix:csit"
[[event]]
at_ns = 5
move_entries = { vport = 1, indices = "0-1,3", target = "1:0" }
[[event]]
at_ns = 5
rss = { vport = 1, hash_secret_key = "random", enabled = true }
[[event]]
at_ns = 6
oid = { name = "0x00010227", issuer = "B", in = { a = [1, { b = "x" }], "odd key" = true } }
[update]
hand_over = "ordered"
[policy]
name = "package.module:Class"
parameters = { threshold = 0.5, names = [] }
[run]
seed = 9
batch_packets = 100
per_packet = true
"""


def test_resolved_scenario_loads_to_an_equal_value() -> None:
    """Everything a run needs is in the resolved file: loading it gives the same scenario (ENG-05)."""
    scenario = load_scenario(EVERYTHING)
    text = resolved_toml(scenario)
    assert scenario == load_scenario(text, name="another")
    assert text == resolved_toml(load_scenario(text))


def test_resolved_scenario_is_explicit() -> None:
    """Tables are written out, random keys are digits and limits are numbers (ENG-05)."""
    document = tomllib.loads(resolved_toml(load_scenario(EVERYTHING)))
    assert document["vport"][1]["rss"]["indirection_table"] == [2, 4, 2, 4]
    assert all(len(bytes.fromhex(row["rss"]["hash_secret_key"])) == 40 for row in document["vport"][:2])
    assert document["adapter"]["max_num_vports"] == 64
    assert "random" not in resolved_toml(load_scenario(EVERYTHING))


VALUES = st.recursive(
    st.integers(-(2**63), 2**63 - 1) | st.booleans() | st.text() | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=100)
@given(document=st.dictionaries(st.text(), VALUES, max_size=4))
def test_toml_text_is_what_it_says(document: dict[str, object]) -> None:
    """What the writer writes, the standard library reads back: every text, number and nesting."""
    assert document == tomllib.loads(toml_text(document))


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
    """It exists all the same, activated on the RSS base processor (VPT-01, VPT-13)."""
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
    """Native RSS is RSS of the whole adapter without switch or queues (MOD-04)."""
    configuration = adapter_configuration(
        load_scenario(
            '[adapter]\ninterface = "native-rss"\nnumber_of_receive_queues = 2\n'
            "[native_rss]\nindirection_table = [0, 1, 2, 1]"
        )
    )
    assert Mode.NEUTRAL is configuration.mode
    assert configuration.native_rss.enabled
    assert [p.number for p in configuration.native_rss.indirection_table] == [0, 1, 2, 1]
    assert [p.number for p in configuration.native_table_in_use] == [0, 1, 0, 1]


def test_native_table_keeps_as_many_processors_as_there_are_queues() -> None:
    """The first Q processors stay; another one maps to the kept one at its position mod Q (RSS-26)."""
    table = tuple(ProcessorNumber(0, n) for n in (7, 3, 5, 7, 1, 9))
    assert [p.number for p in table_in_use(table, 2)] == [7, 3, 7, 7, 3, 7]
    assert table == table_in_use(table, 5)
    assert table_in_use((), 4) == ()


def test_vlan_filtering_follows_the_capability() -> None:
    """An adapter that does not advertise VLAN_ID does not filter by it (CAP-03, FLT-26)."""
    text = '[adapter]\nsupported_mac_header_fields = ["dest_addr"]'
    assert not adapter_configuration(load_scenario(text)).vlan_filtering
    assert adapter_configuration(load_scenario("")).vlan_filtering
