"""Real nginx and HAProxy, configured as their ingress controllers configure them for an Ingress with annotations.

The directives are those of the controllers' templates: `rootfs/etc/nginx/template/nginx.tmpl` of
kubernetes/ingress-nginx, and `rootfs/etc/templates/haproxy/haproxy.tmpl` of jcmoraisjr/haproxy-ingress. Limits without
an annotation are the controllers' defaults.
"""

import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from stacks.schema.controllers import CONTROLLERS, ControllerName
from testbed.authority import Credentials
from testbed.child_process import Process
from testbed.debian_programs import environment
from testbed.loopback import LOOPBACK, free_port

PACKAGES = ("nginx", "haproxy", "liblua5.3-0", "libopentracing1", "libopentracing-c-wrapper0")
"""Debian packages with the two programs, and with libraries that a small Debian lacks."""


class IngressProxy:
    """The proxy of a controller, which runs while it is entered. It listens with TLS on `port` of 127.0.0.1.

    Args:
        controller: word of `exposure.controller`: `nginx`, `haproxy` or `haproxytech`.
        annotations: annotations of the Ingress.
        backend: `host:port` of the Service.
        shown: its certificate.
        programs: folder with the unpacked packages.
        directory: gets configuration and log.
    """

    def __init__(
        self,
        controller: ControllerName,
        annotations: Mapping[str, str],
        backend: str,
        shown: Credentials,
        *,
        programs: Path,
        directory: Path,
    ) -> None:
        self.port = free_port()
        prefix = CONTROLLERS[controller].prefix
        values = {key.removeprefix(prefix): value for key, value in annotations.items()}
        folder = directory / f"{controller}-{self.port}"
        folder.mkdir()
        (folder / "tls.pem").write_text(shown.certificate + shown.key)
        name = "nginx" if controller == "nginx" else "haproxy"
        configuration = folder / f"{name}.conf"
        text = _nginx if controller == "nginx" else _haproxy
        configuration.write_text(text(values, backend, self.port, folder))
        options = ["-e", "stderr", "-c"] if controller == "nginx" else ["-db", "-f"]
        self._command = [str(programs / "usr/sbin" / name), *options, str(configuration)]
        self._environment = environment(programs)
        self._log = folder / "log"

    def __enter__(self) -> Self:
        self._process = Process(self._command, log=self._log, environment=self._environment)
        self._process.await_that(self._listens, "the ingress proxy to listen")
        return self

    def __exit__(self, *_: object) -> None:
        self._process.end()

    def _listens(self) -> bool:
        try:
            socket.create_connection((LOOPBACK, self.port), timeout=1).close()
        except OSError:
            return False
        return True


def _nginx(values: Mapping[str, str], backend: str, port: int, folder: Path) -> str:
    grpc = values.get("backend-protocol") == "GRPC"
    passed = f"grpc_pass grpc://{backend};" if grpc else f"proxy_pass http://{backend}; proxy_http_version 1.1;"
    folders = " ".join(f"{kind}_temp_path {folder}/{kind};" for kind in ("proxy", "fastcgi", "uwsgi", "scgi"))
    return f"""
daemon off;
user root;
pid {folder}/pid;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  {folders}
  server {{
    listen {LOOPBACK}:{port} ssl http2;
    ssl_certificate {folder}/tls.pem;
    ssl_certificate_key {folder}/tls.pem;
    location / {{
      client_max_body_size {values.get("proxy-body-size", "1m")};
      grpc_read_timeout {values.get("proxy-read-timeout", "60")}s;
      grpc_send_timeout {values.get("proxy-send-timeout", "60")}s;
      {passed}
    }}
  }}
}}
"""


def _haproxy(values: Mapping[str, str], backend: str, port: int, folder: Path) -> str:
    h2 = "h2" in {values.get("backend-protocol"), values.get("server-proto")}
    return f"""
defaults
  mode http
  timeout client 50s
  timeout connect 5s
  timeout http-request 5s
  timeout queue 5s
  timeout server {values.get("timeout-server", "50s")}
frontend clients
  bind {LOOPBACK}:{port} ssl crt {folder}/tls.pem alpn h2,http/1.1
  default_backend service
backend service
  server envoy {backend}{" proto h2" if h2 else ""}
"""
