"""B1 with real pods: `python -m benchmarks cluster`."""
