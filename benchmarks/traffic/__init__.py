"""The benchmarks on loopback."""
