"""Objects by which a Prometheus of the site finds the pods of a stack: Services, PodMonitors and ServiceMonitors.

A Prometheus that looks for Services makes a target of every port of the Service and of every further port that the pods
declare. So the Services here have the metrics' port only, and the pods declare no other.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from components import names
from components.base import Manifest
from components.monitoring.args import MonitoringArgs
from components.server_pool import METRICS_PORT_NAME, MetricTarget
from stacks.schema.site import ExternalPrometheus, MonitorKind, OperatorPrometheus, OwnPrometheus

MONITOR_API_VERSION = "monitoring.coreos.com/v1"

_MONITORS: Mapping[MonitorKind, tuple[str, str]] = {
    MonitorKind.POD: ("PodMonitor", "podMetricsEndpoints"),
    MonitorKind.SERVICE: ("ServiceMonitor", "endpoints"),
}
"""Kind of the object, and the field of its spec that lists the endpoints."""


def services(args: MonitoringArgs) -> Sequence[Manifest]:
    """Return the metadata and spec of each headless Service that the site's Prometheus looks for."""
    match args.prometheus:
        case ExternalPrometheus() as site:
            servers = (site.service_labels, site.service_annotations)
            proxies = (site.proxy_service_labels, site.proxy_service_annotations)
            return [
                *(_service(args, target, *servers) for target in args.servers if any(servers)),
                *([_service(args, args.proxies, *proxies)] if any(proxies) else []),
            ]
        case OperatorPrometheus(monitor=MonitorKind.SERVICE):
            return [_service(args, target, {}, {}) for target in args.targets]
        case OperatorPrometheus() | OwnPrometheus():
            return []


def monitors(args: MonitoringArgs) -> Sequence[Manifest]:
    """Return the kind, metadata and spec of each PodMonitor or ServiceMonitor."""
    site = args.prometheus
    return [_monitor(args, site, target) for target in args.targets] if isinstance(site, OperatorPrometheus) else []


def _service(
    args: MonitoringArgs, target: MetricTarget, labels: Mapping[str, str], annotations: Mapping[str, str]
) -> Manifest:
    return {
        "metadata": {
            "name": args.naming.name(target.name),
            "namespace": target.namespace,
            "labels": {**args.labels.all, **target.labels, **labels},
            **({"annotations": dict(annotations)} if annotations else {}),
        },
        "spec": {
            "clusterIP": "None",
            "selector": target.labels,
            "ports": [{"name": METRICS_PORT_NAME, "port": target.port, "targetPort": target.port}],
        },
    }


def operator_metadata(site: OperatorPrometheus, *name: str, namespace: str, labels: Mapping[str, str]) -> Manifest:
    """Return the metadata of an object for the Prometheus Operator, in the namespace where its Prometheus looks.

    Args:
        site: the site's Prometheus.
        name: parts of the name.
        namespace: namespace of the stack. Where Prometheus looks in another one, the name begins with it, since that
            one holds the objects of several stacks.
        labels: labels besides those that Prometheus selects by.
    """
    looked_in = site.monitor_namespace or namespace
    owner = (namespace,) if looked_in != namespace else ()
    return {
        "name": names.join(*owner, *name, length_max=names.SUBDOMAIN_LENGTH_MAX),
        "namespace": looked_in,
        "labels": {**labels, **site.monitor_labels},
    }


def _monitor(args: MonitoringArgs, site: OperatorPrometheus, target: MetricTarget) -> Manifest:
    kind, endpoints = _MONITORS[site.monitor]
    endpoint: dict[str, Any] = {
        "port": METRICS_PORT_NAME,
        "path": target.path,
        "interval": f"{site.scrape_interval_seconds}s",
    }
    return {
        "kind": kind,
        "metadata": operator_metadata(
            site,
            args.naming.instance,
            target.name,
            namespace=target.namespace,
            labels={**args.labels.all, **target.labels},
        ),
        "spec": {
            # Of Services: those of the pods. The port keeps the one with metrics.
            "selector": {"matchLabels": target.labels},
            "namespaceSelector": {"matchNames": [target.namespace]},
            endpoints: [endpoint],
        },
    }
