"""Reading a script: lines, JSON objects, members. Whatever is wrong with a line is a `MalformedValue`."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, NoReturn

from dataplane.ndis.values import MalformedValue

#: A step object has exactly one of these.
STEP_KEYS = (
    "adapter",
    "oid",
    "frame",
    "send",
    "hold_dpc",
    "run_dpc",
    "release_dpc",
    "hold_tx",
    "release_tx",
    "return",
    "close",
    "fault",
    "inspect",
    "check",
)
#: Members that every step may have.
COMMON_MEMBERS = ("label", "comment")

_BYTE_ORDER_MARK = "\ufeff"


def step_lines(lines: Iterable[str]) -> Iterator[tuple[int, str]]:
    """The lines that are steps, with their numbers from 1: neither empty nor blank nor a comment."""
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if number == 1:
            text = text.removeprefix(_BYTE_ORDER_MARK).lstrip()
        if text and not text.startswith("#"):
            yield number, text


def parse_object(text: str) -> Mapping[str, Any]:
    """The JSON object of a line."""
    if not text.isascii():
        try:
            text.encode("utf-8")
        except UnicodeEncodeError:
            raise MalformedValue("the line is not UTF-8") from None
    try:
        value = _DECODER.decode(text)
    except MalformedValue:
        raise
    except RecursionError:
        raise MalformedValue("the line is nested too deeply") from None
    except ValueError as error:
        raise MalformedValue(f"the line is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise MalformedValue("the line is not a JSON object")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise MalformedValue(f"member {twice!r} is there twice")
    return members


def _no_constant(name: str) -> NoReturn:
    raise MalformedValue(f"{name} is not JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant)


def step_key(step: Mapping[str, Any]) -> str:
    """The one step key of an object."""
    keys = [key for key in STEP_KEYS if key in step]
    if len(keys) != 1:
        found = " and ".join(keys) or "none"
        raise MalformedValue(f"a step has exactly one of {', '.join(STEP_KEYS)}; this one has {found}")
    return keys[0]


def check_members(value: Any, allowed: Collection[str], what: str) -> Mapping[str, Any]:
    """`value` as an object that has no other members than `allowed`."""
    if not isinstance(value, dict):
        raise MalformedValue(f"{what} is written as an object")
    for name in value:
        if name not in allowed:
            raise MalformedValue(f"{what} has no member {name!r}; it may have {', '.join(allowed)}")
    return value


def parse_bool(value: Any, what: str) -> bool:
    """A JSON boolean."""
    if not isinstance(value, bool):
        raise MalformedValue(f"{what} is true or false, not {value!r}")
    return value


def parse_text(value: Any, what: str) -> str:
    """A JSON string."""
    if not isinstance(value, str):
        raise MalformedValue(f"{what} is a string, not {value!r}")
    return value


def required(members: Mapping[str, Any], name: str, what: str) -> Any:
    """A member that has no default."""
    if name not in members:
        raise MalformedValue(f"{what} needs {name}")
    return members[name]
