"""The oracle and the reference of the control plane side by side, and mutants of the control plane that this detects.

How long the machine runs follows from the hypothesis profile: some thousand steps for `ci`, hundreds of thousands for
`nightly` (HYPOTHESIS_PROFILE).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from dataplane.control import filters, moves, rss1, scaling, vports
from dataplane.control.dispatch import ROWS
from dataplane.control.requests import Refusal
from dataplane.control.state import lowest_free
from dataplane.switch.configuration import RssState
from tests.reference import machine_steps as steps
from tests.reference.control import ReferenceAdapter
from tests.reference.control_machine import ControlPlaneMachine
from tests.reference.control_names import KINDS
from tests.reference.oracle_session import OracleSession
from tests.reference.side_by_side import SideBySide

NIGHTLY = settings.get_current_profile_name() == "nightly"
MACHINE_SETTINGS = settings(
    max_examples=5000 if NIGHTLY else 150,
    stateful_step_count=60 if NIGHTLY else 50,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


def test_reference_knows_every_oid() -> None:
    """The reference decides every OID that the model decides (OID-01)."""
    found = {oid.name: {kind.name.lower() for at, kind in ROWS if at is oid} for oid, _ in ROWS}
    assert {name: set(kinds) for name, kinds in KINDS.items()} == found


def test_oracle_and_reference_agree() -> None:
    """Whatever clients, frames, holds and faults do, the oracle answers, steers and shows its state by the rules.

    After every step everything inspectable is equal, a failed request has changed nothing (MOD-09), and no frame is
    lost or made up (MOD-11).
    """
    run_state_machine_as_test(ControlPlaneMachine, settings=MACHINE_SETTINGS)


_S, _2, _Q = {"preset": "CFG-S"}, {"preset": "CFG-2"}, {"preset": "CFG-Q"}
_SWITCH, _FILTERS = "nic_switch_capabilities", "receive_filter_capabilities"


def _switch(preset: dict[str, Any], **members: Any) -> dict[str, Any]:
    return {**preset, _SWITCH: members}


def _switch_flags(preset: dict[str, Any], **change: Any) -> dict[str, Any]:
    return _switch(preset, **{_SWITCH: change})


@pytest.mark.parametrize(
    "adapter",
    [
        pytest.param(_S, id="ready"),
        pytest.param({**_Q, _FILTERS: {"supported_queue_properties": {"remove": ["MSI_X"]}}}, id="CAP-01"),
        pytest.param({**_S, _FILTERS: {"supported_filter_tests": []}}, id="CAP-02 test"),
        pytest.param({**_S, _FILTERS: {"supported_headers": ["IPV4"]}}, id="CAP-02 header"),
        pytest.param({**_Q, _FILTERS: {"supported_mac_header_fields": ["VLAN_ID"]}}, id="CAP-02 field"),
        pytest.param(
            {**_switch_flags(_S, remove=["NIC_SWITCH_WITHOUT_IOV_SUPPORTED"]), _FILTERS: {"num_queues": 4}},
            id="CAP-05 queues",
        ),
        pytest.param({**_S, _FILTERS: {"num_queues": 4}}, id="CAP-05 not in either mode"),
        pytest.param(
            {
                **_switch_flags(_S, remove=["NIC_SWITCH_WITHOUT_IOV_SUPPORTED"]),
                _FILTERS: {"enabled_filter_types": [], "enabled_queue_types": ["VM_QUEUES_ENABLED"]},
            },
            id="CAP-05 types",
        ),
        pytest.param({**_Q, _FILTERS: {"max_mac_header_filters": 3}}, id="CAP-06"),
        pytest.param({**_Q, _FILTERS: {"supported_queue_properties": {"add": ["LOOKAHEAD_SPLIT"]}}}, id="CAP-07 split"),
        pytest.param({**_S, _FILTERS: {"max_lookahead_split_size": 64}}, id="CAP-07 size"),
        pytest.param(
            {**_Q, _FILTERS: {"supported_queue_properties": {"remove": ["INTERRUPT_VECTOR_COALESCING"]}}},
            id="CAP-07 coalescing",
        ),
        pytest.param(_switch(_S, max_num_switches=2), id="CAP-13"),
        pytest.param(_switch(_S, max_num_vfs=8), id="CAP-14"),
        pytest.param(_switch(_S, max_num_queue_pairs=7), id="CAP-15"),
        pytest.param(_switch(_S, max_num_mac_addresses=7), id="CAP-16"),
        pytest.param(_switch(_S, max_num_queue_pairs_per_non_default_vport=6), id="CAP-17 nondefault"),
        pytest.param(_switch(_S, max_num_queue_pairs_for_default_vport=12), id="CAP-17 default"),
        pytest.param(_switch_flags(_S, remove=["SINGLE_VPORT_POOL"]), id="CAP-21"),
        pytest.param(_switch_flags(_S, remove=["RSS_PER_PF_VPORT_HASH_KEY_SUPPORTED"]), id="CAP-22"),
        pytest.param(_switch(_2, max_num_rss_capable_non_default_pf_vports=0), id="CAP-24"),
        pytest.param(_switch(_S, number_of_indirection_table_entries_for_default_vport=48), id="CAP-25 power"),
        pytest.param(_switch(_2, number_of_indirection_table_entries_per_non_default_pf_vport=256), id="CAP-25 size"),
        pytest.param(_switch(_S, max_num_switches=0, max_num_vfs=9), id="CAP-13 and CAP-14"),
    ],
)
def test_capabilities_are_refused_alike(adapter: dict[str, Any], request: pytest.FixtureRequest) -> None:
    """An adapter whose capabilities break rules is refused with exactly these rules (CAP-36)."""
    reference = ReferenceAdapter(adapter)
    name = request.node.callspec.id
    expected_rules = [word for word in name.split() if word.startswith("CAP-")] if "not in" not in name else []
    assert reference.refused_for == expected_rules
    result = OracleSession().step({"adapter": adapter})
    assert result["adapter"] == ("refused" if expected_rules else "ready")
    assert result.get("rules", []) == expected_rules


# --- mutants ----------------------------------------------------------------------------------------------------------


Mutate = Callable[[pytest.MonkeyPatch], None]


def group_judged_on_intermediate_state(patch: pytest.MonkeyPatch) -> None:
    """UPD-41: the queue limit is checked after every command instead of after the group."""
    checked_index, stands = moves._checked_index, _stands_in_a_group(patch)

    def checked(context: Any, before: Any, command: Any) -> int:
        index = checked_index(context, before, command)
        stands[0] = moves._with_processors(stands[0], {index: command})
        moves._check_queue_count(stands[0])
        return index

    patch.setattr(moves, "_checked_index", checked)


def actor_checked_within_the_group(patch: pytest.MonkeyPatch) -> None:
    """UPD-38: a command is checked against the result of the previous commands."""
    checked_index, stands = moves._checked_index, _stands_in_a_group(patch)

    def checked(context: Any, _before: Any, command: Any) -> int:
        index = checked_index(context, stands[0], command)
        stands[0] = moves._with_processors(stands[0], {index: command})
        return index

    patch.setattr(moves, "_checked_index", checked)


def _stands_in_a_group(patch: pytest.MonkeyPatch) -> list[Any]:
    """Holds the entity of the current group, at first as it was before the group."""
    entity_of_group = moves._entity
    stands: list[Any] = []

    def entity(*arguments: Any) -> Any:
        stands[:] = [entity_of_group(*arguments)]
        return stands[0]

    patch.setattr(moves, "_entity", entity)
    return stands


def failed_group_stays_half_done(patch: pytest.MonkeyPatch) -> None:
    """UPD-32: every command is a group of its own."""
    patch.setattr(moves, "groups", lambda commands: ([command] for command in commands))


def rss_v1_disable_keeps(patch: pytest.MonkeyPatch) -> None:
    """RSS-08: disabling generation 1 keeps table, key and default processor."""
    original = scaling.settable_entity
    kept: list[RssState] = []

    def settable_entity(context: Any) -> Any:
        entity = original(context)
        kept[:] = [entity.rss]
        return entity

    def state(**members: Any) -> RssState:
        return RssState(**members) if members else dataclasses.replace(kept[0], enabled=False)

    patch.setattr(rss1, "settable_entity", settable_entity)
    patch.setattr(rss1, "RssState", state)


def failed_set_filter_consumes_an_id(patch: pytest.MonkeyPatch) -> None:
    """OID-06: a SET_FILTER that is refused uses up an identifier."""
    original, free, consumed = filters._steering, lowest_free, [0]

    def steering(*arguments: Any) -> Any:
        try:
            return original(*arguments)
        except Refusal:
            consumed[0] += 1
            raise

    patch.setattr(filters, "_steering", steering)
    patch.setattr(filters, "lowest_free", lambda used, first, last: free(used, first + consumed[0], last))


def lowest_filter_id_is_not_reused(patch: pytest.MonkeyPatch) -> None:
    """FLT-30: a cleared id is skipped as long as higher ones are in use."""
    patch.setattr(filters, "lowest_free", lambda used, first, last: max(used, default=first - 1) + 1)


def lowest_vport_id_is_not_reused(patch: pytest.MonkeyPatch) -> None:
    """VPT-07: the id of a deleted VPort is skipped as long as higher ones are in use."""

    def above_the_highest(used: Any, first: int, last: int) -> Any:
        after = max(used, default=first - 1) + 1
        return after if after <= last else lowest_free(used, first, last)

    patch.setattr(vports, "lowest_free", above_the_highest)


def restricted_growth_is_not_replicated(patch: pytest.MonkeyPatch) -> None:
    """UPD-10: a restricted table keeps its size when queue pairs are added."""
    patch.setattr(vports, "_grown", lambda rss, entries: rss)


def vlan_test_in_host_order(patch: pytest.MonkeyPatch) -> None:
    """FLT-13: the VLAN id of a test is read little endian."""
    patch.setattr(filters, "short_of", lambda value: int.from_bytes(value[:2], "little"))


def cleared_queue_keeps_its_frames(patch: pytest.MonkeyPatch) -> None:
    """QUE-08: frames held for a queue whose last filter is cleared stay."""
    original = filters.without_filter
    patch.setattr(filters, "without_filter", lambda state, filter_id: (original(state, filter_id)[0], ()))


def anybody_may_filter(patch: pytest.MonkeyPatch) -> None:
    """FLT-01, FLT-03: filters may be set on targets of others."""
    patch.setattr(filters, "_check_may_filter", lambda context, target_id: None)


#: Each mutant with the adapters and the kinds of steps that it takes to see it.
HUNTS: list[tuple[Mutate, tuple[str, ...], tuple[str, ...]]] = [
    (group_judged_on_intermediate_state, ("CFG-2",), ("moves", "rss")),
    (actor_checked_within_the_group, ("CFG-2",), ("moves", "rss")),
    (failed_group_stays_half_done, ("CFG-2",), ("moves", "rss")),
    (rss_v1_disable_keeps, ("CFG-S",), ("rss", "vport_requests")),
    (failed_set_filter_consumes_an_id, ("CFG-S", "CFG-Q"), ("filters",)),
    (lowest_filter_id_is_not_reused, ("CFG-S", "CFG-Q"), ("filters",)),
    (lowest_vport_id_is_not_reused, ("CFG-S",), ("vport_requests",)),
    (restricted_growth_is_not_replicated, ("CFG-R",), ("rss", "vport_requests")),
    (vlan_test_in_host_order, ("CFG-S",), ("filters", "frames")),
    (cleared_queue_keeps_its_frames, ("CFG-S", "CFG-Q"), ("filters", "frames", "dpcs")),
    (anybody_may_filter, ("CFG-S", "CFG-Q"), ("filters", "vport_requests", "queues")),
]


def hunt(names: tuple[str, ...], kinds: tuple[str, ...]) -> None:
    """Make steps of some kinds on some adapters, from fixed seeds; raises AssertionError at a disagreement."""
    for seed in range(20):
        chance = Random(seed)
        sides = SideBySide(steps.ADAPTERS[names[seed % len(names)]], prepared=True)
        for _ in range(25):
            for step in getattr(steps.StepMaker(chance, sides.reference), chance.choice(kinds))():
                sides.do(step)


@pytest.mark.parametrize(("mutate", "names", "kinds"), HUNTS, ids=[mutate.__name__ for mutate, *_ in HUNTS])
def test_mutants_are_caught(
    mutate: Mutate, names: tuple[str, ...], kinds: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The comparison detects each of these errors of a control plane, so it can fail."""
    mutate(monkeypatch)
    with pytest.raises(AssertionError):
        hunt(names, kinds)


@pytest.mark.parametrize("kinds", sorted({kinds for *_, kinds in HUNTS}), ids="-".join)
def test_the_unchanged_control_plane_is_not_caught(kinds: tuple[str, ...]) -> None:
    """Without a mutant the same hunts find nothing."""
    for names in sorted({names for _, names, some in HUNTS if some == kinds}):
        hunt(names, kinds)
