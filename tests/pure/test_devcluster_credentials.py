"""Certificates and kubeconfigs: their content, and when they are issued again."""

import base64
import dataclasses
import datetime as dt
import ssl
from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from cryptography import x509

from devcluster import credentials
from devcluster.credentials import ADMIN, API_SERVER, CLUSTER_AUTHORITY, ETCD, IDENTITIES, KUBELET, Identity


@pytest.fixture
def pki(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of certificates of our own, all issued."""
    monkeypatch.setattr(credentials, "STATE", tmp_path)
    monkeypatch.setattr(credentials, "PKI", tmp_path)
    monkeypatch.setattr(credentials, "SERVICE_ACCOUNT_KEY", tmp_path / "service-account.key")
    credentials.ensure_credentials()
    return tmp_path


def _load(identity: Identity) -> x509.Certificate:
    return x509.load_pem_x509_certificate(identity.certificate.read_bytes())


def _names(identity: Identity) -> set[str]:
    extension = _load(identity).extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return {str(name.value) for name in extension.value}


@pytest.mark.usefixtures("pki")
def test_the_api_server_certificate_covers_every_address_that_a_client_uses() -> None:
    """This machine, a pod through the Service, and the kubelet by the node's address."""
    clients = {"127.0.0.1", "10.96.0.1", "10.123.0.1", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"}
    assert clients <= _names(API_SERVER)


@pytest.mark.usefixtures("pki")
def test_the_kubelet_is_a_node_and_serves_at_its_address() -> None:
    assert _load(KUBELET).subject.rfc4514_string() == "CN=system:node:sonic-dev,O=system:nodes"
    assert "10.123.0.1" in _names(KUBELET)


@pytest.mark.usefixtures("pki")
def test_the_front_proxy_has_an_authority_of_its_own() -> None:
    issuers = {identity.file: _load(identity).issuer.rfc4514_string() for identity in IDENTITIES}
    front_proxy = {file for file, issuer in issuers.items() if issuer == "CN=front-proxy-ca"}
    assert front_proxy == {"front-proxy", "front-proxy-ca"}
    assert set(issuers.values()) == {"CN=cluster-ca", "CN=front-proxy-ca"}


@pytest.mark.usefixtures("pki")
@pytest.mark.parametrize("server", [ETCD, API_SERVER, KUBELET])
def test_client_and_server_trust_each_other_also_in_openssl_strict_mode(server: Identity) -> None:
    """Python's default context is strict from 3.13 on."""
    ends = []
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    for owner, purpose, bios in (
        (ADMIN, ssl.Purpose.SERVER_AUTH, (to_client, to_server)),
        (server, ssl.Purpose.CLIENT_AUTH, (to_server, to_client)),
    ):
        context = ssl.create_default_context(purpose, cafile=str(CLUSTER_AUTHORITY.certificate))
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_cert_chain(owner.certificate, owner.key)
        name = server.addresses[0] if owner is ADMIN else None
        ends.append(context.wrap_bio(*bios, server_side=owner is server, server_hostname=name))
    for end in (*ends, *ends):
        with suppress(ssl.SSLWantReadError):
            end.do_handshake()
    assert [end.version() for end in ends] == ["TLSv1.3"] * 2


@pytest.mark.usefixtures("pki")
def test_a_kubeconfig_holds_the_client_and_the_authority() -> None:
    config = yaml.safe_load(KUBELET.kubeconfig.read_text())
    user, cluster = config["users"][0]["user"], config["clusters"][0]["cluster"]
    assert cluster["server"] == "https://127.0.0.1:16443"
    assert base64.b64decode(cluster["certificate-authority-data"]) == CLUSTER_AUTHORITY.certificate.read_bytes()
    assert base64.b64decode(user["client-certificate-data"]) == KUBELET.certificate.read_bytes()
    assert base64.b64decode(user["client-key-data"]) == KUBELET.key.read_bytes()
    assert KUBELET.kubeconfig.stat().st_mode & 0o777 == 0o600


def test_keys_are_for_root_only(pki: Path) -> None:
    assert {path.stat().st_mode & 0o777 for path in pki.glob("*.key")} == {0o600}


def test_a_second_run_changes_nothing(pki: Path) -> None:
    before = {path: path.read_bytes() for path in pki.rglob("*") if path.is_file()}
    credentials.ensure_credentials()
    assert {path: path.read_bytes() for path in pki.rglob("*") if path.is_file()} == before


def test_a_changed_address_gets_a_new_certificate_from_the_same_authority(
    pki: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = dataclasses.replace(ETCD, addresses=("10.0.0.9",))
    monkeypatch.setattr(credentials, "IDENTITIES", (moved, API_SERVER))
    authority, api_server = (pki / "cluster-ca.crt").read_bytes(), API_SERVER.certificate.read_bytes()
    credentials.ensure_credentials()
    assert _names(moved) == {"10.0.0.9"}
    assert ((pki / "cluster-ca.crt").read_bytes(), API_SERVER.certificate.read_bytes()) == (authority, api_server)


@pytest.mark.usefixtures("pki")
def test_a_certificate_near_its_end_is_renewed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credentials, "RENEW_BEFORE", dt.timedelta(days=366))
    before = ETCD.certificate.read_bytes()
    credentials.ensure_credentials()
    assert ETCD.certificate.read_bytes() != before


def test_a_certificate_of_another_authority_is_replaced(pki: Path) -> None:
    (pki / "cluster-ca.crt").unlink()
    credentials.ensure_credentials()
    _load(ETCD).verify_directly_issued_by(x509.load_pem_x509_certificate((pki / "cluster-ca.crt").read_bytes()))
