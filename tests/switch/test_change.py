"""What an update changes for frames in flight, by flow: which slots take over the frames of which slots (EPO-07)."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from dataplane.ids import NdisVersion, ProcessorNumber
from dataplane.switch.change import SteeringChange, steering_change
from dataplane.switch.compile import compile_snapshot
from dataplane.switch.configuration import AdapterConfiguration, HashType, Mode, RssState, VPort
from dataplane.switch.snapshot import DEFAULT_SLOT, PRIMARY_SLOT, SLOTS_PER_TARGET, SteeringSnapshot

P = tuple(ProcessorNumber(0, n) for n in range(3))
KEYS = (bytes(40), bytes(range(40)))
ROW = 1  # of the VPort that changes

TABLES = st.sampled_from([1, 2, 4, 8]).flatmap(lambda size: st.tuples(*[st.sampled_from(P)] * size))
VPORTS = st.builds(
    lambda primary, *rss: VPort(1, True, primary, RssState(*rss)),
    st.sampled_from(P),
    st.sampled_from([True, True, True, False]),
    st.sampled_from([HashType.IPV4, HashType.IPV4 | HashType.TCP_IPV4]),
    st.sampled_from(KEYS),
    TABLES,
    st.sampled_from(P),
)


def snapshot_of(vport: VPort, before: SteeringSnapshot | None = None) -> SteeringSnapshot:
    """A switch with one relevant VPort."""
    configuration = AdapterConfiguration(
        Mode.SWITCH, NdisVersion(6, 80), P, P[0], 0x00155D000001, vports=(VPort(0, True, P[0]), vport)
    )
    return compile_snapshot(configuration, 0 if before is None else 1, P, before)


def slots_of(vport: VPort, hash_value: int | None) -> int:
    """The slot of the VPort that steers a flow with that hash; None: without a hash."""
    if not vport.rss.enabled:
        return PRIMARY_SLOT
    return DEFAULT_SLOT if hash_value is None else hash_value % len(vport.rss.indirection_table)


def is_handed_over(change: SteeringChange, old: int, new: int, processor: int) -> bool:
    """Whether frames of the new slot, on that processor, wait for frames of the old slot."""
    groups = dict(change.old.tolist())
    heirs = {slot: (group, target) for slot, group, target in change.new.tolist()}
    first = ROW * SLOTS_PER_TARGET
    return first + old in groups and heirs.get(first + new) == (groups[first + old], processor)


@given(VPORTS, VPORTS, st.booleans(), st.booleans())
def test_every_flow_that_moves_is_handed_over(was: VPort, now: VPort, same_key: bool, same_types: bool) -> None:
    """However table, default processor, key, types and RSS change, every flow waits for its older frames.

    With the same key and types a flow keeps its hash; with others its frames may have been steered by any slot, and
    will be by any.
    """
    if same_key:
        now = replace(now, rss=replace(now.rss, hash_secret_key=was.rss.hash_secret_key))
    if same_types:
        now = replace(now, rss=replace(now.rss, hash_types=was.rss.hash_types))
    before = snapshot_of(was)
    after = snapshot_of(now, before)
    change = steering_change(before, after)
    hashes = (None, *range(8))
    alike = was.rss.enabled == now.rss.enabled and (
        not was.rss.enabled
        or (was.rss.hash_types, was.rss.hash_secret_key) == (now.rss.hash_types, now.rss.hash_secret_key)
    )
    for of_old, of_new in zip(hashes, hashes, strict=True) if alike else product(hashes, hashes):
        old, new = slots_of(was, of_old), slots_of(now, of_new)
        source, target = (
            int(one.arrays.slot_processors[ROW * SLOTS_PER_TARGET + slot])
            for one, slot in ((before, old), (after, new))
        )
        if source != target:
            assert is_handed_over(change, old, new, target)
