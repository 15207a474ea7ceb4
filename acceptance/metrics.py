"""The queries of KEDA and of the admission controller, put to the Prometheus that they ask."""

import json
import math
import os
import ssl
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from acceptance.errors import CheckError
from acceptance.handshake import METRICS_CHECK, Result, Row
from acceptance.outputs import deployed_outputs
from access.kubeconfig import find_context
from stacks.errors import ConfigurationError
from stacks.schema import StackConfig
from stacks.schema.site import ExternalPrometheus, OperatorPrometheus, OwnPrometheus, SitePrometheus
from stacks.schema.url import cluster_service, endpoint

PATIENCE_SECONDS = 60.0
"""Time until the first series are there: twice the slowest scrape interval in use at sites."""
_CALL_SECONDS = 15

Ask = Callable[[str], Mapping[str, Any]]
"""Puts a query to Prometheus, and returns its answer. Raises CheckError, or NotAskedError."""


class NotAskedError(CheckError):
    """Prometheus cannot be asked from this machine, which says nothing of the stack."""


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
    except CheckError as error:
        yield Row(check=METRICS_CHECK, model="", result=Result.FAILED, detail=str(error), milliseconds=None)


def ask_prometheus(
    config: StackConfig, queries: Sequence[MetricQuery], ask: Ask, *, patience_seconds: float = PATIENCE_SECONDS
) -> Iterator[Row]:
    """Yield a row for each query. After a deployment it may take a while until series are there."""
    deadline = time.monotonic() + patience_seconds
    for each in queries:
        start = time.perf_counter()
        try:
            while not (values := _values(each, ask(each.query))) and time.monotonic() < deadline:
                time.sleep(min(2.0, patience_seconds))
            result, detail = Result.OK, f"{_one(values, config):g}"
        except NotAskedError as error:
            result, detail = Result.NOT_TRIED, str(error)
        except CheckError as error:
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


def asker(config: StackConfig, stack: str, root: Path) -> Ask:
    """Return the way to the Prometheus of a stack: by HTTP, or through the API server if its URL is a Service's.

    Raises:
        CheckError: the header that Prometheus requires cannot be had.
    """
    monitoring = config.site.monitoring
    if isinstance(monitoring, OwnPrometheus):
        return _through_api_server(config, "http", f"{config.name}-prometheus", config.namespace, 9090, "")
    server = endpoint(monitoring.url)
    service = cluster_service(server.host)
    if service and service.namespace:
        if monitoring.token_secret or monitoring.secret_header:
            return _not_asked("the API server passes no credentials on", service.name, service.namespace, server.port)
        path = urllib.parse.urlsplit(monitoring.url).path
        return _through_api_server(config, server.scheme, service.name, service.namespace, server.port, path)
    return _by_http(monitoring.url, _header(monitoring, stack, root), monitoring.authorities)


def by_url(config: StackConfig, url: str, stack: str, root: Path) -> Ask:
    """Return the way to the Prometheus of a stack at another URL, such as that of a forwarded port."""
    monitoring = config.site.monitoring
    if isinstance(monitoring, OwnPrometheus):
        return _by_http(url, {}, None)
    return _by_http(url, _header(monitoring, stack, root), monitoring.authorities)


def _header(monitoring: SitePrometheus, stack: str, root: Path) -> Mapping[str, str]:
    if monitoring.token_secret:
        return {"Authorization": f"Bearer {_secret(monitoring.token_secret, stack, root)}"}
    if monitoring.secret_header:
        return {monitoring.secret_header.name: _secret(monitoring.secret_header.value_secret, stack, root)}
    return {}


def _secret(name: str, stack: str, root: Path) -> str:
    command = ["pulumi", "config", "get", f"sonic:{name}", "--non-interactive", "--stack", stack]
    try:
        run = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        msg = f"`pulumi` is not on PATH, and it keeps the secret {name} that Prometheus requires: install it"
        raise CheckError(msg) from error
    if run.returncode != 0:
        msg = f"Pulumi does not give the secret {name} that Prometheus requires: see `{' '.join(command)}`"
        raise CheckError(msg)
    return run.stdout.strip()


def _path(base: str, query: str) -> str:
    return f"{base.rstrip('/')}/api/v1/query?{urllib.parse.urlencode({'query': query})}"


def _by_http(url: str, header: Mapping[str, str], authorities: str | None) -> Ask:
    trusted = ssl.create_default_context(cadata=authorities)

    def ask(query: str) -> Mapping[str, Any]:
        request = urllib.request.Request(_path(url, query))  # noqa: S310
        for name, value in header.items():
            request.add_unredirected_header(name, value)
        try:
            with urllib.request.urlopen(request, timeout=_CALL_SECONDS, context=trusted) as answer:  # noqa: S310
                return _json(answer.read(), url)
        except urllib.error.HTTPError as error:
            if error.code in (401, 403):
                msg = (
                    f"{url} answers {error.code}, it requires credentials: set site.monitoring.token_secret or "
                    "secret_header"
                )
                raise CheckError(msg) from error
            return _json(error.read(), url)
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", error)
            if isinstance(reason, ssl.SSLCertVerificationError):
                msg = (
                    f"{url} shows a certificate that is not trusted ({reason.verify_message}): write the certificates "
                    "of its authorities as site.monitoring.authorities"
                )
                raise CheckError(msg) from error
            msg = (
                f"{url} does not answer here ({reason}): see that it runs; if the cluster alone reaches it, forward a "
                "port and ask that with --prometheus http://127.0.0.1:PORT"
            )
            raise CheckError(msg) from error

    return ask


def _through_api_server(config: StackConfig, scheme: str, service: str, namespace: str, port: int, base: str) -> Ask:
    place = f"/api/v1/namespaces/{namespace}/services/{scheme}:{service}:{port}/proxy{base}"

    def ask(query: str) -> Mapping[str, Any]:
        try:
            context = find_context(config.site.access, os.environ)
            command = ["kubectl", *context.kubectl_flags, "get", "--raw", _path(place, query)]
            run = subprocess.run(command, capture_output=True, text=True, timeout=_CALL_SECONDS, check=False)
        except (ConfigurationError, FileNotFoundError, subprocess.TimeoutExpired) as error:
            return _not_asked(_reason(error), service, namespace, port)(query)
        if run.returncode == 0:
            return _json(run.stdout.encode(), place)
        words = " ".join(run.stderr.split())
        if "NotFound" in words or "ServiceUnavailable" in words or "no endpoints" in words:
            msg = (
                f"Service {service} of namespace {namespace} does not lead to a Prometheus ({words}): compare "
                f"site.monitoring.url with `kubectl -n {namespace} get service,endpoints {service}`"
            )
            raise CheckError(msg)
        return _not_asked(words, service, namespace, port)(query)

    return ask


def _not_asked(reason: str, service: str, namespace: str, port: int) -> Ask:
    def ask(_: str) -> Mapping[str, Any]:
        msg = (
            f"not asked ({reason}): run `kubectl -n {namespace} port-forward service/{service} 9090:{port}` and add "
            "--prometheus http://127.0.0.1:9090"
        )
        raise NotAskedError(msg)

    return ask


def _reason(error: Exception) -> str:
    match error:
        case FileNotFoundError():
            return "kubectl is not on PATH"
        case subprocess.TimeoutExpired():
            return f"kubectl has not answered within {_CALL_SECONDS} s"
        case _:
            return " ".join(str(error).split())


def _json(body: bytes, place: str) -> Mapping[str, Any]:
    try:
        answer: Mapping[str, Any] = json.loads(body)
        answer["status"]
    except (ValueError, TypeError, KeyError) as error:
        msg = f"{place} does not answer as Prometheus: compare site.monitoring.url with its path, or that of a proxy"
        raise CheckError(msg) from error
    return answer
