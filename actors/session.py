"""A connection to Ray: an existing cluster, or a new one for as long as it is needed."""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import ray
from ray._private.ray_constants import PROCESS_TYPE_GCS_SERVER, PROCESS_TYPE_RAYLET

from actors.folder import cluster_folder
from dataplane.engine.interrupts import uninterrupted
from dataplane.errors import ExitCode, UserError

_OBJECT_STORE_BYTES = 200_000_000
_NEEDED_PROCESSES = (PROCESS_TYPE_RAYLET, PROCESS_TYPE_GCS_SERVER)
_CONNECT_SECONDS = 3
_PROBE_SECONDS = 6

#: Ends soon if there is an answer, and with an error unless a Ray cluster answers that accepts us.
_PROBE = "import sys, actors, ray; ray._raylet.GcsClient(address=sys.argv[1])"


@contextmanager
def ray_session(address: str | None, *, actors: int, probe: bool = True) -> Iterator[str | None]:
    """A connection to Ray: the cluster at `address`, or a new one for that many actors, without a dashboard.

    Gives the folder of a new cluster.

    With `probe` false, `address` is assumed to be a cluster if something answers there; this saves a second or two.

    Does nothing if this process is already connected. At the end everything that was started is stopped, and the folder
    in which Ray keeps its sockets and logs is removed; so are the folders of killed processes.
    """
    if ray.is_initialized():
        yield None
        return
    folder: str | None = None
    with ExitStack() as undo:
        if address is not None:
            _check_reachable(address, probe=probe)
            undo.callback(_shut_down)
            try:
                with _whole():
                    ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
            except Exception as error:  # Ray raises anything from ValueError to RuntimeError here
                raise _no_cluster(address, str(error)) from error
        else:
            folder = undo.enter_context(cluster_folder())
            undo.callback(_shut_down)
            with _whole():
                ray.init(
                    address="local",
                    num_cpus=max(os.cpu_count() or 1, actors),  # processes for the actors are started at once
                    object_store_memory=_OBJECT_STORE_BYTES,
                    include_dashboard=False,
                    log_to_driver=False,
                    logging_level=logging.ERROR,
                    _temp_dir=folder,
                )
        yield folder


def _shut_down() -> None:
    """Stop Ray; Ctrl-C takes effect afterwards, or Ray would go on in a folder that is being removed."""
    try:
        with uninterrupted():
            ray.shutdown()
    except KeyboardInterrupt:
        signal.raise_signal(signal.SIGINT)  # the previous handler decides


def check_cluster() -> None:
    """UserError if a process has died that a cluster started by vmmq cannot work without; it cannot be replaced."""
    node = ray._private.worker._global_node  # Ray has no public function for this
    dead = () if node is None else (kind for kind, _ in node.dead_processes() if kind in _NEEDED_PROCESSES)
    if kind := next(iter(dead), None):
        raise UserError(
            f"Ray itself has died here ({kind}): see the machine's memory, or run with --engine inline",
            ExitCode.INCONCLUSIVE,
        )


@contextmanager
def _whole() -> Iterator[None]:
    """Around the start of Ray: Ctrl-C takes effect afterwards, because Ray crashes if its start is interrupted.

    Ray installs its own handler of SIGTERM, which would end this process at any point: the old handler is restored.
    """
    terminate = signal.getsignal(signal.SIGTERM)
    with uninterrupted():
        try:
            yield
        finally:
            if threading.current_thread() is threading.main_thread():
                signal.signal(signal.SIGTERM, terminate)


def _check_reachable(address: str, *, probe: bool) -> None:
    """UserError if no Ray cluster answers at HOST:PORT; Ray itself tries for minutes, and cannot be interrupted."""
    host, _, port = address.rpartition(":")
    if "/" in host:
        raise UserError(
            f"{address} is an address for Ray clients: give HOST:PORT of a cluster that this machine is part of"
        )
    if address == "auto":
        return
    if not host or not port.isdecimal() or not 0 < int(port) < 1 << 16:
        raise UserError(
            f"{address!r} is no address of a Ray cluster: give HOST:PORT, as ray start --head says it, or auto"
        )
    try:
        socket.create_connection((host, int(port)), _CONNECT_SECONDS).close()
    except OSError as error:
        raise UserError(f"no Ray cluster listens at {address} ({error}): start one with ray start --head") from error
    if not probe:
        return
    try:
        subprocess.run(
            [sys.executable, "-c", _PROBE, address],
            timeout=_PROBE_SECONDS,
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
    except subprocess.TimeoutExpired:
        raise UserError(
            f"what listens at {address} does not answer as a Ray cluster does: give HOST:PORT of one"
        ) from None
    except subprocess.CalledProcessError as error:
        what = error.stderr.strip().rpartition("\n")[2]  # Ray's log, and a traceback that ends with the error
        raise _no_cluster(address, what.removeprefix("ray.exceptions.")) from None


def _no_cluster(address: str, why: str) -> UserError:
    mode, [first, *_] = os.environ["RAY_AUTH_MODE"], why.splitlines() or [""]
    return UserError(f"no Ray cluster to be had at {address} with RAY_AUTH_MODE={mode}: {first}")
