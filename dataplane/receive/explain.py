"""One frame, step by step: what was tried, the result, and the rule of each step.

The steering kernel computes the outcome; this module only explains it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from dataplane.ids import format_mac
from dataplane.kernels import parse as classes
from dataplane.kernels.encapsulation import look_inside_frame
from dataplane.kernels.parse import parse_frame
from dataplane.kernels.work import TRANSMIT
from dataplane.receive.steering import steer_batch, steered_row
from dataplane.receive.work import WorkColumns, new_work_columns
from dataplane.switch.configuration import Filter, MacField, Mode, Test
from dataplane.switch.snapshot import HASH_KIND_NAMES, SteeringSnapshot
from dataplane.traffic.batch import FrameBatch

_TEST_WORDS = {Test.EQUAL: "equals", Test.MASK_EQUAL: "masked by", Test.NOT_EQUAL: "is not"}
_CLASS_NAMES = {
    classes.IPV4: "IPv4 without usable ports",
    classes.IPV4_TCP: "TCP over IPv4",
    classes.IPV4_UDP: "UDP over IPv4",
    classes.IPV6: "IPv6 without usable ports",
    classes.IPV6_TCP: "TCP over IPv6",
    classes.IPV6_UDP: "UDP over IPv6",
    classes.IPV6_EX: "IPv6 with a home address or type 2 routing header, without usable ports",
    classes.IPV6_EX_TCP: "TCP over IPv6 with a home address or type 2 routing header",
    classes.IPV6_EX_UDP: "UDP over IPv6 with a home address or type 2 routing header",
}


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the explanation."""

    step: str  # frame, filter, target, headers, hash, index, processor, out-of-band
    rule: str  # the rule it follows
    text: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """All steps, the rule that decided the processor (or the drop), and the frame's work columns (one row)."""

    steps: tuple[Step, ...]
    rule: str
    batch: FrameBatch
    work: WorkColumns


def explain(snapshot: SteeringSnapshot, batch: FrameBatch, *, transmit_by_source: bool) -> Explanation:
    """Explain the one frame of `batch`."""
    work = new_work_columns(1)
    steer_batch(batch, snapshot, work, transmit_by_source=transmit_by_source)
    steps = tuple(_steps(snapshot, batch, work))
    return Explanation(steps, steps[-2].rule if steps[-1].step == "out-of-band" else steps[-1].rule, batch, work)


def _steps(snapshot: SteeringSnapshot, batch: FrameBatch, work: WorkColumns) -> Iterator[Step]:
    frame = batch.frame(0)
    wire_length = int(batch.wire_length[0])
    data = np.frombuffer(frame or b"\0", np.uint8)[: len(frame)]
    tagged, tci, ether_type, l3, kind, source, destination, ports, _, home, routing = parse_frame(data, wire_length)
    cut = "" if len(frame) == wire_length else f" ({len(frame)} captured)"
    if l3 < 0:
        yield Step(
            "frame", "MOD-10", f"{wire_length} bytes{cut} are too few for the addresses, EtherType and tag: runt"
        )
        return
    address, sender = int.from_bytes(frame[:6], "big"), int.from_bytes(frame[6:12], "big")
    vid = tci & 0xFFF
    tag = f"tag VID {vid} priority {tci >> 13}" if tagged else "untagged"
    # a frame may end behind its tag
    what_follows = f"EtherType 0x{ether_type:04x}" if len(frame) >= l3 else "no EtherType"
    text = f"{wire_length} bytes{cut}, to {format_mac(address)} from {format_mac(sender)}, {tag}, {what_follows}"
    yield Step("frame", "MOD-10", text)

    if snapshot.configuration.inner_headers:
        inside = look_inside_frame(data, l3, wire_length, ether_type)
        header, kind, source, destination, ports, home, routing = inside
        if header:
            address = int.from_bytes(frame[header : header + 6], "big")
            sender = int.from_bytes(frame[header + 6 : header + 12], "big")
            yield Step(
                "encapsulation", "HSH-30", f"inside is a frame to {format_mac(address)} from {format_mac(sender)}"
            )
    is_send = bool(work.flags[0] & TRANSMIT)
    yield from _filter_steps(snapshot, sender if is_send else address, vid, tagged, work, is_send=is_send)
    row = steered_row(snapshot, work, 0)
    if row.drop_reason is not None:
        yield Step(
            "target", "RX-07", f"no filter passed and the packet filter lets it not in: dropped, {row.drop_reason}"
        )
        return
    what = "VPort" if snapshot.configuration.mode is Mode.SWITCH else "queue"
    name = snapshot.target_names[int(work.target[0])]
    if is_send:
        yield Step(
            "target", "TX-06", f"its source address is in filter {row.filter_id}: a send of {what} {row.target_id}"
        )
    elif row.filter_id:
        yield Step("target", "RX-01", f"{what} {row.target_id} ({name}) by filter {row.filter_id}")
    else:
        yield Step("target", "RX-07", f"no filter passed, the packet filter lets it in: default {what} {row.target_id}")

    if kind == classes.UNPARSEABLE:
        if ether_type in (0x0800, 0x86DD):
            yield Step("headers", "HSH-22", "the IP headers cannot be interpreted: nothing to hash")
        else:
            yield Step("headers", "HSH-21", f"{what_follows}: not IP, nothing to hash")
    else:
        yield Step("headers", "HSH-09", _CLASS_NAMES[kind])
    yield from _hash_steps(snapshot, frame, work, kind, (source, destination, ports, home, routing))
    yield _processor_step(snapshot, work, is_send)
    hash_info = f"0x{int(row.hash_type) | (1 if row.hash_type else 0):08x}"
    yield Step(
        "out-of-band",
        "RX-17",
        f"8021Q 0x{row.oob_8021q:08x}, hash info {hash_info}, hash value 0x{row.hash_value:08x}, "
        f"filtering info 0x{(row.target_id or 0) << 16:08x}",
    )


def _filter_steps(
    snapshot: SteeringSnapshot, address: int, vid: int, tagged: bool, work: WorkColumns, *, is_send: bool
) -> Iterator[Step]:
    configuration = snapshot.configuration
    what = "VPort" if configuration.mode is Mode.SWITCH else "queue"
    known = set(snapshot.target_ids)
    waiting = {vport.vport_id for vport in configuration.vports if not vport.activated} | {
        queue.queue_id for queue in configuration.queues if not queue.running
    }
    found = ""  # a send whose tag fits no filter of its source address is found by the address alone, afterwards
    for one in sorted(configuration.filters, key=lambda f: (f.target_id == 0, f.target_id, f.filter_id)):
        where = f"filter {one.filter_id} on {what} {one.target_id}"
        if one.target_id in waiting or one.target_id not in known:
            yield Step("filter", "RX-03", f"{where}: attracts no frames in this state")
            continue
        if is_send and not any(t.field is not MacField.VLAN_ID and t.test is Test.EQUAL for t in one.tests):
            yield Step("filter", "TX-06", f"{where}: names no address")
            continue
        rule, failed = _first_failure(one, address, vid, tagged)
        if one.filter_id == int(work.filter_id[0]):
            if rule == "FLT-32":
                yield Step("filter", rule, f"{where}: {_describe(one, is_send)}: passes")
                return
            found = f"{where}: source is {format_mac(address)}, and no filter of it fits the tag: passes"
        yield Step("filter", rule, f"{where}: {failed}")
    if found:
        yield Step("filter", "TX-06", found)


def _first_failure(one: Filter, address: int, vid: int, tagged: bool) -> tuple[str, str]:
    for test in one.tests:
        is_vlan = test.field is MacField.VLAN_ID
        value = vid if is_vlan else address
        passes = {
            Test.EQUAL: value == test.value,
            Test.MASK_EQUAL: value & test.value == test.result,
            Test.NOT_EQUAL: value != test.value,
        }[test.test]
        wanted = f"{_TEST_WORDS[test.test]} {test.value if is_vlan else format_mac(test.value)}"
        if is_vlan and vid == 0:
            return "FLT-28" if tagged else "FLT-22", f"VLAN {wanted}? the frame has no VLAN id"
        if not passes:
            if is_vlan:
                return "FLT-22", f"VLAN {wanted}? it is {vid}"
            return "FLT-15", f"address {wanted}? it is {format_mac(value)}"
    if one.untagged_or_zero and vid:
        return "FLT-17", f"untagged or VLAN 0? it is VLAN {vid}"
    return "FLT-32", "passes"


def _describe(one: Filter, is_send: bool) -> str:
    side = "source" if is_send else "destination"
    tests = [
        f"VLAN {_TEST_WORDS[t.test]} {t.value}"
        if t.field is MacField.VLAN_ID
        else f"{side} {_TEST_WORDS[t.test]} {format_mac(t.value)}"
        for t in one.tests
    ]
    return " and ".join([*tests, *(["untagged or VLAN 0"] if one.untagged_or_zero else [])])


def _hash_steps(
    snapshot: SteeringSnapshot, frame: bytes, work: WorkColumns, kind: int, found: tuple[int, int, int, int, int]
) -> Iterator[Step]:
    target = snapshot.arrays.targets[int(work.target[0])]
    if not target["has_hash"]:
        yield Step("hash", "RX-14", "RSS is off here: no hash")
        return
    hash_kind = int(work.hash_kind[0])
    if not hash_kind:
        rule = "HSH-21" if kind != classes.UNPARSEABLE else "RX-13"
        yield Step("hash", rule, "no enabled hash type fits the packet: no hash")
        return
    name = HASH_KIND_NAMES[hash_kind]
    source, destination, ports, home, routing = found
    length = 4 if kind < classes.IPV6 else 16
    if name.endswith("_ex"):
        source = home if home >= 0 else source
        destination = routing if routing >= 0 else destination
    data = frame[source : source + length] + frame[destination : destination + length]
    if name.startswith(("tcp", "udp")):
        data += frame[ports : ports + 4]
    rule = {"ipv4": "HSH-06", "tcp_ipv4": "HSH-07", "udp_ipv4": "HSH-08", "ipv6": "HSH-12", "tcp_ipv6": "HSH-13"}.get(
        name, "HSH-14" if name == "udp_ipv6" else "HSH-16"
    )
    yield Step("hash", rule, f"{name} over {data.hex()} = 0x{int(work.hash_value[0]):08x}")
    if target["spread"]:
        mask = int(target["table_mask"])
        index = int(work.table_index[0])
        yield Step("index", "HSH-27", f"0x{int(work.hash_value[0]):08x} & {mask} = entry {index} of {mask + 1}")


def _processor_step(snapshot: SteeringSnapshot, work: WorkColumns, is_send: bool) -> Step:
    target = snapshot.arrays.targets[int(work.target[0])]
    processor = snapshot.processors[int(work.processor[0])]
    queue = snapshot.configuration.mode is Mode.VMQ
    if not target["spread"]:
        rule = ("TX-09" if queue else "TX-05") if is_send else "RX-14"
        return Step(
            "processor", rule, f"{processor}, the primary processor" if not queue else f"{processor}, the queue's"
        )
    if not work.hash_kind[0]:
        return Step("processor", "TX-02" if is_send else "RX-13", f"{processor}, the default RSS processor")
    return Step("processor", "TX-01" if is_send else "RX-12", f"{processor}, named by the indirection table")
