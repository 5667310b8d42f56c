"""From a TOML text to a checked scenario, or to the list of all its problems."""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path as FilePath
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from dataplane.errors import UserError
from dataplane.paths import is_text
from dataplane.scenario.adapters import SeveralNics, is_list_of_adapters, nic_documents, several_where_one
from dataplane.scenario.checks import Sheet, check
from dataplane.scenario.complete import complete, listed_limits
from dataplane.scenario.findings import Finding, Findings, Path, ScenarioError, locate
from dataplane.scenario.model import Event, Rule, Run, Scenario, Traffic

_POSITION = re.compile(r"\(at line (\d+), column (\d+)\)|\(at end of document\)")
#: Errors of pydantic that only follow from another one.
_CONSEQUENCES = {"default_factory_not_called"}
#: Tables in which every key has a default.
_ALL_DEFAULTS = {"adapter", "processors", "update", "policy", "run"}
_PLAIN_MESSAGES = {
    "missing": "is missing",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "string_type": "must be a text in quotes",
    "tuple_type": "must be a list",
    "dict_type": "must be a table",
    "model_type": "must be a table",
    "int_from_float": "must be a whole number",
    "too_short": "must not be empty",
}


def load_scenario(
    source: FilePath | str,
    *,
    name: str = "scenario",
    seed: int | None = None,
    capture: str | None = None,
    adapter: str | None = None,
    runs: bool = False,
) -> Scenario:
    """Read a scenario from a file (a `pathlib.Path`) or from TOML text (a `str`), with every default made explicit.

    `name` stands in for the file when text is given. `seed` replaces that of [run], random keys included; `capture`
    replaces the source of [traffic], relative to the working directory. Other capture paths are relative to the file;
    all become absolute. Of several NICs it is the one named `adapter`. `runs` also checks what only a run needs: that
    there is traffic, its capture, and a policy of the user. Raises ScenarioError with all findings, UserError if it is
    not clear which NIC is meant, and OSError if the file cannot be read.
    """
    loaded = load_nics(source, name=name, seed=seed, capture=capture, adapter=adapter, runs=runs)
    if isinstance(loaded, Scenario):
        return loaded
    raise UserError(several_where_one(_label(source, name), loaded))


def load_nics(
    source: FilePath | str,
    *,
    name: str = "scenario",
    seed: int | None = None,
    capture: str | None = None,
    adapter: str | None = None,
    runs: bool = False,
) -> Scenario | SeveralNics:
    """As `load_scenario`, but a file with [[adapter]] rows gives all its NICs unless `adapter` names one of them.

    `seed` is then that of the file, from which those of its NICs follow; of a named NIC it is its own.
    """
    label, name, directory = _label(source, name), _name(source, name), _directory(source)
    text = _text(source, label)
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(label, [_syntax_finding(text, error)]) from None
    findings = Findings(document, locate(text))
    if not is_list_of_adapters(document):
        if adapter is not None:
            raise UserError(f"{label} has one NIC, which has no name: leave --adapter out")
        _replace(document, seed, capture)
        scenario = _checked(document, findings, name, directory, runs=runs)
        if runs:
            _check_capture(scenario, findings, replaced=capture is not None)
        _raise_found(label, findings)
        return scenario
    if capture is not None and adapter is None:
        raise UserError(f"{label} has several NICs: name the one that is to take the capture with --adapter")
    _replace(document, seed if adapter is None else None, None)
    nics = nic_documents(document, findings)
    for key in ("name", "description"):
        if not isinstance(document.get(key, ""), str):
            findings.add((key,), f"must be a text in quotes, not {_show(document[key])}")
    try:
        run = Run.model_validate(document.get("run", {}))
    except ValidationError as error:
        run = Run()
        _add_all([details | {"loc": ("run", *details["loc"])} for details in error.errors(include_url=False)], findings)
    if adapter is not None:
        chosen = [nic for nic in nics if nic.name == adapter]
        if not chosen:
            raise UserError(f"{label} has no NIC {adapter}: {', '.join(nic.name for nic in nics)}")
        _replace(chosen[0].document, seed, capture)
    loaded = {nic.name: _checked(nic.document, nic.findings, nic.name, directory, runs=runs) for nic in nics}
    for nic in nics if runs else ():
        _check_capture(loaded[nic.name], nic.findings, replaced=capture is not None and nic.name == adapter)
    _raise_found(label, findings)
    if adapter is not None:
        return loaded[adapter]
    return SeveralNics(document.get("name", name), document.get("description", ""), run.seed, tuple(loaded.values()))


def _checked(document: dict[str, Any], findings: Findings, name: str, directory: FilePath, *, runs: bool) -> Scenario:
    """The scenario of a document with one NIC; its problems are noted."""
    adapter = document.get("adapter", {})
    if isinstance(adapter, dict):
        document["adapter"] = listed_limits(document) | adapter
    sheet = _validated(document, findings)
    scenario = _with_absolute_capture(complete(sheet.scenario, name), directory)
    check(Sheet(scenario, sheet.rows, sheet.broken), findings, runs=runs)
    return scenario


def _check_capture(scenario: Scenario, findings: Findings, *, replaced: bool) -> None:
    """A capture is there, under a name that results can repeat.

    One that the user has put in the place of the file's traffic is none of its lines.
    """
    capture = scenario.traffic and scenario.traffic.capture
    if not capture or capture == "-":
        return
    place = () if replaced else ("traffic", "capture")
    if not FilePath(capture).exists():
        findings.add(place, f"there is no capture {capture}")
    elif not is_text(capture):
        findings.add(place, f"the name of capture {capture} is not UTF-8: give it another")


def _raise_found(label: str, findings: Findings) -> None:
    if findings.found:
        raise ScenarioError(label, findings.found)


def _label(source: FilePath | str, name: str) -> str:
    return str(source) if isinstance(source, FilePath) else name


def _name(source: FilePath | str, name: str) -> str:
    return os.fsencode(source.stem).decode("utf-8", "replace") if isinstance(source, FilePath) else name


def _directory(source: FilePath | str) -> FilePath:
    return source.resolve().parent if isinstance(source, FilePath) else FilePath.cwd()


def _text(source: FilePath | str, label: str) -> str:
    if isinstance(source, str):
        return source
    try:
        return source.read_text("utf-8-sig")  # editors on Windows put a byte order mark in front
    except FileNotFoundError:
        raise UserError(f"{label} does not exist; check the name (looked in {source.parent.absolute()})") from None
    except IsADirectoryError:
        raise UserError(f"{label} is a directory; name a scenario file") from None
    except UnicodeDecodeError as error:
        wrong, line = error.object[error.start], error.object.count(b"\n", 0, error.start) + 1
        message = f"is not UTF-8 text: byte 0x{wrong:02x}; save it as UTF-8 (a capture goes with --capture)"
        raise ScenarioError(label, [Finding("", "", message, line=line)]) from None


def _replace(document: dict[str, Any], seed: int | None, capture: str | None) -> None:
    """Put the options of a command in the place of what the file says."""
    run, traffic = document.setdefault("run", {}), document.get("traffic", {})
    if seed is not None and isinstance(run, dict):
        run["seed"] = seed
    if capture is not None and isinstance(traffic, dict):
        place = capture if capture == "-" else str(FilePath(capture).resolve())
        document["traffic"] = {"capture": place} | {key: traffic[key] for key in traffic if key == "transmit"}


def _syntax_finding(text: str, error: tomllib.TOMLDecodeError) -> Finding:
    message = str(error)
    match = _POSITION.search(message)
    line = int(match[1]) if match and match[1] else len(text.splitlines()) or 1
    column = f" at column {match[2]}" if match and match[2] else " at the end of the file"
    return Finding("", "", f"is not TOML{column}: {_POSITION.sub('', message).strip()}", line=line)


def _validated(document: Mapping[str, Any], findings: Findings) -> Sheet:
    """Validate; note wrong tables and continue with the others, so that their findings are not lost."""
    try:
        return Sheet(Scenario.model_validate(document), {}, frozenset())
    except ValidationError as error:
        errors = error.errors(include_url=False)
    _add_all(errors, findings)
    _add_contradictions(document, errors, findings)
    broken = frozenset(_broken_part(details["loc"]) for details in errors)
    pruned, rows = _pruned(document, broken)
    if "adapter" in pruned:
        pruned["adapter"] = listed_limits(pruned) | pruned["adapter"]  # in the place of limits that are wrong
    return Sheet(Scenario.model_validate(pruned), rows, broken)


def _broken_part(loc: Path) -> Path:
    """The part to leave out because of an error: the smallest that has a default, else a row or a whole table."""
    if loc[0] in {"vport", "queue"} and len(loc) > 2 and loc[2] != "id":
        return loc[:3]
    by_row_or_key = len(loc) > 1 and (loc[0] in _ALL_DEFAULTS or isinstance(loc[1], int))
    return loc[:2] if by_row_or_key else loc[:1]


def _pruned(document: Mapping[str, Any], broken: frozenset[Path]) -> tuple[dict[str, Any], dict[str, list[int]]]:
    """The document without what is broken, and which rows of its arrays of tables are left."""
    pruned: dict[str, Any] = {}
    rows: dict[str, list[int]] = {}
    for key, value in document.items():
        if (key,) in broken:
            continue
        if isinstance(value, list):
            rows[key] = [i for i in range(len(value)) if (key, i) not in broken]
            pruned[key] = [_without(value[i], (key, i), broken) for i in rows[key]]
        elif key in _ALL_DEFAULTS:
            pruned[key] = _without(value, (key,), broken)
        else:
            pruned[key] = value
    return pruned, rows


def _without(table: Any, path: Path, broken: frozenset[Path]) -> Any:
    return {key: value for key, value in table.items() if (*path, key) not in broken}


def _add_all(errors: list[ErrorDetails], findings: Findings) -> None:
    """One finding for each place: errors of a union's members about one value are combined."""
    messages: dict[Path, list[str]] = {}
    rules: dict[Path, str] = {}
    for details in errors:
        kind, loc = details["type"], details["loc"]
        deeper = any(other["loc"][: len(loc)] == loc and len(other["loc"]) > len(loc) for other in errors)
        if kind in _CONSEQUENCES or (kind == "too_short" and deeper):
            continue
        model, path = _follow(loc)
        if kind == "extra_forbidden":
            messages[path] = [_unknown_key(str(loc[-1]), model)]
            continue
        messages.setdefault(path, []).append(message_of(details))
        rules[path] = _rule(model, path)
    for path, parts in messages.items():
        findings.add(path, " or ".join(dict.fromkeys(parts)), rules.get(path, ""))


def _add_contradictions(document: Mapping[str, Any], errors: list[ErrorDetails], findings: Findings) -> None:
    """Which keys of a table exclude each other, where wrong values have kept its class from looking at that."""
    for loc in dict.fromkeys(details["loc"] for details in errors):
        if loc[0] == "traffic" and len(loc) > 1:
            path, table, problem = loc[:1], document["traffic"], Traffic.contradiction
        elif loc[0] == "event" and len(loc) > 2:
            path, table, problem = loc[:2], document["event"][loc[1]], Event.contradiction
        else:
            continue
        if text := problem(table):
            findings.add(path, text)


def message_of(details: ErrorDetails) -> str:
    """The problem of a value, in the words of this project."""
    kind, given = details["type"], details["input"]
    if kind == "value_error":
        return str(details["ctx"]["error"])
    if kind in _PLAIN_MESSAGES:
        plain = _PLAIN_MESSAGES[kind]
        return plain if kind in {"missing", "too_short"} else f"{plain}, not {_show(given)}"
    text = details["msg"].removeprefix("Input ").replace("should be", "must be").replace("should ", "must ")
    text = text.replace("greater than or equal to", "at least").replace("less than or equal to", "at most")
    return f"{text}, not {_show(given)}"


def _show(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."


def _unknown_key(key: str, model: type[BaseModel]) -> str:
    known = [field.alias or name for name, field in model.model_fields.items()]
    nearest = difflib.get_close_matches(key, known, 1, 0.5)
    what = "is not a table or key of a scenario" if model is Scenario else "is not a key of this table"
    return what + (f"; did you mean {nearest[0]}?" if nearest else f": {', '.join(known)}")


def _follow(loc: Path) -> tuple[type[BaseModel], Path]:
    """The class of the table that holds the last key of `loc`, and `loc` without pydantic's names of union members."""
    model: type[BaseModel] = Scenario
    path: Path = ()
    inner: type[BaseModel] | None = Scenario
    for part in loc:
        if isinstance(part, int):
            path = (*path, part)
            continue
        if inner is None:
            break  # inside a value that is no table: the rest names a member of a union
        model = inner
        path = (*path, part)
        field = next((f for name, f in model.model_fields.items() if (f.alias or name) == part), None)
        inner = _table_class(field.annotation) if field else None
    return model, path


def _table_class(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _table_class(part))), None)


def _rule(model: type[BaseModel], path: Path) -> str:
    key = next((part for part in reversed(path) if isinstance(part, str)), "")
    field = next((f for name, f in model.model_fields.items() if (f.alias or name) == key), None)
    if field is None:
        return ""
    return next((part.rule_id for part in _metadata(field.annotation, field.metadata) if isinstance(part, Rule)), "")


def _metadata(annotation: Any, metadata: list[Any]) -> list[Any]:
    """The metadata of a field, members of a union included."""
    inner = [part for member in get_args(annotation) for part in getattr(member, "__metadata__", ())]
    return [*metadata, *inner]


def _with_absolute_capture(scenario: Scenario, directory: FilePath) -> Scenario:
    traffic = scenario.traffic
    if traffic is None or traffic.capture in {None, "-"}:
        return scenario
    capture = str((directory / str(traffic.capture)).resolve())
    return scenario.model_copy(update={"traffic": traffic.model_copy(update={"capture": capture})})
