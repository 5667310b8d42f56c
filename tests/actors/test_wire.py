"""Messages are equal after encoding and decoding."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.wire import Hello, Message, Start, Welcome, decode, encode
from dataplane.processor.messages import (
    ANSWER_ROW,
    ENTRY_LOAD_ROW,
    LATE_ROW,
    PROCESSOR_LOAD_ROW,
    Acknowledge,
    Answer,
    End,
    Ended,
    Loads,
    Marker,
    Segment,
    Settle,
    Tick,
    Work,
)
from dataplane.switch.change import GROUP_ROW, HEIR_ROW, MOVED_ROW, SteeringChange

NUMBERS = st.integers(0, 2**62)
TIMES = st.integers(-(2**62), 2**62)


def rows(dtype: np.dtype[Any]) -> st.SearchStrategy[Any]:
    """Arrays with any rows of a dtype; every byte of a row is meaningful."""
    return st.integers(0, 5).flatmap(
        lambda count: st.binary(min_size=count * dtype.itemsize, max_size=count * dtype.itemsize).map(
            lambda data: np.frombuffer(data, dtype)
        )
    )


ANSWERS = st.builds(Answer, NUMBERS, st.none() | TIMES, rows(ANSWER_ROW))
SETTLES = st.builds(Settle, NUMBERS, st.none() | TIMES, rows(ANSWER_ROW))
CHANGES = st.builds(SteeringChange, rows(MOVED_ROW), rows(GROUP_ROW), rows(HEIR_ROW), NUMBERS)
MARKS = st.builds(Marker, NUMBERS, TIMES, NUMBERS, NUMBERS, CHANGES)
SEGMENTS = st.builds(Segment, NUMBERS, NUMBERS, st.lists(MARKS, max_size=3).map(tuple))
MESSAGES: st.SearchStrategy[Message] = st.one_of(
    st.builds(Hello, NUMBERS),
    st.builds(Welcome, NUMBERS, NUMBERS, NUMBERS, st.booleans()),
    st.builds(Start, TIMES),
    st.builds(
        Work,
        NUMBERS,
        NUMBERS,
        NUMBERS,
        NUMBERS,
        st.lists(SEGMENTS, max_size=3).map(tuple),
        st.lists(SETTLES, max_size=2).map(tuple),
    ),
    SETTLES,
    st.builds(End, NUMBERS),
    st.builds(Acknowledge, NUMBERS, rows(LATE_ROW), st.lists(ANSWERS, max_size=2).map(tuple)),
    ANSWERS,
    st.builds(Tick, TIMES),
    st.builds(Loads, rows(PROCESSOR_LOAD_ROW), rows(ENTRY_LOAD_ROW)),
    st.builds(Ended, rows(LATE_ROW)),
)


def plain(value: Any) -> Any:
    """A message as comparable values: arrays as their type and bytes."""
    if isinstance(value, np.ndarray):
        return (value.dtype.descr, value.tobytes())
    if isinstance(value, SteeringChange):
        return [plain(getattr(value, one.name)) for one in fields(value)]
    if isinstance(value, tuple):
        return [type(value).__name__, *(plain(part) for part in value)]
    return value


@given(MESSAGES)
def test_round_trip(message: Message) -> None:
    """Every message decodes to an equal message of the same kind."""
    assert plain(decode(encode(message))) == plain(message)


@pytest.mark.parametrize("content", [("Hallo", 0), (0, 0), ("Hello",), ("Hello", 1, 2)])
def test_foreign_messages_are_refused(content: tuple[object, ...]) -> None:
    """An unknown kind or a wrong number of fields is an error, never another message."""
    with pytest.raises((ValueError, TypeError)):
        decode(msgpack.packb(content))
