"""The reference of the control plane against the acceptance scenarios, and capability refusals."""

from __future__ import annotations

import json
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from tests.reference.control import OpenError, ReferenceAdapter

SCENARIOS = Path(__file__).parent.parent / "scenarios"
#: S-000 is about malformed lines; these ask only for checks without an adapter.
NOT_FOR_THE_REFERENCE = {"S-000", "S-100", "S-102", "S-122"}
SCRIPTS = sorted(
    path
    for path in SCENARIOS.glob("S-*.jsonl")
    if not path.name.endswith(".expect.jsonl") and path.stem not in NOT_FOR_THE_REFERENCE
)


def contradiction(expected: Any, said: Any, where: str = "$") -> str | None:
    """The places where two subset expectations contradict each other; members of only one of them do not matter."""
    if expected == {} or said == {}:
        return None
    if isinstance(said, dict) and set(said) == {"any_order"}:
        said = said["any_order"]
    if isinstance(expected, dict) and set(expected) <= {"any_order", "contains"} and isinstance(said, list):
        wanted = next(iter(expected.values()))
        if "any_order" in expected and len(wanted) != len(said):
            return f"{where}: the scenario has {len(wanted)} elements, the reference {said!r}"
        orders = permutations(said, len(wanted))
        pairs = (zip(wanted, order, strict=True) for order in orders)
        fits = any(all(contradiction(*pair) is None for pair in some) for some in pairs)
        return None if fits else f"{where}: the scenario says {expected!r}, the reference {said!r}"
    if isinstance(expected, dict) and isinstance(said, dict):
        for name in set(expected) & set(said):
            if found := contradiction(expected[name], said[name], f"{where}.{name}"):
                return found
        return None
    if isinstance(expected, list) and isinstance(said, list) and len(expected) == len(said):
        for i, (one, other) in enumerate(zip(expected, said, strict=True)):
            if found := contradiction(one, other, f"{where}[{i}]"):
                return found
        return None
    return None if expected == said else f"{where}: the scenario says {expected!r}, the reference {said!r}"


def lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a script or an expectation file."""
    text = path.read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in text if line.strip() and not line.startswith("#")]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_the_reference_agrees_with_the_scenarios(script: Path) -> None:
    """The reference contradicts no acceptance scenario, and says something about most steps."""
    reference: ReferenceAdapter | None = None
    said = 0
    steps, expectations = lines(script), lines(script.with_suffix(".expect.jsonl"))
    for number, (step, expected) in enumerate(zip(steps, expectations, strict=True), 1):
        if "adapter" in step:
            reference = ReferenceAdapter(step["adapter"])
            result = reference.adapter_result()
        else:
            assert reference is not None
            try:
                result = reference.step(step, f"#{number}")
            except OpenError:
                continue
        said += 1
        assert contradiction(expected, result) is None, f"step {number}: {step}"
    assert said >= len(steps) - 4


def test_a_contradiction_is_found() -> None:
    """The comparison between reference and scenario can fail, in members, lists and lists in any order."""
    for expected, said in (
        ({"a": 1}, {"a": 2}),
        ({"a": [1]}, {"a": [1, 2]}),
        ({"any_order": [{"a": 1}, {"a": 2}]}, [{"a": 2}, {"a": 3}]),
        ({"contains": [1]}, [2, 3]),
        ([1], {"any_order": [2]}),
    ):
        assert contradiction(expected, said) is not None
    assert contradiction({"contains": [1]}, [2, 1]) is None
    assert contradiction([{"a": 1, "b": 2}], {"any_order": [{"a": 1, "c": 3}]}) is None
