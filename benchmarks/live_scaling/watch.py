"""Objects as `kubectl get --watch` tells of them."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from benchmarks.errors import BenchmarkError
from benchmarks.kubectl_watch import KubectlWatch
from devcluster.kubectl import Kubectl

Object = Mapping[str, Any]


class Watch(KubectlWatch):
    """Follows objects while it is entered.

    Args:
        kubectl: as the cluster's administrator.
        selection: arguments of `kubectl get`, such as `pods` and a namespace.
    """

    def __init__(self, kubectl: Kubectl, *selection: str) -> None:
        self._what = " ".join(selection)
        super().__init__(kubectl.command("get", *selection, "--watch", "--output-watch-events", "--output=json"))
        self._objects: dict[str, Object] = {}

    def objects(self) -> list[Object]:
        """Return the objects that there are.

        Raises:
            BenchmarkError: kubectl has ended.
        """
        if self.has_ended():
            msg = f"`kubectl get {self._what} --watch` has ended: see `python -m devcluster logs kube-apiserver`"
            raise BenchmarkError(msg)
        return list(self._objects.values())

    def take(self, lines: Iterable[str]) -> None:
        """Take each event over."""
        for event in events(lines):
            changed = event["object"]
            objects = {**self._objects, changed["metadata"]["uid"]: changed}
            if event["type"] == "DELETED":
                del objects[changed["metadata"]["uid"]]
            self._objects = objects  # at once, since another thread reads it


def events(lines: Iterable[str]) -> Iterator[Object]:
    """Yield each event of kubectl's output: `type`, and `object`. One is a line."""
    for line in lines:
        yield json.loads(line)
