"""Configuration of interLink's API and Slurm plugin, and the scripts that the plugin runs instead of Slurm's commands.

Keys are those of pkg/interlink/config.go in interLink, and of pkg/slurm/types.go in the Slurm plugin.
"""

import json
from typing import Any

from components.virtual_node.kubelet_config import API_PORT, tls_files
from stacks.schema.remote_apis import HttpsApi, OAuth2Api
from stacks.schema.url import endpoint
from stacks.schema.virtual_nodes import SocketApi, VirtualNode

INTERLINK_FILE = "InterLinkConfig.yaml"
SLURM_FILE = "SlurmConfig.yaml"
RESOURCES_FILE = "resources.sh"
SBATCH_FILE = "sbatch.sh"
SCANCEL_FILE = "scancel.sh"
REFUSED_JOB_SECONDS = 60
"""Time until the plugin hears that Slurm refused a job: see `FAILED_JOB_SECONDS`. interLink waits for it for 120 s."""
RUN_FOLDER = "/run/interlink"
"""Folder of the plugin's socket."""
API_RUN_FOLDER = "/run/interlink-api"
API_SOCKET = f"{API_RUN_FOLDER}/api.sock"
"""Socket of the API behind a proxy that takes tokens."""
CERTIFICATE_FOLDER = "/etc/interlink/certificate"
"""Folder of the API's certificate at the edge: `tls.crt`, `tls.key`, and `ca.crt` of those that may call it."""


def interlink_config(node: VirtualNode) -> dict[str, Any]:
    """Return the configuration of the API."""
    return {
        **_address(node),
        "SidecarURL": f"unix://{RUN_FOLDER}/plugin.sock",
        "SidecarPort": "0",
        "VerboseLogging": False,
        # It logs pods, whose annotations hold the path prefix of a wstunnel.
        "ErrorsOnlyLogging": True,
        "DataRootFolder": data_folder(node),
    }


def _address(node: VirtualNode) -> dict[str, Any]:
    match node.api:
        case SocketApi():
            return {"InterlinkAddress": "http://127.0.0.1", "InterlinkPort": str(API_PORT)}
        case HttpsApi(url=url):
            # The API refuses whoever has no certificate of these authorities.
            return {
                "InterlinkAddress": "https://0.0.0.0",
                "InterlinkPort": str(endpoint(url).port),
                "TLS": tls_files(CERTIFICATE_FOLDER),
            }
        case OAuth2Api():
            # It checks no token itself, so only the proxy may reach it.
            return {"InterlinkAddress": f"unix://{API_SOCKET}", "InterlinkPort": "0"}


def slurm_config(node: VirtualNode, *, folder: str) -> dict[str, Any]:
    """Return the configuration of the plugin.

    Args:
        node: the virtual node.
        folder: folder of the scripts, where the plugin runs.
    """
    slurm = node.slurm
    scancel = f"{folder}/{SCANCEL_FILE}" if slurm.scancel_wrapper else f"{slurm.commands_folder}/scancel"
    return {
        # A port would be open on all addresses of the host.
        "Socket": f"unix://{RUN_FOLDER}/plugin.sock",
        "SbatchPath": f"{folder}/{SBATCH_FILE}",
        "SqueuePath": f"{slurm.commands_folder}/squeue",
        "SinfoPath": f"{slurm.commands_folder}/sinfo",
        "ScancelPath": scancel,
        "BashPath": "/bin/bash",
        "DataRootFolder": data_folder(node),
        "ExportPodData": True,
        "ImagePrefix": "docker://",
        "ContainerRuntime": "singularity",
        "SingularityPath": slurm.runtime_path,
        "SingularityDefaultOptions": list(slurm.runtime_options),
        # Without probes a pod is ready as soon as its job runs.
        "EnableProbes": True,
        # The plugin's own answer is what is free, from which the scheduler subtracts the running pods once more.
        "ResourceScriptPath": f"{folder}/{RESOURCES_FILE}",
        "VerboseLogging": False,
        "ErrorsOnlyLogging": False,
    }


def data_folder(node: VirtualNode) -> str:
    """Return the folder of the jobs with a slash at its end: the plugin appends the names of the jobs to it."""
    return f"{node.slurm.data_folder.rstrip('/')}/"


PLUGIN_ENVIRONMENT = {"SHARED_FS": "true"}
"""Environment of the plugin besides the path of its configuration. Otherwise it keeps the files of a job to itself."""


def scripts(node: VirtualNode) -> dict[str, str]:
    """Return the scripts of the plugin, by file name."""
    wrapper = {SCANCEL_FILE: _scancel(node)} if node.slurm.scancel_wrapper else {}
    return {RESOURCES_FILE: _resources(node), SBATCH_FILE: _sbatch(node), **wrapper}


def _resources(node: VirtualNode) -> str:
    capacity = node.capacity
    answer = {
        "status": "ok",
        "resources": {
            "cpu": str(capacity.cpu_cores),
            "memory": f"{capacity.memory_gib}Gi",
            "pods": str(capacity.pods),
        },
    }
    return f"""\
#!/bin/bash
# The resources of the virtual node, in total. Fails where Slurm does not answer. Where the file system of the jobs does
# not, it waits: interLink gives up after 120 s, and the node gets no new pods. If it failed, the plugin would answer by
# itself.
touch {data_folder(node)}.alive || sleep 150
{node.slurm.commands_folder}/sinfo --noheader >/dev/null || exit 1
echo '{json.dumps(answer)}'
"""


def _sbatch(node: VirtualNode) -> str:
    return f"""\
#!/bin/bash
# sbatch of one job. The plugin takes any word on standard error for a failure, and forgets the job: a warning goes to
# standard output. Kubernetes replaces the pod of a refused job at once: a refusal takes {REFUSED_JOB_SECONDS} s.
exec 3>&1
if said=$({node.slurm.commands_folder}/sbatch "$@" 2>&1 >&3); then
  echo "$said"
else
  sleep {REFUSED_JOB_SECONDS}
  echo "$said" >&2
  exit 1
fi
"""


def _scancel(node: VirtualNode) -> str:
    commands = node.slurm.commands_folder
    return f"""\
#!/bin/bash
# scancel of one job. A running job gets SIGTERM to its script, which drains the server and ends the job; scancel itself
# would send SIGKILL after KillWait. Any other job is cancelled.
state=$({commands}/squeue --noheader --format=%T --jobs="$1" 2>/dev/null)
if [ "$state" = RUNNING ]; then
  exec {commands}/scancel --batch --signal=TERM "$1"
fi
exec {commands}/scancel "$1"
"""
