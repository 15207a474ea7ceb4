"""The state of a job as interLink's Slurm plugin tells it, with its misreadings."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_STATE = re.compile("CD|CG|F|OOM|PD|PR|R|ST|S|TO")
"""The plugin looks for these anywhere in squeue's output: `CF` reads as `F`, `NF` as `F`, `CA` as none."""

_EXIT_CODE = re.compile(r"([0-9]|[1-9][0-9]|1[0-9][0-9]|2[0-4][0-9]|25[0-5])\s")
_WAITING = frozenset({"PD", "S"})
_MESSAGES = {
    "TO": ("SlurmJobTimeout", "SLURM job reached its time limit and was terminated"),
    "OOM": ("OOMKilled", "SLURM job was killed due to out-of-memory condition"),
}

State = Mapping[str, Any]


class NoStateError(Exception):
    """Neither squeue nor the files tell how a container ended: the plugin answers 500."""


def pod_status(pod: Mapping[str, Any], containers: Sequence[State]) -> dict[str, Any]:
    """Return an entry of the answer of `/status`."""
    metadata = pod["metadata"]
    return {
        "name": metadata["name"],
        "UID": metadata["uid"],
        "namespace": metadata["namespace"],
        "JID": "",
        "containers": list(containers),
        "initContainers": None,
    }


def container_states(names: Sequence[str], squeue: str, directory: Path) -> list[State]:
    """Return the states of a job's containers.

    Args:
        names: of the containers.
        squeue: exit code and short state of the job, as `squeue -O exit_code,StateCompact` prints them.
        directory: of the job's files.
    """
    match = _STATE.search(squeue)
    state = match[0] if match else ""
    if state in _WAITING:
        return [_container(name, {"waiting": {}}) for name in names]
    if state in {"R", "CG"}:
        return [_running(name, directory, is_completing=state == "CG") for name in names]
    code = _EXIT_CODE.search(squeue)
    exit_code = int(code[1]) if code else 0
    reason, message = _MESSAGES.get(state, ("", ""))
    return [_terminated(name, _exit_code(name, directory, exit_code), reason, message) for name in names]


def states_from_files(names: Sequence[str], directory: Path) -> list[State]:
    """Return the states of the containers of a job that Slurm has forgotten.

    Raises:
        NoStateError: a container wrote no exit code.
    """
    codes = [_written_exit_code(name, directory) for name in names]
    if None in codes:
        msg = f"unable to retrieve container status: {directory} has no exit code of {names[codes.index(None)]}"
        raise NoStateError(msg)
    return [_terminated(name, code or 0) for name, code in zip(names, codes, strict=True)]


def _running(name: str, directory: Path, *, is_completing: bool) -> State:
    if is_completing or _probes_succeeded(name, directory):
        return _container(name, {"running": {"startedAt": None}}, is_ready=True)
    return _container(name, {"waiting": {"reason": "Waiting for probes to be ready."}})


def _probes_succeeded(name: str, directory: Path) -> bool:
    metadata = directory / f"probe-metadata-{name}.txt"
    counts = dict(line.split(":") for line in metadata.read_text().splitlines()) if metadata.exists() else {}
    results = {
        kind: (directory / f"{kind}-probe-{name}-0.status").read_text().strip()
        for kind, count in counts.items()
        if count != "0" and (directory / f"{kind}-probe-{name}-0.status").exists()
    }
    return all(results.get(kind) == "SUCCESS" for kind, count in counts.items() if count != "0")


def _exit_code(name: str, directory: Path, from_slurm: int) -> int:
    written = _written_exit_code(name, directory)
    if written is None:
        (directory / f"run-{name}.status").write_text(str(from_slurm))
        return from_slurm
    return written


def _written_exit_code(name: str, directory: Path) -> int | None:
    file = directory / f"run-{name}.status"
    return int(file.read_text()) if file.exists() else None


def _terminated(name: str, exit_code: int, reason: str = "", message: str = "") -> State:
    ended = {"exitCode": exit_code, "reason": reason, "message": message, "startedAt": None, "finishedAt": None}
    return _container(name, {"terminated": ended})


def _container(name: str, state: Mapping[str, Any], *, is_ready: bool = False) -> State:
    return {
        "name": name,
        "state": state,
        "ready": is_ready,
        "restartCount": 0,
        "image": "",
        "imageID": "",
        "lastState": {},
    }
