"""Names of results: neither the files of others nor finished results are lost."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dataplane.errors import UserError
from dataplane.results import aside
from dataplane.results.aside import (
    MACHINE,
    RUN_MARK,
    check_free,
    check_writable,
    directory_name,
    free_name,
    remove_abandoned,
    written_aside,
)


@contextmanager
def other_process() -> Iterator[int]:
    """A process that runs until the block ends."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process.pid


def write(where: Path, text: str, meanwhile: Callable[[], object], *, overwrite: bool = False) -> None:
    """Write a file at `where`, with `meanwhile` called before it gets its name."""
    with written_aside(where, overwrite=overwrite) as path:
        path.write_text(text)
        meanwhile()


def test_a_name_that_is_no_text_is_refused(tmp_path: Path) -> None:
    """Names that are not UTF-8 are refused before anything is made; all other letters are allowed."""
    with pytest.raises(UserError, match="is not UTF-8: give another name"):
        check_free(tmp_path / "caf\udce9", overwrite=True)
    check_free(tmp_path / "caf\N{LATIN SMALL LETTER E WITH ACUTE}", overwrite=True)


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_directory_that_appears_meanwhile_is_kept_and_the_results_get_a_name_beside_it(
    tmp_path: Path, overwrite: bool
) -> None:
    """A directory that another process puts at the name during the run stays, with and without `overwrite`."""
    where = tmp_path / "out"

    def meanwhile() -> None:
        where.mkdir()
        (where / "thesis.txt").write_text("theirs")

    with pytest.raises(UserError, match=re.escape(f"the results are in {where}-2")):
        write(where, "mine", meanwhile, overwrite=overwrite)
    assert (where / "thesis.txt").read_text() == "theirs"
    assert (tmp_path / "out-2").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "out-2"]


def test_a_run_that_ended_meanwhile_is_kept(tmp_path: Path) -> None:
    """If two writers use one name, both results exist at the end."""
    where = tmp_path / "table.csv"
    with pytest.raises(UserError, match="exists"):
        write(where, "second", lambda: where.write_text("first"))
    assert where.read_text() == "first"
    assert (tmp_path / "table.csv-2").read_text() == "second"


def test_overwrite_replaces_a_run(tmp_path: Path) -> None:
    """With `overwrite` an earlier run is removed only when the new one is complete."""
    where = tmp_path / "out"
    where.mkdir()
    (where / RUN_MARK).write_text("old")
    with written_aside(where, overwrite=True, directory=True) as directory:
        directory.mkdir()
        (directory / RUN_MARK).write_text("new")
        assert (where / RUN_MARK).read_text() == "old"
    assert (where / RUN_MARK).read_text() == "new"
    (tmp_path / "empty").mkdir()  # nothing is lost
    check_free(tmp_path / "empty", overwrite=True, directory=True)


def test_what_another_process_writes_is_not_free(tmp_path: Path) -> None:
    """A name that a running process writes is refused at once, and a default name skips it."""
    with other_process() as process:
        (tmp_path / f".partial-{process}@{MACHINE}-out").mkdir()
        with (
            pytest.raises(UserError, match=f"is being written by process {process}"),
            written_aside(tmp_path / "out", overwrite=True),
        ):
            pytest.fail("it began")
        assert free_name(tmp_path, "out") == tmp_path / "out-2"
    with written_aside(tmp_path / "out", overwrite=False, directory=True) as directory:
        directory.mkdir()
    assert [path.name for path in tmp_path.iterdir()] == ["out"], "what the ended process left is gone"


def test_names_are_no_patterns(tmp_path: Path) -> None:
    """Brackets and stars in a name are plain characters: files with other names are not touched."""
    with other_process() as process:
        (tmp_path / f".partial-{process}@{MACHINE}-a").mkdir()
        with written_aside(tmp_path / "[a]", overwrite=False, directory=True) as directory:
            directory.mkdir()
    assert (tmp_path / "[a]").is_dir()


def test_a_place_where_nothing_can_be_made_is_told_before_anything_runs(tmp_path: Path) -> None:
    """`check_writable` raises OSError for a parent that is a file, and leaves nothing where it can write."""
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="File exists"):
        check_writable(tmp_path / "file" / "out")
    check_writable(tmp_path / "new" / "out")
    assert not any((tmp_path / "new").iterdir())


def test_a_failed_block_leaves_nothing(tmp_path: Path) -> None:
    """A failed write leaves neither results nor the folders that were made for them."""

    def fail() -> None:
        assert [path.name for path in (tmp_path / "runs").iterdir()] == [f".partial-{os.getpid()}@{MACHINE}-out"]
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write(tmp_path / "runs" / "out", "mine", fail)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("number", "why"),
    [
        (errno.ENOSPC, "its disk is full: make room or give a name elsewhere"),
        (errno.EDQUOT, "your share of its disk is full: make room or give a name elsewhere"),
        (
            errno.EFBIG,
            r"a file of it is larger than files may be: raise the limit \(ulimit -f\) or give a name elsewhere",
        ),
    ],
)
def test_a_full_disk_is_told_with_the_name(number: int, why: str, tmp_path: Path) -> None:
    """The error names the results, also if the writer (a library) does not."""

    def fail() -> None:
        raise OSError(number, os.strerror(number))

    with pytest.raises(UserError, match=f"out cannot be written, {why}"):
        write(tmp_path / "out", "mine", fail)
    assert not any(tmp_path.iterdir())


def test_what_is_replaced_goes_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever the replacement is interrupted, the name has complete results: the old ones or the new ones."""
    where = tmp_path / "table.csv"
    where.write_text("old")
    rename = Path.rename

    def interrupted_at(number: int) -> Callable[[Path, Path], Path]:
        calls = iter(range(10))

        def renamed(self: Path, target: Path) -> Path:
            if next(calls) == number:
                raise KeyboardInterrupt
            return rename(self, target)

        return renamed

    for number in (0, 1):
        with monkeypatch.context() as patch:
            patch.setattr(Path, "rename", interrupted_at(number))
            with pytest.raises(KeyboardInterrupt):
                write(where, "new", lambda: None, overwrite=True)
        assert where.read_text() == "old"
        assert [path.name for path in tmp_path.iterdir()] == ["table.csv"]
    monkeypatch.setattr(aside, "_remove", lambda path: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        write(where, "new", lambda: None, overwrite=True)
    assert where.read_text() == "new"


def test_what_a_killed_process_was_replacing_comes_back(tmp_path: Path) -> None:
    """Old results that were moved away come back if there are no new results."""
    with other_process() as process:
        pass
    (tmp_path / f".replaced-{process}@{MACHINE}-out").write_text("old")
    remove_abandoned(tmp_path / "out")
    assert (tmp_path / "out").read_text() == "old"
    (tmp_path / f".replaced-{process}@{MACHINE}-out").write_text("older")  # there are new ones: nobody needs these
    remove_abandoned(tmp_path / "out")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("out", "old")]


def test_files_do_not_replace_directories_nor_the_other_way_round(tmp_path: Path) -> None:
    """`--overwrite` replaces only results of the same kind."""
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / RUN_MARK).touch()
    with pytest.raises(UserError, match=r"notes\.txt is a file"):
        check_free(tmp_path / "notes.txt", overwrite=True, directory=True)
    with pytest.raises(UserError, match="run is a directory"):
        check_free(tmp_path / "run", overwrite=True)


def test_devices_and_pipes_are_not_replaced(tmp_path: Path) -> None:
    """Devices and pipes are not replaced: `--output /dev/null --overwrite` would remove the device."""
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/null")):
        with pytest.raises(UserError, match="is a device or a pipe"):
            check_free(path, overwrite=True)


def test_processes_of_other_machines_may_run(tmp_path: Path) -> None:
    """Processes of other machines cannot be checked: their files in a shared folder stay, and their names are taken."""
    theirs = tmp_path / ".partial-1@elsewhere-out"
    theirs.mkdir()
    told = f"is being written by process 1 of elsewhere: give another name, or remove {theirs} if that is over"
    with pytest.raises(UserError, match=re.escape(told)):
        check_free(tmp_path / "out", overwrite=True)
    remove_abandoned(tmp_path / "out")
    assert theirs.is_dir()


@pytest.mark.parametrize(
    ("name", "directory"),
    [
        ("quick-start", "quick-start"),
        ("a/../../up", "a-..-..-up"),
        ("/etc", "etc"),
        ("10 GbE / x", "10-GbE-x"),
        ("..", "scenario"),
    ],
)
def test_the_name_of_a_scenario_is_one_directory(tmp_path: Path, name: str, directory: str) -> None:
    """Whatever the name of a scenario, its results are in the folder for results."""
    assert free_name(tmp_path, directory_name(name)) == tmp_path / directory


def test_a_process_whose_end_nobody_has_asked_for_writes_nothing(tmp_path: Path) -> None:
    """A zombie (for example an orphan under an idle first process) keeps no name; its unfinished files are removed."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    left = tmp_path / f".partial-{process.pid}@{MACHINE}-out"
    left.mkdir()
    aside.check_free(tmp_path / "out", overwrite=False, directory=True)
    aside.remove_abandoned(tmp_path / "out")
    assert not left.exists()
    process.wait()
