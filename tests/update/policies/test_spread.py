"""The policies that do not look at loads: none, round-robin, sprayer."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise

import pytest

from dataplane.ids import ProcessorNumber
from dataplane.update.policies import make_policy
from dataplane.update.policy import Table

from .machine import Machine, VPort, numbers, single


def imbalance(count: int, entries: int) -> Fraction:
    """(max - min) / max of the frames of `count` processors after round-robin, every entry getting one frame."""
    machine = single([1] * entries, count, [0] * entries)
    machine.tick(make_policy("round-robin", {}))
    packets = machine.packets().values()
    return Fraction(max(packets) - min(packets), max(packets))


def entries_for(count: int, times: int) -> int:
    """The smallest table that has `times` as many entries (RSS-15)."""
    return 1 << (times * count - 1).bit_length()


def test_none_wishes_nothing() -> None:
    """The policy none wishes nothing, whatever the loads are."""
    machine = single([1000, 0], 2, [0, 0])
    assert machine.tick(make_policy("none", {})) == []


def test_round_robin_table() -> None:
    """Entry i goes to processor i mod n, once, and again if a request has changed the table."""
    machine = single([1] * 8, 3, [0] * 8)
    policy = make_policy("round-robin", {})
    table = tuple(ProcessorNumber(0, index % 3) for index in range(8))
    assert machine.tick(policy) == [Table(0, table)]
    assert machine.tick(policy) == []
    machine.vports[0].table[5] = ProcessorNumber(0, 0)
    assert machine.tick(policy) == [Table(0, table)]


@pytest.mark.parametrize("count", range(1, 65))
def test_imbalance_of_round_robin(count: int) -> None:
    """(max - min) / max is 0 or 1 / ceil(T / n): at most 1/3 for tables of twice the queues, 1/5 for four times."""
    for times, most in ((2, Fraction(1, 3)), (4, Fraction(1, 5))):
        entries = entries_for(count, times)
        assert imbalance(count, entries) == (Fraction(1, math.ceil(entries / count)) if entries % count else 0)
        assert imbalance(count, entries) <= most


@pytest.mark.parametrize("count", [3, 6, 12, 24, 48])
def test_imbalance_of_three_quarters(count: int) -> None:
    """For n = 3 * 2^k it is exactly 33 % and 16 %, the numbers the Linux documentation gives for 2 and 4 times."""
    assert imbalance(count, entries_for(count, 2)) == Fraction(1, 3)
    assert imbalance(count, entries_for(count, 4)) == Fraction(1, 6)


def test_round_robin_shares_processors() -> None:
    """VPorts with few queues do not all take the first processors: each new one takes the least used processors."""
    processors = numbers(8)
    vports = {vport_id: VPort(2, [processors[0]] * 4, processors[0], [1] * 4) for vport_id in range(7)}
    machine = Machine(processors, vports)
    machine.tick(make_policy("round-robin", {}))
    assert [sorted(vport.used) for vport in vports.values()] == [[processors[0], other] for other in processors[1:]]


def test_round_robin_comes_down_to_the_queues() -> None:
    """Native RSS of generation 1 may use more processors than queues (RSS-26); the plain table does not."""
    processors = numbers(4)
    machine = Machine(processors, {0: VPort(2, list(processors), processors[3], [1] * 4)})
    (wish,) = make_policy("round-robin", {}).rebalance(machine.window())
    assert isinstance(wish, Table)
    assert len({*wish.indirection_table, processors[3]}) == 2


def test_a_table_shorter_than_the_queues_stays() -> None:
    """Two entries on two processors are spread; that the default processor is a third one changes nothing."""
    processors = numbers(3)
    machine = Machine(processors, {0: VPort(3, list(processors[:2]), processors[2], [1] * 2)})
    assert machine.tick(make_policy("round-robin", {})) == []


def test_sprayer_asks_for_nothing_where_there_is_nowhere_to_turn() -> None:
    """A VPort with one processor keeps its table."""
    assert single([1] * 4, 1, [0] * 4).tick(make_policy("sprayer", {})) == []


def test_sprayer_turns() -> None:
    """Every tick moves every entry one processor on, and after n ticks each has been everywhere equally often."""
    machine = single([1000] + [1] * 7, 4, [0] * 8)
    policy = make_policy("sprayer", {})
    seen = []
    for _ in range(8):
        machine.tick(policy)
        seen.append([processor.number for processor in machine.vports[0].table])
    assert seen[0] == [1, 2, 3, 0] * 2, "the plain table, one on"
    for before, after in pairwise(seen):
        assert after == [(number + 1) % 4 for number in before]
    assert [sorted(column) for column in zip(*seen, strict=True)] == [[0, 0, 1, 1, 2, 2, 3, 3]] * 8
