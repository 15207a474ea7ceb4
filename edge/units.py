"""systemd units of interLink's API and Slurm plugin on a host of the HPC site."""

from collections.abc import Mapping
from types import MappingProxyType

from components.virtual_node.slurm_side import INTERLINK_FILE, PLUGIN_ENVIRONMENT, SLURM_FILE
from stacks.schema.virtual_nodes import VirtualNode

FOLDER = "/etc/interlink"
"""Folder of the edge's files on the host."""
PROGRAMS_FOLDER = "/opt/interlink/bin"
USER = "interlink"
API_UNIT = "interlink-api.service"
PLUGIN_UNIT = "interlink-slurm-plugin.service"


def units(node: VirtualNode) -> dict[str, str]:
    """Return the units by file name. The plugin's run folder, with its socket, lives as long as the plugin."""
    plugin = unit(
        f"interLink's Slurm plugin for {node.name}",
        command=f"{PROGRAMS_FOLDER}/interlink-sidecar-slurm",
        environment={"SLURMCONFIGPATH": f"{FOLDER}/{SLURM_FILE}", **PLUGIN_ENVIRONMENT},
        further=f"\nRuntimeDirectory=interlink\nReadWritePaths={node.slurm.data_folder}",
    )
    api = unit(
        f"interLink's API for {node.name}",
        command=f"{PROGRAMS_FOLDER}/interlink",
        environment={"INTERLINKCONFIGPATH": f"{FOLDER}/{INTERLINK_FILE}"},
        after=PLUGIN_UNIT,
    )
    return {PLUGIN_UNIT: plugin, API_UNIT: api}


def unit(
    description: str,
    *,
    command: str,
    environment: Mapping[str, str] = MappingProxyType({}),
    after: str = "",
    further: str = "",
) -> str:
    """Return a unit of the edge's user, which runs for ever and writes nowhere unless `further` allows it."""
    variables = "".join(f"\nEnvironment={name}={value}" for name, value in environment.items())
    follows = f"\nAfter={after}\nWants={after}" if after else ""
    return f"""\
[Unit]
Description={description}
Wants=network-online.target
After=network-online.target{follows}

[Service]
User={USER}
ExecStart={command}{variables}
Restart=always
RestartSec=5
NoNewPrivileges=yes
ProtectSystem=strict
PrivateTmp=yes{further}

[Install]
WantedBy=multi-user.target
"""
