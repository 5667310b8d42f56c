"""The distance between two cores: the time that a cache line takes from one core to the other.

Everything that the NIC passes to a processor actor takes this way. Cores that share a cache are about 50 ns apart,
cores on two dies or sockets several times that. On a virtual machine the host decides where the virtual cores are.
"""

from __future__ import annotations

import os
import threading
import time
from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from dataplane.kernels.memory import address_of

_BURSTS, _TURNS = 20, 1_000  # together 0.01 s if the cores are far from each other


def _atomic_load(typing_context: Any, address: Any) -> Any:
    """Read the int64 at an address, with acquire order."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load_atomic(builder.inttoptr(arguments[0], ir.IntType(64).as_pointer()), "acquire", 8)

    return types.int64(types.int64), codegen


def _atomic_store(typing_context: Any, address: Any, value: Any) -> Any:
    """Write an int64 to an address, with release order."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = builder.inttoptr(arguments[0], ir.IntType(64).as_pointer())
        builder.store_atomic(arguments[1], pointer, "release", 8)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), codegen


_load: Any = intrinsic(_atomic_load)
_store: Any = intrinsic(_atomic_store)


@njit(nogil=True)  # compiles so fast that it is not cached
def _hand_over(line: npt.NDArray[np.int64], first: int, turns: int) -> None:
    """Wait until `line[0]` is `first` and write `first` + 1; repeat `turns` times, with `first` 2 greater each time."""
    at = address_of(line)
    for turn in range(turns):
        wanted = first + 2 * turn
        while _load(at) != wanted:
            pass
        _store(at, wanted + 1)


def seconds_between_cores() -> float | None:
    """Seconds of one way between the first and the last core of this process; None if it has only one core.

    The shortest of several bursts counts: during the others a core may have done something else.
    """
    cores = os.sched_getaffinity(0)
    if len(cores) < 2:
        return None
    line = np.zeros(16, np.int64)  # two cache lines, so that no other data shares the line, or pair, of line[0]
    _hand_over(line, 0, 0)

    def answer() -> None:
        os.sched_setaffinity(0, {max(cores)})  # 0: this thread
        _hand_over(line, 1, _BURSTS * _TURNS)

    other = threading.Thread(target=answer)
    try:
        os.sched_setaffinity(0, {min(cores)})
        other.start()
        seconds = [_burst(line, number) for number in range(_BURSTS)]
        other.join()
        return min(seconds) / (2 * _TURNS)
    finally:
        os.sched_setaffinity(0, cores)


def _burst(line: npt.NDArray[np.int64], number: int) -> float:
    """Seconds of burst `number`."""
    started = time.perf_counter()
    _hand_over(line, 2 * number * _TURNS, _TURNS)
    return time.perf_counter() - started
