"""Validation of a bootstrap by the real Envoy, at preview."""

import json
import os
import re
import shutil
import subprocess
import sysconfig
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from components.envoy.feature import CONFIG_FOLDER
from components.versions import ENVOY_VERSION

BINARY_VARIABLE = "SONIC_ENVOY"
"""Environment variable with the path of the Envoy to use."""

_TIMEOUT_SECONDS = 60
_NODE = ("--service-node", "validation", "--service-cluster", "validation")
"""Envoy refuses secrets from files without a node name; the pod gives it one."""


class EnvoyMissingError(ValueError):
    """No Envoy is installed on this machine."""


class InvalidBootstrapError(ValueError):
    """Envoy refuses the bootstrap."""


def find_envoy() -> str:
    """Return the path of Envoy: from SONIC_ENVOY, else the one that `make install` installed, else from PATH.

    Raises:
        EnvoyMissingError: no Envoy is found.
    """
    installed = shutil.which("envoy", path=sysconfig.get_path("scripts"))
    found = os.environ.get(BINARY_VARIABLE) or installed or shutil.which("envoy")
    if found is None:
        msg = (
            "Envoy is not installed here: each preview validates Envoy's configuration with it; "
            f"run `make install`, or set {BINARY_VARIABLE} to the path of an Envoy {ENVOY_VERSION}"
        )
        raise EnvoyMissingError(msg)
    return found


def validate_bootstrap(bootstrap: Mapping[str, Any], *, envoy: str, files: Mapping[str, str]) -> None:
    """Let Envoy load the bootstrap without listening or connecting. It takes about 0.2 s.

    Args:
        bootstrap: the configuration.
        envoy: path of the binary.
        files: path -> content of the files beside the bootstrap in the pod.

    Raises:
        InvalidBootstrapError: Envoy refuses it, or the binary cannot be run. The text is one sentence.
    """
    with tempfile.TemporaryDirectory(prefix="sonic-envoy-") as directory:
        path = Path(directory, "envoy.json")
        path.write_text(json.dumps(bootstrap).replace(f"{CONFIG_FOLDER}/", f"{directory}/"))
        for name, content in files.items():
            file = Path(directory, name)
            file.parent.mkdir(exist_ok=True)
            file.write_text(content)
        command = [envoy, "--mode", "validate", "--config-path", str(path), "--log-level", "warning", *_NODE]
        try:
            run = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_SECONDS, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            msg = f"Envoy's configuration could not be validated by {envoy}: {error}; name another in {BINARY_VARIABLE}"
            raise InvalidBootstrapError(msg) from None
    if run.returncode != 0:
        msg = f"Envoy refuses the configuration that was made for it: {_reason(run.stderr, path)}"
        raise InvalidBootstrapError(msg)


def _reason(log: str, path: Path) -> str:
    """Return Envoy's error without time stamp, source file and temporary path."""
    lines = [re.sub(r"^(\[[^\]]*\]\s*)+", "", line) for line in log.splitlines()]
    wrong = [line for line in lines if line.startswith("error initializing config")]
    reason = " ".join(lines if not wrong else lines[lines.index(wrong[0]) :])
    return re.sub(r"\s+", " ", reason.replace(f"error initializing configuration '{path}':", "")).strip()
