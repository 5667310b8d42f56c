"""Checks of the requests of clients, made before a dataplane is contacted."""

from __future__ import annotations

import re
from typing import Any

import pytest

from dataplane.errors import UserError
from dataplane.scenario.live import client_change, client_oid
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
    """With RSS off only parameters that the adapter tracks may be given; one line names the others."""
    scenario = load_scenario(ADAPTERS[adapter] + vport())
    disable = {"vport": 1, "enabled": False}
    with pytest.raises(UserError, match=f"^--disable leaves no use for {options}$"):
        client_change(scenario, "rss", disable | CHANGE)
    client_change(scenario, "rss", disable)
    client_change(scenario, "rss", {"vport": 1} | CHANGE)
    if adapter == "v2":
        client_change(scenario, "rss", disable | {"indirection_table": [0], "default_processor": 1})


@pytest.mark.parametrize(
    ("key", "members", "message"),
    [
        ("rss", {"vport": -1}, "rss.vport: must be at least 0, not -1"),
        ("rss", {"indirection_table": []}, "rss.indirection_table: must not be empty"),
        ("rss", {"indirection_table": [0, "x"]}, "rss.indirection_table 2: 'x' is not a processor: write 3 or '1:16'"),
        ("oid", {"in": [1]}, "in: must be a table, not [1]"),
        ("oid", {"kind": "get"}, "kind: must be 'query', 'set' or 'method', not 'get'"),
    ],
)
def test_what_is_wrong_is_said_as_of_a_scenario(key: str, members: dict[str, Any], message: str) -> None:
    """One line says which key is wrong and how, in the words that findings about files have."""
    scenario = load_scenario(ADAPTERS["v2"] + vport())
    oid = {"name": "OID_GEN_RECEIVE_SCALE_PARAMETERS_V2", **members}
    with pytest.raises(UserError, match=f"^{re.escape(message)}$"):
        _ = client_oid(scenario, oid) if key == "oid" else client_change(scenario, key, members)
