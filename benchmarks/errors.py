"""The exception of the benchmarks."""

from devcluster.errors import DevClusterError


class BenchmarkError(DevClusterError):
    """A benchmark cannot go on; the text is one sentence for the person at the terminal."""
