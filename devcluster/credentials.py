"""Certificates and kubeconfigs of the cluster: two authorities, one certificate per component.

A component has one certificate, good both for serving and as its name at the API server. It is kept as long as
it says what it should and is not about to expire; else it is issued again by the same authority, so that a
changed address or a passed year needs no new cluster.
"""

import base64
import datetime as dt
import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import yaml
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from devcluster.addresses import (
    API_SERVICE_ADDRESS,
    API_URL,
    CLUSTER_DOMAIN,
    CLUSTER_NAME,
    LOOPBACK,
    NODE_ADDRESS,
    NODE_NAME,
)
from devcluster.files import SECRET_MODE, write
from devcluster.paths import STATE

PKI = STATE / "pki"
SERVICE_ACCOUNT_KEY = PKI / "service-account.key"
AUTHORITY_LIFETIME = dt.timedelta(days=3650)
LIFETIME = dt.timedelta(days=365)
RENEW_BEFORE = dt.timedelta(days=30)


@dataclass(frozen=True, kw_only=True)
class Identity:
    """The owner of a certificate.

    Args:
        file: stem of the files with its certificate, key and kubeconfig.
        user: common name, which the API server takes as the user name.
        groups: organizations, which the API server takes as the user's groups.
        addresses: DNS names and IP addresses at which the component serves.
        issuer: `file` of the authority that signs; an authority signs its own certificate.
    """

    file: str
    user: str
    groups: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    issuer: str = "cluster-ca"

    @property
    def certificate(self) -> Path:
        """File of the certificate, in PEM."""
        return PKI / f"{self.file}.crt"

    @property
    def key(self) -> Path:
        """File of the private key, in PEM, readable by root only."""
        return PKI / f"{self.file}.key"

    @property
    def kubeconfig(self) -> Path:
        """File of the kubeconfig, of a client of the API server."""
        return STATE / "kubeconfigs" / f"{self.file}.yaml"


CLUSTER_AUTHORITY = Identity(file="cluster-ca", user="cluster-ca")
FRONT_PROXY_AUTHORITY = Identity(file="front-proxy-ca", user="front-proxy-ca", issuer="front-proxy-ca")
"""An authority of its own: the holder of one of its certificates may speak in any user's name to extension APIs."""

_KUBERNETES = ("kubernetes", "kubernetes.default", "kubernetes.default.svc")
_API_NAMES = (*_KUBERNETES, f"{_KUBERNETES[-1]}.{CLUSTER_DOMAIN}", "localhost", NODE_NAME)
_API_ADDRESSES = (LOOPBACK, NODE_ADDRESS, API_SERVICE_ADDRESS)

ETCD = Identity(file="etcd", user="etcd", addresses=(LOOPBACK,))
API_SERVER = Identity(file="kube-apiserver", user="kube-apiserver", addresses=(*_API_ADDRESSES, *_API_NAMES))
FRONT_PROXY = Identity(file="front-proxy", user="front-proxy-client", issuer="front-proxy-ca")
CONTROLLER_MANAGER = Identity(
    file="kube-controller-manager", user="system:kube-controller-manager", addresses=(LOOPBACK,)
)
SCHEDULER = Identity(file="kube-scheduler", user="system:kube-scheduler", addresses=(LOOPBACK,))
KUBELET = Identity(
    file="kubelet", user=f"system:node:{NODE_NAME}", groups=("system:nodes",), addresses=(NODE_ADDRESS, NODE_NAME)
)
KUBE_PROXY = Identity(file="kube-proxy", user="system:kube-proxy")
ADMIN = Identity(file="admin", user=f"{NODE_NAME}-admin", groups=("system:masters",))

EDGE = Identity(file="interlink-edge", user="interlink-edge", addresses=(NODE_ADDRESS,))
EDGE_CLIENT = Identity(file="interlink-client", user="interlink-client")
"""The virtual kubelet, at interLink's API on the edge. The API server knows this user, and gives it no right."""

KUBECONFIG = ADMIN.kubeconfig
"""Kubeconfig of the person: cluster administrator, context `sonic-dev`."""

CLIENTS = (CONTROLLER_MANAGER, SCHEDULER, KUBELET, KUBE_PROXY, ADMIN)
IDENTITIES = (CLUSTER_AUTHORITY, FRONT_PROXY_AUTHORITY, ETCD, API_SERVER, FRONT_PROXY, EDGE, EDGE_CLIENT, *CLIENTS)
"""Every owner of a certificate, authorities first."""


def ensure_credentials() -> None:
    """Make or renew what is missing, wrong or about to expire; all else stays untouched."""
    PKI.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not SERVICE_ACCOUNT_KEY.exists():
        _new_key(SERVICE_ACCOUNT_KEY)
    for identity in IDENTITIES:
        if not (identity.certificate.exists() and _is_current(identity)):
            # The key is written first: a certificate that is there vouches for its key.
            certificate = _sign(identity, _new_key(identity.key))
            write(identity.certificate, certificate.public_bytes(serialization.Encoding.PEM))
    for client in CLIENTS:
        write(client.kubeconfig, _kubeconfig(client), SECRET_MODE)


def _new_key(path: Path) -> ec.EllipticCurvePrivateKey:
    key = ec.generate_private_key(ec.SECP256R1())
    # "EC PRIVATE KEY": the API server does not read service account keys in the newer PKCS #8 form.
    form = serialization.PrivateFormat.TraditionalOpenSSL
    write(path, key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()), SECRET_MODE)
    return key


def _is_current(identity: Identity) -> bool:
    certificate = _load(identity.file)
    try:
        certificate.verify_directly_issued_by(_load(identity.issuer))
    except (ValueError, TypeError, InvalidSignature):
        return False
    has_extensions = {extension.value for extension in certificate.extensions} >= set(_extensions(identity))
    remaining = certificate.not_valid_after_utc - dt.datetime.now(dt.UTC)
    return certificate.subject == _name(identity) and has_extensions and remaining > RENEW_BEFORE


def _load(file: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate((PKI / f"{file}.crt").read_bytes())


def _sign(identity: Identity, key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    is_authority = identity.issuer == identity.file
    issuer = _name(identity) if is_authority else _load(identity.issuer).subject
    issuer_pem = (PKI / f"{identity.issuer}.key").read_bytes()
    issuer_key = cast("ec.EllipticCurvePrivateKey", serialization.load_pem_private_key(issuer_pem, password=None))
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(identity))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=5))
        .not_valid_after(now + (AUTHORITY_LIFETIME if is_authority else LIFETIME))
        # OpenSSL's strict mode, Python's default from 3.13 on, asks for both identifiers.
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )
    for extension in _extensions(identity):
        is_critical = isinstance(extension, x509.BasicConstraints | x509.KeyUsage)
        builder = builder.add_extension(extension, critical=is_critical)
    return builder.sign(issuer_key, hashes.SHA256())


def _extensions(identity: Identity) -> list[x509.ExtensionType]:
    """An authority signs certificates, but no further authority; others are clients, and servers at their addresses."""
    if identity.issuer == identity.file:
        return [x509.BasicConstraints(ca=True, path_length=0), _SIGNS_CERTIFICATES]
    usages = [ExtendedKeyUsageOID.CLIENT_AUTH]
    extensions: list[x509.ExtensionType] = [x509.BasicConstraints(ca=False, path_length=None)]
    if identity.addresses:
        usages.append(ExtendedKeyUsageOID.SERVER_AUTH)
        extensions.append(x509.SubjectAlternativeName([_general_name(address) for address in identity.addresses]))
    return [*extensions, x509.ExtendedKeyUsage(usages)]


_SIGNS_CERTIFICATES = x509.KeyUsage(
    digital_signature=True,
    key_cert_sign=True,
    crl_sign=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    encipher_only=False,
    decipher_only=False,
)


def _name(identity: Identity) -> x509.Name:
    organizations = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in identity.groups]
    return x509.Name([*organizations, x509.NameAttribute(NameOID.COMMON_NAME, identity.user)])


def _general_name(address: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(address))
    except ValueError:
        return x509.DNSName(address)


def _kubeconfig(client: Identity) -> str:
    """Return a self-contained kubeconfig, so that the person's can be copied anywhere on the machine."""
    authority, certificate, key = (
        base64.b64encode(path.read_bytes()).decode()
        for path in (CLUSTER_AUTHORITY.certificate, client.certificate, client.key)
    )
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": CLUSTER_NAME, "cluster": {"server": API_URL, "certificate-authority-data": authority}}],
        "users": [{"name": client.user, "user": {"client-certificate-data": certificate, "client-key-data": key}}],
        # The cluster with Slurm is a site of its own, and a context leads to one site.
        "contexts": [
            {"name": name, "context": {"cluster": CLUSTER_NAME, "user": client.user}}
            for name in (CLUSTER_NAME, f"{CLUSTER_NAME}-slurm")
        ],
        "current-context": CLUSTER_NAME,
    }
    return yaml.safe_dump(content, sort_keys=False)
