"""The environment in which plain `pulumi`, `kubectl` and `python -m acceptance dev` meet the development cluster."""

import os
import shlex
import sys
from pathlib import Path

from devcluster.credentials import KUBECONFIG
from devcluster.files import write
from devcluster.paths import RUN, STATE
from devcluster.toolchain import Toolchain
from devcluster.toolchain.programs import KUBERNETES_PLUGIN_VERSION

PULUMI_STATE = STATE / "pulumi"
PULUMI_HOME = STATE / "pulumi-home"
"""Pulumi's home for this cluster, with the one tested plugin; the user's own home is left alone."""

PLUGIN = "pulumi-resource-kubernetes"
SHELL_START_FILE = RUN / "bashrc"


def variables(toolchain: Toolchain) -> dict[str, str]:
    """Return the variables by name, and install the plugin where they lead Pulumi to.

    Our `.venv/bin` comes first on PATH, because Pulumi's language host looks for Python there: the one that we can
    build ignores `runtime.options.virtualenv`.

    Raises:
        DevClusterError: a program is not built yet.
    """
    own = [Path(sys.prefix) / "bin", *toolchain.bin_directories()]
    install_plugin(toolchain)
    inherited = [folder for folder in os.environ.get("PATH", os.defpath).split(os.pathsep) if Path(folder) not in own]
    return {
        "PATH": os.pathsep.join([*map(str, own), *inherited]),
        "KUBECONFIG": str(KUBECONFIG),
        "PULUMI_HOME": str(PULUMI_HOME),
        "PULUMI_BACKEND_URL": f"file://{PULUMI_STATE}",
        "PULUMI_CONFIG_PASSPHRASE": "",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
    }


def install_plugin(toolchain: Toolchain) -> None:
    """Put the Kubernetes plugin that the toolchain built where `pulumi plugin ls` finds it.

    Raises:
        DevClusterError: it is not built yet.
    """
    installed = PULUMI_HOME / "plugins" / f"resource-kubernetes-{KUBERNETES_PLUGIN_VERSION}" / PLUGIN
    built = toolchain.path(PLUGIN)
    if not installed.is_symlink() or installed.readlink() != built:
        installed.parent.mkdir(parents=True, exist_ok=True)
        installed.unlink(missing_ok=True)
        installed.symlink_to(built)


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
