"""Traces of requests: spans of Envoy and Triton, for a site's OpenTelemetry collector."""

from collections.abc import Iterator, Sequence
from typing import Annotated

from pydantic import Field

from stacks.schema.base import BrokenRule, Model
from stacks.schema.url import CollectorUrl

Percent = Annotated[float, Field(ge=0, le=100)]


class Tracing(Model):
    """OpenTelemetry spans of requests in Envoy and Triton, which send them by OTLP over HTTP."""

    url: CollectorUrl
    """URL of the collector's OTLP receiver for HTTP, whose usual port is 4318. Spans go to its path /v1/traces."""
    sampling_percent: Percent = 1.0
    """Share of requests that are traced, in percent."""
    client_sampling_percent: Percent = 0.0
    """Share of requests with a client's own decision (header `traceparent`) that follow it and continue the client's
    trace, in percent. Of the others Envoy decides by sampling_percent."""

    @property
    def spans_url(self) -> str:
        """URL that spans are posted to."""
        return f"{self.url.rstrip('/')}/v1/traces"


def broken_trace_flags(extra_flags: Sequence[str]) -> Iterator[BrokenRule]:
    """Yield each flag of tritonserver in `experiment.server.extra_flags` that site.tracing sets itself."""
    for index, flag in enumerate(extra_flags):
        if flag.startswith("--trace-"):
            yield BrokenRule(
                f"experiment.server.extra_flags[{index}] is `{flag}` but site.tracing sets the traces of every server: "
                "remove one of the two",
                (f"experiment.server.extra_flags.{index}", "site.tracing"),
            )
