"""The benchmarks of what clients see, SuperSONIC's configuration against ours."""
