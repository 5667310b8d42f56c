"""The scenarios that come with the project."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from scapy.layers.inet import TCP
from scapy.layers.inet6 import HAO, IPv6, IPv6ExtHdrDestOpt
from scapy.layers.l2 import Ether
from scapy.utils import PcapWriter

import configs
from dataplane.scenario.adapters import SeveralNics
from dataplane.scenario.load import load_nics
from dataplane.scenario.model import Scenario
from dataplane.scenario.resolve import resolved_nics_toml, resolved_toml
from dataplane.scenario.set_up import adapter_configuration

CONFIGS = sorted(Path(configs.__file__).parent.glob("*.toml"))


def nics_of(loaded: Scenario | SeveralNics) -> tuple[Scenario, ...]:
    """The scenario or scenarios of a file."""
    return loaded.nics if isinstance(loaded, SeveralNics) else (loaded,)


def test_there_are_scenarios() -> None:
    """`configs/` has the quick start and scenarios for all features, so the tests below find them."""
    assert "quick-start" in {file.stem for file in CONFIGS}
    assert len(CONFIGS) >= 25
    loaded = [load_nics(file) for file in CONFIGS]
    assert any(len(nics_of(one)) > 2 for one in loaded)
    scenarios = [nic for one in loaded for nic in nics_of(one)]
    assert sum(bool(scenario.events) for scenario in scenarios) >= 7
    assert any(scenario.policy.name != "none" for scenario in scenarios)
    assert {scenario.update.hand_over for scenario in scenarios} == {"permissive", "ordered"}


@pytest.mark.parametrize("file", CONFIGS, ids=lambda file: file.stem)
def test_scenario_loads_and_round_trips(file: Path) -> None:
    """Every scenario has no findings, describes an adapter, and its resolved form is the same scenario (ENG-05)."""
    loaded = load_nics(file)
    assert loaded.name == file.stem
    assert all(nic.traffic for nic in nics_of(loaded))
    assert all(adapter_configuration(nic).rss_processors for nic in nics_of(loaded))
    text = resolved_nics_toml(loaded) if isinstance(loaded, SeveralNics) else resolved_toml(loaded)
    assert load_nics(text) == loaded


@pytest.mark.parametrize("file", CONFIGS, ids=lambda file: file.stem)
def test_scenario_says_what_to_look_at(file: Path) -> None:
    """Every scenario begins with a comment that says what the run will show."""
    assert "# What to look at" in file.read_text("utf-8").partition("\n[")[0]


def mobile_nodes() -> bytes:
    """The capture of `ipv6-extension-headers.toml`: eight nodes, twenty care-of addresses each, two servers."""
    frames = [
        Ether(src="00:15:5d:00:00:99", dst=f"00:15:5d:01:02:{server:02x}")
        / IPv6(src=f"2001:db8:{move + 1:x}::{node:x}", dst=f"2001:db8:ffff::{server:x}")
        / IPv6ExtHdrDestOpt(options=[HAO(hoa=f"2001:db8:aaaa::{node:x}")])
        / TCP(sport=40_000 + node, dport=443, flags="A", seq=move)
        for move in range(20)
        for node in range(1, 9)
        for server in (1, 2)
    ]
    for number, frame in enumerate(frames):
        frame.time = number * 1e-6
    file = io.BytesIO()
    file.close = lambda: None  # type: ignore[method-assign]  # the writer closes what it is given
    with PcapWriter(file, linktype=1, sync=True) as writer:
        writer.write(frames)
    return file.getvalue()


def test_mobile_nodes_capture_is_what_it_says() -> None:
    """The packaged capture is what scapy builds from its description, byte for byte."""
    assert (Path(configs.__file__).parent / "ipv6-mobile-nodes.pcap").read_bytes() == mobile_nodes()
