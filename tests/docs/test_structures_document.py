"""docs/structures.md has the layouts that the tests of the structures repeat."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.ndis.layouts import LAYOUTS, DocumentedLayout

TEXT = (Path(__file__).parents[2] / "docs" / "structures.md").read_text("utf-8")
SECTIONS: dict[str, str] = dict(re.findall(r"^### (\w+).*?\n(.*?)(?=^##|\Z)", TEXT, re.DOTALL | re.MULTILINE))


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
def test_layout_is_documented(layout: DocumentedLayout) -> None:
    """Offset, size and name of every member, `sizeof`, and Header.Size by revision (STR-03, STR-06).

    Members of a union have their own layout, with offsets from the start of the union. Elsewhere the members of an
    inner structure stand in its place.
    """
    name, _, view = layout.name.partition(".")
    rows = re.findall(r"^\| (\d+) \| (\d+) \| .*? \| ([\w.]+) \|", SECTIONS[name], re.MULTILINE)
    members = [(int(offset), int(size), member) for offset, size, member in rows]
    if view:
        union = next(offset for offset, _, member in members if member == view.partition(".")[0])
        inside = [one for one in members if one[2].startswith(f"{view}.")]
        assert layout.members == tuple((at - union, size, one.rpartition(".")[2]) for at, size, one in inside)
        return
    divided = {one.partition(".")[0] for _, _, one in members if "." in one} - {"DATA"}
    assert layout.members == tuple(one for one in members if one[2] not in divided and not one[2].startswith("DATA."))
    sizes = re.findall(r"revision \d+ = (\d+)", SECTIONS[name])
    assert (f"`sizeof` {layout.sizeof}," in SECTIONS[name], tuple(map(int, sizes))) == (True, layout.sizes)
