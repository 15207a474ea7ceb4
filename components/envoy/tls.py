"""TLS, towards clients and towards issuers of tokens. Certificates are files, which Envoy reads by way of its secret
discovery service (SDS): so it takes a renewed one without a restart, and its configuration loads where none of them is.
It watches the folder of each file, and the kubelet renews a mounted Secret by moving a link in its folder.
"""

import json
from typing import Any

from components.envoy.args import EnvoyProxyArgs
from components.envoy.feature import CONFIG_FOLDER, Feature, SecretMount
from components.envoy.typed import Config, typed
from stacks.schema.clients import CertificateClients

SERVER_FOLDER = "/etc/sonic-envoy-tls"
"""Mount path of the Secret with the certificate that clients are shown."""
AUTHORITIES_FOLDER = "/etc/sonic-envoy-authorities"
"""Mount path of the Secret with the authorities of the clients' certificates."""
PUBLIC_AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"
"""The public authorities in Envoy's image: Debian's path, and Ubuntu's, which the official image is made from."""

PUBLIC_AUTHORITIES_SECRET = "public-authorities"  # noqa: S105  the name of certificates
"""Name of the public authorities in Envoy's configuration."""
_SERVER, _CLIENT_AUTHORITIES = "server-certificate", "client-authorities"


def feature(args: EnvoyProxyArgs) -> Feature:
    """Return TLS towards clients; off where no TLS Secret is named.

    Where clients show certificates, one without a certificate of the authorities gets no connection, so it costs a
    handshake and nothing more.
    """
    if args.tls_secret is None:
        return Feature()
    context: Config = {
        "alpn_protocols": ["h2"],
        "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
        "tls_certificate_sds_secret_configs": [_discovered(_SERVER)],
    }
    certificate = {
        "certificate_chain": {"filename": f"{SERVER_FOLDER}/tls.crt"},
        "private_key": {"filename": f"{SERVER_FOLDER}/tls.key"},
    }
    files = _file(_SERVER, tls_certificate=certificate)
    secrets = [SecretMount(volume="tls", secret=args.tls_secret, folder=SERVER_FOLDER)]
    awaited = [_SERVER]
    mutual: Config = {}
    if isinstance(args.clients, CertificateClients):
        context["validation_context_sds_secret_config"] = _discovered(_CLIENT_AUTHORITIES)
        mutual = {"require_client_certificate": True}
        files |= _file(
            _CLIENT_AUTHORITIES, validation_context={"trusted_ca": {"filename": f"{AUTHORITIES_FOLDER}/ca.crt"}}
        )
        authorities = args.clients.authorities_secret
        secrets.append(SecretMount(volume="authorities", secret=authorities, folder=AUTHORITIES_FOLDER))
        awaited.append(_CLIENT_AUTHORITIES)
    return Feature(
        transport_socket=_socket("DownstreamTlsContext", common_tls_context=context, **mutual),
        files=files,
        secrets=secrets,
        awaited_secrets=awaited,
    )


def client_side(host: str) -> Config:
    """Transport socket towards a server on the internet: it must show a public certificate for the host name."""
    names = [{"san_type": "DNS", "matcher": {"exact": host}}]
    authorities = {
        "default_validation_context": {"match_typed_subject_alt_names": names},
        "validation_context_sds_secret_config": _discovered(PUBLIC_AUTHORITIES_SECRET),
    }
    context = {
        "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
        "combined_validation_context": authorities,
    }
    return _socket("UpstreamTlsContext", sni=host, common_tls_context=context)


def public_authorities() -> dict[str, str]:
    """File name -> content: the description of the authorities that `client_side` trusts."""
    return _file(PUBLIC_AUTHORITIES_SECRET, validation_context={"trusted_ca": {"filename": PUBLIC_AUTHORITIES}})


def _file(secret: str, **content: Config) -> dict[str, str]:
    """File name in the configuration's folder -> its content, the description of one secret (never the secret)."""
    resource = typed("extensions.transport_sockets.tls.v3.Secret", name=secret, **content)
    return {f"{secret}.json": json.dumps({"resources": [resource]}, indent=2)}


def _discovered(secret: str) -> Config:
    path = {"path": f"{CONFIG_FOLDER}/{secret}.json"}
    return {"name": secret, "sds_config": {"resource_api_version": "V3", "path_config_source": path}}


def _socket(context: str, **fields: Any) -> Config:
    return {
        "name": "envoy.transport_sockets.tls",
        "typed_config": typed(f"extensions.transport_sockets.tls.v3.{context}", **fields),
    }
