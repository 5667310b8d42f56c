"""How a name becomes a policy, and the errors if it does not."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dataplane.errors import ExitCode, UserError
from dataplane.update.policies import POLICIES, make_policy

MODULE = '''
from dataplane.update.policy import Policy

class Mine(Policy):
    def __init__(self, gain, *, limit=3):
        if limit < 0:
            raise ValueError("limit must not be\\nnegative")
        self.gain, self.limit = gain, limit + 0

    def rebalance(self, window):
        return []

class Anything(Policy):
    def __init__(self, **parameters):
        self.parameters = parameters

    def rebalance(self, window):
        return []

class Idle(Policy):
    """Forgot its method."""

class Stranger:
    pass
'''


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current directory with modules of the user; it is not on sys.path, as under a console script."""
    (tmp_path / "users_policies.py").write_text(MODULE)
    (tmp_path / "users_broken.py").write_text("1 /\n")
    (tmp_path / "users_needy.py").write_text("import users_missing\n")
    (tmp_path / "users_leaving.py").write_text("raise SystemExit(5)\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
    before = {*sys.modules}
    yield tmp_path
    for name in {*sys.modules} - before:
        if name.startswith("users_"):
            del sys.modules[name]


def test_every_name_makes_its_class() -> None:
    """A new object each time."""
    for name, policy_class in POLICIES.items():
        policy = make_policy(name, {})
        assert type(policy) is policy_class
        assert make_policy(name, {}) is not policy


@pytest.mark.usefixtures("directory")
def test_policy_of_the_user() -> None:
    """A user's policy is loaded from the current directory, with parameters, defaults and any keywords it accepts."""
    assert vars(make_policy("users_policies:Mine", {"gain": 2})) == {"gain": 2, "limit": 3}
    assert vars(make_policy("users_policies:Anything", {"x": 1})) == {"parameters": {"x": 1}}


def test_current_directory_hides_nothing(directory: Path) -> None:
    """A user's module with the name of an installed module is not used."""
    (directory / "fractions.py").write_text("raise RuntimeError\n")
    with pytest.raises(UserError, match="module fractions has no Policy"):
        make_policy("fractions:Policy", {})


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("rss++", {}, "there is no policy 'rss++'; did you mean rsspp?"),
        ("least_loaded", {}, "there is no policy 'least_loaded'; did you mean least-loaded?"),
        ("xyz", {}, "there is no policy 'xyz'; known are none round-robin"),
        (":Mine", {}, 'is not "package.module:Class"'),
        ("users_nothing:Mine", {}, "module users_nothing cannot be imported: not found, neither installed nor in /"),
        ("users_nothing.deep:Mine", {}, "module users_nothing.deep cannot be imported: not found"),
        ("users_broken:Mine", {}, "module users_broken cannot be imported: SyntaxError: invalid syntax"),
        ("users_needy:Mine", {}, "ModuleNotFoundError: No module named 'users_missing'"),
        ("users_leaving:Mine", {}, "module users_leaving cannot be imported: SystemExit: 5"),
        ("users_policies:Mein", {}, "module users_policies has no Mein; did you mean Mine?"),
        ("users_policies:Xyz", {}, "module users_policies has no Xyz; it has Mine, Anything"),
        ("users_policies:Stranger", {}, "Stranger is not a subclass of dataplane.update.policy.Policy"),
        ("users_policies:Idle", {}, "with a method rebalance"),
        ("users_policies:__name__", {}, "__name__ is not a subclass"),
        ("users_policies:Mine", {}, "policy users_policies:Mine needs a value for gain"),
        ("users_policies:Mine", {"gain": 1, "limits": 2}, "has no parameter limits; did you mean limit?"),
        ("users_policies:Mine", {"gain": 1, "x": 2}, "has no parameter x; it has gain, limit"),
        ("users_policies:Mine", {"gain": 1, "limit": -1}, "does not take its parameters: limit must not be negative"),
        ("users_policies:Mine", {"gain": 1, "limit": "3"}, "does not take its parameters: TypeError: '<' not supp"),
        ("none", {"x": 1}, "policy none has no parameter x; it has none"),
        ("lpt", {"treshold": 1}, "policy lpt has no parameter treshold; did you mean threshold?"),
        ("lpt", {"threshold": "0.1"}, "does not take its parameters: threshold: Input should be a valid number"),
        ("lpt", {"threshold": True}, "does not take its parameters: threshold: Input should be a valid number"),
        ("lpt", {"threshold": float("nan")}, "threshold: Input should be"),
        ("lpt", {"measure": "bytes"}, "measure: Input should be 'work' or 'packets'"),
        (
            "least-loaded",
            {"moves_max": 0, "threshold": 2},
            "moves_max: Input should be greater than or equal to 1; thr",
        ),
        ("dynamic-vmmq", {"coalesce_load": 0.8}, "parameters: coalesce_load 0.8 must be below expand_load 0.8"),
        ("rsspp", {"tick_min_ns": 2000, "tick_max_ns": 1000}, "tick_max_ns 1000 must not be below tick_min_ns 2000"),
    ],
)
@pytest.mark.usefixtures("directory")
def test_what_is_wrong_is_said_in_one_line(name: str, parameters: dict[str, Any], message: str) -> None:
    """The error names the policy, the problem and the nearest valid name; the status is 2."""
    with pytest.raises(UserError) as caught:
        make_policy(name, parameters)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code is ExitCode.WRONG_INPUT
