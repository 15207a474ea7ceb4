"""Real Envoy and Triton, stand-ins and processes on loopback: the tests and the benchmarks start them here.

The program never imports it; `tests/pure/test_imports.py` holds that.
"""
