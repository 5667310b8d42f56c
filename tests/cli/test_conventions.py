"""The promises of every command: exit statuses, one-line errors, and a start that loads only what it needs."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from time import sleep

import pytest
import typer

import cli
from dataplane.errors import ExitCode, UserError

ROOT = Path(cli.__file__).parent


def commands(group: object, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The words of every command, including those inside groups of commands."""
    for name, command in sorted(getattr(group, "commands", {}).items()):
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name)


@pytest.mark.parametrize("words", list(commands(typer.main.get_command(cli.app))), ids=" ".join)
def test_help_of_every_command_has_an_example(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """`--help` shows at least one line that can be typed as it stands."""
    assert cli.main([*words, "--help"]) == ExitCode.DONE
    output = capsys.readouterr().out
    assert "Example" in output
    assert f"vmmq {' '.join(words)}" in output.partition("Example")[2]


def test_without_a_command_help_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """`vmmq` alone lists the commands."""
    assert cli.main([]) == ExitCode.DONE
    assert "Commands:" in capsys.readouterr().out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    """`--version` prints one line."""
    assert cli.main(["--version"]) == ExitCode.DONE
    assert capsys.readouterr().out.startswith("vmmq 0.")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["teleport"], "No such command 'teleport'"),
        (["hash", "--colour", "red"], "No such option: --colour"),
        (["hash", "--key"], "Option '--key' requires an argument (see vmmq"),
        (["hash", "1.2.3.4"], "give SRC and DST"),
        (["policy", "compare", "none", "x.toml", "--hand-over", "late"], "'--hand-over': 'late' is not one of"),
    ],
)
def test_wrong_usage_is_one_line(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Wrong usage exits with 2 and prints one line that says what to do, on standard error only."""
    assert cli.main(arguments) == ExitCode.WRONG_INPUT
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.count("\n") == 1
    assert message in output.err


@pytest.fixture
def failing() -> Iterator[list[BaseException]]:
    """A command `fail`, for one test, that raises the exception in the list."""
    errors: list[BaseException] = []
    registered = list(cli.app.registered_commands)

    @cli.app.command("fail")
    def fail() -> None:
        raise errors[0]

    yield errors
    cli.app.registered_commands[:] = registered


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (UserError("no such thing: try another"), ExitCode.WRONG_INPUT, "vmmq: no such thing: try another\n"),
        (UserError("unclear", ExitCode.INCONCLUSIVE), ExitCode.INCONCLUSIVE, "vmmq: unclear\n"),
        (FileNotFoundError(2, "Not there", "x.pcap"), 2, "vmmq: x.pcap: Not there; check the name\n"),
        (PermissionError(13, "Permission denied", "x"), 2, "vmmq: x: Permission denied; check its permissions\n"),
        (OSError(28, "Full"), 2, "vmmq: Full; make room or give a name elsewhere\n"),
        (OSError(5, "Input/output error", "x"), 2, "vmmq: x: Input/output error\n"),
        (OSError("disk on fire"), 2, "vmmq: disk on fire\n"),
        (KeyboardInterrupt(), ExitCode.INCONCLUSIVE, "vmmq: interrupted\n"),
        (BrokenPipeError(32, "Broken pipe"), ExitCode.INCONCLUSIVE, ""),
        (typer.Exit(1), ExitCode.FINDINGS, ""),
    ],
)
def test_errors_become_lines_and_statuses(
    error: BaseException, code: int, message: str, failing: list[BaseException], capsys: pytest.CaptureFixture[str]
) -> None:
    """Every kind of error has its status and at most one line; only defects have a traceback."""
    failing.append(error)
    assert cli.main(["fail"]) == code
    assert capsys.readouterr().err == message


def test_a_defect_shows_its_traceback(failing: list[BaseException], capsys: pytest.CaptureFixture[str]) -> None:
    """An unexpected exception is not disguised as an answer."""
    failing.append(ZeroDivisionError("oh"))
    assert cli.main(["fail"]) == ExitCode.INCONCLUSIVE
    error = capsys.readouterr().err
    assert "Traceback" in error
    assert "defect" in error


def test_output_of_another_encoding_is_no_error(tmp_path: Path) -> None:
    """If the encoding has no bars or letters of names, question marks are printed; JSON is the same document."""
    scenario = tmp_path / "ä.toml"
    scenario.write_text('[traffic]\nprofile = "single-flow"\nrate_pps = 10_000_000\npackets = 100\n', "utf-8")
    environment = os.environ | {"PYTHONIOENCODING": "ascii", "PYTHONPATH": str(ROOT)}
    for option, expected in (("--quiet", b"\n0:0"), ("--json", b'"scenario": "\\u00e4"')):
        command = [
            sys.executable,
            cli.__file__,
            "run",
            str(scenario),
            "--overwrite",
            "--out",
            str(tmp_path / "out"),
            option,
        ]
        done = subprocess.run(command, capture_output=True, env=environment, check=False)
        assert (done.returncode, done.stderr) == (ExitCode.DONE, b"")
        assert expected in done.stdout


def test_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    """`vmmq hash --verify | head -1` prints nothing on standard error."""
    script = f'"{sys.executable}" -m cli hash --verify | head -1'
    done = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, check=True, cwd=Path(cli.__file__).parent
    )
    assert done.stdout.startswith("vector")
    assert done.stderr == ""


@pytest.mark.parametrize(
    "arguments", [["--help"], ["hash", "1.2.3.4:5", "6.7.8.9:10"], ["hash", "--verify"], ["new", "-"]]
)
def test_short_commands_import_nothing_heavy(arguments: list[str]) -> None:
    """Help, `hash` and `new` import no packages that only the engines need."""
    script = (
        "import sys, cli\n"
        f"assert cli.main({arguments!r}) == 0\n"
        "heavy = {'numpy', 'numba', 'pyarrow', 'ray', 'rich'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_closed_standard_output_is_no_error() -> None:
    """With standard output closed by the caller (`>&-`) a command works without output."""
    shell = f'exec "{sys.executable}" "{cli.__file__}" "$@" >&- <&-'
    for arguments in (["--version"], ["policy", "list", "--json"], ["show", "configs/rss-moves.toml"], ["new", "-"]):
        done = subprocess.run(["sh", "-c", shell, "sh", *arguments], capture_output=True, cwd=ROOT, check=False)
        assert (done.returncode, done.stderr) == (ExitCode.DONE, b"")


@pytest.mark.parametrize("options", [["--json"], []])
def test_reader_that_goes_away_is_inconclusive(options: list[str]) -> None:
    """If nobody reads the output, the program ends with status 3 and without a message, for tables as for JSON."""
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, cli.__file__, "show", "configs/rss-moves.toml", *options]
    with open(writing, "wb") as nobody:
        done = subprocess.run(command, stdout=nobody, stderr=subprocess.PIPE, cwd=ROOT, check=False)
    assert (done.returncode, done.stderr) == (ExitCode.INCONCLUSIVE, b"")


def test_interrupt_while_it_starts_is_one_line() -> None:
    """Ctrl-C while the command line itself is being imported is an interruption, too."""
    code = (
        "import signal, sys\n"
        "class Interrupted:\n"
        "    def find_spec(self, name, path, target=None):\n"
        "        if name == 'typer': signal.raise_signal(signal.SIGINT)\n"
        "sys.meta_path.insert(0, Interrupted())\n"
        "import cli\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, cwd=ROOT, check=False)
    assert (done.returncode, done.stderr) == (ExitCode.INCONCLUSIVE, b"vmmq: interrupted\n")


class Terminal(io.StringIO):
    """What is written to a terminal."""

    def isatty(self) -> bool:
        """It is one."""
        return True


def test_progress_is_there_before_it_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """While kernels load or actors start, a bar without a share appears after a second; short work shows no bar."""
    monkeypatch.setenv("TERM", "xterm")
    for seconds, expected in ((0.3, False), (1.3, True)):
        terminal = Terminal()
        monkeypatch.setattr(sys, "stderr", terminal)
        with cli._progress(quiet=False) as update:
            sleep(seconds)
            before = terminal.getvalue()
            update(1234, 0.5)
            sleep(0.2)
        assert ("getting ready" in before, "1,234 frames" in terminal.getvalue()) == (expected, expected)
