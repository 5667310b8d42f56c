"""A peer with different results is no reference: it is detected and left out."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from benchmarks import machine
from benchmarks.groups.kernels import _numpy_toeplitz, mix_scenario
from benchmarks.hash_kernels import hash_kernels
from benchmarks.peers import PeerError, dpdk, in_python
from benchmarks.steering import FRAMES, KEY, eight_vports, tcp_frames
from dataplane.hash_tuple import HASH_SECRET_KEYS
from dataplane.kernels.toeplitz import toeplitz_table
from dataplane.receive.steering import steer_batch
from dataplane.receive.work import WorkColumns, new_work_columns

NO_DPDK = "dpdk" in {one.name for one in machine.missing_peers()}

#: Answers every command with the same line.
CHILD = """
import sys
for line in sys.stdin:
    print(sys.argv[1] if line != "methods\\n" else '["softrss"]', flush=True)
"""


@pytest.fixture(scope="module")
def work() -> WorkColumns:
    """The kernel's results for the frames of the comparison."""
    columns = new_work_columns(FRAMES)
    steer_batch(tcp_frames(64, 64), eight_vports(), columns, transmit_by_source=False)
    return columns


@pytest.fixture(scope="module")
def workload() -> dpdk.Workload:
    """Frames and tuples for the C program."""
    tuples = np.random.default_rng(2).integers(0, 256, (1000, 36), np.uint8)
    return dpdk.Workload(tcp_frames(64, 64), eight_vports(), tuples)


@pytest.fixture(scope="module")
def program(workload: dpdk.Workload) -> Iterator[dpdk.Program]:
    """The C program, built and running."""
    with dpdk.program(workload, 0) as running:
        yield running


@pytest.mark.skipif(NO_DPDK, reason="DPDK is not installed")
def test_the_c_program_steers_as_the_kernel_does(program: dpdk.Program, work: WorkColumns) -> None:
    """Equal hashes and equal counts by processor, with every method; one changed hash or processor is noticed."""
    assert "softrss" in program.methods
    program.check_pipeline(work.hash_value, work.processor)
    wrong = work.hash_value.copy()
    wrong[7] ^= 1
    with pytest.raises(PeerError, match="differently"):
        program.check_pipeline(wrong, work.processor)
    elsewhere = work.processor.copy()
    elsewhere[7] ^= 1
    with pytest.raises(PeerError, match="differently"):
        program.check_pipeline(work.hash_value, elsewhere)


@pytest.mark.skipif(NO_DPDK, reason="DPDK is not installed")
@pytest.mark.parametrize("length", [8, 12, 32, 36])
def test_the_c_program_hashes_as_the_kernel_does(program: dpdk.Program, workload: dpdk.Workload, length: int) -> None:
    """Tuples of every length, with every method."""
    hashes = _numpy_toeplitz(toeplitz_table(KEY).ravel(), workload.tuples[:, :length])
    program.check_toeplitz(length, hashes)
    with pytest.raises(PeerError, match=f"hashes {length} bytes differently"):
        program.check_toeplitz(length, hashes + np.uint32(1))


@contextmanager
def running(answer: str, workload: dpdk.Workload) -> Iterator[dpdk.Program]:
    """A program that always gives the same answer."""
    command = [sys.executable, "-c", CHILD, answer]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield dpdk.Program(process, workload)
        process.kill()


def test_a_program_that_computes_something_else_is_found_out(workload: dpdk.Workload, work: WorkColumns) -> None:
    """A checksum that is not ours is an error that names the method."""
    with (
        running('{"seconds": 1, "checksum": 5, "counts": []}', workload) as program,
        pytest.raises(PeerError, match="dpdk_softrss"),
    ):
        program.check_pipeline(work.hash_value, work.processor)


def test_a_program_that_ends_is_found_out(workload: dpdk.Workload) -> None:
    """If the program ends without an answer, the error is one line, not a JSON traceback."""
    with running("", workload) as program, pytest.raises(PeerError, match="the program ended"):
        program.pipeline("softrss", 1)


def test_a_compiler_that_fails_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the program cannot be built, the error has the first line of the compiler."""

    def run(command: list[str], **options: object) -> subprocess.CompletedProcess[str]:
        failed = command[0] == "cc"
        return subprocess.CompletedProcess(command, int(failed), "", "rte_eal.h: No such file\nmore" if failed else "")

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(PeerError, match=r"^dpdk: cc fails: rte_eal.h: No such file$"):
        dpdk.build(tmp_path)


@pytest.mark.parametrize("name", in_python.PEERS)
def test_python_packages_find_the_tuples(name: str) -> None:
    """scapy and dpkt parse our frames to the tuples that are in them; another tuple is noticed."""
    frames = tcp_frames(64, 64)
    some = [frames.frame(i) for i in range(5)]
    in_python.check(name, some)
    tagged = some[0][:12] + bytes.fromhex("81000000") + some[0][12:]
    with pytest.raises(PeerError, match=name):
        in_python.check(name, [tagged])


def test_mixes_are_what_they_are_called() -> None:
    """The traffic of a mix has the share of UDP and IPv6 of its name, and goes to eight VPorts."""
    scenario = mix_scenario(1, 0, "vlan = 100")
    assert scenario.traffic.udp_share == 1
    assert scenario.traffic.ipv6_share == 0
    assert [vport.filters[0].vlan for vport in scenario.vports] == [100] * 8
    assert HASH_SECRET_KEYS["microsoft"] == KEY


@pytest.mark.parametrize("length", [8, 12, 32, 36])
def test_every_way_to_hash_gives_the_same(length: int) -> None:
    """The functions behind the hash figures compute the hash, and the method of the kernels is one of them."""
    data = np.random.default_rng(5).integers(0, 256, (1000, length), np.uint8)
    wanted = _numpy_toeplitz(toeplitz_table(KEY).ravel(), data)
    kernels = hash_kernels(KEY, length)
    assert machine.toeplitz_method() in kernels
    for method, hash_rows in kernels.items():
        found = np.zeros(len(data), np.uint32)
        hash_rows(data, found)
        assert np.array_equal(found, wanted), method
