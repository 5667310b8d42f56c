"""Running oracle scripts in tests: steps as Python objects, results decoded."""

from __future__ import annotations

import json
from typing import Any

from dataplane.oracle import run_script

K1 = "6d5a56da255b0ec24167253d43a38fb0d0ca2bcbae7b30b477cb2da38030f20c6a42b73bbeac01fa"
M1, M2, M3 = "00:15:5d:01:02:01", "00:15:5d:01:02:02", "00:15:5d:01:02:03"
BROADCAST = "ff:ff:ff:ff:ff:ff"
_SOURCE = "00155d000099"

Step = dict[str, Any]


def run(*steps: Step | str) -> list[dict[str, Any]]:
    """The results of a script; a string is a line as it is."""
    lines = [step if isinstance(step, str) else json.dumps(step) for step in steps]
    written: list[str] = []
    run_script(lines, written.append)
    return [json.loads(line) for line in written]


def last(*steps: Step | str) -> dict[str, Any]:
    """The result of the last step; none of them is malformed."""
    results = run(*steps)
    assert not [result for result in results if "error" in result], results
    return results[-1]


def error(*steps: Step | str) -> str:
    """The error text of the last step, the only malformed one."""
    results = run(*steps)
    assert [index for index, result in enumerate(results) if "error" in result] == [len(results) - 1], results
    text: str = results[-1]["error"]
    return text


def adapter(preset: str, **overrides: Any) -> Step:
    """An adapter step."""
    return {"adapter": {"preset": preset, **overrides}}


def oid(name: str, step: Step | None = None, **members: Any) -> Step:
    """An oid step with structured input."""
    return {"oid": name, "in": members, **(step or {})}


def tcp4(destination: str, port: int = 1024, tag: str = "") -> str:
    """A TCP/IPv4 frame 10.1.0.1:port > 10.1.0.2:80 in hex; `tag` is the TCI of a VLAN tag."""
    ethernet = destination.replace(":", "") + _SOURCE + (f"8100{tag}" if tag else "") + "0800"
    ip = "4500002812340000400654980a0100010a010002"
    return f"{ethernet}{ip}{port:04x}005000000001000000015010ffff00000000"


def arp(destination: str = BROADCAST) -> str:
    """An ARP request in hex."""
    return destination.replace(":", "") + _SOURCE + "08060001080006040001" + _SOURCE + "0a0100010000000000000a010002"


def frame(data: str, label: str, **members: Any) -> Step:
    """A frame step."""
    return {"frame": data, "label": label, **members}


def vport(vport_id: int, affinity: list[int], queue_pairs: int = 1, mac: str | None = None) -> list[Step]:
    """Create and activate the VPort that gets this id, with a filter that has the VLAN flag."""
    steps = [
        oid("OID_NIC_SWITCH_CREATE_VPORT", num_queue_pairs=queue_pairs, processor_affinity=affinity),
        oid("OID_NIC_SWITCH_VPORT_PARAMETERS", vport_id=vport_id, flags=["STATE_CHANGED"], vport_state="Activated"),
    ]
    return [*steps, set_filter(mac, vport_id=vport_id)] if mac else steps


def set_filter(mac: str, *, step: Step | None = None, **members: Any) -> Step:
    """A filter on a MAC address with UNTAGGED_OR_ZERO."""
    field = {"field_value": mac, "flags": ["UNTAGGED_OR_ZERO"]}
    return oid("OID_RECEIVE_FILTER_SET_FILTER", step, field_parameters=[field], **members)


def clear_filter(filter_id: int, queue_id: int = 0) -> Step:
    """CLEAR_FILTER."""
    return oid("OID_RECEIVE_FILTER_CLEAR_FILTER", filter_id=filter_id, queue_id=queue_id)


def rss(vport_id: int | None, table: list[int], default: int) -> Step:
    """RSS generation 1, IPV4 and TCP_IPV4, K1."""
    return oid(
        "OID_GEN_RECEIVE_SCALE_PARAMETERS",
        {} if vport_id is None else {"vport_id": vport_id},
        hash_information=["Toeplitz", "IPV4", "TCP_IPV4"],
        hash_secret_key=K1,
        indirection_table=table,
        default_processor_number=default,
    )


def queue(queue_id: int, affinity: list[int], mac: str, *flags: str) -> list[Step]:
    """A Running queue that gets this id, with a filter that has the VLAN flag."""
    return [
        oid("OID_RECEIVE_FILTER_ALLOCATE_QUEUE", processor_affinity=affinity, flags=list(flags)),
        set_filter(mac, queue_id=queue_id),
        oid("OID_RECEIVE_FILTER_QUEUE_ALLOCATION_COMPLETE", elements=[{"queue_id": queue_id}]),
    ]


def labels(call: dict[str, Any]) -> list[str]:
    """The labels of the NBLs of an indication or completion call."""
    return [nbl["label"] for nbl in call["nbls"]]
