"""A small machine for policies: the same frames in every window, and tables that wishes change."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from hypothesis import strategies as st

from dataplane.ids import DEFAULT_PROCESSOR_INDEX, ProcessorNumber
from dataplane.update.policy import LoadWindow, Move, Policy, ProcessorWindow, Table, VPortWindow

LENGTH_NS = 1_000_000


@dataclass
class VPort:
    """A VPort and the frames that each of its entries gets in every window."""

    number_of_queues: int
    table: list[ProcessorNumber]
    default_processor: ProcessorNumber
    packets: list[int]

    @property
    def used(self) -> set[ProcessorNumber]:
        """The processors that count for UPD-41."""
        return {*self.table, self.default_processor}


@dataclass
class Machine:
    """Processors that drop what they cannot serve within the window, and have no queue."""

    processors: tuple[ProcessorNumber, ...]
    vports: dict[int, VPort]
    cost_ns: int = 1_000
    rest: dict[ProcessorNumber, int] = field(default_factory=dict)  # frames that no entry accounts for
    ticks: int = 0

    def packets(self) -> dict[ProcessorNumber, int]:
        """Frames that reach each processor in a window."""
        packets = {processor: self.rest.get(processor, 0) for processor in self.processors}
        for vport in self.vports.values():
            for processor, count in zip(vport.table, vport.packets, strict=True):
                packets[processor] += count
        return packets

    def max_over_mean(self) -> float:
        """max/mean of BAL-02, over frames."""
        packets = self.packets().values()
        return max(packets) * len(packets) / sum(packets)

    def window(self) -> LoadWindow:
        """The window that a policy sees now; its arrays are read-only."""
        arrived = self.packets()
        served = {processor: min(count, LENGTH_NS // self.cost_ns) for processor, count in arrived.items()}
        rows = tuple(
            ProcessorWindow(
                processor=processor,
                packets=arrived[processor],
                dropped=arrived[processor] - served[processor],
                completed=served[processor],
                busy_ns=served[processor] * self.cost_ns,
                load=served[processor] * self.cost_ns / LENGTH_NS,
                queue_depth=0,
            )
            for processor in self.processors
        )
        vports = []
        for vport_id, vport in sorted(self.vports.items()):
            packets = np.array(vport.packets, np.int64)
            busy_ns = np.array(
                [
                    self.cost_ns * (count * served[processor] // max(arrived[processor], 1))
                    for processor, count in zip(vport.table, vport.packets, strict=True)
                ],
                np.int64,
            )
            packets.flags.writeable = busy_ns.flags.writeable = False
            vports.append(
                VPortWindow(
                    vport_id, vport.number_of_queues, tuple(vport.table), vport.default_processor, packets, busy_ns
                )
            )
        start_ns = self.ticks * LENGTH_NS
        return LoadWindow(self.ticks, start_ns, start_ns + LENGTH_NS, rows, tuple(vports))

    def carry_out(self, wishes: Iterable[Move | Table]) -> None:
        """Apply the wishes; AssertionError if they are illegal at once, or in any order of their parts."""
        before = {vport_id: vport.used for vport_id, vport in self.vports.items()}
        for wish in wishes:
            vport = self.vports[wish.vport_id]
            if isinstance(wish, Table):
                assert len(wish.indirection_table) == len(vport.table)
                vport.table = list(wish.indirection_table)
                continue
            assert wish.indices
            for index in wish.indices:
                if index == DEFAULT_PROCESSOR_INDEX:
                    vport.default_processor = wish.target
                else:
                    assert 0 <= index < len(vport.table)
                    vport.table[index] = wish.target
        for vport_id, vport in self.vports.items():
            assert vport.used <= {*self.processors}, "UPD-40"
            assert len(vport.used | before[vport_id]) <= vport.number_of_queues, "UPD-41"

    def tick(self, policy: Policy) -> list[Move | Table]:
        """Show the policy one window, and carry out its wishes."""
        wishes = list(policy.rebalance(self.window()))
        self.carry_out(wishes)
        self.ticks += 1
        return wishes


def numbers(count: int) -> tuple[ProcessorNumber, ...]:
    """The first processors of group 0."""
    return tuple(ProcessorNumber(0, number) for number in range(count))


def single(packets: list[int], count: int, table: list[int] | None = None) -> Machine:
    """One VPort on `count` processors, with a queue for each; the table (numbers) is round-robin if not given."""
    processors = numbers(count)
    table = table if table is not None else [index % count for index in range(len(packets))]
    vport = VPort(count, [processors[number] for number in table], processors[table[0]], packets)
    return Machine(processors, {0: vport}, cost_ns=max(1, LENGTH_NS // max(1, 2 * sum(packets))))


@st.composite
def machines(draw: st.DrawFn, saturated: bool = True) -> Machine:
    """Up to three VPorts on up to six processors, legal at the start; `saturated` ones may drop frames."""
    every = [ProcessorNumber(0, 0), ProcessorNumber(0, 3), *(ProcessorNumber(1, number) for number in range(4))]
    processors = tuple(sorted(draw(st.lists(st.sampled_from(every), min_size=1, max_size=6, unique=True))))
    vports = {}
    for vport_id in draw(st.lists(st.sampled_from([0, 1, 5]), max_size=3, unique=True)):
        number_of_queues = draw(st.integers(1, 8))
        own = draw(st.lists(st.sampled_from(processors), min_size=1, max_size=number_of_queues, unique=True))
        entries = 2 ** draw(st.integers(0, 4))
        table = draw(st.lists(st.sampled_from(own), min_size=entries, max_size=entries))
        packets = draw(st.lists(st.integers(0, 400 if saturated else 20), min_size=entries, max_size=entries))
        vports[vport_id] = VPort(number_of_queues, table, draw(st.sampled_from(own)), packets)
    rest = draw(st.dictionaries(st.sampled_from(processors), st.integers(0, 500 if saturated else 20)))
    return Machine(processors, vports, rest=rest)
