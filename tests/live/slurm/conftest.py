"""The stack of these tests, deployed once."""

import json
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from devcluster.credentials import KUBECONFIG
from tests.support.dev_cluster import Cluster
from tests.support.hpc_host import HpcHost
from tests.support.installed_edge import STACK, InstalledEdge
from tests.support.pulumi_cli import PulumiProject, copy_of_the_program, engine_environment, write_override
from tests.support.slurm_stack import OVERRIDE, SlurmStack, add_pool_of_nodes, models_volume


@pytest.fixture(scope="package")
def deployed(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlurmStack]:
    """The stack with two servers in jobs and one on a node, by a Pulumi program and its real plugin, and its HPC side
    by the page."""
    result = cluster.command("up", "--cluster-only", "--slurm")
    assert result.returncode == 0, result.stderr
    directory = tmp_path_factory.mktemp("program")
    copy_of_the_program(directory)
    write_override(directory, STACK, OVERRIDE, like=STACK)
    add_pool_of_nodes(directory / f"stacks/sites/{STACK}.yaml")
    project = PulumiProject(directory, engine_environment(KUBECONFIG), STACK)
    with ExitStack() as after:
        host = after.enter_context(HpcHost(tmp_path_factory.mktemp("host"), project.environment))
        edge = InstalledEdge(host, project, cluster.kubectl)
        after.callback(edge.remove)
        edge.install()
        # interLink's plugin repeats one pod's state to whoever asks within ten seconds: others would wait for minutes.
        edge.fault(status_cache_seconds=0)
        volume = models_volume()
        cluster.kubectl.apply(json.dumps(volume))
        after.callback(cluster.kubectl.run, "delete", "persistentvolume", volume["metadata"]["name"])
        after.callback(project.destroy)
        after.callback(project.run, "state", "unprotect", "--all", "--yes")
        project.up()
        edge.check()
        edge.measure()
        project.up()
        yield SlurmStack(edge)
