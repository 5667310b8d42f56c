"""What clients of a running dataplane ask for, before there is one to ask."""

from __future__ import annotations

from typing import Any

import pytest

from dataplane.errors import UserError
from dataplane.scenario.live import client_change
from dataplane.scenario.load import load_scenario
from tests.scenario.test_events import ADAPTERS, vport

CHANGE: dict[str, Any] = {"indirection_table": [0], "hash_types": ["ipv4"], "default_processor": 1}


@pytest.mark.parametrize(
    ("adapter", "options"),
    [
        ("v1", r"--hash-types, --table, --default-processor: .*\(RSS-07\)"),
        ("v2", r"--hash-types: .*\(UPD-22\)"),
    ],
)
def test_what_disabling_would_ignore_is_refused(adapter: str, options: str) -> None:
    """One line names the options; what the adapter goes on to track may be given, and all of it with RSS on."""
    scenario = load_scenario(ADAPTERS[adapter] + vport())
    disable = {"vport": 1, "enabled": False}
    with pytest.raises(UserError, match=f"^--disable leaves no use for {options}$"):
        client_change(scenario, "rss", disable | CHANGE)
    client_change(scenario, "rss", disable)
    client_change(scenario, "rss", {"vport": 1} | CHANGE)
    if adapter == "v2":
        client_change(scenario, "rss", disable | {"indirection_table": [0], "default_processor": 1})
