"""Several NICs in one scenario file: the tables of each NIC, seeds, and findings at their lines."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataplane.errors import UserError
from dataplane.scenario.adapters import SeveralNics, derived_seed
from dataplane.scenario.findings import ScenarioError
from dataplane.scenario.load import load_nics, load_scenario
from dataplane.scenario.model import Scenario
from dataplane.scenario.resolve import resolved_nics_toml, resolved_toml

TWO = """\
name = "pair"
description = "of two"
[run]
seed = 7
window_ns = 1_000_000
[processors]
receive_cost_ns = 400
[traffic]
profile = "zipf"
packets = 300
zipf_s = 1.5

[[adapter]]
name = "left"
rss_processors = 4
  [[adapter.vport]]
  id = 1
  name = "web"
    [[adapter.vport.filter]]
    mac = "00:15:5d:01:02:01"
    [adapter.vport.rss]
    hash_secret_key = "random"

[[adapter]]
name = "right"
description = "with an event"
interface = "native-rss"
rss_processors = 2
  [adapter.native_rss]
  indirection_table = [0, 1]
  [adapter.traffic]
  profile = "uniform"
  packets = 200
  [adapter.processors]
  dpc_queue_depth = 16
  [[adapter.event]]
  at_ns = 1_000
  rss = { indirection_table = [1, 0] }
"""


def several(text: str, **options: int) -> SeveralNics:
    """The NICs of a text."""
    loaded = load_nics(text, **options)  # type: ignore[arg-type]
    assert isinstance(loaded, SeveralNics)
    return loaded


def lines_of(text: str) -> list[str]:
    """The findings of a text."""
    with pytest.raises(ScenarioError) as caught:
        load_nics(text)
    return caught.value.lines


def test_rows_are_whole_scenarios() -> None:
    """Tables at the top are defaults, a NIC's own keys go before them, and its own source or rows replace them."""
    pair = several(TWO)
    left, right = pair.nics
    assert (pair.name, pair.description, pair.seed) == ("pair", "of two", 7)
    assert [nic.name for nic in pair.nics] == ["left", "right"]
    assert [nic.description for nic in pair.nics] == ["of two", "with an event"]
    assert [nic.run.window_ns for nic in pair.nics] == [1_000_000, 1_000_000]
    assert [(nic.processors.receive_cost_ns, nic.processors.dpc_queue_depth) for nic in pair.nics] == [
        (400, 1024),
        (400, 16),
    ]
    assert left.traffic is not None
    assert right.traffic is not None
    assert (left.traffic.profile, left.traffic.zipf_s) == ("zipf", 1.5)
    assert (right.traffic.profile, right.traffic.packets, right.traffic.zipf_s) == ("uniform", 200, None)
    assert (len(left.vports), len(left.events), len(right.vports), len(right.events)) == (1, 0, 0, 1)


def test_seeds_follow_from_seed_and_name() -> None:
    """Seeds differ between NICs and between seeds of the file, and do not depend on the other NICs."""
    left, right = several(TWO).nics
    assert (left.run.seed, right.run.seed) == (derived_seed(7, "left"), derived_seed(7, "right"))
    assert left.traffic is not None
    assert left.traffic.seed == left.run.seed != right.run.seed
    assert several(TWO, seed=8).nics[0].run.seed == derived_seed(8, "left")
    alone = several(TWO[: TWO.rindex("[[adapter]]")])
    assert alone.nics == (left,)
    own_key = [vport.rss for vport in left.vports if vport.rss]
    again = [vport.rss for vport in several(TWO, seed=8).nics[0].vports if vport.rss]
    assert own_key[0].hash_secret_key != again[0].hash_secret_key


def test_shared_seed_of_the_traffic_gives_each_its_own() -> None:
    """A shared seed of [traffic] becomes a different one for each NIC; a NIC's own seed stays."""
    text = TWO.replace("packets = 300", "packets = 300\nseed = 5").replace("packets = 200", "packets = 200\n  seed = 5")
    left, right = several(text).nics
    assert left.traffic is not None
    assert right.traffic is not None
    assert (left.traffic.seed, right.traffic.seed) == (derived_seed(5, "left"), 5)


@given(st.integers(0, 2**63 - 1), st.text("abc-_12", min_size=1), st.text("abc-_12", min_size=1))
def test_derived_seeds_are_seeds(seed: int, first: str, second: str) -> None:
    """Derived seeds are in the range of seeds, and differ by name."""
    assert 0 <= derived_seed(seed, first) < 2**63
    assert (derived_seed(seed, first) == derived_seed(seed, second)) == (first == second)


def test_named_nic_is_a_scenario_of_its_own() -> None:
    """A NIC loaded by name is the same as among the others; a given seed is then its own seed."""
    pair = several(TWO)
    assert load_scenario(TWO, adapter="right") == pair.nics[1]
    assert load_scenario(TWO, adapter="right", seed=pair.nics[1].run.seed) == pair.nics[1]
    assert load_scenario(TWO, adapter="left", seed=3).run.seed == 3
    assert load_scenario(resolved_toml(pair.nics[0])) == pair.nics[0]


def test_resolved_form_is_the_same(tmp_path: Path) -> None:
    """The whole file, written out with every default, loads to the same NICs (ENG-05)."""
    pair = several(TWO)
    assert several(resolved_nics_toml(pair)) == pair
    file = tmp_path / "of-the-file.toml"
    file.write_text(TWO.replace('name = "pair"\n', ""))
    loaded = load_nics(file)
    assert loaded.name == "of-the-file"


def test_one_adapter_is_no_list() -> None:
    """[adapter] is a single NIC as before; a list of one row is a list."""
    assert isinstance(load_nics("[adapter]\nrss_processors = 2"), Scenario)
    assert isinstance(load_nics("[[adapter]]\nrss_processors = 2"), SeveralNics)
    assert [nic.name for nic in several("[[adapter]]\n[[adapter]]\n").nics] == ["nic-1", "nic-2"]


def test_all_findings_of_all_nics_at_their_lines() -> None:
    """Each finding is reported once, with the line of the file and the name of its NIC."""
    text = (
        TWO.replace("receive_cost_ns = 400", "receive_cost_ns = -1")
        .replace("indirection_table = [0, 1]", "indirection_table = [0, 9]")
        .replace("mac = ", "mc = ")
        .replace("at_ns = 1_000", "at_n = 1_000")
        .replace("packets = 200", "packet = 200")
        .replace("window_ns = 1_000_000", 'window_ns = 1_000_000\nper_packet = "yes"')
    )
    lines = text.splitlines()

    def line_of(part: str) -> int:
        return next(number for number, line in enumerate(lines, 1) if part in line)

    expected = [
        (line_of("per_packet"), "[run] per_packet: must be true or false"),
        (line_of("receive_cost_ns"), "[processors] receive_cost_ns: must be at least 0"),
        (line_of("mc ="), '[[adapter]] 1 "left" vport 1 filter 1 mc: is not a key of this table; did you mean mac?'),
        (
            line_of("[0, 9]"),
            '[[adapter]] 2 "right" native_rss.indirection_table: processor 0:9 is not in the RSS processor',
        ),
        (
            line_of("  packet ="),
            '[[adapter]] 2 "right" traffic.packet: is not a key of this table; did you mean packets',
        ),
        (line_of("[[adapter.event]]"), '[[adapter]] 2 "right" event 1 at_ns: is missing'),
        (line_of("at_n ="), '[[adapter]] 2 "right" event 1 at_n: is not a key of this table; did you mean at_ns?'),
    ]
    found = lines_of(text)
    assert len(found) == len(expected), found
    for (line, words), actual in zip(expected, found, strict=True):
        assert actual.startswith(f"scenario:{line}: {words}"), (words, actual)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("adapter = []", "scenario:1: adapter: lists no NIC: write [[adapter]] for each, or one [adapter]"),
        ("adapter = [1]", "scenario:1: adapter: must be a table, or [[adapter]] for each NIC"),
        ('[[adapter]]\nname = "a/b"', "scenario:2: [[adapter]] 1 \"a/b\" name: 'a/b' must be letters, digits"),
        ("[[adapter]]\nname = 5", "scenario:2: [[adapter]] 1 name: 5 must be letters, digits"),
        (
            '[[adapter]]\nname = "a"\n[[adapter]]\nname = "A"',
            "scenario:4: [[adapter]] 2 \"A\" name: 'A' is the name of another NIC",
        ),
        ("name = 5\n[[adapter]]", "scenario:1: name: must be a text in quotes, not 5"),
        ("[[adapter]]\n[vprt]", "scenario:2: [vprt]: is not a table or key of a scenario; did you mean vport?"),
        ("[run]\nseed = -1\n[[adapter]]\n[[adapter]]", "scenario:2: [run] seed: must be at least 0, not -1"),
        ("run = 5\n[[adapter]]", "scenario:1: run: must be a table, not 5"),
    ],
)
def test_rows_that_are_none(text: str, expected: str) -> None:
    """One line says what is wrong with the list, and where."""
    [line] = lines_of(text)
    assert line.startswith(expected), line


def test_which_nic_is_meant() -> None:
    """Commands for one NIC need its name; a file with one [adapter] has no names."""
    with pytest.raises(UserError, match=r"^scenario has the NICs left, right, .*--adapter$"):
        load_scenario(TWO)
    with pytest.raises(UserError, match="has no NIC middle: left, right"):
        load_scenario(TWO, adapter="middle")
    with pytest.raises(UserError, match="leave --adapter out"):
        load_scenario("", adapter="left")
    with pytest.raises(UserError, match="several NICs: name the one"):
        load_nics(TWO, capture="x.pcap")
    traffic = load_scenario(TWO, adapter="left", capture="x.pcap").traffic
    assert traffic is not None
    assert traffic.capture == str(Path("x.pcap").resolve())
