"""Keeps a program running beside Envoy, and withdraws what it told Envoy when it ends or falls silent.

Standard library only: a pod runs this file as it is, as `supervisor.py PROBE_PORT WITHDRAW_URL PROGRAM [ARGUMENT ...]`.
The program gives signs of life on its stdout. WITHDRAW_URL is POSTed to when it has ended, whyever, and at SIGTERM.

This process stays when the program does not, so that the container is not restarted: the kubelet takes a pod for not
ready while one of its containers is not there, and no clients would be led to Envoy.
"""

import signal
import subprocess
import sys
import threading
import time
import urllib.request
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SILENCE_SECONDS = 10.0
"""Without a sign of life for so long the program is killed."""
PERIOD_SECONDS = 1.0
"""Between two looks, and before the program is started anew."""
WITHDRAW_TIMEOUT_SECONDS = 2.0


def supervise(withdraw_url: str, command: list[str]) -> None:
    """Run the command for ever."""
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
    """Return when the program has ended, or given no sign of life for too long."""
    last_sign_seconds = time.monotonic()

    def read() -> None:
        nonlocal last_sign_seconds
        while program.stdout and program.stdout.read(1):
            last_sign_seconds = time.monotonic()

    threading.Thread(target=read, daemon=True).start()
    while program.poll() is None and time.monotonic() - last_sign_seconds < SILENCE_SECONDS:
        time.sleep(PERIOD_SECONDS)


def withdraw(url: str) -> None:
    """Tell Envoy; where it is not there, there is nothing to withdraw."""
    try:
        urllib.request.urlopen(url, data=b"", timeout=WITHDRAW_TIMEOUT_SECONDS).close()  # noqa: S310
    except OSError as error:
        say(f"{url}: {error}")


def say(line: str) -> None:
    """One line of log; where there is no room for it, the work goes on."""
    with suppress(OSError):
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()


class Probe(BaseHTTPRequestHandler):
    """Answers the kubelet that this process is there."""

    def do_GET(self) -> None:
        """Any path."""
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Probes are no news."""


def main(probe_port: str, withdraw_url: str, *command: str) -> None:
    """Answer probes in a thread, supervise in this one."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    server = ThreadingHTTPServer(("", int(probe_port)), Probe)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    supervise(withdraw_url, list(command))


if __name__ == "__main__":
    main(*sys.argv[1:])
