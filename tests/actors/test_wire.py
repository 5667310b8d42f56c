"""Doorbell messages are small and come out as they went in."""

from __future__ import annotations

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.wire import MESSAGE_BYTES_MAX, Acknowledge, End, Hello, Message, Start, Welcome, Work, decode, encode

NUMBERS = st.integers(0, 2**62)
MESSAGES: st.SearchStrategy[Message] = st.one_of(
    st.builds(Hello, NUMBERS),
    st.builds(Welcome, NUMBERS, NUMBERS, NUMBERS),
    st.builds(Start, st.integers(-(2**62), 2**62)),
    st.builds(Work, NUMBERS, NUMBERS, NUMBERS, NUMBERS, NUMBERS),
    st.builds(Acknowledge, NUMBERS),
    st.builds(End, NUMBERS),
)


@given(MESSAGES)
def test_round_trip(message: Message) -> None:
    """Every message is decoded to its equal, kind included, and fits the receive buffer."""
    data = encode(message)
    assert len(data) <= MESSAGE_BYTES_MAX
    assert decode(data) == message
    assert type(decode(data)) is type(message)


@pytest.mark.parametrize("content", [(6, 0), (-1, 0), (0,), (0, 1, 2)])
def test_foreign_messages_are_refused(content: tuple[int, ...]) -> None:
    """An unknown kind or a wrong number of fields is an error, never another message."""
    with pytest.raises((ValueError, TypeError)):
        decode(msgpack.packb(content))
