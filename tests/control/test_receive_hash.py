"""OID_GEN_RECEIVE_HASH."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from dataplane.switch.configuration import HashType, RssState
from tests.control.host import INVALID_LENGTH, INVALID_PARAMETER, K1, K2, NOT_SUPPORTED, SUCCESS, Answer, Host

HASH = "OID_GEN_RECEIVE_HASH"
TYPES = ["Toeplitz", "IPV4", "TCP_IPV4"]


def enable(host: Host, **members: Any) -> Answer:
    """Enable hashing with K1."""
    given = {"flags": ["ENABLE_HASH"], "hash_information": TYPES, "hash_secret_key": K1, **members}
    return host.oid(HASH, **given)


@pytest.fixture
def host() -> Host:
    """Native mode."""
    return Host("CFG-T")


def test_it_hashes_without_spreading(host: Host) -> None:
    """Hash parameters are set, RSS stays off (RSS-23)."""
    assert enable(host) == SUCCESS
    configuration = host.control.configuration
    assert configuration.receive_hash == RssState(True, HashType.IPV4 | HashType.TCP_IPV4, bytes.fromhex(K1))
    assert not configuration.native_rss.enabled
    answer = host.oid(HASH)
    assert (answer["flags"], answer["hash_information"], answer["hash_secret_key"]) == (["ENABLE_HASH"], TYPES, K1)
    assert not answer.reached_miniport  # OID-08
    assert host.oid(HASH, flags=[]) == SUCCESS
    answer = host.oid(HASH)
    assert (answer["flags"], answer["hash_information"], answer["hash_secret_key"]) == ([], [], "")  # RSS-08


def test_it_excludes_rss(host: Host) -> None:
    """Enabling one while the other is enabled fails; disabling is always possible (RSS-22, ERR-35)."""
    enable(host)
    assert host.rss(None, [2, 4]) == NOT_SUPPORTED
    assert host.rss(None, [2, 4], hash_secret_key="00") == NOT_SUPPORTED  # the feature comes before the lengths
    assert host.rss(None, flags=["DISABLE_RSS"]) == SUCCESS
    assert host.oid(HASH, flags=[]) == SUCCESS
    assert host.rss(None, [2, 4]) == SUCCESS
    assert enable(host) == NOT_SUPPORTED
    assert host.oid(HASH, flags=[]) == SUCCESS


def test_it_excludes_rssv2() -> None:
    """The same for the parameters of generation 2 (RSS-22)."""
    host = Host("CFG-2", switch=None)
    assert enable(host) == SUCCESS
    assert host.enable2(None) == NOT_SUPPORTED
    assert host.rss2(None) == SUCCESS
    host.oid(HASH, flags=[])
    assert host.enable2(None) == SUCCESS
    assert enable(host) == NOT_SUPPORTED


@pytest.mark.parametrize(
    ("preset", "enable_rss"), [("CFG-S", partial(Host.rss, table=[2, 4])), ("CFG-2", Host.enable2)]
)
def test_a_switch_makes_it_dormant(preset: str, enable_rss: Callable[[Host, int | None], Answer]) -> None:
    """With a switch it does not prevent RSS on VPorts, and is in force again without the switch (RSS-22, RSS-23)."""
    host = Host(preset, switch=None)
    assert enable(host) == SUCCESS
    assert host.create_switch() == SUCCESS
    assert enable_rss(host, 0) == SUCCESS
    assert host.delete_switch() == SUCCESS
    assert host.control.configuration.receive_hash.enabled
    assert enable_rss(host, None) == NOT_SUPPORTED


def test_unchanged_flags(host: Host) -> None:
    """A parameter flagged unchanged must exist; disabling deletes it (RSS-08)."""
    assert enable(host, flags=["ENABLE_HASH", "HASH_KEY_UNCHANGED"]) == INVALID_PARAMETER
    assert enable(host, flags=["ENABLE_HASH", "HASH_INFO_UNCHANGED"]) == INVALID_PARAMETER
    enable(host)
    assert enable(host, flags=["ENABLE_HASH", "HASH_INFO_UNCHANGED"], hash_secret_key=K2) == SUCCESS
    assert host.control.configuration.receive_hash.hash_secret_key == bytes.fromhex(K2)
    assert enable(host, flags=["ENABLE_HASH", "HASH_KEY_UNCHANGED"], hash_information=["Toeplitz", "IPV4"]) == SUCCESS
    assert host.control.configuration.receive_hash.hash_types == HashType.IPV4
    host.oid(HASH, flags=[])
    assert host.control.configuration.receive_hash == RssState()


@pytest.mark.parametrize(
    ("members", "status"),
    [
        ({"hash_secret_key": "00"}, INVALID_LENGTH),
        ({"hash_secret_key_offset": 4000}, INVALID_LENGTH),
        ({"hash_information": ["Toeplitz"]}, INVALID_PARAMETER),
        ({"hash_information": ["Toeplitz", "UDP_IPV4"]}, INVALID_PARAMETER),
        ({"hash_information": ["Reserved1", "IPV4"]}, NOT_SUPPORTED),
    ],
)
def test_bad_members(host: Host, members: dict[str, Any], status: object) -> None:
    """The checks of RSS parameters (RSS-06, RSS-12, HSH-31)."""
    assert enable(host, **members) == status
    assert not host.control.configuration.receive_hash.enabled


def test_only_in_native_mode() -> None:
    """With a switch or a queue it is not supported (RSS-22)."""
    assert enable(Host("CFG-S")) == NOT_SUPPORTED
    queues = Host("CFG-Q")
    queues.queue([4])
    assert enable(queues) == NOT_SUPPORTED
