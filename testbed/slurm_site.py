"""Stand-ins for Slurm's commands and the API server of a site, and the settings of an agent between them."""

import json
import ssl
import tempfile
import threading
import time
import urllib.parse
from collections.abc import Mapping, Sequence
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

from components.triton.slurm_job import job_script
from components.virtual_node.agent.settings import Pool, Settings
from testbed.authority import Authority
from testbed.loopback import LOOPBACK, QuietHandler

POOL = Pool(
    instance="sonic-cms",
    pool="hammer",
    namespace="cms",
    flags=("--account=cms", "--gres=gpu:1"),
    gpus=1,
    deployment="sonic-cms-triton-hammer",
    queue_wait_seconds=600,
    start_seconds=120,
    at_once=1,
)
DATA_FOLDER = "/depot/sonic/jobs"
_NODE = "interlink-hammer"
_TOKEN = "secret"  # noqa: S105
_SEPARATOR = "\x1f"
_CREATED = "2026-11-27T10:00:00Z"
_RUNS_SECONDS = 1_000_000
"""Time that a job of `fill` has left, so that none needs a successor."""


class SlurmSite:
    """Both stand-ins while it is entered: an empty queue and no pods, until somebody sets them.

    Args:
        folder: an empty one.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pods: list[dict[str, Any]] = []
        self.tunnels: list[dict[str, Any]] = []
        self.conditions = {"Ready": "True", "InterlinkConnectivity": "True"}
        self.deployment = a_deployment(replicas=0)
        self.asked: list[str] = []
        """Method and path of each request to the API server."""

    def __enter__(self) -> Self:
        site = self

        class Handler(QuietHandler):
            def do_GET(self) -> None:  # noqa: N802  named by http.server
                assert self.headers["Authorization"] == f"Bearer {_TOKEN}"
                body = self.rfile.read(int(self.headers["Content-Length"] or 0))
                self.respond(json.dumps(site._answer(self.command, self.path, body)).encode())

            do_DELETE = do_PATCH = do_GET  # noqa: N815

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

    @property
    def settings(self) -> Settings:
        """Settings of an agent that may act on what one look finds, and does not."""
        return Settings(
            node=_NODE,
            data_folder=DATA_FOLDER,
            commands_folder=str(self.folder),
            api_server_file=str(self.folder / "server"),
            token_file=str(self.folder / "token"),
            authorities_file=str(self.folder / "ca.crt"),
            pools=(POOL,),
            grace_seconds=0,
        )

    def command(self, name: str, script: str) -> None:
        """Make a shell script one of Slurm's commands."""
        (self.folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (self.folder / name).chmod(0o755)

    def queue(self, *lines: str) -> None:
        """Let squeue print these lines."""
        (self.folder / "queue").write_text("".join(f"{each}\n" for each in lines))

    def forecast(self, seconds: float) -> None:
        """Let `sbatch --test-only` say that a job would start in so many seconds."""
        start = slurm_time(seconds)
        self.command("sbatch", f"echo 'sbatch: Job 11 to start at {start} using 1 processors' >&2")

    @property
    def cancelled(self) -> list[str]:
        """Jobs that somebody cancelled."""
        file = self.folder / "cancelled"
        return file.read_text().split() if file.exists() else []

    def fill(self, servers: int) -> None:
        """Give every server a pod, a running job and a tunnel, so that nothing is to be done."""
        names = [f"{POOL.deployment}-5d9c7bdf5c-{number:05}" for number in range(servers)]
        uids = [f"0f0c1d2e-6a7b-4c8d-9e0f-{number:012}" for number in range(servers)]
        # As long as a real pod, which has the script of its job.
        script = job_script(data_folder=DATA_FOLDER, namespace=POOL.namespace, tunnel_client="", pre_stop_seconds=30)
        self.pods = [
            a_pod(uid, name, annotations={"JobID": str(number), "slurm-job.vk.io/pre-exec": script})
            for number, (uid, name) in enumerate(zip(uids, names, strict=True))
        ]
        self.tunnels = [a_tunnel(f"wstunnel-{name}-{POOL.namespace}") for name in names]
        self.deployment = a_deployment(replicas=servers)
        end = slurm_time(_RUNS_SECONDS)
        self.queue(*(line(id=str(number), name=uid, ends=end) for number, uid in enumerate(uids)))
        self.forecast(900)

    def _write_files(self, authority: Authority, port: int) -> None:
        files = {"server": f"https://{LOOPBACK}:{port}\n", "token": _TOKEN, "ca.crt": authority.certificate}
        for name, text in files.items():
            (self.folder / name).write_text(text)
        self.queue()
        self.command("squeue", f"cat {self.folder}/queue")
        self.command("sbatch", "exit 1")
        self.command("scancel", f'echo "$@" >> {self.folder}/cancelled')

    def _answer(self, method: str, url: str, body: bytes) -> Mapping[str, Any]:
        parts = urllib.parse.urlsplit(url)
        self.asked.append(f"{method} {parts.path}")
        match method, parts.path.split("/")[-2:]:
            case "DELETE", _:
                return {}
            case "PATCH", (kind, name):
                self._patch(kind, name, json.loads(body))
                return {}
            case _, ("nodes", _):
                conditions = [{"type": name, "status": status} for name, status in self.conditions.items()]
                return {"status": {"conditions": conditions}}
            case _, ("deployments", _):
                return self.deployment
            case _, (_, kind):
                return _page(self.pods if kind == "pods" else self.tunnels, parts.query)
        raise AssertionError(url)

    def _patch(self, kind: str, name: str, patch: Mapping[str, Any]) -> None:
        for each in self.pods if kind == "pods" else ():
            if each["metadata"]["name"] == name:
                each["metadata"]["annotations"] |= patch["metadata"]["annotations"]


def a_pod(uid: str, name: str, *, phase: str = "Running", **metadata: Any) -> dict[str, Any]:
    """Return a virtual pod of the pool; `metadata` replaces fields of the same name."""
    labels = {"app.kubernetes.io/instance": POOL.instance, "sonic.fastmachinelearning.org/pool": POOL.pool}
    own = {
        "namespace": POOL.namespace,
        "name": name,
        "uid": uid,
        "labels": labels,
        "annotations": {"JobID": "7"},
        "creationTimestamp": _CREATED,
    }
    return {"metadata": {**own, **metadata}, "status": {"phase": phase}}


def a_tunnel(name: str) -> dict[str, Any]:
    """Return the Deployment of a tunnel."""
    return {"metadata": {"namespace": POOL.namespace, "name": name, "creationTimestamp": _CREATED}}


def a_deployment(*, replicas: int, **status: int) -> dict[str, Any]:
    """Return the Deployment of the pool, with all its pods available but for what `status` says."""
    counts = dict.fromkeys(("replicas", "updatedReplicas", "availableReplicas"), replicas)
    return {
        "metadata": {"generation": 3},
        "spec": {"replicas": replicas},
        "status": {"observedGeneration": 3, **counts, **status},
    }


def line(**changes: str) -> str:
    """Return a line of squeue for the running job 7 of the pod with uid `u1`; `changes` replace columns."""
    row = {
        "id": "7",
        "name": "u1",
        "state": "RUNNING",
        "submitted": "2026-11-27T10:00:00",
        "started": "2026-11-27T10:05:00",
        "ends": "2026-11-27T14:05:00",
    } | changes
    script = f"{DATA_FOLDER}/{POOL.namespace}-{row['name']}/job.slurm"
    return _SEPARATOR.join(({**row, "script": script} | changes).values())


def slurm_time(seconds_from_now: float) -> str:
    """Return a time as Slurm's commands write it."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(time.time() + seconds_from_now))


def _page(items: Sequence[Mapping[str, Any]], query: str) -> Mapping[str, Any]:
    """Return the part of a list that a request asks for."""
    asked = dict(urllib.parse.parse_qsl(query))
    first = int(asked.get("continue", 0))
    end = first + int(asked.get("limit", len(items)))
    return {"items": items[first:end], "metadata": {"continue": str(end)} if end < len(items) else {}}


def _tls(authority: Authority) -> ssl.SSLContext:
    credentials = authority.sign_host("api.test")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        certificate, key = Path(folder, "tls.crt"), Path(folder, "tls.key")
        certificate.write_text(credentials.certificate)
        key.write_text(credentials.key)
        context.load_cert_chain(certificate, key)
    return context
