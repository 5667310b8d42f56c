"""Hypothesis profiles: `ci` is quick and always draws the same, `nightly` draws much more and anew.

Choose with the environment variable HYPOTHESIS_PROFILE (`make nightly` does).
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

# the first example of a test may compile kernels: no deadline
settings.register_profile(
    "ci", max_examples=100, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile(
    "nightly", max_examples=2000, deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))
