"""The Ray engine: actors are shells around the dataplane's objects.

Importing this package does not import Ray. It only sets how Ray starts, which must happen before Ray is imported:
actors run at the driver's priority (by default a busy driver starves them), calls that fail because another actor died
are not reported a second time, warnings of Ray do not go to standard output, no usage statistics are sent to the Ray
project, and clusters get the user's token.
"""

from __future__ import annotations

import os

os.environ.setdefault("RAY_worker_niceness", "0")
os.environ.setdefault("RAY_IGNORE_UNHANDLED_ERRORS", "1")
# lines to suppress: Ray prints "8 PYTHON worker processes have been started" in spite of log_to_driver=False
os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", ".")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
# clusters require a token by default, but Ray 2.60 sends none to an address of the form HOST:PORT
os.environ.setdefault("RAY_AUTH_MODE", "token")
