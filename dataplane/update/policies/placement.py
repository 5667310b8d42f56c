"""What the policies share: a tentative placement of the entries of all VPorts, with their loads."""

from __future__ import annotations

from collections.abc import Iterable, Set
from typing import Annotated, Literal, NamedTuple

import numpy as np
from pydantic import ConfigDict, Field

from dataplane.ids import ProcessorNumber
from dataplane.update.policy import TICK_NS_MAX, TICK_NS_MIN, LoadWindow, Move, ProcessorWindow, Table

#: How parameters are checked: a wrong type is an error and not converted, but an integer may stand for a float.
STRICT = ConfigDict(strict=True)

#: A share of something; a number of ticks; a time.
Share = Annotated[float, Field(ge=0, le=1)]
Ticks = Annotated[int, Field(ge=1)]
Duration = Annotated[int, Field(ge=TICK_NS_MIN, le=TICK_NS_MAX)]

#: What a policy balances: the offered work in ns, or frames.
Measure = Literal["work", "packets"]


class Entry(NamedTuple):
    """A table entry and its work in the window, in ns or frames."""

    vport_id: int
    table_index: int
    work: int


class Placement:
    """A tentative placement of the entries of all VPorts with their work; its differences are the wishes of a policy.

    `busy` has the entries with work, by the processor that they point to. With many VPorts most entries have none.

    A processor's load is the work of its entries, and a rest that belongs to no entry (default processors, VPorts
    without RSS). An entry counts on the processor to which the table points at the tick. All values are integers, so
    that comparisons of loads are exact.

    The work of an entry is the service cost of its frames, scaled up by what its processor dropped. So it is the
    offered work, not what a saturated processor could still do.

    The processors that a VPort uses now, together with those it will use, are never more than its queues. This is
    stricter than UPD-41: the wishes are legal in whatever order and portions they are carried out.
    """

    def __init__(self, window: LoadWindow, measure: Measure = "work") -> None:
        self.processors = tuple(row.processor for row in window.processors)
        self.busy: dict[ProcessorNumber, set[Entry]] = {row.processor: set() for row in window.processors}
        self._vports = {vport.vport_id: vport for vport in window.vports}
        self._moved: dict[Entry, ProcessorNumber] = {}  # where the moved entries point to
        self._queues = {vport.vport_id: vport.number_of_queues for vport in window.vports}
        self._used = {vport.vport_id: {*vport.indirection_table, vport.default_processor} for vport in window.vports}

        rows = {row.processor: row for row in window.processors}
        completed = sum(row.completed for row in window.processors)
        mean_cost_ns = sum(row.busy_ns for row in window.processors) // completed if completed else 1
        rest = {row.processor: row.packets for row in window.processors}  # frames that no entry counts
        self._work: dict[int, dict[int, int]] = {}  # by VPort and index, of busy entries
        for vport in window.vports:
            work_by_index = self._work[vport.vport_id] = {}
            indices = np.flatnonzero(vport.packets)
            columns = (indices, vport.packets[indices], vport.busy_ns[indices])
            for index, packets, busy_ns in zip(*(column.tolist() for column in columns), strict=True):
                processor = vport.indirection_table[index]
                work = packets if measure == "packets" else _offered(rows[processor], packets, busy_ns, mean_cost_ns)
                rest[processor] -= packets
                if work:
                    work_by_index[index] = work
                    self.busy[processor].add(Entry(vport.vport_id, index, work))
        self.load = dict.fromkeys(self.processors, 0)
        for processor, packets in rest.items():
            if packets > 0:  # below 0 if the table has changed inside the window
                work = packets if measure == "packets" else _at_mean_cost(rows[processor], packets, mean_cost_ns)
                self.load[processor] += work
        for processor, entries in self.busy.items():
            self.load[processor] += sum(entry.work for entry in entries)

    def entries(self, vport_id: int) -> list[Entry]:
        """All entries of a VPort, in the order of its table."""
        work = self._work[vport_id]
        size = len(self._vports[vport_id].indirection_table)
        return [Entry(vport_id, index, work.get(index, 0)) for index in range(size)]

    def place(self, entry: Entry) -> ProcessorNumber:
        """The processor that an entry points to."""
        moved = self._moved.get(entry)
        return self._vports[entry.vport_id].indirection_table[entry.table_index] if moved is None else moved

    def may_use(self, vport_id: int, processor: ProcessorNumber, more: Set[ProcessorNumber] = frozenset()) -> bool:
        """Whether the VPort has a queue for this processor if it will also use the processors `more` (UPD-41)."""
        used = self._used[vport_id] | more if more else self._used[vport_id]
        return processor in used or (processor in self.load and len(used) < self._queues[vport_id])

    def claim(self, vport_id: int, processor: ProcessorNumber) -> None:
        """Reserve a queue of the VPort for this processor."""
        self._used[vport_id].add(processor)

    def move(self, entry: Entry, target: ProcessorNumber) -> None:
        """Point an entry to a processor, with its load."""
        source = self.place(entry)
        self.load[source] -= entry.work
        self.load[target] += entry.work
        if entry.work:
            self.busy[source].remove(entry)
            self.busy[target].add(entry)
        self._moved[entry] = target
        self.claim(entry.vport_id, target)

    def moves(self) -> list[Move]:
        """The difference to the tables of the window as moves, by VPort and target."""
        indices: dict[tuple[int, ProcessorNumber], list[int]] = {}
        for entry, target in sorted(self._moved.items()):
            if target != self._vports[entry.vport_id].indirection_table[entry.table_index]:
                indices.setdefault((entry.vport_id, target), []).append(entry.table_index)
        return [Move(vport_id, tuple(indices[vport_id, target]), target) for vport_id, target in sorted(indices)]

    def tables(self) -> list[Table]:
        """The tables that differ from those of the window."""
        tables = {entry.vport_id: list(self._vports[entry.vport_id].indirection_table) for entry in self._moved}
        for entry, target in self._moved.items():
            tables[entry.vport_id][entry.table_index] = target
        wishes = (Table(vport_id, tuple(table)) for vport_id, table in sorted(tables.items()))
        return [wish for wish in wishes if wish.indirection_table != self._vports[wish.vport_id].indirection_table]


def _offered(processor: ProcessorWindow, packets: int, busy_ns: int, mean_cost_ns: int) -> int:
    """Work in ns of all arrivals if the served ones took `busy_ns`; all entries of a processor lose the same share."""
    served = processor.packets - processor.dropped
    return busy_ns * processor.packets // served if served > 0 else packets * mean_cost_ns


def _at_mean_cost(processor: ProcessorWindow, packets: int, mean_cost_ns: int) -> int:
    """Work in ns of frames whose own cost is not known. With a backlog, more or less is completed than arrives."""
    return processor.busy_ns * packets // processor.completed if processor.completed else packets * mean_cost_ns


def by_work(entries: Iterable[Entry]) -> list[Entry]:
    """Largest first, then lowest VPort and index."""
    return sorted(entries, key=lambda entry: (-entry.work, entry.vport_id, entry.table_index))


def spread_processors(window: LoadWindow) -> dict[int, tuple[ProcessorNumber, ...]]:
    """For each VPort the processors over which its table can be spread, ascending.

    Their number is limited by its queues, the processors and its entries. First come those it uses, then those that the
    fewest VPorts use. A table that is spread over all of them gets the same answer again.
    """
    processors = [row.processor for row in window.processors]
    users = dict.fromkeys(processors, 0)
    used_by = {vport.vport_id: {*vport.indirection_table, vport.default_processor} for vport in window.vports}
    for used in used_by.values():
        for processor in used:
            users[processor] += 1
    spread = {}
    for vport in window.vports:
        table = sorted({*vport.indirection_table})
        default = [vport.default_processor] if vport.default_processor not in table else []
        used = used_by[vport.vport_id]
        others = sorted((users[processor], processor) for processor in processors if processor not in used)
        room = min(vport.number_of_queues, len(processors), len(vport.indirection_table))
        chosen = [*table, *default, *(processor for _, processor in others)][:room]
        if len({*chosen, vport.default_processor}) > vport.number_of_queues:
            # only native RSS of generation 1 can use more processors than queues (RSS-26): reduce them to a legal table
            chosen = [vport.default_processor, *(p for p in chosen if p != vport.default_processor)][:room]
        for processor in {*chosen} - used:
            users[processor] += 1
        spread[vport.vport_id] = tuple(sorted(chosen))
    return spread
