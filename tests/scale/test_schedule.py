"""Which run goes where, whatever happens to nodes and runs."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from dataplane.scale.points import Run
from dataplane.scale.schedule import ATTEMPTS, Assignment, Done, Failed, Lost, Outcome, Schedule
from tests.scale.examples import NIC, POINT

OUTCOMES: st.SearchStrategy[Outcome] = st.sampled_from([Done((NIC,)), Failed("it failed"), Lost("it died")])


def runs_with(nics: list[int]) -> list[Run]:
    """A run for each number of NICs."""
    return [Run(replace(POINT, nics=count), number) for number, count in enumerate(nics)]


@given(nics=st.lists(st.integers(1, 3), max_size=8), data=st.data())
def test_every_run_ends_once_and_disturbs_none(nics: list[int], data: st.DataObject) -> None:
    """A node has one run at a time, several NICs use all nodes alone; each run is done, failed, or lost too often."""
    runs = runs_with(nics)
    schedule, at_work, done, lost = Schedule(runs), dict[Run, Assignment](), [], dict[Run, int]()
    while not schedule.is_over:
        nodes = data.draw(st.lists(st.sampled_from("abc"), min_size=1, unique=True))
        while assignment := schedule.next(nodes):
            busy = [node for other in at_work.values() for node in other.nodes]
            assert assignment.nodes
            assert not set(assignment.nodes) & set(busy)
            assert set(assignment.nodes) <= set(nodes)
            if assignment.run.point.nics > 1:
                assert not at_work, "several NICs disturb everybody"
                assert set(assignment.nodes) == set(nodes)
            at_work[assignment.run] = assignment
        assert at_work, "where there is a node there is something to do"
        run = data.draw(st.sampled_from(list(at_work)))
        outcome = data.draw(OUTCOMES)
        del at_work[run]
        schedule.ended(run, outcome)
        if isinstance(outcome, Lost):
            lost[run] = lost.get(run, 0) + 1
        if isinstance(outcome, Done):
            done.append(run)
    assert sorted([*done, *schedule.failures], key=runs.index) == runs
    assert all(count <= ATTEMPTS for count in lost.values())
    assert all(run in schedule.failures for run, count in lost.items() if count == ATTEMPTS)


def test_a_run_that_is_lost_is_the_next() -> None:
    """A lost run starts again before waiting runs, if there is a node."""
    first, second = runs_with([1, 1])
    schedule = Schedule([first, second])
    assert schedule.next(["a"]) == Assignment(first, ("a",))
    schedule.ended(first, Lost("the node went away"))
    assert schedule.next(["a", "b"]) == Assignment(first, ("b",)), "nobody may know yet that a is no more"
    schedule.ended(first, Lost("and the other"))
    assert schedule.next(["a", "b"]) == Assignment(first, ("a",)), "there is no better place"


def test_a_run_that_is_lost_waits_for_another_node() -> None:
    """A lost run does not start again on a node that may be dead while another node is only busy."""
    first, second = runs_with([1, 1])
    schedule = Schedule([first, second])
    assert schedule.next(["a", "b"]) == Assignment(first, ("a",))
    assert schedule.next(["a", "b"]) == Assignment(second, ("b",))
    schedule.ended(first, Lost("the node went away"))
    assert schedule.next(["a", "b"]) is None
    schedule.ended(second, Done((NIC,)))
    assert schedule.next(["a", "b"]) == Assignment(first, ("b",))


def test_single_nics_first_where_there_are_nodes() -> None:
    """On a cluster, runs of single NICs go before runs that need all nodes; on one node the given order is kept."""
    wide, single = runs_with([2, 1])
    assert Schedule([wide, single]).next(["a"]) == Assignment(wide, ("a",))
    assert Schedule([wide, single]).next(["a", "b"]) == Assignment(single, ("a",))


def test_without_nodes_all_is_given_up() -> None:
    """Without nodes, waiting runs have failed, with the reason."""
    runs = runs_with([1, 2])
    schedule = Schedule(runs)
    assert schedule.next([]) is None
    schedule.give_up("no node")
    assert schedule.is_over
    assert schedule.failures == dict.fromkeys(runs, "no node")
