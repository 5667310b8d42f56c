"""Folders of Ray clusters are removed at the end, or by the next start if their process was killed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from actors.folder import cluster_folder

_MAKE = """
import sys
from pathlib import Path
from actors.folder import cluster_folder
with cluster_folder(Path(sys.argv[1])) as folder:
    Path(folder, "session").mkdir()
    print(folder, flush=True)
    input()
"""


def test_folder_goes_with_its_process_or_with_the_next_one(tmp_path: Path) -> None:
    """The next start removes folders left by kill -9; folders in use and foreign files stay."""
    (tmp_path / "vmmq-ray-unknown").mkdir()
    maker = subprocess.Popen(
        [sys.executable, "-c", _MAKE, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert maker.stdout is not None
    left = Path(maker.stdout.readline().strip())
    with cluster_folder(tmp_path):
        assert left.is_dir(), "its process uses it"
    maker.kill()
    maker.communicate()
    assert left.is_dir()
    with cluster_folder(tmp_path) as folder:
        assert not left.exists()
        assert Path(folder).is_dir()
    assert [path.name for path in tmp_path.iterdir()] == ["vmmq-ray-unknown"]
