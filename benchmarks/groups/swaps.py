"""The cost of updates and ticks for the traffic: the same run without and with 1,000 of them (see `benchmarks.swaps`).

Rates are those of the dataplane. If the updates are not decided in parallel with the traffic, the time to decide them
is a separate fact.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from contextlib import nullcontext
from functools import partial

from actors.session import ray_session
from benchmarks import swaps
from benchmarks.measure import Figure, Session, Trial, figures

#: Amounts of a quick measurement, which also leaves out Ray.
_QUICK = {"swaps": 100, "frames": 1_000_000}


def measure(session: Session) -> Iterator[tuple[str, Figure]]:
    """Figures of one engine after the other; the variants of an engine take turns."""
    amounts = _QUICK if session.quick else {"swaps": swaps.SWAPS, "frames": swaps.FRAMES}
    for engine, named in swaps.variants(**amounts, inline_only=session.quick).items():
        is_inline = engine == "inline"
        session.tell(f"updates: {engine}")
        prefix = engine.replace(", ", "_").replace(" ", "_")
        outcomes: dict[str, list[swaps.Outcome]] = {f"{prefix}_{name}": [] for name in named}
        trials: dict[str, Trial] = {
            f"{prefix}_{name}": partial(_trial, variant, amounts["frames"], outcomes[f"{prefix}_{name}"])
            for name, variant in named.items()
        }
        with nullcontext() if is_inline else ray_session(None, actors=10):
            measured = session.take_turns(trials, 3, warm_up=is_inline)
        without = f"{prefix}_without"
        texts = {f"{prefix}_{name}": _text(engine, name, **amounts) for name in named}
        facts = {
            name: {
                "updates": of_one[-1].updates,
                "frames_held": of_one[-1].frames_held,
                "control_seconds": statistics.median(one.control_seconds for one in of_one),
            }
            for name, of_one in outcomes.items()
            if of_one
        }
        references = {name: [without] for name in trials if name != without}
        yield from figures(measured, "frames_per_second", texts, references, facts)


def _text(engine: str, variant: str, swaps: int, frames: int) -> str:
    what = {"without": " without updates", "ticks": f", {swaps:,} ticks of a policy that moves nothing"}
    return f"{engine}: {frames:,} frames" + what.get(variant, f", {swaps:,} updates, {variant} hand-over")


def _trial(variant: swaps.Variant, frames: int, outcomes: list[swaps.Outcome]) -> float:
    outcomes.append(swaps.run_once(variant, frames))
    return frames / outcomes[-1].seconds
