"""Benchmarks of SuperSONIC 0.3.1's configuration and ours, in one run: `python -m benchmarks`."""
