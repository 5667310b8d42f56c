"""Scaling experiments: one scenario with more processors, NICs, flows, filters, ..., and the cost of each frame.

A grid of `points` (the change of the scenario, and the engine) becomes runs, with repeats of every point. `variants`
changes the scenario. `measure` measures one NIC in its own process. `schedule` decides which run goes where next.
`store` keeps finished runs. `rows` and `summary` evaluate them, `screen` and `plots` show them. `experiment` combines
all of these. Nothing here starts processes; `actors/` does that.
"""
