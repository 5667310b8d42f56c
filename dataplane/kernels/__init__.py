"""The numba kernels: they take arrays and scalars, fill `out` arrays, and use no objects.

Importing this package chooses the folder for compiled kernels, before numba is imported: `$NUMBA_CACHE_DIR` if the user
set it, else `$XDG_CACHE_HOME/vmmq/numba` (`~/.cache/vmmq/numba`), else a folder of this user under the temporary
directory. Nothing is written to the package folder: it may be read-only, or shared with other users. The import also
lets numba load kernels from the chosen folder without preparing to compile.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path
from typing import Any

#: Releases of numba whose cached kernels were tested without the preparations for compiling.
_LOADING_ALONE = ("0.68.",)


def _is_private_folder(folder: Path) -> bool:
    """Make the folder if it is missing; whether it is writable and only this user can have put compiled code there."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder.stat().st_uid == os.getuid() and os.access(folder, os.W_OK | os.X_OK)
    except (OSError, RuntimeError):
        return False


def _version_of_sources() -> str:
    """A fingerprint of all sources of kernels."""
    digest = hashlib.sha256()
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


def _choose_cache_folder() -> None:
    if os.environ.get("NUMBA_CACHE_DIR"):
        return
    cache_home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    for parent in (Path(cache_home) / "vmmq" / "numba", Path(tempfile.gettempdir()) / f"vmmq-numba-{os.getuid()}"):
        if parent.is_absolute() and _is_private_folder(parent):
            folder = parent / _version_of_sources()
            if _is_private_folder(folder):
                os.environ["NUMBA_CACHE_DIR"] = str(folder)
                return
    os.environ["NUMBA_CACHE_DIR"] = tempfile.mkdtemp(prefix="vmmq-numba-")


def _load_without_preparing_to_compile() -> None:
    """Skip numba's preparations for compiling in a process whose kernels are in the cache; saves more than 0.5 s.

    Before numba looks into its cache, it imports and registers everything that it can compile. Compiled code needs only
    the memory runtime. If a kernel is not in the cache, numba makes all preparations and compiles it, as usual.
    """
    import numba  # noqa: PLC0415 - only after its folder has been chosen
    from numba.core.caching import Cache  # noqa: PLC0415
    from numba.core.runtime import nrt  # noqa: PLC0415

    load_prepared: Any = Cache.load_overload

    def load_overload(cache: Any, signature: Any, target_context: Any) -> Any:
        if not cache._py_func.__module__.startswith(f"{__name__}."):
            return load_prepared(cache, signature, target_context)
        nrt.rtsys.initialize(target_context)
        return cache._load_overload(signature, target_context)

    if numba.__version__.startswith(_LOADING_ALONE):
        Cache.load_overload = load_overload


_choose_cache_folder()
_load_without_preparing_to_compile()
