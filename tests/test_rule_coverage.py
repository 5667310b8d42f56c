"""Every rule of the two rule books is named by a test, by a scenario that runs, or by a reason why not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
UNTESTED = Path(__file__).parent / "rules_not_tested.txt"

RULE = re.compile(r"\b([A-Z]{2,3})-(\d{2})\b")
RANGE = re.compile(r"\b([A-Z]{2,3})-(\d{2})(?:\.\.| to )(?:\1-)?(\d{2})\b")
DEFINITION = re.compile(r"^(?:- \*\*|\| )([A-Z]{2,3}-\d{2})(?:\*\*| \|)", re.MULTILINE)
ERROR_ROW = re.compile(r"^\| (ERR-\d{2}) \|.*\| ([^|]*) \|$", re.MULTILINE)
SCENARIO = re.compile(r"^### (S-\d+).*?\n(.*?)(?=^### |\Z)", re.MULTILINE | re.DOTALL)


def defined_rules() -> set[str]:
    """The identifiers that the rule books define; CON- entries are explanations, no rules."""
    books = [ROOT / "docs" / name for name in ("rules.md", "simulation.md")]
    found = {rule for book in books for rule in DEFINITION.findall(book.read_text("utf-8"))}
    return {rule for rule in found if not rule.startswith("CON-")}


def named_rules(text: str) -> set[str]:
    """The identifiers in a text; `FLT-16..FLT-18` names three."""
    single = {f"{family}-{number}" for family, number in RULE.findall(text)}
    ranges = {
        f"{family}-{number:02}"
        for family, first, last in RANGE.findall(text)
        for number in range(int(first), int(last) + 1)
    }
    return single | ranges


def rules_named_by_tests() -> set[str]:
    """The rules named by test modules or by scenarios that the tests run, and ERR rows that consist of such rules."""
    modules = [path for path in (ROOT / "tests").rglob("test_*.py") if path != Path(__file__)]
    named = {rule for path in modules for rule in named_rules(path.read_text("utf-8"))}
    scripts = {path.stem for path in (ROOT / "tests" / "scenarios").glob("S-*.jsonl")}
    for scenario, body in SCENARIO.findall((ROOT / "docs" / "scenarios.md").read_text("utf-8")):
        if scenario in scripts:
            named |= named_rules(body.partition("Rules:")[2].partition("\n")[0])
    # a row of the error table repeats the statuses of other rules; it is tested when all of them are
    for error, place in ERROR_ROW.findall((ROOT / "docs" / "rules.md").read_text("utf-8")):
        if (rules := named_rules(place)) and rules <= named:
            named.add(error)
    return named


def untested_rules() -> dict[str, str]:
    """Rule -> reason from `rules_not_tested.txt`: a line with the reason, then indented lines with identifiers."""
    reasons: dict[str, str] = {}
    reason = ""
    for line in UNTESTED.read_text("utf-8").splitlines():
        if line.startswith("#") or not line.strip():
            continue
        if line[0].isspace():
            reasons |= dict.fromkeys(named_rules(line), reason)
        else:
            reason = line.rstrip(":")
    return reasons


def test_every_rule_is_tested_or_has_a_reason() -> None:
    """Every rule has a test, or a reason why there cannot be one."""
    missing = defined_rules() - rules_named_by_tests() - set(untested_rules())
    assert not missing, f"no test names {', '.join(sorted(missing))}"


def test_reasons_are_for_rules_without_a_test() -> None:
    """The list of exceptions stays true: its rules exist, no test names them, and each has a reason."""
    listed = untested_rules()
    assert not set(listed) - defined_rules()
    assert not set(listed) & rules_named_by_tests()
    assert all(listed.values())


def test_rule_books_define_what_they_seem_to() -> None:
    """The rule books are read completely: every family is found, and no identifier in it is skipped."""
    rules = defined_rules()
    families = {rule[:3] for rule in rules if len(rule) == 6}
    assert families >= {
        "MOD",
        "CAP",
        "OID",
        "VPT",
        "QUE",
        "FLT",
        "RSS",
        "HSH",
        "UPD",
        "INT",
        "ERR",
        "TIM",
        "PRC",
        "EPO",
    }
    for family in families:
        numbers = sorted(int(rule[4:]) for rule in rules if rule.startswith(family + "-"))
        assert numbers == list(range(1, len(numbers) + 1)), family


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("FLT-20", {"FLT-20"}),
        ("CAP-01..CAP-03, TX-04", {"CAP-01", "CAP-02", "CAP-03", "TX-04"}),
        ("CAP-01..03", {"CAP-01", "CAP-02", "CAP-03"}),
        ("SHA-256 and OFF-v4", set()),
    ],
)
def test_names_are_recognised(text: str, expected: set[str]) -> None:
    """Single identifiers and ranges count; other words with a hyphen do not."""
    assert named_rules(text) == expected
