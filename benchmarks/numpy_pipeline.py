"""The steering of the fused kernel in plain numpy, as a careful numpy user would write it.

It does much less than the kernel: no VLAN-only or masked filters, no extension headers, no send side, no flow key. For
IPv4, and for IPv6 without extension headers, tagged or not, it gives the same results.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from dataplane.kernels.parse import CLASSES, IPV4, IPV4_TCP, IPV4_UDP, IPV6, IPV6_TCP, IPV6_UDP, UNPARSEABLE
from dataplane.kernels.steer import CLASSES_BYTES
from dataplane.kernels.toeplitz import toeplitz_table
from dataplane.switch.snapshot import DEFAULT_SLOT, PRIMARY_SLOT, SLOTS_PER_TARGET, SteeringSnapshot
from dataplane.traffic.batch import FrameBatch


class Steered(NamedTuple):
    """The columns of the result."""

    target: npt.NDArray[np.int64]
    hash_value: npt.NDArray[np.uint32]
    processor: npt.NDArray[np.uint16]


def steer_with_numpy(batch: FrameBatch, snapshot: SteeringSnapshot) -> Steered:
    """Steer a batch with whole-column operations; at least 64 bytes of every frame must be captured."""
    arrays = snapshot.arrays
    head = batch.data[batch.frame_start[:, np.newaxis] + np.arange(64)]
    address = _big_endian(head[:, :6])
    tagged = (head[:, 12] == 0x81) & (head[:, 13] == 0)
    l3 = np.where(tagged, 18, 14)
    vid = np.where(tagged, (head[:, 14].astype(np.int64) & 15) << 8 | head[:, 15], 0)
    rows = np.arange(len(batch))
    ether_type = head[rows, l3 - 2].astype(np.int64) << 8 | head[rows, l3 - 1]

    used = arrays.macs[arrays.macs["key"] != 0]
    keys = used["key"] >> np.uint64(16)
    by_key = np.argsort(keys)
    at = np.minimum(np.searchsorted(keys[by_key], address), len(keys) - 1)
    found = keys[by_key][at] == address
    filters = arrays.filters[used["first"][by_key][at]]
    passes = np.where(
        filters["vlan_test"] == 1, vid == 0, np.where(filters["vlan_test"] == 2, vid == filters["vlan_id"], True)
    )
    target = np.where(found & passes, filters["classes"] // CLASSES_BYTES, 0)

    kind = np.full(len(batch), UNPARSEABLE)
    is_v4, is_v6 = ether_type == 0x0800, ether_type == 0x86DD
    protocol = head[rows, l3 + np.where(is_v6, 6, 9)]
    fragment = (head[rows, l3 + 6].astype(np.int64) & 0x3F) << 8 | head[rows, l3 + 7]
    tcp, udp = protocol == 6, protocol == 17
    whole = fragment == 0
    kind[is_v4] = IPV4
    kind[is_v4 & tcp & whole] = IPV4_TCP
    kind[is_v4 & udp & whole] = IPV4_UDP
    kind[is_v6] = IPV6
    kind[is_v6 & tcp] = IPV6_TCP
    kind[is_v6 & udp] = IPV6_UDP
    hash_kind = arrays.class_rows["hash_kind"].reshape(-1, CLASSES)[target, kind]

    targets = arrays.targets[target]
    tables = _tables(snapshot.hash_secret_keys)
    key_first = 36 * 256 * arrays.class_rows["key"].reshape(-1, CLASSES)[target, 0].astype(np.int64)
    value = np.zeros(len(batch), np.uint32)
    with_ports = np.isin(hash_kind, (2, 3, 5, 6))
    for mask, first, count, ports_at in ((is_v4, 12, 8, 8), (is_v6, 8, 32, 32)):
        chosen = np.flatnonzero(mask & (hash_kind != 0))
        if not len(chosen):
            continue
        start, key = l3[chosen] + first, key_first[chosen]
        for i in range(count):
            value[chosen] ^= tables[key + i * 256 + head[chosen, start + i]]
        four = np.flatnonzero(mask & with_ports)
        header = np.where(is_v4[four], (head[four, l3[four]].astype(np.int64) & 15) * 4, 40)
        start, key = l3[four] + header, key_first[four]
        for i in range(4):
            value[four] ^= tables[key + (ports_at + i) * 256 + head[four, np.minimum(start + i, 63)]]

    not_hashed = np.where(targets["spread"], DEFAULT_SLOT, PRIMARY_SLOT)
    slot = np.where(targets["spread"] & (hash_kind != 0), value & targets["table_mask"], not_hashed)
    return Steered(target, value, arrays.slot_processors[target * SLOTS_PER_TARGET + slot])


def _big_endian(octets: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint64]:
    value = np.zeros(len(octets), np.uint64)
    for i in range(octets.shape[1]):
        value = (value << np.uint64(8)) | octets[:, i]
    return value


@lru_cache(maxsize=1)
def _tables(keys: tuple[bytes, ...]) -> npt.NDArray[np.uint32]:
    """The byte tables of the keys, made only once, as in a driver."""
    return np.concatenate([toeplitz_table(key).reshape(-1) for key in keys])
