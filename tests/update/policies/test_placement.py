"""What policies share: entries that are moved about in thought."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from dataplane.ids import ProcessorNumber
from dataplane.update.policies.placement import Placement
from dataplane.update.policy import Move, Table

from .machine import single

COUNT = 3
P = [ProcessorNumber(0, number) for number in range(COUNT)]


@given(
    st.lists(st.integers(0, 4), min_size=8, max_size=8),
    st.lists(st.integers(0, COUNT - 1), min_size=8, max_size=8),
    st.lists(st.tuples(st.integers(0, 7), st.sampled_from(P)), max_size=12),
)
def test_moves_in_thought(packets: list[int], table: list[int], moves: list[tuple[int, ProcessorNumber]]) -> None:
    """Loads and busy entries are those of the table that results; wishes are its differences to that of the window."""
    machine = single(packets, COUNT, table)
    placement = Placement(machine.window(), "packets")
    expected = [P[number] for number in table]
    for index, target in moves:
        placement.move(placement.entries(0)[index], target)
        expected[index] = target
    assert [placement.place(entry) for entry in placement.entries(0)] == expected
    for processor in P:
        mine = [(index, work) for index, work in enumerate(packets) if expected[index] == processor and work]
        assert sorted((entry.table_index, entry.work) for entry in placement.busy[processor]) == mine
        assert placement.load[processor] == sum(work for _, work in mine)
    differing = [index for index in range(8) if expected[index] != P[table[index]]]
    by_target = {target: tuple(index for index in differing if expected[index] == target) for target in P}
    assert placement.moves() == [Move(0, indices, target) for target, indices in by_target.items() if indices]
    assert placement.tables() == ([Table(0, tuple(expected))] if differing else [])


def test_frames_of_no_entry_count_as_what_they_cost() -> None:
    """A backlog that grows or shrinks does not change the work of what arrives; three times the capacity is three."""
    machine = single([100, 0], COUNT, [1, 1])
    window = machine.window()
    first, busy, last = window.processors
    length_ns = window.end_ns - window.start_ns
    capacity = length_ns // machine.cost_ns
    saturated = replace(first, completed=capacity, busy_ns=length_ns, load=1.0)
    waits = replace(last, packets=7, queue_depth=7)  # its first interrupt is not over
    for packets, dropped, queue_depth in ((3 * capacity, 0, 2 * capacity), (4 * capacity, capacity, 1024), (3, 0, 512)):
        full = replace(saturated, packets=packets, dropped=dropped, queue_depth=queue_depth)
        placement = Placement(replace(window, processors=(full, busy, waits)))
        work = [packets * machine.cost_ns, busy.busy_ns, waits.packets * machine.cost_ns]
        assert [placement.load[processor] for processor in P] == work
