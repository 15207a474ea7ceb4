"""Each server by itself, through kubectl's port-forward: a balancer hides one server that answers wrongly."""

import json
import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from acceptance.client import TritonClient
from acceptance.errors import CheckError
from acceptance.handshake import SERVER_CHECK, Expectation, Result, Row, handshake
from acceptance.kserve import CallError, InferenceServer
from acceptance.report import first_cause
from access.cluster import UnreachableError
from access.kubeconfig import find_context
from access.port_forward import forwarded_port
from components.labels import JOB_COMPONENT, POOL_LABEL
from stacks.errors import ConfigurationError
from stacks.schema import StackConfig

GRPC_PORT = 8001
"""As in `components/triton/server.py`, whose package loads Pulumi."""
_CALL_SECONDS = 60
_ONE_ADDRESS = "ask one address alone with --endpoint HOST:PORT"


@dataclass(frozen=True)
class Server:
    """A pod that is a server, or through which a server in a Slurm job is reached."""

    name: str
    """Name of the pod."""
    ready: bool
    """True: it counts as ready."""


class Servers:
    """The servers of a deployed stack, as kubectl reaches them: no NetworkPolicy applies to a forwarded port.

    Args:
        config: the stack.

    Raises:
        ConfigurationError: the site's context is not in the kubeconfig.
    """

    def __init__(self, config: StackConfig) -> None:
        self._context = find_context(config.site.access, os.environ)
        self._namespace = config.namespace
        self._kubectl = ["kubectl", *self._context.kubectl_flags, f"--namespace={config.namespace}"]
        self._selector = f"app.kubernetes.io/instance={config.name},{POOL_LABEL}"

    def list(self) -> Sequence[Server]:
        """Return the running servers, by name.

        Raises:
            CheckError: kubectl is missing or fails, or there is none.
        """
        arguments = ["get", "pods", f"--selector={self._selector}", "--output=json"]
        try:
            run = subprocess.run(
                [*self._kubectl, *arguments], capture_output=True, text=True, timeout=_CALL_SECONDS, check=False
            )
        except FileNotFoundError as error:
            msg = f"`kubectl` is not on PATH, and each server is asked through it: install it, or {_ONE_ADDRESS}"
            raise CheckError(msg) from error
        except subprocess.TimeoutExpired as error:
            msg = f"kubectl has not listed the servers within {_CALL_SECONDS} s: see that the cluster can be reached"
            raise CheckError(msg) from error
        if run.returncode != 0:
            msg = f"kubectl cannot list the servers ({_last_line(run.stderr)}): see that it can, or {_ONE_ADDRESS}"
            raise CheckError(msg)
        pods = [pod for pod in json.loads(run.stdout)["items"] if _is_reached(pod)]
        servers = [_server(pod) for pod in pods if _runs(pod)]
        if not servers:
            msg = f"no pod with the labels {self._selector} runs: see `{' '.join(self._kubectl)} get pods`"
            raise CheckError(msg)
        return sorted(servers, key=lambda server: server.name)

    @contextmanager
    def client(self, server: Server) -> Iterator[InferenceServer]:
        """Give a client of one server, while a port of this machine is forwarded to it.

        Raises:
            CheckError: the port cannot be forwarded.
        """
        with ExitStack() as stack:
            try:
                port = stack.enter_context(forwarded_port(self._context, self._namespace, server.name, GRPC_PORT))
            except UnreachableError as error:
                msg = f"{error}, or {_ONE_ADDRESS}"
                raise CheckError(msg) from error
            yield stack.enter_context(TritonClient(f"127.0.0.1:{port}", tls=False))


def ask_each(config: StackConfig, expectations: Sequence[Expectation]) -> Iterator[Row]:
    """Yield a row for each server of a stack: it has to pass the whole handshake by itself.

    Where somebody may load models while the servers run, one more row tells whether all have loaded the same.
    """
    loaded: dict[str, frozenset[str]] = {}
    try:
        servers = Servers(config)
        listed = servers.list()
    except (CheckError, ConfigurationError) as error:
        yield _row(Result.FAILED, str(error))
        return
    for server in listed:
        if not server.ready:
            yield _row(Result.NOT_TRIED, f"{server.name} is not ready")
            continue
        start = time.perf_counter()
        try:
            with servers.client(server) as client:
                result, detail = _verdict(list(handshake(client, expectations)))
                if config.models_change:
                    loaded[server.name] = _loaded(client)
        except (CheckError, CallError) as error:
            result, detail = Result.FAILED, str(error)
        yield _row(result, f"{server.name}: {detail}", (time.perf_counter() - start) * 1000)
    if len(loaded) > 1:
        yield _compared(loaded)


def _loaded(client: InferenceServer) -> frozenset[str]:
    return frozenset(f"{entry.model} version {entry.version}" for entry in client.repository_index() if entry.ready)


def _compared(loaded: Mapping[str, frozenset[str]]) -> Row:
    """Compare what servers have loaded: a server that starts knows nothing of what others were told."""
    anywhere = frozenset[str]().union(*loaded.values())
    lacking = [f"{name} lacks {', '.join(sorted(anywhere - has))}" for name, has in loaded.items() if anywhere - has]
    if lacking:
        return _row(
            Result.FAILED,
            f"{'; '.join(lacking)}, which other servers have loaded, so that some requests fail: load or unload it on "
            "each server",
        )
    return _row(Result.OK, f"all {len(loaded)} have loaded the same models")


def _row(result: Result, detail: str, milliseconds: float | None = None) -> Row:
    return Row(check=SERVER_CHECK, model="", result=result, detail=detail, milliseconds=milliseconds)


def _verdict(rows: Sequence[Row]) -> tuple[Result, str]:
    cause = first_cause(rows)
    if cause is not None:
        return Result.FAILED, f"{' '.join(filter(None, (cause.check, cause.model)))}: {cause.detail}"
    sent = sum(row.check == "infer" and row.result is Result.OK for row in rows)
    ready = sum(row.result is Result.NOT_SENT for row in rows)
    return Result.OK, f"{sent} answers right, {ready} models ready and sent no request"


def _is_reached(pod: dict[str, Any]) -> bool:
    """Return False for a virtual pod, which forwards no port: its job is reached through its tunnel pod."""
    return bool(pod["metadata"].get("labels", {}).get("app.kubernetes.io/component") != JOB_COMPONENT)


def _runs(pod: dict[str, Any]) -> bool:
    return pod["status"].get("phase") == "Running" and "deletionTimestamp" not in pod["metadata"]


def _server(pod: dict[str, Any]) -> Server:
    conditions = pod["status"].get("conditions", ())
    ready = any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)
    return Server(name=pod["metadata"]["name"], ready=ready)


def _last_line(text: str) -> str:
    return (text.strip() or "no reason given").splitlines()[-1]
