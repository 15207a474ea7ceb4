"""The main rows of B1 again, with real pods: `python -m benchmarks cluster`."""
