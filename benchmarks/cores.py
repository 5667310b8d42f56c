"""How far apart two cores are: what a cache line takes from one to the other.

Everything that the NIC hands to a processor actor travels like this. Cores behind one cache are some 50 ns apart, those
of two dies or sockets several times that; and where the virtual cores of a machine are at present is up to its host.
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

_BURSTS, _TURNS = 20, 1_000  # all of it takes a hundredth of a second where cores are far from each other


def _atomic_load(typing_context: Any, address: Any) -> Any:
    """The int64 at an address, as another core has left it."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load_atomic(builder.inttoptr(arguments[0], ir.IntType(64).as_pointer()), "acquire", 8)

    return types.int64(types.int64), codegen


def _atomic_store(typing_context: Any, address: Any, value: Any) -> Any:
    """Write an int64 to an address, for another core to see."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = builder.inttoptr(arguments[0], ir.IntType(64).as_pointer())
        builder.store_atomic(arguments[1], pointer, "release", 8)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), codegen


_load: Any = intrinsic(_atomic_load)
_store: Any = intrinsic(_atomic_store)


@njit(nogil=True)  # not worth a place in the cache
def _hand_over(line: npt.NDArray[np.int64], first: int, turns: int) -> None:
    """Write `first` + 1 once it is `first`, then every second number likewise, so many times."""
    at = address_of(line)
    for turn in range(turns):
        wanted = first + 2 * turn
        while _load(at) != wanted:
            pass
        _store(at, wanted + 1)


def seconds_between_cores() -> float | None:
    """One way between the first and the last core of this process, by the clock; None when it has but one.

    The shortest of several bursts: in others one of the two may have done something else meanwhile.
    """
    cores = os.sched_getaffinity(0)
    if len(cores) < 2:
        return None
    line = np.zeros(16, np.int64)  # two cache lines: its first number is alone in its own, or in its pair
    _hand_over(line, 0, 0)

    def answer() -> None:
        os.sched_setaffinity(0, {max(cores)})  # of this thread
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
    """Seconds."""
    started = time.perf_counter()
    _hand_over(line, 2 * number * _TURNS, _TURNS)
    return time.perf_counter() - started
