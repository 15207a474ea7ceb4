"""One look at Slurm and the cluster: metrics, disagreements, and what is done about them."""

from __future__ import annotations

import json
import math
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING, TypeVar

from . import renewal, slurm
from .cluster import Cluster, ClusterError
from .janitor import FINDINGS, Finding, Memory, findings, tunnel_of
from .metrics import Metrics
from .slurm import SlurmError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from .cluster import Pod, Tunnel
    from .settings import Pool, Settings
    from .slurm import Job

CONDITIONS = ("Ready", "InterlinkConnectivity")
"""Conditions of the virtual node that are exported."""

T = TypeVar("T")


class Agent:
    """The state of the agent between two looks."""

    def __init__(self, settings: Settings) -> None:
        self.metrics = Metrics()
        self._settings = settings
        self._cluster = Cluster(settings)
        self._memory = Memory()
        self._looked: float | None = None
        self._ended: set[str] = set()
        self._pool_of: Mapping[str, tuple[str, str]] = {}

    def look(self) -> None:
        """Look once. What cannot be asked is logged, and nothing is done on half of the facts."""
        waits = {pool: self._forecast(pool) for pool in self._settings.pools}
        jobs = self._asked("slurm", lambda: slurm.jobs(self._settings))
        objects = self._asked("kubernetes", self._objects)
        if jobs is None or objects is None:
            return
        pods, tunnels = objects
        now = time.time()
        self._count(jobs, pods, now)
        found = list(findings(jobs, pods, tunnels, now=now))
        self._count_kinds("sonic_janitor_findings", found)
        for pool, wait in waits.items():
            self._renew(pool, jobs, pods, now, wait_seconds=wait)
        self._memory.see(found, now=now)
        grace_seconds = self._settings.grace_seconds
        self._count_kinds("sonic_janitor_overdue", self._memory.overdue(found, now=now, grace_seconds=grace_seconds))
        due = self._memory.due(found, now=now, grace_seconds=grace_seconds)
        for finding in due[: self._settings.actions_max]:
            self._act(finding)
        if len(due) > self._settings.actions_max:
            say("more to do", left=len(due) - self._settings.actions_max)
        self.metrics.set("sonic_agent_last_look_timestamp_seconds", now)
        self._looked = now

    def _count_kinds(self, metric: str, found: Sequence[Finding]) -> None:
        for kind in FINDINGS:
            self.metrics.set(metric, sum(each.kind == kind for each in found), finding=kind)

    def _asked(self, source: str, ask: Callable[[], T]) -> T | None:
        """Return an answer; None, logged and exported, if there is none."""
        answer: T | None
        try:
            answer = ask()
        except (SlurmError, ClusterError, OSError) as error:
            say("no answer", source=source, reason=str(error))
            answer = None
        self.metrics.set("sonic_agent_answered", 0 if answer is None else 1, source=source)
        return answer

    def _objects(self) -> tuple[list[Pod], list[Tunnel]]:
        """Return the pods and tunnels of the node, and export its conditions."""
        conditions = self._cluster.conditions()
        for name in CONDITIONS:
            self.metrics.set("sonic_virtual_node_condition", int(conditions.get(name, False)), condition=name)
        return self._cluster.pods(), self._cluster.tunnels()

    def _forecast(self, pool: Pool) -> float:
        """Return the time until a job of the pool would start, in seconds; NaN if Slurm forecasts none."""
        labels = labels_of(pool)
        try:
            wait = slurm.wait_seconds(self._settings, pool.flags)
        except SlurmError as error:
            say("no forecast", **labels, reason=str(error))
            wait = math.nan
        self.metrics.set("sonic_slurm_queue_wait_seconds", wait, **labels)
        self.metrics.set("sonic_slurm_forecast_success", 0 if math.isnan(wait) else 1, **labels)
        return wait

    def _count(self, jobs: Sequence[Job], pods: Sequence[Pod], now: float) -> None:
        pool_of = {pod.uid: (pod.instance, pod.pool) for pod in pods}
        for name in ("sonic_slurm_jobs", "sonic_slurm_next_end_timestamp_seconds"):
            self.metrics.forget(name)
        passed = 0.0 if self._looked is None else now - self._looked
        for pool in self._settings.pools:
            own = [job for job in jobs if pool_of.get(job.pod_uid) == (pool.instance, pool.pool)]
            self._count_pool(pool, own, passed)
            for end in ("planned", "early"):
                self.metrics.add("sonic_slurm_ended_jobs_total", 0, **labels_of(pool), end=end)
        self._count_ends(jobs, pool_of)

    def _count_ends(self, jobs: Sequence[Job], pool_of: Mapping[str, tuple[str, str]]) -> None:
        """Count the jobs that ended since the last look; one may have begun since, too."""
        pools = {**pool_of, **self._pool_of}
        for job in jobs:
            is_new = self._looked is not None and job.id not in self._ended
            if is_new and not job.active and job.pod_uid in pools:
                self._count_end(job, *pools[job.pod_uid])
        self._ended = {job.id for job in jobs if not job.active}
        self._pool_of = pool_of

    def _count_end(self, job: Job, instance: str, pool: str) -> None:
        end = "planned" if job.state in slurm.PLANNED_ENDS else "early"
        self.metrics.add("sonic_slurm_ended_jobs_total", 1, sonic_instance=instance, pool=pool, end=end)
        if end == "early":
            say("job ended early", job=job.id, state=job.state, instance=instance, pool=pool)

    def _count_pool(self, pool: Pool, jobs: Sequence[Job], passed_seconds: float) -> None:
        labels = labels_of(pool)
        # A state without jobs is 0 and not away: an alert on "none runs" needs a number.
        states = Counter({"PENDING": 0, "RUNNING": 0})
        states.update(job.state for job in jobs if job.active)
        for state, number in states.items():
            self.metrics.set("sonic_slurm_jobs", number, **labels, state=state)
        ends = [job.ends for job in jobs if job.state == "RUNNING" and job.ends is not None]
        if ends:
            self.metrics.set("sonic_slurm_next_end_timestamp_seconds", min(ends), **labels)
        self.metrics.add("sonic_slurm_gpu_seconds_total", states["RUNNING"] * pool.gpus * passed_seconds, **labels)
        self.metrics.add("sonic_slurm_queue_seconds_total", states["PENDING"] * passed_seconds, **labels)

    def _renew(self, pool: Pool, jobs: Sequence[Job], pods: Sequence[Pod], now: float, *, wait_seconds: float) -> None:
        """Tell Kubernetes which server ends first, and restart the pool's Deployment before that."""
        ends = {job.id: job.ends for job in jobs if job.state == "RUNNING" and job.ends is not None}
        own = [pod for pod in pods if (pod.instance, pod.pool) == (pool.instance, pool.pool) and pod.job in ends]
        # A forecast longer than usual may be the end of the pool's own servers, if they fill the partition.
        usual = pool.queue_wait_seconds
        wait = usual if math.isnan(wait_seconds) else min(usual, wait_seconds)
        step = wait + pool.start_seconds
        try:
            for pod in own:
                cost = str(renewal.cost(ends[pod.job]))
                if self._settings.act and pod.cost != cost:
                    self._cluster.set_cost(pod, cost)
            limits = [ends[pod.job] for pod in own]
            wanted = renewal.due(limits, now=now, step_seconds=step, at_once=pool.at_once)
            if not wanted or self._cluster.rolls(pool.namespace, pool.deployment):
                return
            if self._settings.act:
                self._cluster.restart(pool.namespace, pool.deployment, now=now)
        except (ClusterError, OSError) as error:
            say("not renewed", deployment=pool.deployment, reason=str(error))
            return
        outcome = "done" if self._settings.act else "dry-run"
        self.metrics.add("sonic_agent_renewals_total", 1, **labels_of(pool), outcome=outcome)
        say(outcome, kind="renewal", namespace=pool.namespace, name=pool.deployment, reason="servers reach their limit")

    def _act(self, finding: Finding) -> None:
        outcome, failure = "dry-run", {}
        if self._settings.act:
            try:
                self._end(finding)
                outcome = "done"
            except (SlurmError, ClusterError, OSError) as error:
                outcome, failure = "failed", {"failure": str(error)}
        self.metrics.add("sonic_janitor_actions_total", 1, finding=finding.kind, outcome=outcome)
        say(outcome, **finding._asdict(), **failure)

    def _end(self, finding: Finding) -> None:
        if finding.kind == "orphan-job":
            slurm.cancel(self._settings, finding.name)
        elif finding.kind == "leaked-tunnel":
            self._cluster.delete_tunnel(finding.namespace, finding.name)
        else:
            at_once = 0 if finding.kind == "stuck-pod" else None
            self._cluster.delete_pod(finding.namespace, finding.name, grace_seconds=at_once)
        if finding.kind == "ended-pod":
            # The virtual kubelet would do it once it does not wait for another tunnel's pod, which may lack these CPUs.
            self._cluster.delete_tunnel(finding.namespace, tunnel_of(finding.namespace, finding.name))


def labels_of(pool: Pool) -> dict[str, str]:
    """Return the labels of a pool's series. Prometheus itself sets a label `instance`, to the agent's address."""
    return {"sonic_instance": pool.instance, "pool": pool.pool}


def say(what: str, **facts: object) -> None:
    """Log one JSON line."""
    line = {"time": time.strftime("%FT%TZ", time.gmtime()), "agent": what, **facts}
    sys.stderr.write(json.dumps(line) + "\n")
    sys.stderr.flush()
