"""The stacks of the development cluster, for the live tests."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property, partial
from typing import Any
from urllib.parse import quote

import numpy as np

from acceptance.client import TritonClient
from acceptance.kserve import CallError, Tensor
from components.server_pool import ServerPool
from components.triton import server_pool
from devcluster.kubectl import Kubectl
from stacks.resolve import resolve
from stacks.schema import StackConfig
from stacks.schema.exposure import NodePortExposure
from testbed import polling
from testbed.pods import is_ready
from tests.support.pool_args import pool_args
from tests.support.tools import tool

eventually = partial(polling.eventually, interval_seconds=1)
"""The wait for a cluster: kubectl takes CPU that its servers need."""

PROMETHEUS = "sonic-demo-prometheus"


class Calls:
    """Calls of a load, so far."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.answered = 0
        self.errors: list[str] = []

    def count(self, call: Callable[[], object]) -> None:
        """Make a call, and count it."""
        try:
            call()
        except CallError as error:
            self.errors.append(str(error))
        else:
            with self._lock:
                self.answered += 1


class DevStack:
    """Its configuration, its objects, its metrics and its address.

    Args:
        stack: a stack of the development cluster.
    """

    def __init__(self, stack: str = "dev") -> None:
        self._stack = stack

    @cached_property
    def config(self) -> StackConfig:
        """Configuration of the stack, as its files say."""
        return resolve(self._stack).config

    @cached_property
    def kubectl(self) -> Kubectl:
        """kubectl as the cluster's administrator."""
        return Kubectl(tool("kubectl"))

    @property
    def namespace(self) -> str:
        """Namespace of the stack."""
        return self.config.namespace

    @property
    def endpoint(self) -> str:
        """`host:port` of Envoy, as clients know it."""
        exposure = self.config.site.exposure
        assert isinstance(exposure, NodePortExposure)
        return f"{exposure.hostname}:{exposure.port}"

    @property
    def server_pool(self) -> ServerPool:
        """The only pool."""
        return server_pool(pool_args(self.config))

    @property
    def deployment(self) -> str:
        """Deployment of the only pool, and its ScaledObject."""
        target = self.server_pool.scale_target
        assert target
        return target.name

    def get(self, *arguments: str) -> dict[str, Any]:
        """An object of the namespace, or a list."""
        return self.kubectl.get(*arguments, f"--namespace={self.namespace}")

    def pods(self, component: str) -> list[dict[str, Any]]:
        """Pods of one part of the stack."""
        selector = f"app.kubernetes.io/instance={self.config.name},app.kubernetes.io/component={component}"
        # kubectl prints nothing of an empty list.
        listed: list[dict[str, Any]] = self.get("pods", f"--selector={selector}").get("items", [])
        return listed

    def ready_pod_names(self, component: str) -> set[str]:
        """Names of the pods of one part that are ready."""
        return {pod["metadata"]["name"] for pod in self.pods(component) if is_ready(pod)}

    def replicas(self) -> int:
        """Return `spec.replicas` of the pool's Deployment."""
        return int(self.get("deployment", self.deployment)["spec"]["replicas"])

    def condition(self, kind: str, namespace: str | None = None, name: str | None = None) -> str:
        """Status of a condition of the pool's ScaledObject, or of another: `True`, `False`, `Unknown`, or empty."""
        place = f"--namespace={namespace or self.namespace}"
        scaled_object = self.kubectl.get("scaledobject", name or self.deployment, place)
        conditions = scaled_object.get("status", {}).get("conditions", [])
        return next((str(c["status"]) for c in conditions if c["type"] == kind), "")

    def query(self, promql: str) -> list[dict[str, Any]]:
        """Elements of an instant query to the stack's Prometheus: `metric` (labels) and `value` ([time, text])."""
        service = f"/api/v1/namespaces/{self.namespace}/services/http:{self.config.name}-prometheus:http/proxy"
        answer = json.loads(self.kubectl.run("get", f"--raw={service}/api/v1/query?query={quote(promql)}"))
        elements: list[dict[str, Any]] = answer["data"]["result"]
        return elements

    def scale(self, deployment: str, replicas: int) -> None:
        """Set the replicas of a Deployment of the namespace."""
        self.kubectl.run("scale", f"deployment/{deployment}", f"--replicas={replicas}", f"--namespace={self.namespace}")

    @contextmanager
    def load(self, *, clients: int, sleep_ms: float) -> Iterator[Calls]:
        """Clients that call `sleep_identity` through Envoy without a pause; fails if one call does."""
        ended = threading.Event()
        calls = Calls()
        inputs = [
            Tensor(name="SLEEP_MS", datatype="FP32", values=np.array([[sleep_ms]], np.float32)),
            Tensor(name="DATA", datatype="FP32", values=np.array([[1.0]], np.float32)),
        ]
        with TritonClient(self.endpoint, tls=False) as client:

            def call() -> None:
                while not ended.is_set():
                    calls.count(lambda: client.infer("sleep_identity", "", inputs))

            threads = [threading.Thread(target=call) for _ in range(clients)]
            for thread in threads:
                thread.start()
            try:
                yield calls
            finally:
                ended.set()
                for thread in threads:
                    thread.join()
        assert not calls.errors, f"{len(calls.errors)} calls were lost, the first with {calls.errors[0]}"
