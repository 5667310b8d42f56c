"""The JSON form of structures: structured input and output of section 5 of the oracle protocol.

`encode()` is strict about its input (unknown member, wrong type, unknown name: `MalformedValue`). `to_json()` shows
whatever the buffer contained. `codec` does everything about bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dataplane.ids import NdisVersion, ProcessorNumber, format_mac
from dataplane.ndis.codec import assemble, dump_items
from dataplane.ndis.layout import Header, Layout, Part, RevisionLayout, Structure
from dataplane.ndis.structures import (
    FieldParameters,
    address_of,
    default_header_field,
    header_field_names,
    short_of,
)
from dataplane.ndis.values import MalformedValue, parse_int, parse_list


def encode(cls: type[Structure], members: Any, version: NdisVersion, *, output: bool = False) -> bytes:
    """Write the InformationBuffer of structured input.

    `members` is an object with JSON values by snake_case name, including `header` and the override numbers. Missing
    members have their defaults. So has one that is null because the revision of the decoded buffer did not have it. The
    header revision is the highest of the NDIS version unless `header` says otherwise. With `output`, members that only
    results have are accepted as well. MalformedValue names the member.
    """
    layout = cls.layout
    if not isinstance(members, Mapping):
        raise MalformedValue(f"{_name(layout)} is written as an object")
    for name in members:
        if not _is_known(layout, name, output):
            raise MalformedValue(f"{_name(layout)} has no member {name!r}")
    if cls is FieldParameters:
        members = _with_header_field(members)
    revision, header = layout.revision_for(version), None
    if "header" in members:
        revision, header = _parse_header(layout, members["header"], revision)
    fields = dict(layout.defaults)
    overrides: dict[str, int] = {}
    parts: dict[str, Sequence[bytes]] = dict.fromkeys(layout.parts, ())
    for name, value in members.items():
        if name in layout.parts:
            part = layout.parts[name]
            parts[name] = _encode_part(part, value, name, revision, version=version, output=output)
        elif name in layout.numbers:
            overrides[name] = _parse(layout.members[name].member.value.parse, value, name)
        elif name != "header" and not (value is None and layout.members[name].member.missing is None):
            fields[name] = _parse(layout.members[name].member.value.parse, value, name)
    return assemble(layout, revision, fields, parts, header=header, overrides=overrides, result=output)


def to_json(value: Structure) -> dict[str, Any]:
    """All members of a decoded structure in their JSON form: `header`, override numbers and variable parts included.

    Reserved members are left out.
    """
    layout = value.layout
    result: dict[str, Any] = {}
    for name in layout.fields:
        member = getattr(value, name)
        if name in layout.parts:
            value_type = layout.parts[name].item.value
            result[name] = value_type.render(member) if value_type else [to_json(element) for element in member]
        elif name == "header":
            result[name] = member._asdict()
        elif not layout.members[name].member.reserved:
            result[name] = layout.members[name].member.value.render(member)
    if isinstance(value, FieldParameters):
        result["header_field"] = header_field_names(value.frame_header).render(value.header_field)
        for name in ("field_value", "result_value"):
            union = getattr(value, name)
            result[name] = format_mac(address_of(union)) if value.is_address else short_of(union)
    return result


def _name(layout: Layout) -> str:
    return layout.alias or layout.name


def _is_known(layout: Layout, name: str, output: bool) -> bool:
    if name in layout.parts:
        return output or not layout.parts[name].result_only
    if name not in layout.members:
        return False
    declared = layout.members[name].member
    return not declared.reserved and (output or not declared.result_only)


def _parse(parse: Callable[[Any], Any], value: Any, name: str) -> Any:
    try:
        return parse(value)
    except MalformedValue as error:
        raise MalformedValue(f"{name}: {error}") from None


def _parse_header(layout: Layout, value: Any, revision: RevisionLayout) -> tuple[RevisionLayout, Header]:
    if not isinstance(value, Mapping) or not set(value) <= {"type", "revision", "size"}:
        raise MalformedValue("header: write an object with type, revision and size")
    number = _parse(_parse_uchar, value.get("revision", revision.revision), "header.revision")
    if number != revision.revision:
        known = 1 <= number <= len(layout.revisions)
        revision = layout.revisions[number - 1 if known else -1]
    object_type = _parse(_parse_uchar, value.get("type", layout.object_type), "header.type")
    size = _parse(_parse_ushort, value.get("size", revision.size), "header.size")
    return revision, Header(object_type, number, size)


def _parse_uchar(value: Any) -> int:
    return parse_int(value, 8)


def _parse_ushort(value: Any) -> int:
    return parse_int(value, 16)


def _with_header_field(members: Mapping[str, Any]) -> Mapping[str, Any]:
    """A field test with `header_field` as a number: its names depend on the frame header, its default on the value."""
    places = FieldParameters.layout.members
    frame_header = places["frame_header"].member.default
    if "frame_header" in members:
        frame_header = _parse(places["frame_header"].member.value.parse, members["frame_header"], "frame_header")
    if "header_field" in members:
        names = header_field_names(frame_header)
        header_field = _parse(names.parse, members["header_field"], "header_field")
    else:
        header_field = default_header_field(members.get("field_value"))
    return {**members, "header_field": int(header_field)}


def _encode_part(
    part: Part, value: Any, name: str, revision: RevisionLayout, *, version: NdisVersion, output: bool
) -> Sequence[bytes]:
    element = part.item.structure
    if element is None:
        assert part.item.value is not None
        items = _parse(part.item.value.parse, value, name)
        if part.item.type_of(revision.revision) is part.item.c_type_revision_1 is not None:
            _check_one_group(items, name)
        return dump_items(part, items, revision, version)
    result = []
    for i, item in enumerate(_parse(parse_list, value, name)):
        try:
            result.append(encode(element, item, version, output=output).ljust(element.layout.sizeof, b"\0"))
        except MalformedValue as error:
            raise MalformedValue(f"{name}[{i}].{error}") from None
    return result


def _check_one_group(processors: Sequence[ProcessorNumber], name: str) -> None:
    if any(processor.group for processor in processors):
        raise MalformedValue(f"{name}: a table of revision 1 has one byte per entry, a processor of group 0")
