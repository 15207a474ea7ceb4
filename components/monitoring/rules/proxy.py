"""Alerts on the Envoys: whether they answer and find servers, the calls that they refuse, certificates and keys."""

from collections.abc import Iterator

from components.envoy.cluster import CLUSTER
from components.envoy.refusals import ANSWERED, LIMIT, MEMORY, NO_SERVER, OF_CLIENTS, TO_SERVERS, Refusal
from components.monitoring.rules import rule
from components.monitoring.rules.facts import RuleFacts, may_be_empty
from components.monitoring.rules.rule import Rule, Severity, envoys

_REFUSED_MAX = 0.01
"""Fraction of calls that may be refused for the limit on requests in progress."""
_ANSWERED_MAX = 0.05
"""Fraction of calls that Envoy may answer itself. A client that watches the health makes one such call."""
_CERTIFICATE_DAYS = 14
"""cert-manager renews a certificate of 90 days 30 days before its end, a person needs a week."""

_SERVERS = f'envoy_cluster_name="{CLUSTER}"'


def proxy_alerts(facts: RuleFacts) -> list[Rule]:
    """Return the alerts on the Envoys."""
    return [
        *_of_health(facts),
        *_of_refusals(facts),
        *(_of_certificates(facts) if facts.tls else ()),
        *(_of_issuers(facts) if facts.tokens else ()),
    ]


def most_healthy(facts: RuleFacts) -> str:
    """Return the selector of the number of servers that get requests, in the view of each Envoy."""
    return f"envoy_cluster_membership_healthy{envoys(facts, _SERVERS)}"


def _of_health(facts: RuleFacts) -> Iterator[Rule]:
    up = f"up{envoys(facts)}"
    yield _alert(
        facts,
        "SonicEnvoySilent",
        f"absent({up} == 1)",
        300,
        "no Envoy answers Prometheus: clients may reach none either",
        Severity.CRITICAL,
    )
    yield _alert(
        facts,
        "SonicEnvoyLost",
        f"max by (pod) ({up}) == 0 and on () (max({up}) == 1)",
        300,
        "Envoy {{ $labels.pod }} does not answer Prometheus: the others serve",
    )
    without = f"max by (pod) ({most_healthy(facts)}) == 0"
    for_seconds = 120
    if all(may_be_empty(pool) for pool in facts.pools):
        # A first server is on its way; then it takes longer than it should.
        without += f" and on (pod) sum by (pod) ({_increase(facts, NO_SERVER.counter, _SERVERS)}) > 0"
        for_seconds = 900
    yield _alert(
        facts,
        "SonicNoHealthyServer",
        without,
        for_seconds,
        "Envoy {{ $labels.pod }} has no healthy server: it refuses every request",
        Severity.CRITICAL,
    )
    broken = f"envoy_cluster_upstream_cx_destroy_remote_with_active_rq{envoys(facts, TO_SERVERS)}"
    yield _alert(
        facts,
        "SonicServerEndedBusy",
        f"sum(max by (pod, envoy_cluster_name) (increase({broken}[15m]))) > 0",
        0,
        "a server ended with requests in progress: it crashed, or its drain was cut short",
    )


def _of_refusals(facts: RuleFacts) -> Iterator[Rule]:
    calls = f"sum({_increase(facts, 'envoy_http_downstream_rq_total', OF_CLIENTS)})"
    yield _alert(
        facts,
        "SonicOverloaded",
        f"sum({_refused(facts, LIMIT)}) / {calls} > {_REFUSED_MAX}",
        600,
        "Envoy refuses {{ $value | humanizePercentage }} of the calls: too many requests are in progress",
    )
    if facts.limited:
        yield _alert(
            facts,
            "SonicClientsRefused",
            f"sum({_refused(facts, ANSWERED)}) / {calls} > {_ANSWERED_MAX}",
            600,
            "Envoy answers {{ $value | humanizePercentage }} of the calls itself: tenants over their share, new jobs",
        )
    yield _alert(
        facts,
        "SonicEnvoyMemoryFull",
        f"sum by (pod) ({_refused(facts, MEMORY)}) > 0",
        300,
        "Envoy {{ $labels.pod }} refuses requests for which it has no memory",
    )


def _of_certificates(facts: RuleFacts) -> Iterator[Rule]:
    days = f"min(envoy_server_days_until_first_cert_expiring{envoys(facts)})"
    yield _alert(
        facts,
        "SonicCertificateEnding",
        f"{days} < {_CERTIFICATE_DAYS} and {days} >= 1",
        3600,
        "a certificate of Envoy ends in {{ $value }} days",
    )
    yield _alert(
        facts,
        "SonicCertificateEnded",
        f"{days} < 1",
        0,
        "a certificate of Envoy ends today, or has ended: clients refuse it",
        Severity.CRITICAL,
    )


def _of_issuers(facts: RuleFacts) -> Iterator[Rule]:
    yield _alert(
        facts,
        "SonicIssuerKeysNotFetched",
        f"sum by (pod) ({_increase(facts, 'envoy_http_jwt_authn_jwks_fetch_failed', OF_CLIENTS)}) > 0",
        1800,
        "Envoy {{ $labels.pod }} cannot fetch the keys of an issuer: it goes on with the last, a new Envoy has none",
    )


def _refused(facts: RuleFacts, refusal: Refusal) -> str:
    return _increase(facts, refusal.counter, refusal.matcher)


def _increase(facts: RuleFacts, counter: str, matcher: str) -> str:
    return f"increase({counter}{envoys(facts, matcher)}[5m])"


def _alert(
    facts: RuleFacts,
    name: str,
    expression: str,
    for_seconds: int,
    summary: str,
    severity: Severity = Severity.WARNING,
) -> Rule:
    labels = {"sonic_instance": facts.instance}
    return rule.alert(name, expression, for_seconds=for_seconds, summary=summary, labels=labels, severity=severity)
