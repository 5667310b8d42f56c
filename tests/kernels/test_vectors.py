"""The kernels against every published vector: Toeplitz values, whole packets, 802.1Q out-of-band data."""

from __future__ import annotations

import numpy as np
import pytest

from dataplane.ids import NdisVersion, ProcessorNumber
from dataplane.kernels.toeplitz import toeplitz, toeplitz_table
from dataplane.oracle.steering import KernelSteering
from dataplane.receive.steering import SteeredFrame
from dataplane.switch.configuration import AdapterConfiguration, HashType, Mode, RssState, VPort
from tests.reference.vectors import KEYS, OFFICIAL_HASHES, OTHER_HASHES, OUT_OF_BAND, PACKETS, HashVector, PacketVector

ZERO = ProcessorNumber(0, 0)


def one_vport(key: bytes, hash_types: HashType) -> AdapterConfiguration:
    """The default VPort alone, hashing into a table of 128 entries of one processor."""
    rss = RssState(True, hash_types, key, (ZERO,) * 128, ZERO)
    return AdapterConfiguration(
        mode=Mode.SWITCH,
        ndis_version=NdisVersion(6, 80),
        rss_processors=(ZERO,),
        rss_base_processor=ZERO,
        permanent_address=0x00155D000001,
        vports=(VPort(0, True, ZERO, rss),),
    )


def steer_one(key: bytes, hash_types: HashType, frame: bytes) -> SteeredFrame:
    """Steer one whole frame through that VPort."""
    return KernelSteering(one_vport(key, hash_types), 0).steer(frame, len(frame))


@pytest.mark.parametrize("vector", [*OFFICIAL_HASHES, *OTHER_HASHES], ids=lambda vector: vector.name)
def test_toeplitz_kernel(vector: HashVector) -> None:
    """The byte-table hash has the published value (HSH-04, HSH-05)."""
    out = np.zeros(1, np.uint32)
    data = np.frombuffer(vector.data, np.uint8).reshape(1, -1)
    toeplitz(toeplitz_table(vector.key).reshape(-1), data, out)
    assert int(out[0]) == vector.hash_value


@pytest.mark.parametrize("vector", PACKETS, ids=lambda vector: vector.name)
def test_packet_vectors(vector: PacketVector) -> None:
    """A whole frame gets the hash, the recorded type and the index of its vector (HSH-01 to HSH-29, HSH-27, RX-17)."""
    steered = steer_one(vector.key, HashType(vector.enabled_types), vector.frame)
    assert (int(steered.hash_type), steered.hash_value) == (vector.hash_type, vector.hash_value)
    assert steered.entry == (vector.hash_value & 127 if vector.hash_type else None)


def test_all_packet_vectors_are_there() -> None:
    """There are 31 of them."""
    assert len(PACKETS) == 31


@pytest.mark.parametrize("vector", OUT_OF_BAND, ids=str)
def test_out_of_band_packing(vector: object) -> None:
    """A tag goes to the 8021Q OOB in the order of the structure, not of the wire (RX-10)."""
    tci, expected = vector.tci, vector.out_of_band  # type: ignore[attr-defined]
    frame = bytes(12) + b"\x81\x00" + tci.to_bytes(2, "big") + b"\x08\x06" + bytes(46)
    steered = steer_one(KEYS["ms_default"], HashType.IPV4, frame)
    assert steered.oob_8021q == expected
    assert steered.tagged
