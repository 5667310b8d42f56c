"""A loaded scenario as explicit TOML, and the writer for it."""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from dataplane.ids import NdisVersion, ProcessorNumber, format_mac
from dataplane.scenario.adapters import SeveralNics
from dataplane.scenario.model import Scenario, Table

_ADDRESS_KEYS = {"mac", "permanent_address", "multicast_list"}
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)


def resolved_toml(scenario: Scenario) -> str:
    """A loaded scenario as TOML with every value explicit; loading it again gives an equal scenario (ENG-05)."""
    return toml_text(_document("", scenario))


def resolved_nics_toml(several: SeveralNics) -> str:
    """The same of a file with several NICs, every table with its NIC."""
    rows = []
    for nic in several.nics:
        document = _document("", nic)
        adapter = document.pop("adapter")
        named = {key: document.pop(key) for key in ("name", "description")}
        rows.append(named | adapter | document)
    whole = {"name": several.name, "description": several.description, "run": {"seed": several.seed}, "adapter": rows}
    return toml_text(whole)


def _document(key: str, value: Any) -> Any:
    """A value of a scenario as TOML has it; the key decides how numbers that stand for addresses are written."""
    match value:
        case Table():
            fields = [(field.alias or name, getattr(value, name)) for name, field in type(value).model_fields.items()]
            return {name: _document(name, part) for name, part in fields if part is not None}
        case ProcessorNumber():
            return str(value) if value.group else value.number
        case NdisVersion():
            return str(value)
        case int() if key in _ADDRESS_KEYS and not isinstance(value, bool):
            return format_mac(value)
        case tuple():
            return [_document(key, part) for part in value]
    return value


def toml_text(document: Mapping[str, Any]) -> str:
    """Write a document so that `tomllib` reads the same: tables of two levels as [sections], deeper ones inline."""
    return "\n".join(_section("", document)).strip() + "\n"


def _section(path: str, table: Mapping[str, Any]) -> Iterator[str]:
    # an array of tables must not be empty, and behind a header there is no way back: plain values come first
    inner = {key: value for key, value in table.items() if _is_section(value) and path.count(".") < 1}
    for key, value in table.items():
        if key not in inner:
            yield f"{_key(key)} = {_inline(value)}"
    for key, value in inner.items():
        place = f"{path}.{_key(key)}" if path else _key(key)
        for row in value if isinstance(value, list) else (value,):
            yield ""
            yield f"[[{place}]]" if isinstance(value, list) else f"[{place}]"
            yield from _section(place, row)


def _is_section(value: Any) -> bool:
    if isinstance(value, list):
        return bool(value) and all(isinstance(row, Mapping) for row in value)
    return isinstance(value, Mapping)


def _inline(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return _string(value)
        case Mapping():
            return "{" + ", ".join(f"{_key(key)} = {_inline(part)}" for key, part in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(_inline, value)) + "]"
        case int() | float():
            return repr(value)
        case datetime.date() | datetime.time():
            return value.isoformat()
    raise TypeError(f"TOML has no {type(value).__name__}")


def _key(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else _string(key)


def _string(text: str) -> str:
    # JSON's escapes are those of TOML's basic strings, except that TOML wants U+007F escaped as well
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
