"""The kernels on one core: hash, steer by frame length and mix, group, serve, make frames.

Subjects that are compared do the same work with the same frames in the same rounds. All rates are per second of
processor time. Frames and tables of `steer_64` and its peers are in the caches, like a burst from a NIC that writes
into the caches. `*_apart` frames lie one after the other as in a capture; they come from memory, because the last-level
cache cannot hold all of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks import machine
from benchmarks.grouping import group_rows
from benchmarks.hash_kernels import hash_kernels
from benchmarks.measure import Figure, Session, Trial, figures, one_core, rate, repeated_rate
from benchmarks.numpy_pipeline import steer_with_numpy
from benchmarks.peers import PeerError, dpdk, in_python
from benchmarks.quick_start import quick_start
from benchmarks.steering import FRAMES, KEY, eight_vports, tcp_frames
from dataplane.arrays import read_only
from dataplane.engine.plan import plan_host
from dataplane.engine.prepare import experiment
from dataplane.kernels.toeplitz import toeplitz_table
from dataplane.processor.host import HostPlan, ProcessorHost
from dataplane.processor.messages import Segment, Work
from dataplane.processor.work_buffer import SEGMENTS_MAX, WorkBuffer, work_buffer
from dataplane.receive.steering import steer_batch
from dataplane.receive.work import WorkColumns, new_work_columns
from dataplane.scenario.load import load_scenario
from dataplane.scenario.source import traffic_source
from dataplane.switch.snapshot import SteeringSnapshot
from dataplane.traffic.batch import FrameBatch

TUPLE_LENGTHS = (8, 12, 32, 36)
FRAME_LENGTHS = (128, 512, 1500)

_SPLIT_BYTES = 128  # distance between headers without payload
_RECORD_BYTES = 16  # record header between two frames of a capture
_MEMORY_BYTES = 96 << 20  # bytes of all `apart` frames: more than the caches hold
_COPY_BYTES = 128 << 20
_PYTHON_FRAMES = 100  # scapy takes nearly half a millisecond for each
_SERVE_FRAMES = 1 << 19

_MIX = """
[adapter]
rss_processors = 8
{vports}
[traffic]
profile = "uniform"
flows = 10_000
packets = 65_536
udp_share = {udp}
ipv6_share = {ipv6}
"""
_MIX_VPORT = """
[[vport]]
id = {number}
num_queue_pairs = 8
  [[vport.filter]]
  mac = "00:15:5d:01:02:{number:02}"
  {vlan}
  [vport.rss]
  hash_types = ["ipv4", "tcp_ipv4", "udp_ipv4", "ipv6", "tcp_ipv6", "udp_ipv6"]
  indirection_table = [0, 1, 2, 3, 4, 5, 6, 7]
  num_indirection_table_entries = 128
"""
MIXES = {
    "tcp": ("TCP over IPv4 only", 0, 0, ""),
    "udp": ("UDP over IPv4 only", 1, 0, ""),
    "ipv6": ("TCP over IPv6 only", 0, 1, ""),
    "tagged": ("TCP over IPv4 with a VLAN tag", 0, 0, "vlan = 100"),
}


#: Rates per second of processor time: nothing here waits, and other processes may run at the same time.
_rate = partial(rate, clock=time.process_time)


def measure(session: Session) -> Iterator[tuple[str, Figure]]:
    """All figures, measured on one core."""
    with one_core() as core:
        yield from _hash_and_steer(session, core)
        yield from _mixes(session)
        yield from _rest(session)


# hash and steer, with peers -------------------------------------------------------------------------------------------


def _hash_and_steer(session: Session, core: int) -> Iterator[tuple[str, Figure]]:
    snapshot, frames = eight_vports(), tcp_frames(64, 64)
    tuples = np.random.default_rng(2).integers(0, 256, (FRAMES, TUPLE_LENGTHS[-1]), np.uint8)
    absent = {one.name for one in machine.missing_peers()}
    with ExitStack() as stack:
        program = None
        if "dpdk" not in absent:
            session.tell("building the DPDK program")
            try:
                program = stack.enter_context(dpdk.program(dpdk.Workload(frames, snapshot, tuples), core))
            except PeerError as error:
                session.findings.append(str(error))
        yield from _hash(session, tuples, program)
        yield from _steer(session, snapshot, frames, program, absent)


def _hash(
    session: Session, tuples: npt.NDArray[np.uint8], program: dpdk.Program | None
) -> Iterator[tuple[str, Figure]]:
    table = toeplitz_table(KEY).ravel()
    trials: dict[str, Trial] = {}
    texts: dict[str, str] = {}
    references: dict[str, list[str]] = {}
    for length in TUPLE_LENGTHS:
        session.tell(f"Toeplitz of {length} bytes")
        name, data = f"toeplitz_{length}", np.ascontiguousarray(tuples[:, :length])
        wanted = _numpy_toeplitz(table, data)
        for method, hash_rows in hash_kernels(KEY, length).items():
            out = np.zeros(FRAMES, np.uint32)
            hash_rows(data, out)
            if not np.array_equal(out, wanted):
                raise AssertionError(f"{method} hash as numpy does")
            is_chosen = method == machine.toeplitz_method()
            ours = name if is_chosen else f"{method.replace(' ', '_').replace('-', '_')}_{name}"
            trials[ours] = _rate(partial(hash_rows, data, out), FRAMES)
            texts[ours] = f"Toeplitz hash of {length} bytes by {method}" + (", as here" if is_chosen else "")
        trials[f"numpy_{name}"] = _rate(partial(_numpy_toeplitz, table, data), FRAMES)
        texts[f"numpy_{name}"] = f"the same in numpy: {length} look-ups in byte tables"
        if program is not None and _agrees(session, partial(program.check_toeplitz, length, wanted)):
            for method in program.methods:
                trials[f"dpdk_{method}_{name}"] = _dpdk_rate(partial(program.toeplitz, method, length))
                texts[f"dpdk_{method}_{name}"] = f"the same in C: {_METHODS[method]}"
        references[name] = [other for other in trials if other.endswith(f"_{name}")]
    measured = session.take_turns(trials, 9)
    yield from figures(measured, "hashes_per_second", texts, references)


_METHODS = {
    "softrss": "rte_softrss_be of DPDK",
    "gfni": "rte_thash_gfni of DPDK",
    "byte_tables": "a loop over byte tables",
}


def _numpy_toeplitz(table: npt.NDArray[np.uint32], data: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint32]:
    value = np.zeros(len(data), np.uint32)
    for i in range(data.shape[1]):
        value ^= table[i * 256 + data[:, i].astype(np.int64)]
    return value


def _steer(
    session: Session,
    snapshot: SteeringSnapshot,
    frames: FrameBatch,
    program: dpdk.Program | None,
    absent: set[str],
) -> Iterator[tuple[str, Figure]]:
    session.tell("steering by frame length")
    work = new_work_columns(FRAMES)
    steer_batch(frames, snapshot, work, transmit_by_source=False)
    plain = steer_with_numpy(frames, snapshot)
    if not (np.array_equal(plain.processor, work.processor) and np.array_equal(plain.hash_value, work.hash_value)):
        raise AssertionError("numpy steers as the kernel does")
    trials: dict[str, Trial] = {"steer_64": _rate(_steering([frames], snapshot, work), FRAMES)}
    texts = {"steer_64": "parse, match, hash, index and assign: 64-byte frames of eight VPorts, from the cache"}
    peers: dict[str, Trial] = {}
    if program is not None and _agrees(session, partial(program.check_pipeline, work.hash_value, work.processor)):
        for method in program.methods:
            peers[f"dpdk_{method}_64"] = _dpdk_rate(partial(program.pipeline, method))
            texts[f"dpdk_{method}_64"] = f"the same frames in C with DPDK: parse, rte_hash, {_METHODS[method]}, table"
    peers["numpy_64"] = _rate(lambda: steer_with_numpy(frames, snapshot), FRAMES)
    texts["numpy_64"] = "the same frames in numpy, without flow keys and out-of-band data"
    destination = np.zeros_like(frames.data)
    peers["copy_64"] = _rate(lambda: np.copyto(destination, frames.data), FRAMES)
    texts["copy_64"] = "the same frames only copied, within the cache"
    some = [frames.frame(i) for i in range(_PYTHON_FRAMES)]
    for name in in_python.PEERS:
        if name not in absent and _agrees(session, partial(in_python.check, name, some)):
            parse = in_python.parser(name)
            peers[f"{name}_64"] = _rate(lambda parse=parse: [parse(frame) for frame in some], len(some))  # type: ignore[misc]
            texts[f"{name}_64"] = f"{name} parses the same frames down to their tuples: no look-up, no hash"
    references = {"steer_64": list(peers)}
    trials |= peers

    name = "steer_64_without_rows"
    trials[name] = _rate(_steering([frames], snapshot, new_work_columns(FRAMES, rows_wanted=False)), FRAMES)
    texts[name] = "steer_64 without columns for readers of rows, as in a run without packets.parquet"
    references[name] = ["steer_64", *(peer for peer in peers if peer.startswith("dpdk_"))]

    memory = _MEMORY_BYTES // 2 if session.quick else _MEMORY_BYTES
    for length, spacing in [(64, 64 + _RECORD_BYTES), *((n, n + _RECORD_BYTES) for n in FRAME_LENGTHS)]:
        batches = [tcp_frames(spacing, length)]
        batches += [_moved(batches[0]) for _ in range(memory // (spacing * FRAMES))]
        name = f"steer_{length}_apart"
        trials[name] = _rate(_steering(batches, snapshot, work), FRAMES * len(batches))
        texts[name] = f"{length}-byte frames as they lie in a capture, from memory"
        references[name] = ["steer_64", *(["steer_64_apart"] if length != 64 else [])]
    for length in FRAME_LENGTHS:
        name = f"steer_{length}_split"
        trials[name] = _rate(_steering([tcp_frames(_SPLIT_BYTES, length)], snapshot, work), FRAMES)
        texts[name] = f"headers of {length}-byte frames, {_SPLIT_BYTES} bytes apart, from the cache"
        references[name] = ["steer_64"]
    measured = session.take_turns(trials, 9)
    yield from figures(measured, "frames_per_second", texts, references)


def _moved(batch: FrameBatch) -> FrameBatch:
    """The same frames at another place in memory."""
    return FrameBatch(
        batch.first_frame,
        batch.timestamp_ns,
        batch.wire_length,
        batch.captured_length,
        batch.frame_start,
        read_only(batch.data.copy()),
    )


def _steering(batches: list[FrameBatch], snapshot: SteeringSnapshot, work: WorkColumns) -> Callable[[], None]:
    def act() -> None:
        for batch in batches:
            steer_batch(batch, snapshot, work, transmit_by_source=False)

    return act


def _dpdk_rate(ask: Callable[[int], dict[str, Any]]) -> Trial:
    """A trial that uses the program's own clock, which also measures processor time."""
    return repeated_rate(lambda passes: float(ask(passes)["seconds"]), FRAMES)


def _agrees(session: Session, check: Callable[[], None]) -> bool:
    """Whether a peer computes the same as we do; if not, this is a finding, and the peer is left out."""
    try:
        check()
    except PeerError as error:
        session.findings.append(str(error))
        return False
    return True


# mixes ----------------------------------------------------------------------------------------------------------------


def _mixes(session: Session) -> Iterator[tuple[str, Figure]]:
    session.tell("steering by mix")
    trials: dict[str, Trial] = {}
    texts: dict[str, str] = {}
    scenarios = {
        f"steer_mix_{name}": (text, mix_scenario(udp, ipv6, vlan)) for name, (text, udp, ipv6, vlan) in MIXES.items()
    }
    scenarios["steer_mix_quick_start"] = ("the traffic of the quick start through its NIC", quick_start(65_536))
    for name, (text, scenario) in scenarios.items():
        batches = list(traffic_source(scenario).batches(FRAMES))
        snapshot, work = experiment(scenario).snapshot, new_work_columns(FRAMES)
        trials[name] = _rate(_steering(batches, snapshot, work), sum(map(len, batches)))
        texts[name] = f"parse to assign: {text}"
    yield from figures(session.take_turns(trials, 9), "frames_per_second", texts)


def mix_scenario(udp: float, ipv6: float, vlan: str) -> Any:
    """Eight VPorts with the same RSS parameters, and traffic of one kind."""
    vports = "".join(_MIX_VPORT.format(number=number, vlan=vlan) for number in range(1, 9))
    return load_scenario(_MIX.format(vports=vports, udp=float(udp), ipv6=float(ipv6)), name="mix")


# group, serve, make, copy ---------------------------------------------------------------------------------------------


def _rest(session: Session) -> Iterator[tuple[str, Figure]]:
    session.tell("grouping, service, generation, copying")
    count = _SERVE_FRAMES // 4 if session.quick else _SERVE_FRAMES
    scenario = quick_start(count)
    prepared = experiment(scenario)
    plan = plan_host(prepared, 0, 0, len(prepared.costs), rows_wanted=False)
    works: list[tuple[Work, WorkBuffer]] = []
    for batch in traffic_source(scenario).batches(65_536):
        rows, work, selection = len(batch), new_work_columns(len(batch)), np.zeros(len(batch), np.uint32)
        offsets = np.zeros((SEGMENTS_MAX, plan.processors + 1), np.int64)
        steer_batch(batch, prepared.snapshot, work, transmit_by_source=False)
        group_rows(work.processor[:rows], offsets[0], selection)
        segments = (Segment(0, rows, ()),)
        works.append((Work(len(works), 0, rows, batch.first_frame, segments), work_buffer(work, offsets, selection)))

    def serve(plan: HostPlan) -> None:
        host = ProcessorHost(plan)
        host.start(0)
        for work, buffer in works:
            host.receive(work, buffer)

    work, offsets, selection, _ = works[0][1]
    rows = works[0][0].rows
    if not np.array_equal(np.argsort(work.processor, kind="stable"), selection):
        raise AssertionError("numpy groups as the kernel does")
    trials = {
        "partition": _rate(lambda: group_rows(work.processor[:rows], offsets[0], selection), rows),
        "numpy_partition": _rate(lambda: np.argsort(work.processor, kind="stable"), rows),
        "service": _rate(partial(serve, plan), count),
        "service_with_updates": _rate(partial(serve, replace(plan, updates=True)), count),
        "generation": _rate(lambda: [None for _ in traffic_source(scenario).batches(65_536)], count),
    }
    texts = {
        "partition": "group the rows of a batch by processor: a stable counting sort",
        "numpy_partition": "the same with numpy.argsort",
        "service": "DPC service of eight processors: queue, costs, interrupts, accounts, order of flows",
        "service_with_updates": "DPC service if the steering may change: processors also record their items",
        "generation": "make the frames of the quick start",
    }
    references = {"partition": ["numpy_partition"], "service_with_updates": ["service"]}
    yield from figures(session.take_turns(trials, 7), "frames_per_second", texts, references)
    size = _COPY_BYTES // 4 if session.quick else _COPY_BYTES
    source, destination = np.ones(size, np.uint8), np.zeros(size, np.uint8)
    measured = session.take_turns({"copy": _rate(lambda: np.copyto(destination, source), size)}, 5)
    yield from figures(measured, "bytes_per_second", {"copy": "copy memory that is in no cache: bytes copied"})
