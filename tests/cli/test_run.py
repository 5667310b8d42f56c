"""`vmmq run`, `steer` and `explain` as users see them."""

from __future__ import annotations

import gzip
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

import cli
from dataplane import commands, frame_commands
from dataplane.control.journal import JOURNAL_NAME, recover
from dataplane.receive.steering import steer_batch
from dataplane.traffic.batch import FRAME_SCHEMA
from tests.batches import batch_of
from tests.traffic.captures import Pcapng, packets, pcap

SCENARIO = """
name = "two-vms"
[adapter]
rss_processors = 4
packet_filter = ["directed", "broadcast"]
[[vport]]
id = 1
name = "web"
num_queue_pairs = 2
processor_affinity = [1, 2]
  [[vport.filter]]
  mac = "00:15:5d:01:02:01"
  vlan = 100
  [vport.rss]
  indirection_table = [1, 2]
[[vport]]
id = 2
processor_affinity = [3]
  [[vport.filter]]
  mac = "00:15:5d:01:02:02"
[traffic]
profile = "uniform"
packets = 3000
flows = 50
rate_pps = 1_000_000
"""

TCP = "08004500002812340000400654980a0100010a0100020400005000000001000000015010ffff977e0000"
TAGGED = bytes.fromhex("00155d01020100155d00009981000064" + TCP)
UNTAGGED = bytes.fromhex("00155d01020200155d000099" + TCP)
SENT = bytes.fromhex("00155d00009900155d010202" + TCP)
STRANGER = bytes.fromhex("00155d0102ff00155d000099" + TCP)


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    """The scenario above, in a file."""
    path = tmp_path / "two-vms.toml"
    path.write_text(SCENARIO)
    return path


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    """Five frames as an Arrow file: tagged, untagged, sent, unwanted, runt."""
    path = tmp_path / "frames.arrow"
    batch = batch_of([TAGGED, UNTAGGED, SENT, STRANGER, b"\1\2\3"]).to_arrow()
    with pa.ipc.new_file(path, FRAME_SCHEMA) as writer:
        writer.write_batch(batch)
    return path


def vmmq(*arguments: object) -> int:
    """Run a command in this process; its exit status."""
    return cli.main([str(argument) for argument in arguments])


def test_run_writes_a_run_directory(scenario: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every promised file is there, tables carry a schema version, the screen says where the results are (ENG-05)."""
    out = tmp_path / "results"
    assert vmmq("run", scenario, "--out", out) == 0
    screen = capsys.readouterr().out
    assert f"results in {out}" in screen
    for heading in ("VPortId", "Processor", "p99.9 us", "balance", "checks"):
        assert heading in screen
    summary = json.loads((out / "summary.json").read_text())
    assert summary["arrived"] == 3000 == summary["completed"] + sum(summary["dropped"].values())
    assert summary["scenario"] == "two-vms"
    for name in ("processors", "vports", "entries", "windows", "updates"):
        table = pyarrow.parquet.read_table(out / f"{name}.parquet")
        assert table.schema.metadata[b"vmmq.schema_version"] == b"1"
    assert json.loads((out / "updates.json").read_text()) == []
    control, recovered = recover(out / JOURNAL_NAME)
    assert recovered.finding is None
    assert [vport.name for vport in control.configuration.vports] == ["", "web", "vport-2"]
    again = tmp_path / "again"
    assert vmmq("run", out / "scenario.toml", "--out", again, "--quiet") == 0
    repeated = json.loads((again / "summary.json").read_text())
    for one in (summary, repeated):
        del one["wall"]
    assert repeated == summary


def test_json_is_the_summary(scenario: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--json prints summary.json's content and nothing else; --seed changes the traffic."""
    assert vmmq("run", scenario, "--out", tmp_path / "a", "--json") == 0
    first = json.loads(capsys.readouterr().out)
    assert first == json.loads((tmp_path / "a" / "summary.json").read_text())
    assert vmmq("run", scenario, "--out", tmp_path / "b", "--json", "--seed", "9") == 0
    assert json.loads(capsys.readouterr().out)["processors"] != first["processors"]


def test_per_packet_table(scenario: Path, tmp_path: Path) -> None:
    """packets.parquet has a row for each frame with its completion; latency is completion minus arrival (PRC-02)."""
    with scenario.open("a") as file:
        file.write("[run]\nper_packet = true\n")
    assert vmmq("run", scenario, "--out", tmp_path / "r", "--quiet") == 0
    rows = pyarrow.parquet.read_table(tmp_path / "r" / "packets.parquet").to_pylist()
    assert [row["packet"] for row in rows] == list(range(3000))
    for row in rows:
        assert row["latency_ns"] == row["completion_ns"] - row["timestamp_ns"]


def test_existing_results_are_kept(scenario: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A run directory is replaced only when asked, and never anything else."""
    out = tmp_path / "results"
    assert vmmq("run", scenario, "--out", out, "--quiet") == 0
    assert vmmq("run", scenario, "--out", out) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert vmmq("run", scenario, "--out", out, "--overwrite", "--quiet") == 0
    foreign = tmp_path / "thesis"
    foreign.mkdir()
    (foreign / "chapter1").write_text("precious")
    assert vmmq("run", scenario, "--out", foreign, "--overwrite") == 2
    assert (foreign / "chapter1").read_text() == "precious"


def test_nothing_half_written_is_left(scenario: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If writing fails, neither the results nor any files beside them remain."""

    def full(*arguments: Any, **options: Any) -> None:
        raise OSError(28, "No space left on device", "windows.parquet")

    monkeypatch.setattr("pyarrow.parquet.write_table", full)
    assert vmmq("run", scenario, "--out", tmp_path / "r") == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == [scenario.name]


def steered(path: Path) -> list[dict[str, Any]]:
    """Rows of a Parquet output."""
    return pyarrow.parquet.read_table(path).to_pylist()  # type: ignore[no-any-return]


def test_steer_columns(scenario: Path, capture: Path, tmp_path: Path) -> None:
    """One row for each frame with the columns scripts rely on: VLAN, target, hash, entry, processor, drop reason."""
    output = tmp_path / "out.parquet"
    assert vmmq("steer", capture, "--config", scenario, "--output", output, "--quiet") == 0
    schema = pyarrow.parquet.read_schema(output)
    assert {name: str(schema.field(name).type) for name in schema.names} == {
        "packet": "uint64", "timestamp_ns": "int64", "length": "uint32", "direction": "string", "vport_id": "uint16",
        "queue_id": "uint16", "filter_id": "uint32", "hash_type": "string", "hash_value": "uint32",
        "indirection_table_index": "uint16", "processor": "string", "vlan_id": "uint16", "user_priority": "uint8",
        "drop_reason": "string", "epoch": "uint32",
    }  # fmt: skip
    tagged, untagged, sent, stranger, runt = steered(output)
    assert (tagged["vport_id"], tagged["vlan_id"], tagged["hash_value"]) == (1, 100, 0x12C50765)
    assert (tagged["indirection_table_index"], tagged["processor"]) == (1, "0:2")
    assert (untagged["vport_id"], untagged["hash_type"], untagged["processor"]) == (2, "none", "0:3")
    assert (sent["direction"], sent["drop_reason"]) == ("rx", "packet filter")
    assert (stranger["processor"], stranger["drop_reason"]) == (None, "packet filter")
    assert runt["drop_reason"] == "runt"


def test_steer_sends(scenario: Path, capture: Path, tmp_path: Path) -> None:
    """With transmit = "by-source-mac" a frame from a VPort's address is its send; RSS off: primary (TX-05)."""
    scenario.write_text(SCENARIO.replace("[traffic]", '[traffic]\ntransmit = "by-source-mac"'))
    output = tmp_path / "out.parquet"
    assert vmmq("steer", capture, "--config", scenario, "--output", output, "--quiet") == 0
    sent = steered(output)[2]
    assert (sent["direction"], sent["vport_id"], sent["processor"]) == ("tx", 2, "0:3")


@pytest.mark.parametrize("ending", ["arrow", "csv", "jsonl"])
def test_steer_formats_agree(scenario: Path, capture: Path, tmp_path: Path, ending: str) -> None:
    """Every output format holds the same rows."""
    parquet, other = tmp_path / "out.parquet", tmp_path / f"out.{ending}"
    for output in (parquet, other):
        assert vmmq("steer", capture, "--config", scenario, "--output", output, "--quiet") == 0
    if ending == "arrow":
        rows = pa.ipc.open_file(other).read_all().to_pylist()
    elif ending == "csv":
        options = pa.csv.ConvertOptions(
            column_types=pyarrow.parquet.read_schema(parquet),
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        )
        rows = pa.csv.read_csv(other, convert_options=options).to_pylist()
    else:
        rows = [json.loads(line) for line in other.read_text().splitlines()]
    assert rows == steered(parquet)


def test_steer_json_is_one_document(scenario: Path, capture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--json without a file prints all rows as one JSON array."""
    assert vmmq("steer", capture, "--config", scenario, "--json") == 0
    assert [row["packet"] for row in json.loads(capsys.readouterr().out)] == [0, 1, 2, 3, 4]


def test_interrupted_steer_json_is_one_document(
    scenario: Path, capture: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After Ctrl-C in the middle of a batch the array has the rows up to the end of the batch; the status is 3."""

    def interrupted(*arguments: Any, **keys: Any) -> None:
        signal.raise_signal(signal.SIGINT)
        steer_batch(*arguments, **keys)

    monkeypatch.setattr(frame_commands, "_BATCH_FRAMES", 2)
    monkeypatch.setattr(frame_commands, "steer_batch", interrupted)
    assert vmmq("steer", capture, "--config", scenario, "--json") == 3
    streams = capsys.readouterr()
    assert [row["packet"] for row in json.loads(streams.out)] == [0, 1]
    assert streams.err == "vmmq: interrupted\n"
    assert vmmq("steer", capture, "--config", scenario, "--output", capture.with_suffix(".csv")) == 3
    assert not capture.with_suffix(".csv").exists()


@pytest.mark.parametrize("times", [1, 2])
def test_interrupt_while_results_are_written(
    scenario: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], times: int
) -> None:
    """Ctrl-C after the last frame loses no results; a second one takes effect."""
    write = commands.write_run

    def interrupted(*arguments: Any) -> Any:
        for _ in range(times):
            signal.raise_signal(signal.SIGINT)
        return write(*arguments)

    monkeypatch.setattr(commands, "write_run", interrupted)
    code = vmmq("run", scenario, "--out", tmp_path / "run", "--quiet")
    assert (code, (tmp_path / "run" / "summary.json").exists()) == ((0, True) if times == 1 else (3, False))
    assert ("interrupted" in capsys.readouterr().err) is (times == 2)


def test_explain_names_rules(scenario: Path, capture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The steps carry rules, the row is the one of steer, and a frame may be given by its bytes."""
    assert vmmq("explain", f"{capture}:0", "--config", scenario, "--json") == 0
    from_capture = json.loads(capsys.readouterr().out)
    assert from_capture["rule"] == "RX-12"
    assert from_capture["processor"] == "0:2"
    rules = {step["step"]: step["rule"] for step in from_capture["steps"]}
    assert rules == {
        "frame": "MOD-10", "filter": "FLT-32", "target": "RX-01", "headers": "HSH-09", "hash": "HSH-07",
        "index": "HSH-27", "processor": "RX-12", "out-of-band": "RX-17",
    }  # fmt: skip
    assert vmmq("explain", TAGGED.hex(), "--config", scenario, "--json") == 0
    from_bytes = json.loads(capsys.readouterr().out)
    assert from_bytes["steps"] == from_capture["steps"]
    assert vmmq("explain", f"{capture}:4", "--config", scenario) == 0
    streams = capsys.readouterr()
    assert "runt" in streams.out
    assert not streams.err


def test_explain_a_frame_of_standard_input(scenario: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`-:N` is not an option, wherever it stands; a mistyped option is still an error."""
    path = tmp_path / "three.pcap"
    path.write_bytes(pcap(packets(3)))
    assert vmmq("explain", f"{path}:1", "--config", scenario) == 0
    expected = capsys.readouterr().out
    for arguments in (["-:1", "--config", str(scenario)], ["--config", str(scenario), "-:1"]):
        command = [sys.executable, "-m", "cli", "explain", *arguments]
        done = subprocess.run(command, input=path.read_bytes(), capture_output=True, check=True)
        assert done.stdout.decode() == expected
    assert vmmq("explain", "-:1", "--confg", scenario) == 2


def test_explain_a_frame_that_ends_with_its_tag(scenario: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A frame that ends after its tag is no runt, matches by its tag and shows no EtherType (MOD-10, HSH-21)."""
    assert vmmq("explain", "00155d01020100155d00009981000064", "--config", scenario, "--json") == 0
    explained = json.loads(capsys.readouterr().out)
    assert (explained["vport_id"], explained["vlan_id"], explained["hash_type"]) == (1, 100, "none")
    texts = {step["step"]: step["text"] for step in explained["steps"]}
    assert texts["frame"].endswith("tag VID 100 priority 0, no EtherType")
    assert texts["headers"] == "no EtherType: not IP, nothing to hash"


def test_explain_sends(scenario: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The filter that names the source address names the sender, even when the tag does not fit it (TX-06)."""
    scenario.write_text(SCENARIO.replace("[traffic]", '[traffic]\ntransmit = "by-source-mac"'))
    for tag, rules in (("81000064", ["FLT-32"]), ("", ["FLT-22", "FLT-15", "TX-06"])):
        sent = f"02000000009900155d010201{tag}0806"
        assert vmmq("explain", sent, "--config", scenario, "--json") == 0
        explained = json.loads(capsys.readouterr().out)
        assert (explained["direction"], explained["vport_id"]) == ("tx", 1)
        filters = [step for step in explained["steps"] if step["step"] == "filter"]
        assert [step["rule"] for step in filters] == rules
        assert filters[-1]["text"].startswith("filter 1 on VPort 1: source ")
        assert [step["text"].endswith("passes") for step in filters] == [False] * (len(filters) - 1) + [True]


def test_steer_reports_timestamps_that_step_back(
    scenario: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Timestamps that step back are clamped and counted (TIM-02): a remark says how many, for every form of output."""
    path = tmp_path / "back.arrow"
    with pa.ipc.new_file(path, FRAME_SCHEMA) as writer:
        writer.write_batch(batch_of([TAGGED] * 4, timestamps_ns=[10, 5, 7, 12]).to_arrow())
    told = "timestamps that stepped back and count as the largest before (TIM-02): 2"
    assert vmmq("steer", path, "--config", scenario) == 0
    assert told in capsys.readouterr().err
    assert vmmq("steer", path, "--config", scenario, "--json") == 0
    streams = capsys.readouterr()
    assert told in streams.err
    assert [row["timestamp_ns"] for row in json.loads(streams.out)] == [10, 10, 10, 12]
    assert vmmq("steer", path, "--config", scenario, "--json", "--output", tmp_path / "rows.jsonl") == 0
    streams = capsys.readouterr()
    assert json.loads(streams.out)["remarks"] == [told]


def test_steer_says_that_there_are_no_frames(
    scenario: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A capture may be empty: that is a remark, and no error."""
    path = tmp_path / "empty.arrow"
    with pa.ipc.new_file(path, FRAME_SCHEMA):
        pass
    assert vmmq("steer", path, "--config", scenario) == 0
    assert capsys.readouterr().err == "vmmq: remark: there are no frames\n"


def test_steer_does_not_replace_what_it_steers(
    scenario: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The output may not be the capture, under any of its names, even with --overwrite."""
    path = tmp_path / "frames.arrow"
    with pa.ipc.new_file(path, FRAME_SCHEMA) as writer:
        writer.write_batch(batch_of([TAGGED]).to_arrow())
    before = path.read_bytes()
    (tmp_path / "other.arrow").symlink_to(path)
    assert vmmq("steer", path, "--config", scenario, "--overwrite", "--output", tmp_path / "other.arrow") == 2
    assert "name another output" in capsys.readouterr().err
    assert path.read_bytes() == before


def test_explain_tells_a_cut_runt(scenario: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """If the captured part of a long frame has no whole header, both lengths are printed (MOD-10, HSH-32)."""
    path = tmp_path / "cut.arrow"
    with pa.ipc.new_file(path, FRAME_SCHEMA) as writer:
        writer.write_batch(batch_of([TAGGED[:13]], wire_lengths=[len(TAGGED)]).to_arrow())
    assert vmmq("explain", f"{path}:0", "--config", scenario) == 0
    assert f"{len(TAGGED)} bytes (13 captured) are too few" in capsys.readouterr().out


def test_steering_says_what_it_leaves_out(scenario: Path, capture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Events and policy of the scenario are not applied to single frames: a remark says so, on both commands."""
    with scenario.open("a") as file:
        file.write('[[event]]\nat_ns = 0\nrss = { vport = 1, enabled = false }\n[policy]\nname = "lpt"\n')
    told = "vmmq run carries out the scenario's 1 [[event]] and [policy] lpt"
    assert vmmq("explain", f"{capture}:0", "--config", scenario, "--json") == 0
    streams = capsys.readouterr()
    assert told in streams.err
    assert told in json.loads(streams.out)["remarks"][0]
    assert vmmq("steer", capture, "--config", scenario) == 0
    assert told in capsys.readouterr().err
    assert vmmq("steer", capture, "--config", scenario, "--quiet") == 0
    assert not capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "missing.toml"], "missing.toml"),
        (["run", "{scenario}", "--engine", "fast"], "--engine fast"),
        (["run", "{scenario}", "--capture", "missing.pcap"], "missing.pcap"),
        (["steer", "missing.pcap", "--config", "{scenario}"], "missing.pcap"),
        (["steer", "{scenario}", "--config", "{scenario}"], "two-vms.toml"),
        (["steer", "{capture}", "--config", "{scenario}", "--output", "out.xlsx"], "out.xlsx"),
        (["explain", "{capture}:99", "--config", "{scenario}"], "99"),
        (["explain", "xyz", "--config", "{scenario}"], "xyz"),
        (["explain", "00155", "--config", "{scenario}"], "odd"),
    ],
)
def test_wrong_input_is_one_line(
    arguments: list[str],
    message: str,
    scenario: Path,
    capture: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Wrong input ends with status 2 and one line that names it; nothing is written."""
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    assert vmmq(*(one.format(scenario=scenario, capture=capture) for one in arguments)) == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_cut_capture_is_a_finding(scenario: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whole frames are steered, the loss is reported, and the status is 1."""
    header = bytes.fromhex("d4c3b2a1020004000000000000000000ffff000001000000")
    record = (0).to_bytes(8, "little") + len(TAGGED).to_bytes(4, "little") * 2 + TAGGED
    cut = tmp_path / "cut.pcap.gz"
    cut.write_bytes(gzip.compress(header + record + record[:-7]))
    assert vmmq("steer", cut, "--config", scenario, "--json") == 1
    streams = capsys.readouterr()
    assert len(json.loads(streams.out)) == 1
    assert "cut.pcap.gz" in streams.err


def test_steer_json_is_one_document_up_to_an_error(
    scenario: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """If the capture cannot be read beyond some frame, the array has the frames before it; the status is 2."""
    capture = Pcapng().section().interface().interface(link_type=113)
    capture.enhanced(0, TAGGED).enhanced(1, TAGGED, interface=1)
    path = tmp_path / "two.pcapng"
    path.write_bytes(capture.data)
    assert vmmq("steer", path, "--config", scenario, "--json") == 2
    streams = capsys.readouterr()
    assert [row["packet"] for row in json.loads(streams.out)] == [0]
    assert "frame 1" in streams.err
    assert len(streams.err.splitlines()) == 1


def test_events_change_the_run(scenario: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An event is carried out at its moment, and all forms of its certificate exist (EPO-02, EPO-09)."""
    with scenario.open("a") as file:
        file.write("[[event]]\nat_ns = 1_000_000\nmove_entries = { vport = 1, indices = [0], target = 2 }\n")
    out = tmp_path / "r"
    assert vmmq("run", scenario, "--out", out) == 0
    screen = capsys.readouterr().out
    assert "verdicts all held" in screen
    summary = json.loads((out / "summary.json").read_text())
    assert summary["epochs"] == 2
    assert summary["checks"]["updates_no_loss"]
    (certificate,) = json.loads((out / "updates.json").read_text())
    assert certificate["entries"] == [{"vport_id": 1, "index": 0, "source": "0:1", "target": "0:2"}]
    assert certificate["adopted_at_ns"] == 1_000_000
    table = pyarrow.parquet.read_table(out / "updates.parquet")
    assert table.column("epoch").to_pylist() == [1]
    assert table.schema.metadata[b"vmmq.schema_version"] == b"1"


def test_event_that_fails_is_a_finding(scenario: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The run goes on and ends with status 1; the screen says what was refused. With `expect` all is well.

    Three processors are too many for two queues (UPD-41).
    """
    event = "[[event]]\nat_ns = 5\nmove_entries = { vport = 1, indices = [0], target = 3 }\n"
    text = scenario.read_text()
    scenario.write_text(text + event)
    assert vmmq("run", scenario, "--out", tmp_path / "r") == 1
    (refused,) = json.loads((tmp_path / "r" / "updates.json").read_text())
    assert refused["epoch"] is None
    status = refused["requests"][0]["status"]
    assert f"! [[event]] 1 at 0.000 ms: OID_GEN_RSS_SET_INDIRECTION_TABLE_ENTRIES {status}" in capsys.readouterr().out
    scenario.write_text(f'{text}{event}expect = "{status}"\n')
    assert vmmq("run", scenario, "--out", tmp_path / "s", "--json") == 0
    assert json.loads(capsys.readouterr().out)["checks"]["updates_as_expected"]


def test_frames_with_colons(scenario: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Any number of bytes with colons are bytes, and a frame number is plain digits."""
    for frame in (TAGGED, TAGGED.ljust(100, b"\x11"), TAGGED.ljust(1500, b"\x11")):
        assert vmmq("explain", frame.hex(":"), "--config", scenario, "--json") == 0
        assert json.loads(capsys.readouterr().out)["rule"] == "RX-12"
    assert vmmq("explain", "x.pcap:\u00b2", "--config", scenario) == 2
    assert "is neither CAPTURE:N nor" in capsys.readouterr().err


def test_a_dataplane_is_found_beside_a_folder_of_its_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`vmmq show NAME` means the dataplane when the name is that of a folder, which is no scenario."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "vmmq").mkdir()
    assert vmmq("show", "vmmq") == 2
    assert "no dataplane vmmq runs" in capsys.readouterr().err
