"""`vmmq show`: the state of an adapter, for people and for scripts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import cli
from dataplane.errors import ExitCode

SWITCH = """
name = "host"
[adapter]
rss_processors = ["0:0", "0:1", "0:2", "0:4", "1:0"]
packet_filter = ["directed", "broadcast"]
multicast_list = ["01:00:5e:00:00:01"]
[[vport]]
id = 1
name = "web"
num_queue_pairs = 2
processor_affinity = [0, 1, 2, 4]
  [[vport.filter]]
  mac = "00:15:5d:01:02:0a"
  vlan = 100
  [[vport.filter]]
  mac = "00:15:5d:01:02:0b"
  untagged_or_zero = false
  [vport.rss]
  hash_types = ["ipv4", "udp_ipv4"]
  indirection_table = [4, "1:0"]
  num_indirection_table_entries = 16
  default_processor = 4
[[vport]]
id = 2
processor_affinity = ["1:0"]
"""

QUEUES = """
[adapter]
interface = "vmq"
rss_processors = 4
[[queue]]
id = 1
name = "db"
processor_affinity = [3, 2]
filter = [{ mac = "00:15:5d:01:02:01" }]
[[queue]]
id = 2
processor_affinity = [1]
"""

NATIVE = """
[adapter]
ndis_version = "6.60"
interface = "native-rss"
rss_processors = 4
number_of_receive_queues = 2
[native_rss]
indirection_table = [0, 1, 2, 3]
"""


def show(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, *options: str) -> str:
    """What the command prints for a scenario."""
    file = tmp_path / "x.toml"
    file.write_text(text)
    assert cli.main(["show", str(file), *options]) == ExitCode.DONE
    return capsys.readouterr().out


def document(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str) -> dict[str, Any]:
    """What it prints with `--json`."""
    loaded: dict[str, Any] = json.loads(show(tmp_path, capsys, text, "--json"))
    return loaded


def rows(output: str, title: str) -> list[list[str]]:
    """The lines below a title, split at their columns of two or more blanks, up to the next empty line."""
    block = output.partition(f"\n{title}\n")[2].partition("\n\n")[0]
    return [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in block.splitlines()]


def test_switch_as_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """VPorts and filters in the columns of the Windows tools, every VPort there is (VPT-01, VPT-24, VPT-25, FLT-30)."""
    output = show(tmp_path, capsys, SWITCH)
    assert rows(output, "Get-NetAdapterVPort") == [
        ["Name", "ID", "MacAddress", "VID", "ProcMask", "FID", "State", "QPairs"],
        ["0", "0:0", "PF", "Activated", "1"],
        ["web", "1", "00-15-5D-01-02-0A +1", "100", "0:0-2,0:4", "PF", "Activated", "2"],
        ["vport-2", "2", "1:0", "PF", "Activated", "1"],
    ]
    assert rows(output, "Receive filters") == [
        ["FilterId", "VPort", "MacAddress", "VlanID", "Owner"],
        ["1", "1", "00-15-5D-01-02-0A", "100", "A"],
        ["2", "1", "00-15-5D-01-02-0B", "any", "A"],
    ]
    adapter = [["RssProcessorArray: [Group:Number] : 0:0", "0:1", "0:2", "0:4", "1:0"]]
    assert rows(output, "Get-NetAdapterRss")[-1:] == adapter
    assert "MulticastList : 01-00-5E-00-00-01" in output
    assert "PacketFilter  : directed broadcast" in output


def test_tables_have_rows_of_eight(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Indirection tables as Group:Number, eight to a line; VPorts without RSS have none (RSS-13, RSS-14)."""
    output = show(tmp_path, capsys, SWITCH)
    block = rows(output, "RSS of VPort 1 web")
    eight = ["0:4", "1:0"] * 4
    assert block[-2:] == [["IndirectionTable: [Group:Number] : 0:4", *eight[1:]], eight]
    assert ["HashTypes", ": ipv4 udp_ipv4"] in block
    assert ["DefaultProcessor", ": 0:4"] in block
    assert "RSS of VPort 2" not in output


def test_switch_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The keys of `ethtool -x --json` stand beside our own for each VPort (RSS-01, RSS-24)."""
    found = document(tmp_path, capsys, SWITCH)
    assert (found["name"], found["mode"], found["ndis_version"]) == ("host", "switch", "6.80")
    assert found["rss"]["rss_processors"] == ["0:0", "0:1", "0:2", "0:4", "1:0"]
    _, web, quiet = found["vports"]
    assert web["rss-indirection-table"] == [3, 4] * 8
    assert web["rss-hash-function"] == "toeplitz"
    assert bytes(web["rss-hash-key"]).hex() == web["rss"]["hash_secret_key"]
    assert web["rss"]["hash_secret_key"].startswith("6d5a56da")
    assert web["rss"]["indirection_table"] == ["0:4", "1:0"] * 8
    assert (web["name"], web["filters"], web["owner"], web["state"]) == ("web", [1, 2], "A", "Activated")
    assert (quiet["rss-indirection-table"], quiet["rss-hash-key"], quiet["rss-hash-function"]) == ([], [], None)
    assert quiet["rss"]["enabled"] is False
    assert quiet["primary_processor"] == "1:0"


def test_default_vport_is_the_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The default VPort is on the RSS base processor and has no owner (VPT-13, VPT-23)."""
    default = document(tmp_path, capsys, SWITCH)["vports"][0]
    assert (default["vport_id"], default["primary_processor"], default["owner"]) == (0, "0:0", None)


def test_queues(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The default queue and the allocated ones, running only with a filter (QUE-01, QUE-05, QUE-06, QUE-18, QUE-20)."""
    output = show(tmp_path, capsys, QUEUES)
    assert rows(output, "Get-NetAdapterVmqQueue") == [
        ["Name", "QueueID", "MacAddress", "VlanID", "Processor", "VmFriendlyName", "State"],
        ["default", "0", "0:0", "Running"],
        ["db", "1", "00-15-5D-01-02-01", "untagged", "0:2", "db", "Running"],
        ["queue-2", "2", "0:1", "queue-2", "Paused"],
    ]
    assert rows(output, "Receive filters")[1:] == [["1", "1", "00-15-5D-01-02-01", "untagged", "A"]]
    found = document(tmp_path, capsys, QUEUES)
    assert [(one["queue_id"], one["state"], one["filters"]) for one in found["queues"]] == [
        (0, "Running", []),
        (1, "Running", [1]),
        (2, "Paused", []),
    ]
    assert (found["vports"], found["native_rss"], found["rss"]["enabled"]) == ([], None, False)  # MOD-04


def test_native_rss(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """RSS of the adapter, and the smaller table it uses when hardware queues are short (RSS-26)."""
    block = rows(show(tmp_path, capsys, NATIVE), "RSS of the adapter")
    assert block[-2] == ["IndirectionTable: [Group:Number] : 0:0", "0:1", "0:2", "0:3"]
    assert block[-1] == ["TableInUse: [Group:Number]", ": 0:0", "0:1", "0:0", "0:1"]
    native = document(tmp_path, capsys, NATIVE)["native_rss"]
    assert native["indirection_table"] == ["0:0", "0:1", "0:2", "0:3"]
    assert native["rss-indirection-table"] == [0, 1, 0, 1]


def test_names_are_printed_as_they_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Square brackets in a name are no markup (VPT-19)."""
    assert "[red]web[/]:x:" in show(tmp_path, capsys, SWITCH.replace('"web"', '"[red]web[/]:x:"'))


def test_wrong_scenario_is_findings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An adapter that cannot be set up is not shown: one line for each refusal, and status 2 (VPT-11)."""
    file = tmp_path / "x.toml"
    file.write_text("[[vport]]\nid = 1\nprocessor_affinity = [50]\n[[vport]]\nid = 2\nprocessor_affinity = [51]")
    assert cli.main(["show", str(file)]) == ExitCode.WRONG_INPUT
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.count("(VPT-11)\n") == 2
    assert "x.toml:3: [[vport]] 1 processor_affinity: processor 0:50" in output.err


@pytest.mark.parametrize(
    "arguments",
    [["OID_GEN_VLAN_ID", "--name", "nobody"], ["--name", "nobody", "OID_GEN_VLAN_ID"]],
)
def test_options_stand_on_both_sides_of_an_oid(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`oid` without `send` takes the same arguments as `send`."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert cli.main(["oid", *arguments]) == 2
    assert capsys.readouterr().err == "vmmq: no dataplane nobody runs: start one with vmmq up SCENARIO\n"


def test_members_that_are_no_json(capsys: pytest.CaptureFixture[str]) -> None:
    """The line says what members look like."""
    for members in ("x", "[1]"):
        assert cli.main(["oid", "encode", "OID_RECEIVE_FILTER_CLEAR_FILTER", members]) == 2
        assert 'one JSON object, as {"queue_id": 1}' in capsys.readouterr().err


def test_buffers_there_and_back(capsys: pytest.CaptureFixture[str]) -> None:
    """`oid encode` writes the digits that `oid decode` reads, member by member or as the JSON that `encode` takes."""
    name, members = "OID_RECEIVE_FILTER_CLEAR_FILTER", {"flags": 0, "queue_id": 3, "filter_id": 258}
    assert cli.main(["oid", "encode", name, json.dumps(members)]) == 0
    digits = capsys.readouterr().out.strip()
    assert digits == "80011000" + "00000000" + "03000000" + "02010000"
    assert cli.main(["oid", "decode", name, digits, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert {key: document[key] for key in members} == members
    assert cli.main(["oid", "decode", name, f"0x{digits}"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].split() == ["12", "4", "FilterId", "02010000", "258"]


def test_buffers_that_are_none(capsys: pytest.CaptureFixture[str]) -> None:
    """A malformed buffer is a finding, with the NDIS status under what can be read; other digits are wrong input."""
    assert cli.main(["oid", "decode", "OID_RECEIVE_FILTER_CLEAR_FILTER", "8001"]) == ExitCode.FINDINGS
    assert capsys.readouterr().out.splitlines()[-1].startswith("NDIS_STATUS_INVALID_LENGTH: the buffer is too short")
    for arguments, what in (
        (["decode", "OID_GEN_VLAN_ID", "0x1"], "the buffer is not hexadecimal digits"),
        (["decode", "OID_NOPE", "00"], "'OID_NOPE' is neither a structure nor an OID"),
        (["encode", "OID_RECEIVE_FILTER_CLEAR_FILTER", '{"filter": 1}'], "has no member 'filter'"),
    ):
        assert cli.main(["oid", *arguments]) == ExitCode.WRONG_INPUT
        out, err = capsys.readouterr()
        assert (out, err.count("\n"), what in err) == ("", 1, True), err


def test_verify_takes_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    """Options that have no effect are refused, as arguments are."""
    for options in (["--key", "zz"], ["--type", "ipv4"], ["1.2.3.4"]):
        assert cli.main(["hash", "--verify", *options]) == 2
        assert "leave SRC, DST, --key and --type out" in capsys.readouterr().err


def test_a_request_needs_something_to_set(capsys: pytest.CaptureFixture[str]) -> None:
    """`vmmq rss set` without anything to set is refused before any dataplane is contacted."""
    assert cli.main(["rss", "set", "--vport", "1"]) == 2
    assert capsys.readouterr().err.startswith("vmmq: say what to set: --table")


def test_malformed_lines_are_told_beside_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With --output, the terminal still says that the script was malformed."""
    (tmp_path / "a.jsonl").write_text("x\n")
    assert cli.main(["oracle", str(tmp_path / "a.jsonl"), "--output", str(tmp_path / "out.jsonl")]) == 2
    assert capsys.readouterr() == ("", "vmmq: lines of the script are malformed: their results say why (error)\n")
    assert "not JSON" in (tmp_path / "out.jsonl").read_text()


def test_codes_are_short_too(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`vmmq oid 0x...` is `vmmq oid send 0x...`."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert cli.main(["oid", "0x00010228", "{}"]) == 2
    assert "no dataplane vmmq runs" in capsys.readouterr().err
