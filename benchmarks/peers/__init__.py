"""Peers: other programs that do a part of the same work, for comparison; all of them are optional."""

from __future__ import annotations

from typing import NamedTuple


class Missing(NamedTuple):
    """A peer that is not available."""

    name: str
    why: str
    install: str  # the command that installs it

    @property
    def line(self) -> str:
        """One line for the user."""
        return f"{self.name} is not compared with: {self.why}; {self.install}"


class PeerError(Exception):
    """An available peer fails or gives wrong results; `str()` is one line."""
