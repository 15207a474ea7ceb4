"""The queries of KEDA and of the admission controller, put to the Prometheus that they ask."""

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from acceptance.errors import CheckError
from acceptance.handshake import METRICS_CHECK, Result, Row
from acceptance.outputs import deployed_outputs
from access.prometheus import Ask, NotAskedError, PrometheusError, asker, by_url, instant
from stacks.schema import StackConfig
from stacks.schema.site import ExternalPrometheus, OperatorPrometheus, OwnPrometheus

PATIENCE_SECONDS = 60.0
"""Time until the first series are there: twice the slowest scrape interval in use at sites."""


@dataclass(frozen=True)
class MetricQuery:
    """A query, and who asks it."""

    reader: str
    """Such as `autoscaling of pool gpu`."""
    query: str
    """PromQL."""


def queries_of(outputs: Mapping[str, Any]) -> Sequence[MetricQuery]:
    """Return the queries from the outputs of a stack."""
    return [MetricQuery(each["reader"], each["query"]) for each in outputs.get("metrics_queries", ())]


def metric_rows(config: StackConfig, stack: str, url: str | None, root: Path) -> Iterator[Row]:
    """Yield a row for each query of a deployed stack, put to its Prometheus, or to the one at another URL."""
    try:
        queries = queries_of(deployed_outputs(stack, root))
        if queries:
            ask = by_url(config, url, stack, root) if url else asker(config, stack, root)
            yield from ask_prometheus(config, queries, ask)
    except (CheckError, PrometheusError) as error:
        yield Row(check=METRICS_CHECK, model="", result=Result.FAILED, detail=str(error), milliseconds=None)


def ask_prometheus(
    config: StackConfig, queries: Sequence[MetricQuery], ask: Ask, *, patience_seconds: float = PATIENCE_SECONDS
) -> Iterator[Row]:
    """Yield a row for each query. After a deployment it may take a while until series are there."""
    deadline = time.monotonic() + patience_seconds
    for each in queries:
        start = time.perf_counter()
        try:
            while not (values := _values(each, ask(instant(each.query)))) and time.monotonic() < deadline:
                time.sleep(min(2.0, patience_seconds))
            result, detail = Result.OK, f"{_one(values, config):g}"
        except NotAskedError as error:
            result, detail = Result.NOT_TRIED, str(error)
        except (CheckError, PrometheusError) as error:
            result, detail = Result.FAILED, str(error)
        yield Row(
            check=METRICS_CHECK,
            model="",
            result=result,
            detail=f"{each.reader}: {detail}",
            milliseconds=(time.perf_counter() - start) * 1000,
        )


def _values(asked: MetricQuery, answer: Mapping[str, Any]) -> Sequence[float]:
    """Return the values of an instant vector.

    Raises:
        CheckError: the answer is an error, or of another type.
    """
    if answer.get("status") != "success":
        msg = f"Prometheus refuses the query `{asked.query}` ({answer.get('error', 'without a reason')}): correct it"
        raise CheckError(msg)
    data = answer["data"]
    if data["resultType"] != "vector":
        msg = (
            f"the query `{asked.query}` gives a {data['resultType']}, and KEDA reads a vector: put vector(…) around it"
        )
        raise CheckError(msg)
    return [float(series["value"][1]) for series in data["result"]]


def _one(values: Sequence[float], config: StackConfig) -> float:
    """Return the one value.

    Raises:
        CheckError: there is none, there are several, or it is no number.
    """
    if not values:
        msg = f"no series, so the number of servers stays as it is and no job is refused: {_way_out(config)}"
        raise CheckError(msg)
    if len(values) > 1:
        msg = f"{len(values)} series where KEDA takes one: aggregate them in the query, such as by sum(…)"
        raise CheckError(msg)
    (value,) = values
    if not math.isfinite(value):
        msg = (
            f"the value is {value}, which KEDA takes for an error: the query divides by zero, or by what is not there; "
            "ask for its parts one by one"
        )
        raise CheckError(msg)
    return value


def _way_out(config: StackConfig) -> str:
    match config.site.monitoring:
        case OwnPrometheus():
            return f"see `kubectl -n {config.namespace} logs deploy/{config.name}-prometheus`, and that servers run"
        case OperatorPrometheus() as site:
            labels = ", ".join(f"{key}={value}" for key, value in site.monitor_labels.items()) or "no label"
            return (
                f"compare {site.monitor}MonitorSelector and its namespaces (`kubectl get prometheus -A -o yaml`) with "
                f"site.monitoring.monitor_labels ({labels}) and monitor_namespace"
            )
        case ExternalPrometheus(service_labels=labels, service_annotations=annotations) if labels or annotations:
            return (
                f"look for Service {config.name}-server-metrics among its targets, and compare what its jobs keep with "
                "site.monitoring.service_labels and service_annotations"
            )
        case ExternalPrometheus():
            return (
                "it has to scrape pods by the annotation prometheus.io/scrape; if it looks for Services, set "
                "site.monitoring.service_labels, and if the Prometheus Operator runs it, `kind: operator`"
            )
