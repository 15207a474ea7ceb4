"""Deploys the stack `dev-slurm` by Pulumi from a copy of the program, and destroys it."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from benchmarks.errors import BenchmarkError
from benchmarks.loopback.fleet import PACED, SLEEP_IDENTITY
from benchmarks.loopback.grpc_messages import PARTICLENET
from benchmarks.traffic.throughput import PACE_MS
from devcluster import deploy, environment
from devcluster.kubectl import Kubectl
from devcluster.paths import CHECKOUT, MODELS
from devcluster.progress import Progress
from devcluster.slurm.configuration import STACK
from devcluster.toolchain import Toolchain
from stacks.resolve import resolve
from testbed.real_triton import copy_models

STEPS = 2

_ENVOY_CPU_CORES = 0.2
"""Two Envoys, and two tunnel pods of their default size, fit on the two cores of the node."""
_PACED_FOLDER = Path(__file__).parents[1] / "loopback" / "models" / PACED
_NOT_DEFAULT = ("cpu_cores", "host", "port", "bastion_public_key")
"""Keys of a tunnel that the site of the development cluster sets: small pods, and a bastion."""
_NOT_THE_PROGRAM = (".*", "__pycache__", "tests", "testbed", "benchmarks", "docs")


@contextmanager
def deployed(toolchain: Toolchain, kubectl: Kubectl, progress: Progress, directory: Path) -> Iterator[None]:
    """Deploy the stack with one server, and destroy it on exit.

    Args:
        toolchain: has Pulumi and its plugin.
        kubectl: as the cluster's administrator.
        progress: gets `STEPS` steps.
        directory: an empty folder that every user may read; gets the models and a copy of the program with its state.

    Raises:
        DevClusterError: the stack is there already, or Pulumi failed.
    """
    namespace = resolve(STACK).config.namespace
    if kubectl.get("namespace", namespace):
        msg = f"the namespace {namespace} is there already: destroy the stack {STACK}, or `make down`, then run again"
        raise BenchmarkError(msg)
    models = copy_models(directory / "models", MODELS / PARTICLENET, MODELS / SLEEP_IDENTITY, _PACED_FOLDER)
    program = directory / "program"
    shutil.copytree(CHECKOUT, program, ignore=shutil.ignore_patterns(*_NOT_THE_PROGRAM))
    _write_override(program, models)
    state = directory / "state"
    state.mkdir()
    variables = environment.variables(toolchain) | {"PULUMI_BACKEND_URL": f"file://{state}"}
    pulumi = deploy.Pulumi(variables, progress.waiting, directory=program)
    pulumi.run("stack", "select", "--create", STACK)
    try:
        with progress.step(f"deploy the stack {STACK}"):
            pulumi.run("up", "--yes", "--skip-preview", deploy.WITHOUT_DOTS, f"--stack={STACK}")
        yield
    finally:
        with progress.step(f"destroy the stack {STACK}"):
            pulumi.run("state", "unprotect", "--all", "--yes", f"--stack={STACK}")
            pulumi.run("destroy", "--yes", "--skip-preview", deploy.WITHOUT_DOTS, f"--stack={STACK}")


def _write_override(program: Path, models: Path) -> None:
    file = program / f"Pulumi.{STACK}.yaml"
    document = yaml.safe_load(file.read_text())
    site = yaml.safe_load((program / "stacks" / "sites" / f"{document['config']['sonic:site']}.yaml").read_text())
    document["config"]["sonic:override"] = override(site, models)
    file.write_text(yaml.safe_dump(document))


def override(site: Mapping[str, Any], models: Path) -> dict[str, Any]:
    """Return what differs from the stack that people deploy: the sizes of pods in the way, no bastion, and the models.

    Args:
        site: the site as its file has it, since a list of an override replaces the site's.
        models: folder of the models.
    """
    return {
        "site": {
            "proxy": {"cpu_cores": _ENVOY_CPU_CORES},
            "virtual_nodes": [
                {**node, "tunnel": {key: value for key, value in node["tunnel"].items() if key not in _NOT_DEFAULT}}
                for node in site["virtual_nodes"]
            ],
            "pools": [{**pool, "binds": [{"source": str(models), "target": "/models"}]} for pool in site["pools"]],
        },
        "experiment": {
            "server": {"environment": {"OPENBLAS_NUM_THREADS": "1", "PACE_MS": str(PACE_MS)}},
            "models": {"expected": [{"name": name} for name in (PARTICLENET, SLEEP_IDENTITY, PACED)]},
        },
    }
