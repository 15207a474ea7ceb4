"""SuperSONIC 0.3.1's Lua limiter, written anew so that it decides as theirs does, right or wrong.

What it does is told in the chart's documentation and was seen from outside: it acts on `RepositoryIndex` alone, which
a CMS job calls once at its start. It asks Prometheus for the scaling metric within the request, and accepts when the
value found is not above the threshold. Where it finds no value, it refuses. What it refuses is sent to the server all
the same, and the answer is emptied: the status is written into the answer's *headers*, where a gRPC client does not
look when trailers follow, and the trailers still say OK.
"""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote_plus

from benchmarks.peer.scaling_metric import scaling_query

_SOURCE = Path(__file__).with_name("limiter.lua")

DEFAULT_QUERY = scaling_query("supersonic")
"""The chart's metric for a release named `supersonic`: milliseconds in the queue per execution."""


@dataclass(frozen=True, kw_only=True)
class LoadLimit:
    """`envoy.rate_limiter.prometheus_based`, off by default."""

    prometheus_host: str
    """Address of Prometheus."""
    prometheus_port: int
    query: str = DEFAULT_QUERY
    """Expression of which Prometheus is asked for the value now."""
    threshold: float = 100
    """`serverLoadThreshold`: values above it refuse. In milliseconds for the default query."""


def lua_source(limit: LoadLimit) -> str:
    """The filter's code, with the limit's facts filled in."""
    facts = {
        "@PATH@": f"/api/v1/query?query={quote_plus(limit.query)}",
        "@AUTHORITY@": f"{limit.prometheus_host}:{limit.prometheus_port}",
        "@THRESHOLD@": f"{limit.threshold:g}",
    }
    source = _SOURCE.read_text()
    for mark, fact in facts.items():
        source = source.replace(mark, fact)
    return source
