"""What the Ray engine refuses before it starts anything."""

from __future__ import annotations

import socket
import subprocess
import sys
from functools import partial

import pytest

from actors import session
from actors.system import run_on_ray
from dataplane.errors import UserError
from tests.actors.small_hosts import SmallTraffic, ignore_progress, small_experiment, source_of

SEED = 5


def _read(file: object) -> SmallTraffic:
    raise AssertionError(f"{file} is not opened elsewhere")


def test_source_that_cannot_travel_is_refused() -> None:
    """Standard input cannot be passed to another process: the error names the engine that can read it."""
    with pytest.raises(UserError, match="--engine inline"):
        run_on_ray(small_experiment(SEED, 1, 10), partial(_read, sys.__stdin__), None, ignore_progress)


def test_address_without_a_cluster_is_refused_at_once() -> None:
    """A wrong --address is one line, not minutes of attempts."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(UserError, match=f"no Ray cluster listens at {address}"):
            run_on_ray(small_experiment(SEED, 1, 10), source_of(SEED, 1), None, ignore_progress, address=address)


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("ray://a:1", "Ray clients"),
        ("foo", "give HOST:PORT"),
        (":6379", "give HOST:PORT"),
        ("foo:0", "give HOST:PORT"),
        ("foo:65536", "give HOST:PORT"),
        ("local", "give HOST:PORT"),
    ],
)
def test_what_is_no_address_is_refused(address: str, told: str) -> None:
    """The line says what an address looks like."""
    with pytest.raises(UserError, match=told):
        run_on_ray(small_experiment(SEED, 1, 10), source_of(SEED, 1), None, ignore_progress, address=address)


def test_what_answers_but_is_no_cluster_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray's answer to a first call is reported in one line, instead of its own attempts and their log."""
    monkeypatch.setattr(
        session, "_PROBE", "import sys; sys.exit('a log\\nray.exceptions.RpcError: it is something else')"
    )
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(UserError, match=rf"at {address} with RAY_AUTH_MODE=\w+: RpcError: it is something else$"):
            run_on_ray(small_experiment(SEED, 1, 10), source_of(SEED, 1), None, ignore_progress, address=address)


def test_what_ray_has_to_say_does_not_go_to_standard_output() -> None:
    """A raylet's warning does not get into a document, although Ray prints it even with logs of workers turned off."""
    said = '{"lines": ["WARNING: 8 PYTHON worker processes have been started"], "pid": "raylet", "is_err": False}'
    program = f"import actors, ray; ray._private.worker.print_to_stdstream({said}, ignore_prefix=False)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == ""
