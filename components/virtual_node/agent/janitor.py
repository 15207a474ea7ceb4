"""Disagreements between Slurm and Kubernetes, and the action that ends each.

| finding         | seen                                                                  | action             |
|-----------------|-----------------------------------------------------------------------|--------------------|
| `orphan-job`    | a job of the node that waits or runs, and no pod has its uid          | cancel the job     |
| `lost-pod`      | a pod that waits or runs, with a job that Slurm does not know or that | delete the pod     |
|                 | ended                                                                 |                    |
| `ended-pod`     | a pod that succeeded or failed: its tunnel stays until it is deleted  | delete the pod     |
| `stuck-pod`     | a pod that should be gone, and its job does not run any more          | delete it at once  |
| `leaked-tunnel` | a tunnel without a pod                                                | delete its objects |

Each must have been seen for `grace_seconds` before anything is done, and a look does `actions_max` things at most.

Sources: docs of the interLink path, traps 7 and 13, N3, N8 and N13 (docs/slurm.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from .cluster import Pod, Tunnel
    from .slurm import Job

FINDINGS = ("orphan-job", "lost-pod", "ended-pod", "stuck-pod", "leaked-tunnel")


class Finding(NamedTuple):
    """A disagreement."""

    kind: str
    """One of `FINDINGS`."""
    namespace: str
    """Namespace of the object; empty for a job."""
    name: str
    """Name of the object, or number of the job."""
    reason: str
    """The disagreement in words."""

    @property
    def key(self) -> tuple[str, str, str]:
        """The disagreement, whatever its words."""
        return self.kind, self.namespace, self.name


def findings(jobs: Sequence[Job], pods: Sequence[Pod], tunnels: Sequence[Tunnel], *, now: float) -> Iterator[Finding]:
    """Yield the disagreements of one look.

    Args:
        jobs: jobs of the node.
        pods: pods of the node.
        tunnels: tunnels in the namespaces of the pools.
        now: time in seconds since 1970.
    """
    known = {job.id: job for job in jobs}
    uids = {pod.uid for pod in pods}
    for job in jobs:
        if job.active and job.pod_uid not in uids:
            yield Finding("orphan-job", "", job.id, f"job {job.id} is {job.state} and no pod has the uid {job.pod_uid}")
    for pod in pods:
        job_of_pod = known.get(pod.job)
        runs = job_of_pod is not None and job_of_pod.active
        if pod.deleted is not None:
            if now > pod.deleted and not runs:
                yield Finding("stuck-pod", pod.namespace, pod.name, "it is being deleted, and its job does not run")
        elif pod.ended:
            yield Finding("ended-pod", pod.namespace, pod.name, f"it is {pod.phase} for ever")
        elif pod.job and not runs:
            seen = "is not known to Slurm" if job_of_pod is None else f"is {job_of_pod.state}"
            yield Finding("lost-pod", pod.namespace, pod.name, f"it is {pod.phase}, and its job {pod.job} {seen}")
    used = {(pod.namespace, f"wstunnel-{pod.name}-{pod.namespace}") for pod in pods}
    for tunnel in tunnels:
        if (tunnel.namespace, tunnel.name) not in used:
            yield Finding("leaked-tunnel", tunnel.namespace, tunnel.name, "no pod has this tunnel")


class Memory:
    """Findings of the looks before."""

    def __init__(self) -> None:
        self._since: Mapping[tuple[str, str, str], float] = {}

    def due(self, found: Sequence[Finding], *, now: float, grace_seconds: float) -> list[Finding]:
        """Return the findings that each look of the grace period had, the longest first."""
        self._since = {finding.key: self._since.get(finding.key, now) for finding in found}
        old = [finding for finding in found if now - self._since[finding.key] >= grace_seconds]
        return sorted(old, key=lambda finding: self._since[finding.key])
