"""An issuer of tokens on loopback: a real HTTPS server with its keys, and tokens, signed by it or by others."""

import base64
import hashlib
import hmac
import json
import ssl
import tempfile
import threading
import time
from collections.abc import Mapping
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from components.envoy.feature import CONFIG_FOLDER
from components.envoy.tls import PUBLIC_AUTHORITIES, public_authorities
from stacks.schema.clients import TokenIssuer
from testbed.authority import Authority, Credentials
from testbed.loopback import LOOPBACK, QuietHandler, free_port

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | bytes | None
"""Signs by RS256, ES256, HS256; None signs nothing."""

_ALGORITHMS = {bytes: "HS256", type(None): "none"}


class Issuer:
    """Publishes its keys at https://localhost:PORT/jwk while it is entered; it may be left and entered again.

    Args:
        issuer: the claim `iss`.
        credentials: what the server shows to clients.
    """

    def __init__(self, issuer: str, credentials: Credentials) -> None:
        self.issuer = issuer
        self.port = free_port()
        self.keys: dict[str, Key] = {"first": rsa.generate_private_key(public_exponent=65537, key_size=2048)}
        self.fetches = 0
        """Number of requests for the keys."""
        self.delay_seconds = 0.0
        """Time that they take to come."""
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.TemporaryDirectory() as directory:
            pem = Path(directory, "server.pem")
            pem.write_text(credentials.key + credentials.certificate)
            self._context.load_cert_chain(pem)

    def __enter__(self) -> Self:
        issuer = self

        class Handler(QuietHandler):
            def do_GET(self) -> None:  # noqa: N802  named by http.server
                issuer.fetches += 1
                time.sleep(issuer.delay_seconds)
                self.respond(json.dumps(issuer.key_set()).encode())

        self._server = _Server((LOOPBACK, self.port), Handler)
        self._server.socket = self._context.wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False
        )
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def fact(self, **changes: Any) -> TokenIssuer:
        """The issuer as an experiment's file describes it, for the audience `sonic`."""
        facts = {
            "issuer": self.issuer,
            "audiences": ("sonic",),
            "jwks_url": f"https://localhost:{self.port}/jwk",
        }
        return TokenIssuer(**(facts | changes))

    def key_set(self) -> dict[str, Any]:
        """The public keys (RFC 7517)."""
        return {"keys": [{"kid": kid, "use": "sig", **_public(key)} for kid, key in self.keys.items()]}

    def token(self, *, kid: str | None = None, key: Key | str = "", alg: str | None = None, **claims: Any) -> str:
        """Return a valid token with these changes; a claim that is None is left out.

        It is signed with the key that `kid` names, by default the first one, unless another key is given.
        """
        kid = kid or next(iter(self.keys))
        signing = self.keys[kid] if isinstance(key, str) else key
        now = int(time.time())
        right = {"iss": self.issuer, "aud": "sonic", "sub": "jane", "iat": now, "exp": now + 600}
        said = {name: value for name, value in {**right, **claims}.items() if value is not None}
        return signed({"alg": alg or _algorithm(signing), "typ": "JWT", "kid": kid}, said, signing)


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print nothing: in some tests a client refuses the certificate on purpose."""


def files_for_tokens(authority: Authority) -> Mapping[str, str]:
    """Return the files that an Envoy reads to trust issuers: path in the pod -> content.

    The authority signs for `localhost`, as the public ones do for issuers elsewhere.
    """
    return {
        **{f"{CONFIG_FOLDER}/{name}": content for name, content in public_authorities().items()},
        PUBLIC_AUTHORITIES: authority.certificate,
    }


def new_key() -> ec.EllipticCurvePrivateKey:
    """A key for ES256."""
    return ec.generate_private_key(ec.SECP256R1())


def signed(header: Mapping[str, Any], claims: Mapping[str, Any], key: Key) -> str:
    """A token (RFC 7515, compact)."""
    content = f"{_base64(json.dumps(header).encode())}.{_base64(json.dumps(claims).encode())}"
    return f"{content}.{_base64(_signature(content.encode(), key))}"


def public_pem(key: Key) -> bytes:
    """The public half of a key, which an attacker may use as the secret of HS256."""
    assert isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey)
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def _algorithm(key: Key) -> str:
    if isinstance(key, rsa.RSAPrivateKey):
        return "RS256"
    return "ES256" if isinstance(key, ec.EllipticCurvePrivateKey) else _ALGORITHMS[type(key)]


def _signature(content: bytes, key: Key) -> bytes:
    match key:
        case rsa.RSAPrivateKey():
            return key.sign(content, padding.PKCS1v15(), hashes.SHA256())
        case ec.EllipticCurvePrivateKey():
            r, s = decode_dss_signature(key.sign(content, ec.ECDSA(hashes.SHA256())))
            return r.to_bytes(32, "big") + s.to_bytes(32, "big")
        case bytes():
            return hmac.digest(key, content, hashlib.sha256)
        case _:
            return b""


def _public(key: Key) -> dict[str, str]:
    if isinstance(key, rsa.RSAPrivateKey):
        rsa_numbers = key.public_key().public_numbers()
        return {"kty": "RSA", "alg": "RS256", "n": _number(rsa_numbers.n, 256), "e": _number(rsa_numbers.e, 3)}
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    numbers = key.public_key().public_numbers()
    return {"kty": "EC", "alg": "ES256", "crv": "P-256", "x": _number(numbers.x, 32), "y": _number(numbers.y, 32)}


def _number(number: int, length: int) -> str:
    return _base64(number.to_bytes(length, "big"))


def _base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
