"""The quick start as the subject of measurements: zipf traffic of mixed lengths, five VPorts, eight processors."""

from __future__ import annotations

from pathlib import Path

from dataplane.commands import QUICK_START
from dataplane.scenario.load import load_scenario
from dataplane.scenario.model import Scenario

FILE = Path(__file__).parent.parent / "configs" / QUICK_START


def quick_start(packets: int, capture: Path | None = None) -> Scenario:
    """The scenario with `packets` frames, or with the frames of a capture."""
    if capture is not None:
        return load_scenario(FILE, capture=str(capture))
    return load_scenario(quick_start_text(packets), name="quick-start")


def quick_start_text(packets: int) -> str:
    """The text of the scenario file, with `packets` frames."""
    text = FILE.read_text("utf-8").replace("packets = 1_000_000", f"packets = {packets}")
    assert f"packets = {packets}" in text, "the quick start says how many frames it has"
    return text
