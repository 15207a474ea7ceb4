"""Stand-in for interLink's API server with its Slurm plugin: `python -m devcluster.slurm.edge FOLDER`.

FOLDER holds `InterLinkConfig.yaml` and `SlurmConfig.yaml`, and may hold `faults.yaml`.
"""

import argparse
import json
import ssl
import threading
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

from devcluster.slurm.plugin import Plugin, PluginError
from devcluster.slurm.settings import ApiSettings, SlurmSettings

PING = "/pinglink"
DELETED = "All containers for submitted Pods have been deleted"


class Api:
    """The API before the plugin: it remembers the last state of each pod, and passes errors on in its own words."""

    def __init__(self, plugin: Plugin) -> None:
        self._plugin = plugin
        self._lock = threading.Lock()
        self._states: dict[str, Mapping[str, Any]] = {}

    def answer(self, method: str, path: str, body: Any, session: str) -> tuple[HTTPStatus, str]:
        """Return status and text of the answer to a call."""
        try:
            match method, path:
                case "POST", "/create":
                    return HTTPStatus.OK, json.dumps(self._plugin.create(body["pod"]))
                case "GET", "/status":
                    return HTTPStatus.OK, json.dumps(self._status(body or []))
                case "DELETE", "/delete":
                    self._plugin.delete(body)
                    return HTTPStatus.OK, DELETED
                case "GET", "/getLogs":
                    tail_lines = body["Opts"]["Tail"]
                    text = self._plugin.logs(body["Namespace"], body["PodUID"], body["ContainerName"], tail_lines)
                    return HTTPStatus.OK, text
                case "POST", "/pinglink":
                    return HTTPStatus.OK, json.dumps(self._plugin.ping())
                case "POST", "/updateCache":
                    return HTTPStatus.OK, "Updated cache"
                case _:
                    return HTTPStatus.NOT_FOUND, "404 page not found\n"
        except PluginError as error:
            if path == PING:
                return HTTPStatus.SERVICE_UNAVAILABLE, "503"
            text = f"HTTP InterLink session {session}:  call exit status: 500. Body: {error}"
            return HTTPStatus.GATEWAY_TIMEOUT if path == "/create" else HTTPStatus.INTERNAL_SERVER_ERROR, text

    def _status(self, pods: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]] | None:
        """Return the last known states of pods; null if there are none, all for no pod."""
        uids = [pod["metadata"]["uid"] for pod in pods]
        with self._lock:
            if pods:
                self._states.update((state["UID"], state) for state in self._plugin.status(pods))
                return [self._states[uid] for uid in uids if uid in self._states] or None
            return list(self._states.values()) or None


class Handler(BaseHTTPRequestHandler):
    """Serves one call."""

    api: ClassVar[Api]
    protocol_version = "HTTP/1.1"

    def _serve(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        session = self.headers.get("InterLink-Http-Session", "")
        status, text = self.api.answer(self.command, self.path, json.loads(content or b"null"), session)
        answer = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST = do_DELETE = _serve  # noqa: N815  the names that the base class looks for


def server(folder: Path) -> ThreadingHTTPServer:
    """Return the server that the files of a folder configure, bound to its address."""
    api = ApiSettings.read(folder / "InterLinkConfig.yaml")
    plugin = Plugin(SlurmSettings.read(folder / "SlurmConfig.yaml"), folder / "faults.yaml")
    handler = type("ConfiguredHandler", (Handler,), {"api": Api(plugin)})
    address = api.interlink_address.partition("://")[2], int(api.interlink_port)
    serving = ThreadingHTTPServer(address, handler)
    if api.tls.enabled:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(api.tls.ca_cert_file))
        context.load_cert_chain(api.tls.cert_file, api.tls.key_file)
        context.verify_mode = ssl.CERT_REQUIRED
        serving.socket = context.wrap_socket(serving.socket, server_side=True, do_handshake_on_connect=False)
    return serving


def main() -> None:
    """Serve until the process is ended."""
    parser = argparse.ArgumentParser(prog="python -m devcluster.slurm.edge", description=__doc__)
    parser.add_argument("folder", type=Path)
    with server(parser.parse_args().folder) as serving:
        serving.serve_forever()


if __name__ == "__main__":
    main()
