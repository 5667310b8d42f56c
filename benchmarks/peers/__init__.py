"""Programs of others that do a part of the same work, for comparison; all of them optional."""

from __future__ import annotations

from typing import NamedTuple


class Missing(NamedTuple):
    """A peer that is not here."""

    name: str
    why: str
    install: str  # how to have it

    @property
    def line(self) -> str:
        """For people."""
        return f"{self.name} is not compared with: {self.why}; {self.install}"


class PeerError(Exception):
    """A peer that is here does not do what it should; `str()` is one line."""
