"""The NIC of measurements that need only one VPort: the first part of a scenario file."""

from __future__ import annotations

#: A VPort with one address and a table of 128 entries over eight processors.
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
