"""Lines, malformed lines, labels (sections 1 and 2 of the oracle protocol)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataplane.oracle import run_script
from dataplane.oracle.labels import LabelSet
from dataplane.oracle.lines import STEP_KEYS
from dataplane.oracle.specification import presets
from tests.oracle.script import M1, adapter, arp, error, frame, last, oid, queue, run, set_filter, tcp4

S = adapter("CFG-S")


def test_skipped_lines_count_but_give_no_result() -> None:
    """Empty, blank and comment lines are skipped; line numbers count them."""
    results = run("", "  \t", "# a comment", "  # another", S, "", {"inspect": "adapter"})
    assert [result["line"] for result in results] == [5, 7]


def test_byte_order_mark() -> None:
    """A byte order mark in front of the script is not part of its first line."""
    assert "error" not in run("\ufeff" + json.dumps(S))[0]
    assert run("\ufeff# comment", S)[0]["line"] == 2


def test_exit_code() -> None:
    """The exit status is 2 if a line was malformed, otherwise 0, whatever the adapter answered."""
    assert run_script([json.dumps(S), json.dumps(oid("OID_NIC_SWITCH_DELETE_VPORT", vport_id=9))], lambda _: None) == 0
    assert (
        run_script([json.dumps(adapter("CFG-S", switch=None, nic_switch_capabilities={"max_num_switches": 2}))], print)
        == 0
    )
    assert run_script(["{}"], lambda _: None) == 2
    assert run_script([], lambda _: None) == 0


def test_each_result_is_written_before_the_next_line_is_read() -> None:
    """Results stream: one line out for each step line in."""
    order: list[str] = []

    def lines() -> Any:
        for number in range(3):
            order.append(f"read {number}")
            yield json.dumps({"check": "interface", "keywords": {}})

    run_script(lines(), lambda text: order.append(f"wrote {json.loads(text)['line']}" if text.endswith("\n") else "?"))
    assert order == ["read 0", "wrote 1", "read 1", "wrote 2", "read 2", "wrote 3"]


@pytest.mark.parametrize(
    "line",
    [
        "not json",
        "[]",
        "1",
        '"text"',
        "{}",
        '{"comment": 1}',
        '{"frame": "00"',
        '{"frame": "00", "frame": "01"}',
        '{"oid": "OID_GEN_VLAN_ID", "in_hex": "", "in": {"a": 1, "a": 2}}',
        '{"frame": NaN}',
        '{"frame": "00", "send": {"data": "00"}}',
        '{"frame": "0"}',
        '{"frame": "0g"}',
        '{"frame": "00 00"}',
        '{"frame": 0}',
        '{"frame": "0011", "wire_length": 1}',
        '{"frame": "0011", "wire_length": true}',
        '{"frame": "0011", "keep": 1}',
        '{"frame": "0011", "label": 1}',
        '{"frame": "0011", "vport_id": 1}',
        '{"oid": "OID_GEN_NOTHING"}',
        '{"oid": 66062}',
        '{"oid": "OID_GEN_VLAN_ID", "in": {}}',
        '{"oid": "OID_GEN_VLAN_ID", "in_hex": "0"}',
        '{"oid": "OID_GEN_CURRENT_PACKET_FILTER", "in": {}, "in_hex": ""}',
        '{"oid": "OID_GEN_CURRENT_PACKET_FILTER", "in": {"packet_filter": ["NOTHING"]}}',
        '{"oid": "OID_GEN_CURRENT_PACKET_FILTER", "kind": "query", "in": {"packet_filter": []}}',
        '{"oid": "OID_GEN_CURRENT_PACKET_FILTER", "kind": "ask"}',
        '{"oid": "OID_GEN_CURRENT_PACKET_FILTER", "switch_id": 0}',
        '{"oid": "OID_GEN_CURRENT_PACKET_FILTER", "vport_id": "one"}',
        '{"oid": "OID_GEN_CURRENT_PACKET_FILTER", "processor": "1:2:3"}',
        '{"oid": "OID_GEN_CURRENT_PACKET_FILTER", "sync": "no"}',
        '{"oid": "OID_GEN_CURRENT_PACKET_FILTER", "buffer_length": 4294967295}',
        '{"oid": "OID_GEN_CURRENT_PACKET_FILTER", "during": []}',
        '{"oid": "OID_RECEIVE_FILTER_SET_FILTER", "in": {}, "during": [{"frame": "00", "oid": 1}]}',
        '{"oid": "OID_RECEIVE_FILTER_SET_FILTER", "in": {}, "during": {"frame": "00"}}',
        '{"oid": "OID_NIC_SWITCH_CREATE_VPORT", "in": {"num_queue_pair": 1}}',
        '{"oid": "OID_NIC_SWITCH_CREATE_VPORT", "in": {"vport_state": "Active"}}',
        '{"oid": "OID_NIC_SWITCH_CREATE_VPORT", "in": {"processor_affinity": [0, "1:0"]}}',
        '{"send": []}',
        '{"send": {"data": []}}',
        '{"send": {}}',
        '{"send": {"data": "00", "vport_id": 1, "queue_id": 1}}',
        '{"send": {"data": "00", "vport_id": 65536}}',
        '{"send": {"data": "00", "hash_info": "0x123456789"}}',
        '{"send": {"data": "00"}, "flags": ["NOTHING"]}',
        '{"send": [{"data": "00", "label": "x"}, {"data": "00", "label": "x"}]}',
        '{"hold_dpc": 4}',
        '{"run_dpc": "some"}',
        '{"hold_dpc": [99]}',
        '{"run_dpc": [4, 64]}',
        '{"release_dpc": ["1:64"]}',
        '{"hold_tx": false}',
        '{"release_tx": 1}',
        '{"return": "a"}',
        '{"return": ["a"]}',
        '{"close": 1}',
        '{"fault": "rest"}',
        '{"fault": {"fail": "OID_GEN_NOTHING"}}',
        '{"fault": {"fail": "OID_GEN_VLAN_ID", "status": "BAD"}}',
        '{"fault": {"fail": "OID_GEN_VLAN_ID", "status": "NDIS_STATUS_SUCCESS"}}',
        '{"fault": {"fail": "OID_GEN_VLAN_ID", "status": "NDIS_STATUS_PENDING"}}',
        '{"fault": {"fail": "OID_GEN_VLAN_ID", "when": "middle"}}',
        '{"fault": {}}',
        '{"inspect": "everything"}',
        '{"inspect": {"queue": 1, "vport": 1}}',
        '{"inspect": {"queue": "one"}}',
        '{"check": "nothing"}',
        '{"check": "interface"}',
        '{"check": "interface", "keywords": {"RSS": 1}}',
        '{"check": "interface", "keywords": {}, "base": 0}',
        '{"adapter": {"preset": "CFG-X"}}',
        '{"adapter": {"preset": "CFG-S", "colour": 1}}',
        '{"adapter": {"protocol": 2}}',
        '{"adapter": {"ndis_version": "6.5"}}',
        '{"adapter": {"rss_processors": []}}',
        '{"adapter": {"preset": "CFG-S", "switch": {"num_queue_pairs_for_default_vport": 9}}}',
        '{"adapter": {"packet_filter": {"add": ["DIRECTED"]}}}',
        '{"adapter": {"preset": "CFG-S", "packet_filter": {"remove": ["NOTHING"]}}}',
        '{"adapter": {"preset": "CFG-S", "nic_switch_capabilities": {"nic_switch_capabilities": {"drop": []}}}}',
        '{"adapter": []}',
        '{"frame": "' + "[" * 10 + '"}',
        "[" * 100_000,
        '{"inspect": ' + "9" * 5000 + "}",
        '{"frame": "\udcff"}',
    ],
)
def test_malformed_lines(line: str) -> None:
    """Anything but a well-formed step gives an error result with the line number, and the next line is processed."""
    results = run(S, line, {"inspect": "counters"})
    assert results[1].keys() == {"line", "error"}
    assert results[1]["line"] == 2
    assert "\n" not in results[1]["error"]
    assert results[2]["arrived"] == 0  # the adapter of line 1 is still there, nothing has happened to it


@pytest.mark.parametrize("key", [key for key in STEP_KEYS if key not in ("adapter", "check")])
def test_steps_need_an_adapter(key: str) -> None:
    """Without an adapter every step but adapter and check is malformed; after a refused one as well."""
    refused = adapter("CFG-S", nic_switch_capabilities={"max_num_switches": 2})
    for before in ([], [S, refused]):
        results = run(*before, {key: "adapter" if key == "inspect" else "OID_GEN_VLAN_ID" if key == "oid" else "00"})
        assert "there is no adapter" in results[-1]["error"]


def test_labels_are_unique() -> None:
    """A label, given or default, of frames, requests, sends and NBLs is unique since the last adapter step."""
    a = frame(arp(), "a")
    assert "has been used" in error(S, a, a)
    assert "has been used" in error(S, a, oid("OID_GEN_CURRENT_PACKET_FILTER", {"label": "a"}, packet_filter=[]))
    assert "has been used" in error(S, frame(arp(), "#3"), {"frame": arp()})
    assert "has been used" in error(S, {"frame": arp()}, frame(arp(), "#2"))
    assert "has been used" in error(S, {"send": [{"data": arp()}, {"data": arp()}], "label": "p"}, frame(arp(), "p.2"))
    during = set_filter(M1, step={"label": "o", "during": [{"frame": arp()}]})
    assert "has been used" in error(S, during, frame(arp(), "o/d1"))
    last(S, a, S, a)  # labels start anew
    last(
        S, {"hold_tx": True, "label": "x"}, {"release_tx": True, "label": "x"}, frame(arp(), "x")
    )  # not those of others


def test_malformed_lines_use_no_labels() -> None:
    """A malformed line changes nothing, its label included."""
    results = run(S, {"frame": "0", "label": "a"}, {"return": ["a"], "label": "b"}, frame(arp(), "a"))
    assert "error" not in results[-1]


def test_comments_and_labels_are_allowed_everywhere() -> None:
    """`comment` may be anything; `label` is a string on every step."""
    steps: list[dict[str, Any]] = [{"inspect": "adapter"}, {"hold_dpc": "all"}, {"release_dpc": []}, {"close": "A"}]
    steps += [{"check": "interface", "keywords": {}}, {"fault": "pause"}, {"adapter": {}}]
    results = run(S, *({**step, "comment": {"any": ["thing"]}, "label": "same"} for step in steps))
    assert not [result for result in results if "error" in result]


def test_label_set() -> None:
    """Labels behave like a set, also labels that look like defaults far ahead in the script."""
    known, reference = LabelSet(), set()
    labels = [f"#{number}" for number in range(1, 3000, 3)] + [f"frame {number}" for number in range(3000)]
    labels += ["#0", "#007", "#x", "", "#99999999999999999999", "#12345678901"]
    for label in labels:
        assert label not in known, label
        known.add(label)
        reference.add(label)
    for label in [*labels, "#2", "#3000000", "frame 3000", "#12345678902"]:
        assert (label in known) is (label in reference), label


def test_label_set_with_a_far_default_label() -> None:
    """A label that equals a default far ahead is still known when that line comes."""
    known = LabelSet()
    known.add("#1000000")
    for number in range(1, 1_000_000, 50_000):
        known.add(f"#{number}")
    assert "#1000000" in known


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 2**33)
    | st.sampled_from(["", "all", "0x1", M1, "00", "A", "CFG-Q"])
    | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
_OID_MEMBERS = ["in", "in_hex", "kind", "issuer", "vport_id", "switch_id", "processor", "sync", "buffer_length", "hex"]
_OTHER_MEMBERS = ["during", "wire_length", "keep", "flags", "label", "comment", "keywords", "base", "max", "processors"]
_MEMBER_NAMES = [*STEP_KEYS, *_OID_MEMBERS, *_OTHER_MEMBERS]
_GOOD = [
    {"frame": tcp4(M1), "keep": True, "label": "f"},
    {"send": {"data": tcp4(M1), "queue_id": 1, "hash_info": "0x101"}},
    {"hold_dpc": "all"},
    {"run_dpc": [0, 4]},
    {"release_dpc": "all"},
    {"hold_tx": True},
    {"release_tx": True},
    {"return": ["f"], "flags": ["SINGLE_QUEUE"]},
    {"close": "A"},
    {"fault": "pause"},
    {"fault": {"fail": "OID_RECEIVE_FILTER_SET_FILTER", "when": "end"}},
    {"inspect": "counters"},
    {"inspect": {"queue": 1}},
    oid("OID_RECEIVE_FILTER_SET_FILTER", {"during": [{"frame": tcp4(M1)}]}, field_parameters=[{"field_value": M1}]),
    oid("OID_RECEIVE_FILTER_FREE_QUEUE", queue_id=1),
    {"oid": "OID_RECEIVE_FILTER_ENUM_QUEUES", "buffer_length": 20},
]


@settings(max_examples=150)
@given(
    preset=st.sampled_from(sorted(presets())),
    steps=st.lists(
        st.sampled_from(_GOOD)
        | st.dictionaries(st.sampled_from(_MEMBER_NAMES), _JSON, max_size=4)
        | st.builds(
            lambda step, name, value: {**step, name: value},
            st.sampled_from(_GOOD),
            st.sampled_from(_MEMBER_NAMES),
            _JSON,
        ),
        max_size=12,
    ),
    cut=st.none() | st.integers(0, 60),
)
def test_any_script_gives_one_result_for_each_line(preset: str, steps: list[dict[str, Any]], cut: int | None) -> None:
    """Whatever the lines, there is one result each, in order, and nothing raises (MOD-11 is asserted inside)."""
    lines: list[str] = [json.dumps(step)[:cut] for step in steps]
    lines = [line for line in lines if line.strip()]
    prefix: list[Any] = [adapter(preset), *(queue(1, [4], M1) if preset == "CFG-Q" else [])]
    results = run(*prefix, *lines)
    assert [result["line"] for result in results] == list(range(1, len(prefix) + len(lines) + 1))
