"""What holds for each policy that comes with the model."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings

from dataplane.update.policies import POLICIES, make_policy
from dataplane.update.policy import LoadWindow

from .machine import Machine, machines, single

#: Parameters under which the policies are as restless as they can be.
EAGER: dict[str, dict[str, Any]] = {
    "least-loaded": {"threshold": 0, "moves_max": 1000},
    "lpt": {"threshold": 0},
    "rsspp": {"threshold": 0},
    "dynamic-vmmq": {"coalesce_ticks": 1, "coalesce_load": 0.79},
}
RESTING = [name for name in POLICIES if name != "sprayer"]
BALANCING = ["least-loaded", "lpt", "rsspp"]


@pytest.mark.parametrize("parameters", [{}, EAGER], ids=["defaults", "eager"])
@pytest.mark.parametrize("name", POLICIES)
@given(machine=machines())
@settings(max_examples=40)
def test_wishes_are_legal(name: str, parameters: dict[str, dict[str, Any]], machine: Machine) -> None:
    """Wishes name only RSS processors, and never more than queues, whatever part of them is carried out first.

    `Machine.carry_out` checks this (UPD-40, UPD-41).
    """
    policy = make_policy(name, parameters.get(name, {}))
    for _ in range(4):
        machine.tick(policy)


@pytest.mark.parametrize("name", POLICIES)
@given(machine=machines())
@settings(max_examples=20)
def test_same_loads_same_wishes(name: str, machine: Machine) -> None:
    """Two objects that see the same windows have the same wishes and the same next tick (POL-02, ENG-01)."""
    other = copy.deepcopy(machine)
    first, second = make_policy(name, EAGER.get(name, {})), make_policy(name, EAGER.get(name, {}))
    for _ in range(3):
        assert machine.tick(first) == other.tick(second)
        assert first.next_tick_ns == second.next_tick_ns


@pytest.mark.parametrize("name", RESTING)
@given(machine=machines(saturated=False))
@settings(max_examples=40)
def test_constant_load_comes_to_rest(name: str, machine: Machine) -> None:
    """If nothing changes, only the sprayer keeps moving entries; no table recurs."""
    policy = make_policy(name, EAGER.get(name, {}))
    seen, quiet = [[list(vport.table) for vport in machine.vports.values()]], 0
    for _ in range(60):
        quiet = 0 if machine.tick(policy) else quiet + 1
        tables = [list(vport.table) for vport in machine.vports.values()]
        assert tables == seen[-1] or tables not in seen
        seen.append(tables)
    assert quiet > 3


@pytest.mark.parametrize("name", BALANCING)
@given(machine=machines(saturated=False))
@settings(max_examples=40)
def test_balancing_never_raises_the_maximum(name: str, machine: Machine) -> None:
    """Under constant load no processor gets more than the busiest one had before."""
    policy = make_policy(name, EAGER[name])
    for _ in range(8):
        before = max(machine.packets().values())
        machine.tick(policy)
        assert max(machine.packets().values()) <= before


@pytest.mark.parametrize("name", BALANCING)
def test_balancing_balances(name: str) -> None:
    """Many entries of different weight that all begin on one of four processors end up even, within 5 %."""
    machine = single([1 + index * 37 % 101 for index in range(128)], 4, [0] * 128)
    machine.cost_ns *= 2  # one processor is just enough
    policy = make_policy(name, EAGER[name])
    for _ in range(20):
        machine.tick(policy)
    assert machine.max_over_mean() < 1.05


@pytest.mark.parametrize("name", BALANCING)
def test_vports_share_the_processors(name: str) -> None:
    """Two VPorts on the same two of four processors end up even, although each alone is even from the start."""
    machine = single([10] * 16, 4, [0, 1] * 8)
    machine.vports[1] = copy.deepcopy(machine.vports[0])
    policy = make_policy(name, {})
    for _ in range(10):
        machine.tick(policy)
    assert machine.max_over_mean() == 1


@pytest.mark.parametrize("name", BALANCING)
def test_load_without_entries_counts(name: str) -> None:
    """Entries leave a processor that is busy with work that no table steers."""
    machine = single([10] * 16, 2)
    machine.rest = {machine.processors[0]: 80}
    machine.cost_ns = 6_000
    policy = make_policy(name, EAGER[name])
    for _ in range(10):
        machine.tick(policy)
    assert machine.packets() == {machine.processors[0]: 120, machine.processors[1]: 120}


@pytest.mark.parametrize("name", POLICIES)
@pytest.mark.parametrize("count", [10, 12, 16])
def test_elephant(name: str, count: int) -> None:
    """No table spreads one entry: with 11 % of the frames in one flow max/mean is at least 0.11 n on n processors."""
    machine = single([1_100] + [8_900 // 127] * 126 + [8_900 - 126 * (8_900 // 127)], count)
    policy = make_policy(name, EAGER.get(name, {}))
    for _ in range(8):
        machine.tick(policy)
        assert machine.max_over_mean() >= 0.11 * count


def test_elephant_bound_is_reached() -> None:
    """Up to nine processors the elephant does not matter; with more, its processor serves it alone and is the bound."""
    ratios = {}
    for count in (8, 9, 10, 12, 16):
        machine = single([1_100] + [8_900 // 127] * 126 + [8_900 - 126 * (8_900 // 127)], count)
        machine.tick(make_policy("lpt", {"threshold": 0}))
        ratios[count] = machine.max_over_mean()
    assert ratios[8] < 1.06
    assert ratios[9] < 1.06
    assert [ratios[count] for count in (10, 12, 16)] == pytest.approx([1.1, 1.32, 1.76])


@pytest.mark.parametrize("name", POLICIES)
def test_nothing_to_see(name: str) -> None:
    """A window without VPorts, or without frames, is no error."""
    policy = make_policy(name, {})
    assert list(policy.rebalance(LoadWindow(0, 0, 1_000, (), ()))) == []
    machine = single([0] * 4, 2)
    for _ in range(5):
        machine.tick(policy)
