"""Stand-ins for squeue, sbatch and the API server of a site where Slurm and Kubernetes agree, for the agent."""

import json
import ssl
import tempfile
import threading
import time
import urllib.parse
from collections.abc import Mapping
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

from components.triton.slurm_job import job_script
from testbed.authority import Authority
from testbed.loopback import LOOPBACK, QuietHandler

NAMESPACE, INSTANCE, POOL = "cms", "sonic-cms", "hammer"
_NODE = "interlink-hammer"
_DEPLOYMENT = f"{INSTANCE}-triton-{POOL}"
_DATA_FOLDER = "/depot/sonic/jobs"
_SEPARATOR = "\x1f"
_RUNS_SECONDS = 1_000_000
"""Time that every job has left, so that none needs a successor."""


class SlurmSite:
    """Both stand-ins while it is entered. Every server has a pod, a running job and a tunnel.

    Args:
        folder: an empty one.
        servers: their number.
    """

    def __init__(self, folder: Path, *, servers: int) -> None:
        self._folder = folder
        self.servers = servers
        self._costs: dict[str, str] = {}
        self.settings_file = folder / "agent.json"

    def __enter__(self) -> Self:
        site = self

        class Handler(QuietHandler):
            def do_GET(self) -> None:  # noqa: N802  named by http.server
                self.respond(json.dumps(site._answer(self.path)).encode())

            def do_PATCH(self) -> None:  # noqa: N802  named by http.server
                patch = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                site._patch(self.path, patch)
                self.respond(b"{}")

        authority = Authority("api")
        self._server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
        self._server.socket = _tls(authority).wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        self._write_files(authority, self._server.server_address[1])
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def reset(self) -> None:
        """Forget what an agent wrote."""
        self._costs.clear()

    def _write_files(self, authority: Authority, port: int) -> None:
        for name, text in {
            "server": f"https://{LOOPBACK}:{port}",
            "token": "secret",
            "ca.crt": authority.certificate,
            "queue": "".join(f"{self._job(number)}\n" for number in range(self.servers)),
        }.items():
            (self._folder / name).write_text(text)
        start = _slurm_time(900)
        self._command("squeue", f"cat {self._folder}/queue")
        self._command("sbatch", f"echo 'sbatch: Job 1 to start at {start} using 1 processors' >&2")
        settings = {
            "node": _NODE,
            "data_folder": _DATA_FOLDER,
            "commands_folder": str(self._folder),
            "api_server_file": str(self._folder / "server"),
            "token_file": str(self._folder / "token"),
            "authorities_file": str(self._folder / "ca.crt"),
            "act": True,
            "pools": [
                {
                    "instance": INSTANCE,
                    "pool": POOL,
                    "namespace": NAMESPACE,
                    "flags": ["--account=cms", "--gres=gpu:1"],
                    "gpus": 1,
                    "deployment": _DEPLOYMENT,
                    "queue_wait_seconds": 600,
                    "start_seconds": 120,
                    "at_once": 1,
                }
            ],
        }
        self.settings_file.write_text(json.dumps(settings))

    def _command(self, name: str, script: str) -> None:
        (self._folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (self._folder / name).chmod(0o755)

    def _job(self, number: int) -> str:
        times = (_slurm_time(-600), _slurm_time(-300), _slurm_time(_RUNS_SECONDS))
        script = f"{_DATA_FOLDER}/{NAMESPACE}-{_uid(number)}/job.slurm"
        return _SEPARATOR.join((str(number), _uid(number), "RUNNING", *times, script))

    def _answer(self, path: str) -> Mapping[str, Any]:
        parts = urllib.parse.urlsplit(path)
        if parts.path.endswith(f"/{_DEPLOYMENT}"):
            counts = dict.fromkeys(("replicas", "updatedReplicas", "availableReplicas"), self.servers)
            return {
                "metadata": {"generation": 1},
                "spec": {"replicas": self.servers},
                "status": {"observedGeneration": 1, **counts},
            }
        query = dict(urllib.parse.parse_qsl(parts.query))
        first = int(query.get("continue", 0))
        end = min(first + int(query.get("limit", self.servers)), self.servers)
        make = self._pod if parts.path.endswith("/pods") else _tunnel
        further = {"continue": str(end)} if end < self.servers else {}
        return {"items": [make(number) for number in range(first, end)], "metadata": further}

    def _patch(self, path: str, patch: Mapping[str, Any]) -> None:
        for name, value in patch.get("metadata", {}).get("annotations", {}).items():
            if name.endswith("pod-deletion-cost"):
                self._costs[path.rpartition("/")[2]] = value

    def _pod(self, number: int) -> Mapping[str, Any]:
        """Return a pod, as long as a real one with the script of its job."""
        name = _pod_name(number)
        cost = {"controller.kubernetes.io/pod-deletion-cost": self._costs[name]} if name in self._costs else {}
        return {
            "metadata": {
                "namespace": NAMESPACE,
                "name": name,
                "uid": _uid(number),
                "labels": {"app.kubernetes.io/instance": INSTANCE, "sonic.fastmachinelearning.org/pool": POOL},
                "annotations": {"JobID": str(number), "slurm-job.vk.io/pre-exec": _SCRIPT, **cost},
                "creationTimestamp": "2026-11-27T10:00:00Z",
            },
            "status": {"phase": "Running"},
        }


_SCRIPT = job_script(data_folder=_DATA_FOLDER, namespace=NAMESPACE, tunnel_client="", pre_stop_seconds=30)


def _tunnel(number: int) -> Mapping[str, Any]:
    name = f"wstunnel-{_pod_name(number)}-{NAMESPACE}"
    return {"metadata": {"namespace": NAMESPACE, "name": name, "creationTimestamp": "2026-11-27T10:00:00Z"}}


def _pod_name(number: int) -> str:
    return f"{_DEPLOYMENT}-5d9c7bdf5c-{number:05}"


def _uid(number: int) -> str:
    return f"0f0c1d2e-6a7b-4c8d-9e0f-{number:012}"


def _slurm_time(seconds_from_now: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(time.time() + seconds_from_now))


def _tls(authority: Authority) -> ssl.SSLContext:
    credentials = authority.sign_host("api.test")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        certificate, key = Path(folder, "tls.crt"), Path(folder, "tls.key")
        certificate.write_text(credentials.certificate)
        key.write_text(credentials.key)
        context.load_cert_chain(certificate, key)
    return context
