"""The Kubernetes API over HTTP: discovery, and the few verbs that the provider needs."""

import json
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import urllib3

from devcluster.provider.errors import ProviderError
from devcluster.provider.kubeconfig import Access

Manifest = dict[str, Any]

APPLY = "application/apply-patch+yaml"
JSON_PATCH = "application/json-patch+json"
_CONNECT_TIMEOUT_SECONDS = 5
_READ_TIMEOUT_SECONDS = 30
_CONNECTIONS = 32
_WARNING = re.compile(r'299 \S+ "((?:[^"\\]|\\.)*)"')


class UnreachableError(ProviderError):
    """No API server answered at the address."""


class ApiError(ProviderError):
    """The API server refused; its own message is the text."""

    def __init__(self, code: int, body: Manifest):
        super().__init__(body.get("message") or f"the API server answered {code}")
        self.code = code
        self.reason: str = body.get("reason", "")
        self.details: Manifest = body.get("details") or {}


class NoMatchError(ProviderError):
    """The API server does not serve the kind, e.g. because its CustomResourceDefinition is missing."""

    def __init__(self, api_version: str, kind: str):
        super().__init__(f'no matches for kind "{kind}" in version "{api_version}"')


@dataclass(frozen=True)
class ServedResource:
    """How a kind is addressed."""

    collection: str
    plural: str
    namespaced: bool

    def path(self, namespace: str, name: str = "") -> str:
        """The URL path of the collection in a namespace, or of one object in it."""
        scope = f"/namespaces/{quote(namespace)}" if self.namespaced and namespace else ""
        item = f"/{quote(name)}" if name else ""
        return f"{self.collection}{scope}/{self.plural}{item}"


class Api:
    """A client of one API server. Threads may share it.

    `on_deprecation` receives the server's warnings about deprecated API versions.
    """

    def __init__(self, access: Access, on_deprecation: Callable[[str], None]):
        self._access = access
        self._on_deprecation = on_deprecation
        self._served: dict[tuple[str, str], ServedResource] = {}
        self._documents: dict[str, Manifest] = {}
        self._documents_lock = threading.Lock()
        self._pool = urllib3.PoolManager(
            maxsize=_CONNECTIONS,
            ssl_context=access.ssl_context,
            server_hostname=access.tls_server_name,
            assert_hostname=access.tls_server_name,
            timeout=urllib3.Timeout(connect=_CONNECT_TIMEOUT_SECONDS, read=_READ_TIMEOUT_SECONDS),
            retries=False,
        )

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: Mapping[str, str] | None = None,
        content_type: str = "application/json",
    ) -> Manifest:
        """Send one request, return the decoded answer.

        Raises:
            UnreachableError: No answer.
            ApiError: An answer other than 2xx.
        """
        headers = {"Accept": "application/json", "Content-Type": content_type}
        if self._access.token:
            headers["Authorization"] = f"Bearer {self._access.token}"
        url = f"{self._access.server}{path}" + (f"?{urlencode(query)}" if query else "")
        try:
            response = self._pool.request(
                method, url, body=None if body is None else json.dumps(body).encode(), headers=headers
            )
        except urllib3.exceptions.HTTPError as error:
            msg = f"the API server at {self._access.server} does not answer: {error}"
            raise UnreachableError(msg) from None
        self._pass_on_deprecations(response.headers.get("Warning", ""))
        answer = _decode(response.data)
        if response.status >= 300:
            raise ApiError(response.status, answer)
        return answer

    def _pass_on_deprecations(self, header: str) -> None:
        for text in _WARNING.findall(header):
            if " is deprecated" in text:
                self._on_deprecation(text.replace('\\"', '"'))

    def served(self, api_version: str, kind: str) -> ServedResource:
        """How the server addresses a kind. Only what was found is remembered: a kind may come to be served.

        Raises:
            NoMatchError: The server does not know the kind.
        """
        key = (api_version, kind)
        if key not in self._served:
            collection = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
            try:
                answer = self.request("GET", collection)
            except ApiError as error:
                if error.code == 404:
                    raise NoMatchError(api_version, kind) from None
                raise
            for entry in answer.get("resources", ()):
                if "/" not in entry["name"]:
                    self._served[api_version, entry["kind"]] = ServedResource(
                        collection, entry["name"], entry["namespaced"]
                    )
        if key not in self._served:
            raise NoMatchError(api_version, kind)
        return self._served[key]

    def serves(self, api_version: str, kind: str) -> bool:
        """Whether the server knows the kind."""
        try:
            self.served(api_version, kind)
        except NoMatchError:
            return False
        return True

    def path_of(self, manifest: Manifest) -> str:
        """The URL path of the object that a manifest names."""
        metadata = manifest["metadata"]
        served = self.served(manifest["apiVersion"], manifest["kind"])
        return served.path(metadata.get("namespace", ""), metadata["name"])

    def get(self, manifest: Manifest) -> Manifest:
        """The live object that a manifest names."""
        return self.request("GET", self.path_of(manifest))

    def list(self, api_version: str, kind: str, namespace: str, label_selector: str = "") -> list[Manifest]:
        """The objects of a kind in a namespace."""
        path = self.served(api_version, kind).path(namespace)
        answer = self.request("GET", path, query={"labelSelector": label_selector} if label_selector else None)
        return [{"apiVersion": api_version, "kind": kind, **item} for item in answer.get("items") or ()]

    def openapi(self, api_version: str) -> Manifest:
        """The OpenAPI v3 document of a group version; empty when the server has none."""
        with self._documents_lock:
            if api_version not in self._documents:
                prefix = "apis" if "/" in api_version else "api"
                try:
                    document = self.request("GET", f"/openapi/v3/{prefix}/{api_version}")
                except ApiError:
                    document = {}
                self._documents[api_version] = document
            return self._documents[api_version]


def _decode(data: bytes) -> Manifest:
    try:
        answer = json.loads(data or b"{}")
    except ValueError:
        answer = {"message": data.decode(errors="replace").strip()}
    return answer if isinstance(answer, dict) else {"message": str(answer)}
