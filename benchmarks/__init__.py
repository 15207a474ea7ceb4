"""Measured against SuperSONIC 0.3.1's own configuration, in the same run: `python -m benchmarks`."""
