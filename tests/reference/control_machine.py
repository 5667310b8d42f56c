"""The state machine that drives the oracle and the reference side by side: any step at any time."""

from __future__ import annotations

from random import Random
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from tests.reference import machine_steps as steps
from tests.reference.control import ReferenceAdapter
from tests.reference.control_rss import is_rss_v2
from tests.reference.side_by_side import SideBySide

Step = dict[str, Any]

#: The source of chance of one rule: hypothesis draws only its seed, which keeps long runs quick.
chances = st.randoms(use_true_random=True)


class ControlPlaneMachine(RuleBasedStateMachine):
    """Requests of several clients, frames, sends, holds, returns, closes and faults, in any order."""

    #: The adapters of `machine_steps.ADAPTERS` that may be used.
    adapters: tuple[str, ...] = tuple(sorted(steps.ADAPTERS))

    def __init__(self) -> None:
        super().__init__()
        self.sides: SideBySide | None = None

    @initialize(data=st.data(), prepared=st.booleans())
    def adapter(self, data: st.DataObject, prepared: bool) -> None:
        """A fresh adapter, half of the time with a target that already attracts frames."""
        adapter = steps.ADAPTERS[data.draw(st.sampled_from(self.adapters))]
        self.sides = SideBySide(adapter, prepared=prepared)

    @property
    def reference(self) -> ReferenceAdapter | None:
        """The reference, once there is an adapter."""
        return None if self.sides is None else self.sides.reference

    def do(self, step: Step) -> None:
        """Give a step to both sides and compare."""
        assert self.sides is not None
        self.sides.do(step)

    # --- what may happen ----------------------------------------------------------------------------------------------

    def make(self, chance: Random) -> steps.StepMaker:
        """A maker of steps for the adapter as it stands."""
        assert self.reference is not None
        return steps.StepMaker(chance, self.reference)

    def do_all(self, made: list[Step]) -> None:
        """One step after the other."""
        for step in made:
            self.do(step)

    def _has_switch(self) -> bool:
        return self.reference is not None and self.reference.state.has_switch

    def _may_have_switch(self) -> bool:
        return self.reference is not None and self.reference.spec["nic_switch_capabilities"] is not None

    def _may_have_queues(self) -> bool:
        capabilities = self.reference.spec["receive_filter_capabilities"] if self.reference is not None else None
        return capabilities is not None and capabilities["num_queues"] > 0

    def _has_rss_v2(self) -> bool:
        return self.reference is not None and is_rss_v2(self.reference.spec) and self._has_switch()

    def _has_outstanding(self) -> bool:
        return self.reference is not None and bool(self.reference.state.outstanding)

    @rule(chance=chances)
    def frames(self, chance: Random) -> None:
        """Frames arrive."""
        self.do_all(self.make(chance).frames())

    @rule(chance=chances)
    def sends(self, chance: Random) -> None:
        """A client sends."""
        self.do_all(self.make(chance).sends())

    @rule(chance=chances)
    def filters(self, chance: Random) -> None:
        """A filter is set, cleared or moved."""
        self.do_all(self.make(chance).filters())

    @rule(chance=chances)
    def filter_with_frames_in_progress(self, chance: Random) -> None:
        """Frames arrive while a SET_FILTER is being processed (QUE-07)."""
        make = self.make(chance)
        self.do({**make.set_filter(), "during": make.frames()})

    @precondition(_may_have_queues)
    @rule(chance=chances)
    def queues(self, chance: Random) -> None:
        """A queue is allocated, changed, completed or freed."""
        self.do_all(self.make(chance).queues())

    @precondition(_has_switch)
    @rule(chance=chances)
    def vports(self, chance: Random) -> None:
        """A VPort is created, activated, changed or deleted."""
        self.do_all(self.make(chance).vport_requests())

    @precondition(_may_have_switch)
    @rule(chance=chances)
    def switches(self, chance: Random) -> None:
        """The switch comes and goes, so do VFs and their VPorts."""
        self.do_all(self.make(chance).switches())

    @rule(chance=chances)
    def rss(self, chance: Random) -> None:
        """RSS parameters of either generation, or the receive hash."""
        self.do_all(self.make(chance).rss())

    @precondition(_has_rss_v2)
    @rule(chance=chances)
    def moves(self, chance: Random) -> None:
        """Table entries and processors are moved."""
        self.do_all(self.make(chance).moves())

    @rule(chance=chances)
    def queries(self, chance: Random) -> None:
        """A query, or a change of the packet filter."""
        make = self.make(chance)
        self.do_all(make.packet_filters() if make.rarely(0.2) else make.queries())

    @rule(chance=chances)
    def out_of_place(self, chance: Random) -> None:
        """Requests that do not depend on the mode of the adapter."""
        self.do_all(self.make(chance).out_of_place())

    @rule(chance=chances)
    def dpcs(self, chance: Random) -> None:
        """DPCs are held, run or released."""
        self.do_all(self.make(chance).dpcs())

    @rule(chance=chances)
    def transmit_hardware(self, chance: Random) -> None:
        """The transmit hardware is held or released."""
        self.do_all(self.make(chance).transmit_hardware())

    @precondition(_has_outstanding)
    @rule(chance=chances)
    def returns(self, chance: Random) -> None:
        """A client returns some of the NBLs it kept."""
        self.do_all(self.make(chance).returns())

    @precondition(lambda self: self.sides is not None and self.sides.number % 9 == 5)  # it clears the table: rarely
    @rule(client=st.sampled_from(("A", "B")))
    def close_client(self, client: str) -> None:
        """A client closes."""
        self.do({"close": client})

    @rule(chance=chances)
    def fault(self, chance: Random) -> None:
        """A failure of a later request is injected."""
        self.do_all(self.make(chance).fault())

    @rule(chance=chances)
    def interruption(self, chance: Random) -> None:
        """The adapter pauses or is reset, and runs again."""
        self.do_all(self.make(chance).interruption())
