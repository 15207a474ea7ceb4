"""The files of one virtual node, by name."""

from collections.abc import Sequence
from typing import Any

import yaml

from components.images import mirrored
from components.virtual_node import VirtualNodeImages
from components.virtual_node.slurm_side import INTERLINK_FILE, SLURM_FILE, interlink_config, scripts, slurm_config
from edge.agent import agent_files, user_of_agent
from edge.chart import chart_values, scripts_config_map
from edge.oauth2_proxy import proxy_files
from edge.units import FOLDER, units
from stacks.schema import StackConfig
from stacks.schema.remote_apis import OAuth2Api, RemoteApi
from stacks.schema.slurm_rules import submits_for_others
from stacks.schema.virtual_nodes import SocketApi, VirtualNode


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as they are."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, "|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def edge_files(config: StackConfig, node: VirtualNode, stacks: Sequence[StackConfig]) -> dict[str, str]:
    """Return what the HPC site installs, and the chart's values where somebody else deploys the virtual kubelet.

    Args:
        config: a stack of the site.
        node: the virtual node.
        stacks: all stacks of the site, whose jobs the agent looks after.
    """
    files = agent_files(stacks, node, user=user_of_agent(config.site, node))
    if isinstance(node.api, RemoteApi):
        files |= {INTERLINK_FILE: _yaml(interlink_config(node)), SLURM_FILE: _yaml(slurm_config(node, folder=FOLDER))}
        files |= {**scripts(node), **units(node, for_others=submits_for_others(config.site, node))}
    if isinstance(node.api, OAuth2Api):
        files |= proxy_files(node, node.api)
    if not node.deployed:
        images = config.site.images
        plugin = mirrored(node.api.plugin_image, images.mirrors) if isinstance(node.api, SocketApi) else None
        files["values.yaml"] = _yaml(chart_values(node, VirtualNodeImages.of(node.interlink, images), plugin))
        if isinstance(node.api, SocketApi):
            files["scripts-configmap.yaml"] = _yaml(scripts_config_map(node))
    return files


def _yaml(value: Any) -> str:
    text: str = yaml.dump(value, Dumper=_Dumper, sort_keys=False, width=120)
    return text
