"""TLS, towards clients and towards issuers of tokens. Certificates are files, which Envoy reads by way of its secret
discovery service (SDS): so it takes a renewed one without a restart, and its configuration loads where none of them is.
It watches the folder of each file, and the kubelet renews a mounted Secret by moving a link in its folder.
"""

from typing import Any

from components.envoy.typed import Config, typed

CONFIG_FOLDER = "/etc/sonic-envoy"
"""Where the pod has the ConfigMap, and so the descriptions of the secrets."""
SERVER_FOLDER = "/etc/sonic-envoy-tls"
"""Where it has the Secret with the certificate that clients are shown."""
AUTHORITIES_FOLDER = "/etc/sonic-envoy-authorities"
"""Where it has the Secret with the authorities of the clients' certificates."""
PUBLIC_AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"
"""The public authorities in Envoy's image: Debian's path, and Ubuntu's, which the official image is made from."""

_SERVER, _CLIENT_AUTHORITIES, _PUBLIC_AUTHORITIES = "server-certificate", "client-authorities", "public-authorities"


def server_side(*, certificates_of_clients: bool) -> Config:
    """Transport socket of the clients' listener.

    Args:
        certificates_of_clients: whether a client must show a certificate of the authorities. One that does not gets no
            connection, so it costs a handshake and nothing more.
    """
    context: Config = {
        "alpn_protocols": ["h2"],
        "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
        "tls_certificate_sds_secret_configs": [_discovered(_SERVER)],
    }
    mutual: Config = {}
    if certificates_of_clients:
        context["validation_context_sds_secret_config"] = _discovered(_CLIENT_AUTHORITIES)
        mutual = {"require_client_certificate": True}
    return _socket("DownstreamTlsContext", common_tls_context=context, **mutual)


def client_side(host: str) -> Config:
    """Transport socket towards a server on the internet: it must show a public certificate for the host name."""
    names = [{"san_type": "DNS", "matcher": {"exact": host}}]
    authorities = {
        "default_validation_context": {"match_typed_subject_alt_names": names},
        "validation_context_sds_secret_config": _discovered(_PUBLIC_AUTHORITIES),
    }
    context = {
        "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
        "combined_validation_context": authorities,
    }
    return _socket("UpstreamTlsContext", sni=host, common_tls_context=context)


def secret_files(*, server: bool, certificates_of_clients: bool, issuers: bool) -> dict[str, Config]:
    """File name in the configuration's folder -> its content, the description of one secret (never the secret).

    Args:
        server: whether clients are shown a certificate.
        certificates_of_clients: whether they must show one.
        issuers: whether keys are fetched from issuers of tokens.
    """
    files: dict[str, Config] = {}
    if server:
        certificate = {
            "certificate_chain": {"filename": f"{SERVER_FOLDER}/tls.crt"},
            "private_key": {"filename": f"{SERVER_FOLDER}/tls.key"},
        }
        files |= _file(_SERVER, tls_certificate=certificate)
    if certificates_of_clients:
        authorities = {"filename": f"{AUTHORITIES_FOLDER}/ca.crt"}
        files |= _file(_CLIENT_AUTHORITIES, validation_context={"trusted_ca": authorities})
    if issuers:
        files |= _file(_PUBLIC_AUTHORITIES, validation_context={"trusted_ca": {"filename": PUBLIC_AUTHORITIES}})
    return files


def _file(secret: str, **content: Config) -> dict[str, Config]:
    resource = typed("extensions.transport_sockets.tls.v3.Secret", name=secret, **content)
    return {f"{secret}.json": {"resources": [resource]}}


def _discovered(secret: str) -> Config:
    path = {"path": f"{CONFIG_FOLDER}/{secret}.json"}
    return {"name": secret, "sds_config": {"resource_api_version": "V3", "path_config_source": path}}


def _socket(context: str, **fields: Any) -> Config:
    return {
        "name": "envoy.transport_sockets.tls",
        "typed_config": typed(f"extensions.transport_sockets.tls.v3.{context}", **fields),
    }
