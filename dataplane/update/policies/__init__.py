"""The policies that come with the model, and how the name in `[policy]` becomes an object (POL-01)."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from importlib import import_module
from typing import Any

from pydantic import ValidationError

from dataplane.errors import UserError
from dataplane.update.foreign import FOREIGN_SECONDS, OverdueError, foreign_code
from dataplane.update.policies.dynamic_vmmq import DynamicVmmq
from dataplane.update.policies.least_loaded import LeastLoaded
from dataplane.update.policies.lpt import LongestProcessingTime
from dataplane.update.policies.none import NoPolicy
from dataplane.update.policies.round_robin import RoundRobin
from dataplane.update.policies.rsspp import RssPlusPlus
from dataplane.update.policies.sprayer import Sprayer
from dataplane.update.policy import Policy

#: The values of `[policy] name`, besides "package.module:Class".
POLICIES: dict[str, type[Policy]] = {
    "none": NoPolicy,
    "round-robin": RoundRobin,
    "least-loaded": LeastLoaded,
    "lpt": LongestProcessingTime,
    "rsspp": RssPlusPlus,
    "dynamic-vmmq": DynamicVmmq,
    "sprayer": Sprayer,
}


def make_policy(name: str, parameters: Mapping[str, Any]) -> Policy:
    """A new policy for one run, of the model's own or of the user's ("package.module:Class").

    Modules of the user are searched in the installed packages, then in the current directory. UserError says why there
    is no such policy, or why it rejects its parameters, with one line for each problem.
    """
    policy_class = find_policy(name)
    try:
        signature = inspect.signature(policy_class)
    except ValueError:  # a class of a C extension has no signature: its own error is reported
        signature = None
    if signature:
        _check_names(name, signature, parameters)
    try:
        with foreign_code():
            return policy_class(**parameters)
    except ValidationError as error:
        wrong = (f"{'.'.join(map(str, entry['loc'][:1]))}: {entry['msg']}" for entry in error.errors())
        raise UserError(f"policy {name} does not take its parameters: {'; '.join(wrong)}") from None
    except ValueError as error:
        raise UserError(f"policy {name} does not take its parameters: {' '.join(str(error).split())}") from error
    except (Exception, SystemExit, OverdueError) as error:
        raise UserError(f"policy {name} does not take its parameters: {_one_line(error)}") from error


def find_policy(name: str) -> type[Policy]:
    """The class of that name, which is imported if it is the user's; UserError when there is none."""
    if name in POLICIES:
        return POLICIES[name]
    module_name, colon, class_name = name.partition(":")
    if not colon:
        hint = _nearest(name, POLICIES) or f'known are {" ".join(POLICIES)} and "package.module:Class"'
        raise UserError(f"there is no policy {name!r}; {hint}")
    if not module_name or not class_name:
        raise UserError(f'policy {name!r} is not "package.module:Class"')
    # a console script has no current directory on its path; at the end of the path it hides no installed package
    if os.getcwd() not in sys.path and "" not in sys.path:
        sys.path.append(os.getcwd())
    try:
        with foreign_code():
            module = import_module(module_name)
    except (Exception, SystemExit, OverdueError) as error:
        missing = isinstance(error, ModuleNotFoundError) and f"{module_name}.".startswith(f"{error.name}.")
        why = f"not found, neither installed nor in {os.getcwd()}" if missing else _one_line(error)
        raise UserError(f"policy {name!r}: module {module_name} cannot be imported: {why}") from error
    if not hasattr(module, class_name):
        known = [key for key, value in vars(module).items() if _is_policy(value)]
        raise UserError(f"policy {name!r}: module {module_name} has no {class_name}; {_known(class_name, known)}")
    policy_class = getattr(module, class_name)
    if not _is_policy(policy_class):
        raise UserError(
            f"policy {name!r}: {class_name} is not a subclass of dataplane.update.policy.Policy with a method rebalance"
        )
    return policy_class  # type: ignore[no-any-return]  # _is_policy


def policy_source(name: str) -> str | None:
    """The file that a policy of the user's is in; None of the model's own, and where there is no such file.

    UserError when there is no policy of that name.
    """
    if name in POLICIES:
        return None
    try:
        return inspect.getsource(sys.modules[find_policy(name).__module__])
    except (OSError, TypeError):  # a compiled or generated module has no source
        return None


def _is_policy(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, Policy) and value.rebalance is not Policy.rebalance


def _check_names(name: str, signature: inspect.Signature, parameters: Mapping[str, Any]) -> None:
    """Every parameter is known, and none is missing; UserError with one line for each problem."""
    keywords = [p for p in signature.parameters.values() if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    takes_any = any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values())
    known = [p.name for p in keywords]
    wrong = [
        f"policy {name} has no parameter {key}; {_known(key, known)}"
        for key in parameters
        if key not in known and not takes_any
    ]
    missing = [p.name for p in keywords if p.default is p.empty and p.name not in parameters]
    if missing:
        wrong.append(f"policy {name} needs a value for {', '.join(missing)}")
    if wrong:
        raise UserError("\n".join(wrong))


def _known(wrong: str, known: list[str]) -> str:
    return _nearest(wrong, known) or (f"it has {', '.join(known)}" if known else "it has none")


def _nearest(wrong: str, known: Iterable[str]) -> str:
    near = get_close_matches(wrong, list(known), 1, 0.6)
    return f"did you mean {near[0]}?" if near else ""


def _one_line(error: BaseException) -> str:
    if isinstance(error, OverdueError):
        return f"not done within {FOREIGN_SECONDS:.0f} s"
    return " ".join(f"{type(error).__name__}: {error}".split())
