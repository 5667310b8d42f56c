"""Findings: the problems of a scenario, each with its table, line, key and rule, all of them at once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dataplane.errors import UserError

Path = tuple[str | int, ...]  # as pydantic gives it: ("vport", 1, "filter", 0, "mac"), rows counted from 0


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong."""

    table: str  # '[[vport]] 2 "web-1"', "" at the top of the file
    key: str  # the key inside that table, "" when it is the table itself
    message: str
    rule: str = ""  # the rule it breaks, if one speaks of it
    line: int | None = None  # 1-based, None when unknown
    path: Path = field(default=(), compare=False)

    def __str__(self) -> str:
        place = " ".join(part for part in (self.table, self.key) if part)
        text = f"{place}: {self.message}" if place else self.message
        return f"{text} ({self.rule})" if self.rule else text


class ScenarioError(UserError):
    """A scenario that cannot be used; `findings` holds everything that is wrong with it, in file order."""

    def __init__(self, source: str, findings: list[Finding]) -> None:
        self.source = source
        self.findings = sorted(findings, key=lambda finding: finding.line or 0)
        super().__init__("\n".join(self.lines))

    def __reduce__(self) -> tuple[type[ScenarioError], tuple[str, list[Finding]]]:
        return ScenarioError, (self.source, self.findings)

    @property
    def lines(self) -> list[str]:
        """One line for each finding, beginning with `file:line:`."""
        return [
            f"{self.source}:{finding.line}: {finding}" if finding.line else f"{self.source}: {finding}"
            for finding in self.findings
        ]


class Findings:
    """Collects findings about one document and knows where things stand in it."""

    def __init__(self, document: Mapping[str, Any], lines: Mapping[Path, int]) -> None:
        self._document = document
        self._lines = lines
        self.found: list[Finding] = []

    def add(self, path: Path, message: str, rule: str = "") -> None:
        """Note that something is wrong at `path`."""
        table, key = self._place(path)
        finding = Finding(table, key, message, rule, self._line(path), path)
        if finding not in self.found:
            self.found.append(finding)

    def is_given(self, path: Path) -> bool:
        """Whether the file says something at `path` itself."""
        return path in self._lines

    def _line(self, path: Path) -> int | None:
        while path:
            if path in self._lines:
                return self._lines[path]
            path = path[:-1]
        return None

    def _place(self, path: Path) -> tuple[str, str]:
        if not path:
            return "", ""
        head = str(path[0])
        content = self._document.get(head)
        if len(path) > 1 and isinstance(path[1], int):
            row = content[path[1]] if isinstance(content, list) and path[1] < len(content) else None
            name = row.get("name") if isinstance(row, dict) else None
            label = f"[[{head}]] {path[1] + 1}" + (f' "{name}"' if isinstance(name, str) else "")
            return label, key_of(path[2:])
        if isinstance(content, dict):
            return f"[{head}]", key_of(path[1:])
        if isinstance(content, list) and any(isinstance(row, dict) for row in content):
            return f"[[{head}]]", ""
        return "", key_of(path)


def key_of(path: Path) -> str:
    """`filter 2 mac`, `rss.indirection_table 3`: rows counted from 1 as a reader counts."""
    text = ""
    for part in path:
        text += f" {part + 1}" if isinstance(part, int) else (f".{part}" if text and text[-1].isalpha() else f" {part}")
    return text.strip()


_HEADER = re.compile(r"\s*(\[\[?)([^\]]+)\]\]?\s*(#.*)?$")
_ASSIGNMENT = re.compile(
    r"""\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*=(.*)$"""
)
_KEY_PART = re.compile(r"""[A-Za-z0-9_-]+|"[^"]*"|'[^']*'""")


def locate(text: str) -> dict[Path, int]:
    """The line of every table header and key of a well-formed TOML text, by path.

    Good enough to point at a line: keys inside inline tables and elements of arrays are found through their parent.
    """
    lines: dict[Path, int] = {}
    counts: dict[Path, int] = {}
    table: Path = ()
    open_value = _OpenValue()
    for number, line in enumerate(text.splitlines(), 1):
        if open_value.continues(line):
            continue
        if match := _HEADER.match(line):
            parts = [part.strip("\"'") for part in _KEY_PART.findall(match[2])]
            table = (*_resolve(parts[:-1], counts), parts[-1])
            if match[1] == "[[":
                counts[table] = counts.get(table, -1) + 1
                lines.setdefault(table, number)
                table = (*table, counts[table])
            lines.setdefault(table, number)
        elif match := _ASSIGNMENT.match(line):
            key = tuple(part.strip("\"'") for part in _KEY_PART.findall(match[1]))
            for length in range(1, len(key) + 1):
                lines.setdefault((*table, *key[:length]), number)
            open_value.start(match[2])
    return lines


def _resolve(parts: list[str], counts: Mapping[Path, int]) -> Path:
    path: Path = ()
    for part in parts:
        path = (*path, part)
        if path in counts:
            path = (*path, counts[path])
    return path


class _OpenValue:
    """Whether a value goes on over the end of its line: arrays and multi-line strings."""

    def __init__(self) -> None:
        self._depth = 0
        self._quote = ""

    def start(self, value: str) -> None:
        self._depth, self._quote = 0, ""
        self._read(value)

    def continues(self, line: str) -> bool:
        if not self._depth and not self._quote:
            return False
        self._read(line)
        return True

    def _read(self, text: str) -> None:
        i = 0
        while i < len(text):
            if self._quote:
                if text[i] == "\\" and self._quote[0] == '"':
                    i += 2
                    continue
                if text.startswith(self._quote, i):
                    i += len(self._quote)
                    self._quote = ""
                    continue
            elif text[i] in "\"'":
                self._quote = text[i] * 3 if text.startswith(text[i] * 3, i) else text[i]
                i += len(self._quote)
                continue
            elif text[i] == "#":
                break
            elif text[i] in "[{":
                self._depth += 1
            elif text[i] in "]}":
                self._depth -= 1
            i += 1
        if len(self._quote) == 1:  # a plain string ends with its line
            self._quote = ""
