"""Several NICs in one scenario as users of the command line see them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import cli
from tests.scenario.test_adapters import TWO

NAMES = ("left", "right")
FRAME = "00155d01020100155d00009908004500002812340000400654980a0100010a0100020400005000000001000000015010ffff977e0000"


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two NICs in a file; the working directory is where it lies."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "pair.toml"
    path.write_text(TWO.replace("[run]", "[run]\nper_packet = true"))
    return path


def vmmq(*arguments: object) -> int:
    """Run a command in this process; its exit status."""
    return cli.main([str(argument) for argument in arguments])


def content(directory: Path) -> dict[str, Any]:
    """Every file of a run directory as bytes; the summary without measured times."""
    files: dict[str, Any] = {path.name: path.read_bytes() for path in directory.iterdir()}
    summary = json.loads(files["summary.json"])
    del summary["wall"]
    return files | {"summary.json": summary}


def test_every_nic_writes_what_it_writes_alone(pair: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each directory holds the bytes of a run of that NIC alone: by name, or from its resolved scenario (ENG-05)."""
    assert vmmq("run", pair, "--out", "both") == 0
    for name in NAMES:
        assert vmmq("run", pair, "--adapter", name, "--out", f"{name}-alone") == 0
        assert vmmq("run", f"both/{name}/scenario.toml", "--out", f"{name}-again") == 0
        both = content(Path("both") / name)
        assert {"packets.parquet", "control.journal", "updates.json"} <= both.keys()
        assert both == content(Path(f"{name}-alone")) == content(Path(f"{name}-again"))
    assert sorted(path.name for path in Path("both").iterdir()) == ["left", "right", "scenario.toml", "summary.json"]
    assert vmmq("run", "both/scenario.toml", "--out", "again") == 0
    assert content(Path("both/left")) == content(Path("again/left"))
    assert Path("both/scenario.toml").read_bytes() == Path("again/scenario.toml").read_bytes()
    capsys.readouterr()
    assert vmmq("run", "--replay", "both/right", "--out", "repeated") == 0
    assert content(Path("both/right")) == content(Path("repeated"))


def test_summary_of_the_whole(pair: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The summary adds up, names every NIC, and a check holds if it holds for all NICs; --json prints the summary."""
    assert vmmq("run", pair, "--out", "both", "--json") == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary == json.loads(Path("both/summary.json").read_text())
    own = [json.loads(Path("both", name, "summary.json").read_text()) for name in NAMES]
    assert summary["scenario"] == "pair"
    assert summary["arrived"] == sum(one["arrived"] for one in own) == 500
    assert summary["completed"] == sum(one["completed"] for one in own)
    assert summary["dropped"].get("queue_full", 0) == sum(one["dropped"].get("queue_full", 0) for one in own)
    for entry, one in zip(summary["adapters"], own, strict=True):
        assert entry["name"] == one["scenario"]
        assert all(one[key] == value for key, value in entry.items() if key != "name")
    assert [entry["name"] for entry in summary["adapters"]] == list(NAMES)
    assert summary["checks"]["updates_as_expected"]
    assert summary["wall"]["engine"] == "inline"


def test_failed_check_of_one_is_one_of_the_whole(pair: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An event that does not end as it says makes the run end with status 1, and the screen names the NIC."""
    pair.write_text(TWO + '  expect = "NDIS_STATUS_NO_QUEUES"\n')
    assert vmmq("run", pair, "--out", "both") == 1
    output = capsys.readouterr().out
    assert "2 NICs, 500 frames" in output
    assert "failed: updates_as_expected of right" in output
    summary = json.loads(Path("both/summary.json").read_text())
    assert not summary["checks"]["updates_as_expected"]
    assert summary["adapters"][0]["checks"]["updates_as_expected"]


def test_show(pair: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`show` prints all adapters one after the other, or the named one."""
    assert vmmq("show", pair, "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert [one["name"] for one in document["adapters"]] == list(NAMES)
    assert vmmq("show", pair, "--json", "--adapter", "right") == 0
    assert json.loads(capsys.readouterr().out) == document["adapters"][1]
    assert vmmq("show", pair) == 0
    output = capsys.readouterr().out
    assert output.index("left") < output.index("right")


def test_commands_that_take_one_nic(pair: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Commands for one NIC list the names in one line, and take the named NIC."""
    for command in (
        ("explain", FRAME, "--config", pair),
        ("steer", "x.pcap", "--config", pair),
        ("up", pair),
        ("policy", "compare", "none", "lpt", pair),
    ):
        assert vmmq(*command) == 2, command
        assert (
            capsys.readouterr().err
            == f"vmmq: {pair} has the NICs left, right, and this takes one: name it with --adapter\n"
        )
    assert vmmq("run", pair, "--capture", "x.pcap") == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert vmmq("explain", FRAME, "--config", pair, "--adapter", "left", "--json") == 0
    assert json.loads(capsys.readouterr().out)["vport_id"] == 1
    compared = ("none", "lpt", pair, "--adapter", "left", "--seeds", "2", "--tick-ns", "100000")
    assert vmmq("policy", "compare", *compared, "--json") == 0
    assert json.loads(capsys.readouterr().out)["scenario"] == "left"
    assert vmmq("steer", "x.pcap", "--config", pair, "--adapter", "middle") == 2
    assert "no NIC middle: left, right" in capsys.readouterr().err


def test_what_cannot_be_done_with_several(pair: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line each, exit status 2, nothing written."""
    assert vmmq("run", pair, "--out", "both") == 0
    capsys.readouterr()
    assert vmmq("run", "--replay", "both") == 2
    assert "repeat one of them, both/left, or run both/scenario.toml again" in capsys.readouterr().err
    assert vmmq("run", "--replay", "both/left", "--adapter", "left") == 2
    assert vmmq("show", "some-name", "--adapter", "left") == 2
    pair.write_text(
        TWO.replace('profile = "zipf"\npackets = 300\nzipf_s = 1.5', 'capture = "-"').replace(
            'profile = "uniform"\n  packets = 200', 'capture = "-"'
        )
    )
    capsys.readouterr()
    assert vmmq("run", pair, "--out", "third") == 2
    assert "left and right read standard input" in capsys.readouterr().err
    pair.write_text("[[adapter]]\n[[adapter]]\n")
    assert vmmq("run", pair, "--out", "third") == 2
    assert capsys.readouterr().err.startswith(f"vmmq: {pair}: there is no [traffic]")
    assert not Path("third").exists()


def test_wrong_values_for_all_are_found(pair: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An invalid seed for all NICs is a finding even if every NIC has its own seed."""
    pair.write_text(
        "[run]\nseed = -1\n"
        + "".join(f'[[adapter]]\nname = "{name}"\n[adapter.run]\nseed = 1\n' for name in ("left", "right"))
    )
    assert vmmq("show", pair) == 2
    assert capsys.readouterr().err == f"vmmq: {pair}:2: [run] seed: must be at least 0, not -1\n"


def test_scale_takes_one_nic(pair: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The line names the replacement for --adapter."""
    assert vmmq("scale", pair, "--nics", "2") == 2
    assert "--nics runs copies of it side by side" in capsys.readouterr().err
