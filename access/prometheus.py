"""The Prometheus of a stack, asked by HTTP, or through the API server if its URL is that of a Service."""

import json
import os
import ssl
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, NamedTuple

from access.cluster import ClusterError
from access.kubeconfig import find_context
from access.kubectl_proxy import kubectl_proxy
from stacks.errors import ConfigurationError
from stacks.schema import StackConfig
from stacks.schema.site import OwnPrometheus, SitePrometheus
from stacks.schema.url import cluster_service, endpoint

CALL_SECONDS = 15
"""Time that an answer may take, by default."""
_OWN_PORT = 9090

Ask = Callable[[str], Mapping[str, Any]]
"""Puts a question (a path of Prometheus' HTTP API), and returns the answer. Raises PrometheusError."""

ApiPath = Callable[[str], tuple[int, str]]
"""Returns the status and the body of a path of the API server. Raises ClusterError or ConfigurationError."""


class PrometheusError(Exception):
    """Prometheus gives no answer; one sentence: the thing, the value found, the rule, the way out."""


class NotAskedError(PrometheusError):
    """Prometheus cannot be asked from this machine, which says nothing of the stack."""


class _Service(NamedTuple):
    """A Prometheus behind a Service of the cluster."""

    scheme: str
    name: str
    namespace: str
    port: int
    path: str
    """Path of its HTTP API, without `/api/v1`."""


def instant(query: str) -> str:
    """Return the question for the present values of a query."""
    return f"/api/v1/query?{urllib.parse.urlencode({'query': query})}"


def over_time(query: str, *, start_seconds: float, end_seconds: float, step_seconds: int) -> str:
    """Return the question for the values of a query between two times of the Unix epoch, one each step."""
    asked = {"query": query, "start": f"{start_seconds:.0f}", "end": f"{end_seconds:.0f}", "step": str(step_seconds)}
    return f"/api/v1/query_range?{urllib.parse.urlencode(asked)}"


def asker(
    config: StackConfig, stack: str, root: Path, api: ApiPath | None = None, *, call_seconds: int = CALL_SECONDS
) -> Ask:
    """Return the way to the Prometheus of a stack.

    Args:
        config: the stack.
        stack: its name, under which Pulumi keeps its secrets.
        root: folder of the stack files.
        api: way to the API server; by default a kubectl of its own for each question.
        call_seconds: time that an answer may take; that of `api` is its own.

    Raises:
        PrometheusError: the header that Prometheus requires cannot be had.
    """
    monitoring = config.site.monitoring
    through = api or _kubectl_for_each(config, call_seconds)
    if isinstance(monitoring, OwnPrometheus):
        return _through(through, _Service("http", f"{config.name}-prometheus", config.namespace, _OWN_PORT, ""))
    server = endpoint(monitoring.url)
    found = cluster_service(server.host)
    if found and found.namespace:
        path = urllib.parse.urlsplit(monitoring.url).path
        service = _Service(server.scheme, found.name, found.namespace, server.port, path.rstrip("/"))
        if monitoring.token_secret or monitoring.secret_header:
            return _not_asked("the API server passes no credentials on", service)
        return _through(through, service)
    return _by_http(monitoring.url, _header(monitoring, stack, root), monitoring.authorities, call_seconds)


def by_url(config: StackConfig, url: str, stack: str, root: Path, *, call_seconds: int = CALL_SECONDS) -> Ask:
    """Return the way to the Prometheus of a stack at another URL, such as that of a forwarded port.

    Raises:
        PrometheusError: the header that Prometheus requires cannot be had.
    """
    monitoring = config.site.monitoring
    if isinstance(monitoring, OwnPrometheus):
        return _by_http(url, {}, None, call_seconds)
    return _by_http(url, _header(monitoring, stack, root), monitoring.authorities, call_seconds)


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
        raise PrometheusError(msg) from error
    if run.returncode != 0:
        msg = f"Pulumi does not give the secret {name} that Prometheus requires: see `{' '.join(command)}`"
        raise PrometheusError(msg)
    return run.stdout.strip()


def _by_http(url: str, header: Mapping[str, str], authorities: str | None, call_seconds: int) -> Ask:
    trusted = ssl.create_default_context(cadata=authorities)

    def ask(question: str) -> Mapping[str, Any]:
        request = urllib.request.Request(f"{url.rstrip('/')}{question}")  # noqa: S310
        for name, value in header.items():
            request.add_unredirected_header(name, value)
        try:
            with urllib.request.urlopen(request, timeout=call_seconds, context=trusted) as answer:  # noqa: S310
                return _json(answer.read(), url)
        except urllib.error.HTTPError as error:
            if error.code in (401, 403):
                msg = (
                    f"{url} answers {error.code}, it requires credentials: set site.monitoring.token_secret or "
                    "secret_header"
                )
                raise PrometheusError(msg) from error
            return _json(error.read(), url)
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", error)
            if isinstance(reason, ssl.SSLCertVerificationError):
                msg = (
                    f"{url} shows a certificate that is not trusted ({reason.verify_message}): write the certificates "
                    "of its authorities as site.monitoring.authorities"
                )
                raise PrometheusError(msg) from error
            msg = (
                f"{url} does not answer here ({reason}): see that it runs; if the cluster alone reaches it, forward a "
                "port and ask that with --prometheus http://127.0.0.1:PORT"
            )
            raise PrometheusError(msg) from error

    return ask


def _kubectl_for_each(config: StackConfig, call_seconds: int) -> ApiPath:
    def ask(path: str) -> tuple[int, str]:
        with kubectl_proxy(find_context(config.site.access, os.environ)) as server:
            return server.raw(path, timeout_seconds=call_seconds)

    return ask


def _through(api: ApiPath, service: _Service) -> Ask:
    """Return the way through the API server, by the proxy of a Service."""
    scheme, name, namespace, port, path = service
    place = f"/api/v1/namespaces/{namespace}/services/{scheme}:{name}:{port}/proxy{path}"

    def ask(question: str) -> Mapping[str, Any]:
        try:
            status, text = api(f"{place}{question}")
        except (ClusterError, ConfigurationError) as error:
            return _not_asked(_one_line(str(error)), service)(question)
        words = _refusal(status, text)
        if words is None:
            return _json(text.encode(), place)
        if status in (HTTPStatus.NOT_FOUND, HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE):
            msg = (
                f"Service {name} of namespace {namespace} does not lead to a Prometheus ({words}): compare "
                f"site.monitoring.url with `kubectl -n {namespace} get service,endpoints {name}`"
            )
            raise PrometheusError(msg)
        return _not_asked(words, service)(question)

    return ask


def _refusal(status: int, text: str) -> str | None:
    """Return the words of the API server if the answer is its own; None: Prometheus has answered."""
    try:
        answer = json.loads(text)
    except ValueError:
        answer = {}
    if isinstance(answer, dict) and answer.get("kind") == "Status":
        return _one_line(answer.get("message") or f"status {status}")
    if status == HTTPStatus.OK or (isinstance(answer, dict) and "status" in answer):
        return None
    return f"status {status}: {_one_line(text)[:200]}"


def _not_asked(reason: str, service: _Service) -> Ask:
    def ask(_: str) -> Mapping[str, Any]:
        msg = (
            f"not asked ({reason}): run `kubectl -n {service.namespace} port-forward service/{service.name} "
            f"{_OWN_PORT}:{service.port}` and add --prometheus http://127.0.0.1:{_OWN_PORT}"
        )
        raise NotAskedError(msg)

    return ask


def _json(body: bytes, place: str) -> Mapping[str, Any]:
    try:
        answer: Mapping[str, Any] = json.loads(body)
        answer["status"]
    except (ValueError, TypeError, KeyError) as error:
        msg = f"{place} does not answer as Prometheus: compare site.monitoring.url with its path, or that of a proxy"
        raise PrometheusError(msg) from error
    return answer


def _one_line(text: str) -> str:
    return " ".join(text.split())
