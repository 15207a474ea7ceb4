"""Checks of tokens: real Envoy, key servers with real TLS, and servers that count their calls."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest
from cryptography import x509

from components.envoy.routes import CLOSED, HEALTH_CHECK_PATH
from stacks.schema.clients import ModelController, TokenClients, TokenIssuer
from testbed.authority import Authority
from testbed.issuer import Issuer, files_for_tokens, new_key, public_pem
from testbed.polling import eventually
from testbed.proxy_client import ask, channel, outcomes
from testbed.real_envoy import RealEnvoy
from testbed.stand_in import INFER, StandIn
from tests.loopback.conftest import Envoys, Servers
from tests.support.chaos import Fault
from tests.support.key_fetching import hours_are_seconds

A = "127.0.1.1"
UNAUTHENTICATED, DENIED = "UNAUTHENTICATED", "PERMISSION_DENIED"

Guarded = Callable[..., RealEnvoy]


@pytest.fixture
def authority() -> Authority:
    """Signs the certificates of the issuers instead of the public authorities."""
    return Authority("public")


@pytest.fixture
def issuer(authority: Authority) -> Iterator[Issuer]:
    with Issuer("https://issuer.example/realm", authority.sign_host("localhost")) as issuer:
        yield issuer


@pytest.fixture
def other(authority: Authority) -> Iterator[Issuer]:
    with Issuer("https://other.example/", authority.sign_host("localhost")) as issuer:
        yield issuer


@pytest.fixture
def server(servers: Servers) -> StandIn:
    return servers(1)[0]


@pytest.fixture
def guarded(server: StandIn, envoy: Envoys, authority: Authority) -> Guarded:
    """Starts an Envoy that takes the tokens of issuers, as it is with hours made seconds."""
    assert server.calls == 0

    def start(*issuers: TokenIssuer, model_control: tuple[ModelController, ...] = ()) -> RealEnvoy:
        proxy = envoy(
            (A,),
            clients=TokenClients(kind="token", issuers=issuers, model_control=model_control),
            files=files_for_tokens(authority),
            change=hours_are_seconds,
        )
        eventually(lambda: proxy.healthy_servers() == {A}, "healthy")
        return proxy

    return start


def outcome(proxy: RealEnvoy, token: str | None, method: str = INFER) -> str:
    """Return the server that answered a call with the token, or the status of the failed call."""
    with channel(proxy.target) as client:
        (outcome,) = outcomes(client, method=method, token=token)
    return outcome


def seconds_from_now(seconds: int) -> int:
    return int(time.time()) + seconds


RIGHT: dict[str, Callable[[Issuer], str]] = {
    "as it should be": lambda issuer: issuer.token(),
    "one of several audiences": lambda issuer: issuer.token(aud=["elsewhere", "sonic"]),
    "ES256": lambda issuer: issuer.token(kid="elliptic"),
    "expired within the skew": lambda issuer: issuer.token(exp=seconds_from_now(-30)),
    "not yet valid within the skew": lambda issuer: issuer.token(nbf=seconds_from_now(30)),
}
WRONG: dict[str, tuple[Callable[[Issuer], str | None], str]] = {
    "missing": (lambda _: None, UNAUTHENTICATED),
    "empty": (lambda _: "", UNAUTHENTICATED),
    "no token": (lambda _: "jane", UNAUTHENTICATED),
    "another audience": (lambda issuer: issuer.token(aud="elsewhere"), DENIED),
    "audience in other letters": (lambda issuer: issuer.token(aud="Sonic"), DENIED),
    "no audience": (lambda issuer: issuer.token(aud=None), DENIED),
    "another issuer": (lambda issuer: issuer.token(iss="https://evil.example"), UNAUTHENTICATED),
    "issuer with a slash more": (lambda issuer: issuer.token(iss=f"{issuer.issuer}/"), UNAUTHENTICATED),
    "no issuer": (lambda issuer: issuer.token(iss=None), UNAUTHENTICATED),
    "alg none": (lambda issuer: issuer.token(key=None), UNAUTHENTICATED),
    "alg none over a signature": (lambda issuer: issuer.token(alg="none"), UNAUTHENTICATED),
    "HS256 with the public key": (
        lambda issuer: issuer.token(key=public_pem(issuer.keys["first"])),
        UNAUTHENTICATED,
    ),
    "alg of another family": (lambda issuer: issuer.token(alg="ES256"), UNAUTHENTICATED),
    "signed by a stranger": (lambda issuer: issuer.token(key=new_key(), alg="ES256"), UNAUTHENTICATED),
    "unknown kid": (lambda issuer: issuer.token(key=issuer.keys["first"], kid="gone"), UNAUTHENTICATED),
    "kid of another key": (lambda issuer: issuer.token(key=issuer.keys["first"], kid="elliptic"), UNAUTHENTICATED),
    "expired": (lambda issuer: issuer.token(exp=seconds_from_now(-90)), UNAUTHENTICATED),
    "without end": (lambda issuer: issuer.token(exp=None), UNAUTHENTICATED),
    "not yet valid": (lambda issuer: issuer.token(nbf=seconds_from_now(90)), UNAUTHENTICATED),
}


@pytest.mark.chaos(Fault.CLOCK_SKEW)
def test_valid_tokens_reach_a_server_and_invalid_ones_do_not(issuer: Issuer, server: StandIn, guarded: Guarded) -> None:
    issuer.keys["elliptic"] = new_key()
    proxy = guarded(issuer.fact())
    assert {case: outcome(proxy, make(issuer)) for case, make in RIGHT.items()} == dict.fromkeys(RIGHT, A)
    passed = server.calls
    assert {case: outcome(proxy, make(issuer)) for case, (make, _) in WRONG.items()} == {
        case: status for case, (_, status) in WRONG.items()
    }
    assert server.calls == passed


def test_a_token_with_a_changed_claim_is_unauthenticated(issuer: Issuer, guarded: Guarded) -> None:
    proxy = guarded(issuer.fact())
    header, _, signature = issuer.token(sub="jane").split(".")
    _, claims, _ = issuer.token(sub="root").split(".")
    assert outcome(proxy, f"{header}.{claims}.{signature}") == UNAUTHENTICATED


def test_a_token_in_the_url_is_ignored(issuer: Issuer, guarded: Guarded) -> None:
    proxy = guarded(issuer.fact())
    assert outcome(proxy, None, f"{INFER}?access_token={issuer.token()}") == UNAUTHENTICATED


def test_only_the_health_check_works_without_a_token(issuer: Issuer, server: StandIn, guarded: Guarded) -> None:
    proxy = guarded(issuer.fact())
    assert outcome(proxy, None, HEALTH_CHECK_PATH) == "\x08\x01"
    for method in ("ServerLive", "ServerReady", "RepositoryIndex", "RepositoryModelUnload"):
        assert outcome(proxy, None, f"/inference.GRPCInferenceService/{method}") == UNAUTHENTICATED
    assert outcome(proxy, issuer.token(), "/inference.GRPCInferenceService/RepositoryModelUnload") == DENIED
    assert server.calls == 0


def test_the_token_is_not_forwarded_to_the_servers(issuer: Issuer, server: StandIn, guarded: Guarded) -> None:
    proxy = guarded(issuer.fact())
    assert outcome(proxy, issuer.token()) == A
    assert "authorization" not in server.metadata


def test_each_issuer_is_checked_with_its_own_keys_and_audience(issuer: Issuer, other: Issuer, guarded: Guarded) -> None:
    proxy = guarded(issuer.fact(), other.fact(audiences=("triton", "sonic")))
    assert outcome(proxy, issuer.token()) == outcome(proxy, other.token()) == A
    assert outcome(proxy, other.token(aud="triton")) == A
    assert outcome(proxy, issuer.token(aud="triton")) == DENIED
    posing = other.token(iss=issuer.issuer)
    assert outcome(proxy, posing) == UNAUTHENTICATED


@pytest.mark.chaos(Fault.ISSUER)
def test_new_keys_are_accepted_and_withdrawn_ones_rejected_after_a_fetch(issuer: Issuer, guarded: Guarded) -> None:
    proxy = guarded(issuer.fact())
    old = issuer.token()
    assert outcome(proxy, old) == A
    issuer.keys["second"] = new_key()
    eventually(lambda: outcome(proxy, issuer.token(kid="second")) == A, "the new key")
    assert outcome(proxy, old) == A
    del issuer.keys["first"]
    eventually(lambda: outcome(proxy, old) == UNAUTHENTICATED, "the old key is gone")
    assert outcome(proxy, issuer.token(kid="second")) == A


def test_calls_cause_no_fetch_of_keys(issuer: Issuer, guarded: Guarded) -> None:
    """Calls with unknown keys cause none either: strangers could otherwise make Envoy fetch."""
    proxy = guarded(issuer.fact())
    begun = time.monotonic()
    before = issuer.fetches
    for _ in range(50):
        assert outcome(proxy, issuer.token(key=issuer.keys["first"], kid="gone")) == UNAUTHENTICATED
        assert outcome(proxy, issuer.token()) == A
    assert issuer.fetches - before <= 2 * (time.monotonic() - begun) + 2


def test_an_envoy_becomes_ready_only_with_the_keys(issuer: Issuer, guarded: Guarded) -> None:
    """The first calls after a rollout do not wait for the issuer."""
    issuer.delay_seconds = 3
    proxy = guarded(issuer.fact())
    assert proxy.stat("http.clients.jwt_authn.jwks_fetch_success") >= 1
    assert outcome(proxy, issuer.token()) == A


@pytest.mark.chaos(Fault.ISSUER)
def test_tokens_stay_valid_while_their_issuer_is_down(issuer: Issuer, guarded: Guarded) -> None:
    """Three refreshes of the keys have failed when the client calls."""
    proxy = guarded(issuer.fact())
    token = issuer.token()
    issuer.__exit__(None, None, None)
    failed = "cluster.issuer-0.upstream_cx_connect_fail"
    eventually(lambda: proxy.stat(failed) >= 3, "fetches that fail")
    assert outcome(proxy, token) == A
    assert outcome(proxy, None) == UNAUTHENTICATED


@pytest.mark.chaos(Fault.ISSUER)
def test_an_issuer_that_is_down_at_the_start_locks_out_only_its_own_clients(
    issuer: Issuer, other: Issuer, guarded: Guarded
) -> None:
    issuer.__exit__(None, None, None)
    proxy = guarded(issuer.fact(), other.fact())
    assert outcome(proxy, issuer.token()) == UNAUTHENTICATED
    assert outcome(proxy, other.token()) == A
    with issuer:
        eventually(lambda: outcome(proxy, issuer.token()) == A, "the issuer is back")


@pytest.mark.chaos(Fault.ISSUER)
@pytest.mark.parametrize(("fault", "counted"), [("authority", "fail_verify_error"), ("host", "fail_verify_san")])
def test_keys_of_a_man_in_the_middle_are_not_fetched(
    fault: str, counted: str, issuer: Issuer, authority: Authority, server: StandIn, guarded: Guarded
) -> None:
    """The man has the issuer's address, keys of his own, and a certificate that he could get."""
    evil = x509.DNSName("evil.example")
    mine = Authority("mine").sign_host("localhost") if fault == "authority" else authority.sign("evil.example", evil)
    with Issuer(issuer.issuer, mine) as man:
        proxy = guarded(man.fact())
        eventually(lambda: proxy.stat(f"cluster.issuer-0.ssl.{counted}") >= 2, "refused handshakes")
        assert outcome(proxy, man.token()) == UNAUTHENTICATED
        assert man.fetches == 0
    assert server.calls == 0


@pytest.mark.parametrize(
    ("claims", "sentence"),
    [
        ({"iss": "https://evil.example"}, "Jwt issuer is not configured"),
        ({"aud": "elsewhere"}, "Audiences in Jwt are not allowed"),
        ({"exp": 1}, "Jwt is expired"),
        (
            {},
            "forbidden: the token is valid, but has none of the groups or scopes that may call",
        ),
    ],
)
def test_a_refused_client_gets_the_reason(
    claims: dict[str, Any], sentence: str, issuer: Issuer, guarded: Guarded
) -> None:
    proxy = guarded(issuer.fact(groups=("/cms",)))
    with pytest.raises(grpc.RpcError) as raised:
        ask(channel(proxy.target), token=issuer.token(**claims))
    assert isinstance(raised.value, grpc.Call)
    assert raised.value.details() == sentence


CLAIMS: dict[str, tuple[dict[str, Any], str]] = {
    "one of the groups": ({"wlcg.groups": ["/cms/users", "/cms/sonic"]}, A),
    "one of the scopes": ({"scope": "openid inference.use"}, A),
    "both": ({"wlcg.groups": ["/cms/sonic"], "scope": "inference.use"}, A),
    "neither": ({}, DENIED),
    "another group": ({"wlcg.groups": ["/cms/users"]}, DENIED),
    "a group below": ({"wlcg.groups": ["/cms/sonic/guests"]}, DENIED),
    "a group as text": ({"wlcg.groups": "/cms/sonic"}, DENIED),
    "a longer scope": ({"scope": "inference.users"}, DENIED),
    "the scope as a group": ({"wlcg.groups": ["inference.use"]}, DENIED),
}


def test_a_token_needs_one_of_the_groups_or_scopes_of_its_issuer(
    issuer: Issuer, other: Issuer, server: StandIn, guarded: Guarded
) -> None:
    asking = issuer.fact(groups=("/cms/sonic", "/cms/production"), scopes=("inference.use",))
    proxy = guarded(asking, other.fact())
    assert {case: outcome(proxy, issuer.token(**claims)) for case, (claims, _) in CLAIMS.items()} == {
        case: expected for case, (_, expected) in CLAIMS.items()
    }
    assert outcome(proxy, other.token()) == A, "the other issuer's tokens need neither"
    assert outcome(proxy, None, HEALTH_CHECK_PATH) == "\x08\x01"
    assert server.calls == 4


LOAD, UNLOAD = (f"/inference.GRPCInferenceService/RepositoryModel{act}" for act in ("Load", "Unload"))
CONTROLLERS: dict[str, tuple[dict[str, Any], str]] = {
    "one of the groups": ({"wlcg.groups": ["/cms/sonic", "/cms/models"]}, A),
    "the scope": ({"scope": "inference.use models.load"}, A),
    "another group": ({"wlcg.groups": ["/cms/sonic"]}, DENIED),
    "a group below": ({"wlcg.groups": ["/cms/models/guests"]}, DENIED),
    "the group as scope": ({"scope": "/cms/models"}, DENIED),
    "neither": ({}, DENIED),
}


def member(issuer: Issuer, *groups: str) -> str:
    """Return a token of somebody in these groups."""
    claims: dict[str, Any] = {"wlcg.groups": list(groups)}
    return issuer.token(**claims)


def test_models_are_loaded_by_the_named_clients_and_by_nobody_else(
    issuer: Issuer, other: Issuer, server: StandIn, guarded: Guarded
) -> None:
    named = ModelController(issuer=issuer.issuer, groups=("/cms/models",), scopes=("models.load",))
    proxy = guarded(issuer.fact(), other.fact(), model_control=(named,))
    for method in (LOAD, UNLOAD):
        assert {case: outcome(proxy, issuer.token(**claims), method) for case, (claims, _) in CONTROLLERS.items()} == {
            case: status for case, (_, status) in CONTROLLERS.items()
        }
        assert outcome(proxy, member(other, "/cms/models"), method) == DENIED
        assert outcome(proxy, None, method) == UNAUTHENTICATED
    passed = server.calls
    assert passed == 4
    for disguised in (f"{LOAD}?model=m", f"{LOAD}#", f"{LOAD}/", f"/{LOAD}", LOAD.replace("Load", "%4Coad")):
        assert outcome(proxy, issuer.token(), disguised) in {DENIED, "UNIMPLEMENTED", "INTERNAL"}, disguised
    right = member(issuer, "/cms/models")
    for closed in ("TraceSetting", "LogSettings", "SystemSharedMemoryRegister", "RepositoryModelLoadAll"):
        assert outcome(proxy, right, f"/inference.GRPCInferenceService/{closed}") == DENIED
    assert server.calls == passed
    assert outcome(proxy, other.token()) == outcome(proxy, issuer.token()) == A, "everybody goes on inferring"


def test_a_refused_load_is_answered_as_any_closed_method(issuer: Issuer, guarded: Guarded) -> None:
    asking = issuer.fact(groups=("/cms",))
    proxy = guarded(asking, model_control=(ModelController(groups=("/cms/models",)),))
    for group, sentence in (
        ("/cms", CLOSED),
        ("/cms/models", "forbidden: the token is valid, but has none of the groups or scopes that may call"),
    ):
        with channel(proxy.target) as client, pytest.raises(grpc.RpcError) as raised:
            ask(client, LOAD, token=member(issuer, group))
        call = raised.value
        assert isinstance(call, grpc.Call)
        assert (call.code(), call.details()) == (grpc.StatusCode.PERMISSION_DENIED, sentence)
    assert outcome(proxy, member(issuer, "/cms", "/cms/models"), LOAD) == A
