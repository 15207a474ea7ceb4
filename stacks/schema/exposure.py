"""Kinds of exposure: the ways in which clients reach a stack at a site.

Each kind answers for itself, so that other modules need not ask which one it is: `hostname`, `ends_at_pods`,
`pod_tls_secret`, `clients_speak_tls`, `caller_cidrs`, `caller_namespaces`, `client_port`, `hostname_from_status` and
`entrance`.
"""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal, NamedTuple

from pydantic import Field

from stacks.schema.base import BrokenRule, Cidr, DnsLabel, Hostname, LabelKey, LabelValue, Model, Port, Text
from stacks.schema.controllers import ControllerName, of_prefix


class _Exposure(Model):
    service_name: DnsLabel | None = None
    """Name of the Service, `{service}` in `hostname`: many sites make the DNS name of an address from it. By default
    `sonic-<instance>-envoy`, and for one of `further_exposures` its kind after that."""
    client_namespaces: tuple[DnsLabel, ...] = ()
    """Namespaces of the cluster whose pods may call too, by the Service's own name."""


class _DirectExposure(_Exposure):
    ends_at_pods: ClassVar[bool] = True
    """Clients' connections end at Envoy itself."""

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

    @property
    def caller_namespaces(self) -> tuple[str, ...]:
        """Namespaces from whose pods calls reach the pods."""
        return self.client_namespaces


class _ProxiedExposure(_Exposure):
    ends_at_pods: ClassVar[bool] = False
    """Clients' connections end at a proxy of the site, which passes the calls on."""
    pod_tls_secret: ClassVar[None] = None
    """The pods speak plain text to that proxy."""
    hostname_from_status: ClassVar[bool] = False
    """The name is known beforehand."""

    controller_cidrs: tuple[Cidr, ...] = ()
    """Address ranges of that proxy. A proxy in the host network calls from its node's address, or from that of a
    tunnel, which no namespace selects."""

    @property
    def caller_cidrs(self) -> tuple[str, ...]:
        """Addresses from which calls reach the pods."""
        return self.controller_cidrs


class ClusterIpExposure(_DirectExposure):
    """Clients run in the same cluster."""

    kind: Literal["cluster-ip"]
    """The Service's own address."""
    client_cidrs: tuple[Cidr, ...] = ()
    """Address ranges from which clients may call, beside client_namespaces. Without tls_secret the port speaks plain
    text: keep it to those that run jobs."""
    hostname: ClassVar[None] = None
    """Clients use the Service's own name."""
    client_port: ClassVar[None] = None
    """Clients use the Service's own port."""
    hostname_from_status: ClassVar[bool] = False
    """The name is known beforehand."""
    entrance: ClassVar[None] = None
    """Each Service has a name of its own."""

    def broken_rules(self) -> Iterator[BrokenRule]:
        """Somebody may call."""
        if not (self.client_cidrs or self.client_namespaces):
            yield BrokenRule(
                "client_cidrs and client_namespaces are empty, so nobody may call: write the address ranges of the "
                "clients in the first, such as [10.0.0.0/8], or the namespaces of their pods in the second",
                ("client_cidrs", "client_namespaces"),
            )


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
    controller: ControllerName
    """Software of the controller. The program sets the annotations with which it speaks gRPC to Envoy, waits as long as
    Envoy and takes the largest message. `nginx`: kubernetes/ingress-nginx. `haproxy`: haproxy-ingress.github.io.
    `haproxytech`: haproxytech/kubernetes-ingress. `traefik`: Traefik. `other`: `annotations` do all this."""
    annotations: dict[LabelKey, str] = {}
    """Further annotations of the Ingress, or other values. One that stops gRPC, waits less than Envoy or takes less
    than the largest message is refused."""
    publishes_status: bool = True
    """false: the controller never writes the status of an Ingress, so `pulumi up` does not wait for one."""
    tls_secret: DnsLabel | None = None
    """Secret with the certificate; by default the controller's own certificate."""
    controller_namespace: DnsLabel | None = None
    """Namespace of the controller's pods, which may then reach Envoy."""
    clients_speak_tls: ClassVar[bool] = True
    """Clients must speak TLS to the controller."""
    client_port: ClassVar[int] = 443
    """Clients call the HTTPS port of the controller."""

    @property
    def caller_namespaces(self) -> tuple[str, ...]:
        """Namespaces from whose pods calls reach the pods."""
        controller = (self.controller_namespace,) if self.controller_namespace else ()
        return (*controller, *self.client_namespaces)

    @property
    def entrance(self) -> str:
        """Place at which a host name leads to one stack, for errors."""
        return f"ingress class `{self.class_name}`" if self.class_name else "the default ingress class"

    def broken_rules(self) -> Iterator[BrokenRule]:
        """The controller can reach Envoy, and somebody knows how it speaks gRPC."""
        if not (self.controller_namespace or self.controller_cidrs):
            yield BrokenRule(
                "controller_namespace is missing and controller_cidrs is empty, so the controller cannot reach Envoy: "
                "write the namespace of its pods in the first; if they are in the host network, write the addresses "
                "of their nodes in the second",
                ("controller_namespace", "controller_cidrs"),
            )
        if self.controller == "other" and not self.annotations:
            yield BrokenRule(
                "controller is `other` and annotations is empty, so the controller would speak HTTP/1.1 to Envoy, "
                "which speaks HTTP/2 only: name the controller, or write the annotations with which it speaks gRPC",
                ("controller", "annotations"),
            )
        for annotation in self.annotations:
            reader = of_prefix(annotation)
            if reader not in {None, self.controller}:
                yield BrokenRule(
                    f"annotations has `{annotation}`, which the controller `{reader}` reads, but controller is "
                    f"`{self.controller}`: set controller to `{reader}`, or remove the annotation",
                    (("annotations", annotation), "controller"),
                )


class GatewayExposure(_ProxiedExposure):
    """Clients reach a Gateway of the Gateway API. The Gateway decides who may call."""

    kind: Literal["gateway"]
    """A GRPCRoute attached to a Gateway of the site."""
    hostname: Hostname
    """Host of the route."""
    gateway: DnsLabel
    """Name of the Gateway."""
    gateway_namespace: DnsLabel
    """Namespace of the Gateway."""
    section: Text | None = None
    """Listener of the Gateway; by default all that fit."""
    controller: Literal["envoy-gateway", "other"]
    """Software of the Gateway. A GRPCRoute has no time-outs. `envoy-gateway` ends each call after 15 s by default: the
    program adds a BackendTrafficPolicy, so that Envoy's own limits hold. `other`: the Gateway must wait as long as
    Envoy by itself."""
    port: Port = 443
    """Port of the listener that clients call."""
    tls: bool = True
    """false: the listener speaks plain text, which is all that CMSSW speaks to a balancer."""
    controller_namespace: DnsLabel | None = None
    """Namespace of the Gateway's proxies, which may then reach Envoy; by default that of the Gateway. Envoy Gateway
    runs them in `envoy-gateway-system` unless told otherwise."""

    @property
    def clients_speak_tls(self) -> bool:
        """Clients must speak TLS to the Gateway."""
        return self.tls

    @property
    def client_port(self) -> int:
        """Port that clients call."""
        return self.port

    @property
    def caller_namespaces(self) -> tuple[str, ...]:
        """Namespaces from whose pods calls reach the pods."""
        return (self.controller_namespace or self.gateway_namespace, *self.client_namespaces)

    @property
    def entrance(self) -> str:
        """Place at which a host name leads to one stack, for errors."""
        return f"gateway `{self.gateway}` in namespace `{self.gateway_namespace}`"


Exposure = Annotated[
    ClusterIpExposure | NodePortExposure | LoadBalancerExposure | IngressExposure | GatewayExposure,
    Field(discriminator="kind"),
]
"""One way in: a Service, and the Ingress or Gateway route before it."""


class WayIn(NamedTuple):
    """One way in, with the name of its Service."""

    service: str
    """Name of the Service, and of the Ingress or route before it."""
    exposure: Exposure
    """The site's facts."""


def default_service_name(instance: str, further_kind: str | None = None) -> str:
    """Return the name of the Service of a way in that the site does not name.

    Args:
        instance: instance of the stack.
        further_kind: kind of one of `further_exposures`; None: the first way.
    """
    return "-".join(filter(None, ("sonic", instance, "envoy", further_kind)))
