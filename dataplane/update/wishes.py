"""Asks a policy for its wishes at its ticks, and checks the answers (POL rules).

A policy is foreign code: it may raise, return nonsense, or never end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from operator import index
from pathlib import Path
from traceback import walk_tb
from typing import NamedTuple

from dataplane.ids import DEFAULT_PROCESSOR_INDEX, ProcessorNumber
from dataplane.update.foreign import FOREIGN_SECONDS, OverdueError, foreign_code
from dataplane.update.policy import TICK_NS_MAX, TICK_NS_MIN, LoadWindow, Move, Policy, Table
from dataplane.update.schedule import milliseconds

#: The largest number of wishes of one tick; it stops a policy whose wishes never end.
_WISHES_MAX = 1 << 16


class Places(NamedTuple):
    """The processors of the entries and the default processor of a VPort."""

    indirection_table: tuple[ProcessorNumber, ...]
    default_processor: ProcessorNumber

    @property
    def by_index(self) -> dict[int, ProcessorNumber]:
        """By the index that names the parameter in a move command (UPD-37)."""
        return dict(enumerate(self.indirection_table)) | {DEFAULT_PROCESSOR_INDEX: self.default_processor}


class AskedPolicy:
    """The policy of a run; once it has failed it is not asked again."""

    def __init__(self, policy: Policy, name: str | None, tick_ns: int, clock: Callable[[], int]) -> None:
        """`name` is its name in findings (default: module and class); `clock` counts ns and serves only `remarks`."""
        cls = type(policy)
        self.name = f"{cls.__module__}:{cls.__qualname__}" if name is None else name
        self.step_ns = tick_ns  #: from a tick to the next one
        self.was_asked = self.has_failed = False
        self.findings: list[str] = []  #: what was wrong with it, one line each
        self.remarks: list[str] = []  #: what the clock showed; no result depends on it
        self._policy = policy
        self._tick_ns = tick_ns
        self._clock = clock

    def wishes(self, window: LoadWindow) -> dict[int, Places]:
        """The wanted processors of parameters, for the VPorts that it wants to change; empty if it fails."""
        self.was_asked = True
        step_ns, began_ns = self.step_ns, self._clock()
        try:
            with foreign_code():
                wanted = _wanted(_listed(self._policy.rebalance(window)), window)
                self.step_ns = _step(self._policy, self._tick_ns)
        except BaseException as error:  # the policy may even raise SystemExit
            self.findings.append(f"policy {self.name} at {milliseconds(window.end_ns)}: {_reason(error, self._policy)}")
            self.has_failed = True
            return {}
        took_ns = self._clock() - began_ns
        if took_ns > step_ns and not self.remarks:
            self.remarks.append(
                f"policy {self.name} at {milliseconds(window.end_ns)} needed {milliseconds(took_ns)}, "
                f"longer than its tick of {milliseconds(step_ns)}: in real time it would come too late"
            )
        return wanted


class _NonsenseError(ValueError):
    """A wish of a policy is invalid."""


def _reason(error: BaseException, policy: Policy) -> str:
    """The error with which a policy ended and its place, in one line."""
    if isinstance(error, OverdueError):
        return f"did not answer within {FOREIGN_SECONDS:.0f} s"
    if isinstance(error, KeyboardInterrupt):
        return "interrupted while it was asked"
    try:
        text = " ".join(str(error).split())
    except Exception:  # even its text fails
        text = ""
    if isinstance(error, _NonsenseError):
        return text
    return f"{type(error).__name__}: {text}".removesuffix(": ") + _place(error, policy)


def _place(error: BaseException, policy: Policy) -> str:
    """The last line of the policy's package that was on the way to an error; nothing when there is none."""
    package, place = type(policy).__module__.partition(".")[0], ""
    for frame, line in walk_tb(error.__traceback__):
        name = frame.f_globals.get("__name__")
        if isinstance(name, str) and name.partition(".")[0] == package:
            place = f" ({Path(frame.f_code.co_filename).name} line {line})"
    return place


def _listed(answer: object) -> list[object]:
    """What a policy gave back, as a list of no more than is needed to see that it is too long; _NonsenseError."""
    if isinstance(answer, Iterable) and not isinstance(answer, Move | Table):  # these are tuples as well
        return list(islice(answer, _WISHES_MAX + 1))
    raise _NonsenseError(f"rebalance returned {_short(answer)}, which is no list of wishes: [] is none, [wish] is one")


def _wanted(wishes: Sequence[object], window: LoadWindow) -> dict[int, Places]:
    """The wanted processors after all wishes in their order, for the VPorts that change; raises _NonsenseError."""
    if len(wishes) > _WISHES_MAX:
        raise _NonsenseError(f"has more than {_WISHES_MAX} wishes")
    known = {vport.vport_id: Places(vport.indirection_table, vport.default_processor) for vport in window.vports}
    processors = {processor.processor for processor in window.processors}
    tables = {vport_id: list(places.indirection_table) for vport_id, places in known.items()}
    defaults = {vport_id: places.default_processor for vport_id, places in known.items()}
    for wish in wishes:
        if not isinstance(wish, Move | Table):
            raise _NonsenseError(f"wishes {_short(wish)}, which is neither Move nor Table")
        table = tables.get(wish.vport_id)
        if table is None:
            raise _NonsenseError(f"there is no VPort {_short(wish.vport_id)} with RSS")
        if isinstance(wish, Table):
            wanted = [_processor(processor) for processor in wish.indirection_table]
            if len(wanted) != len(table):
                raise _NonsenseError(f"wishes {len(wanted)} entries for VPort {wish.vport_id}, which has {len(table)}")
            table[:] = wanted
        else:
            target = _processor(wish.target)
            for entry in _entries(wish):
                if entry == DEFAULT_PROCESSOR_INDEX:
                    defaults[wish.vport_id] = target
                elif 0 <= entry < len(table):
                    table[entry] = target
                else:
                    raise _NonsenseError(f"VPort {wish.vport_id} has no entry {entry}, its table has {len(table)}")
            wanted = [target]
        if unknown := [processor for processor in wanted if processor not in processors]:
            raise _NonsenseError(f"processor {unknown[0]} is not an RSS processor")
    places = {vport_id: Places(tuple(table), defaults[vport_id]) for vport_id, table in tables.items()}
    return {vport_id: one for vport_id, one in places.items() if one != known[vport_id]}


def _entries(wish: Move) -> Iterator[int]:
    """The indices, of which there may be any number; _NonsenseError."""
    try:
        yield from map(index, wish.indices)
    except TypeError:
        indices = _short(wish.indices)
        raise _NonsenseError(f"wishes a move of indices {indices}: write whole numbers in a tuple, as (0,)") from None


def _processor(wished: ProcessorNumber) -> ProcessorNumber:
    """The processor with plain ints, as foreign code may use any integer type; _NonsenseError if they are none."""
    try:
        group, number = wished
        return ProcessorNumber(index(group), index(number))
    except (TypeError, ValueError):
        raise _NonsenseError(
            f"wishes processor {_short(wished)}: take one of the window, or ProcessorNumber(group, number)"
        ) from None


def _step(policy: Policy, tick_ns: int) -> int:
    """The time to the next tick; raises _NonsenseError."""
    try:
        step_ns = tick_ns if policy.next_tick_ns is None else index(policy.next_tick_ns)
    except TypeError:
        raise _NonsenseError(f"next_tick_ns is {_short(policy.next_tick_ns)}, which is no whole number of ns") from None
    if not TICK_NS_MIN <= step_ns <= TICK_NS_MAX:
        raise _NonsenseError(f"wants its next tick after {step_ns} ns, which is not in {TICK_NS_MIN}..{TICK_NS_MAX}")
    return step_ns


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
