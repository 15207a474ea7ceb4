"""Ingress controllers: the annotations with which each carries gRPC, and those with which it would not.

Names, units and defaults are those of the controllers' own documents: kubernetes/ingress-nginx
`docs/user-guide/nginx-configuration/annotations.md`, jcmoraisjr/haproxy-ingress
`docs/content/en/docs/configuration/keys.md`, haproxytech/kubernetes-ingress `documentation/annotations.md`, and Traefik
`docs/content/reference/routing-configuration/kubernetes/ingress.md`.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from stacks.quantities import bare_number

ControllerName = Literal["nginx", "haproxy", "haproxytech", "traefik", "other"]

_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600, "d": 86400}
_BYTES = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}
_UNLIMITED = ("0", "unlimited")


class BrokenAnnotation(NamedTuple):
    """An annotation of the site with which the controller would not carry what Envoy takes."""

    annotation: str
    """Its key."""
    message: str
    """Rule and way out, to follow the value found."""


@dataclass(frozen=True, kw_only=True)
class IngressController:
    """The annotations of one controller. Keys are without the prefix."""

    prefix: str
    """Prefix of its annotations, with the slash."""
    ingress: Mapping[str, str] = field(default_factory=dict)
    """Annotations of the Ingress for gRPC in plain text to Envoy. Another value would stop it."""
    service: Mapping[str, str] = field(default_factory=dict)
    """Annotations of the Service for the same."""
    waits: tuple[str, ...] = ()
    """Annotations of the Ingress that limit the time without a byte from Envoy or to it."""
    unit: Literal["", "s"] = "s"
    """Unit that follows the number of seconds in a wait. Empty: the controller ignores a wait with a unit."""
    body: str | None = None
    """Annotation that limits the size of a request."""
    body_unlimited: str | None = None
    """Value of `body` that the program sets. None: the controller has no limit of its own."""

    def annotations(self, wait_seconds: int) -> Mapping[str, str]:
        """Return the annotations of the Ingress.

        Args:
            wait_seconds: time without a byte after which Envoy ends a call.
        """
        body = {self.body: self.body_unlimited} if self.body and self.body_unlimited else {}
        all_of_them = {**self.ingress, **dict.fromkeys(self.waits, f"{wait_seconds}{self.unit}"), **body}
        return {f"{self.prefix}{key}": value for key, value in all_of_them.items()}

    def service_annotations(self) -> Mapping[str, str]:
        """Return the annotations of the Service."""
        return {f"{self.prefix}{key}": value for key, value in self.service.items()}

    def broken(
        self, annotations: Mapping[str, str], *, wait_seconds: int, largest_message_mib: int
    ) -> Iterator[BrokenAnnotation]:
        """Yield each annotation of the site that undoes one of ours."""
        for annotation, value in annotations.items():
            key = annotation.removeprefix(self.prefix)
            if key == annotation:
                continue
            if self.ingress.get(key, value) != value:
                rule = f"Envoy speaks gRPC in plain text, for which this must be `{self.ingress[key]}`: remove it"
                yield BrokenAnnotation(annotation, rule)
            elif key in _TLS_TO_THE_BACKEND and value.lower() == "true":
                yield BrokenAnnotation(annotation, "Envoy speaks plain text behind an ingress: remove it")
            elif key in self.waits:
                yield from (BrokenAnnotation(annotation, rule) for rule in self._short(value, wait_seconds))
            elif key == self.body:
                yield from (BrokenAnnotation(annotation, rule) for rule in _small(value, largest_message_mib))

    def _short(self, value: str, wait_seconds: int) -> Iterator[str]:
        given = re.fullmatch(r"(\d+)(us|ms|s|m|h|d)?" if self.unit else r"(\d+)()", value)
        example = f"{wait_seconds}{self.unit}"
        if given is None:
            meant = max(wait_seconds, math.ceil(bare_number("wait_seconds", value) or 0))
            yield f"must be a number of seconds: write `{meant}{self.unit}`, or remove it"
        # HAProxy takes a number without a unit as milliseconds.
        elif int(given[1]) * _SECONDS[given[2] or ("ms" if self.unit else "s")] < wait_seconds:
            yield (
                f"Envoy waits {wait_seconds} s, from experiment.traffic.longest_request_seconds, and the controller "
                f"would end a call before: remove it, or write at least `{example}`"
            )


_TLS_TO_THE_BACKEND = ("ssl-passthrough", "secure-backends", "server-ssl")
"""Annotations that, when true, send TLS to the backend."""


def _small(value: str, largest_message_mib: int) -> Iterator[str]:
    if value.lower() in _UNLIMITED:
        return
    given = re.fullmatch(r"(\d+)([kmg]?)", value.lower())
    # A MiB for the frame and the fields beside the tensors.
    needed_mib = largest_message_mib + 1
    if given is None:
        meant_mib = max(needed_mib, math.ceil(bare_number("size_mib", value) or 0))
        yield f"must be a number of bytes with `k`, `m` or `g`: write `{meant_mib}m`, or remove it"
    elif int(given[1]) * _BYTES[given[2]] < needed_mib * _BYTES["m"]:
        yield (
            f"experiment.traffic.largest_message_mib is {largest_message_mib}, and the controller would refuse such a "
            f"message: remove it, or write at least `{needed_mib}m`"
        )


CONTROLLERS: Mapping[ControllerName, IngressController] = {
    "nginx": IngressController(
        prefix="nginx.ingress.kubernetes.io/",
        ingress={"backend-protocol": "GRPC"},
        # For a gRPC backend its template writes them as grpc_read_timeout and grpc_send_timeout.
        waits=("proxy-read-timeout", "proxy-send-timeout"),
        unit="",
        # nginx counts all messages of a stream together, so no limit by the largest message lets a stream live.
        body="proxy-body-size",
        body_unlimited="0",
    ),
    "haproxy": IngressController(
        prefix="haproxy-ingress.github.io/",
        ingress={"backend-protocol": "h2"},
        # `timeout-client` is a key of the whole controller, and ends no call that waits for a server.
        waits=("timeout-server",),
        body="proxy-body-size",
    ),
    "haproxytech": IngressController(
        prefix="haproxy.org/",
        ingress={"server-proto": "h2"},
        waits=("timeout-server",),
    ),
    "traefik": IngressController(
        prefix="traefik.ingress.kubernetes.io/",
        ingress={"router.tls": "true"},
        service={"service.serversscheme": "h2c"},
    ),
}
"""Controllers by the word in `exposure.controller`."""


def of_prefix(annotation: str) -> ControllerName | None:
    """Return the controller that reads an annotation; None: none that is known."""
    return next((name for name, each in CONTROLLERS.items() if annotation.startswith(each.prefix)), None)
