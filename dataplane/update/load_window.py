"""The loads of the processors since the previous tick, in the form for policies (POL-02)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt

from dataplane.arrays import read_only
from dataplane.control import ControlPlane
from dataplane.ids import DEFAULT_VPORT_ID, ProcessorNumber
from dataplane.processor.messages import Loads
from dataplane.switch.configuration import Mode, RssState
from dataplane.switch.snapshot import SLOTS_PER_TARGET, TABLE_ENTRIES_MAX, SteeringSnapshot
from dataplane.update.policy import LoadWindow, ProcessorWindow, VPortWindow


def load_window(
    control: ControlPlane,
    snapshot: SteeringSnapshot,
    loads: Loads,
    waiting: Mapping[ProcessorNumber, int],
    *,
    tick: int,
    start_ns: int,
    end_ns: int,
) -> LoadWindow:
    """What happened between two ticks, in the form for policies; times count from the first arrival.

    `snapshot` is that of the configuration in force; it maps the slots of the loads to VPorts and entries. `waiting` is
    the queue depth of each processor at the beginning, 0 for those that are not named.
    """
    length_ns = end_ns - start_ns
    told = {}
    for row, packets, dropped, busy_ns, queue_depth in loads.processors.tolist():
        processor = snapshot.processors[row]
        completed = waiting.get(processor, 0) + packets - dropped - queue_depth
        told[processor] = ProcessorWindow(
            processor, packets, dropped, completed, busy_ns, busy_ns / length_ns, queue_depth
        )
    entries = np.zeros((2, len(snapshot.targets) * SLOTS_PER_TARGET), np.int64)  # packets, busy ns
    for number, name in enumerate(("packets", "busy_ns")):
        np.add.at(entries[number], loads.entries["slot"], loads.entries[name])
    return LoadWindow(
        tick=tick,
        start_ns=start_ns,
        end_ns=end_ns,
        processors=tuple(
            told.get(processor) or ProcessorWindow(processor, 0, 0, 0, 0, 0.0, 0)
            for processor in sorted(control.configuration.rss_processors)
        ),
        vports=tuple(_vport_windows(control, snapshot, entries)),
    )


def _vport_windows(
    control: ControlPlane, snapshot: SteeringSnapshot, entries: npt.NDArray[np.int64]
) -> Iterator[VPortWindow]:
    """The VPorts with RSS, or the adapter; `entries` is (2, slots): packets and busy time."""
    configuration, state = control.configuration, control.state
    by_target = entries.reshape(2, -1, SLOTS_PER_TARGET)[:, :, :TABLE_ENTRIES_MAX]
    rows = snapshot.target_rows
    tables: dict[int, tuple[int, RssState, tuple[ProcessorNumber, ...]]] = {}
    if configuration.mode is Mode.SWITCH:
        for vport in configuration.vports:
            queues = state.vports[vport.vport_id].parameters.num_queue_pairs
            tables[vport.vport_id] = (queues, vport.rss, vport.rss.indirection_table)
    elif configuration.mode is Mode.NEUTRAL:
        native = configuration.native_rss
        tables[DEFAULT_VPORT_ID] = (state.native.number_of_queues, native, configuration.native_table_in_use)
    for vport_id, (queues, rss, table) in tables.items():
        if not rss.enabled:
            continue
        assert rss.default_processor is not None, "RSS that is on has a default processor"
        loads = by_target[:, rows[vport_id]] if vport_id in rows else np.zeros((2, TABLE_ENTRIES_MAX), np.int64)
        # the table may have had another size in the window: entry i of a larger one continues as entry i mod size
        packets, busy_ns = loads.reshape(2, -1, len(table)).sum(axis=1)
        yield VPortWindow(vport_id, queues, table, rss.default_processor, read_only(packets), read_only(busy_ns))


def is_idle(loads: Loads) -> bool:
    """Whether nothing arrived, nothing was served and nothing waits."""
    return not any(loads.processors[name].any() for name in ("packets", "busy_ns", "queue_depth"))
