"""`vmmq new`: a scenario to start from."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import cli
from dataplane.errors import ExitCode
from dataplane.scenario.load import load_scenario
from dataplane.scenario.model import Scenario


def test_written_scenario_loads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The file is complete and correct: it loads without findings, and standard output stays empty.

    Its directory is made, as those of other outputs are.
    """
    file = tmp_path / "new" / "my.toml"
    assert cli.main(["new", str(file)]) == ExitCode.DONE
    output = capsys.readouterr()
    assert output.out == ""
    assert f"vmmq run {file}" in output.err
    scenario = load_scenario(file)
    assert scenario.traffic
    assert len(scenario.vports) == 2


def test_existing_file_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without --overwrite a file is never replaced."""
    file = tmp_path / "my.toml"
    file.write_text("precious")
    assert cli.main(["new", str(file)]) == ExitCode.WRONG_INPUT
    assert "--overwrite" in capsys.readouterr().err
    assert file.read_text() == "precious"
    assert cli.main(["new", "--overwrite", "--quiet", str(file)]) == ExitCode.DONE
    assert capsys.readouterr().err == ""
    assert load_scenario(file).vports


def test_every_table_and_key_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    """The file has each table of a scenario, in use or after #, and each key of the small tables."""
    assert cli.main(["new", "-"]) == ExitCode.DONE
    text = capsys.readouterr().out
    for name, field in Scenario.model_fields.items():
        key = field.alias or name
        assert re.search(rf"^#? *(\[+{key}\]+|{key} =)", text, re.MULTILINE), key
    for table in ("processors", "update", "run"):
        for key in type(getattr(Scenario(), table)).model_fields:
            assert re.search(rf"^#? *{key} =", text, re.MULTILINE), key


def test_shown_alternatives_load_too(capsys: pytest.CaptureFixture[str]) -> None:
    """Every key or table after # is valid as well when the # is removed."""
    assert cli.main(["new", "-"]) == ExitCode.DONE
    text = capsys.readouterr().out
    # the other interfaces and the other traffic source exclude what is in use
    text = re.sub(r'^# interface = "(vmq|native-rss)" has.*?\n\n', "", text, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"^# (capture|loop) = .*\n", "", text, flags=re.MULTILINE)
    # and these go against the rules together with the keys in use
    text = re.sub(r"^ *# (nic_switch_capabilities|untagged_or_zero) = .*\n", "", text, flags=re.MULTILINE)
    uncommented = re.sub(r"^( *)# (\w+ += |\[)", r"\1\2", text, flags=re.MULTILINE)
    scenario = load_scenario(uncommented)
    assert len(scenario.events) == 3
    assert scenario.policy.name == "rsspp"
    assert len(scenario.processor_overrides) == 1
