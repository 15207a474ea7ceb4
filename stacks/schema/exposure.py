"""Kinds of exposure: the ways in which clients reach the one address of a stack at a site.

Each kind answers for itself, so that other modules need not ask which one it is: `hostname`, `ends_at_pods`,
`pod_tls_secret`, `clients_speak_tls`, `client_cidrs`, `caller_cidrs`, `client_port`, `hostname_from_status`,
`proxy_namespace` and `entrance`.
"""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from stacks.schema.base import BrokenRule, Cidr, DnsLabel, Hostname, LabelKey, LabelValue, Model, Text


class _DirectExposure(Model):
    ends_at_pods: ClassVar[bool] = True
    """Clients' connections end at Envoy itself."""
    proxy_namespace: ClassVar[None] = None
    """No other proxy passes the calls on."""

    client_cidrs: Annotated[tuple[Cidr, ...], Field(min_length=1)]
    """Address ranges from which clients may call. Without tls_secret the port speaks plain text: keep it to the
    machines that run jobs."""
    tls_secret: DnsLabel | None = None
    """Secret of the namespace, of type kubernetes.io/tls, with the certificate that Envoy shows to clients; a renewed
    one is taken without a restart. None: plain text, which is all that CMSSW speaks."""

    @property
    def pod_tls_secret(self) -> str | None:
        """Secret with the certificate that the pods show to clients; None: they speak plain text."""
        return self.tls_secret

    @property
    def clients_speak_tls(self) -> bool:
        """Clients must speak TLS to the address."""
        return self.tls_secret is not None

    @property
    def caller_cidrs(self) -> tuple[str, ...]:
        """Addresses from which calls reach the pods."""
        return self.client_cidrs


class _ProxiedExposure(Model):
    ends_at_pods: ClassVar[bool] = False
    """Clients' connections end at a proxy of the site, which passes the calls on."""
    pod_tls_secret: ClassVar[None] = None
    """The pods speak plain text to that proxy."""
    clients_speak_tls: ClassVar[bool] = True
    """Clients must speak TLS to that proxy."""
    client_cidrs: ClassVar[tuple[str, ...]] = ()
    """That proxy decides which addresses may call."""
    caller_cidrs: ClassVar[tuple[str, ...]] = ()
    """Calls reach the pods from that proxy."""
    client_port: ClassVar[int] = 443
    """Clients call the HTTPS port of that proxy."""
    hostname_from_status: ClassVar[bool] = False
    """The name is known beforehand."""


class ClusterIpExposure(_DirectExposure):
    """Clients run in the same cluster."""

    kind: Literal["cluster-ip"]
    """The Service's own address."""
    hostname: ClassVar[None] = None
    """Clients use the Service's own name."""
    client_port: ClassVar[None] = None
    """Clients use the Service's own port."""
    hostname_from_status: ClassVar[bool] = False
    """The name is known beforehand."""
    entrance: ClassVar[None] = None
    """Each Service has a name of its own."""


class NodePortExposure(_DirectExposure):
    """Clients reach a port of the nodes."""

    kind: Literal["node-port"]
    """A port on every node."""
    hostname: Hostname
    """Name or address of the nodes, as clients know it."""
    port: Annotated[int, Field(ge=30000, le=32767)]
    """Port on the nodes."""
    hostname_from_status: ClassVar[bool] = False
    """The name is known beforehand."""
    entrance: ClassVar[None] = None
    """Several stacks share the name of the nodes."""

    @property
    def client_port(self) -> int:
        """Port that clients call."""
        return self.port


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
    traffic_policy: Literal["local", "cluster"] = "local"
    """`externalTrafficPolicy` of the Service. `local`: only nodes with an Envoy take calls, and Envoy sees the clients'
    addresses. `cluster`: every node does and passes calls on from its own address. docs/traffic.md says which one a
    drain needs."""
    node_cidrs: tuple[Cidr, ...] = ()
    """Address ranges from which the nodes pass calls on: their own and, with an overlay network, those of their
    tunnels. Required with `cluster`."""
    node_ports: bool = False
    """true: the Service has a port on each node too, for a balancer outside the cluster. MetalLB needs none."""
    client_port: ClassVar[None] = None
    """Clients use the Service's own port."""
    entrance: ClassVar[str] = "the load balancers"
    """Place at which a host name leads to one stack, for errors."""

    @property
    def hostname_from_status(self) -> bool:
        """The cluster gives the Service an address; its status tells it."""
        return self.hostname is None

    @property
    def caller_cidrs(self) -> tuple[str, ...]:
        """Addresses from which calls reach the pods."""
        return (*self.client_cidrs, *self.node_cidrs)

    def broken_rules(self) -> Iterator[BrokenRule]:
        """Nodes that pass calls on may reach Envoy, and clients' addresses are checked somewhere."""
        if self.traffic_policy == "cluster" and not self.node_cidrs:
            yield BrokenRule(
                "traffic_policy is `cluster` but node_cidrs is empty, and calls come from the nodes' addresses then: "
                "write the address ranges of the nodes in node_cidrs, or set traffic_policy to `local`",
                ("traffic_policy", "node_cidrs"),
            )
        if self.traffic_policy == "local" and self.node_cidrs:
            yield BrokenRule(
                "node_cidrs is set but traffic_policy is `local`, and no call comes from a node's address then: "
                "remove node_cidrs, or set traffic_policy to `cluster`",
                ("node_cidrs", "traffic_policy"),
            )
        if self.traffic_policy == "cluster" and self.node_ports:
            yield BrokenRule(
                "traffic_policy is `cluster` and node_ports is true, and nothing would compare the address of a client "
                "at a node port with client_cidrs: set node_ports to false, or traffic_policy to `local`",
                ("traffic_policy", "node_ports"),
            )


class IngressExposure(_ProxiedExposure):
    """Clients reach an Ingress controller, by TLS. The controller decides who may call, by its annotations."""

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

    @property
    def proxy_namespace(self) -> str:
        """Namespace of the pods that pass the calls on."""
        return self.controller_namespace

    @property
    def entrance(self) -> str:
        """Place at which a host name leads to one stack, for errors."""
        return f"the ingress controller in namespace `{self.controller_namespace}`"


class GatewayExposure(_ProxiedExposure):
    """Clients reach a Gateway of the Gateway API, by TLS. The Gateway decides who may call."""

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

    @property
    def proxy_namespace(self) -> str:
        """Namespace of the pods that pass the calls on."""
        return self.gateway_namespace

    @property
    def entrance(self) -> str:
        """Place at which a host name leads to one stack, for errors."""
        return f"gateway `{self.gateway}` in namespace `{self.gateway_namespace}`"


Exposure = Annotated[
    ClusterIpExposure | NodePortExposure | LoadBalancerExposure | IngressExposure | GatewayExposure,
    Field(discriminator="kind"),
]
