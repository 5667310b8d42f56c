"""What is configured, as immutable values, and the snapshot of it that the receive path reads."""
