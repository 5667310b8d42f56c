"""Converts values of the control plane to msgpack and back, by their type hints and without loss.

A dataclass becomes a map by member name; a named tuple, tuple or set becomes an array; an enumeration becomes its
value. A value of one of several dataclasses becomes an array of the class's name and its map. A reader uses the default
of a missing member. So a member that is added later must have a default with the meaning of older data.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, NamedTuple, TypeVar, Union, get_args, get_origin, get_type_hints

import msgpack

Value = TypeVar("Value")

#: Names come from scripts, which may hold half a surrogate pair.
_UNICODE_ERRORS = "surrogatepass"


def packed(value: Value, of: type[Value]) -> bytes:
    """A value of the type `of` as msgpack."""
    hint: Any = of
    data: bytes = msgpack.packb(_codec(hint).pack(value), unicode_errors=_UNICODE_ERRORS)
    return data


def unpacked(data: bytes, of: type[Value]) -> Value:
    """The value that `packed` was given; ValueError for bytes that are no value of the type `of`."""
    try:
        plain = msgpack.unpackb(data, unicode_errors=_UNICODE_ERRORS)
    except ValueError as error:
        raise ValueError(f"it is not msgpack ({error})") from None
    hint: Any = of
    value: Value = _codec(hint).unpack(plain)
    return value


class _Codec(NamedTuple):
    pack: Callable[[Any], Any]  # value -> types that msgpack can write
    unpack: Callable[[Any], Any]  # the inverse; ValueError


@cache
def _codec(hint: Any) -> _Codec:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return _one_of(arguments)
    if origin is frozenset:
        return _frozenset(_codec(arguments[0]))
    if origin is tuple:
        return _all_alike(_codec(arguments[0])) if arguments[1:] == (...,) else _fixed(tuple, arguments)
    if dataclasses.is_dataclass(hint):
        return _dataclass(hint)
    if issubclass(hint, tuple):
        hints = get_type_hints(hint)
        return _fixed(lambda items: hint(*items), [hints[name] for name in hint._fields])
    if issubclass(hint, Enum):
        return _Codec(lambda value: hint(value).value, hint)
    assert hint in (int, bool, str, bytes), hint
    return _Codec(hint, lambda plain: _checked(plain, hint))


def _checked(plain: Any, expected: type) -> Any:
    if type(plain) is not expected:
        raise ValueError(f"{plain!r:.60} is not of type {expected.__name__}")
    return plain


def _frozenset(item: _Codec) -> _Codec:
    return _Codec(
        lambda value: sorted(item.pack(one) for one in value),
        lambda plain: frozenset(item.unpack(one) for one in _checked(plain, list)),
    )


def _all_alike(item: _Codec) -> _Codec:
    return _Codec(
        lambda value: [item.pack(one) for one in value],
        lambda plain: tuple(item.unpack(one) for one in _checked(plain, list)),
    )


def _fixed(build: Callable[[Any], Any], hints: Sequence[Any]) -> _Codec:
    items = [_codec(hint) for hint in hints]
    return _Codec(
        lambda value: [item.pack(one) for item, one in zip(items, value, strict=True)],
        lambda plain: build(item.unpack(one) for item, one in zip(items, _checked(plain, list), strict=True)),
    )


def _dataclass(cls: Any) -> _Codec:
    hints = get_type_hints(cls)
    members = {field.name: _codec(hints[field.name]) for field in dataclasses.fields(cls)}

    def unpack(plain: Any) -> Any:
        given = _checked(plain, dict)
        if unknown := given.keys() - members.keys():
            raise ValueError(f"{cls.__name__} has no member {min(unknown)!r}")
        try:
            return cls(**{name: members[name].unpack(value) for name, value in given.items()})
        except TypeError as error:  # a member without a default is missing
            raise ValueError(str(error)) from None

    return _Codec(lambda value: {name: member.pack(getattr(value, name)) for name, member in members.items()}, unpack)


def _one_of(hints: Sequence[Any]) -> _Codec:
    """One of several dataclasses; or one type or None."""
    if NoneType in hints:
        (hint,) = (one for one in hints if one is not NoneType)
        some = _codec(hint)
        return _Codec(
            lambda value: None if value is None else some.pack(value),
            lambda plain: None if plain is None else some.unpack(plain),
        )
    named = {cls.__name__: _codec(cls) for cls in hints}

    def pack(value: Any) -> list[Any]:
        name = type(value).__name__
        return [name, named[name].pack(value)]

    def unpack(plain: Any) -> Any:
        name, members = _checked(plain, list)
        if name not in named:
            raise ValueError(f"{name!r:.60} is not one of {', '.join(named)}")
        return named[name].unpack(members)

    return _Codec(pack, unpack)
