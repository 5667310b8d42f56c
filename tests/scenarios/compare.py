"""Whether a result line satisfies its expectation.

An expectation is a JSON value compared as a subset: an object asserts only the members it has, a list asserts every
element in order and the length, `{}` asserts nothing but presence. Two objects stand for a list: `{"any_order": [...]}`
pairs every element of the result with a different expected one, `{"contains": [...]}` may leave some over.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

_WRAPPERS = ({"any_order"}, {"contains"})


def difference(expected: Any, result: Any, where: str = "$") -> str | None:
    """The first place where `result` does not satisfy `expected`, in words; None when it does."""
    return next(_differences(expected, result, where), None)


def _differences(expected: Any, result: Any, where: str) -> Iterator[str]:
    if expected == {} and isinstance(expected, dict):
        return
    if isinstance(expected, dict) and set(expected) in _WRAPPERS:
        yield from _wrapped(*next(iter(expected.items())), result, where)
    elif isinstance(expected, dict) and isinstance(result, dict):
        for name, value in expected.items():
            if name not in result:
                yield f"{where}.{name} is missing, expected {value!r}"
            else:
                yield from _differences(value, result[name], f"{where}.{name}")
    elif isinstance(expected, list) and isinstance(result, list):
        if len(expected) != len(result):
            yield f"{where} has {len(result)} elements, expected {len(expected)}: {result!r}"
        for i, (value, element) in enumerate(zip(expected, result, strict=False)):
            yield from _differences(value, element, f"{where}[{i}]")
    # True == 1 in Python, but not in JSON
    elif isinstance(expected, bool) is not isinstance(result, bool) or expected != result:
        yield f"{where} is {result!r}, expected {expected!r}"


def _wrapped(wrapper: str, expected: list[Any], result: Any, where: str) -> Iterator[str]:
    if not isinstance(result, list):
        yield f"{where} is {result!r}, expected a list"
    elif wrapper == "any_order" and len(expected) != len(result):
        yield f"{where} has {len(result)} elements, expected {len(expected)} in any order: {result!r}"
    elif not _assignable(expected, result):
        yield f"{where} is {result!r}, expected {wrapper} {expected!r}"


def _assignable(expected: list[Any], result: list[Any]) -> bool:
    """Whether every expected element fits a different element of the result (augmenting paths)."""
    fits = [[i for i, element in enumerate(result) if difference(value, element) is None] for value in expected]
    taken_by: dict[int, int] = {}

    def place(value: int, tried: set[int]) -> bool:
        for element in fits[value]:
            if element not in tried:
                tried.add(element)
                if element not in taken_by or place(taken_by[element], tried):
                    taken_by[element] = value
                    return True
        return False

    return all(place(value, set()) for value in range(len(expected)))
