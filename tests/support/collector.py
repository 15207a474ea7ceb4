"""A real OpenTelemetry collector on loopback, which writes the spans that it gets to a file."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from testbed.child_process import Process
from testbed.loopback import LOOPBACK, free_port
from testbed.polling import eventually
from tests.support.tools import tool


@dataclass(frozen=True, kw_only=True)
class Span:
    """A span as it reached the collector."""

    service: str
    name: str
    trace_id: str
    span_id: str
    parent_id: str
    """Empty: the root of its trace."""
    attributes: dict[str, Any]
    """Those of the span and of its resource."""


@dataclass(frozen=True, kw_only=True)
class Collector:
    """A running collector."""

    url: str
    """URL of its receiver for OTLP over HTTP."""
    file: Path
    """File with the spans that it got."""

    def spans(self, service: str | None = None) -> list[Span]:
        """Return the spans so far, of one service or of all."""
        lines = self.file.read_text().splitlines() if self.file.exists() else []
        found = [span for line in lines for span in _spans(json.loads(line))]
        return [span for span in found if service is None or span.service == service]

    def await_spans(self, number: int, service: str) -> list[Span]:
        """Wait until a service has sent so many spans, and return all of its spans."""
        eventually(lambda: len(self.spans(service)) >= number, f"{number} spans of {service} at the collector")
        return self.spans(service)


@contextmanager
def collector(directory: Path) -> Iterator[Collector]:
    """Run a collector, which is ready when this is entered."""
    port, file = free_port(), directory / "spans.jsonl"
    config = {
        "receivers": {"otlp": {"protocols": {"http": {"endpoint": f"{LOOPBACK}:{port}"}}}},
        "exporters": {"file": {"path": str(file), "flush_interval": "100ms"}},
        "service": {
            "pipelines": {"traces": {"receivers": ["otlp"], "exporters": ["file"]}},
            "telemetry": {"metrics": {"level": "none"}},
        },
    }
    path = directory / "collector.yaml"
    path.write_text(yaml.safe_dump(config))
    command = [str(tool("otel-collector")), f"--config=file:{path}"]
    with Process(command, log=directory / "collector.log") as process:
        process.await_that(lambda: "Everything is ready" in process.log.read_text(), "the collector to be ready")
        yield Collector(url=f"http://{LOOPBACK}:{port}", file=file)


def _spans(batch: dict[str, Any]) -> Iterator[Span]:
    for of_resource in batch["resourceSpans"]:
        resource = _attributes(of_resource["resource"])
        for scope in of_resource["scopeSpans"]:
            for span in scope["spans"]:
                yield Span(
                    service=resource["service.name"],
                    name=span["name"],
                    trace_id=span["traceId"],
                    span_id=span["spanId"],
                    parent_id=span.get("parentSpanId", ""),
                    attributes={**resource, **_attributes(span)},
                )


def _attributes(holder: dict[str, Any]) -> dict[str, Any]:
    return {each["key"]: next(iter(each["value"].values()), None) for each in holder.get("attributes", ())}
