"""The header by which KEDA and the admission controller show a site's Prometheus who asks, and its authorities."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from stacks.schema.site import OwnPrometheus, SitePrometheus

HEADER_KEY, VALUE_KEY = "header", "value"
"""Keys of the Secret: the name of the HTTP header, and its value."""
AUTHORITIES_KEY = "ca.crt"
"""Key of the Secret, where the site has authorities of its own: their certificates."""
_HARMLESS_HEADER = {HEADER_KEY: "Accept", VALUE_KEY: "application/json"}
"""KEDA reads authorities only beside a mode of authentication, and of those `custom` asks for no more than a header."""


@dataclass(frozen=True, kw_only=True)
class PrometheusCredentials:
    """A Secret in the stack's namespace with the header that Prometheus requires, and its authorities."""

    secret_name: pulumi.Input[str]
    """Name of the Secret, which changes with its content."""
    authorities: bool
    """True: the Secret has authorities."""


def secret_data(
    prometheus: OwnPrometheus | SitePrometheus, secrets: Mapping[str, pulumi.Output[str]]
) -> Mapping[str, pulumi.Input[str]] | None:
    """Return the content of the Secret; None where Prometheus requires no header and has a public certificate.

    A secret that was set from a file often ends with a newline, which no header can carry.
    """
    if isinstance(prometheus, OwnPrometheus):
        return None
    header = _header(prometheus, secrets)
    if prometheus.authorities is None:
        return header
    return {**(header or _HARMLESS_HEADER), AUTHORITIES_KEY: prometheus.authorities}


def _header(
    prometheus: SitePrometheus, secrets: Mapping[str, pulumi.Output[str]]
) -> Mapping[str, pulumi.Input[str]] | None:
    if prometheus.token_secret is not None:
        token = secrets[prometheus.token_secret]
        return {HEADER_KEY: "Authorization", VALUE_KEY: token.apply(lambda text: f"Bearer {text.strip()}")}
    if prometheus.secret_header is not None:
        header = prometheus.secret_header
        return {HEADER_KEY: header.name, VALUE_KEY: secrets[header.value_secret].apply(str.strip)}
    return None
