"""The numba kernels: arrays and scalars in, `out` arrays filled, no objects.

Importing this package chooses where compiled kernels are kept, which must happen before numba is imported:
`$NUMBA_CACHE_DIR` if the user set it, else `$XDG_CACHE_HOME/vmmq/numba` (`~/.cache/vmmq/numba`), else a folder of this
user under the temporary directory. The package folder is never written to: it may be read-only, or shared with other
users. It also lets kernels be taken from there without the preparations for compiling.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path
from typing import Any

#: Releases of numba whose kernels have been seen to run without those preparations.
_LOADING_ALONE = ("0.68.",)


def _is_private_folder(folder: Path) -> bool:
    """Make the folder if need be; true if only this user can have put compiled code there and it can be written."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder.stat().st_uid == os.getuid() and os.access(folder, os.W_OK | os.X_OK)
    except (OSError, RuntimeError):
        return False


def _version_of_sources() -> str:
    """A fingerprint of everything a kernel can be compiled from."""
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
    """Spare processes that find their kernels compiled what only compiling needs: more than half a second in each.

    numba imports and registers everything that it can compile before it looks into its cache. What compiled code needs
    of that is the memory runtime alone; a kernel that is not in the cache is compiled after all preparations, as ever.
    """
    import numba  # noqa: PLC0415 - not before its folder is chosen
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
