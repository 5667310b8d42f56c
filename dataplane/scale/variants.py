"""One scenario, larger or smaller: with N processors, V VPorts, F filters, ...

A variant is a changed TOML document, loaded like any other, so that the same code checks it. Explicit values in the
file stay, including limits of the adapter: a variant beyond them is refused. Other limits grow with what the document
lists, as for every scenario.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dataplane.control.capabilities import round_up_to_power_of_two
from dataplane.errors import UserError
from dataplane.ids import ProcessorNumber, format_mac
from dataplane.scenario.adapters import SeveralNics
from dataplane.scenario.findings import ScenarioError
from dataplane.scenario.load import load_nics, load_scenario
from dataplane.scenario.model import Scenario
from dataplane.scenario.resolve import toml_text

Document = dict[str, Any]

#: Added to the seed for every further NIC; a repeat adds 1.
NIC_SEED_STEP = 1_000_003

_SEEDS = 1 << 63  # seeds are below
_FIRST_ADDRESS = 0x02_00_00_00_00_00  # locally administered, so that no card has one of these
_GROUP = 64  # processors, and the most that one affinity can name


@dataclass(frozen=True, slots=True)
class Axis:
    """Something of a scenario that can grow."""

    what: str  # for people: "flows"
    values: tuple[int, ...]  # unless the user names others
    highest: int  # beyond it nobody waits for the end
    change: Callable[[Document, Scenario, int], None]  # in place; raises UserError where it makes no sense


@dataclass(frozen=True, slots=True)
class Base:
    """The scenario that is scaled."""

    path: Path
    document: Document  # as the file has it, but for the seed and with an absolute capture path
    scenario: Scenario  # loaded

    @property
    def name(self) -> str:
        """As in results."""
        return self.scenario.name


def load_base(path: Path, *, seed: int | None = None) -> Base:
    """Read the scenario to be scaled, with another [run] seed if one is given.

    Raises ScenarioError with all findings, UserError for traffic that cannot be read again and again, OSError.
    """
    scenario = load_nics(path, seed=seed, runs=True)
    if isinstance(scenario, SeveralNics):
        raise UserError(f"{path} has several NICs, and scale takes one: --nics runs copies of it side by side")
    traffic = scenario.traffic
    assert traffic is not None, "what runs has traffic"
    if not path.is_file():
        raise UserError(f"{path} cannot be read again for every run: store the scenario in a file")
    document: Document = tomllib.loads(path.read_text("utf-8-sig"))
    if traffic.capture is not None:
        if traffic.capture == "-" or (Path(traffic.capture).exists() and not Path(traffic.capture).is_file()):
            raise UserError(
                f"{path}: the capture {traffic.capture} cannot be read again for every run: store it in a file"
            )
        document["traffic"]["capture"] = traffic.capture
    if seed is not None:
        document.setdefault("run", {})["seed"] = seed
    document.setdefault("name", scenario.name)
    return Base(path, document, scenario)


def variant_text(
    base: Base, axis: str | None, value: int | None, *, batch_frames: int | None = None, repeat: int = 0, nic: int = 0
) -> str:
    """The TOML text of the scenario, changed along `axis` (a name of `AXES`; None: as it is).

    NIC 0 in repeat r has the seed that `vmmq run --seed` would be given: that of the scenario + r. Raises UserError
    where the change makes no sense for this scenario; whether the adapter takes it shows when the text is loaded.
    """
    document = deepcopy(base.document)
    if axis is not None:
        assert value is not None, "an axis comes with a value"
        AXES[axis].change(document, base.scenario, value)
    run, traffic = document.setdefault("run", {}), document["traffic"]
    if batch_frames is not None:
        run["batch_packets"] = batch_frames
    run["per_packet"] = False  # what is measured is the run, not a file
    add = repeat + nic * NIC_SEED_STEP
    run["seed"] = (base.scenario.run.seed + add) % _SEEDS
    if "seed" in traffic:
        traffic["seed"] = (traffic["seed"] + add) % _SEEDS
    return toml_text(document)


def variant_problems(base: Base, axis: str | None, value: int | None) -> list[str]:
    """Why the scenario cannot be changed so, a line each; none when it can."""
    label = f"{base.path} with {axis} = {value}" if axis else str(base.path)
    try:
        load_scenario(variant_text(base, axis, value), name=label)
    except ScenarioError as error:
        return [f"{label}: {finding}" for finding in error.findings]  # lines would be those of the changed text
    except UserError as error:  # whatever the value
        return [f"{base.path} with other {axis}: {line}" for line in str(error).splitlines()]
    return []


# --- axes -------------------------------------------------------------------------------------------------------------


def _processors(document: Document, scenario: Scenario, count: int) -> None:
    """`count` RSS processors, with VPorts and queues distributed over all of them.

    A VPort with RSS gets one queue pair for each processor, but not more than the adapter and its table allow. Its
    table takes the processors in turn, after those of the previous VPort. VPorts without RSS and receive queues get one
    processor each. [[processor]] tables of processors that no longer exist are left out.
    """
    adapter = document.setdefault("adapter", {})
    adapter["rss_processors"] = count
    for key in ("rss_base_processor", "rss_max_processor"):
        adapter.pop(key, None)
    turn = _Turn(count)
    for row, vport in zip(_rows(document, "vport"), scenario.vports, strict=True):
        rss = row.get("rss")
        if rss is None or vport.rss is None:
            row["processor_affinity"] = turn.take(1)
            continue
        limit = (
            scenario.adapter.max_num_queue_pairs_for_default_vport
            if vport.id == 0
            else scenario.adapter.max_num_queue_pairs_per_non_default_vport
        )
        entries = vport.rss.num_indirection_table_entries
        restricted = scenario.adapter.has_restricted_tables
        pairs = min(count, limit, *(() if restricted else (entries,)))
        row["num_queue_pairs"] = pairs
        dealt = turn.take(pairs)
        row["processor_affinity"] = _one_group(dealt)
        rss["indirection_table"] = dealt
        rss["num_indirection_table_entries"] = round_up_to_power_of_two(pairs) if restricted else entries
        rss["default_processor"] = dealt[0]
    for row in _rows(document, "queue"):
        if row.get("id") != 0:
            row["processor_affinity"] = turn.take(1)
    if native := document.get("native_rss"):
        assert scenario.native_rss is not None, "the table was loaded"
        entries = scenario.native_rss.num_indirection_table_entries
        native["indirection_table"] = turn.take(min(count, scenario.adapter.number_of_receive_queues, entries))
        native["num_indirection_table_entries"] = entries
        native.pop("default_processor", None)
    if "processor" in document:
        known = {ProcessorNumber.parse(_processor(number)) for number in range(count)}
        rows = _rows(document, "processor")
        document["processor"] = [row for row in rows if ProcessorNumber.parse(row["processor"]) in known]


def _entries(document: Document, scenario: Scenario, entries: int) -> None:
    """Indirection tables of `entries` entries, which take the processors of the scenario's table in turn."""
    changed = False
    for row, vport in zip(_rows(document, "vport"), scenario.vports, strict=True):
        if vport.rss is not None:
            _resize(row["rss"], vport.rss.indirection_table, entries)
            changed = True
    if scenario.native_rss is not None:
        _resize(document["native_rss"], scenario.native_rss.indirection_table, entries)
        changed = True
    if not changed:
        raise UserError("nothing in the scenario has an indirection table: give a VPort [vport.rss]")


def _resize(rss: Document, table: Sequence[ProcessorNumber], entries: int) -> None:
    distinct = list(dict.fromkeys(str(processor) for processor in table))
    rss["indirection_table"] = distinct[:entries]
    rss["num_indirection_table_entries"] = entries


def _vports(document: Document, scenario: Scenario, count: int) -> None:
    """`count` copies of the first VPort with a filter, each with its own address, instead of all but the default."""
    rows = _rows(document, "vport")
    template = next((row for row in rows if row.get("filter") and row["id"] != 0), None)
    if template is None:
        raise UserError("no VPort but the default one has a filter: there is nothing to make more of")
    clones = []
    for number in range(count):
        clone = deepcopy(template) | {"id": number + 1}
        clone.pop("name", None)
        clone["filter"] = [template["filter"][0] | {"mac": _address(number)}]
        clones.append(clone)
    document["vport"] = [row for row in rows if row["id"] == 0] + clones


def _filters(document: Document, scenario: Scenario, count: int) -> None:
    """`count` filters with an address each, distributed over VPorts or queues with filters; traffic goes to all."""
    rows = [row for row in (*_rows(document, "vport"), *_rows(document, "queue")) if row.get("filter")]
    if not rows:
        raise UserError("nothing in the scenario has a filter: there is nothing to make more of")
    like = [row["filter"][0] for row in rows]
    for row in rows:
        row["filter"] = []
    for number in range(count):
        rows[number % len(rows)]["filter"].append(like[number % len(rows)] | {"mac": _address(number)})


def _packets(document: Document, scenario: Scenario, count: int) -> None:
    """`count` frames."""
    _synthetic(document, "packets")["packets"] = count


def _flows(document: Document, scenario: Scenario, count: int) -> None:
    """`count` flows."""
    _synthetic(document, "flows")["flows"] = count


def _synthetic(document: Document, key: str) -> Document:
    traffic: Document = document["traffic"]
    if "profile" not in traffic:
        raise UserError(f"a capture has the {key} it has: give [traffic] a profile")
    return traffic


AXES: Mapping[str, Axis] = {
    "packets": Axis("packets", (100_000, 300_000, 1_000_000, 3_000_000, 10_000_000, 30_000_000), 10**12, _packets),
    "flows": Axis("flows", (1_000, 10_000, 100_000, 1_000_000, 10_000_000), 1 << 31, _flows),
    "vports": Axis("VPorts", (1, 3, 10, 30, 100, 300, 1_000), 10_000, _vports),
    "filters": Axis("filters", (1, 10, 100, 1_000, 3_000, 10_000), 100_000, _filters),
    "entries": Axis("table entries", (1, 2, 4, 8, 16, 32, 64, 128), 128, _entries),
    "processors": Axis("processors", (1, 2, 4, 8, 16, 32, 64, 128, 256), 2048, _processors),
}


class _Turn:
    """Deals processors 0 to `count` - 1 in turn."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._next = 0

    def take(self, number: int) -> list[int | str]:
        """The next `number` of them; no two are equal while `number` is not above the count."""
        taken = [_processor((self._next + k) % self._count) for k in range(number)]
        self._next = (self._next + number) % self._count
        return taken


def _processor(number: int) -> int | str:
    """As TOML has it."""
    return number if number < _GROUP else str(ProcessorNumber(number // _GROUP, number % _GROUP))


def _one_group(processors: Sequence[int | str]) -> list[int | str]:
    """Those in the group of the first one: an affinity has one group, tables may go beyond it (RSS-17)."""
    group = ProcessorNumber.parse(processors[0]).group
    return [one for one in processors if ProcessorNumber.parse(one).group == group]


def _address(number: int) -> str:
    return format_mac(_FIRST_ADDRESS + number)


def _rows(document: Document, table: str) -> list[Document]:
    rows: list[Document] = document.get(table, [])
    return rows
