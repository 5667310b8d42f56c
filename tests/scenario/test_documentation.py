"""The documentation of the scenario format says what the model does."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from dataplane.scenario import model
from dataplane.scenario.load import load_scenario
from dataplane.scenario.resolve import toml_text
from dataplane.traffic.profiles import LENGTH_MIXES, OWN_KEYS, PROFILES, Profile

TEXT = (Path(__file__).parents[2] / "docs" / "scenario-format.md").read_text("utf-8")
BLOCK = re.search(r"```toml\n(.*?)```", TEXT, re.DOTALL)
TABLES = [
    table
    for table in vars(model).values()
    if isinstance(table, type) and issubclass(table, model.Table) and table is not model.Table
]


def test_example_loads() -> None:
    """The example is right: without the tables of the other two interfaces it loads without findings."""
    assert BLOCK
    document = tomllib.loads(BLOCK[1])
    del document["queue"], document["native_rss"]
    scenario = load_scenario(toml_text(document))
    assert len(scenario.events) == 3


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.__name__)
def test_every_key_is_documented(table: type[model.Table]) -> None:
    """Each key of each table is named, in the example or in the notes; capability members stand for each other."""
    keys = [field.alias or name for name, field in table.model_fields.items()]
    if table is model.Adapter:
        keys = keys[: keys.index("enabled_filter_types")]
    if table is model.ProcessorCosts or table is model.ProcessorOverride:
        keys = ["receive_cost_ns", "dpc_queue_depth"]  # the others are in section 2 of the simulation rules
    assert [key for key in keys if not re.search(rf"\b{key}\b", TEXT)] == []


def test_every_profile_is_documented() -> None:
    """The table of profiles has a row for each profile, with its own keys and their defaults; so do the lists."""
    section = TEXT.partition("\n## Synthetic traffic\n")[2].partition("\n## ")[0]
    rows = dict(re.findall(r"^\| `([\w-]+)` \|(.*)$", section, re.MULTILINE))
    assert list(rows) == list(PROFILES)
    for name, row in rows.items():
        keys = {key: Profile.defaults(name)[key] for key in OWN_KEYS.get(name, ())}
        told = {key: list(value) if isinstance(value, tuple) else value for key, value in keys.items()}
        assert dict(re.findall(r"`(\w+)` \((.*?)\)", row)) == {key: str(value) for key, value in told.items()}
    assert f"# {' '.join(PROFILES)}\n" in TEXT
    assert [name for name in LENGTH_MIXES if name not in TEXT] == []
