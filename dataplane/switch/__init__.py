"""The configuration as immutable values, and the snapshot compiled from it, which the receive path reads."""
