"""The oracle: answers a script of steps as a correct miniport would (the oracle protocol, version 1).

`run_script(lines, write)` is the interface. `lines` reads. `specification`, `oid_step`, `frames`, `checks` and
`inspection` understand one kind of step each. `session` runs the steps on a `ControlPlane` and a `DataPath`, and
`render` writes the results.
"""

from dataplane.oracle.script import run_script

__all__ = ["run_script"]
