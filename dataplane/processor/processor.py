"""One simulated processor (PRC): serves its rows of every batch and keeps the counts for its report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from dataplane.kernels import serve as kernels
from dataplane.kernels.host import PROCESSOR_ADDRESSES, write_addresses
from dataplane.kernels.tracking import NEVER
from dataplane.processor.costs import CostModel
from dataplane.processor.flows import FlowTable
from dataplane.processor.histogram import LatencyHistogram
from dataplane.processor.log import UpdateLog
from dataplane.processor.rows import RowLog
from dataplane.switch.snapshot import SLOTS_PER_TARGET

_LARGEST = (1 << 63) - 1

#: Nobody asks for loads.
NO_LOADS = np.zeros(0, kernels.LOAD_ROW)

#: Columns of `ProcessorReport.by_target`.
COUNTED = ("received", "bytes", "hashed", "completions", "dropped")


class Windows(NamedTuple):
    """The clock of the load windows: window w covers [start_ns + w * length_ns, start_ns + (w + 1) * length_ns)."""

    start_ns: int  # first arrival of the run
    length_ns: int


@dataclass(frozen=True, slots=True)
class ProcessorReport:
    """The report of one processor at the end of a run; plain arrays and numbers, so that it can be sent."""

    counters: dict[str, int]  # fields of kernels.serve.STATE, busy_ns, and the sums of `by_target`
    histogram: LatencyHistogram
    by_target: npt.NDArray[np.int64]  # (targets, 5): COUNTED
    busy_windows: npt.NDArray[Any]  # BUSY_ROW, ascending
    entry_windows: npt.NDArray[Any]  # ENTRY_ROW, ascending by window
    updates: UpdateLog | None = None  # None in a run in which nothing changes


class Processor:
    """A simulated processor that owns its DPC queue.

    The kernels find its arrays through `addresses`, after a call of `write_addresses`, and serve rows in arrival order.
    State, counters and results do not depend on how the rows are divided into calls.
    """

    def __init__(
        self,
        costs: CostModel,
        windows: Windows,
        targets: int,
        flows: FlowTable,
        *,
        loads: npt.NDArray[Any] = NO_LOADS,
        addresses: npt.NDArray[np.int64] | None = None,
    ) -> None:
        """`flows` is the table of its host; `loads` (slots,) LOAD_ROW too, empty if the run does not ask for loads.

        `addresses`: its row in the host's table for the kernels.
        """
        self.addresses = np.zeros(PROCESSOR_ADDRESSES, np.int64) if addresses is None else addresses
        self._flows = flows
        self._windows = windows
        self._costs = costs.as_row()
        entry_slots = targets * SLOTS_PER_TARGET
        state = np.zeros(1, kernels.STATE)
        state["first_arrival_ns"] = state["last_interrupt_ns"] = state["free_ns"] = NEVER
        state["last_frame"] = -1
        state["latency_min_ns"], state["latency_max_ns"] = _LARGEST, -1
        self._service = kernels.Service(
            state=state,
            ring=np.full(max(1, costs.dpc_queue_depth), NEVER),
            histogram=np.zeros(kernels.HISTOGRAM_BUCKETS, np.int64),
            busy_log=np.zeros(256, kernels.BUSY_ROW),
            busy_logged=np.zeros(1, np.int64),
        )
        self._accounts = kernels.Accounts(
            current=np.zeros(entry_slots, kernels.ENTRY_ROW),
            touched=np.zeros(entry_slots, np.uint32),
            position=np.zeros(3, np.int64),
            entry_log=np.zeros(max(1024, entry_slots), kernels.ENTRY_ROW),
            loads=loads,
        )
        self._counted = np.zeros((targets, len(COUNTED)), np.int64)  # items of windows taken out of the log
        #: Rows taken out of the logs, in order.
        self._busy_rows = RowLog(kernels.BUSY_ROW)
        self._entry_rows = RowLog(kernels.ENTRY_ROW)

    def write_addresses(self) -> None:
        """Write the addresses of the arrays for the kernels; call this whenever an array has been replaced."""
        write_addresses(self.addresses, (self._costs, *self._service, *self._accounts))

    def load_kernels(self) -> None:
        """Load the kernels that the first frames do not need; changes nothing."""
        self._by_target()

    def make_room(self) -> None:
        """The kernel has stopped: a log is full."""
        if not self._make_room():
            self._enlarge()

    def _make_room(self) -> bool:
        """Empty the logs, and enlarge the flow table if it is half full; false if there was nothing to do."""
        logged = bool(self._service.busy_logged[0] or self._accounts.position[2])
        self._drain_busy_log()
        self._drain_entry_log()
        return self._flows.make_room() or logged

    def _enlarge(self) -> None:
        """One item is busy for more windows than the log holds."""
        larger = np.zeros(2 * len(self._service.busy_log), kernels.BUSY_ROW)
        self._service = self._service._replace(busy_log=larger)
        self.write_addresses()

    def _drain_busy_log(self) -> None:
        self._busy_rows.append(self._service.busy_log[: self._service.busy_logged[0]])
        self._service.busy_logged[0] = 0

    def _drain_entry_log(self) -> None:
        rows = self._accounts.entry_log[: self._accounts.position[2]]
        self._entry_rows.append(rows)
        kernels.count_by_target(rows, SLOTS_PER_TARGET, self._counted)
        self._accounts.position[2] = 0

    def _by_target(self) -> npt.NDArray[np.int64]:
        """Items so far, as in `ProcessorReport`."""
        accounts, counted = self._accounts, self._counted.copy()
        kernels.count_by_target(accounts.entry_log[: accounts.position[2]], SLOTS_PER_TARGET, counted)
        kernels.count_by_target(self._open_entries(), SLOTS_PER_TARGET, counted)
        return counted

    def _busy_ns(self) -> int:
        """Busy time of everything that was accepted (PRC-04)."""
        state = self._service.state[0]
        return int(state["busy_before_ns"]) + int(state["busy_window_ns"])

    def _open_entries(self) -> npt.NDArray[Any]:
        """ENTRY_ROWs of the open window."""
        entries = self._accounts.current[self._accounts.touched[: self._accounts.position[1]]]
        entries["window"] -= 1
        return entries

    def report(self) -> ProcessorReport:
        """Close the open windows and report everything; the processor is not used afterwards."""
        state = self._service.state[0]
        self._drain_busy_log()
        if state["busy_window_ns"]:
            last = (int(state["busy_window"]), int(state["busy_window_ns"]))
            self._busy_rows.append(np.array([last], kernels.BUSY_ROW))
        self._drain_entry_log()
        by_target = self._by_target()
        self._entry_rows.append(self._open_entries())
        counters = {name: int(state[name]) for name in kernels.STATE.names or ()}
        return ProcessorReport(
            counters=counters | totals(by_target) | {"busy_ns": self._busy_ns()},
            histogram=LatencyHistogram.of_kernel(
                self._service.histogram,
                int(state["latency_sum_ns"]),
                int(state["latency_min_ns"]) if state["accepted"] else 0,
                max(0, int(state["latency_max_ns"])),
            ),
            by_target=by_target,
            busy_windows=self._busy_rows.rows(),
            entry_windows=self._entry_rows.rows(),
        )


def totals(by_target: npt.NDArray[np.int64]) -> dict[str, int]:
    """What a processor has counted, over all targets; `bytes` are wire bytes of received frames."""
    return dict(zip(COUNTED, by_target.sum(axis=0).tolist(), strict=True))
