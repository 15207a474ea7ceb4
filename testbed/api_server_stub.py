"""Stand-in for an API server that serves the Services of manifests, and the pods behind them, to a Prometheus."""

import json
import threading
from collections.abc import Mapping, Sequence
from http.server import ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from testbed.loopback import LOOPBACK, QuietHandler

Object = Mapping[str, Any]

_LISTS = {"services": "ServiceList", "pods": "PodList", "endpoints": "EndpointsList"}


class ApiServerStub:
    """Lists Services, Endpoints and Pods on a free port of loopback until closed; use as a context manager.

    Each Deployment has one pod, and each Service the endpoints that the endpoints controller would write.

    Args:
        manifests: objects as they are applied.
    """

    def __init__(self, manifests: Sequence[Object]) -> None:
        deployments = [each for each in manifests if each["kind"] == "Deployment"]
        pods = [_pod(each, f"10.1.0.{number}") for number, each in enumerate(deployments, 1)]
        services = [each for each in manifests if each["kind"] == "Service"]
        self._objects = {
            "services": services,
            "pods": pods,
            "endpoints": [_endpoints(service, pods) for service in services],
        }
        self._ended = threading.Event()
        stub = self

        class Handler(QuietHandler):
            def do_GET(self) -> None:  # noqa: N802  named by http.server
                url = urlsplit(self.path)
                if "sendInitialEvents" in parse_qs(url.query):  # the client then lists, as it did before 1.32
                    self.send_error(400)
                elif "watch" in parse_qs(url.query):
                    stub._ended.wait()
                else:
                    self.answer(url.path)

            def answer(self, path: str) -> None:
                *_, namespace, kind = path.split("/")
                found = [each for each in stub._objects[kind] if each["metadata"]["namespace"] == namespace]
                listed = {
                    "kind": _LISTS[kind],
                    "apiVersion": "v1",
                    "metadata": {"resourceVersion": "1"},
                    "items": found,
                }
                body = json.dumps(listed).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        self._server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
        self._server.daemon_threads = True

    @property
    def url(self) -> str:
        """Base URL of the API."""
        return f"http://{LOOPBACK}:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, name="api-server-stub", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._server.shutdown()
        self._server.server_close()


def _pod(deployment: Object, address: str) -> Object:
    template, metadata = deployment["spec"]["template"], deployment["metadata"]
    name = f"{metadata['name']}-7d4b9c6f5-x2lqp"
    return {
        "metadata": {**template["metadata"], "name": name, "namespace": metadata["namespace"], "uid": name},
        "spec": {**template["spec"], "nodeName": "node"},
        "status": {"podIP": address, "phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
    }


def _endpoints(service: Object, pods: Sequence[Object]) -> Object:
    selector, metadata = service["spec"]["selector"].items(), service["metadata"]
    chosen = [
        pod
        for pod in pods
        if selector <= pod["metadata"]["labels"].items() and pod["metadata"]["namespace"] == metadata["namespace"]
    ]
    addresses = [
        {
            "ip": pod["status"]["podIP"],
            "nodeName": "node",
            "targetRef": {"kind": "Pod", "name": pod["metadata"]["name"], "namespace": metadata["namespace"]},
        }
        for pod in chosen
    ]
    ports = [{"name": port["name"], "port": port["targetPort"], "protocol": "TCP"} for port in service["spec"]["ports"]]
    return {
        "metadata": {"name": metadata["name"], "namespace": metadata["namespace"], "labels": metadata["labels"]},
        "subsets": [{"addresses": addresses, "ports": ports}] if addresses else [],
    }
