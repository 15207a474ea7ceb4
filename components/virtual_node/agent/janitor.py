"""Disagreements between Slurm and Kubernetes, and the action that ends each.

| finding         | seen                                                                  | action             |
|-----------------|-----------------------------------------------------------------------|--------------------|
| `orphan-job`    | a job of the node that waits or runs, and no pod has its uid          | cancel the job     |
| `lost-pod`      | a pod that waits or runs, with a job that Slurm does not know or that | delete the pod     |
|                 | ended                                                                 |                    |
| `ended-pod`     | a pod that succeeded or failed: its tunnel stays until it is deleted  | delete both        |
| `stuck-pod`     | a pod that should be gone, and its job does not run any more          | delete it at once  |
| `leaked-tunnel` | a tunnel without a pod                                                | delete its objects |

Each must have been seen for `grace_seconds` before anything is done, and a look does `actions_max` things at most. Of a
pool whose servers fail again and again only the last `ended-pod` stays so long, for its log: the tunnels of the others
hold CPUs that the next server's tunnel needs.

Sources: docs of the interLink path, traps 7 and 13, N3, N8 and N13 (docs/slurm.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from .cluster import Pod, Tunnel
    from .slurm import Job

SUPERSEDED_SECONDS = 60
"""Age from which on an ended pod goes if its job does not run and its pool has a later ended pod."""
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
    superseded: bool = False
    """An ended pod whose job does not run, and its pool has a later one."""

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
    with_job = {job.pod_uid for job in jobs if job.active}
    ended = sorted((pod for pod in pods if pod.ended and pod.deleted is None), key=lambda pod: pod.created)
    last = {(pod.instance, pod.pool): pod.uid for pod in ended}
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
            superseded = bool(pod.pool) and last[pod.instance, pod.pool] != pod.uid and pod.uid not in with_job
            yield Finding("ended-pod", pod.namespace, pod.name, f"it is {pod.phase} for ever", superseded=superseded)
        elif pod.job and not runs:
            seen = "is not known to Slurm" if job_of_pod is None else f"is {job_of_pod.state}"
            yield Finding("lost-pod", pod.namespace, pod.name, f"it is {pod.phase}, and its job {pod.job} {seen}")
    used = {(pod.namespace, tunnel_of(pod.namespace, pod.name)) for pod in pods}
    for tunnel in tunnels:
        if (tunnel.namespace, tunnel.name) not in used:
            yield Finding("leaked-tunnel", tunnel.namespace, tunnel.name, "no pod has this tunnel")


def tunnel_of(namespace: str, pod: str) -> str:
    """Return the name of a pod's tunnel, which is in the pod's namespace."""
    return f"wstunnel-{pod}-{namespace}"


class Memory:
    """Findings of the looks before."""

    def __init__(self) -> None:
        self._since: Mapping[tuple[str, str, str], float] = {}

    def see(self, found: Sequence[Finding], *, now: float) -> None:
        """Keep the findings of a look, and forget those that it did not have."""
        self._since = {finding.key: self._since.get(finding.key, now) for finding in found}

    def overdue(self, found: Sequence[Finding], *, now: float, grace_seconds: float) -> list[Finding]:
        """Return the findings that each look of the grace period had, the longest first."""
        return self._older(found, lambda _: now - grace_seconds)

    def due(self, found: Sequence[Finding], *, now: float, grace_seconds: float) -> list[Finding]:
        """Return the findings that are to be ended, the longest first."""
        shorter = min(grace_seconds, SUPERSEDED_SECONDS)
        return self._older(found, lambda finding: now - (shorter if finding.superseded else grace_seconds))

    def _older(self, found: Sequence[Finding], than: Callable[[Finding], float]) -> list[Finding]:
        old = [finding for finding in found if self._since[finding.key] <= than(finding)]
        return sorted(old, key=lambda finding: self._since[finding.key])
