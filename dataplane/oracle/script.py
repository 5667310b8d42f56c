"""Running a script: lines in, result lines out, one at a time."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable

from dataplane.ndis.values import MalformedValue
from dataplane.oracle.lines import parse_object, step_lines
from dataplane.oracle.session import Session

EXIT_DONE = 0
EXIT_MALFORMED = 2


def run_script(lines: Iterable[str], write: Callable[[str], object]) -> int:
    """Run the steps of a script in order and write each result, newline included, as soon as its step is done.

    Returns the exit code: 2 if a line was malformed, otherwise 0. Failed requests, dropped frames and refused adapters
    are results like any other. Memory does not grow with the script, except for its labels and what the model holds.
    """
    session = Session()
    exit_code = EXIT_DONE
    for number, text in step_lines(lines):
        try:
            result = session.run(number, parse_object(text))
        except MalformedValue as error:
            result = {"line": number, "error": str(error)}
            exit_code = EXIT_MALFORMED
        write(json.dumps(result) + "\n")
    return exit_code
