"""Settings that must be in force before any test here imports Ray."""

import actors  # noqa: F401  # says how Ray is to start
