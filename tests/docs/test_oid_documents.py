"""docs/constants.md and docs/oracle-protocol.md list the OIDs of the model, with what each one takes and gives."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dataplane.control.dispatch import ROWS
from dataplane.ndis.layout import Structure
from dataplane.ndis.oids import OID_RULES, Oid, RequestKind, natural_kind
from dataplane.ndis.structures import EXCHANGES

DOCUMENTATION = Path(__file__).parents[2] / "docs"
CONSTANTS, PROTOCOL = ((DOCUMENTATION / name).read_text("utf-8") for name in ("constants.md", "oracle-protocol.md"))
QUERY, METHOD = RequestKind.QUERY, RequestKind.METHOD


def rows(text: str, heading: str) -> list[list[str]]:
    """The rows about OIDs of the first table of a section."""
    section = re.split(r"\n#+ ", text.partition(f"\n{heading}\n")[2], maxsplit=1)[0]
    lines = [line for line in section.splitlines() if line.startswith("| OID_")]
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]


def test_every_oid_is_in_the_list_of_codes() -> None:
    """Code, request kinds and NDIS version of each (OID-01, OID-13)."""
    documented = {}
    for name, code, kinds, since in rows(CONSTANTS, "## 2. OID codes [H]"):
        allowed = {RequestKind[kind.upper()] for kind in re.findall("query|set|method", kinds.partition(" (")[0])}
        version = (re.findall(r"\d+\.\d+", since) or [since + ".0"])[-1]  # the last one: meaningful from
        documented[name] = (int(code, 16), allowed, version, "synchronous" in kinds)
    found = {
        oid.name: (oid.value, set(rule.kinds) - {RequestKind.QUERY_STATISTICS}, str(rule.since), rule.synchronous)
        for oid, rule in OID_RULES.items()
    }
    assert documented == found


DECIDED = {Oid[name]: row[1:] for row in rows(PROTOCOL, "### OIDs") for name in row[0].split(", ")}


def test_every_oid_that_is_decided_is_in_the_protocol() -> None:
    """The documents list no other OIDs."""
    assert set(DECIDED) == {oid for oid, _ in ROWS}


@pytest.mark.parametrize("oid", DECIDED, ids=lambda oid: oid.name)
def test_what_an_oid_carries_is_in_the_protocol(oid: Oid) -> None:
    """The protocol has its natural kinds without and with input, and the structures that it takes and gives."""
    kind, taken, given = (cell.partition(" (")[0] for cell in DECIDED[oid])
    without, with_input = natural_kind(oid, with_input=False), natural_kind(oid, with_input=True)
    natural = with_input.name.lower()
    if with_input is not without:
        natural += f" if `in`/`in_hex` given, else {without.name.lower()}"
    assert kind == natural + (", synchronous" if OID_RULES[oid].synchronous else "")
    assert taken == _alias(EXCHANGES[oid, with_input].request)
    (answers,) = [EXCHANGES[oid, one].result for one in (QUERY, METHOD) if one in OID_RULES[oid].kinds] or [None]
    assert given == _alias(answers) or (given.startswith("members of `") and _alias(answers).endswith("CAPABILITIES"))
    structures = [name for name in (taken, given) if name.isupper()]
    assert [name for name in structures if not re.search(rf"^### .*\b{name}\b", PROTOCOL, re.MULTILINE)] == []


def _alias(structure: type[Structure] | None) -> str:
    return "" if structure is None else structure.layout.alias or structure.layout.name
