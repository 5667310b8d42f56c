"""The cost of simulated hosts on a cluster: `python -m benchmarks.cluster` measures the constants of docs/cluster.md.

The cluster consists of three raylets on this machine: the driver's node, which takes no hosts, and two workers. They
share the processors of the machine. This affects wall times, but not bytes and processor times.
"""

from __future__ import annotations

import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from actors.host import simulated_host
from actors.nic import NicPlan, Progressed
from actors.placement import seats
from actors.session import ray_session
from actors.system import run_side_by_side
from actors.wire import sent_bytes
from benchmarks.replay import Replay
from dataplane.engine.experiment import DEFAULT_BATCH_FRAMES_ON_RAY, NicRun, SideBySide
from dataplane.engine.plan import plan_hosts
from dataplane.engine.prepare import experiment
from dataplane.scenario.load import load_scenario
from dataplane.scenario.model import Scenario

_QUICK_START = (Path(__file__).parent.parent / "configs" / "quick-start.toml").read_text("utf-8")
_CALLS = 300


def _no_progress(frames: int, share: float) -> None: ...


def _scenario(flows: int = 0) -> Scenario:
    scenario = load_scenario(_QUICK_START)
    assert scenario.traffic is not None
    traffic = scenario.traffic.model_copy(update={"flows": flows} if flows else {})
    return scenario.model_copy(update={"traffic": traffic})


@contextmanager
def small_cluster(workers: int = 2, processors: int = 4) -> Iterator[Any]:
    """A connected cluster: a head node without processors for the driver, and some workers; sets RAY_TMPDIR."""
    # Ray is imported after `actors`, which sets how Ray starts
    from ray._private.authentication.authentication_token_setup import ensure_token_if_auth_enabled  # noqa: PLC0415
    from ray.cluster_utils import Cluster  # noqa: PLC0415

    ensure_token_if_auth_enabled()  # as `ray get-auth-token --generate`: nodes do not start without a token
    folder = tempfile.mkdtemp(prefix="vmmq-", dir="/tmp")
    os.environ["RAY_TMPDIR"] = folder
    (Path(folder) / "ray").mkdir()  # Ray writes the address of the cluster there
    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    try:
        for _ in range(workers):
            nodes.add_node(num_cpus=processors)
        with ray_session(nodes.address, actors=0):
            yield nodes
    finally:
        nodes.shutdown()  # type: ignore[no-untyped-call]
        shutil.rmtree(folder, ignore_errors=True)


def measure_hosts(hosts: int, processors_per_actor: int, repetitions: int, flows: int = 0) -> dict[str, float]:
    """Run `hosts` NICs side by side; returns seconds, processor seconds of the driver, and bytes."""
    scenario = _scenario(flows)
    prepared = replace(experiment(scenario), batch_frames=DEFAULT_BATCH_FRAMES_ON_RAY)
    runs = [NicRun(prepared, partial(Replay, scenario, repetitions, DEFAULT_BATCH_FRAMES_ON_RAY)) for _ in range(hosts)]
    began, worked = time.perf_counter(), time.process_time()
    done: SideBySide = run_side_by_side(runs, _no_progress, processors_per_actor=processors_per_actor)
    seconds, worked = time.perf_counter() - began, time.process_time() - worked
    facts = [dict(result.engine_facts) for result in done.results]
    sent = {kind: facts[0]["bytes_to_driver_per_frame"][kind] for kind in ("progress", "reports")}
    frames = done.results[0].arrived
    return {
        "hosts": hosts,
        "actors of a host": facts[0]["processor_actors"] + 2,
        "nodes used": len({one["placement"]["nic"] for one in facts}),
        "start and end, s": seconds - done.working_seconds,
        "run, s": done.working_seconds,
        "driver's processor time, s": worked,
        "M frames/s of all": sum(result.arrived for result in done.results) / done.working_seconds / 1e6,
        "progress, bytes/s": sent["progress"] * frames / done.working_seconds,
        "report, bytes": sent["reports"] * frames,
        "bytes/frame": sum(sent.values()),
        "frames": frames,
    }


class _Echo:
    def answer(self, text: bytes) -> bytes:
        """Return `text`."""
        return text


def measure_call(node_id: str) -> float:
    """Median time, in seconds, of a call to an actor on a node."""
    import ray  # noqa: PLC0415
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy  # noqa: PLC0415

    there = NodeAffinitySchedulingStrategy(node_id, soft=False)
    options: dict[str, Any] = {"num_cpus": 0, "scheduling_strategy": there}
    actor: Any = ray.remote(**options)(_Echo).remote()
    seconds = [_seconds(lambda: ray.get(actor.answer.remote(b"x"))) for _ in range(_CALLS)]
    ray.kill(actor)
    return statistics.median(seconds)


class _Teller:
    def run(self, items: int) -> Iterator[Progressed]:
        """Yield progress items as a NIC does."""
        for number in range(items):
            yield Progressed(number, number / items)


def measure_item() -> float:
    """Processor seconds that the driver needs to take one item out of a host's stream."""
    import ray  # noqa: PLC0415

    actor: Any = ray.remote(num_cpus=0)(_Teller).remote()
    stream = actor.run.options(num_returns="streaming").remote(_CALLS)
    worked = time.process_time()
    for _ in range(_CALLS):
        ray.wait([stream], num_returns=1, timeout=1.0, fetch_local=False)
        ray.get(next(stream))
    worked = time.process_time() - worked
    ray.kill(actor)
    return worked / _CALLS


def _seconds(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def measure_start(nodes: Any, processors_per_actor: int) -> dict[str, float]:
    """Start one host and wait until it is ready; returns seconds, processor seconds, and bytes."""
    import ray  # noqa: PLC0415

    scenario = _scenario()
    prepared = replace(experiment(scenario), batch_frames=DEFAULT_BATCH_FRAMES_ON_RAY)
    plans = plan_hosts(prepared, processors_per_actor, rows_wanted=False)
    plan = NicPlan(
        open_source=partial(Replay, scenario, 1, DEFAULT_BATCH_FRAMES_ON_RAY),
        transmit_by_source=False,
        host_ends=tuple(one.end_processor for one in plans),
        transport="ring",
        batch_frames=DEFAULT_BATCH_FRAMES_ON_RAY,
        directory=os.getcwd(),
        rows_wanted=False,
        held=True,
    )
    began, worked = time.perf_counter(), time.process_time()
    with seats([len(plans) + 1]) as placed, simulated_host(prepared, plan, plans, placed.strategy(0)) as host:
        ray.get(next(host.stream))
        seconds, worked = time.perf_counter() - began, time.process_time() - worked
        raylets = {node.all_processes["raylet"][0].process.pid for node in nodes.list_all_nodes()}
        seen = dict(_processor_seconds(raylets))
    return {
        "actors": len(seen),
        "start, s": seconds,
        "processor time of an actor, s": statistics.mean(seen.values()),
        "driver's processor time, s": worked,
        "sent to it, bytes": sent_bytes(plan) + sent_bytes(plans) + sent_bytes(prepared.snapshot),
    }


def _processor_seconds(parents: set[int]) -> Iterator[tuple[int, float]]:
    """(process id, processor seconds since its start) of every actor process whose parent is one of the raylets."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            title, fields = (folder / "cmdline").read_text(), (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:  # it has just ended
            continue
        if int(fields[1]) in parents and title.startswith(
            ("ray::NicActor", "ray::ProcessorActor", "ray::ControlActor")
        ):
            yield int(folder.name), (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _take_seats() -> None:
    with seats([2, 2]):
        pass


def main() -> None:
    """Print the constants."""
    with small_cluster() as nodes:
        worker = next(iter(nodes.worker_nodes))
        measure_hosts(1, 4, 1)  # warm up: work that is done only once
        print(f"two seats: {statistics.median(_seconds(_take_seats) for _ in range(5)) * 1e3:.1f} ms")
        for what, node in (("the driver's node", nodes.head_node), ("another node", worker)):
            print(f"a call to an actor on {what}: {measure_call(node.node_id) * 1e3:.2f} ms")
        print(f"an item out of a stream: {measure_item() * 1e3:.2f} ms of the driver's processor time")
        for processors_per_actor in (4, 1):
            print("start of a host:", _told(measure_start(nodes, processors_per_actor)), flush=True)
        for hosts, processors_per_actor, repetitions, flows in (
            (1, 4, 10, 0),
            (2, 4, 5, 0),
            (4, 4, 3, 0),
            (1, 4, 5, 10_000),
            (1, 4, 5, 100_000),
        ):
            seen = measure_hosts(hosts, processors_per_actor, repetitions, flows)
            label = f"{flows:,} flows" if flows else "flows of the scenario"
            print(f"run, {label}:", _told(seen), flush=True)


def _told(seen: dict[str, float]) -> str:
    return "; ".join(f"{name} {value:,.4g}" for name, value in seen.items())


if __name__ == "__main__":
    main()
