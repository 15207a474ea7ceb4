"""Autoscaling in the development cluster, beside the simulator: `python -m benchmarks scaling --live`."""
