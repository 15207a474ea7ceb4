"""Web addresses: parsed by the standard library, each part held to a rule."""

import ipaddress
import re
from dataclasses import dataclass
from typing import Annotated, Literal, NamedTuple
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, Field

_PORTS = {"http": 80, "https": 443}
PATH_OF_PROMETHEUS = re.compile(r"/(api/v1(/.*)?|graph|federate|metrics)/?$")
"""Paths that Prometheus has below its URL, at the end of one."""
_DNS_NAME = re.compile(r"([a-z0-9]([-a-z0-9]*[a-z0-9])?\.)*[a-z0-9]([-a-z0-9]*[a-z0-9])?")


class Endpoint(NamedTuple):
    """The server that a URL leads to."""

    scheme: str
    host: str
    """DNS name in lower case or IP address, without brackets."""
    port: int
    """Port of the URL, or that of its scheme."""


def endpoint(url: str) -> Endpoint:
    """Return the server that a valid URL leads to."""
    parts = urlsplit(url)
    return Endpoint(parts.scheme, parts.hostname or "", parts.port or _PORTS[parts.scheme])


class ClusterService(NamedTuple):
    """A Service of the cluster that a pod calls by name."""

    name: str
    namespace: str | None
    """Its namespace; None: that of the pod that calls."""


_PUBLIC_DOMAINS = frozenset({"cern", "com", "edu", "example", "gov", "info", "int", "mil", "net", "org"})
"""Ends of public names. Those of countries have two letters."""


def cluster_service(host: str) -> ClusterService | None:
    """Return the Service that the DNS of a cluster finds for a name, None for another name or an address.

    The names are `minio`, `minio.models`, and `minio.models.svc` with or without the cluster's domain. A name of two
    words is a Service too, unless it ends as public names do.
    """
    if _kind(host) != "DNS name":
        return None
    name, *rest = host.split(".")
    if not rest:
        return ClusterService(name, None)
    by_two = len(rest) == 1 and len(rest[0]) != len("ch") and rest[0] not in _PUBLIC_DOMAINS
    return ClusterService(name, rest[0]) if by_two or rest[1:2] == ["svc"] else None


@dataclass(frozen=True, kw_only=True)
class _UrlRule:
    """A check of every part of a URL. Each refusal is one sentence with its way out."""

    schemes: tuple[str, ...]
    path: Literal["none", "any", "required"]
    query: bool = False
    hosts: Literal["any", "no IPv6 address", "DNS name"] = "any"
    asked_by: str | None = None
    """Pod of another namespace that calls the URL, for which a Service's name alone is another Service."""
    secrets: str = "take out all up to the @"
    """Way out for a URL with a user name and password."""
    example: str

    def __call__(self, url: str) -> str:
        parts = self._split(url)
        self._check_server(parts)
        self._check_rest(url, parts)
        return url

    def _split(self, url: str) -> SplitResult:
        if not url.isprintable() or " " in url:  # urlsplit would drop some of them
            msg = f"a URL must have no blanks and control characters: write one such as {self.example}"
            raise ValueError(msg)
        try:
            return urlsplit(url)
        except ValueError as error:
            msg = f"must be a URL ({error}): write one such as {self.example}"
            raise ValueError(msg) from error

    def _check_server(self, parts: SplitResult) -> None:
        if parts.scheme not in self.schemes:
            msg = f"a URL must begin with {' or '.join(f'{each}://' for each in self.schemes)}: begin it so"
            raise ValueError(msg)
        if "@" in parts.netloc:
            msg = f"a URL must have no user name and password, which would be in git: {self.secrets}"
            raise ValueError(msg)
        if not _port_is_valid(parts):
            msg = "the port of a URL must be 1 to 65535: write the port, or leave the colon out"
            raise ValueError(msg)
        kind = _kind(parts.hostname or "")
        if kind is None:
            msg = f"the host of a URL must be a DNS name or an IP address: write one such as {self.example}"
            raise ValueError(msg)
        if (self.hosts == "DNS name" and kind != "DNS name") or (self.hosts == "no IPv6 address" and kind == "IPv6"):
            msg = f"the host of this URL must be {self._host_rule()}: write one such as {self.example}"
            raise ValueError(msg)

        if self.asked_by is not None and (service := cluster_service(parts.hostname or "")) and not service.namespace:
            msg = (
                f"the host of this URL must have the Service's namespace, since {self.asked_by} is in another one: "
                f"write {service.name}.NAMESPACE.svc"
            )
            raise ValueError(msg)

    def _host_rule(self) -> str:
        return "a DNS name" if self.hosts == "DNS name" else "a DNS name or an IPv4 address"

    def _check_rest(self, url: str, parts: SplitResult) -> None:
        if self.path == "none" and parts.path not in {"", "/"}:
            msg = f"this URL must have no path: take {parts.path} out"
            raise ValueError(msg)
        if self.path == "required" and not parts.path:
            msg = f"this URL must have a path: write one such as {self.example}"
            raise ValueError(msg)
        if self.asked_by is not None and (of_api := PATH_OF_PROMETHEUS.search(parts.path)):
            msg = f"this URL must be that of Prometheus, whose paths {self.asked_by} adds: take {of_api[0]} out"
            raise ValueError(msg)
        if "#" in url or ("?" in url and not self.query):
            msg = f"this URL must have no {'fragment' if '#' in url else 'query'}: end it before the first ? or #"
            raise ValueError(msg)


def _port_is_valid(parts: SplitResult) -> bool:
    try:
        return parts.port != 0 and not parts.netloc.endswith(":")
    except ValueError:
        return False


def _kind(host: str) -> Literal["DNS name", "IPv4", "IPv6"] | None:
    try:
        return "IPv6" if ipaddress.ip_address(host).version == 6 else "IPv4"
    except ValueError:
        return "DNS name" if _DNS_NAME.fullmatch(host) else None


Issuer = Annotated[
    str,
    Field(title="a URL by https", examples=["https://cms-auth.cern.ch/"]),
    AfterValidator(_UrlRule(schemes=("https",), path="any", example="https://cms-auth.cern.ch/")),
]
"""The name of an issuer of tokens."""

KeysUrl = Annotated[
    str,
    Field(
        title="a URL by https with a DNS name and a path",
        examples=["https://cms-auth.cern.ch/jwk"],
    ),
    AfterValidator(
        _UrlRule(
            schemes=("https",), path="required", query=True, hosts="DNS name", example="https://cms-auth.cern.ch/jwk"
        )
    ),
]
"""A file of an issuer. Envoy looks its host up in DNS and compares the name with the certificate."""

TokenUrl = Annotated[
    str,
    Field(title="a URL by https with a path", examples=["https://iam.example.org/token"]),
    AfterValidator(
        _UrlRule(schemes=("https",), path="required", hosts="no IPv6 address", example="https://iam.example.org/token")
    ),
]
"""An issuer's token end point, called by a pod with the client's secret."""

S3Url = Annotated[
    str,
    Field(title="a URL without a path", examples=["https://s3.example.org"]),
    AfterValidator(
        _UrlRule(schemes=("http", "https"), path="none", hosts="no IPv6 address", example="https://s3.example.org")
    ),
]
"""An S3 service as Triton reads it: its parser takes no IPv6 address."""

HttpsUrl = Annotated[
    str,
    Field(title="a URL by https without a path", examples=["https://interlink.example.org:8443"]),
    AfterValidator(_UrlRule(schemes=("https",), path="none", example="https://interlink.example.org:8443")),
]
"""A server that answers by https, at its root."""

CollectorUrl = Annotated[
    str,
    Field(title="a URL by http without a path", examples=["http://otel-collector.observability.svc:4318"]),
    AfterValidator(_UrlRule(schemes=("http",), path="none", example="http://otel-collector.observability.svc:4318")),
]
"""An OpenTelemetry collector. Triton could check the certificate of none."""

PrometheusUrl = Annotated[
    str,
    Field(title="a URL", examples=["http://prometheus.monitoring.svc:9090"]),
    AfterValidator(
        _UrlRule(
            schemes=("http", "https"),
            path="any",
            asked_by="KEDA",
            secrets="name the Pulumi secret of a token in token_secret, or that of another header in secret_header, "
            "and take out all up to the @",
            example="http://prometheus.monitoring.svc:9090",
        )
    ),
]
"""A Prometheus, which may be below a path."""
