"""The performance budget: one line for each goal, and whether a measurement meets it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

#: The place of a value in the document: group, figure, and the figure to compare with (None: the value is a median).
Place = tuple[str, str, str | None]


@dataclass(frozen=True, slots=True)
class Line:
    """One goal."""

    name: str  # also the name of the remark about it: benchmarks/remarks/NAME.md
    what: str
    limit: float
    places: tuple[Place, ...]  # the best of these values counts
    is_least: bool = True  # the limit is the least value that meets the goal, otherwise the greatest
    peer: str | None = None  # the peer that the measurement needs


class Judged(NamedTuple):
    """A line with its value and verdict."""

    line: Line
    place: Place | None  # of the value
    value: float | None
    unit: str | None  # None for ratios
    verdict: str

    @property
    def is_met(self) -> bool:
        """Whether the measurement meets the goal."""
        return self.verdict == MET


MET, NOT_MET, NOT_MEASURED = "met", "**not met**", "not measured"

LINES = (
    Line(
        "kernel_gfni",
        "fused kernel, 64-byte frames, one core: rate relative to the DPDK C pipeline with GFNI hash",
        2.5,
        (("kernels", "steer_64", "dpdk_gfni_64"),),
        peer="dpdk_gfni",
    ),
    Line(
        "kernel_softrss",
        "fused kernel, 64-byte frames, one core: rate relative to the DPDK C pipeline with softrss",
        7,
        (("kernels", "steer_64", "dpdk_softrss_64"),),
        peer="dpdk",
    ),
    Line(
        "kernel_1500",
        "fused kernel, 1500-byte capture: rate relative to 64-byte frames",
        0.8,
        (("kernels", "steer_1500_apart", "steer_64"),),
    ),
    Line(
        "inline_generated",
        "`run --engine inline`, zipf, 8 processors, one core, frame generation included",
        10e6,
        (("engines", "inline_generated", None),),
    ),
    Line(
        "inline_looped",
        "`run --engine inline`, zipf, 8 processors, one core, frames looped from memory",
        18e6,
        (("engines", "inline_looped", None),),
    ),
    Line(
        "ray_over_inline",
        "`run --engine ray`, 2 cores, 8 processors, frames looped from memory, no start-up: rate relative to inline",
        1.5,
        (
            ("engines", "ray_8_actors", "inline_looped_beside_ray"),
            ("engines", "ray_2_actors", "inline_looped_beside_ray"),
            ("engines", "ray_1_actor", "inline_looped_beside_ray"),
        ),
    ),
    Line(
        "ray_rate",
        "`run --engine ray`, 2 cores, 8 processors, frames looped from memory, no start-up",
        28e6,
        (("engines", "ray_8_actors", None), ("engines", "ray_2_actors", None), ("engines", "ray_1_actor", None)),
    ),
    Line(
        "capture_run_64",
        "`run --engine inline` of a 64-byte capture on disk, page cache warm",
        10e6,
        (("captures", "run_64", None),),
    ),
    Line("capture_run_1500", "`run --engine inline` of a 1500-byte capture", 10e6, (("captures", "run_1500", None),)),
    Line("capture_steer_64", "`steer` of a 64-byte capture to Parquet", 10e6, (("captures", "steer_64", None),)),
    Line("capture_steer_1500", "`steer` of a 1500-byte capture to Parquet", 10e6, (("captures", "steer_1500", None),)),
    Line(
        "processors_256",
        "256 processors, 2 cores, ray with `--processors-per-actor`: rate relative to 8 processors",
        0.6,
        (("engines", "ray_256_processors_2_actors", "ray_2_actors"),),
    ),
    Line("start_help", "`vmmq --help`", 0.25, (("start", "help", None),), is_least=False),
    Line(
        "start_steer",
        "first result of `vmmq steer` on a small capture, caches warm",
        1.0,
        (("start", "steer", None),),
        is_least=False,
    ),
    Line(
        "memory_synthetic",
        "peak memory with 4 times as many frames, synthetic traffic: relative to the shorter run",
        1.1,
        (("memory", "synthetic_4x", "synthetic_1x"),),
        is_least=False,
    ),
    Line(
        "memory_capture",
        "peak memory with 4 times as many frames, capture: relative to the shorter run",
        1.1,
        (("memory", "capture_4x", "capture_1x"),),
        is_least=False,
    ),
    Line(
        "memory_flows",
        "memory of the largest process with 1 million flows",
        1e9,
        (("memory", "flows_1000000", None),),
        False,
    ),
    Line(
        "memory_flows_ray",
        "memory of the largest process with 1 million flows, on Ray",
        1e9,
        (("memory", "flows_1000000_ray", None),),
        False,
    ),
    *(
        Line(
            f"swaps_{engine}_{hand_over}",
            f"1,000 updates in 10 million frames, {words}, {hand_over}: rate relative to no updates",
            limit,
            (("swaps", f"{engine}_{hand_over}", f"{engine}_without"),),
        )
        for engine, words, limit in (
            ("inline", "inline", 0.95),
            ("ray_8_actors", "ray with 8 actors", 0.9),
            ("ray_2_actors", "ray with 2 actors", 0.9),
        )
        for hand_over in ("permissive", "ordered")
    ),
)


def judge(document: Mapping[str, Any]) -> list[Judged]:
    """Judge every line by a document of `vmmq bench`."""
    return [_judge(line, document) for line in LINES]


def _judge(line: Line, document: Mapping[str, Any]) -> Judged:
    found = [(value, place) for place in line.places if (value := _value(document, place)) is not None]
    if not found:
        missing = next((one for one in document["missing"] if line.peer and line.peer.startswith(one["name"])), None)
        verdict = f"cannot be measured here: {missing['name']} {missing['why']}" if missing else NOT_MEASURED
        return Judged(line, None, None, None, verdict)
    value, place = (max if line.is_least else min)(found)
    met = value >= line.limit if line.is_least else value <= line.limit
    unit = None if place[2] else document[place[0]][place[1]]["unit"]
    return Judged(line, place, value, unit, MET if met else NOT_MET)


def _value(document: Mapping[str, Any], place: Place) -> float | None:
    group, name, other = place
    figure = document.get(group, {}).get(name)
    if figure is None:
        return None
    if other is None:
        return float(figure[figure["unit"]])
    compared = figure["ratios"].get(other)
    return None if compared is None else float(compared["median"])
