"""What `vmmq bench` measures, a module for each group: `measure` takes a `Session` and yields named figures."""
