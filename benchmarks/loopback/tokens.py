"""Tokens for an Envoy of ours, and what makes it take them: an issuer with one secret key, which publishes nothing."""

import base64
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from stacks.schema.clients import TokenIssuer

_LIFE_SECONDS = 3600


@dataclass(frozen=True)
class Issuer:
    """Signs by HS256, with a key of its own."""

    key: bytes = field(default_factory=lambda: secrets.token_bytes(32))

    @property
    def fact(self) -> TokenIssuer:
        """It as an experiment describes it."""
        return TokenIssuer(
            issuer="https://issuer.benchmark.test",
            audiences=("sonic",),
            jwks_url="https://issuer.benchmark.test/jwk",
        )

    def token(self, group: str) -> str:
        """A token of a member of the group."""
        fact = self.fact
        claims = {
            "iss": fact.issuer,
            "aud": fact.audiences[0],
            "sub": "benchmark",
            "exp": int(time.time()) + _LIFE_SECONDS,
            "wlcg.groups": [group],
        }
        content = (
            f"{_base64(json.dumps({'alg': 'HS256', 'typ': 'JWT'}).encode())}.{_base64(json.dumps(claims).encode())}"
        )
        return f"{content}.{_base64(hmac.digest(self.key, content.encode(), hashlib.sha256))}"

    def known_to(self, config: Mapping[str, Any]) -> Mapping[str, Any]:
        """The configuration with the key in it, in the place of the server that would be asked for it."""
        keys = json.dumps({"keys": [{"kty": "oct", "alg": "HS256", "k": _base64(self.key)}]})
        static = config["static_resources"]
        clusters = [cluster for cluster in static["clusters"] if not cluster["name"].startswith("issuer-")]
        known = _with_keys(static["listeners"], {"inline_string": keys})
        return {**config, "static_resources": {**static, "clusters": clusters, "listeners": known}}


def _with_keys(config: Any, keys: Mapping[str, str]) -> Any:
    if isinstance(config, list):
        return [_with_keys(item, keys) for item in config]
    if not isinstance(config, dict):
        return config
    told = {key: _with_keys(value, keys) for key, value in config.items() if key != "remote_jwks"}
    return {**told, "local_jwks": keys} if "remote_jwks" in config else told


def _base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
