"""Objects as `kubectl get --watch` tells of them, without the cost of a poll."""

import json
import subprocess
import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self

from benchmarks.errors import BenchmarkError
from devcluster.kubectl import Kubectl

Object = Mapping[str, Any]


class Watch:
    """Follows objects while it is entered.

    Args:
        kubectl: as the cluster's administrator.
        selection: arguments of `kubectl get`, such as `pods` and a namespace.
    """

    def __init__(self, kubectl: Kubectl, *selection: str) -> None:
        self._what = " ".join(selection)
        self._command = kubectl.command("get", *selection, "--watch", "--output-watch-events", "--output=json")
        self._objects: dict[str, Object] = {}

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, text=True)
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._reader.join()
        self._process.wait()

    def objects(self) -> list[Object]:
        """Return the objects that there are.

        Raises:
            BenchmarkError: kubectl has ended.
        """
        if self._process.poll() is not None:
            msg = f"`kubectl get {self._what} --watch` has ended: see `python -m devcluster logs kube-apiserver`"
            raise BenchmarkError(msg)
        return list(self._objects.values())

    def _read(self) -> None:
        assert self._process.stdout is not None  # noqa: S101  a pipe, as Popen was told
        for event in events(self._process.stdout):
            changed = event["object"]
            objects = {**self._objects, changed["metadata"]["uid"]: changed}
            if event["type"] == "DELETED":
                del objects[changed["metadata"]["uid"]]
            self._objects = objects  # at once, since another thread reads it


def events(lines: Iterable[str]) -> Iterator[Object]:
    """Yield each event of kubectl's output: `type`, and `object`. One is a line."""
    for line in lines:
        yield json.loads(line)
