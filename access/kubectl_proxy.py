"""The Kubernetes API through `kubectl proxy`, which logs in as kubectl does."""

import contextlib
import http.client
import json
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from access.cluster import (
    CONFIG_MAPS,
    PODS,
    SECRETS,
    DryRun,
    NotAllowedError,
    Object,
    Resource,
    Right,
    Served,
    UnreachableError,
)
from access.kubeconfig import KubeContext

_TIMEOUT_SECONDS = 10
_LOG_ATTEMPTS = 3
_LOG_PAUSE_SECONDS = 1
_NO_RIGHT = "cannot "
"""In a 403: RBAC's own words `User "x" cannot create resource "pods"`. Admission has others."""


@contextlib.contextmanager
def kubectl_proxy(context: KubeContext) -> Iterator["ApiServer"]:
    """Give the API server of a context, through a kubectl that listens on a socket that only this user can open.

    Raises:
        UnreachableError: there is no kubectl, or it does not take the context.
    """
    program = shutil.which("kubectl")
    if program is None:
        msg = "kubectl is not on PATH: install it, since it knows how to log in to the cluster"
        raise UnreachableError(msg)
    with tempfile.TemporaryDirectory(prefix="sonic-") as folder:
        path = Path(folder) / "api"
        command = [program, *context.kubectl_flags, "proxy", f"--unix-socket={path}"]
        errors = Path(folder) / "errors"
        with (
            errors.open("w") as stream,
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stream, text=True) as process,
        ):
            try:
                if process.stdout and not process.stdout.readline():  # it says when it listens
                    msg = f"kubectl proxy did not start: {_one_line(errors.read_text())}"
                    raise UnreachableError(msg)
                yield ApiServer(path)
            finally:
                process.terminate()


class _Answer(NamedTuple):
    status: int
    body: Any
    """JSON, else text."""

    @property
    def message(self) -> str:
        """The API server's own words."""
        return _one_line(self.body.get("message", "") if isinstance(self.body, dict) else str(self.body))

    @property
    def allowed(self) -> bool:
        """False where the user lacks a right; True for any other answer, also for admission's refusal."""
        return self.status != HTTPStatus.FORBIDDEN or _NO_RIGHT not in self.message.partition(":")[2]


class _Connection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path, timeout_seconds: int) -> None:
        super().__init__("localhost", timeout=timeout_seconds)
        self._path = path

    def connect(self) -> None:
        """Open the socket."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class ApiServer:
    """A ClusterView that asks each question once. Threads may share it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.version = cache(self._version)
        self.served = cache(self._served)
        self.get = cache(self._get)
        self.list = cache(self._list)
        self.may = cache(self._may)

    def fresh(self) -> "ApiServer":
        """Return a view that has asked nothing yet."""
        return ApiServer(self._path)

    def raw(self, path: str, *, timeout_seconds: int = _TIMEOUT_SECONDS) -> tuple[int, str]:
        """Ask for a path, such as one behind the proxy of a Service; return the status and the body."""
        return self._exchange("GET", path, None, timeout_seconds)

    def log(self, namespace: str, pod: str, container: str, *, lines: int) -> Sequence[str]:
        """Return the last lines of a container's log, of its previous run if it had one; empty without any."""
        path = f"{_collection(PODS, namespace)}/{quote(pod)}/log"
        for attempt in range(_LOG_ATTEMPTS):
            if attempt:  # while a container is started anew, its previous run has no log and its own is empty
                time.sleep(_LOG_PAUSE_SECONDS)
            for previous in ("true", "false"):
                query = urlencode({"container": container, "tailLines": lines, "previous": previous})
                status, text = self._exchange("GET", f"{path}?{query}", None)
                if status == HTTPStatus.OK and text:
                    return text.splitlines()
        return []

    def _version(self) -> str:
        return str(self._ask("GET", "/version").body["gitVersion"])

    def _served(self, api_version: str) -> Mapping[str, Served]:
        answer = self._ask("GET", _root(api_version), missing=True)
        if answer.status == HTTPStatus.NOT_FOUND:
            return {}
        resources = [each for each in answer.body["resources"] if "/" not in each["name"]]
        return {each["kind"]: Served(each["name"], each["namespaced"]) for each in resources}

    def _get(self, resource: Resource, name: str, namespace: str | None = None) -> Object | None:
        answer = self._ask("GET", f"{_collection(resource, namespace)}/{quote(name)}", missing=True)
        if answer.status == HTTPStatus.NOT_FOUND:
            return None
        found: dict[str, Any] = answer.body
        return _without_values(found) if resource in (SECRETS, CONFIG_MAPS) else found

    def _list(self, resource: Resource, namespace: str | None = None, labels: str = "") -> Sequence[Object]:
        query = f"?{urlencode({'labelSelector': labels})}" if labels else ""
        answer = self._ask("GET", f"{_collection(resource, namespace)}{query}", missing=True)
        if answer.status == HTTPStatus.NOT_FOUND:
            return []
        items: list[Object] = answer.body["items"]
        return items

    def _may(self, right: Right) -> bool:
        asked = {"verb": right.verb, "group": right.resource.group, "resource": right.resource.plural}
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {**asked, "namespace": right.namespace or ""}},
        }
        answer = self._ask("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review)
        return bool(answer.body["status"]["allowed"])

    def dry_run(self, resource: Resource, manifest: Object, namespace: str | None) -> DryRun:
        """Have an object validated and admitted as if it were created, with unknown fields refused."""
        query = urlencode({"dryRun": "All", "fieldValidation": "Strict", "fieldManager": "sonic-fit"})
        answer = self._send("POST", f"{_collection(resource, namespace)}?{query}", manifest)
        if not answer.allowed:
            raise NotAllowedError(answer.message)
        if answer.status == HTTPStatus.CONFLICT:  # there is one already: it was validated and admitted before that
            return DryRun(None, {})
        if answer.status >= HTTPStatus.BAD_REQUEST:
            return DryRun(answer.message, {})
        return DryRun(None, answer.body)

    def _ask(self, method: str, path: str, body: Object | None = None, *, missing: bool = False) -> _Answer:
        """Return the answer; `missing`: it may be that there is no such thing."""
        answer = self._send(method, path, body)
        if answer.status == HTTPStatus.FORBIDDEN:
            raise NotAllowedError(answer.message)
        if answer.status >= HTTPStatus.BAD_REQUEST and not (missing and answer.status == HTTPStatus.NOT_FOUND):
            raise UnreachableError(f"{path.partition('?')[0]}: {answer.message}")
        return answer

    def _send(self, method: str, path: str, body: Object | None) -> _Answer:
        return _answer(*self._exchange(method, path, body))

    def _exchange(
        self, method: str, path: str, body: Object | None, timeout_seconds: int = _TIMEOUT_SECONDS
    ) -> tuple[int, str]:
        connection = _Connection(self._path, timeout_seconds)
        try:
            text = None if body is None else json.dumps(body)
            connection.request(method, path, text, {"Content-Type": "application/json", "Accept": "application/json"})
            response = connection.getresponse()
            return response.status, response.read().decode(errors="replace")
        except (OSError, http.client.HTTPException) as error:
            msg = f"{type(error).__name__} while the cluster was asked for {path.partition('?')[0]}"
            raise UnreachableError(msg) from error
        finally:
            connection.close()


def _answer(status: int, text: str) -> _Answer:
    try:
        answer = _Answer(status, json.loads(text))
    except ValueError:
        answer = _Answer(status, text)
    if status == HTTPStatus.UNAUTHORIZED:
        msg = "the cluster does not accept these credentials: log in to it again"
        raise UnreachableError(msg)
    if isinstance(answer.body, str) and status != HTTPStatus.NOT_FOUND:  # kubectl's own words, or those of a proxy
        raise UnreachableError(answer.message)
    return answer


def _root(api_version: str) -> str:
    return f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"


def _collection(resource: Resource, namespace: str | None) -> str:
    place = f"/namespaces/{quote(namespace)}" if namespace else ""
    return f"{_root(resource.api_version)}{place}/{resource.plural}"


def _without_values(found: dict[str, Any]) -> Object:
    return {**found, "data": dict.fromkeys(found.get("data") or {}, "")}


def _one_line(text: str) -> str:
    return " ".join(text.split())
