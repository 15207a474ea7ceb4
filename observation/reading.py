"""Facts of a stack, read from its cluster and its Prometheus. What is not answered becomes a sentence."""

import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

from access.cluster import (
    AUTOSCALERS,
    DEPLOYMENTS,
    EVENTS,
    PODS,
    SCALED_OBJECTS,
    ClusterError,
    ClusterView,
    NotAllowedError,
    Object,
    Resource,
)
from access.prometheus import Ask, PrometheusError, instant
from observation.facts import Facts, Sample, Unknown
from observation.promql import envoy_values, server_values
from observation.stack_names import StackNames


def read(view: ClusterView, ask: Ask, names: StackNames) -> Facts:
    """Read the facts of one moment, all at once.

    Args:
        view: the cluster; a fresh one, since it keeps its answers.
        ask: the Prometheus of the stack.
        names: the stack.
    """
    mine = f"app.kubernetes.io/instance={names.instance}"

    def objects(kind: Resource, labels: str = mine) -> Sequence[Object] | Unknown:
        return _objects(view, kind, names.namespace, labels)

    with ThreadPoolExecutor(max_workers=7) as pool:
        servers = pool.submit(samples, ask, server_values(names))
        envoys = pool.submit(samples, ask, envoy_values(names))
        events = pool.submit(objects, EVENTS, "")
        kinds = (PODS, DEPLOYMENTS, SCALED_OBJECTS, AUTOSCALERS)
        pods, deployments, scaled_objects, autoscalers = pool.map(objects, kinds)
        return Facts(
            now=datetime.now(UTC),
            pods=pods,
            deployments=deployments,
            scaled_objects=scaled_objects,
            autoscalers=autoscalers,
            events=events.result(),
            servers=servers.result(),
            envoys=envoys.result(),
        )


def _objects(view: ClusterView, kind: Resource, namespace: str, labels: str) -> Sequence[Object] | Unknown:
    try:
        return view.list(kind, namespace, labels)
    except NotAllowedError as error:
        return Unknown(f"{kind} cannot be read ({error}): get the right to `list` them in namespace {namespace}")
    except ClusterError as error:
        return Unknown(f"{kind} cannot be read: {error}")


def samples(ask: Ask, query: str) -> Sequence[Sample] | Unknown:
    """Return the present samples of a query. NaN and infinity, such as of an empty histogram, are left out."""
    result = answered(ask, instant(query))
    if isinstance(result, Unknown):
        return result
    found = [Sample(labels=each["metric"], value=float(each["value"][1])) for each in result]
    return [sample for sample in found if math.isfinite(sample.value)]


def answered(ask: Ask, question: str) -> Sequence[Mapping[str, Any]] | Unknown:
    """Put a question to Prometheus, and return the series of its answer."""
    try:
        answer = ask(question)
    except PrometheusError as error:
        return Unknown(f"Prometheus: {error}")
    if answer["status"] != "success":
        return Unknown(f"Prometheus refuses the query ({answer.get('error', 'without a reason')})")
    result: Sequence[Mapping[str, Any]] = answer["data"]["result"]
    return result
