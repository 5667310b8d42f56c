"""The NIC of measurements that need no more than one VPort: the head of a scenario."""

from __future__ import annotations

#: A VPort with one address, whose table of 128 entries spreads over eight processors.
ONE_VPORT = """[adapter]
rss_processors = 8
[[vport]]
id = 1
num_queue_pairs = 8
[[vport.filter]]
mac = "00:15:5d:01:02:01"
[vport.rss]
indirection_table = [0, 1, 2, 3, 4, 5, 6, 7]
num_indirection_table_entries = 128
"""
