"""Names of files."""

from __future__ import annotations

import os
from pathlib import Path


def is_text(path: Path | str) -> bool:
    """Whether the bytes of a name are UTF-8, so that it can be told and written down."""
    return os.fsencode(path) == str(path).encode("utf-8", "replace")
