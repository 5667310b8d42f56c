"""The `oid` step: a line as a request, its completion as a result (sections 4 and 5 of the protocol)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dataplane.control import APPLICATION, NDIS, Completion, OidRequest
from dataplane.ids import NdisVersion, ProcessorNumber
from dataplane.ndis.codec import Failure, decode
from dataplane.ndis.layout import Structure
from dataplane.ndis.oids import OID_RULES, Oid, RequestKind
from dataplane.ndis.status import NdisStatus
from dataplane.ndis.structured import encode, to_json
from dataplane.ndis.structures import EXCHANGES
from dataplane.ndis.values import MalformedValue, format_status, parse_hex, parse_int, parse_processor, parse_word
from dataplane.oracle.frames import ArrivingFrame, parse_during
from dataplane.oracle.lines import parse_bool, parse_text

MEMBERS = (
    "oid",
    "kind",
    "issuer",
    "vport_id",
    "switch_id",
    "processor",
    "sync",
    "in",
    "in_hex",
    "buffer_length",
    "hex",
    "during",
)
#: More than any request of the model can use.
BUFFER_BYTES_MAX = 1 << 24

_KINDS = {"query": RequestKind.QUERY, "set": RequestKind.SET, "method": RequestKind.METHOD}
_FROM_NDIS = (Oid.OID_NIC_SWITCH_CREATE_SWITCH, Oid.OID_NIC_SWITCH_DELETE_SWITCH)
_DEFAULT_ISSUER = "A"


@dataclass(frozen=True, slots=True)
class OidStep:
    """An `oid` line, read completely."""

    request: OidRequest
    during: tuple[ArrivingFrame, ...] | None  # frames that arrive while the miniport works on it (QUE-07)
    wants_hex: bool


def parse_oid(value: Any) -> int:
    """An OID by name, or as a code."""
    if isinstance(value, str):
        if value in Oid.__members__:
            return int(Oid[value])
        if value.startswith("0x"):
            return parse_word(value)
    raise MalformedValue(f"{value!r} is not an OID: write its full name, or its code as 0x........")


def parse_oid_step(step: Mapping[str, Any], label: str, version: NdisVersion) -> OidStep:
    """Read the members of an `oid` step."""
    oid = parse_oid(step["oid"])
    if "in" in step and "in_hex" in step:
        raise MalformedValue("write in or in_hex, not both")
    kind = _kind(step, oid)
    issuer = parse_text(step.get("issuer", NDIS if oid in _FROM_NDIS else _DEFAULT_ISSUER), "issuer")
    if "switch_id" in step and "vport_id" not in step:
        raise MalformedValue("switch_id is there only with vport_id")
    length = parse_int(step["buffer_length"]) if "buffer_length" in step else None
    if length is not None and length > BUFFER_BYTES_MAX:
        raise MalformedValue(f"buffer_length: the model has buffers of up to {BUFFER_BYTES_MAX} bytes")
    during = None
    if "during" in step:
        if oid != Oid.OID_RECEIVE_FILTER_SET_FILTER:
            raise MalformedValue("during is only for OID_RECEIVE_FILTER_SET_FILTER")
        during = tuple(parse_during(step["during"], label))
    request = OidRequest(
        oid=oid,
        kind=RequestKind.QUERY_STATISTICS if kind is RequestKind.QUERY and issuer == APPLICATION else kind,
        issuer=issuer,
        buffer=_buffer(step, oid, kind, version),
        buffer_length=length,
        vport_id=parse_int(step["vport_id"]) if "vport_id" in step else None,
        switch_id=parse_int(step.get("switch_id", 0)),
        processor=parse_processor(step["processor"]) if "processor" in step else ProcessorNumber(0, 0),
        synchronous=parse_bool(step.get("sync", oid == Oid.OID_GEN_RSS_SET_INDIRECTION_TABLE_ENTRIES), "sync"),
        request_id=label,
    )
    return OidStep(request, during, parse_bool(step.get("hex", "in_hex" in step), "hex"))


def _kind(step: Mapping[str, Any], oid: int) -> RequestKind:
    """The kind given, or the natural one."""
    if "kind" in step:
        name = parse_text(step["kind"], "kind")
        if name not in _KINDS:
            raise MalformedValue(f"kind {name!r} is not one of {', '.join(_KINDS)}")
        return _KINDS[name]
    rule = OID_RULES.get(oid)  # type: ignore[call-overload]
    kinds = rule.kinds if rule else (RequestKind.QUERY, RequestKind.SET)
    has_input = "in" in step or "in_hex" in step
    if RequestKind.SET in kinds and (has_input or RequestKind.QUERY not in kinds):
        return RequestKind.SET
    return RequestKind.QUERY if RequestKind.QUERY in kinds else RequestKind.METHOD


def _buffer(step: Mapping[str, Any], oid: int, kind: RequestKind, version: NdisVersion) -> bytes:
    if "in_hex" in step:
        return parse_hex(step["in_hex"])
    if "in" not in step:
        return b""
    structure = _input_structure(oid, kind)
    if structure is None:
        raise MalformedValue("this kind of request has no structured input")
    return encode(structure, step["in"], version)


def _input_structure(oid: int, kind: RequestKind) -> type[Structure] | None:
    """What a request carries; a set or method request of the wrong kind carries what the right kind would."""
    if kind is RequestKind.QUERY:
        return None
    if oid not in OID_RULES:
        return None
    exchanges = (EXCHANGES.get((Oid(oid), one)) for one in (kind, RequestKind.METHOD, RequestKind.SET))
    return next((exchange.request for exchange in exchanges if exchange and exchange.request), None)


def render_completion(step: OidStep, completion: Completion) -> dict[str, Any]:
    """The result members of a completed or pending request; events and `during` are the caller's."""
    result: dict[str, Any] = {
        "status": format_status(completion.status),
        "pending": completion.pending,
        "reached_miniport": completion.reached_miniport,
        "bytes_needed": completion.bytes_needed,
        "out": _structured_output(step.request, completion),
    }
    if step.wants_hex:
        result["out_hex"] = (completion.output or b"").hex()
    if completion.why:
        result["why"] = completion.why
    return result


def _structured_output(request: OidRequest, completion: Completion) -> dict[str, Any] | None:
    if completion.status is not NdisStatus.NDIS_STATUS_SUCCESS or completion.output is None:
        return None
    structure = EXCHANGES[Oid(request.oid), request.kind].result
    assert structure is not None
    value = decode(structure, completion.output, output=True)
    assert not isinstance(value, Failure), value.why
    return to_json(value)
