"""The pods of a virtual node, and their tunnels, by the API server."""

from __future__ import annotations

import datetime as dt
import json
import ssl
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .settings import Settings

CALL_SECONDS = 20
PAGE_OBJECTS = 200
INSTANCE_LABEL, POOL_LABEL = "app.kubernetes.io/instance", "sonic.fastmachinelearning.org/pool"
TUNNEL_LABEL = "sonic.fastmachinelearning.org/tunnel"
COST_ANNOTATION = "controller.kubernetes.io/pod-deletion-cost"
RESTART_ANNOTATION = "kubectl.kubernetes.io/restartedAt"
"""Annotation of a pod template that `kubectl rollout restart` sets, too."""
_TUNNEL_KINDS = {
    "deployments": "/apis/apps/v1",
    "services": "/api/v1",
    "ingresses": "/apis/networking.k8s.io/v1",
}


class ClusterError(Exception):
    """The API server does not answer as asked."""


class Pod(NamedTuple):
    """A pod of the virtual node."""

    namespace: str
    name: str
    uid: str
    phase: str
    job: str
    """Number of its Slurm job, once the virtual kubelet knows it; empty before."""
    created: float
    """Time in seconds since 1970."""
    deleted: float | None
    """Time at which it should have been gone: of its deletion, the grace period included; None: it is not deleted."""
    instance: str
    """Instance of its stack; empty for another pod."""
    pool: str
    """Pool of its stack; empty for another pod."""
    cost: str = ""
    """Its `pod-deletion-cost`; empty without one."""

    @property
    def ended(self) -> bool:
        """True once it has succeeded or failed, for ever."""
        return self.phase in {"Succeeded", "Failed"}


class Tunnel(NamedTuple):
    """A Deployment of the virtual kubelet's, which carries a server's ports into the cluster."""

    namespace: str
    name: str
    created: float
    """Time in seconds since 1970."""


class Cluster:
    """The API server, as the ServiceAccount of the agent."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._trusted = ssl.create_default_context(cafile=settings.authorities_file)

    def pods(self) -> list[Pod]:
        """Return all pods of the node.

        Raises:
            ClusterError: the API server does not answer.
        """
        query = {"fieldSelector": f"spec.nodeName={self._settings.node}"}
        return [pod(found) for found in self._list("/api/v1/pods", query)]

    def conditions(self) -> dict[str, bool]:
        """Return the conditions of the virtual node: by name, True if it is so. A node that is gone has none.

        Raises:
            ClusterError: the API server does not answer.
        """
        try:
            found = self._ask("GET", f"/api/v1/nodes/{self._settings.node}")
        except FileNotFoundError:
            return {}
        return {each["type"]: each["status"] == "True" for each in found.get("status", {}).get("conditions", ())}

    def tunnels(self) -> list[Tunnel]:
        """Return the tunnels in the namespaces of the pools.

        Raises:
            ClusterError: the API server does not answer.
        """
        query = {"labelSelector": f"{TUNNEL_LABEL}=true"}
        paths = [f"/apis/apps/v1/namespaces/{name}/deployments" for name in self._namespaces()]
        return [tunnel(found) for path in paths for found in self._list(path, query)]

    def _namespaces(self) -> list[str]:
        return sorted({each.namespace for each in self._settings.pools})

    def delete_pod(self, namespace: str, name: str, *, grace_seconds: int | None = None) -> None:
        """Delete a pod, at once with 0.

        Raises:
            ClusterError: the API server does not do it.
        """
        grace = "" if grace_seconds is None else f"?gracePeriodSeconds={grace_seconds}"
        self._delete(f"/api/v1/namespaces/{namespace}/pods/{name}{grace}")

    def delete_tunnel(self, namespace: str, name: str) -> None:
        """Delete the objects of a tunnel.

        Raises:
            ClusterError: the API server does not do it.
        """
        for kind, root in _TUNNEL_KINDS.items():
            self._delete(f"{root}/namespaces/{namespace}/{kind}/{name}")

    def set_cost(self, pod: Pod, cost: str) -> None:
        """Set the `pod-deletion-cost` of a pod.

        Raises:
            ClusterError: the API server does not do it.
        """
        self._annotate(f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}", {COST_ANNOTATION: cost})

    def rolls(self, namespace: str, deployment: str) -> bool:
        """Return True while a Deployment replaces or adds pods.

        Raises:
            ClusterError: the API server does not answer.
        """
        found = self._ask("GET", f"/apis/apps/v1/namespaces/{namespace}/deployments/{deployment}")
        status, wanted = found.get("status", {}), found["spec"].get("replicas", 1)
        seen = status.get("observedGeneration", 0) >= found["metadata"]["generation"]
        counts = [status.get(name, 0) for name in ("replicas", "updatedReplicas", "availableReplicas")]
        return not seen or any(count != wanted for count in counts)

    def restart(self, namespace: str, deployment: str, *, now: float) -> None:
        """Let a Deployment replace all its pods.

        Raises:
            ClusterError: the API server does not do it.
        """
        at = dt.datetime.fromtimestamp(now, tz=dt.timezone.utc).isoformat(timespec="seconds")
        template = {"metadata": {"annotations": {RESTART_ANNOTATION: at}}}
        path = f"/apis/apps/v1/namespaces/{namespace}/deployments/{deployment}"
        self._ask("PATCH", path, {"spec": {"template": template}})

    def _annotate(self, path: str, annotations: Mapping[str, str]) -> None:
        self._ask("PATCH", path, {"metadata": {"annotations": dict(annotations)}})

    def _list(self, path: str, query: Mapping[str, str]) -> Iterator[Mapping[str, Any]]:
        further = ""
        while True:
            page = {**query, "limit": str(PAGE_OBJECTS), **({"continue": further} if further else {})}
            answer = self._ask("GET", f"{path}?{urllib.parse.urlencode(page)}")
            yield from answer["items"]
            further = answer["metadata"].get("continue", "")
            if not further:
                return

    def _delete(self, path: str) -> None:
        try:
            self._ask("DELETE", path)
        except FileNotFoundError:
            return

    def _ask(self, method: str, path: str, patch: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
        token, api_server = (
            Path(file).read_text().strip() for file in (self._settings.token_file, self._settings.api_server_file)
        )
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        body = None
        if patch is not None:
            body, headers["Content-Type"] = json.dumps(patch).encode(), "application/merge-patch+json"
        url = f"{api_server}{path}"
        request = urllib.request.Request(url, data=body, headers=headers, method=method)  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=CALL_SECONDS, context=self._trusted) as answer:  # noqa: S310
                found: Mapping[str, Any] = json.load(answer)
        except urllib.error.HTTPError as error:
            if error.code == 404:
                raise FileNotFoundError(path) from error
            raise ClusterError(f"{method} {path.partition('?')[0]}: {error.code} {error.reason}") from error
        except (OSError, ValueError) as error:
            raise ClusterError(f"{method} {path.partition('?')[0]}: {error}") from error
        return found


def pod(found: Mapping[str, Any]) -> Pod:
    """Return a pod of the API server's."""
    metadata = found["metadata"]
    labels = metadata.get("labels", {})
    deleted = metadata.get("deletionTimestamp")
    return Pod(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        phase=found.get("status", {}).get("phase", "Pending"),
        job=metadata.get("annotations", {}).get("JobID", ""),
        created=_seconds(metadata["creationTimestamp"]),
        deleted=None if deleted is None else _seconds(deleted),
        instance=labels.get(INSTANCE_LABEL, ""),
        pool=labels.get(POOL_LABEL, ""),
        cost=metadata.get("annotations", {}).get(COST_ANNOTATION, ""),
    )


def tunnel(found: Mapping[str, Any]) -> Tunnel:
    """Return a tunnel's Deployment of the API server's."""
    metadata = found["metadata"]
    return Tunnel(metadata["namespace"], metadata["name"], _seconds(metadata["creationTimestamp"]))


def _seconds(written: str) -> float:
    return dt.datetime.fromisoformat(written.replace("Z", "+00:00")).timestamp()
