"""The functions of `vmmq oid decode` and `encode`: explain a buffer byte by byte, convert buffers to JSON and back."""

from __future__ import annotations

from typing import Any, NamedTuple

from dataplane.ids import NdisVersion
from dataplane.ndis import structured
from dataplane.ndis.codec import Failure, decode
from dataplane.ndis.constants import ObjectType
from dataplane.ndis.layout import Header, Member, RevisionLayout, Structure
from dataplane.ndis.oids import Oid
from dataplane.ndis.structures import EXCHANGES, FieldParameters, header_field_names, structure_named
from dataplane.ndis.values import MalformedValue, format_enum


class Row(NamedTuple):
    """One run of bytes and its meaning."""

    offset: int
    size: int  # bytes
    member: str  # documented name; elements as part[i].Name; "(padding)" and "(unused)" for bytes of no member
    raw: str  # hex
    meaning: str


def find_structure(name: str) -> type[Structure]:
    """The structure with that name, or the structure that requests of that OID carry; MalformedValue if there is none.

    Names of structures are those of the headers or of the oracle protocol. OIDs are full names, or codes as "0x...".
    """
    try:
        return structure_named(name)
    except KeyError:
        pass
    try:
        oid = Oid(int(name, 16)) if name.lower().startswith("0x") else Oid[name.upper()]
    except (KeyError, ValueError):
        raise MalformedValue(
            f"{name!r} is neither a structure nor an OID: write NDIS_RECEIVE_FILTER_PARAMETERS or an OID name"
        ) from None
    for (carrier, _), exchange in EXCHANGES.items():
        if carrier == oid and (cls := exchange.request or exchange.result):
            return cls
    raise MalformedValue(f"{oid.name} has no structure the model knows")


def buffer_to_json(name: str, buffer: bytes, *, output: bool = False) -> dict[str, Any] | Failure:
    """The members of a buffer as JSON, or what is wrong with it; MalformedValue for an unknown name.

    With `output` the buffer is read as a result, with every variable part; otherwise as a request, with parts in use.
    """
    value = decode(find_structure(name), buffer, output=output)
    return value if isinstance(value, Failure) else structured.to_json(value)


def json_to_buffer(name: str, members: Any, version: NdisVersion, *, output: bool = False) -> bytes:
    """The buffer of structured input (or, with `output`, of a result); MalformedValue says what is wrong with it."""
    return structured.encode(find_structure(name), members, version, output=output)


def describe(name: str, buffer: bytes, *, output: bool = False) -> list[Row]:
    """Every byte of a buffer, in order of offset; MalformedValue for an unknown name.

    If the buffer is well-formed, variable parts are described as well (`output` as in `buffer_to_json`). If it is
    malformed, the rows are the fixed members in it, the last one perhaps truncated, and the rest as unused.
    """
    cls = find_structure(name)
    layout = cls.layout
    revision = layout.revision(buffer[1] if layout.object_type is not None and len(buffer) > 1 else 1)
    rows = _describe_fixed(revision, buffer, 0, "")
    value = decode(cls, buffer, output=output)
    if not isinstance(value, Failure):
        for part_name in layout.parts:
            rows += _describe_part(value, part_name, revision, buffer)
    return _with_gaps(rows, revision.size, buffer)


def _describe_fixed(revision: RevisionLayout, buffer: bytes, base: int, prefix: str) -> list[Row]:
    """The members that lie inside the buffer; the last one may be truncated."""
    rows: list[Row] = []
    meanings: dict[str, Any] = {}
    for placed in revision.members:
        c_type, start = placed.member.c_type, base + placed.offset
        name = prefix + placed.member.c_name
        if start + c_type.size > len(buffer):
            if start < len(buffer):
                there = buffer[start:]
                rows.append(Row(start, len(there), name, there.hex(), f"cut off: {len(there)} of {c_type.size} bytes"))
            break
        slots = c_type.compiled.unpack_from(buffer, start)
        value = c_type.load(*slots) if c_type.load else slots[0]
        meanings[placed.attribute] = value
        if isinstance(value, Header):
            rows += _describe_header(value, buffer, start, name)
            continue
        shown = _meaning(placed.member, value)
        if placed.member.c_name == "HeaderField":  # its names depend on FrameHeader before it
            shown = str(header_field_names(meanings["frame_header"]).render(value))
        rows.append(Row(start, c_type.size, name, buffer[start : start + c_type.size].hex(), shown))
    return rows


def _describe_header(header: Header, buffer: bytes, start: int, name: str) -> list[Row]:
    places = (("Type", 0, 1), ("Revision", 1, 1), ("Size", 2, 2))
    meanings = (str(format_enum(ObjectType, header.type)), str(header.revision), str(header.size))
    return [
        Row(start + offset, size, f"{name}.{field}", buffer[start + offset : start + offset + size].hex(), meaning)
        for (field, offset, size), meaning in zip(places, meanings, strict=True)
    ]


def _meaning(member: Member, value: Any) -> str:
    if member.reserved:
        return "reserved"
    rendered = member.value.render(value)
    if member.value.name == "flags":
        return " | ".join(rendered) or "none"
    if isinstance(rendered, list):
        return "{" + ", ".join(str(item) for item in rendered) + "}"
    return repr(rendered) if member.value.name == "string" else str(rendered)


def _describe_part(value: Structure, name: str, revision: RevisionLayout, buffer: bytes) -> list[Row]:
    """The items that `decode` has read; they lie inside the buffer."""
    part, items = value.layout.parts[name], getattr(value, name)
    if not items:
        return []
    offset = getattr(value, part.offset) if part.offset else revision.size
    if isinstance(items, bytes):
        return [Row(offset, len(items), name, items.hex(), f"{len(items)} bytes")]
    size = part.item.size_of(revision.revision)
    stride = getattr(value, part.element_size) if part.element_size else size
    rows = []
    for i, item in enumerate(items):
        start = offset + i * stride
        if isinstance(item, Structure):
            number = item.header.revision if isinstance(item, FieldParameters) else 1
            rows += _describe_fixed(item.layout.revision(number), buffer, start, f"{name}[{i}].")
        else:
            assert part.item.value is not None
            shown = str(part.item.value.render((item,))[0])
            rows.append(Row(start, size, f"{name}[{i}]", buffer[start : start + size].hex(), shown))
    return rows


def _with_gaps(rows: list[Row], fixed_size: int, buffer: bytes) -> list[Row]:
    result: list[Row] = []
    end = 0
    for row in sorted([*rows, Row(len(buffer), 0, "", "", "")]):
        if row.offset > end:
            name = "(padding)" if end < fixed_size or row.size else "(unused)"
            result.append(Row(end, row.offset - end, name, buffer[end : row.offset].hex(), ""))
        if row.size:
            result.append(row)
        end = max(end, row.offset + row.size)
    return result
