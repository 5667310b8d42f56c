"""The frames and NET_BUFFER_LISTs of a script as values (sections 6 and 8 of the protocol)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from dataplane.ndis.values import MalformedValue, parse_hex, parse_int, parse_list, parse_word
from dataplane.oracle.lines import check_members, parse_bool, parse_text, required
from dataplane.oracle.nbls import Send

FRAME_MEMBERS = ("frame", "wire_length", "keep")
_NBL_MEMBERS = ("data", "vport_id", "queue_id", "hash_info", "hash_value", "ieee8021q", "label", "keep")


@dataclass(frozen=True, slots=True)
class ArrivingFrame:
    """A frame that is going to arrive."""

    label: str
    data: bytes
    wire_length: int
    keep: bool


def parse_frame(members: Mapping[str, Any], label: str) -> ArrivingFrame:
    """A frame from the members of a `frame` step or a `during` object."""
    data = parse_hex(required(members, "frame", "a frame"))
    wire_length = parse_int(members["wire_length"]) if "wire_length" in members else len(data)
    if wire_length < len(data):
        raise MalformedValue(f"wire_length {wire_length} is smaller than the frame of {len(data)} bytes")
    return ArrivingFrame(label, data, wire_length, parse_bool(members.get("keep", False), "keep"))


def parse_during(value: Any, label: str) -> list[ArrivingFrame]:
    """The `during` frames of a request labelled `label`."""
    frames = []
    for position, one in enumerate(parse_list(value), 1):
        members = check_members(one, (*FRAME_MEMBERS, "label", "comment"), "a frame")
        default = f"{label}/d{position}"
        frames.append(parse_frame(members, parse_text(members.get("label", default), "label")))
    return frames


def parse_sends(value: Any, label: str) -> list[Send]:
    """The NBLs of a `send` step labelled `label`: one object, or a list of them."""
    several = parse_list(value) if isinstance(value, list) else [value]
    if not several:
        raise MalformedValue("a send call has at least one NBL")
    default_labels = (
        [label] if len(several) == 1 else [f"{label}.{position}" for position in range(1, len(several) + 1)]
    )
    return [_parse_nbl(one, default) for one, default in zip(several, default_labels, strict=True)]


def _parse_nbl(value: Any, default_label: str) -> Send:
    members = check_members(value, _NBL_MEMBERS, "an NBL")
    if "vport_id" in members and "queue_id" in members:
        raise MalformedValue("vport_id and queue_id are two names of the same two bytes: write one of them")
    data = required(members, "data", "an NBL")
    net_buffers = tuple(parse_hex(one) for one in (parse_list(data) if isinstance(data, list) else [data]))
    if not net_buffers:
        raise MalformedValue("an NBL has at least one NET_BUFFER")
    return Send(
        label=parse_text(members.get("label", default_label), "label"),
        net_buffers=net_buffers,
        target_id=parse_int(members.get("vport_id", members.get("queue_id", 0)), 16),
        hash_info=parse_word(members.get("hash_info", 0)),
        hash_value=parse_word(members.get("hash_value", 0)),
        ieee8021q=parse_word(members.get("ieee8021q", 0)),
        keep=parse_bool(members.get("keep", False), "keep"),
    )


def distinct(labels: Collection[str]) -> None:
    """Labels of one line are unique among themselves."""
    if len(set(labels)) != len(labels):
        raise MalformedValue("two labels of this line are the same")
