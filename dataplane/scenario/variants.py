"""One scenario under several policies and seeds, as `vmmq policy compare` runs it."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Literal

from dataplane.errors import UserError, each
from dataplane.scenario.load import load_scenario
from dataplane.scenario.model import Policy, Scenario
from dataplane.update.policies import POLICIES

_SEEDS = 1 << 63  # seeds are below


def parse_policy(text: str, own: Policy) -> Policy:
    """The policy for `NAME` or `package.module:Class`, either with an optional `:key=value,key=value`.

    A value is read as TOML, or else as text. If `own`, the policy of the scenario, is named without parameters, it
    keeps those of the scenario. The tick is that of `own`. Raises UserError; an unknown policy fails when it is made.
    """
    head, equals, _ = text.partition("=")
    name, colon, last = head.rpartition(":")
    if equals and colon:
        pairs = each(partial(_parameter, text), text[len(name) + 1 :].split(","))
        parameters = dict(pairs)
        if len(parameters) < len(pairs):
            raise UserError(f"policy {text!r}: a parameter is given twice")
    elif name in POLICIES:
        raise UserError(f"policy {text!r}: parameters are written {name}:key=value,key=value, not {last!r}")
    else:
        name, parameters = text, own.parameters if text == own.name else {}
    return own.model_copy(update={"name": name, "parameters": parameters})


def _parameter(text: str, part: str) -> tuple[str, Any]:
    key, _, value = (piece.strip() for piece in part.partition("="))
    if not key.isidentifier():
        raise UserError(f"policy {text!r}: {part!r} is not key=value")
    try:
        return key, tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return key, value


def policy_label(policy: Policy) -> str:
    """The policy in the form that `parse_policy` reads."""
    return ":".join([policy.name, *([_parameters_label(policy.parameters)] if policy.parameters else [])])


def _parameters_label(parameters: Mapping[str, Any]) -> str:
    return ",".join(f"{k}={v if isinstance(v, str) else json.dumps(v, default=str)}" for k, v in parameters.items())


def with_policy(
    scenario: Scenario, policy: Policy, *, hand_over: Literal["permissive", "ordered"] | None, tick_ns: int | None
) -> Scenario:
    """The scenario under a policy; None leaves hand-over and tick as they are."""
    return scenario.model_copy(
        update={
            "policy": policy if tick_ns is None else policy.model_copy(update={"tick_ns": tick_ns}),
            "update": scenario.update
            if hand_over is None
            else scenario.update.model_copy(update={"hand_over": hand_over}),
        }
    )


def repeated_scenario(path: Path, *, seed: int | None, seeds: int, adapter: str | None = None) -> list[Scenario]:
    """The scenario of a file with its seed (or `seed`) and the following ones, `seeds` of them in all.

    Of several NICs it is the one named `adapter`.

    If [traffic] has its own seed, it increases with them. If nothing depends on the seed there is one scenario. Raises
    UserError if the traffic or the file cannot be read more than once.
    """
    first = load_scenario(path, seed=seed, adapter=adapter, runs=True)
    assert first.traffic is not None, "what runs has traffic"
    capture = first.traffic.capture
    if capture is not None and not _can_be_repeated(capture):
        raise UserError(f"{path}: the capture {capture} cannot be read again for every policy: store it in a file")
    if seeds > 1 and not path.is_file():
        raise UserError(f"{path} cannot be read again for every seed: store the scenario in a file")
    scenarios = [first, *(_next_scenario(path, first, number, adapter) for number in range(1, seeds))]
    if all(scenario.model_copy(update={"run": first.run}) == first for scenario in scenarios):
        return [first]
    return scenarios


def _can_be_repeated(capture: str) -> bool:
    """Not standard input, nor a pipe; what is missing is told when it is opened."""
    return capture != "-" and (Path(capture).is_file() or not Path(capture).exists())


def _next_scenario(path: Path, first: Scenario, number: int, adapter: str | None) -> Scenario:
    scenario = load_scenario(path, seed=first.run.seed + number, adapter=adapter, runs=True)
    if first.traffic is None or first.traffic.seed is None:
        return scenario
    seed = (first.traffic.seed + number) % _SEEDS
    return scenario.model_copy(update={"traffic": first.traffic.model_copy(update={"seed": seed})})
