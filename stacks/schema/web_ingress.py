"""Ways of people to pages of a stack, such as its Grafana: Ingresses that speak TLS."""

from collections.abc import Iterator
from typing import Annotated, NamedTuple

from pydantic import Field

from stacks.origin import KeyPath
from stacks.schema.base import BrokenRule, Cidr, DnsLabel, Hostname, LabelKey, Model, SecretName, Text


class WebIngress(Model):
    """The way of people to a page: an Ingress that speaks TLS."""

    hostname: Hostname
    """Host of the Ingress."""
    class_name: Text | None = None
    """IngressClass; by default the cluster's own default."""
    tls_secret: DnsLabel | None = None
    """Secret with the certificate; by default the controller's own certificate."""
    ingress_annotations: dict[LabelKey, str] = {}
    """Annotations of the Ingress."""
    controller_namespace: DnsLabel | None = None
    """Namespace of the controller's pods, which may then reach the page."""
    controller_cidrs: tuple[Cidr, ...] = ()
    """Address ranges of the controller. A controller in the host network calls from its node's address, or from that of
    a tunnel, which no namespace selects."""

    @property
    def url(self) -> str:
        """Address for a browser."""
        return f"https://{self.hostname}/"

    @property
    def entrance(self) -> str:
        """Place at which a host name leads to one stack, for errors."""
        return f"ingress class `{self.class_name}`" if self.class_name else "the default ingress class"

    @property
    def caller_cidrs(self) -> tuple[str, ...]:
        """Addresses from which calls reach the page."""
        return self.controller_cidrs

    @property
    def caller_namespaces(self) -> tuple[str, ...]:
        """Namespaces from whose pods calls reach the page."""
        return (self.controller_namespace,) if self.controller_namespace else ()

    def broken_rules(self) -> Iterator[BrokenRule]:
        """The controller can reach the page."""
        if not (self.controller_namespace or self.controller_cidrs):
            yield BrokenRule(
                "controller_namespace is missing and controller_cidrs is empty, so the controller cannot reach the "
                "page: write the namespace of its pods in the first; if they are in the host network, write the "
                "addresses of their nodes in the second",
                ("controller_namespace", "controller_cidrs"),
            )


class PrometheusIngress(WebIngress):
    """The way of people and of other Grafanas to the stack's own Prometheus.

    An Envoy before Prometheus asks for the password, whatever the controller does.
    """

    users_secret: Annotated[SecretName, Field(examples=["prometheus-users"])]
    """Pulumi secret with the users and their passwords' hashes, a line for each, as `htpasswd -nbs USER PASSWORD`
    prints it. Envoy knows no other hash than SHA-1, so let the passwords be long and random."""


class WebPage(NamedTuple):
    """A page of a stack, and the way of people to it."""

    component: str
    """Part of the stack that the Ingress leads to, as its label says."""
    title: str
    """Program that shows the page."""
    path: KeyPath
    """Path of the Ingress in the site."""
    ingress: WebIngress
    """The way to it."""
