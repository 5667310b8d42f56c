"""Converts buffers of requests and results to values, and values to buffers.

The path of a request: `structured.encode()` writes the InformationBuffer. `decode()` checks it and gives a typed value
or a `Failure`. The control plane acts. The result is either written into the same buffer (`write_back()`) or built as a
new one (`encode_output()`). `decode(..., output=True)` and `structured.to_json()` show it.

`decode` never raises, whatever the bytes, and never reads or allocates beyond the buffer. Checks come in the order of
section 13 of the rules: lengths (fixed part, declared arrays, RSS table and key) before headers before element sizes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

from dataplane.ids import NdisVersion
from dataplane.ndis.layout import (
    NDIS_OBJECT_HEADER,
    AnyStructure,
    Header,
    Layout,
    Part,
    RevisionLayout,
    Structure,
)
from dataplane.ndis.status import NdisStatus

_ULONG_MAX = 0xFFFFFFFF
#: An overridden stride cannot make a buffer longer than this. Elements beyond it are not written, so the request fails
#: like any request whose array lies outside its buffer.
STRIDE_BUFFER_BYTES_MAX = 1 << 20


@dataclass(frozen=True, slots=True)
class Failure:
    """A buffer that does not hold a well-formed structure."""

    status: NdisStatus  # INVALID_LENGTH or INVALID_PARAMETER
    bytes_needed: int  # BytesNeeded: the minimum length if the buffer is too short, else 0
    why: str  # one line for humans
    rule: str = "OID-09"  # the rule that the buffer breaks


# Buffer to value -----------------------------------------------------------------------------------------------------


def decode(
    cls: type[AnyStructure], buffer: bytes | bytearray | memoryview, *, output: bool = False, fixed_only: bool = False
) -> AnyStructure | Failure:
    """Read a structure with its variable parts.

    As a request (`output` false), the parts in `Structure.parts_in_use` are validated and read. The others stay empty
    and are not looked at: info arrays (only in results), and parts that RSS flags exclude (RSS-06, RSS-07, UPD-22). As
    a result (`output` true), every part with a nonzero count or size is read. With `fixed_only` no part is read.

    The first checks fail with NDIS_STATUS_INVALID_LENGTH: a buffer shorter than the fixed part of its revision or than
    a declared part; a part that overlaps the fixed part or wraps around 32 bits; an RSS table or key of a wrong size
    (OID-09, ERR-01, ERR-36, ERR-39, ERR-44). The next ones fail with NDIS_STATUS_INVALID_PARAMETER: a bad header
    (OID-10), or an element size below `sizeof` (OID-12). A revision above the highest known one is read as the highest
    known one. Members that came after the buffer's revision have their defaults (STR-06, OID-11).
    """
    view = memoryview(buffer)
    layout = cls.layout
    revision = layout.revision(view[1] if layout.object_type is not None and len(view) > 1 else 1)
    if len(view) < revision.size:
        return _too_short(revision.size, len(view), "the fixed part")
    value = _construct(cls, revision, view)
    names = [name for name in layout.parts if _present(value, layout.parts[name])] if output else value.parts_in_use()
    if fixed_only:
        names = ()
    parts = [(name, layout.parts[name]) for name in names if layout.parts[name].since <= revision.revision]
    failure = (
        _check_lengths(value, parts, revision, len(view), output)
        or _check_header(layout, view, 0)
        or _check_elements(value, parts, view)
    )
    if failure:
        return failure
    for name, part in parts:
        # The value is not shared yet: filling it in is still construction.
        object.__setattr__(value, name, _load_part(value, part, revision, view))
    return value


def _too_short(needed: int, length: int, what: str) -> Failure:
    why = f"the buffer is too short: {what} needs {needed} bytes, {length} are there"
    return Failure(NdisStatus.NDIS_STATUS_INVALID_LENGTH, needed, why)


def _bad_length(why: str, rule: str = "OID-09") -> Failure:
    return Failure(NdisStatus.NDIS_STATUS_INVALID_LENGTH, 0, why, rule)


def _bad_parameter(why: str, rule: str = "OID-10") -> Failure:
    return Failure(NdisStatus.NDIS_STATUS_INVALID_PARAMETER, 0, why, rule)


def _present(value: Structure, part: Part) -> bool:
    return not part.offset or bool(getattr(value, part.count or part.size))


def _extent(value: Structure, part: Part, revision: RevisionLayout, length: int) -> tuple[int, int]:
    """The offset and byte size that a part declares; a part without numbers is the rest of the buffer."""
    if not part.offset:
        return revision.size, length - revision.size
    if part.size:
        return getattr(value, part.offset), getattr(value, part.size)
    return getattr(value, part.offset), getattr(value, part.count) * getattr(value, part.element_size)


def _check_lengths(
    value: Structure, parts: Sequence[tuple[str, Part]], revision: RevisionLayout, length: int, output: bool
) -> Failure | None:
    needed = 0
    for name, part in parts:
        offset, size = _extent(value, part, revision, length)
        if part.sizes and not output and size not in part.sizes(revision.revision):
            return _bad_length(f"{name} has {size} bytes, which is not a size it can have", part.sizes_rule)
        if not part.offset and size % part.item.size_of(revision.revision):
            return _bad_length(f"{name} is not a whole number of {part.item.size_of(revision.revision)}-byte elements")
        if part.count and not getattr(value, part.count):
            continue  # nothing is declared
        if offset + size > _ULONG_MAX:
            return _bad_length(f"{name} wraps around 32 bits")
        if offset < revision.size and not part.may_overlap:
            return _bad_length(f"{name} at offset {offset} overlaps the fixed part of {revision.size} bytes")
        needed = max(needed, offset + size)
    return _too_short(needed, length, "a declared part") if needed > length else None


def _check_header(layout: Layout, view: memoryview, offset: int) -> Failure | None:
    if layout.object_type is None:
        return None
    header = Header(*NDIS_OBJECT_HEADER.compiled.unpack_from(view, offset))
    size = layout.revision(header.revision).size
    if header.type != layout.object_type:
        return _bad_parameter(f"{layout.name}: Header.Type {header.type:#x} is not {layout.object_type:#x}")
    if header.revision == 0:
        return _bad_parameter(f"{layout.name}: Header.Revision is 0")
    if header.size < size:
        return _bad_parameter(f"{layout.name}: Header.Size {header.size} is below {size}")
    return None


def _check_elements(value: Structure, parts: Sequence[tuple[str, Part]], view: memoryview) -> Failure | None:
    for name, part in parts:
        element = part.item.structure
        if element is None or not getattr(value, part.count):
            continue
        offset, stride = getattr(value, part.offset), getattr(value, part.element_size)
        if stride < element.layout.sizeof:
            return _bad_parameter(f"{name}: element size {stride} is below {element.layout.sizeof}", "OID-12")
        if part.item.check_headers:
            for i in range(getattr(value, part.count)):
                if failure := _check_header(element.layout, view, offset + i * stride):
                    return failure
    return None


def _load_part(value: Structure, part: Part, revision: RevisionLayout, view: memoryview) -> Any:
    offset, size = _extent(value, part, revision, len(view))
    c_type = part.item.type_of(revision.revision)
    if part.item.structure is None and c_type is None:
        return bytes(view[offset : offset + size])
    stride = getattr(value, part.element_size) if part.element_size else part.item.size_of(revision.revision)
    if stride < part.item.size_of(revision.revision):
        return ()  # processor masks with an absurd element size: they lie in the buffer and are ignored (RSS-29)
    size -= size % stride  # a truncated last element does not count
    starts = range(offset, offset + size, stride)
    if part.item.structure:
        return _load_elements(part.item.structure, view, starts)
    assert c_type is not None
    one, load = c_type.compiled, c_type.load
    slots = (
        one.iter_unpack(view[offset : offset + size])
        if stride == one.size
        else map(partial(one.unpack_from, view), starts)
    )
    return tuple(load(*values) if load else values[0] for values in slots)


def _load_elements(cls: type[Structure], view: memoryview, starts: Iterable[int]) -> tuple[Structure, ...]:
    construct: Any = cls
    if cls.layout.object_type is None:
        load = cls.layout.revision(1).load
        return tuple(construct(*load(view, start)) for start in starts)
    return tuple(_construct(cls, cls.layout.revision(view[start + 1]), view, start) for start in starts)


def _construct(cls: type[AnyStructure], revision: RevisionLayout, view: memoryview, offset: int = 0) -> AnyStructure:
    construct: Any = cls  # for type checkers the constructor of the base class takes no arguments
    return cast(AnyStructure, construct(*revision.load(view, offset)))


# Value to buffer -----------------------------------------------------------------------------------------------------


def encode_output(value: Structure, version: NdisVersion, *, revision: int | None = None) -> bytes:
    """Build the buffer of a result: header, fixed part, variable parts.

    Without `revision` it is the highest revision of the NDIS version. Headers and the numbers that locate the parts are
    computed, whatever the value contains there. Enumerations get FirstElementOffset and ElementSize even if they are
    empty (OID-19). The length of the buffer is BytesWritten, or BytesNeeded if the buffer does not fit.
    """
    layout = value.layout
    fixed = layout.revision_for(version) if revision is None else layout.revision(revision)
    if not layout.parts and layout.object_type is None:
        return fixed.dump(fixed.members_of(value))  # nothing is computed
    fields = {name: getattr(value, name) for name in layout.fields}
    parts = {name: dump_items(part, fields[name], fixed, version) for name, part in layout.parts.items()}
    return assemble(layout, fixed, fields, parts, result=True)


def write_back(
    cls: type[Structure],
    buffer: bytes | bytearray,
    members: Mapping[str, Any],
    elements: Sequence[Mapping[str, Any]] = (),
) -> bytes:
    """The buffer with some members overwritten in place, as an in/out method returns it (OID-05).

    `members` are members of the structure. `elements[i]` are members of element i of its array, at the stride that the
    buffer declares; there is one entry for each element, or none at all. `decode` must have accepted the buffer.
    Members that the buffer's revision does not have are skipped. The result is cut to the part of the buffer that the
    request used: fixed part and array.
    """
    layout = cls.layout
    revision = layout.revision(buffer[1] if layout.object_type is not None else 1)
    result = bytearray(buffer)
    value = _construct(cls, revision, memoryview(buffer))
    used = revision.size
    for part in layout.parts.values():
        if part.since <= revision.revision and not part.result_only and _present(value, part):
            used = max(used, sum(_extent(value, part, revision, len(result))))
    _overwrite(revision, result, 0, members)
    for part in layout.parts.values():
        if part.item.structure and elements:
            offset, stride = getattr(value, part.offset), getattr(value, part.element_size)
            element = part.item.structure.layout
            for i, changes in enumerate(elements):
                start = offset + i * stride
                of_element = element.revision(result[start + 1] if element.object_type is not None else 1)
                _overwrite(of_element, result, start, changes)
    return bytes(result[:used])


def _overwrite(revision: RevisionLayout, buffer: bytearray, base: int, members: Mapping[str, Any]) -> None:
    for attribute, value in members.items():
        if attribute in revision.by_attribute:
            _, offset, member = revision.by_attribute[attribute]
            c_type = member.c_type
            slots = c_type.dump(value) if c_type.dump else (value,)
            c_type.compiled.pack_into(buffer, base + offset, *slots)


def assemble(
    layout: Layout,
    revision: RevisionLayout,
    fields: dict[str, Any],
    parts: Mapping[str, Sequence[bytes]],
    *,
    header: Header | None = None,
    overrides: Mapping[str, int] | None = None,
    result: bool = False,
) -> bytes:
    """Place the variable parts, compute the numbers that locate them, and write everything.

    `fields` are member values; they may be changed here. `parts` has the encoded items of each part. `header` and
    `overrides` replace computed values in the buffer, but move no data, except that an overridden element size is the
    stride. Parts follow the fixed part in their order, each at its alignment.
    """
    overrides = overrides or {}
    buffer = bytearray(revision.size)
    for name, part in layout.parts.items():
        if part.since > revision.revision:
            continue
        items, size = parts[name], part.item.size_of(revision.revision)
        offset = -(-len(buffer) // part.alignment) * part.alignment
        described = bool(items) or (result and part.result_only)
        # A number that this part does not have has the name "" and is not written.
        fields[part.offset] = offset if described else 0
        fields[part.count] = len(items)
        fields[part.element_size] = size if described else 0
        data = b"".join(items)
        fields[part.size] = len(data)
        if part.element_size in overrides:
            data = _spread(items, overrides[part.element_size], max(STRIDE_BUFFER_BYTES_MAX, len(data)))
        if data:
            buffer += bytes(offset - len(buffer)) + data
    fields.update(overrides)
    fields["header"] = header or Header(layout.object_type or 0, revision.revision, revision.size)
    buffer[: revision.size] = revision.dump(map(fields.__getitem__, revision.by_attribute))
    return bytes(buffer)


def _spread(items: Sequence[bytes], stride: int, limit: int) -> bytes:
    """Items at a given stride: gaps of a larger stride are zeros; at a smaller one later items overwrite earlier."""
    data = bytearray()
    for i, item in enumerate(items):
        start = i * stride
        if start + len(item) > limit:
            break
        end = min(start + max(stride, len(item)), limit)
        data.extend(bytes(max(end - len(data), 0)))
        data[start : start + len(item)] = item
    return bytes(data)


def dump_items(part: Part, value: Any, revision: RevisionLayout, version: NdisVersion) -> list[bytes]:
    """The encoded items of a part: element structures padded to `sizeof`, C types, or one run of bytes."""
    if part.item.structure:
        size = part.item.structure.layout.sizeof
        return [encode_output(element, version).ljust(size, b"\0") for element in value]
    c_type = part.item.type_of(revision.revision)
    if c_type is None:
        return [value] if value else []
    one, dump = c_type.compiled, c_type.dump
    return [one.pack(*(dump(element) if dump else (element,))) for element in value]
