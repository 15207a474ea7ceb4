"""systemd units of interLink's API and Slurm plugin on a host of the HPC site."""

from collections.abc import Mapping
from types import MappingProxyType

from components.virtual_node.slurm_side import (
    API_RUN_FOLDER,
    INTERLINK_FILE,
    PLUGIN_ENVIRONMENT,
    RUN_FOLDER,
    SLURM_FILE,
)
from stacks.schema.remote_apis import OAuth2Api
from stacks.schema.virtual_nodes import VirtualNode

FOLDER = "/etc/interlink"
"""Folder of the edge's files on the host."""
PROGRAMS_FOLDER = "/opt/interlink/bin"
USER = "interlink"
_SOCKET = f"{RUN_FOLDER}/plugin.sock"
_OPEN_SOCKET = (
    f"\nExecStartPost=/bin/sh -c 'until [ -S {_SOCKET} ]; do sleep 0.2; done; "
    f"chgrp {USER} {_SOCKET} && chmod 0660 {_SOCKET}'"
)
"""Lets the API, which is not root, write to the socket of a plugin that is."""
API_UNIT = "interlink-api.service"
PLUGIN_UNIT = "interlink-slurm-plugin.service"


def units(node: VirtualNode, *, for_others: bool) -> dict[str, str]:
    """Return the units by file name. The plugin's run folder, with its socket, lives as long as the plugin.

    Args:
        node: the virtual node.
        for_others: the plugin submits jobs of other users, which root alone can (`sbatch --uid`).
    """
    further = f"\nRuntimeDirectory=interlink\nReadWritePaths={node.slurm.data_folder}"
    plugin = unit(
        f"interLink's Slurm plugin for {node.name}",
        command=f"{PROGRAMS_FOLDER}/interlink-sidecar-slurm",
        user="root" if for_others else USER,
        environment={"SLURMCONFIGPATH": f"{FOLDER}/{SLURM_FILE}", **PLUGIN_ENVIRONMENT},
        further=further + (_OPEN_SOCKET if for_others else ""),
    )
    # Its socket is behind the proxy that takes tokens.
    socket = f"\nRuntimeDirectory={API_RUN_FOLDER.removeprefix('/run/')}\nRuntimeDirectoryMode=0700"
    api = unit(
        f"interLink's API for {node.name}",
        command=f"{PROGRAMS_FOLDER}/interlink",
        environment={"INTERLINKCONFIGPATH": f"{FOLDER}/{INTERLINK_FILE}"},
        after=PLUGIN_UNIT,
        further=socket if isinstance(node.api, OAuth2Api) else "",
    )
    return {PLUGIN_UNIT: plugin, API_UNIT: api}


def unit(
    description: str,
    *,
    command: str,
    user: str = USER,
    environment: Mapping[str, str] = MappingProxyType({}),
    after: str = "",
    further: str = "",
) -> str:
    """Return a unit in the group of the edge's user, which runs for ever and writes nowhere unless `further` allows
    it."""
    variables = "".join(f"\nEnvironment={name}={value}" for name, value in environment.items())
    follows = f"\nAfter={after}\nWants={after}" if after else ""
    return f"""\
[Unit]
Description={description}
Wants=network-online.target
After=network-online.target{follows}

[Service]
User={user}
Group={USER}
ExecStart={command}{variables}
Restart=always
RestartSec=5
NoNewPrivileges=yes
ProtectSystem=strict
PrivateTmp=yes{further}

[Install]
WantedBy=multi-user.target
"""
