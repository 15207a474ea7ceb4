"""What the certificates say, and when they are issued anew."""

import datetime as dt
import ssl
from pathlib import Path

import pytest
from cryptography import x509

from devcluster import certificates
from devcluster.certificates import API_SERVER, ETCD, FRONT_PROXY, IDENTITIES, KUBELET, Identity


@pytest.fixture
def pki(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of certificates of our own, all issued."""
    monkeypatch.setattr(certificates, "PKI", tmp_path)
    monkeypatch.setattr(certificates, "SERVICE_ACCOUNT_KEY", tmp_path / "service-account.key")
    certificates.ensure_certificates()
    return tmp_path


def _load(identity: Identity) -> x509.Certificate:
    return x509.load_pem_x509_certificate(identity.certificate.read_bytes())


def _names(identity: Identity) -> set[str]:
    extension = _load(identity).extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return {str(name.value) for name in extension.value}


@pytest.mark.usefixtures("pki")
def test_the_api_server_is_known_by_every_address_that_a_client_uses() -> None:
    """This machine, a pod through the Service, and the kubelet by the node's address."""
    clients = {"127.0.0.1", "10.96.0.1", "10.123.0.1", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"}
    assert clients <= _names(API_SERVER)


@pytest.mark.usefixtures("pki")
def test_the_kubelet_is_a_node_and_serves_at_its_address() -> None:
    assert _load(KUBELET).subject.rfc4514_string() == "CN=system:node:sonic-dev,O=system:nodes"
    assert "10.123.0.1" in _names(KUBELET)


@pytest.mark.usefixtures("pki")
def test_who_may_speak_for_others_is_signed_by_an_authority_of_its_own() -> None:
    issuers = {identity.file: _load(identity).issuer.rfc4514_string() for identity in IDENTITIES}
    assert issuers.pop(FRONT_PROXY.file) == "CN=front-proxy-ca"
    assert set(issuers.values()) == {"CN=cluster-ca"}


@pytest.mark.usefixtures("pki")
def test_openssl_takes_each_certificate_with_its_key() -> None:
    for identity in IDENTITIES:
        ssl.create_default_context().load_cert_chain(identity.certificate, identity.key)


def test_keys_are_for_root_only(pki: Path) -> None:
    assert {path.stat().st_mode & 0o777 for path in pki.glob("*.key")} == {0o600}


def test_a_second_run_changes_nothing(pki: Path) -> None:
    before = {path: path.read_bytes() for path in pki.iterdir()}
    certificates.ensure_certificates()
    assert {path: path.read_bytes() for path in pki.iterdir()} == before


def test_a_changed_address_gets_a_new_certificate_from_the_same_authority(
    pki: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = Identity(file=ETCD.file, user=ETCD.user, addresses=("10.0.0.9",))
    monkeypatch.setattr(certificates, "IDENTITIES", (moved, API_SERVER))
    authority, api_server = (pki / "cluster-ca.crt").read_bytes(), API_SERVER.certificate.read_bytes()
    certificates.ensure_certificates()
    assert _names(moved) == {"10.0.0.9"}
    assert ((pki / "cluster-ca.crt").read_bytes(), API_SERVER.certificate.read_bytes()) == (authority, api_server)


@pytest.mark.usefixtures("pki")
def test_a_certificate_near_its_end_is_renewed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certificates, "RENEW_BEFORE", dt.timedelta(days=366))
    before = ETCD.certificate.read_bytes()
    certificates.ensure_certificates()
    assert ETCD.certificate.read_bytes() != before


def test_a_certificate_of_another_authority_is_replaced(pki: Path) -> None:
    (pki / "cluster-ca.crt").unlink()
    certificates.ensure_certificates()
    _load(ETCD).verify_directly_issued_by(x509.load_pem_x509_certificate((pki / "cluster-ca.crt").read_bytes()))
