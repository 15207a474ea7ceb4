"""Two routes per tenant: one refuses a fraction set by a runtime key, one forwards and counts.

`admission.controller.shares` sets the fractions.
"""

from collections.abc import Iterator, Sequence

from components.envoy.admission.controller.policy import refuse_key
from components.envoy.args import EnvoyProxyArgs
from components.envoy.feature import Feature
from components.envoy.identity import claim_matcher
from components.envoy.replies import PUSHBACK
from components.envoy.routes import INFER_PATH, replaced
from components.envoy.typed import Config
from stacks.schema.clients import OTHERS, Tenant, tenants_of


def feature(args: EnvoyProxyArgs) -> Feature:
    """Return a pair of inference routes per tenant plus one for everybody else; off without tenants.

    A stream counts for no tenant: nobody knows how much work it will bring.
    """
    tenants = tenants_of(args.clients)
    if not tenants:
        return Feature()
    return Feature(
        patch_routes=lambda routes: replaced(routes, INFER_PATH, lambda route: _routes_by_tenant(route, tenants)),
        log_fields={"tenant": "%ROUTE_NAME%"},
    )


def _routes_by_tenant(route: Config, tenants: Sequence[Tenant]) -> list[Config]:
    matched = [(tenant.name, claims) for tenant in tenants for claims in _claims(tenant)]
    return [each for name, claims in [*matched, (OTHERS, [])] for each in _pair(route, name, claims)]


def _pair(route: Config, name: str, claims: Sequence[Config]) -> Iterator[Config]:
    match = {**route["match"], **({"dynamic_metadata": list(claims)} if claims else {})}
    over_share = {
        "runtime_key": refuse_key(name),
        "default_value": {"numerator": 0, "denominator": "MILLION"},
    }
    # Envoy makes 429 UNAVAILABLE, which would say: full for everybody.
    status = {
        "header": {"key": "grpc-status", "value": "8"},
        "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
    }
    yield {
        "name": name,
        "match": {**match, "runtime_fraction": over_share},
        "direct_response": {
            "status": 429,
            "body": {"inline_string": f"rate limit: server pool overloaded and {name} over its share, send less"},
        },
        "response_headers_to_add": [status, PUSHBACK],
    }
    yield {**route, "name": name, "match": match, "stat_prefix": name}


def _claims(tenant: Tenant) -> list[list[Config]]:
    """Each list is one way to be of the tenant: all of its matchers hold."""
    signed = [claim_matcher("iss", {"string_match": {"exact": tenant.issuer}})] if tenant.issuer else []
    wanted = [(claim, values) for claim, values in (("wlcg.groups", tenant.groups), ("scope", tenant.scopes)) if values]
    return [[*signed, claim_matcher(claim, _contains_one_of(values))] for claim, values in wanted] or [signed]


def _contains_one_of(values: Sequence[str]) -> Config:
    matchers = [{"string_match": {"exact": value}} for value in values]
    return {"list_match": {"one_of": {"or_match": {"value_matchers": matchers}} if len(matchers) > 1 else matchers[0]}}
