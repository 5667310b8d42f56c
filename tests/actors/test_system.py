"""What the Ray engine refuses before it starts anything."""

from __future__ import annotations

import socket
import sys
from functools import partial

import pytest

from actors.system import run_on_ray
from dataplane.errors import UserError
from tests.actors.small_hosts import SmallTraffic, ignore_progress, small_experiment, source_of

SEED = 5


def _read(file: object) -> SmallTraffic:
    raise AssertionError(f"{file} is not opened elsewhere")


def test_source_that_cannot_travel_is_refused() -> None:
    """Standard input cannot be handed to another process: the user is pointed to the engine that can take it."""
    with pytest.raises(UserError, match="--engine inline"):
        run_on_ray(small_experiment(SEED, 1, 10), partial(_read, sys.__stdin__), None, ignore_progress)


def test_address_without_a_cluster_is_refused_at_once() -> None:
    """A wrong --address is one line, not minutes of attempts."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(UserError, match=f"no Ray cluster listens at {address}"):
            run_on_ray(small_experiment(SEED, 1, 10), source_of(SEED, 1), None, ignore_progress, address=address)
    with pytest.raises(UserError, match="Ray clients"):
        run_on_ray(small_experiment(SEED, 1, 10), source_of(SEED, 1), None, ignore_progress, address="ray://a:1")
