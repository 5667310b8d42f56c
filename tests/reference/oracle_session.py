"""One long-lived run of the oracle, step by step."""

from __future__ import annotations

import json
from typing import Any

from dataplane.oracle.lines import parse_object
from dataplane.oracle.session import Session


class OracleSession:
    """What `vmmq oracle` would do with the steps as lines of a script, one line at a time."""

    def __init__(self) -> None:
        self._session = Session()
        self._lines = 0

    def step(self, step: dict[str, Any]) -> dict[str, Any]:
        """The result line of a step, read back from JSON; a malformed step raises."""
        self._lines += 1
        result = self._session.run(self._lines, parse_object(json.dumps(step)))
        answer: dict[str, Any] = json.loads(json.dumps(result))
        return answer
