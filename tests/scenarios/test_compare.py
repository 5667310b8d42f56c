"""The subset comparison of expectation files accepts what it should and can fail."""

from __future__ import annotations

from typing import Any

import pytest

from tests.scenarios.compare import difference


@pytest.mark.parametrize(
    ("expected", "result"),
    [
        pytest.param({}, {"anything": 1}, id="an empty object asserts nothing"),
        pytest.param({"a": {}}, {"a": None}, id="an empty object asserts presence only"),
        pytest.param({"a": 1}, {"a": 1, "b": 2}, id="members of the result may be more"),
        pytest.param([{"a": 1}, {}], [{"a": 1, "b": 2}, 3], id="elements are subsets as well"),
        pytest.param({"contains": [2]}, [1, 2], id="contains"),
        pytest.param({"any_order": [{"a": 1}, {"b": 1}]}, [{"b": 1}, {"a": 1}], id="any order"),
        pytest.param({"any_order": [{}, {"a": 1}]}, [{"a": 1}, {"b": 1}], id="a greedy choice has to be taken back"),
        pytest.param(None, None, id="null"),
    ],
)
def test_satisfied(expected: Any, result: Any) -> None:
    """These results satisfy their expectation."""
    assert difference(expected, result) is None


@pytest.mark.parametrize(
    ("expected", "result", "where"),
    [
        pytest.param({"a": {}}, {}, "$.a", id="a member is missing"),
        pytest.param({"a": {"b": 1}}, {"a": {"b": 2}}, "$.a.b", id="a nested value differs"),
        pytest.param([], [1], "$", id="the list is longer"),
        pytest.param([1, 2], [1], "$", id="the list is shorter"),
        pytest.param([1, 2], [2, 1], "$[0]", id="lists are ordered"),
        pytest.param({"a": 1}, [1], "$", id="an object is not a list"),
        pytest.param([], {}, "$", id="a list is not an object"),
        pytest.param({"any_order": [1]}, [1, 2], "$", id="any order asserts the length"),
        pytest.param({"any_order": [1, 1]}, [1, 2], "$", id="each element is used once"),
        pytest.param({"contains": [1, 1]}, [1, 2, 3], "$", id="contains uses each element once"),
        pytest.param({"contains": [1]}, None, "$", id="contains wants a list"),
        pytest.param(1, True, "$", id="true is not 1"),
        pytest.param(False, 0, "$", id="0 is not false"),
        pytest.param(None, False, "$", id="false is not null"),
        pytest.param("1", 1, "$", id="a string is not a number"),
    ],
)
def test_not_satisfied(expected: Any, result: Any, where: str) -> None:
    """These results do not, and the difference names the place."""
    found = difference(expected, result)
    assert found is not None
    assert found.startswith(f"{where} ")
