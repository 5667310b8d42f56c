"""The acceptance scenarios: `S-nnn.jsonl` is an oracle script, `S-nnn.expect.jsonl` what its results must contain."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dataplane.oracle import run_script
from tests.scenarios.compare import difference

HERE = Path(__file__).parent
SCRIPTS = sorted(path for path in HERE.glob("S-*.jsonl") if not path.name.endswith(".expect.jsonl"))
EXIT_DONE, EXIT_MALFORMED_LINES = 0, 2


def step_lines(path: Path) -> list[str]:
    """The lines of a script or expectation file that count: neither blank nor a comment."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line.strip() and not line.lstrip().startswith("#")]


def findings(script: Path, expectation: Path) -> list[str]:
    """Everything about the run of `script` that its expectation does not allow, one line each."""
    steps = step_lines(script)
    expected: list[dict[str, Any]] = [json.loads(line) for line in step_lines(expectation)]
    if len(steps) != len(expected):
        return [f"{expectation.name} has {len(expected)} lines for {len(steps)} steps"]
    written: list[str] = []
    exit_code = run_script(script.read_text(encoding="utf-8").splitlines(keepends=True), written.append)
    results: list[dict[str, Any]] = [
        json.loads(line) for line in "".join(_ended(text) for text in written).splitlines()
    ]
    found = []
    if len(results) != len(expected):
        found.append(f"{len(results)} results for {len(expected)} steps")
    for step, wanted, result in zip(steps, expected, results, strict=False):
        why = difference(wanted, result)
        if why is None and "error" in result and "error" not in wanted:
            why = f"unexpected error {result['error']!r}"
        if why is not None:
            found.append(f"line {result.get('line')}: {why}\n  step {step}\n  got  {json.dumps(result)}")
    wanted_code = EXIT_MALFORMED_LINES if any("error" in line for line in expected) else EXIT_DONE
    if exit_code != wanted_code:
        found.append(f"exit code {exit_code}, expected {wanted_code}")
    return found


def _ended(text: str) -> str:
    return text if text.endswith("\n") else text + "\n"


def test_scripts_and_expectations_come_in_pairs() -> None:
    """All acceptance scenarios are there, each script with its expectation and no expectation without a script."""
    expectations = {path.name.replace(".expect.jsonl", "") for path in HERE.glob("*.expect.jsonl")}
    names = {path.stem for path in SCRIPTS}
    assert expectations == names
    assert len(names - {"S-000"}) == 62  # S-000 is about malformed lines, not an acceptance scenario


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_scenario(script: Path) -> None:
    """Every step answers as the scenario says (its rules are named in the first line) and the exit code fits."""
    assert findings(script, script.with_suffix(".expect.jsonl")) == []


def test_a_wrong_expectation_is_found(tmp_path: Path) -> None:
    """The comparison of a script can fail: one changed value, a missing line and an unexpected error are each found."""
    script = HERE / "S-001.jsonl"
    right = step_lines(HERE / "S-001.expect.jsonl")
    for wrong in (
        [*right[:-1], right[-1].replace('"vport_id": 0', '"vport_id": 1')],
        right[:-1],
        [right[0], '{"error": {}}', *right[2:]],
    ):
        expectation = tmp_path / "wrong.expect.jsonl"
        expectation.write_text("\n".join(wrong) + "\n", encoding="utf-8")
        assert findings(script, expectation) != []
