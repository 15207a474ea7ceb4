"""Starts the servers and stubs of the loopback suite, and ends them also after an error."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.bench import Cores
from benchmarks.errors import BenchmarkError
from benchmarks.loopback.fleet import Fleet, Installation, assemble_repository, require_free
from benchmarks.loopback.lab import Lab
from benchmarks.loopback.side_envoy import digest
from benchmarks.loopback.sides import SERVICE_NAME, ours, supersonic
from benchmarks.results import Results
from components.envoy.validate import find_envoy
from devcluster.images import triton_root
from devcluster.images.catalog import TRITON
from devcluster.progress import Progress
from devcluster.toolchain import Toolchain
from testbed.dns_stub import DnsStub, Zone

STEPS = 1
"""Steps of progress that `open_lab` takes."""


@contextmanager
def open_lab(progress: Progress, results: Results, seed: int) -> Iterator[Lab]:
    """Envoy, Triton and DNS.

    Args:
        progress: one step of it is taken.
        results: where everything is kept.
        seed: draws arrivals and orders.

    Raises:
        BenchmarkError: we are not root, or another run is under way.
        DevClusterError: Envoy or Triton cannot be had.
    """
    if os.geteuid() != 0:
        msg = f"uid is {os.geteuid()}, but Triton runs here in a root file system of its own: run as root"
        raise BenchmarkError(msg)
    cores = Cores.of_this_machine()
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sonic-benchmark-")))
        scratch.chmod(0o755)  # Triton's user reads the models in it
        with progress.step("Envoy and Triton"):
            require_free(1)
            installation = Installation(
                root=triton_root(Toolchain(), progress),
                repository=assemble_repository(scratch / "models"),
                logs=scratch,
                core=cores.servers,
            )
            envoy = Path(find_envoy())
        fleet = Fleet(installation)
        stack.callback(fleet.close)
        yield Lab(
            fleet=fleet,
            dns=stack.enter_context(DnsStub(Zone(name=SERVICE_NAME))),
            envoy_binary=envoy,
            scratch=scratch,
            results=results,
            progress=progress,
            cores=cores,
            seed=seed,
        )


def facts(lab: Lab) -> dict[str, object]:
    """Return the versions, the hashes of the configurations and the cores of a run."""
    command = [str(lab.envoy_binary), "--version"]
    version = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    return {
        "envoy": version.removeprefix(str(lab.envoy_binary)).strip(),
        "triton": TRITON.tag,
        "configurations": {side.slug: digest(side.config) for side in (supersonic(), ours())},
        "cores": {"client": lab.cores.client, "servers": lab.cores.servers},
    }
