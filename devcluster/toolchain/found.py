"""Programs on PATH, and the test of their versions."""

import functools
import os
import re
import shutil
import subprocess
from pathlib import Path

from devcluster.toolchain.programs import PathRule

_VERSION = re.compile(r"v?(\d+)\.(\d+)")
_VERSION_TIMEOUT_SECONDS = 20

# Not on every PATH: sbin for those who are not root, Go's own place for shells without a profile.
_MORE_DIRECTORIES = ("/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/local/go/bin")


def find(program: str, *, outside: Path | None = None) -> Path | None:
    """Return the first executable of this name on PATH, or the absolute path itself if it exists.

    Args:
        program: a name or an absolute path.
        outside: folders below this one are passed over. In a shell with our own builds on PATH they would
            otherwise be found as if they were the person's, and outlive a change of their inputs.
    """
    directories = [*os.environ.get("PATH", os.defpath).split(os.pathsep), *_MORE_DIRECTORIES]
    foreign = [d for d in directories if d and not (outside and Path(d).is_relative_to(outside))]
    found = shutil.which(program, path=os.pathsep.join(foreign))
    return Path(found) if found else None


@functools.cache
def version_of(program: Path, arguments: tuple[str, ...]) -> tuple[int, int] | None:
    """Return the first (major, minor) that the program prints; None if it prints none or does not run."""
    try:
        result = subprocess.run(
            [program, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_VERSION_TIMEOUT_SECONDS,
            check=True,
            env={**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "true"},
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return parse_version(result.stdout)


def parse_version(text: str) -> tuple[int, int] | None:
    """Return (major, minor) of the first version in a text such as `Client Version: v1.36.3`."""
    match = _VERSION.search(text)
    return (int(match[1]), int(match[2])) if match else None


def objection(version: tuple[int, int] | None, rule: PathRule) -> str | None:
    """Return the reason against a version found on PATH; None if it fits."""
    if version is None:
        return "prints no version"
    if rule.at_least <= version < rule.below:
        return None
    return f"is {_dotted(version)}, wanted is {_dotted(rule.at_least)} or later, before {_dotted(rule.below)}"


def _dotted(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"
