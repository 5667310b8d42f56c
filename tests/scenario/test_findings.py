"""Wrong scenarios: every finding is reported at once, with its table, line, key and rule."""

from __future__ import annotations

import copy
import random
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataplane.errors import UserError
from dataplane.scenario import STARTER_FILE
from dataplane.scenario.findings import Finding, ScenarioError, locate
from dataplane.scenario.load import load_scenario
from dataplane.scenario.resolve import toml_text

MAC = '"00:15:5d:01:02:01"'


def findings(text: str) -> list[Finding]:
    """The findings of a scenario."""
    with pytest.raises(ScenarioError) as caught:
        load_scenario(text)
    return caught.value.findings


def rss(keys: str, vport: str = "num_queue_pairs = 4", adapter: str = "rss_processors = 8") -> str:
    """A scenario with one VPort that has RSS."""
    return f"[adapter]\n{adapter}\n[[vport]]\nid = 1\n{vport}\n[vport.rss]\n{keys}"


def test_the_same_thing_twice_is_two_findings() -> None:
    """A rule that one row breaks says nothing about the next row; only an exhausted pool concerns all rows."""
    row = f"[[vport.filter]]\nmac = {MAC}\nvlan = 1\nuntagged_or_zero = true\n"
    assert [(one.rule, one.line) for one in findings(f"[[vport]]\nid = 1\n{row}{row}")] == [
        ("FLT-24", 6),
        ("FLT-24", 10),
    ]


def test_all_findings_at_once_with_their_places() -> None:
    """Wrong values, unknown keys and broken rules between tables come in one list, in the order of the file."""
    text = """\
[adapter]
rss_processors = [
  0, 1,   # a comment with ]
]
max_num_vport = 4
[[vport]]
id = 1
num_queue_pairs = "4"
[[vport]]
id = 7
name = "web"
  [[vport.filter]]
  [[vport.filter]]
  mac = "00:15:5d:01:02:01"
  vlan = 4095
  [vport.rss]
  indirection_table = [0, 9]
[run]
seeed = 1
"""
    assert [(f.line, f.table, f.key, f.rule) for f in findings(text)] == [
        (5, "[adapter]", "max_num_vport", ""),
        (8, "[[vport]] 1", "num_queue_pairs", "VPT-10"),
        (10, '[[vport]] 2 "web"', "id", "VPT-07"),
        (12, '[[vport]] 2 "web"', "filter 1", "FLT-06"),
        (15, '[[vport]] 2 "web"', "filter 2 vlan", "FLT-14"),
        (17, '[[vport]] 2 "web"', "rss.indirection_table", "UPD-18"),
        (19, "[run]", "seeed", ""),
    ]


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ('profile = "adversarial"\ntable_entries = 100', "table_entries must be a power of two"),
        ('profile = "zipf"\nflows = 200_000_000', "flows = 200000000 is too many for zipf: at most 100000000"),
        ('profile = "zipf"\nrate_pps = 1e-300', "rate_pps = 1e-300 makes gaps of minutes between frames; raise it"),
        ('profile = "on-off"\nburst_frames = 1_000_000_000', "rate_pps = 1e+06 makes gaps of minutes between frames"),
    ],
)
def test_what_no_source_can_make_is_a_finding(keys: str, message: str) -> None:
    """Refusals of a profile or its arrivals are reported with all other findings, before anything runs."""
    with pytest.raises(ScenarioError) as caught:
        load_scenario(f"[run]\nseeed = 1\n[traffic]\n{keys}", runs=True)
    assert [(one.line, one.table) for one in caught.value.findings] == [(2, "[run]"), (3, "[traffic]")]
    assert caught.value.findings[1].message.startswith(message)


def test_each_finding_is_one_line_that_starts_with_its_place() -> None:
    """`file:line: [[table]] 2 "name" key: what is wrong (RULE)`."""
    with pytest.raises(ScenarioError) as caught:
        load_scenario('[run]\nseed = -1\nwindow = 5\n[[vport]]\nid = 2\nname = "db"', name="x.toml")
    assert str(caught.value).splitlines() == [
        "x.toml:2: [run] seed: must be at least 0, not -1",
        "x.toml:3: [run] window: is not a key of this table; did you mean window_ns?",
        'x.toml:5: [[vport]] 1 "db" id: is 2, but in file order this one gets 1 (VPT-07)',
    ]


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("a = \nb = 1", 1, "is not TOML at column 5: Invalid value"),
        ("[run]\nseed = 1\nseed = 2", 3, "Cannot overwrite a value"),
        ("[run\n", 1, "is not TOML at column 5"),
        ('name = """\nabc', 2, "is not TOML at the end of the file"),
    ],
)
def test_syntax_errors_have_line_and_column(text: str, line: int, message: str) -> None:
    """Text that is not TOML gives one finding that says where."""
    (finding,) = findings(text)
    assert line == finding.line
    assert message in str(finding)


@pytest.mark.parametrize(
    ("text", "near"),
    [
        ("[adaptor]", "adapter"),
        ("[[vports]]", "vport"),
        ("[adapter]\nndis_versoin = '6.60'", "ndis_version"),
        ("[[vport]]\nid = 1\nnum_queue_pair = 2", "num_queue_pairs"),
        ("[[vport]]\nid = 1\n[[vport.filter]]\nmacc = 1\nmac = " + MAC, "mac"),
        ("[processors]\ndpc_depth = 1", "dpc_queue_depth"),
        ("[[event]]\nat = 1\nat_ns = 2\noid = { name = 'OID_X' }", "at_ns"),
        ("[update]\nhandover = 'ordered'", "hand_over"),
    ],
)
def test_unknown_keys_name_the_nearest_known_one(text: str, near: str) -> None:
    """A misspelt key is answered with the key that was probably meant."""
    assert any(f"did you mean {near}?" in finding.message for finding in findings(text))


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ("MOD-01", '[adapter]\nndis_version = "6.70"'),
        ("MOD-02", '[adapter]\ninterface = "sriov"'),
        ("MOD-03", "[[queue]]\nid = 1\nprocessor_affinity = [1]"),
        ("MOD-03", '[adapter]\ninterface = "vmq"\n[[vport]]\nid = 1'),
        ("MOD-04", "[native_rss]\nindirection_table = [0]"),
        ("MOD-12", '[adapter]\npacket_filter = ["everything"]'),
        ("MOD-12", '[adapter]\nmulticast_list = ["00:15:5d:00:00:09"]'),
        ("MOD-12", '[adapter]\npermanent_address = "01:15:5d:00:00:09"'),
        ("CAP-01", '[adapter]\nsupported_queue_properties = { remove = ["MSI_X"] }'),
        ("CAP-02", '[adapter]\nsupported_filter_tests = ["NOT_EQUAL"]'),
        ("CAP-03", '[adapter]\nndis_version = "6.20"\ninterface = "vmq"\nsupported_mac_header_fields = ["DEST_ADDR"]'),
        ("CAP-05", '[adapter]\nndis_version = "6.30"\nnum_queues = 3\nnic_switch_capabilities = []'),
        ("CAP-06", '[adapter]\ninterface = "vmq"\nnum_queues = 300\nmax_mac_header_filters = 299'),
        ("CAP-07", '[adapter]\nsupported_queue_properties = { add = ["LOOKAHEAD_SPLIT"] }'),
        ("CAP-07", "[adapter]\nmax_lookahead_split_size = 1"),
        ("CAP-04", "[adapter]\nnum_queues = 257"),
        ("CAP-13", "[adapter]\nmax_num_switches = 2"),
        ("CAP-14", "[adapter]\nmax_num_vports = 4\nmax_num_vfs = 4"),
        ("CAP-15", "[adapter]\nmax_num_queue_pairs = 63"),
        ("CAP-16", "[adapter]\nmax_num_mac_addresses = 63"),
        ("CAP-17", "[adapter]\nmax_num_queue_pairs_for_default_vport = 6"),
        ("CAP-14", "[adapter]\nmax_num_vports = 2\n[[vport]]\nid = 1\n[[vport]]\nid = 2"),
        (
            "CAP-18",
            '[adapter]\nndis_version = "6.50"\nmax_num_vports = 4\nmax_num_vfs = 2\n'
            'nic_switch_capabilities = { remove = ["SINGLE_VPORT_POOL"] }\n[[vport]]\nid = 1\n[[vport]]\nid = 2',
        ),
        (
            "CAP-19",
            "[adapter]\nnic_switch_capabilities = "
            '{ remove = ["ASYMMETRIC_QUEUE_PAIRS_FOR_NONDEFAULT_VPORT_SUPPORTED"] }\n'
            "[[vport]]\nid = 1\n[[vport]]\nid = 2\nnum_queue_pairs = 2",
        ),
        ("CAP-20", "[adapter]\nmax_num_vports = 2\nmax_num_queue_pairs = 4\n[[vport]]\nid = 1\nnum_queue_pairs = 4"),
        ("CAP-21", '[adapter]\nnic_switch_capabilities = { remove = ["SINGLE_VPORT_POOL"] }'),
        (
            "CAP-21",
            '[adapter]\nndis_version = "6.50"\nnic_switch_capabilities = { add = ["RSS_ON_PF_VPORTS_SUPPORTED"] }',
        ),
        ("CAP-22", '[adapter]\nnic_switch_capabilities = { remove = ["RSS_PER_PF_VPORT_HASH_KEY_SUPPORTED"] }'),
        ("CAP-24", "[adapter]\nmax_num_rss_capable_non_default_pf_vports = 0"),
        ("CAP-25", "[adapter]\nnumber_of_indirection_table_entries_for_default_vport = 48"),
        ("CAP-25", rss("num_indirection_table_entries = 256")),
        (
            "UPD-25",
            rss(
                "indirection_table = [0, 1, 2, 3]",
                adapter="number_of_indirection_table_entries_per_non_default_pf_vport = 2",
            ),
        ),
        ("UPD-06", "[[vport]]\nid = 0\nnum_queue_pairs = 8\n[adapter]\nmax_num_queue_pairs_for_default_vport = 4"),
        ("CAP-29", '[adapter]\nndis_version = "6.60"\ncapabilities_flags = { add = ["HASH_TYPE_UDP_IPV4"] }'),
        (
            "CAP-30",
            '[adapter]\nndis_version = "6.60"\ncapabilities_flags = { add = ["SUPPORTS_INDEPENDENT_ENTRY_MOVE"] }',
        ),
        (
            "CAP-30",
            '[adapter]\nndis_version = "6.60"\n[[event]]\nat_ns = 0\nmove_entries = { indices = 0, target = 0 }',
        ),
        ("CAP-31", "[adapter]\nrss_processors = [1, 2]\nrss_base_processor = 2"),
        ("CAP-31", "[adapter]\nrss_processors = 0"),
        ("CAP-31", '[adapter]\nrss_processors = ["0:64"]'),
        ("CAP-32", "[adapter]\nrss_processors = [1, 1]"),
        ("CAP-32", "[[processor]]\nprocessor = 40"),
        ("CAP-32", "[[processor]]\nprocessor = 4\n[[processor]]\nprocessor = 4"),
        ("OID-01", '[[event]]\nat_ns = 0\noid = { name = "SET_FILTER" }'),
        ("OID-13", '[adapter]\nndis_version = "6.20"'),
        ("OID-13", '[adapter]\nndis_version = "6.1"\ninterface = "vmq"'),
        ("VPT-07", "[[vport]]\nid = 2"),
        ("VPT-07", "[[vport]]\nid = 1\n[[vport]]\nid = 1"),
        ("VPT-07", "[[vport]]\nid = 0\n[[vport]]\nid = 0"),
        ("VPT-10", "[[vport]]\nid = 1\nnum_queue_pairs = 0"),
        (
            "VPT-10",
            "[[vport]]\nid = 1\nnum_queue_pairs = 65\n[adapter]\nmax_num_queue_pairs_per_non_default_vport = 64",
        ),
        ("VPT-11", "[[vport]]\nid = 1\nprocessor_affinity = [99]"),
        ("VPT-11", "[[vport]]\nid = 1\nprocessor_affinity = [17]"),
        ("VPT-11", "[[vport]]\nid = 1\nprocessor_affinity = []"),
        ("VPT-11", '[adapter]\nrss_processors = [0, "1:0"]\n[[vport]]\nid = 1\nprocessor_affinity = [0, "1:0"]'),
        ("VPT-13", "[adapter]\nrss_processors = [2, 3]\nrss_base_processor = 1"),
        ("VPT-15", '[adapter]\nndis_version = "6.50"\n[[vport]]\nid = 1\nnum_queue_pairs = 2'),
        ("QUE-02", '[adapter]\ninterface = "vmq"\n[[queue]]\nid = 2\nprocessor_affinity = [1]'),
        ("QUE-10", '[adapter]\ninterface = "vmq"\n[[queue]]\nid = 1'),
        (
            "QUE-10",
            "[adapter]\ninterface = 'vmq'\nrss_processors = 70\n[[queue]]\nid = 1\nprocessor_affinity = [1, '1:1']",
        ),
        ("QUE-12", '[adapter]\ninterface = "vmq"\nnum_queues = 0\n[[queue]]\nid = 1\nprocessor_affinity = [1]'),
        ("RX-14", '[adapter]\ninterface = "vmq"\n[[queue]]\nid = 0\nprocessor_affinity = [3]'),
        ("FLT-06", "[[vport]]\nid = 1\n[[vport.filter]]"),
        ("FLT-14", "[[vport]]\nid = 1\n[[vport.filter]]\nvlan = 0"),
        ("FLT-15", "[[vport]]\nid = 1\n[[vport.filter]]\nmac = 5"),
        (
            "FLT-19",
            '[adapter]\nndis_version = "6.20"\ninterface = "vmq"\n'
            f"[[queue]]\nid = 1\nprocessor_affinity = [1]\n[[queue.filter]]\nmac = {MAC}\nuntagged_or_zero = false",
        ),
        ("FLT-24", f"[[vport]]\nid = 1\n[[vport.filter]]\nmac = {MAC}\nvlan = 1\nuntagged_or_zero = true"),
        (
            "FLT-26",
            '[adapter]\nsupported_mac_header_fields = ["DEST_ADDR"]\n[[vport]]\nid = 1\n[[vport.filter]]\nvlan = 1',
        ),
        ("FLT-39", f"[adapter]\nmax_mac_header_filters = 0\n[[vport]]\nid = 1\n[[vport.filter]]\nmac = {MAC}"),
        ("RSS-10", '[adapter]\nndis_version = "6.30"\ninterface = "native-rss"\n[native_rss]\ndefault_processor = 1'),
        ("RSS-12", rss('hash_secret_key = "6d5a"')),
        ("UPD-25", rss("indirection_table = [0, 1, 2]")),
        ("UPD-25", rss("indirection_table = [0, 0, 0]")),
        ("RSS-15", rss("indirection_table = [0, 1, 2]", adapter='ndis_version = "6.60"')),
        ("RSS-15", rss("indirection_table = [0, 1, 2, 3]\nnum_indirection_table_entries = 2")),
        ("RSS-17", rss("indirection_table = [0, 8]", adapter='ndis_version = "6.60"\nrss_processors = 8')),
        ("UPD-18", rss("indirection_table = [0, 8]")),
        ("UPD-18", rss("indirection_table = [0]\ndefault_processor = 8")),
        ("RSS-18", rss("indirection_table = [0, 1]", "num_queue_pairs = 1", 'ndis_version = "6.60"')),
        (
            "RSS-18",
            rss("indirection_table = [1, 2]\ndefault_processor = 3", "num_queue_pairs = 2", 'ndis_version = "6.60"'),
        ),
        (
            "RSS-19",
            "[adapter]\nnic_switch_capabilities = { remove = ["
            + ", ".join(f'"RSS_PER_PF_VPORT_HASH_{name}_SUPPORTED"' for name in ("FUNCTION", "TYPE", "KEY"))
            + "] }\n[[vport]]\nid = 1\n[vport.rss]\n[[vport]]\nid = 2\n[vport.rss]\nhash_secret_key = 'symmetric'",
        ),
        (
            "RSS-20",
            rss(
                "indirection_table = [0, 1]",
                adapter='ndis_version = "6.60"\n'
                'nic_switch_capabilities = { add = ["RSS_PER_PF_VPORT_INDIRECTION_TABLE_SIZE_RESTRICTED"] }',
            ),
        ),
        ("RSS-21", rss("indirection_table = [0]", "", 'ndis_version = "6.50"')),
        (
            "RSS-21",
            rss("", "", "max_num_rss_capable_non_default_pf_vports = 1") + "\n[[vport]]\nid = 2\n[vport.rss]",
        ),
        ("RSS-21", "[[event]]\nat_ns = 0\nrss = { vport = 4, enabled = false }"),
        ("UPD-19", rss("indirection_table = [0, 1]", "num_queue_pairs = 1")),
        (
            "UPD-25",
            "[adapter]\ninterface = 'native-rss'\nndis_version = '6.60'\n[native_rss]\n"
            "[[event]]\nat_ns = 0\nrss = { num_queue_pairs = 2 }",
        ),
        (
            "UPD-30",
            rss(
                "indirection_table = [0, 1]",
                adapter='nic_switch_capabilities = { add = ["RSS_PER_PF_VPORT_INDIRECTION_TABLE_SIZE_RESTRICTED"] }',
            ),
        ),
        ("UPD-37", '[[event]]\nat_ns = 0\nmove_entries = { indices = "3-1", target = 0 }'),
        ("UPD-40", "[[event]]\nat_ns = 0\nmove_entries = { indices = 0, target = 40 }"),
        ("UPD-49", '[adapter]\ninterface = "native-rss"\n[[event]]\nat_ns = 0\nrss = { vport = 1, enabled = false }'),
        ("HSH-02", rss('hash_types = ["sctp"]')),
        ("HSH-31", rss('hash_types = ["udp_ipv4"]', adapter='ndis_version = "6.60"')),
        (
            "HSH-31",
            rss('hash_types = ["ipv6_ex"]', adapter='capabilities_flags = { remove = ["HASH_TYPE_TCP_IPV6_EX"] }'),
        ),
        ("HSH-31", rss("hash_types = []", adapter="capabilities_flags = ['Toeplitz']")),
        ("HSH-31", rss("hash_types = []")),
        ("HSH-31", rss("hash_types = []", adapter='ndis_version = "6.60"')),
        ("TIM-03", '[[event]]\nat_ns = -1\noid = { name = "OID_GEN_VLAN_ID" }'),
        ("PRC-01", "[processors]\ndpc_queue_depth = -1"),
        ("PRC-02", "[processors]\nreceive_cost_ns = 1_000_000_001"),
        ("PRC-03", "[[processor]]\nprocessor = 1\ndpc_overhead_ns = 1.5"),
        ("EPO-03", "[update]\ncontrol_latency_ns = -1"),
        ("EPO-06", '[update]\nhand_over = "now"'),
        ("POL-01", "[policy]\ntick_ns = 999"),
        ("POL-01", '[policy]\nname = "my policy"'),
        ("BAL-01", "[run]\nwindow_ns = 999"),
    ],
)
def test_finding_names_the_broken_rule(rule: str, text: str) -> None:
    """Every one of these scenarios is refused, adapters with impossible capabilities included (CAP-36)."""
    assert rule in {finding.rule for finding in findings(text)}, findings(text)


@pytest.mark.parametrize(
    ("adapter", "event", "finding"),
    [
        ("", "hash_types = []", "rss.hash_types: name at least one hash type (HSH-31)"),
        (
            "ndis_version = '6.60'",
            "hash_types = ['udp_ipv4']",
            "rss.hash_types: udp_ipv4 needs the capability HASH_TYPE_UDP_IPV4 (HSH-31)",
        ),
        ("", "indirection_table = [0, 1, 2]", "rss.indirection_table: 3 entries are not a power of two (RSS-15)"),
        (
            "",
            "indirection_table = [0, 1, 0, 1]\nnum_indirection_table_entries = 2",
            "rss.indirection_table: has more than 2 entries (RSS-15)",
        ),
        ("", "indirection_table = [0, 40]", "rss.indirection_table: 0:40 not in rss_processors (RSS-17)"),
        ("", "default_processor = 40", "rss.default_processor: 0:40 not in rss_processors (RSS-17)"),
        (
            "ndis_version = '6.50'\ninterface = 'native-rss'",
            "default_processor = 1",
            "rss.default_processor: can be chosen from NDIS 6.60 on (RSS-10)",
        ),
        ("interface = 'vmq'", "enabled = false", "rss: RSS and VMQ are not used at the same time (MOD-04)"),
        (
            "ndis_version = '6.50'",
            "enabled = false",
            "rss: needs NDIS 6.60 and RSS_ON_PF_VPORTS_SUPPORTED (RSS-21)",
        ),
    ],
)
def test_what_is_wrong_with_an_event(adapter: str, event: str, finding: str) -> None:
    """Only events that no adapter of the scenario could carry out are findings before the traffic."""
    text = f"[adapter]\n{adapter}\n[[event]]\nat_ns = 0\n[event.rss]\n{event}"
    assert [str(one) for one in findings(text)] == [f"[[event]] 1 {finding}"]


@pytest.mark.parametrize(
    "text",
    [
        "[traffic]",
        '[traffic]\ncapture = "a.pcap"\nprofile = "zipf"',
        '[traffic]\ncapture = "a.pcap"\npackets = 3',
        '[traffic]\nprofile = "zipf"\nloop = 3',
        '[traffic]\nprofile = "zipf"\nrate_pps = 0',
        '[traffic]\nprofile = "zipf"\npackets = -1',
        '[traffic]\nprofile = "uniform"\nzipf_s = 1.0',
        '[traffic]\nprofile = "uniform"\nburst_frames = 3',
        '[traffic]\nprofile = "single-flow"\nflows = 3',
        '[traffic]\nprofile = "zipf"\nlengths = "imix:best"',
        '[traffic]\nprofile = "zipf"\nlengths = 13',
        '[traffic]\nprofile = "zipf"\nlengths = "exponential:4097"',
        '[traffic]\nprofile = "zipf"\nlengths = [64]',
        '[traffic]\nprofile = "ziph"',
        '[traffic]\ncapture = "a.pcap"\narrivals = "constant"',
        "[[event]]\nat_ns = 1",
        "[[event]]\nat_ns = 1\nmove_entries = { indices = 0, target = 0 }\nrss = { enabled = false }",
        '[[event]]\nat_ns = 1\noid = { name = "OID_GEN_VLAN_ID", in = {}, in_hex = "" }',
        "[adapter]\nrss_processors = true",
        "adapter = 5",
        "vport = [5]",
        "vport = 5",
        '[run]\nbatch_packets = "many"',
    ],
)
def test_wrong_shapes_are_findings(text: str) -> None:
    """One traffic source, one action for an event, and tables where tables belong."""
    assert findings(text)


def test_refusal_says_what_the_adapter_answers() -> None:
    """A refused request is reported with its place, its rule, the OID and the status (ERR-26, ERR-41, ERR-14)."""
    text = f"""\
[[vport]]
id = 1
name = "web"
processor_affinity = [40]
[[vport]]
id = 2
name = "db"
num_queue_pairs = 1
[[vport.filter]]
mac = {MAC}
vlan = 7
untagged_or_zero = true
[vport.rss]
indirection_table = [0, 1]
"""
    with pytest.raises(ScenarioError) as caught:
        load_scenario(text, name="x.toml")
    assert caught.value.lines[0] == (
        'x.toml:4: [[vport]] 1 "web" processor_affinity: processor 0:40 is not in the RSS processor set: '
        "OID_NIC_SWITCH_CREATE_VPORT fails with NDIS_STATUS_INVALID_PARAMETER (VPT-11)"
    )
    assert caught.value.lines[1] == (
        'x.toml:12: [[vport]] 2 "db" filter 1 untagged_or_zero: UNTAGGED_OR_ZERO together with a VLAN test: '
        "OID_RECEIVE_FILTER_SET_FILTER fails with NDIS_STATUS_INVALID_PARAMETER (FLT-24)"
    )
    assert caught.value.lines[2] == (
        'x.toml:14: [[vport]] 2 "db" rss.indirection_table: 2 processors in use, 1 queues: '
        "OID_GEN_RECEIVE_SCALE_PARAMETERS_V2 fails with NDIS_STATUS_NO_QUEUES (UPD-19)"
    )
    assert len(caught.value.lines) == 3


def test_refused_adapter_names_its_keys() -> None:
    """Every broken capability rule is a finding at its key in the file (CAP-36, CAP-07, CAP-14)."""
    text = "[adapter]\nmax_num_vports = 4\nmax_num_vfs = 4\nmax_lookahead_split_size = 1"
    assert [(f.line, f.table, f.key, f.rule) for f in findings(text)] == [
        (2, "[adapter]", "max_num_vports", "CAP-14"),
        (4, "[adapter]", "max_lookahead_split_size", "CAP-07"),
    ]


@pytest.mark.parametrize(
    ("key", "table"),
    [("rss.indirection_table", "indirection_table = [0, 9]"), ("rss.default_processor", "default_processor = 9")],
)
@pytest.mark.parametrize(("version", "rule"), [("6.60", "RSS-17"), ("6.80", "UPD-18")])
def test_foreign_processors_are_found_where_they_are(key: str, table: str, version: str, rule: str) -> None:
    """The finding is at the key that names the processor, table or default processor (RSS-17, UPD-18)."""
    adapter = f'ndis_version = "{version}"\nrss_processors = 8'
    (finding,) = findings(rss(table, "num_queue_pairs = 8", adapter))
    assert (key, rule) == (finding.key, finding.rule)
    assert "processor 0:9 is not in the RSS processor set" in finding.message


def test_what_only_follows_is_left_out() -> None:
    """A VPort that cannot be created has no other findings, and an exhausted pool is reported once (CAP-14, FLT-39)."""
    rows = "".join(f"[[vport]]\nid = {i}\n[[vport.filter]]\nvlan = {i}\n[vport.rss]\n" for i in range(1, 6))
    few = "[adapter]\nmax_num_vports = 3\n" + rows
    assert [(f.table, f.rule) for f in findings(few)] == [("[[vport]] 3", "CAP-14")]
    no_switch = '[adapter]\nndis_version = "6.20"\n' + rows
    assert [(f.table, f.key, f.rule) for f in findings(no_switch)] == [("[adapter]", "interface", "OID-13")]
    no_filters = "[adapter]\nmax_mac_header_filters = 2\n" + rows
    assert [(f.table, f.key, f.rule) for f in findings(no_filters)] == [("[[vport]] 3", "filter 1", "FLT-39")]
    no_pairs = (
        "[adapter]\nmax_num_queue_pairs_for_default_vport = 2\n[[vport]]\nid = 0\nnum_queue_pairs = 4\n"
        "[vport.rss]\nindirection_table = [0, 1, 2, 3]"
    )
    assert [(f.key, f.rule) for f in findings(no_pairs)] == [("num_queue_pairs", "UPD-06")]


def test_others_go_on_after_a_refusal() -> None:
    """VPorts after a refused one get their own findings, not those of a wrong id (VPT-07, VPT-11, HSH-31)."""
    text = """
[adapter]
capabilities_flags = { remove = ["HASH_TYPE_TCP_IPV6_EX"] }
[[vport]]
id = 1
processor_affinity = [40]
[[vport]]
id = 2
[[vport.filter]]
vlan = 5000
[vport.rss]
hash_types = ["ipv6_ex"]
"""
    assert [(f.table, f.key, f.rule) for f in findings(text)] == [
        ("[[vport]] 1", "processor_affinity", "VPT-11"),
        ("[[vport]] 2", "filter 1 vlan", "FLT-14"),
        ("[[vport]] 2", "rss.hash_types", "HSH-31"),
    ]


def test_impossible_processors_are_not_requested() -> None:
    """If the RSS processors themselves are wrong, there are no other findings about processors (CAP-32, VPT-13)."""
    text = "[adapter]\nrss_processors = [2, 3]\nrss_base_processor = 1\n[[vport]]\nid = 1\nprocessor_affinity = [9]"
    assert [finding.rule for finding in findings(text)] == ["VPT-13"]


def test_wrong_limit_makes_room() -> None:
    """A limit that is not a number is a single finding, however many rows there are (CAP-14)."""
    rows = "".join(f"[[vport]]\nid = {i}\n" for i in range(1, 71))
    assert [finding.key for finding in findings('[adapter]\nmax_num_vports = "many"\n' + rows)] == ["max_num_vports"]


@pytest.mark.parametrize("table", ["vport", "queue"])
def test_name_fits_its_structure(table: str) -> None:
    """A name goes into an NDIS_IF_COUNTED_STRING: 256 characters of UTF-16."""
    interface = {"vport": "switch", "queue": "vmq"}[table]
    head = f'[adapter]\ninterface = "{interface}"\n[[{table}]]\nid = 0\nname = '
    load_scenario(f'{head}"{"x" * 256}"')
    (finding,) = findings(f'{head}"{"x" * 257}"')
    assert (finding.key, finding.message) == ("name", "a name has at most 256 characters, this one has 257")


def test_a_broken_row_hides_nothing_elsewhere() -> None:
    """A VPort without an id neither hides the findings of others nor causes findings about ids."""
    text = "[[vport]]\nname = 'a'\n[[vport]]\nid = 2\nprocessor_affinity = [50]\n[[processor]]\nprocessor = 70\n"
    assert [finding.key for finding in findings(text)] == ["id", "processor_affinity", "processor"]


def test_missing_key_is_reported_at_its_table() -> None:
    """A key that is not there has no line of its own: the line of its table is named."""
    (finding,) = findings("\n\n[[event]]\noid = { name = 'OID_GEN_VLAN_ID' }")
    assert (finding.line, finding.key, finding.message) == (3, "at_ns", "is missing")


def test_file_that_is_not_text(tmp_path: Path) -> None:
    """Bytes that are not UTF-8 are a finding with its line, not a traceback."""
    file = tmp_path / "x.toml"
    for content, found in ((b"\xff\xfe\x00", "1: is not UTF-8 text: byte 0xff"), (b"\n# caf\xe9\n", "2: .* byte 0xe9")):
        file.write_bytes(content)
        with pytest.raises(ScenarioError, match=f"x.toml:{found}"):
            load_scenario(file)


def test_byte_order_mark_is_no_part_of_a_file(tmp_path: Path) -> None:
    """A byte order mark, as editors on Windows write it, is skipped."""
    file = tmp_path / "x.toml"
    file.write_text("name = 'marked'\n", "utf-8-sig")
    assert load_scenario(file).name == "marked"


def test_file_that_is_not_there(tmp_path: Path) -> None:
    """The error of a missing file and of a directory says what to do."""
    with pytest.raises(UserError, match=r"x.toml does not exist; check the name \(looked in /"):
        load_scenario(tmp_path / "x.toml")
    with pytest.raises(UserError, match="is a directory; name a scenario file"):
        load_scenario(tmp_path)


def test_default_name_is_text(tmp_path: Path) -> None:
    """A file name that is not UTF-8 gives the scenario a name that can be written."""
    file = tmp_path / "caf\udce9.toml"
    file.write_text("")
    assert load_scenario(file).name == "caf\N{REPLACEMENT CHARACTER}"
    with pytest.raises(ScenarioError, match="is not UTF-8: give it another"):  # results could not name it
        load_scenario(file, capture=str(file), runs=True)


def test_locate_finds_every_key_of_a_difficult_file() -> None:
    """Headers inside strings and arrays are no headers; dotted and quoted keys are found."""
    lines = locate(
        '"top level" = 1\n'  # 1
        'a.b = """\n[not]\n"""\n'  # 2-4
        "[[t]] # first\n"  # 5
        "x = [\n [1],\n '[[t]]', # ]\n]\n"  # 6-9
        "[t.sub]\n'q' = 1\n"  # 10-11
        "[[t]]\nx = { y = [1] }\nz = 'it''s'\n[t.sub]\nk = 1\n"  # 12-16
    )
    expected = {
        ("top level",): 1,
        ("a", "b"): 2,
        ("t", 0): 5,
        ("t", 0, "x"): 6,
        ("t", 0, "sub"): 10,
        ("t", 0, "sub", "q"): 11,
        ("t", 1): 12,
        ("t", 1, "x"): 13,
        ("t", 1, "z"): 14,
        ("t", 1, "sub", "k"): 16,
    }
    assert expected == {path: lines[path] for path in expected}


ODD_VALUES: list[Any] = [
    None,
    0,
    -1,
    3,
    2**70,
    1.5,
    True,
    "",
    "x",
    "1:16",
    [],
    [[]],
    [0, "x"],
    {},
    {"a": 1},
    [{}],
    [{"id": 1}],
]


@settings(max_examples=150)
@given(seed=st.integers(0, 2**32))
def test_no_document_is_a_traceback(seed: int) -> None:
    """However wrong a document is, the answer is a scenario or findings."""
    draw = random.Random(seed)
    document = copy.deepcopy(BASE)
    for _ in range(draw.randint(1, 4)):
        _spoil(document, draw)
    try:
        load_scenario(toml_text(document))
    except ScenarioError as error:
        refused = error
    else:
        return
    assert all(finding.message for finding in refused.findings)


BASE: dict[str, Any] = tomllib.loads(STARTER_FILE.read_text("utf-8")) | {
    "event": [
        {"at_ns": 1, "move_entries": {"vport": 1, "indices": "0-3", "target": 2}},
        {"at_ns": 2, "rss": {"vport": 1, "indirection_table": [0, 1]}},
        {"at_ns": 3, "oid": {"name": "OID_GEN_VLAN_ID", "in": {"x": 1}}},
    ],
    "processor": [{"processor": 3, "receive_cost_ns": 1}],
    "policy": {"name": "none", "parameters": {"a": [1, {"b": "c"}]}},
}


def _spoil(node: Any, draw: random.Random) -> None:
    """Replace, remove or add a value somewhere below `node`."""
    while True:
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        if not keys:
            return
        key = draw.choice(keys)
        if isinstance(node[key], dict | list) and node[key] and draw.random() < 0.7:
            node = node[key]
            continue
        value = copy.deepcopy(draw.choice(ODD_VALUES))
        if value is None:
            del node[key]
        elif isinstance(node, dict) and draw.random() < 0.2:
            node["odd key"] = value
        else:
            node[key] = value
        return
