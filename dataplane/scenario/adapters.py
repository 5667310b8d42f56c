"""Several NICs in one file: splits `[[adapter]]` rows, each with its own tables, into a document for each NIC.

A row holds the keys of `[adapter]`, a `name`, and any table of a scenario; top-level tables are defaults for all rows.
Each document has the form of a scenario with one `[adapter]`, so all other code handles only single NICs.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dataplane.scenario.findings import Findings, Path
from dataplane.scenario.model import Run, Scenario

#: What makes a source or a policy: a table that names its own does not take keys that were meant for another.
_STANDS_ALONE = {"traffic": {"capture", "profile"}, "policy": {"name"}}
_OF_THE_FILE = {"name", "description", "adapter"}
_TABLES = {field.alias or name for name, field in Scenario.model_fields.items()} - _OF_THE_FILE
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}", re.ASCII)  # it becomes the name of a directory


@dataclass(frozen=True, slots=True)
class SeveralNics:
    """A loaded file with several NICs: each is a complete scenario, with the same results as if it were run alone."""

    name: str
    description: str
    seed: int  # of the file; each NIC has its own
    nics: tuple[Scenario, ...]  # in file order


@dataclass(frozen=True, slots=True)
class NicDocument:
    """The document of one NIC, as if the file held no other, and where its findings belong in the file."""

    document: dict[str, Any]
    findings: NicFindings

    @property
    def name(self) -> str:
        """Of the NIC."""
        return str(self.document["name"])


class NicFindings(Findings):
    """Findings about the document of one NIC, noted at their places in the file."""

    def __init__(self, whole: Findings, document: Mapping[str, Any], row: int) -> None:
        self._whole = whole
        self._of_file = document
        self._row = row
        self._own: Mapping[str, Any] = document["adapter"][row]

    def add(self, path: Path, message: str, rule: str = "") -> None:
        """As `Findings.add`; what several NICs share is noted once."""
        self._whole.add(self._in_file(path), message, rule)

    def is_given(self, path: Path) -> bool:
        """As `Findings.is_given`."""
        return self._whole.is_given(self._in_file(path))

    def _in_file(self, path: Path) -> Path:
        if path and path[0] == "adapter":
            return ("adapter", self._row, *path[1:])
        table = str(path[0]) if path else ""
        own, shared = self._own.get(table), self._of_file.get(table)
        if table not in self._own:
            return path
        if isinstance(own, dict) and isinstance(shared, dict) and len(path) > 1:
            key = path[1]
            if key in shared and key not in own:
                return path
        return ("adapter", self._row, *path)


def several_where_one(label: str, several: SeveralNics) -> str:
    """What to tell who has named none of them."""
    names = ", ".join(nic.name for nic in several.nics)
    return f"{label} has the NICs {names}, and this takes one: name it with --adapter"


def is_list_of_adapters(document: Mapping[str, Any]) -> bool:
    """Whether a file has `[[adapter]]` rows."""
    return isinstance(document.get("adapter"), list)


def nic_documents(document: Mapping[str, Any], findings: Findings) -> list[NicDocument]:
    """A document for each row, in file order; rows that are none are noted in `findings` and left out."""
    rows: Sequence[Any] = document["adapter"]
    if not rows:
        findings.add(("adapter",), "lists no NIC: write [[adapter]] for each, or one [adapter]")
    names: set[str] = set()
    found = []
    for number, row in enumerate(rows):
        if not isinstance(row, dict):
            findings.add(("adapter",), "must be a table, or [[adapter]] for each NIC")
            continue
        name = row.get("name", f"nic-{number + 1}")
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            findings.add(("adapter", number, "name"), f"{name!r} must be letters, digits, - and _: a directory has it")
        elif name.lower() in names:
            findings.add(("adapter", number, "name"), f"{name!r} is the name of another NIC: each needs one of its own")
        names.add(str(name).lower())
        nic = _nic_document(document, row, str(name))
        found.append(NicDocument(nic, NicFindings(findings, document, number)))
    return found


def derived_seed(seed: int, adapter: str) -> int:
    """The seed of a NIC from the seed of its file: NICs differ, and do not depend on which others there are."""
    digest = hashlib.blake2b(f"adapter {adapter} {seed}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def _nic_document(document: Mapping[str, Any], row: Mapping[str, Any], name: str) -> dict[str, Any]:
    nic = {key: value for key, value in document.items() if key not in _OF_THE_FILE}
    if "description" in row or "description" in document:
        nic["description"] = row.get("description", document.get("description"))
    for table in _TABLES & row.keys():
        nic[table] = _merged(table, document.get(table), row[table])
    nic["name"] = name
    nic["adapter"] = {key: value for key, value in row.items() if key not in _TABLES | {"name", "description"}}
    nic.setdefault("run", {})
    _derive_seed(nic, "run", row, name, default=Run().seed)
    _derive_seed(nic, "traffic", row, name, default=None)
    return nic


def _merged(table: str, shared: Any, own: Any) -> Any:
    if not isinstance(own, dict) or not isinstance(shared, dict) or _STANDS_ALONE.get(table, set()) & own.keys():
        return own
    return shared | own


def _derive_seed(nic: dict[str, Any], table: str, row: Mapping[str, Any], name: str, *, default: int | None) -> None:
    """Replace a shared seed by the NIC's own; wrong values stay, so that they become findings."""
    keys, own = nic.get(table), row.get(table)
    if not isinstance(keys, dict) or (isinstance(own, dict) and "seed" in own):
        return
    seed = keys.get("seed", default)
    if isinstance(seed, int) and not isinstance(seed, bool) and 0 <= seed < 2**63:
        nic[table] = keys | {"seed": derived_seed(seed, name)}
