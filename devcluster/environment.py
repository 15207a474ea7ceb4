"""The environment in which plain `pulumi`, `kubectl` and `python -m acceptance dev` meet the development cluster."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

from devcluster.credentials import KUBECONFIG
from devcluster.files import write
from devcluster.images import envoy_binary
from devcluster.paths import CHECKOUT, RUN, STATE
from devcluster.progress import Progress
from devcluster.toolchain import Toolchain

STAND_IN = CHECKOUT / "devcluster" / "provider" / "bin"
"""Holds the `pulumi-resource-kubernetes` for machines that cannot have the official one."""

PULUMI_STATE = STATE / "pulumi"
SHELL_START_FILE = RUN / "bashrc"


def variables(toolchain: Toolchain, progress: Progress) -> dict[str, str]:
    """The variables by name.

    Our `.venv/bin` comes first on PATH, because that is where Pulumi's language host looks for Python: the one that
    we can build ignores `runtime.options.virtualenv`.
    """
    own = [Path(sys.prefix) / "bin", *toolchain.bin_directories()]
    if not has_official_plugin(toolchain.path("pulumi")):
        own.append(STAND_IN)
    inherited = [folder for folder in os.environ.get("PATH", os.defpath).split(os.pathsep) if Path(folder) not in own]
    return {
        "PATH": os.pathsep.join([*map(str, own), *inherited]),
        "KUBECONFIG": str(KUBECONFIG),
        "PULUMI_BACKEND_URL": f"file://{PULUMI_STATE}",
        "PULUMI_CONFIG_PASSPHRASE": "",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "SONIC_ENVOY": os.environ.get("SONIC_ENVOY") or str(envoy_binary(progress)),
    }


def has_official_plugin(pulumi: Path) -> bool:
    """Whether Pulumi has the official Kubernetes plugin installed, of any version."""
    listing = subprocess.run([pulumi, "plugin", "ls", "--json"], capture_output=True, text=True, check=True).stdout
    return any(plugin["name"] == "kubernetes" and plugin["kind"] == "resource" for plugin in json.loads(listing))


def export_lines(environment: dict[str, str]) -> str:
    """Shell commands that set these variables, one a line."""
    return "\n".join(f"export {name}={shlex.quote(value)}" for name, value in environment.items())


def become_shell(environment: dict[str, str]) -> None:
    """Replace this process by the person's shell in this environment.

    bash reads the variables after the person's own start file, which often puts other folders first on PATH.
    """
    shell = os.environ.get("SHELL") or "/bin/bash"
    arguments = [shell]
    if Path(shell).name == "bash":
        start = f'[ -r ~/.bashrc ] && . ~/.bashrc\n{export_lines(environment)}\nPS1="(sonic-dev) $PS1"\n'
        write(SHELL_START_FILE, start)
        arguments += ["--rcfile", str(SHELL_START_FILE), "-i"]
    os.execvpe(shell, arguments, {**os.environ, **environment})  # noqa: S606  a shell is what was asked for
