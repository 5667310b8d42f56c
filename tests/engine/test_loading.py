"""Kernels are loaded before the first frame: no frame waits for a kernel to be loaded or compiled."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from numba.core.registry import CPUDispatcher

from benchmarks.one_vport import ONE_VPORT
from dataplane.engine.inline import run_inline
from dataplane.engine.prepare import experiment
from dataplane.scenario.load import load_scenario
from dataplane.scenario.source import traffic_source
from dataplane.traffic.batch import FrameBatch

_ROOT = Path(__file__).parents[2]

#: Entries move back and forth between busy processors, more flows than the tables begin with, and a policy.
_SCENARIO = f"""
{ONE_VPORT}[processors]
receive_cost_ns = 2000
[traffic]
profile = "zipf"
flows = 5000
packets = 60_000
rate_pps = 5_000_000
[update]
hand_over = "HAND_OVER"
[policy]
name = "least-loaded"
tick_ns = 1_000_000
"""


class _Watched:
    """A source that notes the loaded kernels after its first frames, and at its end."""

    def __init__(self, scenario: str) -> None:
        self._source = traffic_source(load_scenario(scenario, name="loading"))
        self.timestamp_regressions = 0
        self.findings: list[str] = []
        self.expected_frames: int | None = None
        self.progress = self._source.progress
        self.seen: list[dict[str, int]] = []

    def batches(self, batch_frames: int) -> Iterator[FrameBatch]:
        for batch in self._source.batches(batch_frames):
            if not self.seen:
                self.seen.append(_loaded())
            yield batch
        self.seen.append(_loaded())


def _loaded() -> dict[str, int]:
    """The number of compiled forms of each kernel in this process."""
    modules = [module for name, module in sys.modules.items() if name.startswith("dataplane.kernels.")]
    return {
        f"{module.__name__}.{name}": len(kernel.signatures)
        for module in modules
        for name, kernel in vars(module).items()
        if isinstance(kernel, CPUDispatcher)
    }


def report(hand_over: str, threads: int) -> None:
    """Run the scenario in this process, which must be new, and print what was loaded after the first frame."""
    scenario = _SCENARIO.replace("HAND_OVER", hand_over)
    source = _Watched(scenario)
    prepared = experiment(load_scenario(scenario, name="loading"), default_batch_frames=8192)
    result = run_inline(prepared, lambda: source, None, lambda frames, share: None, threads=threads)
    assert len(result.updates) > 2
    before, after = source.seen
    print(sum(before.values()) > 0, {name: forms for name, forms in after.items() if forms != before.get(name)})


@pytest.mark.parametrize(("hand_over", "threads"), [("permissive", 2), ("ordered", 1)])
def test_no_kernel_is_loaded_behind_the_first_frame(hand_over: str, threads: int) -> None:
    """Updates, ticks, held frames and growing tables use kernels that were loaded before the first frame."""
    code = f"from tests.engine.test_loading import report; report({hand_over!r}, {threads})"
    done = subprocess.run([sys.executable, "-c", code], cwd=_ROOT, capture_output=True, text=True, check=False)
    assert done.stdout == "True {}\n", done.stderr
