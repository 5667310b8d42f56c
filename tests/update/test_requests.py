"""The order in which moves are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from hypothesis import given
from hypothesis import strategies as st

from dataplane.ids import DEFAULT_PROCESSOR_INDEX, PRIMARY_PROCESSOR_INDEX, NdisVersion, ProcessorNumber
from dataplane.update.requests import move_parameters

P = [ProcessorNumber(0, number) for number in range(5)]
INDICES = (*range(6), DEFAULT_PROCESSOR_INDEX, PRIMARY_PROCESSOR_INDEX)


def in_use(places: Mapping[int, ProcessorNumber]) -> set[ProcessorNumber]:
    """The processors that count for UPD-41."""
    return {place for index, place in places.items() if index != PRIMARY_PROCESSOR_INDEX}


def fewest_first(
    places: Mapping[int, ProcessorNumber], targets: Mapping[int, ProcessorNumber]
) -> Iterator[ProcessorNumber]:
    """The sources, always next the one whose parameters leave the fewest in use when they have moved."""
    now = dict(places)
    left = list(dict.fromkeys(places[index] for index in targets))
    while left:
        after = {
            source: now | {index: target for index, target in targets.items() if places[index] == source}
            for source in left
        }
        source = min(left, key=lambda one: len(in_use(after[one])))
        yield source
        left.remove(source)
        now = after[source]


@given(
    st.fixed_dictionaries({index: st.sampled_from(P) for index in INDICES}),
    st.dictionaries(st.sampled_from(INDICES), st.sampled_from(P)),
)
def test_moves_that_leave_the_fewest_in_use_come_first(
    places: dict[int, ProcessorNumber], targets: dict[int, ProcessorNumber]
) -> None:
    """Each group is judged by what is in use after it (UPD-41); the first of equal ones is taken."""
    moves = move_parameters(places, targets, NdisVersion(6, 80), 1)
    assert [request.processor for request in moves] == list(fewest_first(places, targets))
