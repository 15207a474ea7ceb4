"""How clients reach the one address of a stack at a site."""

from typing import Annotated, Literal

from pydantic import Field

from stacks.schema.base import Cidr, DnsLabel, Hostname, LabelKey, LabelValue, Model, Text


class _DirectExposure(Model):
    client_cidrs: Annotated[tuple[Cidr, ...], Field(min_length=1)]
    """Address ranges from which clients may call. Without tls_secret the port speaks plain text: keep it to the
    machines that run jobs."""
    tls_secret: DnsLabel | None = None
    """Secret of the namespace, of type kubernetes.io/tls, with the certificate that Envoy shows to clients; a renewed
    one is taken without a restart. None: plain text, which is all that CMSSW speaks."""


class ClusterIpExposure(_DirectExposure):
    """Clients run in the same cluster."""

    kind: Literal["cluster-ip"]
    """The Service's own address."""


class NodePortExposure(_DirectExposure):
    """Clients reach a port of the nodes."""

    kind: Literal["node-port"]
    """A port on every node."""
    hostname: Hostname
    """Name or address of the nodes, as clients know it."""
    port: Annotated[int, Field(ge=30000, le=32767)]
    """Port on the nodes."""


class LoadBalancerExposure(_DirectExposure):
    """Clients reach a load balancer at layer 4."""

    kind: Literal["load-balancer"]
    """A Service of type LoadBalancer."""
    hostname: Hostname | None = None
    """DNS name of the load balancer; by default the address that it is given."""
    annotations: dict[LabelKey, str] = {}
    """Annotations of the Service, such as the address pool."""
    labels: dict[LabelKey, LabelValue] = {}
    """Further labels of the Service."""


class IngressExposure(Model):
    """Clients reach an Ingress controller, by TLS. Who may call is for the controller to say, by its annotations."""

    kind: Literal["ingress"]
    """An Ingress to the gRPC port."""
    hostname: Hostname
    """Host of the Ingress."""
    class_name: Text | None = None
    """IngressClass; by default the cluster's own default."""
    annotations: dict[LabelKey, str] = {}
    """Annotations that make this controller speak gRPC (h2c) to the backend, with long time-outs."""
    tls_secret: DnsLabel | None = None
    """Secret with the certificate; by default the controller's own certificate."""
    controller_namespace: DnsLabel
    """Namespace of the controller, which alone may then reach Envoy."""


class GatewayExposure(Model):
    """Clients reach a Gateway of the Gateway API, by TLS. Who may call is for the Gateway to say."""

    kind: Literal["gateway"]
    """A GRPCRoute attached to a Gateway of the site."""
    hostname: Hostname
    """Host of the route."""
    gateway: DnsLabel
    """Name of the Gateway."""
    gateway_namespace: DnsLabel
    """Namespace of the Gateway and of its proxies."""
    section: Text | None = None
    """Listener of the Gateway; by default all that fit."""


Exposure = Annotated[
    ClusterIpExposure | NodePortExposure | LoadBalancerExposure | IngressExposure | GatewayExposure,
    Field(discriminator="kind"),
]


DirectExposure = ClusterIpExposure | NodePortExposure | LoadBalancerExposure
"""Ways in which clients' connections end at Envoy itself."""
