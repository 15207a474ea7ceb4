"""Stand-in for interLink's Slurm plugin: submits a pod as a job, tells its state, and cancels it."""

import json
import os
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from devcluster.slurm import status
from devcluster.slurm.job_script import Job, Pod, UnsupportedPodError, directory_of, job_of
from devcluster.slurm.settings import Faults, SlurmSettings

_SUBMITTED = re.compile(r"Submitted batch job (\d+)")
_SQUEUE = ("--noheader", "-a", "--states=all", "-O", "exit_code,StateCompact", "-j")


class PluginError(Exception):
    """The plugin's answer is an error: the text is its body."""


class Plugin:
    """Jobs of pods.

    Args:
        settings: SlurmConfig.yaml.
        faults: file of the faults to inject.
    """

    def __init__(self, settings: SlurmSettings, faults: Path) -> None:
        self._settings = settings
        self._faults = faults
        self._lock = threading.Lock()
        self._job_ids = dict(_jobs_on_disk(Path(settings.data_root_folder)))
        self._answer: list[dict[str, Any]] = []
        self._answered_at = 0.0

    def create(self, pod: Pod) -> dict[str, str]:
        """Submit a pod.

        Raises:
            PluginError: `sbatch` refused, or wrote anything to standard error, such as a warning: then the job may be
                queued and unknown to the plugin.
        """
        uid = pod["metadata"]["uid"]
        try:
            job = job_of(pod, self._settings)
        except UnsupportedPodError as error:
            raise PluginError(str(error)) from error
        _write(job)
        warning = Faults.read(self._faults).create_fails
        result = _run([self._settings.sbatch_path, str(job.directory / "job.slurm")])
        if said := warning or result.stderr:
            shutil.rmtree(job.directory)
            raise PluginError(said)
        submitted = _SUBMITTED.search(result.stdout)
        job_id = submitted[1] if submitted else ""
        for name, text in {
            "JobID.jid": job_id,
            "PodUID.uid": uid,
            "PodNamespace.ns": pod["metadata"]["namespace"],
        }.items():
            (job.directory / name).write_text(text)
        self._job_ids[uid] = job_id
        return {"PodUID": uid, "PodJID": job_id}

    def status(self, pods: Sequence[Pod]) -> list[dict[str, Any]]:
        """Return the states of pods. One real answer is repeated for ten seconds, whoever asks.

        Raises:
            PluginError: nothing tells the state of one.
        """
        with self._lock:
            age_seconds = time.monotonic() - self._answered_at
            if age_seconds >= Faults.read(self._faults).status_cache_seconds:
                self._answer = [self._status(pod) for pod in pods]
                self._answered_at = time.monotonic()
            return self._answer

    def _status(self, pod: Pod) -> dict[str, Any]:
        names = [container["name"] for container in pod["spec"]["containers"]]
        directory = directory_of(pod, self._settings)
        job_id = self._job_ids.get(pod["metadata"]["uid"])
        if job_id is None:
            return status.pod_status(pod, [{"name": name, "state": {}, "ready": False} for name in names])
        result = _run([self._settings.squeue_path, *_SQUEUE, job_id])
        try:
            if result.stderr:
                return status.pod_status(pod, status.states_from_files(names, directory))
            state = Faults.read(self._faults).state
            printed = f"0 {state}" if state else result.stdout
            return status.pod_status(pod, status.container_states(names, printed, directory))
        except (status.NoStateError, OSError) as error:
            raise PluginError(str(error)) from error

    def delete(self, pod: Pod) -> None:
        """Cancel a pod's job and remove its folder, while the job may still run.

        Raises:
            PluginError: the job is unknown, or Slurm does not answer.
        """
        if Faults.read(self._faults).delete_fails:
            msg = "the fault `delete_fails` is on"
            raise PluginError(msg)
        job_id = self._job_ids.get(pod["metadata"]["uid"])
        if job_id is None:
            msg = "runtime error: invalid memory address or nil pointer dereference"
            raise PluginError(msg)
        result = _run([self._settings.scancel_path, job_id])
        if result.returncode != 0:
            raise PluginError(result.stderr)
        del self._job_ids[pod["metadata"]["uid"]]
        shutil.rmtree(directory_of(pod, self._settings), ignore_errors=True)

    def logs(self, namespace: str, uid: str, container: str, tail_lines: int) -> str:
        """Return the job's output and then the container's.

        Raises:
            PluginError: there is none.
        """
        directory = Path(f"{self._settings.data_root_folder}{namespace}-{uid}")
        try:
            texts = [(directory / name).read_text(errors="replace") for name in ("job.out", f"run-{container}.out")]
        except OSError as error:
            raise PluginError(str(error)) from error
        lines = "".join(texts).splitlines(keepends=True)
        return "".join(lines[-tail_lines:] if tail_lines else lines)

    def ping(self) -> dict[str, Any]:
        """Return the Node's new resources: what the configured script prints, else what is free in Slurm now.

        Raises:
            PluginError: Slurm does not answer, or the fault is on.
        """
        if Faults.read(self._faults).ping_fails:
            msg = "the fault `ping_fails` is on"
            raise PluginError(msg)
        if self._settings.resource_script_path:
            result = _run([self._settings.resource_script_path])
            if result.returncode == 0:
                return {"status": "ok", **json.loads(result.stdout)}
        result = _run([self._settings.sinfo_path, "--json"])
        if result.returncode != 0:
            raise PluginError(result.stderr)
        nodes: list[Mapping[str, Any]] = json.loads(result.stdout)["nodes"]
        cpus = sum(node["cpus"] - node["alloc_cpus"] for node in nodes)
        memory_mib = sum(node["real_memory"] - (node["alloc_memory"] or _used_mib(node)) for node in nodes)
        return {"status": "ok", "resources": {"cpu": str(max(cpus, 0)), "memory": f"{max(memory_mib, 0)}Mi"}}


def _used_mib(node: Mapping[str, Any]) -> int:
    return int(node["real_memory"]) - int(node["free_memory"])


def _jobs_on_disk(root: Path) -> list[tuple[str, str]]:
    return [((file.parent / "PodUID.uid").read_text(), file.read_text()) for file in root.glob("*/JobID.jid")]


def _write(job: Job) -> None:
    job.directory.mkdir(parents=True, exist_ok=True)
    for name, text in job.files.items():
        file = job.directory / name
        file.write_text(text)
        if name in {"job.slurm", "job.sh"}:
            file.chmod(0o774)
        if job.uid is not None:
            os.chown(file, job.uid, -1)
    if job.uid is not None:
        os.chown(job.directory, job.uid, -1)


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False)
