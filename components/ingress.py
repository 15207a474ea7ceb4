"""Ingresses, of clients and of people: their spec, and who may call what is behind them."""

from collections.abc import Mapping, Sequence
from typing import Any

from components import network
from components.base import Manifest
from stacks.schema.exposure import Exposure, IngressExposure
from stacks.schema.web_ingress import WebIngress


def ingress_spec(service: str, port_name: str, site: IngressExposure | WebIngress) -> Manifest:
    """Return the spec of an Ingress, with TLS by the named certificate or by the controller's own.

    Args:
        service: name of the Service that it leads to.
        port_name: name of the port there.
        site: the site's facts.
    """
    certificate = {"secretName": site.tls_secret} if site.tls_secret else {}
    backend = {"service": {"name": service, "port": {"name": port_name}}}
    paths = [{"path": "/", "pathType": "Prefix", "backend": backend}]
    return {
        **({"ingressClassName": site.class_name} if site.class_name else {}),
        "tls": [{"hosts": [site.hostname], **certificate}],
        "rules": [{"host": site.hostname, "http": {"paths": paths}}],
    }


def caller_peers(way: Exposure | WebIngress) -> Sequence[Mapping[str, Any]]:
    """Return the NetworkPolicy peers that may call: clients, or the proxies that pass their calls on."""
    return [*network.addresses(way.caller_cidrs), *map(network.namespace_pods, way.caller_namespaces)]


def page_edges(ingress: WebIngress | None, port: int) -> Sequence[network.Edge]:
    """Return the traffic to a page. Without an Ingress, people come by `kubectl port-forward`."""
    return [network.Edge(peers=caller_peers(ingress), ports=[port])] if ingress else []
