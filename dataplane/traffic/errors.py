"""What goes wrong with traffic, in words for the user."""

from __future__ import annotations

from dataplane.errors import UserError


class TrafficError(UserError, ValueError):
    """A source of frames that cannot be used: one line that says what is wrong, where, and what to do."""
