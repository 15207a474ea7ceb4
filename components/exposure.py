"""A way of clients to the proxy: a Service, and the Ingress or Gateway route before it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from components import network
from components.base import Manifest, SonicComponent
from components.ingress import ingress_spec
from components.labels import Labels
from components.rollout import not_awaited
from stacks.schema.controllers import CONTROLLERS
from stacks.schema.exposure import (
    Exposure,
    GatewayExposure,
    IngressExposure,
    LoadBalancerExposure,
    NodePortExposure,
)


@dataclass(frozen=True, kw_only=True)
class ClientEndpointArgs:
    """The Service of the proxy, and the site's exposure of it."""

    name: str
    """Name of the Service, and of the Ingress or route before it."""
    namespace: str
    """Namespace of the stack."""
    cluster_domain: str = "cluster.local"
    """DNS domain of the cluster."""
    labels: Labels
    """Labels of the pods that serve."""
    port: int
    """gRPC port of the pods and of the Service."""
    exposure: Exposure
    """The site's kind of exposure, with its facts."""
    wait_seconds: int
    """Time without a byte after which Envoy ends a call. A proxy before it must not end one sooner."""
    ip_families: Sequence[str] = ("IPv4",)
    """IP families of the cluster."""


class ClientEndpoint(SonicComponent):
    """Service of the proxy, and the Ingress or GRPCRoute that leads to it."""

    service_name: str
    """Name of the Service."""
    grpc_endpoint: pulumi.Output[str]
    """`host:port` as clients use it."""
    grpc_tls: bool
    """Clients must speak TLS to it."""

    def __init__(self, name: str, args: ClientEndpointArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, opts)
        metadata: Manifest = {"name": args.name, "namespace": args.namespace, "labels": args.labels.all}
        shown: Manifest = metadata | service_metadata(args)
        service = k8s.core.v1.Service(
            self.child("service"),
            metadata=shown if args.exposure.hostname_from_status else not_awaited(shown),
            spec=service_spec(args),
            opts=self.options(),
        )
        match args.exposure:
            case IngressExposure() as exposure:
                k8s.networking.v1.Ingress(
                    self.child("ingress"),
                    metadata=metadata | {"annotations": ingress_annotations(args, exposure)},
                    spec=ingress_spec(args.name, "grpc", exposure),
                    opts=self.options(depends_on=[service]),
                )
            case GatewayExposure() as exposure:
                k8s.apiextensions.CustomResource(
                    self.child("route"),
                    api_version="gateway.networking.k8s.io/v1",
                    kind="GRPCRoute",
                    metadata=metadata,
                    spec=grpc_route_spec(args, exposure),
                    opts=self.options(depends_on=[service]),
                )
                if exposure.controller == "envoy-gateway":
                    k8s.apiextensions.CustomResource(
                        self.child("route-policy"),
                        api_version="gateway.envoyproxy.io/v1alpha1",
                        kind="BackendTrafficPolicy",
                        metadata=metadata,
                        spec=traffic_policy_spec(args),
                        opts=self.options(depends_on=[service]),
                    )
        self.service_name = args.name
        self.grpc_tls = args.exposure.clients_speak_tls
        self.grpc_endpoint = (
            service.status.apply(lambda status: f"{_balancer_address(status)}:{args.port}")
            if args.exposure.hostname_from_status
            else pulumi.Output.from_input(endpoint(args))
        )
        self.register_outputs({"service_name": self.service_name, **self.outputs})

    @property
    def outputs(self) -> Mapping[str, Any]:
        """The address, as the stack exports it."""
        return {"grpc_endpoint": self.grpc_endpoint, "grpc_tls": self.grpc_tls}


def service_metadata(args: ClientEndpointArgs) -> Manifest:
    """Return the annotations and labels that a load balancer or an ingress controller reads on the Service."""
    match args.exposure:
        case LoadBalancerExposure(annotations=annotations, labels=labels):
            return {"annotations": annotations, "labels": {**args.labels.all, **labels}}
        case IngressExposure(controller=controller) if controller != "other":
            read = CONTROLLERS[controller].service_annotations()
            return {"annotations": read} if read else {}
        case _:
            return {}


def service_spec(args: ClientEndpointArgs) -> Manifest:
    """Return the spec of the Service.

    From outside, `externalTrafficPolicy: Local` keeps the client's address, which the NetworkPolicy then checks. The
    price is that only nodes with a ready proxy answer. A load balancer finds them by its health checks. Where clients
    use a node port, the host name must be that of nodes that proxies run on. With `Cluster` every client comes from a
    node's address. kube-proxy compares the client's with `loadBalancerSourceRanges` before that, for the address of the
    balancer and not for a node port; so node ports have `Local`.
    """
    port: Manifest = {
        "name": "grpc",
        "port": args.port,
        "targetPort": args.port,
        # Without it, Gateways and some Ingress controllers speak HTTP/1.1.
        "appProtocol": "https" if args.exposure.pod_tls_secret else "kubernetes.io/h2c",
    }
    spec: Manifest = {
        "selector": args.labels.selector,
        "ports": [port],
        **network.dual_stack(args.ip_families),
    }
    match args.exposure:
        case NodePortExposure(port=node_port):
            port["nodePort"] = node_port
            return spec | {"type": "NodePort", "externalTrafficPolicy": "Local"}
        case LoadBalancerExposure() as balancer:
            return spec | {
                "type": "LoadBalancer",
                "externalTrafficPolicy": balancer.traffic_policy.capitalize(),
                "allocateLoadBalancerNodePorts": balancer.node_ports,
                "loadBalancerSourceRanges": list(balancer.client_cidrs),
            }
        case _:
            return spec | {"type": "ClusterIP"}


def ingress_annotations(args: ClientEndpointArgs, exposure: IngressExposure) -> Manifest:
    """Return the annotations of the Ingress: those with which its controller carries gRPC, then the site's."""
    known = {} if exposure.controller == "other" else CONTROLLERS[exposure.controller].annotations(args.wait_seconds)
    # Pulumi would wait ten minutes for a status that never comes, and fail.
    unawaited = {} if exposure.publishes_status else {"pulumi.com/skipAwait": "true"}
    return {**known, **unawaited, **exposure.annotations}


def grpc_route_spec(args: ClientEndpointArgs, exposure: GatewayExposure) -> Manifest:
    """Return the spec of the GRPCRoute: all calls to the host go to the Service."""
    section = {"sectionName": exposure.section} if exposure.section else {}
    return {
        "parentRefs": [{"name": exposure.gateway, "namespace": exposure.gateway_namespace, **section}],
        "hostnames": [exposure.hostname],
        "rules": [{"backendRefs": [{"name": args.name, "port": args.port}]}],
    }


def traffic_policy_spec(args: ClientEndpointArgs) -> Manifest:
    """Return the spec of Envoy Gateway's BackendTrafficPolicy: no time-outs of its own, so that Envoy's hold.

    Without a time-out of the request, Envoy Gateway sets none for idle streams either.
    """
    target = {"group": "gateway.networking.k8s.io", "kind": "GRPCRoute", "name": args.name}
    return {"targetRefs": [target], "timeout": {"http": {"requestTimeout": "0s"}}}


def endpoint(args: ClientEndpointArgs) -> str:
    """Return `host:port` as clients use it, for an exposure whose host name is known beforehand."""
    host = args.exposure.hostname or f"{args.name}.{args.namespace}.svc.{args.cluster_domain}"
    return f"{host}:{args.exposure.client_port or args.port}"


def _balancer_address(status: Any) -> str:
    """Return the address in a Service's status; `pending` before there is one, as kubectl says."""
    given = status.load_balancer.ingress if status is not None and status.load_balancer is not None else None
    if not given:
        return "pending"
    address = str(given[0].hostname or given[0].ip)
    return f"[{address}]" if ":" in address else address
