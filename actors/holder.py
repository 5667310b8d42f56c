"""A process that holds a Ray cluster: `python -m actors.holder ACTORS`.

It writes one JSON line when the cluster runs, and waits for the line "stay" on its standard input. If the input ends
without that line, the process that started the cluster has died, and the cluster ends as well. After "stay", the holder
ends on SIGTERM, or when the cluster has died.
"""

from __future__ import annotations

import json
import signal
import sys
import threading

import ray

from actors.session import check_cluster, ray_session

#: Time between two checks whether the cluster lives; a dead cluster is removed.
_LOOK_SECONDS = 1.0


def main() -> None:
    """Hold the cluster until told otherwise."""
    end = threading.Event()
    # also while Ray starts: then Ray is stopped as soon as it has started, and nothing of it remains
    signal.signal(signal.SIGTERM, lambda number, frame: end.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with ray_session(None, actors=int(sys.argv[1])) as folder:
        print(json.dumps({"address": ray.get_runtime_context().gcs_address, "folder": folder}), flush=True)
        threading.Thread(target=_wait_to_stay, args=(end,), daemon=True).start()
        while not end.wait(_LOOK_SECONDS):
            check_cluster()


def _wait_to_stay(end: threading.Event) -> None:
    if sys.stdin.readline() != "stay\n":
        end.set()


if __name__ == "__main__":
    main()
