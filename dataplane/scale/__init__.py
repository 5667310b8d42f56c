"""Scaling experiments: one scenario with more processors, NICs, flows, filters, ... and what each frame then costs.

A grid of `points` (how the scenario is changed, and on which engine it runs) becomes runs, some repeats of every point.
`variants` changes the scenario, `measure` takes the time of one NIC in a process of its own, `schedule` says which run
goes where next, `store` keeps what is finished, `rows` and `summary` say what it means, `screen` and `plots` show it.
`experiment` is all of that in turn. Nothing here starts processes: that is for `actors/`.
"""
