"""The receive path of the NIC: match, hash, index, assign, and group the rows of a batch by processor."""
