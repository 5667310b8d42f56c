"""One TOML file describes a whole experiment: read it, check it, write it back with every default explicit."""

from __future__ import annotations

from pathlib import Path

#: A commented scenario to start from, which loads without findings.
STARTER_FILE = Path(__file__).parent / "starter.toml"
