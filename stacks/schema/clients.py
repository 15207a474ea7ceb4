"""The clients of an experiment, and how they identify themselves."""

import re
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from stacks.schema.base import BrokenRule, Count, DnsLabel, Model, twice
from stacks.schema.url import Issuer, KeysUrl

OTHERS = "others"
"""Name of the callers that belong to no tenant."""


def _expression(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        msg = f"must be a regular expression ({error}): write one such as .*CN=Jane Doe.*"
        raise ValueError(msg) from error
    return pattern


Claim = Annotated[
    str,
    Field(
        pattern=r"^[^\s,]+$",
        title="one word without comma, as in the claim",
        examples=["/cms/production"],
        max_length=512,
    ),
]
"""A value of a token's claim."""

CertificateName = Annotated[
    str,
    Field(
        min_length=1,
        title="a regular expression (RE2)",
        examples=[".*CN=Jane Doe.*"],
        max_length=512,
    ),
    AfterValidator(_expression),
]
"""A pattern for a name of a certificate."""


class NetworkClients(Model):
    """Clients that do not identify themselves, such as CMSSW, which can send no token."""

    kind: Literal["network"]
    """Everybody who reaches the port may call: a site restricts it to its own machines."""


class TokenIssuer(Model):
    """An issuer of tokens, and the tokens of it that may call."""

    issuer: Issuer
    """Value of the claim `iss`, to the letter: a slash at the end counts."""
    audiences: Annotated[tuple[Claim, ...], Field(min_length=1)]
    """Values of the claim `aud`, of which a token must have one."""
    jwks_url: KeysUrl
    """URL of the issuer's keys: `jwks_uri` of its /.well-known/openid-configuration."""
    groups: tuple[Claim, ...] = ()
    """Values of the claim `wlcg.groups`. If groups or scopes are given, a token must have one of their values."""
    scopes: tuple[Claim, ...] = ()
    """Words of the claim `scope`."""


class _TokenHolders(Model):
    issuer: str | None = None
    """Claim `iss` of their tokens, one of `issuers`; none: any of these."""
    groups: tuple[Claim, ...] = ()
    """Values of the claim `wlcg.groups`. If groups or scopes are given, a token has one of their values."""
    scopes: tuple[Claim, ...] = ()
    """Words of the claim `scope`."""

    @property
    def everybody(self) -> bool:
        """True: every token that is accepted fits."""
        return not (self.issuer or self.groups or self.scopes)


class Tenant(_TokenHolders):
    """Clients that share the servers' capacity with others, known by their tokens."""

    name: DnsLabel
    """Name in metrics and logs. The name `others` is taken by the clients that belong to no tenant."""
    weight: Count = 1
    """Weight of its share while the capacity is too small for all. Unused shares go to the other tenants."""

    def broken_rules(self) -> Iterator[BrokenRule]:
        """A tenant is a part of the callers, not all of them."""
        if self.everybody:
            yield BrokenRule(
                f"the tenant `{self.name}` would be everybody: name its issuer, groups or scopes",
                ("name",),
            )
        if self.name == OTHERS:
            yield BrokenRule(
                f"the tenant name `{OTHERS}` is taken by all who belong to no tenant, with weight 1: "
                "give this one another name",
                ("name",),
            )


class ModelController(_TokenHolders):
    """Clients that may load and unload models, known by their tokens."""

    def broken_rules(self) -> Iterator[BrokenRule]:
        """A model is loaded by a part of the callers."""
        if self.everybody:
            yield BrokenRule(
                "every client could load and unload models: name the issuer, groups or scopes of those that may",
                ("issuer",),
            )


class TokenClients(Model):
    """Clients that send a token (JWT) as `authorization: Bearer …`. Health checks (grpc.health.v1) need none."""

    kind: Literal["token"]
    """Envoy checks the signature, issuer, audience and times of each call's token."""
    issuers: Annotated[tuple[TokenIssuer, ...], Field(min_length=1)]
    """Issuers whose tokens are accepted. A client needs a token of one of them."""
    tenants: tuple[Tenant, ...] = ()
    """Tenants that share the capacity while it is too small for all. All other clients together are one more tenant, of
    weight 1. A token that fits several belongs to the first. Empty: Envoy rejects requests at random."""
    model_control: tuple[ModelController, ...] = ()
    """Clients that may also load and unload models, which lets them run code of their own in the server. It needs
    scaling.servers_max 1, since a call through Envoy reaches one server. Empty: nobody may."""

    def broken_rules(self) -> Iterator[BrokenRule]:
        """Each issuer and each tenant is described once, and every issuer that is named is one of `issuers`."""
        for name in twice([tenant.name for tenant in self.tenants]):
            yield BrokenRule(
                f"the tenant `{name}` is described more than once: describe it once, with all its groups and scopes",
                ("tenants",),
            )
        issuers = [issuer.issuer for issuer in self.issuers]
        for tenant in self.tenants:
            if tenant.issuer is not None and tenant.issuer not in issuers:
                yield BrokenRule(
                    f"the tenant `{tenant.name}` has tokens of `{tenant.issuer}`, which is not one of the issuers "
                    f"({', '.join(issuers)}): name one of these, to the letter, or describe it there",
                    ("tenants", "issuers"),
                )
        for controller in self.model_control:
            if controller.issuer is not None and controller.issuer not in issuers:
                yield BrokenRule(
                    f"model_control names tokens of `{controller.issuer}`, which is not one of the issuers "
                    f"({', '.join(issuers)}): name one of these, to the letter, or describe it there",
                    ("model_control", "issuers"),
                )
        for issuer in twice([issuer.issuer for issuer in self.issuers]):
            yield BrokenRule(
                f"the issuer `{issuer}` is described more than once: describe it once, with all its audiences",
                ("issuers",),
            )


class CertificateClients(Model):
    """Clients that have an X.509 certificate (mTLS)."""

    kind: Literal["certificate"]
    """Envoy accepts no connection without a certificate of the authorities."""
    authorities_secret: DnsLabel
    """Secret of the namespace whose `ca.crt` holds the certificates of the authorities, in PEM."""
    names: Annotated[tuple[CertificateName, ...], Field(min_length=1)]
    """Certificates that may call, as regular expressions. One must match the whole subject (RFC 2253, such as
    `CN=Jane Doe,O=CERN`), or a whole URI or DNS name among the subject's alternative names."""
    model_control: tuple[CertificateName, ...] = ()
    """Those of them that may also load and unload models, which lets them run code of their own in the server. It needs
    scaling.servers_max 1, since a call through Envoy reaches one server. Empty: nobody may."""


Clients = Annotated[NetworkClients | TokenClients | CertificateClients, Field(discriminator="kind")]


def tenants_of(clients: Clients) -> tuple[Tenant, ...]:
    """Return the tenants, in the order in which a token is matched; empty if clients are not told apart."""
    return clients.tenants if isinstance(clients, TokenClients) else ()


def models_are_controlled(clients: Clients) -> bool:
    """Return True if clients may load and unload models."""
    return bool(clients.model_control) if isinstance(clients, TokenClients | CertificateClients) else False
