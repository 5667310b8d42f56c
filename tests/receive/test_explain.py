"""The explanation of a frame against the reference: it tells what steering does, and why."""

from __future__ import annotations

import re
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from dataplane.receive.explain import explain
from dataplane.switch.compile import compile_snapshot
from dataplane.switch.configuration import AdapterConfiguration, Mode, RssState
from tests.batches import batch_of
from tests.reference import steering as reference
from tests.reference.frames import Frame, adapter_configurations, encapsulated_frames, frames
from tests.reference.toeplitz import toeplitz


@settings(max_examples=200)
@given(adapter_configurations(), frames() | encapsulated_frames(), st.booleans(), st.booleans())
def test_what_is_told_is_what_happens(
    configuration: AdapterConfiguration, frame: Frame, transmit_by_source: bool, inner_headers: bool
) -> None:
    """The filter that passes, the bytes whose hash is said, the entry and the processor are those of the reference.

    With and without inner headers (HSH-30), for receive and transmit, in every mode.
    """
    configuration = replace(configuration, inner_headers=inner_headers)
    steer = reference.steer_by_source_mac if transmit_by_source else reference.steer
    expected = steer(configuration, frame.data, frame.wire_length)
    batch = batch_of([frame.data], [frame.wire_length])
    told = explain(compile_snapshot(configuration, 0), batch, transmit_by_source=transmit_by_source)
    texts: dict[str, list[str]] = {}
    for step in told.steps:
        texts.setdefault(step.step, []).append(step.text)
    passing = [text for text in texts.get("filter", ()) if text.endswith("passes")]
    assert [int(text.split()[1]) for text in passing] == ([expected.filter_id] if expected.filter_id else [])
    assert ("processor" in texts) == (expected.processor is not None)
    if expected.processor is not None:
        assert texts["processor"][0].split(",")[0] == str(expected.processor)
    said = re.fullmatch(r"(\S+) over (\S+) = 0x(\S+)", texts.get("hash", [""])[0])
    assert (said is not None) == (expected.hash_value is not None)
    if said:
        target_id = expected.queue_id if expected.vport_id is None else expected.vport_id
        key = rss_of(configuration, target_id).hash_secret_key
        assert key is not None
        assert (said[1], int(said[3], 16)) == (expected.hash_type, expected.hash_value)
        assert toeplitz(bytes.fromhex(said[2]), key) == expected.hash_value


def rss_of(configuration: AdapterConfiguration, target_id: int | None) -> RssState:
    """The hash parameters in force for a target."""
    if configuration.mode is Mode.SWITCH:
        return next(vport.rss for vport in configuration.vports if vport.vport_id == target_id)
    return configuration.native_rss if configuration.native_rss.enabled else configuration.receive_hash
