"""The JSON spelling of member values: words, flags, enumerations, processors, affinities, addresses, names.

Each `ValueType` converts between the JSON form that a person writes and the value in a structure. Parsing checks type,
range and name, and raises `MalformedValue` with one line for humans. Rendering never fails, whatever the bytes were.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from functools import cache
from typing import Any, NamedTuple

from dataplane.ids import ProcessorNumber, format_mac, parse_mac
from dataplane.ndis.constants import NDIS_PF_FUNCTION_ID
from dataplane.ndis.status import NdisStatus, StatusIndication

_HEX_NUMBER = re.compile(r"0x[0-9a-fA-F]+", re.ASCII)
_PROCESSOR = re.compile(r"([0-9]{1,5}):([0-9]{1,3})", re.ASCII)
_AFFINITY_BITS = 64
_STRING_CHARACTERS_MAX = 256


class MalformedValue(ValueError):  # noqa: N818 - named after the protocol's malformed lines
    """A value that its member does not accept; the text says what is wrong and what to write instead."""


class GroupAffinity(NamedTuple):
    """GROUP_AFFINITY: bit i of `mask` stands for processor i of `group`."""

    group: int  # 0..65535
    mask: int  # 64 bits

    @property
    def processors(self) -> tuple[ProcessorNumber, ...]:
        """The processors of the mask, ascending."""
        return tuple(ProcessorNumber(self.group, i) for i in range(_AFFINITY_BITS) if self.mask >> i & 1)

    @classmethod
    def of(cls, processors: Sequence[ProcessorNumber]) -> GroupAffinity:
        """The mask of `processors`; ValueError if they are not all of one group or one is beyond number 63."""
        groups = {processor.group for processor in processors}
        if len(groups) > 1 or any(processor.number >= _AFFINITY_BITS for processor in processors):
            raise ValueError("an affinity names processors 0..63 of one group")
        mask = 0
        for processor in processors:
            mask |= 1 << processor.number
        return cls(groups.pop() if groups else 0, mask)


@dataclass(frozen=True, slots=True)
class ValueType:
    """How a member is written in JSON."""

    name: str  # in the oracle protocol: int, flags, enum, ...
    parse: Callable[[Any], Any]  # JSON -> structure value; raises MalformedValue
    render: Callable[[Any], Any]  # structure value -> JSON


def parse_int(value: Any, bits: int = 32) -> int:
    """Read an unsigned integer of `bits` bits, written as a JSON integer or a "0x..." string."""
    number = int(value, 16) if isinstance(value, str) and _HEX_NUMBER.fullmatch(value) else value
    if not isinstance(number, int) or isinstance(number, bool):
        raise MalformedValue(f'{_short(value)} is not an integer: write 3 or "0x3"')
    if not 0 <= number < 1 << bits:
        raise MalformedValue(f"{_short(value)} does not fit {bits} bits")
    return number


def parse_word(value: Any) -> int:
    """Read a 32-bit word: 1 to 8 hexadecimal digits after "0x", or a JSON integer."""
    if isinstance(value, str) and len(value) > len("0x00000000"):
        raise MalformedValue(f"{value!r} is not a 32-bit word: write 1 to 8 hexadecimal digits after 0x")
    return parse_int(value)


def format_word(value: int) -> str:
    """Write a 32-bit word as "0x" and 8 lower-case digits."""
    return f"0x{value:08x}"


def parse_hex(value: Any) -> bytes:
    """Read bytes written as an even number of hexadecimal digits without separators."""
    if isinstance(value, str):
        try:
            data = bytes.fromhex(value)
        except ValueError:
            data = None
        if data is not None and 2 * len(data) == len(value):  # fromhex() also accepts blanks
            return data
    raise MalformedValue(f"{_short(value)} is not hex: write an even number of hexadecimal digits, no separators")


def parse_address(value: Any) -> int:
    """Read a MAC address, `"00:15:5d:01:02:01"`, as a 48-bit integer."""
    try:
        if isinstance(value, str) and "-" not in value:
            return parse_mac(value)
    except ValueError:
        pass
    raise MalformedValue(f'{_short(value)} is not a MAC address: write "00:15:5d:01:02:01"')


def parse_processor(value: Any) -> ProcessorNumber:
    """Read a processor: n of group 0, or "g:n".

    Every number that PROCESSOR_NUMBER can hold is accepted (n up to 255), also those that no machine has: the adapter
    refuses processors outside the RSS processor set (RSS-17).
    """
    if type(value) is int and 0 <= value <= 0xFF:  # by far the most frequent form
        return ProcessorNumber(0, value)
    group, number = 0, value
    if isinstance(value, str) and (match := _PROCESSOR.fullmatch(value)):
        group, number = int(match[1]), int(match[2])
    if not isinstance(number, int) or isinstance(number, bool) or not (0 <= number <= 0xFF and group <= 0xFFFF):
        raise MalformedValue(f'{_short(value)} is not a processor: write 3 or "1:16"')
    return ProcessorNumber(group, number)


def format_processor(processor: ProcessorNumber | None) -> int | str | None:
    """Write a processor as n (group 0) or "g:n"; none as null."""
    if processor is None:
        return None
    return processor.number if processor.group == 0 else f"{processor.group}:{processor.number}"


def parse_processors(value: Any) -> tuple[ProcessorNumber, ...]:
    """Read a list of processors."""
    return tuple(parse_processor(item) for item in parse_list(value))


def format_processors(processors: Sequence[ProcessorNumber]) -> list[int | str | None]:
    """Write a list of processors, in the given order."""
    return [format_processor(processor) for processor in processors]


def parse_affinity(value: Any) -> GroupAffinity:
    """Read a list of processors of one group, or {"group": g, "mask": word64}."""
    if isinstance(value, Mapping):
        if unknown := set(value) - {"group", "mask"}:
            raise MalformedValue(f"an affinity has no {sorted(unknown)[0]!r}: write group and mask")
        return GroupAffinity(parse_int(value.get("group", 0), 16), parse_int(value.get("mask", 0), _AFFINITY_BITS))
    try:
        return GroupAffinity.of(parse_processors(value))
    except MalformedValue:
        raise
    except ValueError as error:
        raise MalformedValue(str(error)) from None


def format_affinity(affinity: GroupAffinity) -> list[int | str | None]:
    """Write the processors of the mask, ascending."""
    return format_processors(affinity.processors)


def parse_status(value: Any) -> int:
    """Read a status by its full name; a code without a name as a 32-bit word string."""
    if isinstance(value, str):
        if value in NdisStatus.__members__:
            return int(NdisStatus[value])
        if _HEX_NUMBER.fullmatch(value):
            return parse_word(value)
    raise MalformedValue(f"{_short(value)} is not a status: write a full name such as NDIS_STATUS_SUCCESS")


def format_status(status: int) -> str:
    """Write a status by its full name; a code without a name as a word."""
    return _STATUS_NAMES.get(status) or format_word(status)


_STATUS_NAMES = {int(status): status.name for group in (NdisStatus, StatusIndication) for status in group}


def parse_function(value: Any) -> int:
    """Read a function: "PF" (0xFFFF) or the number of a VF."""
    return NDIS_PF_FUNCTION_ID if value == "PF" else parse_int(value, 16)


def format_function(function: int) -> int | str:
    """Write a function: "PF" for 0xFFFF, otherwise the number of the VF."""
    return "PF" if function == NDIS_PF_FUNCTION_ID else function


def parse_string(value: Any) -> str:
    """Read a string that fits NDIS_IF_COUNTED_STRING: at most 256 UTF-16 characters."""
    if not isinstance(value, str):
        raise MalformedValue(f"{_short(value)} is not a string")
    try:
        length = len(value.encode("utf-16-le")) // 2
    except UnicodeEncodeError:
        raise MalformedValue(f"{_short(value)} has a lone surrogate and is no text") from None
    if length > _STRING_CHARACTERS_MAX:
        raise MalformedValue(f"a name has at most {_STRING_CHARACTERS_MAX} characters, this one has {length}")
    return value


def parse_list(value: Any) -> Sequence[Any]:
    """Read a JSON list."""
    if not isinstance(value, (list, tuple)):
        raise MalformedValue(f"{_short(value)} is not a list")
    return value


def parse_enum(names: type[IntEnum], value: Any, bits: int = 32) -> int:
    """Read a documented name of `names`, or a number."""
    if isinstance(value, str) and value in names.__members__:
        return int(names[value])
    if isinstance(value, str) and not _HEX_NUMBER.fullmatch(value):
        raise MalformedValue(f"{value!r} is not one of {', '.join(names.__members__)}")
    return parse_int(value, bits)


@cache
def _enum_names(names: type[IntEnum]) -> dict[int, str]:
    return {int(member): member.name for member in names}


def format_enum(names: type[IntEnum], value: int) -> str | int:
    """Write the documented name, or the number if it has none."""
    return _enum_names(names).get(value, value)


@cache
def _flag_bits(names: type[IntFlag]) -> dict[str, int]:
    return {name: int(member) for name, member in names.__members__.items()}  # aliases included


def parse_flags(names: type[IntFlag], value: Any, bits: int = 32) -> int:
    """Read a list of names and numbers, OR-ed together, or one number."""
    if not isinstance(value, (list, tuple)):
        if isinstance(value, str) and not _HEX_NUMBER.fullmatch(value):
            raise MalformedValue(f"{value!r} is not a list of flags: write [{value!r}]")
        return parse_int(value, bits)
    known = _flag_bits(names)
    word = 0
    for item in value:
        bit = known.get(item) if isinstance(item, str) else None
        if bit is None:
            if isinstance(item, str) and not _HEX_NUMBER.fullmatch(item):
                raise MalformedValue(f"{item!r} is not one of {', '.join(known)}")
            bit = parse_int(item, bits)
        word |= bit
    return word


@cache
def _flag_names(names: type[IntFlag]) -> tuple[tuple[int, str], ...]:
    return tuple((int(member), str(member.name)) for member in sorted(names))


def format_flags(names: type[IntFlag], value: int) -> list[str]:
    """Write the names by ascending bit, all unknown bits together as one last word."""
    result = []
    for bit, name in _flag_names(names):
        if value & bit:
            result.append(name)
            value &= ~bit
    if value:
        result.append(format_word(value))
    return result


def _identity(value: Any) -> Any:
    return value


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


@cache
def integer(bits: int) -> ValueType:
    """An unsigned integer of `bits` bits."""
    return ValueType("int", lambda value: parse_int(value, bits), _identity)


@cache
def flags(names: type[IntFlag], bits: int = 32) -> ValueType:
    """Flags of `names` in a word of `bits` bits."""
    return ValueType("flags", lambda value: parse_flags(names, value, bits), lambda value: format_flags(names, value))


@cache
def enumeration(names: type[IntEnum]) -> ValueType:
    """An enumeration of 32 bits (STR-03)."""
    return ValueType("enum", lambda value: parse_enum(names, value), lambda value: format_enum(names, value))


WORD = ValueType("word", parse_word, format_word)
HEX = ValueType("hex", parse_hex, bytes.hex)
MAC = ValueType("mac", parse_address, format_mac)
PROCESSOR = ValueType("proc", parse_processor, format_processor)
PROCESSORS = ValueType("procs", parse_processors, format_processors)
AFFINITY = ValueType("affinity", parse_affinity, format_affinity)
AFFINITIES = ValueType(
    "list of affinity",
    lambda value: tuple(parse_affinity(item) for item in parse_list(value)),
    lambda affinities: [format_affinity(affinity) for affinity in affinities],
)
ADDRESSES = ValueType(
    "list of mac",
    lambda value: tuple(parse_address(item) for item in parse_list(value)),
    lambda addresses: [format_mac(address) for address in addresses],
)
STATUS = ValueType("status", parse_status, format_status)
FUNCTION = ValueType("function", parse_function, format_function)
STRING = ValueType("string", parse_string, _identity)
