"""The oracle: a script of steps in, what a correct miniport does out (the oracle protocol, version 1).

`run_script(lines, write)` is the whole of it. `lines` reads, `specification`, `oid_step`, `frames`, `checks` and
`inspection` understand one kind of step each, `session` runs them on a `ControlPlane` and a `DataPath`, and `render`
writes.
"""

from dataplane.oracle.script import run_script

__all__ = ["run_script"]
