"""What an Envoy that takes tokens reads, and its hours made seconds."""

import json
from collections.abc import Mapping

from components.envoy.tls import CONFIG_FOLDER, PUBLIC_AUTHORITIES, secret_files
from components.envoy.typed import Config
from tests.support.authority import Authority


def files_for_tokens(authority: Authority) -> Mapping[str, str]:
    """Path in the pod -> content, where the authority stands for the public ones."""
    described = secret_files(server=False, certificates_of_clients=False, issuers=True)
    return {
        **{f"{CONFIG_FOLDER}/{name}": json.dumps(content) for name, content in described.items()},
        PUBLIC_AUTHORITIES: authority.certificate,
    }


def hours_are_seconds(config: Config) -> None:
    """Fetch keys each second, and 0.2 s after a failure."""
    manager = config["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
    (tokens,) = [f for f in manager["http_filters"] if f["name"] == "envoy.filters.http.jwt_authn"]
    for provider in tokens["typed_config"]["providers"].values():
        provider["remote_jwks"]["cache_duration"] = "1s"
        provider["remote_jwks"]["async_fetch"]["failed_refetch_duration"] = "0.200s"
