"""The pods of a pool as `kubectl get --watch` tells of them."""

from collections.abc import Iterable
from typing import NamedTuple

from benchmarks.kubectl_watch import KubectlWatch
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


class PodWatch(KubectlWatch):
    """Follows the pods while it is entered.

    Args:
        stack: whose pool.
    """

    def __init__(self, stack: SlurmStack) -> None:
        command = stack.kubectl.command(
            "get",
            "pods",
            f"--selector={stack.pool_selector}",
            f"--namespace={stack.namespace}",
            "--watch",
            f'--output=jsonpath={_SEPARATOR.join(_FIELDS)}{{"\\n"}}',
        )
        super().__init__(command)
        self._pods: dict[str, SeenPod] = {}

    def pods(self) -> list[SeenPod]:
        """Return every pod that was told of, those that are gone too."""
        return list(self._pods.values())

    def take(self, lines: Iterable[str]) -> None:
        """Take each pod over."""
        for line in lines:
            pod = parsed(line)
            self._pods[pod.name] = pod


def parsed(line: str) -> SeenPod:
    """Return the pod of a line."""
    return SeenPod(*line.rstrip("\n").split(_SEPARATOR))
