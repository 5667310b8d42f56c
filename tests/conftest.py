"""Hypothesis profiles: `ci` is quick and always draws the same examples, `nightly` draws many more, and new ones.

Choose with the environment variable HYPOTHESIS_PROFILE (`make nightly` does).
"""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path

from hypothesis import HealthCheck, settings

_QUICK_START = Path(__file__).parents[1] / "configs" / "quick-start.toml"

# the first example of a test may compile kernels: no deadline
settings.register_profile(
    "ci", max_examples=100, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile(
    "nightly", max_examples=2000, deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

# a background job of a shell ignores SIGINT, and so would the programs that tests start and interrupt
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_sessionstart() -> None:
    """Let two workers on several cores first compile different kernels, not both the same kernels at the same time."""
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if worker not in {"gw0", "gw1"}:
        return
    from dataplane.engine.loading import load_processor_kernels, load_steering_kernels
    from dataplane.engine.plan import plan_host
    from dataplane.engine.prepare import experiment
    from dataplane.scenario.load import load_scenario

    one = experiment(load_scenario(_QUICK_START))
    plan = plan_host(one, 0, 0, len(one.costs), rows_wanted=False)
    if worker == "gw0":
        load_processor_kernels(replace(plan, updates=True))
    else:
        load_processor_kernels(plan)
        load_steering_kernels(one.snapshot)
