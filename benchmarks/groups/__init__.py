"""The groups of `vmmq bench`, one module each; `measure` takes a `Session` and yields figures with their names."""
