"""Authentication and authorization of clients, by tokens of several issuers or by names of certificates.

Envoy checks a call before it costs memory, with keys that it fetched in the background: docs/adr, "Envoy identifies
clients, first and alone". The NetworkPolicy limits access to the port, and the TLS handshake checks certificates.
"""

from collections.abc import Sequence
from urllib.parse import urlsplit

from components.envoy.args import EnvoyProxyArgs
from components.envoy.cluster import outside_cluster
from components.envoy.feature import Feature
from components.envoy.replies import local_reply
from components.envoy.routes import HEALTH_CHECK_PATH
from components.envoy.tls import PUBLIC_AUTHORITIES_SECRET, client_side, public_authorities
from components.envoy.typed import Config, extension, response_matches, seconds
from components.network import edge_to_url
from components.timing import Timing
from stacks.schema.clients import CertificateClients, Clients, TokenClients, TokenIssuer

CLAIMS_FILTER, CLAIMS_KEY = "envoy.filters.http.jwt_authn", "claims"
"""Namespace and key of the dynamic metadata that holds the claims of a call's token. `scope` is a list there."""

CLOCK_SKEW_SECONDS = 60
"""Tolerated difference between the clocks of issuer and site, from the WLCG token profile."""
KEYS_REFRESH_SECONDS = 3600
"""Time between fetches of an issuer's keys: the minimum of the WLCG token profile (1 to 6 hours), because some issuers
sign with a new key as soon as they publish it. While an issuer is down Envoy keeps its last keys."""
KEYS_RETRY_SECONDS = 5
"""Time until the next fetch after a failed one."""
KEYS_TIMEOUT_SECONDS = 5
"""Timeout of a fetch. A starting Envoy waits as long for its first keys."""


def feature(args: EnvoyProxyArgs) -> Feature:
    """Return the check of tokens or of certificates' names; off where clients show nothing.

    A call without a valid token gets UNAUTHENTICATED. A client that is known but not allowed gets PERMISSION_DENIED.
    """
    match args.clients:
        case TokenClients() as clients:
            return _of_tokens(clients, args.timing)
        case CertificateClients(names=names):
            return Feature(
                http_filters=[_permissions([_named(pattern) for pattern in names])],
                local_replies=[_denied("forbidden: the certificate is valid, but has none of the names that may call")],
                log_fields={"subject": "%DOWNSTREAM_PEER_SUBJECT%"},
            )
        case _:
            return Feature()


def _of_tokens(clients: TokenClients, timing: Timing) -> Feature:
    issuers = clients.issuers
    claims_asked = any(issuer.groups or issuer.scopes for issuer in issuers)
    denied = _denied("forbidden: the token is valid, but has none of the groups or scopes that may call")
    claim = f"%DYNAMIC_METADATA({CLAIMS_FILTER}:{CLAIMS_KEY}:{{}})%"
    return Feature(
        http_filters=[
            _tokens(issuers, route_by_claims=bool(clients.tenants)),
            *([_claims(issuers)] if claims_asked else []),
        ],
        local_replies=[denied] if claims_asked else [],
        log_fields={"issuer": claim.format("iss"), "subject": claim.format("sub")},
        clusters=[_issuer_cluster(number, issuer, timing) for number, issuer in enumerate(issuers)],
        files=public_authorities(),
        awaited_secrets=[PUBLIC_AUTHORITIES_SECRET],
        # Any peer: the key servers are known by name, and a NetworkPolicy takes addresses only.
        egress=[edge_to_url(issuer.jwks_url) for issuer in issuers],
    )


def _denied(sentence: str) -> Config:
    """Return the local reply instead of "RBAC: access denied", to a client that no policy allows."""
    return local_reply(
        response_matches("response.code_details == 'rbac_access_denied_matched_policy[none]'"), sentence, retry=False
    )


def model_controllers(clients: Clients) -> list[Config]:
    """Return the principals that may load and unload models; empty: none."""
    match clients:
        case TokenClients(model_control=controllers):
            return [_holder(each.issuer, each.groups, each.scopes) for each in controllers]
        case CertificateClients(model_control=patterns):
            return [_named(pattern) for pattern in patterns]
        case _:
            return []


def claim_matcher(name: str, value: Config) -> Config:
    """Return a `type.matcher.v3.MetadataMatcher` of one claim of the call's token."""
    return {"filter": CLAIMS_FILTER, "path": [{"key": CLAIMS_KEY}, {"key": name}], "value": value}


def _tokens(issuers: Sequence[TokenIssuer], *, route_by_claims: bool) -> Config:
    # Envoy chooses a call's route before it reads the token, and must choose again after it.
    again = {"clear_route_cache": True} if route_by_claims else {}
    providers = {_name(number): {**_provider(number, issuer), **again} for number, issuer in enumerate(issuers)}
    each = [{"provider_name": name} for name in providers]
    any_issuer = {"requires_any": {"requirements": each}} if len(each) > 1 else each[0]
    return extension(
        CLAIMS_FILTER,
        "extensions.filters.http.jwt_authn.v3.JwtAuthentication",
        providers=providers,
        # Health checks of load balancers and gRPC clients cannot send a token. They read only SERVING or not.
        rules=[{"match": {"path": HEALTH_CHECK_PATH}}, {"match": {"prefix": "/"}, "requires": any_issuer}],
    )


def _provider(number: int, issuer: TokenIssuer) -> Config:
    return {
        "issuer": issuer.issuer,
        "audiences": list(issuer.audiences),
        "require_expiration": True,
        "clock_skew_seconds": CLOCK_SKEW_SECONDS,
        "remote_jwks": {
            "http_uri": {
                "uri": issuer.jwks_url,
                "cluster": _name(number),
                "timeout": seconds(KEYS_TIMEOUT_SECONDS),
            },
            # In the background, once for all workers. A starting Envoy waits for the first fetch, so it does not reject
            # valid tokens after a rollout. It serves when the fetch failed, too, so an issuer that is down locks out
            # only its own clients.
            "async_fetch": {"fast_listener": False, "failed_refetch_duration": seconds(KEYS_RETRY_SECONDS)},
            "cache_duration": seconds(KEYS_REFRESH_SECONDS),
        },
        # By default Envoy also takes tokens from the URL, which is logged.
        "from_headers": [{"name": "authorization", "value_prefix": "Bearer "}],
        # The servers do not need the token, and whoever reads it there could use it elsewhere.
        "forward": False,
        "payload_in_metadata": CLAIMS_KEY,
        "normalize_payload_in_metadata": {"space_delimited_claims": ["scope"]},
    }


def _issuer_cluster(number: int, issuer: TokenIssuer, timing: Timing) -> Config:
    host, port = _host_and_port(issuer)
    return {**outside_cluster(_name(number), host, port, timing), "transport_socket": client_side(host)}


def _claims(issuers: Sequence[TokenIssuer]) -> Config:
    health = {"url_path": {"path": {"exact": HEALTH_CHECK_PATH}}}
    return _permissions([health, *(_holder(issuer.issuer, issuer.groups, issuer.scopes) for issuer in issuers)])


def _holder(issuer: str | None, groups: Sequence[str], scopes: Sequence[str]) -> Config:
    """Return the principal: a token of the issuer (None: of any), with one of the groups or scopes if there are any."""
    signed = [_claim("iss", {"string_match": {"exact": issuer}})] if issuer else []
    wanted = [("wlcg.groups", group) for group in groups] + [("scope", scope) for scope in scopes]
    one_of = [_claim(claim, {"list_match": {"one_of": {"string_match": {"exact": value}}}}) for claim, value in wanted]
    ids = [*signed, *([{"or_ids": {"ids": one_of}}] if one_of else [])]
    return {"and_ids": {"ids": ids}} if len(ids) > 1 else ids[0]


def _claim(name: str, value: Config) -> Config:
    return {"metadata": claim_matcher(name, value)}


def _named(pattern: str) -> Config:
    return {"authenticated": {"principal_name": {"safe_regex": {"regex": pattern}}}}


def _permissions(principals: Sequence[Config]) -> Config:
    """Return the filter that allows any of the principals and answers PERMISSION_DENIED to all others."""
    return extension(
        "envoy.filters.http.rbac",
        "extensions.filters.http.rbac.v3.RBAC",
        rules={
            "action": "ALLOW",
            "policies": {"clients": {"permissions": [{"any": True}], "principals": list(principals)}},
        },
    )


def _host_and_port(issuer: TokenIssuer) -> tuple[str, int]:
    url = urlsplit(issuer.jwks_url)
    return str(url.hostname), url.port or 443


def _name(number: int) -> str:
    """Return the name of an issuer's provider and cluster. The issuer's URL would not be a valid name of a metric."""
    return f"issuer-{number}"
