"""TLS at Envoy: its own certificate, and those of clients."""

import json
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from cryptography import x509

import components.envoy
from components.envoy.tls import AUTHORITIES_FOLDER, PUBLIC_AUTHORITIES, SERVER_FOLDER
from diagnosis.logs import refused_config
from stacks.schema.clients import CertificateClients, Clients, NetworkClients, TokenClients
from testbed.authority import Authority, Credentials
from testbed.issuer import Issuer
from testbed.polling import eventually
from testbed.proxy_client import ask, channel, outcomes, tls_channel
from testbed.real_envoy import RealEnvoy
from testbed.stand_in import INFER, StandIn
from tests.loopback.conftest import Envoys, Servers

A = "127.0.1.1"
PUBLIC, GRID = Authority("public"), Authority("grid")
GRID_CLIENTS = CertificateClients(
    kind="certificate",
    authorities_secret="grid",  # noqa: S106  the name of one
    names=(r"CN=jane,O=Test", r"[a-z0-9]+\.site\.example", r"spiffe://site\.example/job/.*"),
)


@pytest.fixture
def server(servers: Servers) -> StandIn:
    return servers(1)[0]


def start(envoy: Envoys, clients: Clients) -> RealEnvoy:
    shown = PUBLIC.sign_host("localhost")
    proxy = envoy(
        (A,),
        clients=clients,
        tls_secret="sonic-tls",  # noqa: S106  the name of one
        files={
            f"{SERVER_FOLDER}/tls.key": shown.key,
            f"{SERVER_FOLDER}/tls.crt": shown.certificate,
            f"{AUTHORITIES_FOLDER}/ca.crt": GRID.certificate,
            PUBLIC_AUTHORITIES: PUBLIC.certificate,
        },
    )
    eventually(lambda: proxy.healthy_servers() == {A}, "healthy")
    return proxy


def call(
    proxy: RealEnvoy, shown: Credentials | None = None, *, authority: Authority = PUBLIC, method: str = INFER
) -> Counter[str]:
    with tls_channel(proxy.target, authority.certificate, shown) as client:
        return outcomes(client, method=method)


def test_plain_text_and_untrusted_certificates_are_refused(server: StandIn, envoy: Envoys) -> None:
    proxy = start(envoy, NetworkClients(kind="network"))
    assert call(proxy) == {A: 1}
    assert call(proxy, authority=GRID) == {"UNAVAILABLE": 1}
    assert outcomes(channel(proxy.target)) == {"UNAVAILABLE": 1}
    assert server.calls == 1


def test_a_renewed_certificate_is_used_without_a_restart(server: StandIn, envoy: Envoys) -> None:
    proxy = start(envoy, NetworkClients(kind="network"))
    standing = tls_channel(proxy.target, PUBLIC.certificate)
    assert outcomes(standing) == {A: 1}
    renewing = Authority("public, next year")
    renewed = renewing.sign_host("localhost")
    proxy.mount(SERVER_FOLDER, {"tls.key": renewed.key, "tls.crt": renewed.certificate})
    eventually(lambda: call(proxy, authority=renewing) == {A: 1}, "the new certificate")
    assert outcomes(standing) == {A: 1}, "connections that stand go on"
    assert server.calls == 3


def startup_probe(proxy: RealEnvoy, *secrets: str) -> tuple[bool, str]:
    """Run the startup probe; return True if it passes, and its output."""
    script = Path(components.envoy.__file__).with_name("startup.sh")
    command = ["bash", str(script), str(proxy.admin_port), *secrets]
    run = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False, timeout=20)
    return run.returncode == 0, run.stdout.strip()


def test_an_envoy_starts_only_with_the_certificates_that_it_accepts(server: StandIn, envoy: Envoys) -> None:
    right = start(envoy, NetworkClients(kind="network"))
    assert startup_probe(right, "server-certificate") == (True, "")
    shown, other = PUBLIC.sign_host("localhost"), PUBLIC.sign_host("localhost")
    proxy = envoy(
        (A,),
        tls_secret="sonic-tls",  # noqa: S106  the name of one
        files={f"{SERVER_FOLDER}/tls.key": other.key, f"{SERVER_FOLDER}/tls.crt": shown.certificate},
    )
    assert proxy.ready(), "Envoy itself says nothing of it"
    assert call(proxy) == {"UNAVAILABLE": 1}
    assert startup_probe(proxy, "server-certificate") == (False, "Envoy has not accepted: server-certificate")
    (refused,) = refused_config(proxy.log.read_text().splitlines())
    assert refused.startswith("Failed to load private key from <inline>")
    assert server.calls == 0


def test_an_envoy_that_does_not_run_has_not_started(envoy: Envoys) -> None:
    proxy = envoy((A,))
    proxy.process.terminate()
    proxy.process.wait()
    assert startup_probe(proxy)[0] is False


def test_tokens_are_checked_over_tls(server: StandIn, envoy: Envoys) -> None:
    with Issuer("https://issuer.example", PUBLIC.sign_host("localhost")) as issuer:
        proxy = start(envoy, TokenClients(kind="token", issuers=(issuer.fact(),)))
        client = tls_channel(proxy.target, PUBLIC.certificate)
        assert outcomes(client) == {"UNAUTHENTICATED": 1}
        assert server.calls == 0
        assert ask(client, token=issuer.token()).decode() == A


RIGHT = {
    "subject": GRID.sign("jane"),
    "DNS name": GRID.sign("anything", x509.DNSName("node7.site.example")),
    "one of two DNS names": GRID.sign("host", x509.DNSName("elsewhere.example"), x509.DNSName("n1.site.example")),
    "URI": GRID.sign("job", x509.UniformResourceIdentifier("spiffe://site.example/job/7")),
}
WRONG: dict[str, tuple[Credentials | None, str]] = {
    "none": (None, "UNAVAILABLE"),
    "of another authority": (PUBLIC.sign("jane"), "UNAVAILABLE"),
    "another subject": (GRID.sign("john"), "PERMISSION_DENIED"),
    "a longer subject": (GRID.sign("jane, too"), "PERMISSION_DENIED"),
    "a name below": (GRID.sign("x", x509.DNSName("node7.site.example.evil.example")), "PERMISSION_DENIED"),
    "an e-mail address": (GRID.sign("x", x509.RFC822Name("jane@site.example")), "PERMISSION_DENIED"),
}


def test_only_certificates_with_an_allowed_name_reach_a_server(server: StandIn, envoy: Envoys) -> None:
    proxy = start(envoy, GRID_CLIENTS)
    assert {case: call(proxy, shown) for case, shown in RIGHT.items()} == {case: {A: 1} for case in RIGHT}
    assert {case: call(proxy, shown) for case, (shown, _) in WRONG.items()} == {
        case: {status: 1} for case, (_, status) in WRONG.items()
    }
    assert server.calls == len(RIGHT)


def test_models_are_loaded_by_the_named_certificates_and_by_no_other(server: StandIn, envoy: Envoys) -> None:
    proxy = start(envoy, GRID_CLIENTS.model_copy(update={"model_control": (r"CN=jane,O=Test",)}))
    for act in ("Load", "Unload"):
        method = f"/inference.GRPCInferenceService/RepositoryModel{act}"
        assert call(proxy, RIGHT["subject"], method=method) == {A: 1}
        assert call(proxy, RIGHT["DNS name"], method=method) == {"PERMISSION_DENIED": 1}
    assert call(proxy, RIGHT["DNS name"]) == {A: 1}
    assert server.calls == 3


def test_the_log_names_the_subject_of_a_refused_client(server: StandIn, envoy: Envoys) -> None:
    proxy = start(envoy, GRID_CLIENTS)
    assert server.calls == 0
    call(proxy, GRID.sign("john"))

    def lines() -> list[str]:
        return [line for line in proxy.log.read_text().splitlines() if line.startswith("{")]

    eventually(lambda: bool(lines()), "a line of the log", timeout_seconds=30)
    line = json.loads(lines()[-1])
    assert (line["grpc_status"], line["subject"]) == ("PERMISSION_DENIED", "CN=john,O=Test")
    assert line["grpc_message"] == "forbidden: the certificate is valid, but has none of the names that may call"


def test_new_authorities_are_trusted_without_a_restart(server: StandIn, envoy: Envoys) -> None:
    proxy = start(envoy, GRID_CLIENTS)
    renewing = Authority("grid, next year")
    jane = renewing.sign("jane")
    assert call(proxy, jane) == {"UNAVAILABLE": 1}
    proxy.mount(AUTHORITIES_FOLDER, {"ca.crt": GRID.certificate + renewing.certificate})
    eventually(lambda: call(proxy, jane) == {A: 1}, "the new authority")
    assert call(proxy, GRID.sign("jane")) == {A: 1}
    assert server.calls >= 2
