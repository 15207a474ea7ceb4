"""The cluster's public key infrastructure: two authorities, one certificate per component.

A component has one certificate, good both for serving and as its name at the API server. It is kept as long as
it says what it should and is not about to expire; else it is issued again by the same authority, so that a
changed address or a passed year needs no new cluster.
"""

import datetime as dt
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from devcluster.addresses import API_SERVICE_ADDRESS, CLUSTER_DOMAIN, LOOPBACK, NODE_ADDRESS, NODE_NAME
from devcluster.files import SECRET_MODE, write
from devcluster.paths import STATE

PKI = STATE / "pki"
AUTHORITY_LIFETIME = dt.timedelta(days=3650)
LIFETIME = dt.timedelta(days=365)
RENEW_BEFORE = dt.timedelta(days=30)

CLUSTER_AUTHORITY = "cluster-ca"
FRONT_PROXY_AUTHORITY = "front-proxy-ca"
"""An authority of its own: who holds one of its certificates may speak in any user's name to extension APIs."""


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Whom a certificate is for.

    Args:
        file: stem of the `.crt` and `.key` files under `PKI`.
        user: common name, which the API server takes as the user name.
        groups: organizations, which the API server takes as the user's groups.
        addresses: DNS names and IP addresses at which the component serves.
        authority: who signs.
    """

    file: str
    user: str
    groups: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    authority: str = CLUSTER_AUTHORITY

    @property
    def certificate(self) -> Path:
        """Where the certificate stands, in PEM."""
        return PKI / f"{self.file}.crt"

    @property
    def key(self) -> Path:
        """Where the private key stands, in PEM, for root's eyes only."""
        return PKI / f"{self.file}.key"


ETCD = Identity(file="etcd", user="etcd", addresses=(LOOPBACK,))
API_SERVER = Identity(
    file="kube-apiserver",
    user="kube-apiserver",
    addresses=(
        LOOPBACK,
        NODE_ADDRESS,
        API_SERVICE_ADDRESS,
        "localhost",
        NODE_NAME,
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        f"kubernetes.default.svc.{CLUSTER_DOMAIN}",
    ),
)
FRONT_PROXY = Identity(file="front-proxy", user="front-proxy-client", authority=FRONT_PROXY_AUTHORITY)
CONTROLLER_MANAGER = Identity(
    file="kube-controller-manager", user="system:kube-controller-manager", addresses=(LOOPBACK,)
)
SCHEDULER = Identity(file="kube-scheduler", user="system:kube-scheduler", addresses=(LOOPBACK,))
KUBELET = Identity(
    file="kubelet", user=f"system:node:{NODE_NAME}", groups=("system:nodes",), addresses=(NODE_ADDRESS, NODE_NAME)
)
KUBE_PROXY = Identity(file="kube-proxy", user="system:kube-proxy")
ADMIN = Identity(file="admin", user=f"{NODE_NAME}-admin", groups=("system:masters",))

IDENTITIES = (ETCD, API_SERVER, FRONT_PROXY, CONTROLLER_MANAGER, SCHEDULER, KUBELET, KUBE_PROXY, ADMIN)

SERVICE_ACCOUNT_KEY = PKI / "service-account.key"


def authority_certificate(authority: str) -> Path:
    """Where the certificate of an authority stands."""
    return PKI / f"{authority}.crt"


def ensure_certificates() -> None:
    """Make or renew what is missing, wrong or about to expire; all else stays untouched."""
    PKI.mkdir(parents=True, exist_ok=True, mode=0o700)
    for authority in (CLUSTER_AUTHORITY, FRONT_PROXY_AUTHORITY):
        if not authority_certificate(authority).exists():
            key = ec.generate_private_key(ec.SECP256R1())
            write(PKI / f"{authority}.key", _pem(key), SECRET_MODE)
            write(authority_certificate(authority), _certificate_pem(sign_authority(authority, key)))
    if not SERVICE_ACCOUNT_KEY.exists():
        write(SERVICE_ACCOUNT_KEY, _pem(ec.generate_private_key(ec.SECP256R1())), SECRET_MODE)
    for identity in IDENTITIES:
        _ensure_certificate(identity)


def _ensure_certificate(identity: Identity) -> None:
    issuer = x509.load_pem_x509_certificate(authority_certificate(identity.authority).read_bytes())
    if identity.certificate.exists():
        present = x509.load_pem_x509_certificate(identity.certificate.read_bytes())
        if is_current(present, identity, issuer):
            return
    issuer_key = serialization.load_pem_private_key((PKI / f"{identity.authority}.key").read_bytes(), password=None)
    if not isinstance(issuer_key, ec.EllipticCurvePrivateKey):
        raise TypeError(identity.authority)
    key = ec.generate_private_key(ec.SECP256R1())
    write(identity.key, _pem(key), SECRET_MODE)  # first: a certificate that is there vouches for its key
    write(identity.certificate, _certificate_pem(sign(identity, key.public_key(), issuer, issuer_key)))


def is_current(certificate: x509.Certificate, identity: Identity, issuer: x509.Certificate) -> bool:
    """Whether a certificate says what `identity` says, is signed by `issuer`, and has more than a month to run."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    remaining = certificate.not_valid_after_utc - dt.datetime.now(dt.UTC)
    same_name = certificate.subject == _name(identity.user, identity.groups)
    return same_name and _alternative_names(certificate) == set(identity.addresses) and remaining > RENEW_BEFORE


def sign_authority(name: str, key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    """A self-signed certificate that may sign others, but no further authority."""
    subject = _name(name, ())
    return (
        _builder(subject, subject, key.public_key(), AUTHORITY_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .sign(key, hashes.SHA256())
    )


def sign(
    identity: Identity,
    public_key: ec.EllipticCurvePublicKey,
    issuer: x509.Certificate,
    issuer_key: ec.EllipticCurvePrivateKey,
) -> x509.Certificate:
    """A certificate for `identity`, good as a client and, where it has addresses, as a server."""
    usages = [ExtendedKeyUsageOID.CLIENT_AUTH]
    builder = _builder(_name(identity.user, identity.groups), issuer.subject, public_key, LIFETIME)
    if identity.addresses:
        usages.append(ExtendedKeyUsageOID.SERVER_AUTH)
        names = x509.SubjectAlternativeName([_general_name(address) for address in identity.addresses])
        builder = builder.add_extension(names, critical=False)
    return (
        builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        .sign(issuer_key, hashes.SHA256())
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, public_key: ec.EllipticCurvePublicKey, lifetime: dt.timedelta
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=5))
        .not_valid_after(now + lifetime)
    )


def _name(user: str, groups: Sequence[str]) -> x509.Name:
    organizations = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
    return x509.Name([*organizations, x509.NameAttribute(NameOID.COMMON_NAME, user)])


def _general_name(address: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(address))
    except ValueError:
        return x509.DNSName(address)


def _alternative_names(certificate: x509.Certificate) -> set[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return set()
    return {str(name.value) for name in names}


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    # "EC PRIVATE KEY": the API server does not read service account keys in the newer PKCS #8 form.
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )


def _certificate_pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
