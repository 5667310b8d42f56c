"""The memory layout of structures, from their declarations: x64, little endian, natural alignment (STR-01, STR-03).

A structure is a frozen dataclass whose fields are declared with `member()` (a fixed member) or `part()` (a variable
part after the fixed members). `@structure` computes offsets and, for each revision, the size of the fixed part, which
is Header.Size: the end of the last member of that revision, without tail padding. This module only computes numbers;
`codec` decides what a request may contain.
"""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, Final, NamedTuple, TypeVar, cast, dataclass_transform

from dataplane.ids import NdisVersion, ProcessorNumber
from dataplane.ndis import values
from dataplane.ndis.values import GroupAffinity, ValueType


class Header(NamedTuple):
    """NDIS_OBJECT_HEADER. In a value that is about to be encoded it is ignored; the encoder writes the right one."""

    type: int = 0
    revision: int = 0
    size: int = 0


# C types -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CType:
    """A C type: its bytes, and how the slots `struct` sees become one Python value."""

    name: str
    format: str  # for `struct`, without alignment
    alignment: int
    zero: Any  # the Python value of all-zero bytes
    value: ValueType  # how it is written in JSON unless the member says otherwise
    load: Callable[..., Any] | None = None  # slots -> value; None: the only slot is the value
    dump: Callable[[Any], tuple[Any, ...]] | None = None  # value -> slots

    @property
    def compiled(self) -> struct.Struct:
        """The type on its own, without alignment."""
        return _compiled(self.format)

    @property
    def size(self) -> int:
        """Bytes."""
        return _compiled(self.format).size

    @property
    def width(self) -> int:
        """Number of `struct` slots."""
        return len(self.compiled.unpack(bytes(self.size)))


@cache
def _compiled(format_: str) -> struct.Struct:
    return struct.Struct("<" + format_)


_STRING_BYTES_MAX = 514


def _load_string(length: int, characters: bytes) -> str:
    # A length that is odd or exceeds the array is hostile: only characters inside the array are read.
    length = min(length, _STRING_BYTES_MAX) & ~1
    return characters[:length].decode("utf-16-le", errors="replace") if length else ""


def _dump_string(text: str) -> tuple[int, bytes]:
    characters = text.encode("utf-16-le", errors="replace")[:_STRING_BYTES_MAX]
    return len(characters), characters


UCHAR = CType("UCHAR", "B", 1, 0, values.integer(8))
USHORT = CType("USHORT", "H", 2, 0, values.integer(16))
ULONG = CType("ULONG", "I", 4, 0, values.integer(32))
ULONG64 = CType("ULONG64", "Q", 8, 0, values.integer(64))
POINTER = CType("PVOID", "Q", 8, 0, values.integer(64))
NDIS_STATUS = CType("NDIS_STATUS", "I", 4, 0, values.STATUS)
PROCESSOR_NUMBER = CType("PROCESSOR_NUMBER", "HBx", 2, ProcessorNumber(0, 0), values.PROCESSOR, ProcessorNumber, tuple)
GROUP_AFFINITY = CType(
    "GROUP_AFFINITY",
    "QH6x",
    8,
    GroupAffinity(0, 0),
    values.AFFINITY,
    lambda mask, group: GroupAffinity(group, mask),
    lambda affinity: (affinity.mask, affinity.group),
)
NDIS_IF_COUNTED_STRING = CType(
    "NDIS_IF_COUNTED_STRING", f"H{_STRING_BYTES_MAX}s", 2, "", values.STRING, _load_string, _dump_string
)
NDIS_OBJECT_HEADER = CType("NDIS_OBJECT_HEADER", "BBH", 2, Header(), values.integer(0), Header, tuple)
MAC_ADDRESS_32 = CType(
    "UCHAR[32]",
    "6s26x",
    1,
    0,
    values.MAC,
    lambda address: int.from_bytes(address, "big"),
    lambda address: (address.to_bytes(6, "big"),),
)
MAC_ADDRESS = dataclasses.replace(MAC_ADDRESS_32, name="UCHAR[6]", format="6s")


def raw(size: int, alignment: int = 1) -> CType:
    """An opaque run of bytes."""
    return CType(f"UCHAR[{size}]", f"{size}s", alignment, bytes(size), values.HEX)


# Declarations --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Member:
    """A fixed member."""

    c_name: str
    c_type: CType
    value: ValueType
    since: int  # first revision that has it
    default: Any  # of structured input that leaves it out
    missing: Any  # of a buffer whose revision does not have it (STR-06, OID-11)
    result_only: bool  # never part of structured input
    reserved: bool  # not part of structured input or output


@dataclass(frozen=True, slots=True)
class Part:
    """A variable part, located by numbers in fixed members (STR-05).

    Either `count` and `element_size` are given (an array) or `size` is (a run of bytes).
    """

    item: PartItem
    offset: str  # attribute names of the numbers
    count: str = ""
    element_size: str = ""
    size: str = ""
    alignment: int = 8  # where the encoder places it
    since: int = 1
    result_only: bool = False  # a request does not carry it; results write its numbers even when it is empty (OID-19)
    #: Bytes a request may declare for `size`, by revision; a request whose part is in use must have one of them.
    sizes: Callable[[int], Sequence[int]] | None = None
    sizes_rule: str = ""  # the rule about these sizes
    may_overlap: bool = False  # the part may lie anywhere inside the buffer (RSS-29)

    @property
    def numbers(self) -> tuple[str, ...]:
        """Attribute names of the members that locate this part."""
        return tuple(name for name in (self.offset, self.count, self.element_size, self.size) if name)


@dataclass(frozen=True, slots=True)
class PartItem:
    """The contents of a variable part: exactly one of a structure, a C type, or plain bytes."""

    structure: type[Structure] | None = None
    check_headers: bool = False  # of the element structures (OID-10)
    c_type: CType | None = None
    c_type_revision_1: CType | None = None  # the older element of the RSS table
    value: ValueType | None = None  # JSON of the whole part; None for element structures

    @property
    def zero(self) -> Any:
        """The empty part."""
        return () if self.structure or self.c_type else b""

    def type_of(self, revision: int) -> CType | None:
        """The C type of one element in that revision."""
        return self.c_type_revision_1 if revision == 1 and self.c_type_revision_1 else self.c_type

    def size_of(self, revision: int) -> int:
        """Bytes of one element, as `sizeof` counts them."""
        if self.structure:
            return self.structure.layout.sizeof
        c_type = self.type_of(revision)
        return c_type.size if c_type else 1


_DEFAULT: Final = object()


def member(
    c_name: str,
    c_type: CType,
    value: ValueType | None = None,
    *,
    since: int = 1,
    default: Any = _DEFAULT,
    missing: Any = _DEFAULT,
    result_only: bool = False,
    reserved: bool = False,
) -> Any:
    """Declare a fixed member; `c_name` is the documented name, the attribute its snake_case form."""
    default = c_type.zero if default is _DEFAULT else default
    missing = c_type.zero if missing is _DEFAULT else missing
    declared = Member(c_name, c_type, value or c_type.value, since, default, missing, result_only, reserved)
    return dataclasses.field(default=default, metadata={"member": declared})


def part(item: PartItem, **numbers: Any) -> Any:
    """Declare a variable part; see `Part`."""
    return dataclasses.field(default=item.zero, metadata={"part": Part(item, **numbers)})


# Layouts -------------------------------------------------------------------------------------------------------------


class Placed(NamedTuple):
    """A member with its place."""

    attribute: str
    offset: int
    member: Member


class RevisionLayout:
    """The fixed part of one revision, compiled for speed."""

    def __init__(
        self, revision: int, members: Sequence[Placed], fields: Sequence[str], empty: Mapping[str, Any]
    ) -> None:
        self.revision = revision
        self.members = members
        #: Bytes of the fixed part: Header.Size.
        self.size = members[-1].offset + members[-1].member.c_type.size if members else 0
        self.by_attribute = {placed.attribute: placed for placed in members}
        formats, end, slot = ["<"], 0, 0
        slots: dict[str, _Step] = {}
        for placed in members:
            c_type = placed.member.c_type
            formats.append(f"{placed.offset - end}x{c_type.format}" if placed.offset > end else c_type.format)
            end = placed.offset + c_type.size
            slots[placed.attribute] = _Step(slot, slot + c_type.width, c_type.load, ())
            slot += c_type.width
        self._struct = struct.Struct("".join(formats))
        self._zeros = [placed.member.c_type.zero for placed in members]
        dumps = [(at, placed.member.c_type.dump) for at, placed in enumerate(members)]
        self._dumps = [(at, dump) for at, dump in reversed(dumps) if dump]  # from the end: earlier places do not move
        self._steps = _merged([slots.get(name) or _Step(0, 0, None, (empty[name],)) for name in fields])

    def members_of(self, value: Structure) -> list[Any]:
        """The values of `members`."""
        return [getattr(value, name) for name in self.by_attribute]

    def load(self, buffer: bytes | memoryview, offset: int = 0) -> list[Any]:
        """The values of all fields of the dataclass; variable parts empty, members of later revisions at `missing`.

        `buffer` must have `size` bytes from `offset` on.
        """
        slots = self._struct.unpack_from(buffer, offset)
        result: list[Any] = []
        for first, end, load, constants in self._steps:
            if load is not None:
                result.append(load(*slots[first:end]))
            else:
                result += slots[first:end] or constants
        return result

    def dump(self, fields: Iterable[Any]) -> bytes:
        """The fixed part, `size` bytes, of the values of `members`; padding is zero."""
        slots = list(fields)
        if None in slots:  # a member that the buffer, from which the value was read, did not have
            slots = [zero if slot is None else slot for slot, zero in zip(slots, self._zeros, strict=True)]
        for at, dump in self._dumps:
            slots[at : at + 1] = dump(slots[at])
        return self._struct.pack(*slots)


class _Step(NamedTuple):
    """How fields of a dataclass are read from slots: as they are, through `load`, or not at all (constants)."""

    first: int  # slot
    end: int
    load: Callable[..., Any] | None
    constants: tuple[Any, ...]


def _merged(steps: Sequence[_Step]) -> list[_Step]:
    """The same steps, with neighbours that need no `load` merged into one."""
    merged: list[_Step] = []
    for step in steps:
        last = merged[-1] if merged else None
        if last and last.constants and step.constants:
            merged[-1] = last._replace(constants=last.constants + step.constants)
        elif last and last.load is step.load is None and last.end == step.first and not last.constants + step.constants:
            merged[-1] = last._replace(end=step.end)
        else:
            merged.append(step)
    return merged


class Layout:
    """What is known about a structure: names, type, revisions, members, parts."""

    def __init__(
        self, cls: type[Structure], name: str, alias: str, object_type: int | None, versions: Sequence[NdisVersion]
    ) -> None:
        self.name = name  # in the headers
        self.alias = alias  # in the oracle protocol
        self.object_type = object_type  # None: no header
        self.versions = versions  # NDIS version that brought revision 1, 2, ...
        declared = [(field.name, field.metadata) for field in dataclasses.fields(cast(Any, cls))]
        self.fields = [name for name, _ in declared]
        self.parts: dict[str, Part] = {name: meta["part"] for name, meta in declared if "part" in meta}
        self.numbers = frozenset(number for part in self.parts.values() for number in part.numbers)
        members, end, alignment = [], 0, 1
        for attribute, meta in declared:
            if "member" in meta:
                placed = Placed(attribute, _round_up(end, meta["member"].c_type.alignment), meta["member"])
                end = placed.offset + placed.member.c_type.size
                alignment = max(alignment, placed.member.c_type.alignment)
                members.append(placed)
        self.members: dict[str, Placed] = {placed.attribute: placed for placed in members}
        #: The values of members that structured input leaves out.
        self.defaults = {placed.attribute: placed.member.default for placed in members if placed.attribute != "header"}
        self.alignment = alignment
        self.sizeof = _round_up(end, alignment)
        empty = {placed.attribute: placed.member.missing for placed in members}
        empty |= {name: part.item.zero for name, part in self.parts.items()}
        self.revisions = [
            RevisionLayout(n, [placed for placed in members if placed.member.since <= n], self.fields, empty)
            for n in range(1, len(versions) + 1)
        ]

    def revision(self, number: int) -> RevisionLayout:
        """The layout for a header revision: the highest known one for higher ones (OID-10), the first one for 0."""
        return self.revisions[number - 1 if 0 < number <= len(self.revisions) else (-1 if number else 0)]

    def revision_for(self, version: NdisVersion) -> RevisionLayout:
        """The highest revision of an NDIS version (CAP-09, and the table of the protocol)."""
        if len(self.revisions) == 1:
            return self.revisions[0]
        return self.revision(sum(since <= version for since in self.versions))


class Structure:
    """Base of all structures; `layout` is computed from the declaration."""

    __slots__ = ()
    layout: ClassVar[Layout]

    def parts_in_use(self) -> Sequence[str]:
        """The variable parts a request with these members carries; the others are neither validated nor read."""
        return [name for name, part in self.layout.parts.items() if not part.result_only]

    # shared by all classes: generating these methods for every class would take a third of a short command's start

    def __repr__(self) -> str:
        members = zip(self.layout.fields, self._values(), strict=True)
        return f"{type(self).__qualname__}({', '.join(f'{name}={value!r}' for name, value in members)})"

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other._values() == self._values()

    def __hash__(self) -> int:
        return hash(self._values())

    def _values(self) -> tuple[Any, ...]:
        return tuple([getattr(self, name) for name in self.layout.fields])


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class HeadedStructure(Structure):
    """Base of the structures that begin with NDIS_OBJECT_HEADER."""

    header: Header = member("Header", NDIS_OBJECT_HEADER)  # noqa: RUF009 - the call makes a dataclass field


AnyStructure = TypeVar("AnyStructure", bound=Structure)

#: Every declared structure by its name in the headers.
STRUCTURES: dict[str, type[Structure]] = {}


@dataclass_transform(frozen_default=True)  # for type checkers member() or part() after "=" is a default
def structure(
    name: str, *, alias: str = "", object_type: int = 0x80, versions: Sequence[tuple[int, int]] = ((6, 0),)
) -> Callable[[type[AnyStructure]], type[AnyStructure]]:
    """Make a class a frozen dataclass with slots, give it its layout and register it.

    `versions` are the NDIS versions that brought revision 1, 2, ... (an older adapter still uses revision 1).
    """

    def decorate(declared: type[AnyStructure]) -> type[AnyStructure]:
        cls = dataclass(frozen=True, slots=True, repr=False, eq=False)(declared)
        headed = issubclass(cls, HeadedStructure)
        cls.layout = Layout(cls, name, alias, object_type if headed else None, [NdisVersion(*v) for v in versions])
        STRUCTURES[name] = cls
        return cls

    return decorate


def _round_up(offset: int, alignment: int) -> int:
    return -(-offset // alignment) * alignment
