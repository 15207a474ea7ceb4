"""The admission controller beside an Envoy of ours: the files and the command line of its container, as processes."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.loopback.envoy import Envoy, free_ports
from benchmarks.loopback.lab import Lab
from benchmarks.loopback.process import Process
from benchmarks.loopback.sides import Side
from components.envoy import AdmissionArgs
from components.envoy.admission import command, files
from components.envoy.memory import requests_max
from stacks.schema.site import Proxy

_DECIDE_TIMEOUT_SECONDS = 30


@contextmanager
def controlled(lab: Lab, side: Side, args: AdmissionArgs, *, members: int) -> Iterator[Envoy]:
    """A fresh Envoy of ours that knows so many servers, with its controller, which has decided for the first time."""
    with lab.envoy(side, members) as envoy:
        (probe_port,) = free_ports(1)
        folder = lab.scratch / f"admission-{envoy.admin_port}"
        folder.mkdir()
        made = files(args, envoys=1, memory_max=requests_max(Proxy()), admin_port=envoy.admin_port)
        for name, content in made.items():
            (folder / name).write_text(content)
        log = folder / "log"
        words = command(
            args, folder=str(folder), admin_port=envoy.admin_port, probe_port=probe_port, python=sys.executable
        )
        process = Process(words, log=log, core=lab.cores.servers)
        try:
            decided = "the admission controller has decided"
            process.await_that(lambda: "in progress" in log.read_text(), decided, _DECIDE_TIMEOUT_SECONDS)
            yield envoy
        finally:
            process.end()
