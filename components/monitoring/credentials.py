"""The header by which KEDA and the admission controller show a site's Prometheus who asks."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from stacks.schema.site import OwnPrometheus, SitePrometheus

HEADER_KEY, VALUE_KEY = "header", "value"
"""Keys of the Secret: the name of the HTTP header, and its value."""


@dataclass(frozen=True, kw_only=True)
class PrometheusCredentials:
    """A Secret in the stack's namespace with the header that Prometheus requires."""

    secret_name: pulumi.Input[str]
    """Name of the Secret, which changes with its content."""


def secret_data(
    prometheus: OwnPrometheus | SitePrometheus, secrets: Mapping[str, pulumi.Output[str]]
) -> Mapping[str, pulumi.Input[str]] | None:
    """Return the content of the Secret; None where Prometheus requires no header.

    A secret that was set from a file often ends with a newline, which no header can carry.
    """
    if isinstance(prometheus, OwnPrometheus):
        return None
    if prometheus.token_secret is not None:
        token = secrets[prometheus.token_secret]
        return {HEADER_KEY: "Authorization", VALUE_KEY: token.apply(lambda text: f"Bearer {text.strip()}")}
    if prometheus.secret_header is not None:
        header = prometheus.secret_header
        return {HEADER_KEY: header.name, VALUE_KEY: secrets[header.value_secret].apply(str.strip)}
    return None
