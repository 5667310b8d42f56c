"""Few processors under low load, more under high load."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from pydantic import validate_call

from dataplane.ids import ProcessorNumber
from dataplane.update.policies.placement import STRICT, Entry, Placement, Share, Ticks, by_work
from dataplane.update.policy import LoadWindow, Move, Policy, Table, VPortWindow


class DynamicVmmq(Policy):
    """Keeps the traffic of each VPort on few processors, and spreads it over more processors when they get hot.

    Inspired by Microsoft's description of Dynamic VMMQ in Windows Server 2019; its algorithm is not public. A VPort is
    *hot* at a tick if a processor to which it gave work is above `expand_load`. It is *quiet* if half as many
    processors would all stay at or below `coalesce_load`. If it is hot for `expand_ticks` in a row, its number of
    processors is doubled; if it is quiet for `coalesce_ticks`, the number is halved. Under constant load it stops
    moving: processors that have just been coalesced are below `coalesce_load`, hence not hot.
    """

    @validate_call(config=STRICT)
    def __init__(
        self,
        *,
        expand_load: Share = 0.8,
        coalesce_load: Share = 0.3,
        expand_ticks: Ticks = 1,
        coalesce_ticks: Ticks = 3,
    ) -> None:
        if coalesce_load >= expand_load:
            raise ValueError(f"coalesce_load {coalesce_load:g} must be below expand_load {expand_load:g}")
        self._expand_load = expand_load
        self._coalesce_load = coalesce_load
        self._expand_ticks = expand_ticks
        self._coalesce_ticks = coalesce_ticks
        self._hot: defaultdict[int, int] = defaultdict(int)  # VPort to ticks in a row
        self._quiet: defaultdict[int, int] = defaultdict(int)

    def rebalance(self, window: LoadWindow) -> Iterable[Move | Table]:
        """The tables that change; a VPort sees the changes of the VPorts before it."""
        placement, length_ns = Placement(window), window.end_ns - window.start_ns
        for vport in window.vports:
            vport_id = vport.vport_id
            busy = {placement.place(entry) for entry in placement.entries(vport_id) if entry.work}
            hot = any(placement.load[processor] > self._expand_load * length_ns for processor in busy)
            self._hot[vport_id] = self._hot[vport_id] + 1 if hot else 0
            if self._hot[vport_id] >= self._expand_ticks:
                self._apply(placement, self._expanded(placement, vport))
                self._hot[vport_id] = 0

            plan = {} if hot else self._coalesced(placement, vport, self._coalesce_load * length_ns)
            self._quiet[vport_id] = self._quiet[vport_id] + 1 if plan else 0
            if self._quiet[vport_id] >= self._coalesce_ticks:
                self._apply(placement, plan)
                self._quiet[vport_id] = 0
        return placement.tables()

    def _expanded(self, placement: Placement, vport: VPortWindow) -> dict[Entry, ProcessorNumber]:
        """The entries over twice as many processors, as far as there are queues; nothing when there are none."""
        chosen = sorted({*vport.indirection_table})
        wanted = 2 * len(chosen)
        for processor in sorted(placement.processors, key=lambda processor: (placement.load[processor], processor)):
            if len(chosen) < wanted and processor not in chosen and placement.may_use(vport.vport_id, processor):
                placement.claim(vport.vport_id, processor)
                chosen.append(processor)
        if len(chosen) == wanted // 2:
            return {}
        return _packed(placement, placement.entries(vport.vport_id), chosen)[0]

    @staticmethod
    def _coalesced(placement: Placement, vport: VPortWindow, load_max: float) -> dict[Entry, ProcessorNumber]:
        """The entries on half as many processors, the default processor first; nothing when that is too much."""
        used = sorted(
            {*vport.indirection_table}, key=lambda processor: (processor != vport.default_processor, processor)
        )
        if len(used) == 1:
            return {}
        kept = used[: (len(used) + 1) // 2]
        entries = placement.entries(vport.vport_id)
        plan, highest = _packed(placement, [entry for entry in entries if placement.place(entry) not in kept], kept)
        return plan if highest <= load_max else {}

    @staticmethod
    def _apply(placement: Placement, plan: dict[Entry, ProcessorNumber]) -> None:
        for entry, processor in plan.items():
            placement.move(entry, processor)


def _packed(
    placement: Placement, entries: list[Entry], processors: list[ProcessorNumber]
) -> tuple[dict[Entry, ProcessorNumber], int]:
    """These entries on these processors, largest first on the least loaded one, and the highest load that results."""
    load = placement.load.copy()
    for entry in entries:
        load[placement.place(entry)] -= entry.work
    plan = {}
    for entry in by_work(entries):
        _, target = min((load[processor], processor) for processor in processors)
        load[target] += max(entry.work, 1)  # entries without work are spread as well
        plan[entry] = target
    return plan, max(load[processor] for processor in processors)
