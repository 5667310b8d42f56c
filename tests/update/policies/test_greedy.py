"""least-loaded and lpt."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataplane.ids import ProcessorNumber
from dataplane.update.policies import make_policy
from dataplane.update.policy import Move, Table

from .machine import LENGTH_NS, Machine, VPort, numbers, single


def longest_first(packets: list[int], count: int) -> int:
    """Graham's rule as in the textbook: the highest load."""
    load = [0] * count
    for work in sorted(packets, reverse=True):
        load[load.index(min(load))] += work
    return max(load)


def best_possible(packets: list[int], count: int) -> int:
    """The lowest possible highest load, by trying everything."""
    return min(
        max(
            sum(work for work, place in zip(packets, places, strict=True) if place == number) for number in range(count)
        )
        for places in product(range(count), repeat=len(packets))
    )


@given(st.lists(st.integers(0, 50), min_size=4, max_size=7), st.integers(2, 3))
@settings(max_examples=30)
def test_lpt_bound(packets: list[int], count: int) -> None:
    """At most (4/3 - 1/(3n)) of the best; and what the textbook rule gives."""
    machine = single(packets, count, [0] * len(packets))
    machine.tick(make_policy("lpt", {"threshold": 0}))
    highest = max(machine.packets().values())
    assert highest == longest_first(packets, count)
    assert 3 * count * highest <= (4 * count - 1) * best_possible(packets, count)


def test_lpt_keeps_tables_for_little_gain() -> None:
    """74 against 30, where 54 against 50 is possible, a gain of 27 %: taken if the threshold is not higher."""
    packets, uneven = [30, 30, 20, 20, 4], [0, 1, 0, 0, 0]
    assert single(packets, 2, uneven).tick(make_policy("lpt", {"threshold": 0.28})) == []
    machine = single(packets, 2, uneven)
    assert machine.tick(make_policy("lpt", {"threshold": 0.27})) != []
    assert max(machine.packets().values()) == 54
    assert machine.tick(make_policy("lpt", {"threshold": 0})) == []
    quarter = single([40, 20, 20, 40], 2, [0, 0, 0, 1])  # 80 against 40 where 60 and 60 are possible
    assert quarter.tick(make_policy("lpt", {"threshold": 0.25})) != [], "at least the threshold"


def test_lpt_leaves_entries_where_it_can() -> None:
    """Among equally loaded processors an entry stays where it is: one of three equal ones moves, no other."""
    (wish,) = single([10] * 4, 2, [0, 0, 0, 1]).tick(make_policy("lpt", {}))
    assert wish == Table(0, tuple(ProcessorNumber(0, number) for number in (0, 1, 0, 1)))


def test_least_loaded_moves_what_fits_best() -> None:
    """Of 60 against 10 the 30 and the 20 both leave a maximum of 40, the 10 leaves 50; the lower index goes."""
    machine = single([10, 30, 20, 10], 2, [0, 0, 0, 1])
    assert machine.tick(make_policy("least-loaded", {"moves_max": 1})) == [Move(0, (1,), ProcessorNumber(0, 1))]


def test_least_loaded_stops() -> None:
    """After `moves_max` entries in a tick, and at all when the maximum is within `threshold` of the mean."""
    policy = make_policy("least-loaded", {"moves_max": 3, "threshold": 0.2})
    machine = single([10] * 20, 2, [0] * 20)
    moved = [sum(len(wish.indices) for wish in machine.tick(policy) if isinstance(wish, Move)) for _ in range(5)]
    assert moved == [3, 3, 2, 0, 0]  # 12 entries of 20 are 1.2 times the mean


def test_work_or_packets() -> None:
    """Entries of large frames weigh more by work, all the same by packets."""
    processors = numbers(2)
    machine = Machine(processors, {0: VPort(2, [processors[0]] * 2 + [processors[1]] * 2, processors[0], [10] * 4)})
    window = machine.window()
    window.vports[0].busy_ns.flags.writeable = True
    window.vports[0].busy_ns[:2] *= 5
    assert list(make_policy("least-loaded", {"moves_max": 1}).rebalance(window)) == [Move(0, (0,), processors[1])]
    assert list(make_policy("least-loaded", {"measure": "packets"}).rebalance(window)) == []


@pytest.mark.parametrize("name", ["least-loaded", "lpt"])
def test_drops_count_as_work(name: str) -> None:
    """A saturated processor counts with its offered load, not with what it could serve."""
    machine = single([500] * 8, 2, [0] * 6 + [1] * 2)
    machine.cost_ns = LENGTH_NS // 1_000
    assert [row.load for row in machine.window().processors] == [1, 1]
    machine.tick(make_policy(name, {}))
    assert {*machine.packets().values()} == {2_000}


def test_nothing_served_is_not_nothing_to_do() -> None:
    """Entries whose processor dropped all their frames count with the mean cost."""
    processors = numbers(2)
    machine = Machine(processors, {0: VPort(2, [processors[0]] * 4, processors[1], [10] * 4)}, rest={processors[1]: 10})
    window = machine.window()
    blocked = type(window.processors[0])(processors[0], 40, 40, LENGTH_NS // machine.cost_ns, LENGTH_NS, 1.0, 1024)
    idle = type(window)(0, 0, LENGTH_NS, (blocked, window.processors[1]), window.vports)
    window.vports[0].busy_ns.flags.writeable = True
    window.vports[0].busy_ns[:] = 0
    assert list(make_policy("least-loaded", {}).rebalance(idle)) == [Move(0, (0,), processors[1])]
