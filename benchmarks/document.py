"""Makes `docs/benchmarks.md` from the JSON of `vmmq bench`: `python -m benchmarks.document FIGURES.json [DOCUMENT.md]`.

The text is in this module, remarks are in `benchmarks/remarks/`, and every figure is from the JSON. Plots go to a
folder beside the document, with the name of the document. If the JSON has only some groups, so has the document.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.bench import GROUPS, SCHEMA_VERSION
from benchmarks.budget import MET, Judged, judge
from benchmarks.groups.control import KINDS, WAYS
from benchmarks.groups.kernels import FRAME_LENGTHS, MIXES, TUPLE_LENGTHS
from benchmarks.plots import bars_of, draw_bars
from benchmarks.screen import fact, quantity, ratio

REMARKS = Path(__file__).with_name("remarks")

_HASHES = ("carry_less_multiplication", "byte_tables")  # only the method that is not chosen has figures of its own
_C_PEERS = ("dpdk_gfni", "dpdk_byte_tables", "dpdk_softrss")
_PEERS = ("dpdk_", "numpy_", "copy_", "scapy_", "dpkt_", "read_")

_HEAD = """\
# Benchmarks

<!-- Made by `make benchmarks-document`; to change it, change benchmarks/document.py or benchmarks/remarks/. -->

Every figure here is from one call of `vmmq bench` on the machine below. A figure is the median over rounds.
Alternatives that are compared run in turns, round by round, and a ratio is the median of the ratios of each round.
The spread is the range between the quartiles. Figures of other machines differ; ratios differ less.
"""

_TEXTS = {
    "kernels": """\
All figures are for one core, in processor time. `steer_64` is the fused kernel of the receive path: parse, match the
destination address and VLAN, hash, look up the indirection table, and write eleven values for each frame (target,
filter, hash, flow key, out-of-band data, ...). Peers get the same frames:

- `dpdk_softrss_64`: a C program ([benchmarks/peers/pipeline.c](../benchmarks/peers/pipeline.c)) in the usual style of
  DPDK: bursts of 32 with prefetch, parsing of Ethernet, VLAN, IPv4 and TCP or UDP, `rte_hash_lookup_bulk_data` for the
  destination address, `rte_softrss_be` with a converted key, indirection table. It does less: no IPv6, no VLAN or
  masked filters, no flow keys, two columns. Before the measurement, its hashes and its counts by processor are
  compared with ours.
- `dpdk_gfni_64`: the same with `rte_thash_gfni`, on CPUs with GFNI and AVX-512. `dpdk_byte_tables_64`: the same with
  a loop over byte tables instead of softrss, as a C programmer who cares about speed would write it.
- `steer_64_without_rows`: what a run steers if nobody reads its rows.
- `numpy_64`: whole-column operations with equal results for these frames. `copy_64`: only copies the frames' bytes.
- `scapy_64` and `dpkt_64`: only parse a frame down to the tuple that is hashed. They have no Toeplitz hash.

The frames of `steer_64` and its peers fit into the caches. `*_apart` frames lie as in a capture, and there are more of
them than the caches hold. `*_split` are headers without payload, as a source with header split gives them.
""",
    "captures": """\
Files on disk whose pages are in memory, through `run --engine inline` (reading, steering, service of all processors)
and through `steer` to Parquet (a row of 15 columns for each frame). The time to load the kernels is not included.
`read_*` copies the bytes of the file out of the page cache and does not look at them. A run maps the file and touches
only headers.
""",
    "engines": """\
The quick start's NIC and traffic (zipf, mixed lengths, eight processors). `looped` frames are made once and replayed
from memory. `inline_*` runs on one core; `processor_share` is the share of the time in which it had a core (more than
1: several threads). The time to start the actors is given separately. `between_cores` is the time that a cache line
took from one core to the other just before the run: about 50 ns if they share a cache, several times that if they are
on two dies. On a virtual machine this may change from second to second.
""",
    "control": """\
Requests to a control plane in this process, by kind, in processor time. An *update* is a whole scheduled move of
eight table entries: making the request, deciding and applying it, compiling the next snapshot, and finding what
changes for frames in flight. `live_*` is how long a connected client waits while eight processor actors are
saturated.
""",
    "swaps": """\
The same ten million frames to eight busy processors, without updates and with 1,000 updates of eight table entries
each. Rates are those of the dataplane. The time to decide the updates is given separately if it is not spent in
parallel with the traffic.
""",
    "start": """\
Wall time of whole processes, caches warm.
""",
    "memory": """\
Peak resident memory of the largest process of a run, as Linux reports it. Pages of mapped files count.
""",
}

_TAIL = """\
## How to repeat it

```
vmmq bench --output figures.json            # all groups; --quick, --only GROUP,... and --rounds N for less
python -m benchmarks.document figures.json  # this document; in a checkout: make benchmarks-document
```

Nothing else should run on the machine. Peers are optional, and `vmmq bench` says which are missing:
`apt-get install libdpdk-dev pkg-config gcc`, `pip install scapy dpkt`. The C program needs no huge pages, no network
card and no root. The schema of the JSON is in [cli.md](cli.md).
"""


class _Plot(NamedTuple):
    file: str
    title: str
    unit: str
    names: tuple[str, ...]
    logarithmic: bool = False


_RAY = ("ray_8_actors", "ray_2_actors")

_PLOTS: Mapping[str, Sequence[_Plot]] = {
    "kernels": (
        _Plot(
            "steer-peers",
            "64-byte frames, one core",
            "frames a second, logarithmic",
            ("steer_64", *(f"{peer}_64" for peer in (*_C_PEERS, "numpy", "dpkt", "scapy", "copy"))),
            logarithmic=True,
        ),
        _Plot(
            "steer-lengths",
            "Steering by frame length: in the cache (split), from memory as in a capture (apart)",
            "frames a second",
            (
                "steer_64",
                *(f"steer_{length}_split" for length in FRAME_LENGTHS),
                *(f"steer_{length}_apart" for length in (64, *FRAME_LENGTHS)),
            ),
        ),
        _Plot(
            "steer-mixes",
            "Steering by mix, and the other kernels",
            "frames a second",
            (*(f"steer_mix_{mix}" for mix in (*MIXES, "quick_start")), "service", "generation"),
        ),
        _Plot(
            "hashes",
            "Toeplitz hash by bytes of input",
            "hashes a second, logarithmic",
            tuple(
                f"{peer}toeplitz_{length}"
                for length in TUPLE_LENGTHS
                for peer in ("", *(f"{peer}_" for peer in (*_HASHES, *_C_PEERS, "numpy")))
            ),
            logarithmic=True,
        ),
    ),
    "captures": (_Plot("captures", "Captures", "frames a second", ("run_64", "steer_64", "run_1500", "steer_1500")),),
    "engines": (
        _Plot(
            "engines",
            "Whole runs",
            "frames a second",
            (
                *("inline_generated", "inline_looped", "inline_looped_beside_ray"),
                *(*_RAY, "ray_256_processors_2_actors", "ray_object_store"),
            ),
        ),
    ),
    "control": (
        _Plot("requests", "OID requests", "requests a second", tuple(KINDS)),
        _Plot("live", "A client waits", "seconds", tuple(f"live_{way}" for way in WAYS)),
    ),
    "swaps": (
        _Plot(
            "swaps",
            "Without updates, with them, and with ticks of a policy",
            "frames a second",
            tuple(
                f"{engine}_{variant}"
                for engine in ("inline", *_RAY)
                for variant in ("without", "permissive", "ordered", "ticks")
            ),
        ),
    ),
    "memory": (
        _Plot(
            "memory",
            "Peak of the largest process",
            "bytes",
            ("synthetic_1x", "synthetic_4x", "capture_1x", "capture_4x", "flows_1000000", "flows_1000000_ray"),
        ),
    ),
}


def main(arguments: Sequence[str]) -> int:
    """Write the document; returns the exit status."""
    if not 1 <= len(arguments) <= 2:
        print("usage: python -m benchmarks.document FIGURES.json [DOCUMENT.md]", file=sys.stderr)
        return 2
    target = Path(arguments[1]) if len(arguments) > 1 else Path("docs") / "benchmarks.md"
    try:
        document = json.loads(Path(arguments[0]).read_text("utf-8"))
        if document.get("schema_version") != SCHEMA_VERSION:
            raise ValueError(f"schema_version is not {SCHEMA_VERSION}")
    except (OSError, ValueError, AttributeError) as error:
        print(f"{arguments[0]}: no figures of vmmq bench: {error}", file=sys.stderr)
        return 2
    write_document(document, target)
    return 0


def write_document(document: Mapping[str, Any], target: Path) -> None:
    """Write the Markdown file, and its plots to the folder beside it; older plots there are removed."""
    folder = target.with_suffix("")
    target.parent.mkdir(parents=True, exist_ok=True)
    for plot in folder.glob("*.svg"):
        plot.unlink()
    target.write_text("\n".join(_parts(document, folder)), "utf-8")


def _parts(document: Mapping[str, Any], folder: Path) -> Iterator[str]:
    yield _HEAD
    yield from _machine(document)
    yield from _budget(document)
    for group in GROUPS:
        if group in document:
            yield f"## {group.capitalize()}\n"
            yield _TEXTS[group]
            yield from _remark(f"group_{group}")
            for plot in _PLOTS.get(group, ()):
                bars = bars_of(document[group], plot.names, lambda name: not name.startswith(_PEERS))
                if bars:
                    file = folder / f"{plot.file}.svg"
                    draw_bars(file, plot.title, plot.unit, bars, logarithmic=plot.logarithmic)
                    yield f"![{plot.title}]({folder.name}/{file.name})\n"
            yield from _figures(document[group])
    yield from _losses(document)
    yield _TAIL


def _machine(document: Mapping[str, Any]) -> Iterator[str]:
    machine, choices = document["machine"], document["choices"]
    family = "/".join(machine["cpu_family_model_stepping"])
    caches = ", ".join(f"{name} {quantity(size, 'bytes')}" for name, size in machine["caches"].items())
    yield "## The machine\n"
    yield "| | |\n|---|---|"
    yield f"| CPU | {machine['cpu']} (family/model/stepping {family}), {machine['cores']} cores; {caches} |"
    yield f"| features | {', '.join(machine['flags'])} |"
    yield f"| memory | {quantity(machine['memory_bytes'], 'bytes')} |"
    yield f"| software | {machine['kernel']}, Python {machine['python']}, " + (
        ", ".join(f"{name} {number}" for name, number in machine["packages"].items()) + " |"
    )
    loads = ", ".join(f"{load:.2f}" for load in machine["load_average"])
    yield f"| measured | {document['started_at']}, {document['seconds']:.0f} s, load average {loads} before |"
    yield (
        f"| choices | hashes by {choices['toeplitz']}; batches of {choices['inline_batch_frames']:,} frames inline, "
        + (f"{choices['ray_batch_frames']:,} on Ray |")
    )
    missing = "; ".join(f"{one['name']}: {one['why']} ({one['install']})" for one in document["missing"]) or "none"
    yield f"| missing peers | {missing} |\n"
    if document["quick"]:
        yield "**A quick measurement: few rounds, and nothing on Ray.**\n"
    if document["interrupted"]:
        yield "**Interrupted: missing figures were not measured.**\n"
    for finding in document["findings"]:
        yield f"**{finding}**\n"


def _budget(document: Mapping[str, Any]) -> Iterator[str]:
    judged = judge(document)
    yield "## Budget\n"
    yield "| what | wanted | measured | verdict |\n|---|---|---|---|"
    for one in judged:
        sign = "at least" if one.line.is_least else "at most"
        unit = one.unit or _unit_of(one)
        wanted = quantity(one.line.limit, unit) if unit else f"{one.line.limit:g}"
        measured = "" if one.value is None else quantity(one.value, unit) if unit else ratio(one.value)
        which = f" (`{one.place[1]}`)" if one.place and len(one.line.places) > 1 else ""
        yield f"| {one.line.what} | {sign} {wanted} | {measured}{which} | {one.verdict} |"
    yield ""
    for one in judged:
        if one.verdict != MET:
            yield from _remark(one.line.name, heading=f"### {one.line.what}")


def _unit_of(one: Judged) -> str:
    """The unit of a line that was not measured; empty for ratios."""
    group, _, other = one.line.places[0]
    if other is not None:
        return ""
    return {"start": "seconds", "memory": "bytes"}.get(group, "frames_per_second")


def _remark(name: str, heading: str = "") -> Iterator[str]:
    """The remark with that name, written by hand, if there is one."""
    file = REMARKS / f"{name}.md"
    text = file.read_text("utf-8").strip() if file.exists() else ""
    if text:
        if heading:
            yield heading + "\n"
        yield text + "\n"


def _figures(figures: Mapping[str, Any]) -> Iterator[str]:
    yield "| | what | median | half of the rounds | rounds | ratios | apart |\n|---|---|---|---|---|---|---|"
    for name, one in figures.items():
        spread = one["spread"]
        half = f"{quantity(spread['lower_quartile'], '')} - {quantity(spread['upper_quartile'], '')}"
        ratios = ", ".join(f"{ratio(r['median'])} x `{other}`" for other, r in one["ratios"].items())
        known = {"what", "unit", one["unit"], "spread", "rounds", "ratios"}
        facts = ", ".join(f"{key} {fact(key, value)}" for key, value in one.items() if key not in known)
        median = quantity(one[one["unit"]], one["unit"])
        yield f"| `{name}` | {one['what']} | {median} | {half} | {one['rounds']} | {ratios} | {facts} |"
    yield ""


def _losses(document: Mapping[str, Any]) -> Iterator[str]:
    """The list of everything that a peer does faster."""
    yield "## Where we lose\n"
    lost = [
        f"- `{group}.{name}` does {ratio(compared['median'])} of `{other}` ({document[group][other]['what']})."
        for group in GROUPS
        for name, one in document.get(group, {}).items()
        for other, compared in one["ratios"].items()
        if other.startswith(_PEERS) and compared["median"] < 1
    ]
    yield "\n".join(lost or ["No measured peer is faster."]) + "\n"
    yield from _remark("losses")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
