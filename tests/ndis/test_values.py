"""The JSON spelling of member values (section 2 of the oracle protocol)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from dataplane.ids import ProcessorNumber
from dataplane.ndis import constants as c
from dataplane.ndis import values as v
from dataplane.ndis.values import GroupAffinity, MalformedValue, ValueType

_PACKET_FILTER = v.flags(c.PacketFilterFlags)
_PROPERTIES = v.flags(c.SupportedQueueProperties)
_TEST = v.enumeration(c.ReceiveFilterTest)


_CANONICAL: list[tuple[ValueType, Any, Any]] = [
    (v.integer(32), 7, 7),
    (v.WORD, "0x00000201", 0x201),
    (v.WORD, "0xffffffff", 0xFFFFFFFF),
    (v.HEX, "00ff", b"\x00\xff"),
    (v.HEX, "", b""),
    (v.MAC, "00:15:5d:01:02:01", 0x00155D010201),
    (v.PROCESSOR, 3, ProcessorNumber(0, 3)),
    (v.PROCESSOR, "1:16", ProcessorNumber(1, 16)),
    (v.PROCESSORS, [4, "2:0"], (ProcessorNumber(0, 4), ProcessorNumber(2, 0))),
    (v.AFFINITY, [2, 4], GroupAffinity(0, 0b10100)),
    (v.AFFINITY, ["1:0", "1:63"], GroupAffinity(1, 1 << 63 | 1)),
    (v.AFFINITY, [], GroupAffinity(0, 0)),
    (_TEST, "NotEqual", 3),
    (_TEST, 17, 17),
    (_PACKET_FILTER, ["DIRECTED", "PROMISCUOUS"], 0x21),
    (_PACKET_FILTER, ["BROADCAST", "0x80000040"], 0x80000048),
    (_PACKET_FILTER, [], 0),
    (v.STATUS, "NDIS_STATUS_NOT_ACCEPTED", 0x00010003),
    (v.STATUS, "0xc0ffee00", 0xC0FFEE00),
    (v.FUNCTION, "PF", 0xFFFF),
    (v.FUNCTION, 3, 3),
    (v.STRING, "vm", "vm"),
    (v.ADDRESSES, ["01:00:5e:00:00:01"], (0x01005E000001,)),
]
_OTHER: list[tuple[ValueType, Any, Any]] = [
    (v.integer(32), "0x10", 16),
    (v.WORD, "0x201", 0x201),
    (v.WORD, 513, 0x201),
    (v.HEX, "aBcD", b"\xab\xcd"),
    (v.MAC, "00:15:5D:01:02:01", 0x00155D010201),
    (v.PROCESSOR, "0:4", ProcessorNumber(0, 4)),
    (v.PROCESSOR, 255, ProcessorNumber(0, 255)),
    (v.AFFINITY, {"group": 1, "mask": "0x8000000000000001"}, GroupAffinity(1, 1 << 63 | 1)),
    (v.AFFINITY, {"mask": 6}, GroupAffinity(0, 6)),
    (v.AFFINITY, [4, 2, 4], GroupAffinity(0, 0b10100)),
    (_TEST, 1, 1),
    (_TEST, "0x11", 17),
    (_PACKET_FILTER, ["DIRECTED", 4, "0x10"], 0x15),
    (_PACKET_FILTER, "0x21", 0x21),
    (_PACKET_FILTER, 33, 0x21),
    (_PROPERTIES, ["IMPLAT_MIN_OF_QUEUES_MODE"], 0x40),
    (v.FUNCTION, 0xFFFF, 0xFFFF),
]


@pytest.mark.parametrize(("value_type", "written", "value"), _CANONICAL)
def test_canonical_forms(value_type: ValueType, written: Any, value: Any) -> None:
    """These forms are read, and written again as they were."""
    assert value_type.parse(written) == value
    assert value_type.render(value) == written


@pytest.mark.parametrize(("value_type", "written", "value"), _OTHER)
def test_other_forms_on_input(value_type: ValueType, written: Any, value: Any) -> None:
    """Input may be written in more ways than results are."""
    assert value_type.parse(written) == value


_MALFORMED: list[tuple[ValueType, list[Any]]] = [
    (v.integer(16), [True, None, 1.0, "1", "0x", "0x10000", 65536, -1, [1], {}, "1" * 9]),
    (v.integer(32), ["0x" + "f" * 5000]),
    (v.WORD, ["0x000000001", "201", "0x1g", None, 1 << 32]),
    (v.HEX, ["0", "0x00", "00 00", "g0", None, 0, "٠٠"]),
    (v.MAC, ["00155d010201", "00-15-5d-01-02-01", "00:15:5d:01:02", 1, None]),
    (v.PROCESSOR, ["3", "1:", ":1", "1:2:3", "a", -1, 256, "65536:0", "0:256", True, 1.0]),
    (v.AFFINITY, [[64], [0, "1:0"], 4, "4", {"msk": 1}, {"mask": 1 << 64}, None]),
    (_TEST, ["equal", "EQUAL", "", None, True, -1, ["Equal"]]),
    (_PACKET_FILTER, [["directed"], "DIRECTED", None, [None], [True], [1 << 32], {}]),
    (v.STATUS, ["SUCCESS", "ndis_status_success", 0, None, "0x100000000"]),
    (v.FUNCTION, ["VF", "pf", None, 65536]),
    (v.STRING, [1, None, "x" * 257, "\U0001f600" * 129, "\udc00"]),
]


@pytest.mark.parametrize(
    ("value_type", "written"), [(value_type, written) for value_type, several in _MALFORMED for written in several]
)
def test_malformed_values(value_type: ValueType, written: Any) -> None:
    """Everything else is malformed, with one line that shows what was written."""
    with pytest.raises(MalformedValue) as caught:
        value_type.parse(written)
    assert 0 < len(str(caught.value)) < 400
    assert "\n" not in str(caught.value)


def test_a_clashing_bit_is_shown_by_the_name_miniports_use() -> None:
    """0x40 of SupportedQueueProperties has two names; miniports never set IMPLAT_MIN_OF_QUEUES_MODE."""
    assert _PROPERTIES.render(0x40) == ["DYNAMIC_PROCESSOR_AFFINITY_CHANGE_FOR_DEFAULT_QUEUE"]


@pytest.mark.parametrize(
    ("render", "value", "written"),
    [
        (v.format_processor, None, None),
        (v.format_status, 0x4002000D, "NDIS_STATUS_RECEIVE_QUEUE_STATE"),
        (v.format_word, 0x201, "0x00000201"),
        (v.format_function, 0xFFFF, "PF"),
    ],
)
def test_rendering(render: Callable[[Any], Any], value: Any, written: Any) -> None:
    """Forms that only results have."""
    assert render(value) == written
