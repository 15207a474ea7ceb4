"""The pods of a pool as `kubectl get --watch` tells of them, without the delay of a poll."""

import subprocess
import threading
from typing import NamedTuple, Self

from benchmarks.offload.slurm_stack import SlurmStack

_FIELDS = (
    "{.metadata.name}",
    "{.metadata.uid}",
    "{.status.podIP}",
    '{.status.conditions[?(@.type=="Ready")].status}',
)
_SEPARATOR = "|"


class SeenPod(NamedTuple):
    """A pod, as last told of."""

    name: str
    uid: str
    address: str
    """Its IP address; empty before it has one."""
    ready: str
    """Status of its condition `Ready`; empty before it has one."""


class PodWatch:
    """Follows the pods while it is entered.

    Args:
        stack: whose pool.
    """

    def __init__(self, stack: SlurmStack) -> None:
        self._command = stack.kubectl.command(
            "get",
            "pods",
            f"--selector={stack.pool_selector}",
            f"--namespace={stack.namespace}",
            "--watch",
            f'--output=jsonpath={_SEPARATOR.join(_FIELDS)}{{"\\n"}}',
        )
        self._pods: dict[str, SeenPod] = {}

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, text=True)
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._reader.join()
        self._process.wait()

    def pods(self) -> list[SeenPod]:
        """Return every pod that was told of, those that are gone too."""
        return list(self._pods.values())

    def _read(self) -> None:
        assert self._process.stdout is not None  # noqa: S101  a pipe, as Popen was told
        for line in self._process.stdout:
            pod = parsed(line)
            self._pods[pod.name] = pod


def parsed(line: str) -> SeenPod:
    """Return the pod of a line."""
    return SeenPod(*line.rstrip("\n").split(_SEPARATOR))
