"""`vmmq hash`: the hash of a tuple by hand, and the published vectors."""

from __future__ import annotations

import json

import pytest

import cli
from dataplane import hash_tuple
from dataplane.errors import ExitCode
from tests.reference.toeplitz import toeplitz as reference_toeplitz

OFFICIAL = [
    ("66.9.149.187", 2794, "161.142.100.80", 1766, 0x323E8FC2, 0x51CCC178),
    ("38.27.205.30", 48228, "209.142.163.6", 2217, 0x82989176, 0xAFC7327F),
    ("3ffe:2501:200:1fff::7", 2794, "3ffe:2501:200:3::1", 1766, 0x2CC18CD5, 0x40207D3D),
    ("3ffe:1900:4545:3:200:f8ff:fe21:67cf", 44251, "fe80::200:f8ff:fe21:67cf", 38024, 0x4B61E985, 0x02D1FEEF),
]


def run(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    """The JSON document of one call."""
    assert cli.main(["hash", "--json", *arguments]) == ExitCode.DONE
    document: dict[str, object] = json.loads(capsys.readouterr().out)
    return document


@pytest.mark.parametrize(("source", "source_port", "destination", "destination_port", "two", "four"), OFFICIAL)
def test_official_vectors(
    source: str,
    source_port: int,
    destination: str,
    destination_port: int,
    two: int,
    four: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Microsoft's table, with and without ports; the index is the hash's low bits (HSH-04, HSH-06..HSH-14, HSH-27)."""
    family = "ipv6" if ":" in source else "ipv4"
    document = run([source, destination], capsys)
    assert (document["hash_value"], document["hash_type"]) == (f"0x{two:08x}", family)
    ends = [f"[{source}]" if ":" in source else source, f"[{destination}]" if ":" in source else destination]
    document = run([f"{ends[0]}:{source_port}", f"{ends[1]}:{destination_port}"], capsys)
    assert (document["hash_value"], document["hash_type"]) == (f"0x{four:08x}", f"tcp_{family}")
    assert document["hash_value_int"] == four
    assert document["indirection_table_index"] == four % 128


def test_text_output(capsys: pytest.CaptureFixture[str]) -> None:
    """Without --json the same is printed for people."""
    assert cli.main(["hash", "66.9.149.187:2794", "161.142.100.80:1766"]) == ExitCode.DONE
    output = capsys.readouterr().out
    for part in ("0x51ccc178", "tcp_ipv4", "420995bba18e64500aea06e6", "120 of 128"):
        assert part in output


@pytest.mark.parametrize("hash_type", ["udp_ipv4", "UDP_IPV4"])
def test_udp_hash_has_the_value_of_tcp(hash_type: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The same four numbers give the same value; only the type differs (HSH-08)."""
    document = run(["--type", hash_type, "66.9.149.187:2794", "161.142.100.80:1766"], capsys)
    assert (document["hash_value"], document["hash_type"]) == ("0x51ccc178", "udp_ipv4")


def test_two_tuple_type_leaves_ports_out(capsys: pytest.CaptureFixture[str]) -> None:
    """With --type ipv4 only the addresses are hashed (HSH-06)."""
    document = run(["--type", "ipv4", "66.9.149.187:2794", "161.142.100.80:1766"], capsys)
    assert (document["hash_value"], document["input"]) == ("0x323e8fc2", "420995bba18e6450")


def test_symmetric_key_hashes_both_directions_alike(capsys: pytest.CaptureFixture[str]) -> None:
    """6d5a repeated is the symmetric key; Microsoft's key is not symmetric with ports."""
    there, back = ["10.1.2.3:80", "10.9.8.7:12345"], ["10.9.8.7:12345", "10.1.2.3:80"]
    assert (
        run(["--key", "symmetric", *there], capsys)["hash_value"]
        == run(["--key", "symmetric", *back], capsys)["hash_value"]
    )
    assert run(there, capsys)["hash_value"] != run(back, capsys)["hash_value"]


def test_key_as_digits(capsys: pytest.CaptureFixture[str]) -> None:
    """80 hexadecimal digits are a key (RSS-12); an all-zero key hashes everything to 0, which is a hash (HSH-28)."""
    assert run(["--key", "0" * 80, "1.2.3.4:5", "6.7.8.9:10"], capsys)["hash_value"] == "0x00000000"


@pytest.mark.parametrize(
    "arguments",
    [
        ["1.2.3.4:70000", "1.2.3.4:1"],
        ["1.2.3.4:x", "1.2.3.4:1"],
        ["1.2.3", "1.2.3.4"],
        ["[1.2.3.4]:5", "1.2.3.4:1"],
        ["fe80::1%eth0", "fe80::2"],
        ["1.2.3.4", "fe80::2"],
        ["1.2.3.4:1", "1.2.3.4"],
        ["--type", "ipv6", "1.2.3.4", "1.2.3.4"],
        ["--type", "tcp_ipv4", "1.2.3.4", "1.2.3.4"],
        ["--type", "sctp_ipv4", "1.2.3.4", "1.2.3.4"],
        ["--key", "6d5a", "1.2.3.4", "1.2.3.4"],
        ["--verify", "1.2.3.4", "1.2.3.4"],
    ],
)
def test_wrong_tuples_are_one_line(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Input that cannot be hashed gives status 2 and one line."""
    assert cli.main(["hash", *arguments]) == ExitCode.WRONG_INPUT
    assert capsys.readouterr().err.count("\n") == 1


def test_verify_checks_every_published_vector(capsys: pytest.CaptureFixture[str]) -> None:
    """8 official tuples twice, 20 of NVIDIA, 37 of VPP and 21 derived ones, all right (HSH-04, HSH-05)."""
    document = run(["--verify"], capsys)
    assert (document["checked"], document["failed"]) == (16 + 20 + 37 + 21, 0)


def test_verify_fails_when_the_hash_is_wrong(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One wrong vector is enough for status 1, and it is marked."""
    right = hash_tuple.toeplitz
    monkeypatch.setattr(hash_tuple, "toeplitz", lambda key, data: right(key, data) ^ (len(data) == 36))
    assert cli.main(["hash", "--verify"]) == ExitCode.FINDINGS
    assert "WRONG" in capsys.readouterr().out


@pytest.mark.parametrize("length", [0, 1, 8, 12, 32, 36])
def test_plain_toeplitz_is_the_reference(length: int) -> None:
    """The quick one-tuple hash and the bit-by-bit reference agree on bytes that follow no pattern (HSH-04)."""
    data = bytes((i * 151 + 29) % 256 for i in range(length))
    key = bytes((i * 97 + 5) % 256 for i in range(40))
    assert hash_tuple.toeplitz(key, data) == reference_toeplitz(data, key)


def test_key_that_is_too_short_is_refused() -> None:
    """A 40-byte key hashes at most 36 bytes (HSH-05)."""
    with pytest.raises(ValueError, match="cannot hash 37 bytes"):
        hash_tuple.toeplitz(bytes(40), bytes(37))


def test_everything_wrong_is_told_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    """A line for each argument that is wrong, exit status 2."""
    assert cli.main(["hash", "a", "1.2.3.4:x", "--key", "zz", "--type", "foo"]) == ExitCode.WRONG_INPUT
    lines = capsys.readouterr().err.splitlines()
    assert [line.split()[1].rstrip(":") for line in lines] == ["'a'", "'1.2.3.4:x'", "'zz'", "'foo'"]
