"""The modules that a command imports before it does anything, for which the user waits."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from dataplane.scenario import STARTER_FILE
from tests.traffic.captures import packets, pcap

_CODE = "import sys, cli; code = cli.main(sys.argv[1:]); print(*sys.modules, file=sys.stderr); sys.exit(code)"


def modules_of(*arguments: str) -> set[str]:
    """The imported modules after the command has done its work."""
    done = subprocess.run([sys.executable, "-c", _CODE, *arguments], capture_output=True, text=True, check=True)
    return set(done.stderr.split())


HEAVY = {"numpy", "pyarrow", "numba", "llvmlite", "ray", "rich", "msgpack", "matplotlib"}


@pytest.mark.parametrize("arguments", [("--help",), ("--version",)])
def test_help_needs_the_command_line_alone(arguments: tuple[str, ...]) -> None:
    """Help comes without arrays, tables, kernels, models of scenarios, actors or a formatted terminal."""
    assert modules_of(*arguments) & {*HEAVY, "pydantic"} == set()


@pytest.mark.parametrize("command", ["run", "steer", "policy compare"])
def test_help_of_a_command_needs_no_more(command: str) -> None:
    """So does the help of a command, except for the modules with which typer reads arguments."""
    assert modules_of(*command.split(), "--help") & HEAVY == set()


def test_steering_starts_without_what_a_run_needs(tmp_path: Path) -> None:
    """`vmmq steer` imports no processors, engines, updates, actors, or formats other than its own."""
    capture, scenario = tmp_path / "a.pcap", tmp_path / "a.toml"
    capture.write_bytes(pcap(packets(3)))
    scenario.write_bytes(STARTER_FILE.read_bytes())
    steer = ("steer", str(capture), "--config", str(scenario), "--overwrite", "--output")
    found = modules_of(*steer, str(tmp_path / "a.parquet"))
    others = {"dataplane.kernels.serve", "dataplane.kernels.generate", "dataplane.engine.nic", "dataplane.oracle"}
    assert found & {*others, "dataplane.update.certificates", "ray", "rich", "pyarrow.csv"} == set()
    assert "dataplane.kernels.steer" in found
    assert "pyarrow.parquet" in found
    assert "pyarrow.parquet" not in modules_of(*steer, str(tmp_path / "a.arrow"))


def test_compiled_kernels_are_loaded_without_the_compiler(tmp_path: Path) -> None:
    """A process with compiled kernels in the cache does not import what numba needs for compiling."""
    capture, scenario = tmp_path / "a.pcap", tmp_path / "a.toml"
    capture.write_bytes(pcap(packets(3)))
    scenario.write_bytes(STARTER_FILE.read_bytes())
    steer = ("steer", str(capture), "--config", str(scenario), "--json")
    generated = tmp_path / "generated.toml"
    generated.write_text(scenario.read_text("utf-8").replace("packets = 200_000", "packets = 1_000"), "utf-8")
    run = ("run", str(generated), "--out", str(tmp_path / "run"), "--overwrite")
    for command in (steer, run):
        modules_of(*command)  # compiles what nobody has compiled yet
        assert "numba.np.npyimpl" not in modules_of(*command)
