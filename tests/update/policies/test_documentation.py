"""docs/policies.md says what the policies do, and its example works as written."""

from __future__ import annotations

import inspect
import json
import re
import sys
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from dataplane.ids import ProcessorNumber
from dataplane.scenario.load import load_scenario
from dataplane.update.policies import POLICIES, make_policy
from dataplane.update.policy import Move

from .machine import single

TEXT = (Path(__file__).parents[3] / "docs" / "policies.md").read_text("utf-8")
SECTIONS = dict(re.findall(r"^## (\S+)\n(.*?)(?=^## )", TEXT, re.DOTALL | re.MULTILINE))
PYTHON = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
TOML = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)


@pytest.mark.parametrize("name", POLICIES)
def test_parameters(name: str) -> None:
    """The table of each policy has its parameters, in their order, with their defaults."""
    rows = re.findall(r"^\| `(\w+)` \| (\S*) *\|", SECTIONS[name], re.MULTILINE)
    parameters = inspect.signature(POLICIES[name]).parameters.values()
    assert rows == [(p.name, "" if p.default is None else json.dumps(p.default)) for p in parameters]
    assert bool(rows) == ("No parameters." not in SECTIONS[name])


def test_scenarios() -> None:
    """The policies that the page's scenarios name can be made, or are the one of the example."""
    scenarios = [load_scenario(text) for text in TOML]
    assert [scenario.policy.name for scenario in scenarios] == ["rsspp", "my_policy:Relieve"]
    make_policy(scenarios[0].policy.name, scenarios[0].policy.parameters)


def test_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Written to a file and named as the page says, it moves the busiest entry off a long queue, and nothing else."""
    (source,) = PYTHON
    assert len(source.splitlines()) <= 30
    (tmp_path / "my_policy.py").write_text(source)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
    settings = tomllib.loads(TOML[1])["policy"]
    try:
        policy = make_policy(settings["name"], settings["parameters"])
    finally:
        sys.modules.pop("my_policy", None)
    machine = single([1, 2, 5, 3], 2)  # entries 0 and 2 on processor 0
    window = machine.window()
    assert list(policy.rebalance(window)) == []
    full = replace(window, processors=(replace(window.processors[0], queue_depth=100), window.processors[1]))
    assert list(policy.rebalance(full)) == [Move(0, (2,), ProcessorNumber(0, 1))]
