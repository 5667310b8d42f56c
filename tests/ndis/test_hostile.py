"""Hostile buffers: `decode` answers, whatever the bytes, and reads nothing outside the buffer."""

from __future__ import annotations

import json
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataplane.ids import NdisVersion
from dataplane.ndis import structures as s
from dataplane.ndis.codec import Failure, decode
from dataplane.ndis.describe import describe
from dataplane.ndis.layout import STRUCTURES, Structure
from dataplane.ndis.status import NdisStatus
from dataplane.ndis.structured import encode, to_json

V680 = NdisVersion(6, 80)
_ALLOWED = (NdisStatus.NDIS_STATUS_INVALID_LENGTH, NdisStatus.NDIS_STATUS_INVALID_PARAMETER)
_FULL: dict[type[Structure], dict[str, Any]] = {
    s.FilterParameters: {"field_parameters": [{"field_value": "00:15:5d:01:02:01"}, {"field_value": 10}]},
    s.AllocationCompleteArray: {"elements": [{"queue_id": 1}, {"queue_id": 2}]},
    s.SetIndirectionEntries: {"rss_entry_table": [{"vport_id": 1}, {"vport_id": 2}]},
    s.ScaleParameters: {
        "hash_information": ["Toeplitz"],
        "indirection_table": [2, 4],
        "hash_secret_key": "00" * 40,
        "processor_masks": [[2, 4]],
    },
    s.ScaleParametersV2: {"flags": ["ENABLE_RSS", "HASH_KEY_CHANGED"], "hash_secret_key": "00" * 40},
    s.HashParameters: {"flags": ["ENABLE_HASH"], "hash_secret_key": "00" * 40},
    s.RssProcessorInfo: {"rss_processors": [{"proc_num": 2}, {"proc_num": 4}]},
}
_NUMBERS = st.one_of(
    st.integers(0, 200), st.integers(0, 0xFFFFFFFF), st.sampled_from([0xFFFFFFFF, 0x80000000, 0x10000, 0xFFFFFFF0])
)


def check(cls: type[Structure], buffer: bytes, output: bool) -> None:
    """The answer is a value bounded by the buffer or a failure, and does not depend on what surrounds the buffer."""
    value = decode(cls, buffer, output=output)
    for poison in (b"\x00", b"\xff"):
        surrounded = memoryview(poison * 64 + buffer + poison * 4096)[64 : 64 + len(buffer)]
        assert decode(cls, surrounded, output=output) == value
    if isinstance(value, Failure):
        assert value.status in _ALLOWED
        assert 0 <= value.bytes_needed <= 0xFFFFFFFF
        assert value.bytes_needed == 0 or value.bytes_needed > len(buffer)
        assert value.why
        return
    for name in cls.layout.parts:
        assert len(getattr(value, name)) <= len(buffer)
    json.dumps(to_json(value))


@pytest.mark.parametrize("cls", STRUCTURES.values(), ids=lambda cls: cls.layout.name)
@given(
    random=st.binary(max_size=200),
    length=st.integers(0, 40),
    revision=st.integers(0, 4),
    output=st.booleans(),
    fill=st.sampled_from([b"\x00", b"\xff", b"\x01", b"\x30"]),
)
@settings(max_examples=25, deadline=None)
def test_random_bytes(
    cls: type[Structure], random: bytes, length: int, revision: int, output: bool, fill: bytes
) -> None:
    """Random beginnings, with and without a right type and a sufficient length."""
    check(cls, random, output)
    kind = cls.layout.object_type or 0
    body = struct.pack("<BBH", kind, revision, 0xFFFF) + random + fill * (cls.layout.sizeof + length)
    check(cls, body, output)
    describe(cls.layout.name, body, output=output)


@pytest.mark.parametrize("cls", _FULL, ids=lambda cls: cls.layout.name)
@given(data=st.data(), cut=st.integers(0, 60), output=st.booleans(), revision=st.integers(0, 255))
@settings(max_examples=120, deadline=None)
def test_absurd_numbers(cls: type[Structure], data: st.DataObject, cut: int, output: bool, revision: int) -> None:
    """Well-formed requests with any offset, count or size replaced, and truncated anywhere."""
    overrides = data.draw(st.fixed_dictionaries({}, optional=dict.fromkeys(sorted(cls.layout.numbers), _NUMBERS)))
    buffer = bytearray(encode(cls, _FULL[cls], V680))
    for name, number in overrides.items():
        placed = cls.layout.members[name]
        size = placed.member.c_type.size
        buffer[placed.offset : placed.offset + size] = (number & (1 << 8 * size) - 1).to_bytes(size, "little")
    if data.draw(st.booleans()):
        buffer[1] = revision
    check(cls, bytes(buffer[: len(buffer) - cut]), output)
    describe(cls.layout.name, bytes(buffer), output=output)


@pytest.mark.parametrize("output", [False, True])
def test_an_array_with_a_cut_off_element(output: bool) -> None:
    """A size that ends inside an element ends before that element, without an error, for every structure (STR-05)."""
    cls = s.ScaleParameters
    buffer = bytearray(encode(cls, _FULL[cls], V680))
    placed = cls.layout.members["indirection_table_size"]
    [size] = struct.unpack_from("<H", buffer, placed.offset)
    assert len(cls.layout.parts["indirection_table"].numbers) == 2
    struct.pack_into("<H", buffer, placed.offset, size - 1)
    check(cls, bytes(buffer), output)
    decoded = decode(cls, bytes(buffer), output=True)
    assert isinstance(decoded, cls)
    assert len(decoded.indirection_table) == size // 4 - 1


@pytest.mark.parametrize("output", [False, True])
@pytest.mark.parametrize("cls", _FULL, ids=lambda cls: cls.layout.name)
def test_every_cut_of_a_good_buffer_is_too_short(cls: type[Structure], output: bool) -> None:
    """No prefix of a buffer that is used to its end is accepted, and each names the bytes it needs (OID-09)."""
    buffer = encode(cls, _FULL[cls], V680)
    assert isinstance(decode(cls, buffer, output=output), cls)
    for length in range(len(buffer)):
        failure = decode(cls, buffer[:length], output=output)
        assert isinstance(failure, Failure)
        assert failure.status == NdisStatus.NDIS_STATUS_INVALID_LENGTH
        assert length < failure.bytes_needed <= len(buffer)


def _numbers(offset: int, count: int, size: int) -> Callable[[bytes], bytes]:
    return lambda buffer: buffer[:20] + struct.pack("<III", offset, count, size) + buffer[32:]


@pytest.mark.parametrize(
    "change",
    [
        _numbers(48, 0xFFFFFFFF, 0),
        _numbers(48, 0xFFFFFFFF, 1),
        _numbers(48, 0x04000000, 56),
        _numbers(0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF),
    ],
)
def test_a_declared_count_allocates_nothing(change: Callable[[bytes], bytes]) -> None:
    """Memory use depends on the size of the buffer, not on the sizes that it declares."""
    buffer = change(encode(s.FilterParameters, _FULL[s.FilterParameters], V680))
    decode(s.FilterParameters, buffer)
    tracemalloc.start()
    try:
        assert isinstance(decode(s.FilterParameters, buffer), Failure)
        assert tracemalloc.get_traced_memory()[1] < 64 * 1024
    finally:
        tracemalloc.stop()


CORPUS: dict[str, list[str]] = json.loads(Path(__file__).with_name("corpus.json").read_text("utf-8"))


@pytest.mark.parametrize("name", CORPUS)
def test_corpus(name: str) -> None:
    """The corpus has the shortest known buffer for each answer that a structure can get, in hexadecimal (OID-09)."""
    for digits in CORPUS[name]:
        for output in (False, True):
            check(s.structure_named(name), bytes.fromhex(digits), output)


def test_corpus_has_every_structure() -> None:
    """The corpus has buffers for every structure, so a new structure needs some."""
    assert set(CORPUS) == {cls.layout.name for cls in STRUCTURES.values()}
