"""One scenario, larger or smaller."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataplane.errors import UserError
from dataplane.scale.variants import AXES, Base, load_base, variant_problems, variant_text
from dataplane.scenario.load import load_scenario
from dataplane.scenario.model import Scenario
from tests.scale.examples import SCENARIO, written

NATIVE = """
[adapter]
interface = "native-rss"
[native_rss]
indirection_table = [0, 1]
num_indirection_table_entries = 32
[traffic]
profile = "uniform"
"""
QUEUES = """
[adapter]
interface = "vmq"
[[queue]]
id = 1
processor_affinity = [2]
  [[queue.filter]]
  mac = "00:15:5d:01:02:01"
[[queue]]
id = 2
processor_affinity = [3]
  [[queue.filter]]
  mac = "00:15:5d:01:02:02"
[traffic]
profile = "uniform"
"""
RESTRICTED = SCENARIO.replace(
    "[adapter]",
    "[adapter]\nnic_switch_capabilities = { add = ['RSS_PER_PF_VPORT_INDIRECTION_TABLE_SIZE_RESTRICTED'] }",
).replace("entries = 64", "entries = 4")


@pytest.fixture
def base(tmp_path: Path) -> Base:
    """The small scenario."""
    return load_base(written(tmp_path))


def variant(base: Base, axis: str, value: int) -> Scenario:
    """The changed scenario, loaded with all its checks."""
    return load_scenario(variant_text(base, axis, value))


@settings(max_examples=30)
@given(count=st.integers(1, 200), text=st.sampled_from([SCENARIO, NATIVE, QUEUES, RESTRICTED]))
def test_any_number_of_processors_is_a_scenario(
    tmp_path_factory: pytest.TempPathFactory, count: int, text: str
) -> None:
    """The adapter accepts the variant; tables and queues use as many processors as they can, and only existing ones."""
    base = load_base(written(tmp_path_factory.mktemp("scenario"), text))
    scenario = variant(base, "processors", count)
    assert len(scenario.adapter.rss_processors) == count
    assert set(scenario.used_processors) <= set(scenario.adapter.rss_processors)
    for vport in scenario.vports:
        if vport.rss is not None:
            pairs = min(count, 64)  # queue pairs that the adapter has for a VPort
            assert vport.num_queue_pairs == pairs
            assert len(set(vport.rss.indirection_table)) == pairs
    if scenario.native_rss is not None:
        assert len(set(scenario.native_rss.indirection_table)) == min(count, 32)


def test_tables_begin_where_the_one_before_ended(base: Base) -> None:
    """Processors are given in turn: VPort 2, without RSS, gets the processor after those of VPort 1's table."""
    scenario = variant(base, "processors", 100)
    first, second = scenario.vports
    assert first.rss is not None
    assert [str(p) for p in first.rss.indirection_table[62:64]] == ["0:62", "0:63"]
    assert [str(p) for p in second.processor_affinity] == ["1:0"]


def test_processors_that_are_no_more_have_no_costs(base: Base) -> None:
    """[[processor]] tables stay while their processors do."""
    assert len(variant(base, "processors", 4).processor_overrides) == 1
    assert not variant(base, "processors", 2).processor_overrides


def test_vports_and_filters_have_addresses_of_their_own(base: Base) -> None:
    """A variant has the requested number of VPorts and filters, each with its own address."""
    vports = variant(base, "vports", 50).vports
    assert len(vports) == len({vport.filters[0].mac for vport in vports}) == 50
    assert len({vport.rss for vport in vports}) == 1, "all are like the first"
    filters = [item.mac for vport in variant(base, "filters", 51).vports for item in vport.filters]
    assert len(filters) == len(set(filters)) == 51


def test_other_axes_change_one_thing(base: Base) -> None:
    """Variants of packets, flows or entries change nothing else."""
    packets, flows, entries = (variant(base, *change) for change in (("packets", 5), ("flows", 6), ("entries", 2)))
    assert packets.traffic is not None
    assert flows.traffic is not None
    assert (packets.traffic.packets, packets.traffic.flows) == (5, 100)
    assert (flows.traffic.packets, flows.traffic.flows) == (2_000, 6)
    rss = entries.vports[0].rss
    assert rss is not None
    assert [p.number for p in rss.indirection_table] == [0, 1]


def test_nics_and_repeats_have_seeds_of_their_own(tmp_path: Path) -> None:
    """No two seeds are equal, the first is the scenario's, and a seed of [traffic] grows with that of [run]."""
    base = load_base(written(tmp_path, SCENARIO.replace("[run]", "seed = 70\n[run]")))
    loaded = {
        (repeat, nic): load_scenario(variant_text(base, None, None, repeat=repeat, nic=nic))
        for repeat in range(3)
        for nic in range(3)
    }
    seeds = {key: scenario.run.seed for key, scenario in loaded.items()}
    assert seeds[0, 0] == 7
    assert seeds[2, 0] == 9
    assert len(set(seeds.values())) == 9
    assert all(one.traffic is not None and one.traffic.seed == one.run.seed + 63 for one in loaded.values())


def test_what_the_adapter_refuses_is_told(tmp_path: Path) -> None:
    """Limits in the file stay: a variant with more queue pairs is a finding, with its rule."""
    text = SCENARIO.replace("[adapter]", "[adapter]\nmax_num_vports = 4\nmax_num_queue_pairs = 6")
    base = load_base(written(tmp_path, text))
    assert not variant_problems(base, "processors", 4)
    [problem] = variant_problems(base, "processors", 16)
    assert "with processors = 16: [[vport]] 1" in problem
    assert "17 queue pairs wanted, the NIC has 6" in problem
    assert "CAP-20" in problem
    assert all("with vports = 50: " in problem for problem in variant_problems(base, "vports", 50))
    assert variant_problems(base, "vports", 50)


@pytest.mark.parametrize("axis", ["entries", "vports", "filters"])
def test_there_must_be_something_to_grow(tmp_path: Path, axis: str) -> None:
    """A scenario without VPorts has no tables or filters to multiply."""
    base = load_base(written(tmp_path, '[traffic]\nprofile = "uniform"\n'))
    assert len(variant_problems(base, axis, 2)) == 1


def test_a_scenario_must_be_readable_again(tmp_path: Path) -> None:
    """Standard input can be read only once, and without traffic there is nothing to measure."""
    with pytest.raises(UserError, match="cannot be read again"):
        load_base(written(tmp_path, '[traffic]\ncapture = "-"\n'))
    with pytest.raises(UserError, match=r"no \[traffic\]"):
        load_base(written(tmp_path, 'name = "still"\n'))


def test_the_default_values_are_possible() -> None:
    """The default values of every axis ascend and are within its limit."""
    for axis in AXES.values():
        assert list(axis.values) == sorted(set(axis.values))
        assert axis.values[-1] <= axis.highest
