"""An Envoy of ours with its admission controller."""

from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.loopback.lab import Lab
from benchmarks.loopback.side_envoy import Envoy
from benchmarks.loopback.sides import Side
from components.envoy import AdmissionArgs
from components.envoy.memory import requests_max
from stacks.schema.site import Proxy
from testbed.real_controller import Controller


@contextmanager
def controlled(lab: Lab, side: Side, args: AdmissionArgs, *, members: int) -> Iterator[Envoy]:
    """Start both, with so many healthy servers, and wait for the controller's first decision."""
    with (
        lab.envoy(side, members) as envoy,
        Controller(args, envoy, lab.scratch, memory_max=requests_max(Proxy()), core=lab.cores.servers) as controller,
    ):
        controller.process.await_that(
            lambda: "in progress" in controller.log.read_text(), "the first decision of the admission controller", 30
        )
        yield envoy
