"""Scenarios that run: the quick start and one for each feature. Each file says at its top what to look at."""
