"""The agent of a Slurm cluster as files: its package, its settings, and its unit."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from components import names
from components.images import in_a_job
from components.timing import ServerTiming
from components.triton.pool import AT_ONCE
from components.triton.slurm_pod import flags, settling_seconds
from components.triton.slurm_pool import start_seconds
from components.virtual_node.agent import settings
from components.virtual_node.slurm_side import CERTIFICATE_FOLDER
from edge.units import FOLDER, USER, unit
from stacks.schema import StackConfig
from stacks.schema.pools import InterLinkPool
from stacks.schema.site import Site
from stacks.schema.slurm_rules import users_of_jobs
from stacks.schema.url import endpoint
from stacks.schema.virtual_nodes import VirtualNode

PACKAGE = "agent"
SETTINGS_FILE = "agent.json"
UNIT = "sonic-slurm-agent.service"


def user_of_agent(site: Site, node: VirtualNode) -> str:
    """Return the user whose jobs the agent ends: Slurm lets nobody but root end those of several."""
    users = users_of_jobs(site, node)
    if users <= {None}:
        return USER
    return str(*users) if len(users) == 1 else "root"


def agent_files(configs: Sequence[StackConfig], node: VirtualNode, *, user: str) -> dict[str, str]:
    """Return the files by their paths in the edge's folder.

    Args:
        configs: all stacks of the site.
        node: the virtual node.
        user: user of the agent, by name or number.
    """
    pools = tuple(pool for config in configs for pool in _pools(config, node))
    made = settings.Settings(
        node=node.name,
        data_folder=node.slurm.data_folder,
        commands_folder=node.slurm.commands_folder,
        pools=pools,
        # The operator makes these three.
        api_server_file=f"{FOLDER}/agent-server",
        token_file=f"{FOLDER}/agent-token",
        authorities_file=f"{FOLDER}/agent-ca.crt",
        **_metrics(node),
    )
    modules = sorted(Path(settings.__file__).parent.glob("*.py"))
    return {
        SETTINGS_FILE: json.dumps(asdict(made), indent=2) + "\n",
        UNIT: unit(
            f"forecasts of {node.slurm.cluster}'s queue, and what it and Kubernetes differ on",
            command=f"/usr/bin/python3 -m {PACKAGE} {FOLDER}/{SETTINGS_FILE}",
            user=user,
            further=f"\nWorkingDirectory={FOLDER}",
        ),
        **{f"{PACKAGE}/{module.name}": module.read_text() for module in modules},
    }


def _metrics(node: VirtualNode) -> dict[str, Any]:
    """Return the settings of the metrics' port: that of the site's file, else the agent's own on loopback."""
    if node.agent is None:
        return {}
    tls = settings.Tls(
        certificate_file=f"{CERTIFICATE_FOLDER}/tls.crt",
        key_file=f"{CERTIFICATE_FOLDER}/tls.key",
        # Not ca.crt: whoever has a certificate of that authority can submit jobs.
        authorities_file=f"{CERTIFICATE_FOLDER}/prometheus.crt",
    )
    return {"port": endpoint(node.agent.url).port, "tls": tls}


def _pools(config: StackConfig, node: VirtualNode) -> Iterator[settings.Pool]:
    server, site = config.experiment.server, config.site
    timing = ServerTiming.in_a_job(config.experiment.traffic, dns_ttl_seconds=site.dns_ttl_seconds)
    for share in config.pool_shares:
        pool = share.pool
        if isinstance(pool, InterLinkPool) and pool.virtual_node == node.name:
            image = in_a_job(server.image, folders=pool.image_folders, mirrors=site.images.mirrors)
            yield settings.Pool(
                instance=config.name,
                pool=pool.name,
                namespace=config.namespace,
                flags=tuple(flags(pool, server, timing)),
                gpus=server.gpus,
                deployment=names.join(config.name, "triton", pool.name),
                queue_wait_seconds=pool.queue_wait_seconds,
                start_seconds=start_seconds(server, image) + settling_seconds(server, timing),
                at_once=AT_ONCE,
            )
