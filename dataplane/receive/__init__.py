"""A batch's way through the NIC: match, hash, index, assign, then grouped by processor."""
