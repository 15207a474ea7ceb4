"""Supervises the admission controller: restarts it, and withdraws its runtime keys from Envoy when it ends or hangs.

A pod runs this file as it is, so it imports the standard library only:
`supervisor.py PROBE_PORT WITHDRAW_URL PROGRAM [ARGUMENT ...]`. Each byte on the program's stdout is a heartbeat. The
supervisor sends a POST to WITHDRAW_URL each time the program has ended, and at SIGTERM.

A crash of the program does not restart the container. A pod with a stopped container is not ready, and Envoy would get
no new clients.
"""

import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SILENCE_SECONDS = 10.0
"""Time without a heartbeat after which the program is killed."""
PERIOD_SECONDS = 1.0
"""Interval of the checks, and the delay of a restart."""
WITHDRAW_TIMEOUT_SECONDS = 2.0


def supervise(withdraw_url: str, command: list[str]) -> None:
    """Run the command for ever, and withdraw its keys after each run."""
    while True:
        with subprocess.Popen(command, stdout=subprocess.PIPE, bufsize=0) as program:
            try:
                watch(program)
            finally:
                program.kill()
                withdraw(withdraw_url)
        say(f"the program ended with {program.returncode}: what it told Envoy is withdrawn")
        time.sleep(PERIOD_SECONDS)


def watch(program: "subprocess.Popen[bytes]") -> None:
    """Return when the program has ended, or has sent no heartbeat for `SILENCE_SECONDS`."""
    last_sign_seconds = time.monotonic()

    def read() -> None:
        nonlocal last_sign_seconds
        while program.stdout and program.stdout.read(1):
            last_sign_seconds = time.monotonic()

    threading.Thread(target=read, daemon=True).start()
    while program.poll() is None and time.monotonic() - last_sign_seconds < SILENCE_SECONDS:
        time.sleep(PERIOD_SECONDS)


def withdraw(url: str) -> None:
    """Send the POST. An Envoy that does not answer is logged only: a restarted Envoy has no keys."""
    try:
        urllib.request.urlopen(url, data=b"", timeout=WITHDRAW_TIMEOUT_SECONDS).close()  # noqa: S310
    except OSError as error:
        say(f"{url}: {error}")


def say(line: str) -> None:
    """Log one line. A full disk does not stop the supervisor."""
    with suppress(OSError):
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()


class Probe(BaseHTTPRequestHandler):
    """Answers the kubelet's probes with 200 while this process runs."""

    def do_GET(self) -> None:
        """Answer 200 for any path."""
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Log nothing: probes come all the time."""


class ProbeServer(ThreadingHTTPServer):
    """Listens on every address, of both families where the node has IPv6."""

    address_family = socket.AF_INET6 if socket.has_dualstack_ipv6() else socket.AF_INET

    def server_bind(self) -> None:
        """Take IPv4 on the socket of IPv6 too."""
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()


def main(probe_port: str, withdraw_url: str, *command: str) -> None:
    """Answer probes in a second thread and supervise in this one."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    server = ProbeServer(("", int(probe_port)), Probe)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    supervise(withdraw_url, list(command))


if __name__ == "__main__":
    main(*sys.argv[1:])
