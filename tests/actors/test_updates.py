"""Updates under traffic on the actors: results are those of the inline engine (ENG-01)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any
from unittest import mock

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.session import ray_session
from actors.system import run_on_ray
from dataplane.commands import update_report
from dataplane.engine.control import run_control
from dataplane.engine.experiment import Experiment, RunResult
from dataplane.engine.inline import run_inline
from dataplane.engine.prepare import experiment
from dataplane.results.summary import summarize
from dataplane.results.tables import entries_tables, windows_table
from dataplane.results.updates import updates_document
from dataplane.scenario.load import load_scenario
from dataplane.scenario.source import traffic_source
from tests.actors.small_hosts import KeptRows, ignore_progress, run_in_threads

_SCENARIO = """
[adapter]
rss_processors = 4
[[vport]]
id = 1
num_queue_pairs = 4
[[vport.filter]]
mac = "00:15:5d:01:02:01"
[vport.rss]
indirection_table = [0, 1, 2, 3]
num_indirection_table_entries = 16
[processors]
receive_cost_ns = 3500
completion_cost_ns = 900
dpc_queue_depth = {depth}
[traffic]
profile = "zipf"
packets = {packets}
flows = 60
transmit_share = 0.3
transmit = "by-source-mac"
[update]
hand_over = "{hand_over}"
control_latency_ns = {latency}
[run]
window_ns = 100_000
seed = {seed}
"""

_EVENTS = (
    'move_entries = { vport = 1, indices = "0-7", target = 3 }',
    'move_entries = { vport = 1, indices = "0-3", target = 2 }',
    'move_entries = { vport = 1, indices = "default", target = 1 }',
    'move_entries = { vport = 1, indices = "5", target = 0 }',
    "rss = { vport = 1, indirection_table = [3, 2, 1, 0] }",
    "rss = { vport = 1, enabled = false }",
    "rss = { vport = 1, num_indirection_table_entries = 32 }",
    'rss = { vport = 1, hash_secret_key = "symmetric" }',
)


def experiment_of(
    *, events: list[tuple[int, str]], policy: str = "none", packets: int = 400, **settings_of: Any
) -> tuple[Experiment, Any]:
    """A small experiment with updates, and its source."""
    given_settings = {"depth": 40, "hand_over": "permissive", "latency": 0, "seed": 1, "packets": packets} | settings_of
    text = _SCENARIO.format(**given_settings)
    text += f'[policy]\nname = "{policy}"\ntick_ns = 50_000\n'
    text += "".join(f"[[event]]\nat_ns = {at_ns}\n{event}\n" for at_ns, event in events)
    scenario = load_scenario(text, name="updates")
    return experiment(scenario), partial(traffic_source, scenario)


def everything(result: RunResult) -> dict[str, Any]:
    """The results of a run for comparison, without measured times."""
    report = update_report(result)
    return {
        "summary": summarize(result, report, scenario="updates", seed=1),
        "updates": updates_document(report),
        "windows": windows_table(result).to_pylist(),
        "entries": pa.concat_tables(entries_tables(result)).to_pylist(),
    }


@settings(max_examples=25, deadline=None)
@given(
    events=st.lists(st.tuples(st.integers(0, 400_000), st.sampled_from(_EVENTS)), min_size=1, max_size=25),
    hand_over=st.sampled_from(["permissive", "ordered"]),
    policy=st.sampled_from(["none", "sprayer", "least-loaded"]),
    latency=st.sampled_from([0, 700]),
    depth=st.sampled_from([0, 3, 40]),
    processors_per_actor=st.sampled_from([1, 2, 4]),
    batch_frames=st.sampled_from([1, 16, 1000]),
    buffers=st.sampled_from([1, 3, 8]),
    seed=st.integers(0, 100),
)
def test_equal_to_inline(
    events: list[tuple[int, str]],
    hand_over: str,
    policy: str,
    latency: int,
    depth: int,
    processors_per_actor: int,
    batch_frames: int,
    buffers: int,
    seed: int,
) -> None:
    """Over ring and doorbells, summary, certificates, tables and rows are equal (ENG-01, EPO-05, EPO-08, POL-02)."""
    prepared, source = experiment_of(
        events=sorted(events), hand_over=hand_over, policy=policy, latency=latency, depth=depth, seed=seed
    )
    expected_rows, rows = KeptRows(), KeptRows()
    expected = run_inline(replace(prepared, batch_frames=64), source, expected_rows, ignore_progress)
    # a processor that waits for ever is an assertion here, and would hang the threads below
    again = run_inline(replace(prepared, batch_frames=batch_frames), source, None, ignore_progress)
    assert everything(again) == everything(expected)
    control = run_control(prepared)
    assert control is not None
    with mock.patch("actors.nic.RemoteControl", lambda given_control, *_, **__: given_control):
        actual = run_in_threads(
            replace(prepared, batch_frames=batch_frames),
            source,
            rows,
            processors_per_actor=processors_per_actor,
            buffers=buffers,
            control=control,
        )
    outcome = control.outcome(actual.last_arrival_ns, interrupted=False)
    actual = replace(actual, requests=outcome.requests, findings=outcome.findings)
    assert everything(actual) == everything(expected)
    assert rows == expected_rows
    if hand_over == "ordered":
        assert everything(actual)["summary"]["checks"]["order_kept"]


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """One Ray for all tests of this module."""
    with ray_session(None, actors=6):
        yield


@pytest.mark.ray
@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize(("transport", "processors_per_actor"), [("ring", 1), ("ring", 2), ("object-store", 2)])
@pytest.mark.parametrize("hand_over", ["permissive", "ordered"])
def test_ray_equals_inline(transport: Any, processors_per_actor: int, hand_over: str) -> None:
    """A run with moves, RSS off and on, another key and a policy has the same results on Ray (ENG-01)."""
    events = [(20_000 * (number + 1), event) for number, event in enumerate(_EVENTS)]
    prepared, source = experiment_of(events=events, policy="least-loaded", hand_over=hand_over, packets=3000)
    expected_rows, rows = KeptRows(), KeptRows()
    expected = run_inline(prepared, source, expected_rows, ignore_progress)
    actual = run_on_ray(
        prepared, source, rows, ignore_progress, transport=transport, processors_per_actor=processors_per_actor
    )
    assert everything(actual) == everything(expected)
    assert rows == expected_rows
    assert len(expected.updates) > len(_EVENTS) - 2
