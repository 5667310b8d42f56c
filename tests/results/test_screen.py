"""Numbers as a terminal shows them."""

from __future__ import annotations

import pytest

from dataplane.results.screen import si


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0 "),
        (999.49, "999 "),
        (999.5, "1 k"),
        (12_345, "12.3 k"),
        (999_499, "999 k"),
        (999_600, "1 M"),
        (999_600_000, "1 G"),
        (12e9, "12 G"),
    ],
)
def test_what_rounds_to_a_thousand_takes_the_next_prefix(value: float, text: str) -> None:
    """Three digits at most, and never an exponent."""
    assert si(value) == text
