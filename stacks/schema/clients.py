"""Who may call the servers: the part of an experiment that says how its clients show who they are."""

import re
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from stacks.schema.base import BrokenRule, Count, DnsLabel, Model, twice
from stacks.schema.url import Issuer, KeysUrl

OTHERS = "others"
"""The callers who are of no tenant."""


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
        title="one word without comma, as it stands in the claim",
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
    """Clients that show nothing, such as CMSSW, which can send no token."""

    kind: Literal["network"]
    """Whoever reaches the port may call: a site keeps it to its own machines."""


class TokenIssuer(Model):
    """Who signs tokens, and which of them may call."""

    issuer: Issuer
    """The claim `iss`, to the letter: with its last slash or without."""
    audiences: Annotated[tuple[Claim, ...], Field(min_length=1)]
    """Values of the claim `aud`; a token must have one of them."""
    jwks_url: KeysUrl
    """Where the issuer publishes its keys: `jwks_uri` of its /.well-known/openid-configuration."""
    groups: tuple[Claim, ...] = ()
    """Values of the claim `wlcg.groups`. With groups or scopes a token must have one of the two lists' values."""
    scopes: tuple[Claim, ...] = ()
    """Words of the claim `scope`."""


class Tenant(Model):
    """Clients that share the servers' capacity with others, known by their tokens."""

    name: DnsLabel
    """Name in metrics and logs. `others` is all who are of no tenant."""
    weight: Count = 1
    """Share of the capacity, to that of the others, while there is too little for all. What a tenant leaves of its own
    goes to the rest."""
    issuer: str | None = None
    """The claim `iss` that its tokens have, one of `issuers`; none: any of these."""
    groups: tuple[Claim, ...] = ()
    """Values of the claim `wlcg.groups`. With groups or scopes its tokens have one of the two lists' values."""
    scopes: tuple[Claim, ...] = ()
    """Words of the claim `scope`."""

    def broken_rules(self) -> Iterator[BrokenRule]:
        """A tenant is some of the callers."""
        if not (self.issuer or self.groups or self.scopes):
            yield BrokenRule(
                f"the tenant `{self.name}` would be everybody: say by issuer, groups or scopes which tokens it has",
                ("name",),
            )
        if self.name == OTHERS:
            yield BrokenRule(
                f"the tenant `{OTHERS}` stands for all who are of no tenant, with weight 1: give this one another name",
                ("name",),
            )


class TokenClients(Model):
    """Clients that send a token (JWT) as `authorization: Bearer …`. Health checks (grpc.health.v1) need none."""

    kind: Literal["token"]
    """Envoy checks signature, issuer, audience and times of each call's token."""
    issuers: Annotated[tuple[TokenIssuer, ...], Field(min_length=1)]
    """Whose tokens are taken; one of them is enough."""
    tenants: tuple[Tenant, ...] = ()
    """Who shares the capacity while there is too little, besides all others, who are one more with weight 1. A token
    that would be of several is of the first. Empty: requests are refused by chance."""

    def broken_rules(self) -> Iterator[BrokenRule]:
        """An issuer and a tenant are each described once, and a tenant's issuer is one of those."""
        for name in twice([tenant.name for tenant in self.tenants]):
            yield BrokenRule(
                f"the tenant `{name}` stands more than once: describe it once, with all its groups and scopes",
                ("tenants",),
            )
        issuers = [issuer.issuer for issuer in self.issuers]
        for tenant in self.tenants:
            if tenant.issuer is not None and tenant.issuer not in issuers:
                yield BrokenRule(
                    f"the tenant `{tenant.name}` has tokens of `{tenant.issuer}`, which is none of the issuers "
                    f"({', '.join(issuers)}): name one of these, to the letter, or describe it there",
                    ("tenants", "issuers"),
                )
        for issuer in twice([issuer.issuer for issuer in self.issuers]):
            yield BrokenRule(
                f"the issuer `{issuer}` stands more than once: describe it once, with all its audiences",
                ("issuers",),
            )


class CertificateClients(Model):
    """Clients that have an X.509 certificate (mTLS)."""

    kind: Literal["certificate"]
    """Envoy takes no connection without a certificate of the authorities."""
    authorities_secret: DnsLabel
    """Secret of the namespace whose `ca.crt` holds the certificates of the authorities, in PEM."""
    names: Annotated[tuple[CertificateName, ...], Field(min_length=1)]
    """Who of them may call: regular expressions, one of which must match the whole of the subject (RFC 2253, such as
    `CN=Jane Doe,O=CERN`), or of a URI or DNS name among the subject's alternative names."""


Clients = Annotated[NetworkClients | TokenClients | CertificateClients, Field(discriminator="kind")]


def tenants_of(clients: Clients) -> tuple[Tenant, ...]:
    """Who shares the capacity, in the order in which a token is matched; empty where nobody is told apart."""
    return clients.tenants if isinstance(clients, TokenClients) else ()
