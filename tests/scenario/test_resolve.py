"""A resolved scenario: explicit TOML that loads to the same value."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataplane.scenario.load import load_scenario
from dataplane.scenario.resolve import resolved_toml, toml_text
from dataplane.traffic.profiles import PROFILES, Profile

EVERYTHING = r"""
name = "everything \"quoted\" \\ ü"
description = "two\nlines"
[adapter]
ndis_version = "6.80"
rss_processors = ["0:2", "0:4", "1:0"]
packet_filter = ["DIRECTED", "all_multicast"]
multicast_list = ["01:00:5e:00:00:01"]
[[vport]]
id = 0
rss = { hash_secret_key = "symmetric" }
[[vport]]
id = 1
num_queue_pairs = 2
processor_affinity = [2, 4]
filter = [{ mac = "00:15:5d:01:02:01", vlan = 7 }, { vlan = 8 }, { mac = "00:15:5d:01:02:02" }]
rss = { hash_types = ["tcp_ipv4"], hash_secret_key = "random", num_indirection_table_entries = 4 }
[[vport]]
id = 2
processor_affinity = ["1:0"]
[processors]
receive_cost_ns = 1
[[processor]]
processor = "1:0"
dpc_queue_depth = 0
[traffic]
profile = "zipf"
packets = 10
rate_pps = 1.5e6
zipf_s = 1.1
lengths = "imix:csit"
[[event]]
at_ns = 5
move_entries = { vport = 1, indices = "0-1,3", target = "1:0" }
[[event]]
at_ns = 5
rss = { vport = 1, hash_secret_key = "random", enabled = true }
[[event]]
at_ns = 6
oid = { name = "0x00010227", issuer = "B", in = { queue_id = 1 } }
[update]
hand_over = "ordered"
[policy]
name = "package.module:Class"
parameters = { threshold = 0.5, names = [], a = [1, { b = "x" }], "odd key" = true }
[run]
seed = 9
batch_packets = 100
per_packet = true
"""


def test_resolved_scenario_loads_to_an_equal_value() -> None:
    """Everything a run needs is in the resolved file: loading it gives the same scenario (ENG-05)."""
    scenario = load_scenario(EVERYTHING)
    text = resolved_toml(scenario)
    assert scenario == load_scenario(text, name="another")
    assert text == resolved_toml(load_scenario(text))


def test_resolved_scenario_is_explicit() -> None:
    """Tables are written out, random keys are digits and limits are numbers (ENG-05)."""
    document = tomllib.loads(resolved_toml(load_scenario(EVERYTHING)))
    assert document["vport"][1]["rss"]["indirection_table"] == [2, 4, 2, 4]
    assert all(len(bytes.fromhex(row["rss"]["hash_secret_key"])) == 40 for row in document["vport"][:2])
    assert document["adapter"]["max_num_vports"] == 64
    assert "random" not in resolved_toml(load_scenario(EVERYTHING))


@pytest.mark.parametrize("profile", PROFILES)
def test_what_a_profile_decides_is_written_out(profile: str) -> None:
    """Keys with an effect and a default are there: another default does not change a repeated run (ENG-05)."""
    scenario = load_scenario(f'[traffic]\nprofile = "{profile}"')
    assert scenario.traffic is not None
    written = tomllib.loads(resolved_toml(scenario))["traffic"]
    assert written.keys() == scenario.traffic.keys_in_use - {"transmit"} | {"profile"}
    decided = Profile.named(
        profile, **{key: value for key, value in written.items() if key not in {"profile", "vlans"}}
    )
    assert decided == Profile.named(profile)


VALUES = st.recursive(
    st.integers(-(2**63), 2**63 - 1) | st.booleans() | st.text() | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=100)
@given(document=st.dictionaries(st.text(), VALUES, max_size=4))
def test_toml_text_is_what_it_says(document: dict[str, object]) -> None:
    """The standard library reads back what the writer writes: every text, number and nesting."""
    assert document == tomllib.loads(toml_text(document))
