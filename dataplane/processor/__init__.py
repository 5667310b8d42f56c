"""A simulated processor: its DPC queue served in virtual time, its counters, windows and histograms."""
