"""Reading a scenario: accepted input, and the values of all defaults."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from dataplane.ids import NdisVersion, ProcessorNumber
from dataplane.scenario.findings import ScenarioError
from dataplane.scenario.load import load_scenario
from dataplane.scenario.model import ProcessorCosts, Scenario


def processors(*numbers: int) -> tuple[ProcessorNumber, ...]:
    """Processors of group 0."""
    return tuple(ProcessorNumber(0, n) for n in numbers)


def vport(text: str, adapter: str = "") -> Scenario:
    """A scenario with one VPort."""
    return load_scenario(f"[adapter]\n{adapter}\n[[vport]]\nid = 1\n{text}")


def test_empty_file_is_a_scenario() -> None:
    """Nothing is required: the most capable NIC, 16 RSS processors (CAP-33), promiscuous (MOD-12)."""
    scenario = load_scenario("")
    adapter = scenario.adapter
    assert NdisVersion(6, 80) == adapter.ndis_version
    assert processors(*range(16)) == adapter.rss_processors
    assert adapter.packet_filter == ("promiscuous",)
    assert adapter.has_rss_v2
    assert adapter.has_vmmq
    assert "VLAN_ID" in adapter.supported_mac_header_fields
    assert not adapter.has_restricted_tables
    assert ProcessorCosts() == scenario.processors
    assert scenario.traffic is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3", processors(0, 1, 2)),
        ('["0:2", 4, "1:0"]', (*processors(2, 4), ProcessorNumber(1, 0))),
        ("66", (*processors(*range(64)), ProcessorNumber(1, 0), ProcessorNumber(1, 1))),
    ],
)
def test_rss_processors(text: str, expected: tuple[ProcessorNumber, ...]) -> None:
    """A count means the first processors of the machine, 64 in a group; a list is taken as it is (CAP-31)."""
    adapter = load_scenario(f"[adapter]\nrss_processors = {text}").adapter
    assert expected == adapter.rss_processors
    assert min(expected) == adapter.rss_base_processor
    assert max(expected) == adapter.rss_max_processor


def test_limits_grow_with_the_processors_however_they_are_listed() -> None:
    """A count and the list of the same processors make the same adapter, with a message and a queue for each."""
    listed = ", ".join(f'"{number // 64}:{number % 64}"' for number in range(100))
    by_count, by_list = (
        load_scenario(f"[adapter]\nrss_processors = {text}").adapter for text in ("100", f"[{listed}]")
    )
    assert by_count == by_list
    assert (by_list.number_of_interrupt_messages, by_list.number_of_receive_queues) == (100, 100)
    assert by_list.max_num_rss_capable_non_default_pf_vports == by_list.max_num_vports - 1


def test_affinities_by_default() -> None:
    """The default VPort has the base processor, others all RSS processors of the base's group (VPT-11, VPT-13)."""
    scenario = load_scenario("[adapter]\nrss_processors = 66\n[[vport]]\nid = 0\n[[vport]]\nid = 1")
    assert [vport.processor_affinity for vport in scenario.vports] == [processors(0), processors(*range(64))]


def test_filter_without_vlan_takes_untagged_frames_only_by_default() -> None:
    """UNTAGGED_OR_ZERO is the default of a MAC filter (FLT-18), never of one with a VLAN (FLT-22, FLT-27)."""
    scenario = vport(
        """
        [[vport.filter]]
        mac = "00:15:5d:01:02:01"
        [[vport.filter]]
        mac = "00:15:5d:01:02:01"
        vlan = 5
        [[vport.filter]]
        vlan = 6
        [[vport.filter]]
        mac = "00:15:5d:01:02:02"
        untagged_or_zero = false
        """
    )
    assert [item.untagged_or_zero for item in scenario.vports[0].filters] == [True, False, False, False]


def test_indirection_table_is_repeated_to_its_number_of_entries() -> None:
    """Three processors fill eight entries in turn; without a number the list is the table (RSS-13, RSS-15)."""
    rss = vport("[vport.rss]\nindirection_table = [3, 1, 2]\nnum_indirection_table_entries = 8").vports[0].rss
    assert rss
    assert processors(3, 1, 2, 3, 1, 2, 3, 1) == rss.indirection_table
    rss = vport("[vport.rss]\nindirection_table = [3, 1]").vports[0].rss
    assert rss
    assert rss.num_indirection_table_entries == 2


def test_rss_table_alone_enables_rss_with_windows_defaults() -> None:
    """Microsoft's key, all but the extension hash types, 128 entries over the affinity, default = primary (RSS-02)."""
    one = vport("num_queue_pairs = 2\nprocessor_affinity = [5, 4, 6]\n[vport.rss]").vports[0]
    assert one.rss
    assert one.rss.hash_secret_key.startswith("6d5a56da")
    assert one.rss.hash_types == ("ipv4", "tcp_ipv4", "udp_ipv4", "ipv6", "tcp_ipv6", "udp_ipv6")
    assert processors(4, 5) * 64 == one.rss.indirection_table
    assert ProcessorNumber(0, 4) == one.rss.default_processor == one.primary_processor


def test_hash_types_before_ndis_6_80_leave_udp_out() -> None:
    """UDP hash types exist from NDIS 6.80 on, so they are no default before (HSH-31, CAP-29)."""
    rss = vport("[vport.rss]\nindirection_table = [0]", 'ndis_version = "6.60"').vports[0].rss
    assert rss
    assert rss.hash_types == ("ipv4", "tcp_ipv4", "ipv6", "tcp_ipv6")


def test_random_keys_follow_from_the_seed_and_differ_between_vports() -> None:
    """The same seed gives the same keys, another seed others, and no two VPorts share one (RSS-01, ENG-05)."""
    text = """
    [[vport]]
    id = 1
    rss = { hash_secret_key = "random" }
    [[vport]]
    id = 2
    rss = { hash_secret_key = "random" }
    [run]
    seed = %d
    """

    def keys(seed: int) -> list[bytes]:
        return [one.rss.key for one in load_scenario(text % seed).vports if one.rss]

    assert keys(1) == keys(1)
    assert len({*keys(1), *keys(2)}) == 4
    assert {40} == {len(key) for key in keys(1)}


def test_limits_are_large_enough_for_what_is_listed() -> None:
    """70 VPorts, 300 filters and 80 queue pairs need no limits in the file (CAP-14, CAP-15, CAP-17, FLT-39)."""
    filters = "".join(f'[[vport.filter]]\nmac = "00:15:5d:00:{n // 256:02x}:{n % 256:02x}"\n' for n in range(2, 302))
    rows = "".join(f"[[vport]]\nid = {n}\n" for n in range(2, 71))
    adapter = load_scenario(f"[[vport]]\nid = 1\nnum_queue_pairs = 80\n{filters}{rows}").adapter
    assert adapter.max_num_vports >= 71
    assert adapter.max_num_queue_pairs_per_non_default_vport == 128
    assert adapter.max_mac_header_filters >= 300


def test_queue_without_affinity_is_only_the_default_queue() -> None:
    """The default queue may be listed for its filters; the RSS base processor serves it (RX-14)."""
    scenario = load_scenario(
        '[adapter]\ninterface = "vmq"\nrss_processors = [4, 5]\n'
        '[[queue]]\nid = 0\nfilter = [{ mac = "00:15:5d:00:00:01" }]\n[[queue]]\nid = 1\nprocessor_affinity = [7, 5]'
    )
    assert [ProcessorNumber(0, 4), ProcessorNumber(0, 5)] == [queue.processor for queue in scenario.queues]
    assert processors(4, 5) == scenario.used_processors


def test_processor_table_overrides_some_costs() -> None:
    """A [[processor]] table changes what it names and keeps the rest of [processors] (PRC-02)."""
    scenario = load_scenario(
        "[processors]\nreceive_cost_ns = 700\ndpc_queue_depth = 9\n[[processor]]\nprocessor = 3\nreceive_cost_ns = 0"
    )
    assert ProcessorCosts(receive_cost_ns=700, dpc_queue_depth=9) == scenario.costs(ProcessorNumber(0, 2))
    assert ProcessorCosts(receive_cost_ns=0, dpc_queue_depth=9) == scenario.costs(ProcessorNumber(0, 3))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('"0-3"', (0, 1, 2, 3)),
        ('"7,0-1"', (0, 1, 7)),
        ("5", (5,)),
        ("[9, 2]", (2, 9)),
        ('"default"', "default"),
        ('"primary"', "primary"),
    ],
)
def test_indices_of_moves(text: str, expected: object) -> None:
    """Ranges, lists and the two special parameters name what moves (UPD-37)."""
    event = load_scenario(f"[[event]]\nat_ns = 1\nmove_entries = {{ indices = {text}, target = 3 }}").events[0]
    assert event.move_entries
    assert expected == event.move_entries.indices


def test_capability_flags_can_be_changed_against_the_default() -> None:
    """With `add` and `remove` the file need not list the flags that stay (CAP-22, CAP-23)."""
    adapter = load_scenario(
        """
        [adapter.nic_switch_capabilities]
        add = ["rss_per_pf_vport_indirection_table_size_restricted"]
        remove = ["VLAN_SUPPORTED"]
        """
    ).adapter
    assert adapter.has_restricted_tables
    assert "VLAN_SUPPORTED" not in adapter.nic_switch_capabilities
    assert "SINGLE_VPORT_POOL" in adapter.nic_switch_capabilities


def test_file_gives_name_and_base_of_captures(tmp_path: Path) -> None:
    """A scenario without a name is called like its file, and captures are looked up next to it."""
    file = tmp_path / "lunch-hour.toml"
    file.write_text('[traffic]\ncapture = "trace.pcap"')
    scenario = load_scenario(file)
    assert scenario.name == "lunch-hour"
    assert scenario.traffic
    assert str(tmp_path / "trace.pcap") == scenario.traffic.capture


def test_standard_input_stays_standard_input() -> None:
    """`-` is standard input, not a file next to the scenario."""
    scenario = load_scenario('[traffic]\ncapture = "-"')
    assert scenario.traffic
    assert scenario.traffic.capture == "-"


def test_seed_of_the_command_replaces_that_of_the_file() -> None:
    """Random keys follow the seed that is used, not the one that was replaced (ENG-05)."""
    text = 'vport = [{ id = 1, rss = { hash_secret_key = "random" } }]\nrun = { seed = %d }'
    assert load_scenario(text % 1, seed=7) == load_scenario(text % 7)


def test_capture_of_the_command_replaces_the_source(tmp_path: Path) -> None:
    """The file's source makes room, transmit steering stays; the path is relative to the working directory."""
    file = tmp_path / "x.toml"
    file.write_text('[traffic]\nprofile = "zipf"\npackets = 5\ntransmit = "by-source-mac"')
    traffic = load_scenario(file, capture="a.pcap").traffic
    assert traffic
    assert (traffic.capture, traffic.profile, traffic.packets) == (str(Path("a.pcap").resolve()), None, None)
    assert traffic.transmit == "by-source-mac"
    traffic = load_scenario("", capture="-").traffic
    assert traffic
    assert traffic.capture == "-"


def test_traffic_seed_follows_the_run_seed() -> None:
    """Synthetic frames change with the seed of the run unless they have one of their own (ENG-05)."""
    text = '[traffic]\nprofile = "uniform"\n%s\n[run]\nseed = 5'
    seeds = [traffic.seed for line in ("", "seed = 3") if (traffic := load_scenario(text % line).traffic)]
    assert seeds == [5, 3]


def test_scenario_travels_between_processes() -> None:
    """A loaded scenario can be pickled: the Ray engine opens its source in another process."""
    scenario = load_scenario("vport = [{ id = 1, rss = {} }]\ntraffic = { profile = 'zipf' }")
    assert pickle.loads(pickle.dumps(scenario)) == scenario


def test_findings_of_different_kinds_come_together() -> None:
    """Wrong values, keys that exclude each other, policies and OIDs are all found at once."""
    text = """
[traffic]
capture = "missing.pcap"
profile = "zipf"
packets = -1
[[event]]
at_ns = -5
oid = { name = "OID_GEN_VLAN_ID" }
rss = { enabled = false }
[[event]]
at_ns = 5
oid = { name = "OID_FOO" }
[policy]
name = "nopolicy"
tick_ns = 0
"""
    with pytest.raises(ScenarioError) as caught:
        load_scenario(text)
    assert [line.partition(": ")[0::2] for line in caught.value.lines] == [
        ("scenario:2", "[traffic]: needs exactly one of capture and profile: both are given"),
        ("scenario:5", "[traffic] packets: must be at least 0, not -1"),
        ("scenario:6", "[[event]] 1: needs exactly one of move_entries, rss and oid: rss and oid are given"),
        ("scenario:7", "[[event]] 1 at_ns: must be at least 0, not -5 (TIM-03)"),
        ("scenario:12", "[[event]] 2 oid: name: OID_FOO is not known; write its code as 0x........"),
        (
            "scenario:14",
            "[policy] name: there is no policy 'nopolicy'; known are none round-robin least-loaded lpt rsspp "
            'dynamic-vmmq sprayer and "package.module:Class" (POL-01)',
        ),
        ("scenario:15", "[policy] tick_ns: must be at least 1000, not 0 (POL-01)"),
    ]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", ["scenario: there is no [traffic]: give it a capture or a profile (vmmq run also takes --capture FILE)"]),
        ('[traffic]\ncapture = "/no/such.pcap"', ["scenario:2: [traffic] capture: there is no capture /no/such.pcap"]),
        (
            '[traffic]\nprofile = "zipf"\n[policy]\nname = "no.such:Policy"',
            ["scenario:4: [policy] name: policy 'no.such"],
        ),
        ('[traffic]\ncapture = "-"', []),
    ],
)
def test_what_only_a_run_needs(text: str, found: list[str]) -> None:
    """A policy that is checked only if the scenario is to be run."""
    load_scenario(text)
    if not found:
        load_scenario(text, runs=True)
        return
    with pytest.raises(ScenarioError) as caught:
        load_scenario(text, runs=True)
    for line, start in zip(caught.value.lines, found, strict=True):
        assert line.startswith(start)


@pytest.mark.parametrize(
    ("policy", "why"),
    [
        ('name = "none"\nparameters = { x = 1 }', "policy none has no parameter x; it has none"),
        (
            'name = "rsspp"\nparameters = { treshold = 1 }',
            "policy rsspp has no parameter treshold; did you mean threshold?",
        ),
    ],
)
def test_parameters_of_a_policy(policy: str, why: str) -> None:
    """Parameters that a policy does not have are findings with their line, of `none` as well (POL-01)."""
    with pytest.raises(ScenarioError) as caught:
        load_scenario(f"[policy]\n{policy}")
    assert caught.value.lines == [f"scenario:3: [policy] parameters: {why} (POL-01)"]


def test_every_unknown_parameter_is_a_finding() -> None:
    """All unknown parameters are reported, one line each."""
    with pytest.raises(ScenarioError) as caught:
        load_scenario('[policy]\nname = "sprayer"\nparameters = { x = 1, y = 2 }')
    starts = [f"scenario:3: [policy] parameters: policy sprayer has no parameter {name}" for name in "xy"]
    assert caught.value.lines == [f"{start}; it has none (POL-01)" for start in starts]


@pytest.mark.parametrize("indices", ["\u0663", "1-", "-1", "1_0", "+1", "1-2-3", ""])
def test_indices_are_plain_numbers(indices: str) -> None:
    """Only ranges in the documented form are accepted (UPD-37)."""
    with pytest.raises(ScenarioError, match="are no indices"):
        load_scenario(f'[[event]]\nat_ns = 0\nmove_entries = {{ indices = "{indices}", target = 0 }}')
