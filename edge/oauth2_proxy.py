"""oauth2-proxy before interLink's API, on a host of the HPC site: its configuration and its unit.

Keys are those of oauth2-proxy 7.15 (pkg/apis/options). interLink's own installer uses the same program.
"""

import json

from components.virtual_node.slurm_side import API_SOCKET, CERTIFICATE_FOLDER
from edge.units import API_UNIT, FOLDER, PROGRAMS_FOLDER, unit
from stacks.schema.remote_apis import OAuth2Api
from stacks.schema.url import endpoint
from stacks.schema.virtual_nodes import VirtualNode

CONFIG_FILE = "oauth2-proxy.cfg"
_SECRET_FILE = f"{FOLDER}/oauth2-proxy-secret"
"""32 random characters. The proxy asks for a client's secret and a key of cookies, and uses neither for a token."""


def proxy_files(node: VirtualNode, api: OAuth2Api) -> dict[str, str]:
    """Return the files by name.

    Args:
        node: the virtual node.
        api: its API.
    """
    proxy = unit(
        f"oauth2-proxy before interLink's API for {node.name}",
        command=f"{PROGRAMS_FOLDER}/oauth2-proxy --config={FOLDER}/{CONFIG_FILE}",
        after=API_UNIT,
    )
    return {CONFIG_FILE: _config(api), "interlink-oauth2-proxy.service": proxy}


def _config(api: OAuth2Api) -> str:
    settings = {
        "http_address": "-",
        "https_address": f"0.0.0.0:{endpoint(api.url).port}",
        "tls_cert_file": f"{CERTIFICATE_FOLDER}/tls.crt",
        "tls_key_file": f"{CERTIFICATE_FOLDER}/tls.key",
        "upstreams": [f"unix://{API_SOCKET}"],
        # sbatch may wait for a busy controller.
        "upstream_timeout": "2m",
        "provider": "oidc",
        "oidc_issuer_url": api.issuer_url,
        "client_id": api.audience,  # whose tokens it takes; nobody logs in
        # Tokens of other clients of the issuer are as valid: the subject tells them apart. As an e-mail, capitals would
        # not count, and a token without one would be let in.
        "oidc_groups_claim": "sub",
        "allowed_groups": [api.subject],
        "oidc_email_claim": "sub",
        "email_domains": ["*"],
        "skip_jwt_bearer_tokens": True,
        "bearer_token_login_fallback": False,
        "api_routes": ["^/"],
        "client_secret_file": _SECRET_FILE,
        "cookie_secret_file": _SECRET_FILE,
    }
    return "".join(f"{key} = {json.dumps(value)}\n" for key, value in settings.items())
