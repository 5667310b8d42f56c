"""The cost model of a processor (simulation rules, section 2)."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dataplane.kernels.serve import COSTS
from dataplane.kernels.tracking import FOREVER

#: The longest frame that the 32 bits of a capture can express.
WIRE_LENGTH_MAX = (1 << 32) - 1


@dataclass(frozen=True, slots=True)
class CostModel:
    """The cost of work on a processor; every value may be 0. The defaults are those of the scenario format."""

    dpc_queue_depth: int = 1024  # work items the queue holds, including the one in service; 0 = unbounded
    receive_cost_ns: int = 500
    receive_cost_per_byte_ps: int = 0
    completion_cost_ns: int = 200
    interrupt_moderation_ns: int = 0  # smallest distance between two interrupts
    interrupt_latency_ns: int = 0
    dpc_overhead_ns: int = 0
    max_nbls_to_indicate: int = 0  # items one DPC run may handle; 0 = no limit

    @property
    def drain_ns_max(self) -> int:
        """The longest time until a full queue is empty if nothing more arrives; FOREVER without a bound."""
        if not self.dpc_queue_depth:
            return int(FOREVER)
        per_byte_ns = -(-WIRE_LENGTH_MAX * self.receive_cost_per_byte_ps // 1000)
        item_ns = max(self.receive_cost_ns + per_byte_ns, self.completion_cost_ns) + self.dpc_overhead_ns
        drain_ns = self.interrupt_moderation_ns + self.interrupt_latency_ns + self.dpc_queue_depth * item_ns
        return min(drain_ns, int(FOREVER))

    def as_row(self) -> npt.NDArray[Any]:
        """One `COSTS` row for the kernels."""
        return np.array([astuple(self)], COSTS)
