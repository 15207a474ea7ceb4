#!/usr/bin/python3
"""Stand-in for `apptainer`, run as the job's user on a compute node: Debian's charliecloud runs the image.

It has the verbs, options and environment that interLink's Slurm plugin and our pods rely on. An image is a folder, as
CernVM-FS holds them. This file is installed alone: it imports the standard library only.

Unlike apptainer it has no PID namespace.
"""

import argparse
import os
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

_FLAGS = (
    *(
        "--nv",
        "--no-eval",
        "--containall",
        "-C",
        "--contain",
        "-c",
        "--compat",
        "--unsquash",
        "--no-home",
        "--cleanenv",
    ),
    *("-e", "--no-mount", "--no-init", "--writable-tmpfs", "--no-umask"),
)
_CLEANING = frozenset({"--containall", "-C", "--compat", "--cleanenv", "-e"})
_CONTAINING = frozenset({"--containall", "-C", "--compat", "--contain", "-c"})
_PREFIXES = ("APPTAINERENV_", "SINGULARITYENV_")
_KEPT = ("HOME", "TERM", "LANG")

# The image's own variables give way to those that are set.
_START = 'for file in /.singularity.d/env/*.sh; do [ -r "$file" ] && . "$file"; done; exec "$@"'


_PRIVATE_SHM = (
    *("unshare", "--user", "--map-current-user", "--keep-caps", "--mount"),
    *("sh", "-c", 'mount -t tmpfs -o mode=1777 shm /dev/shm && exec "$@"', "sh"),
)
"""Charliecloud mounts the /dev that it finds."""


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Return verb, options, image and command; everything after the image is the command."""
    parser = argparse.ArgumentParser(prog="apptainer", allow_abbrev=False)
    parser.add_argument("verb", choices=("exec", "run"))
    parser.add_argument("--bind", "-B", action="append", default=[])
    parser.add_argument("--env", action="append", default=[])
    parser.add_argument("--env-file", type=Path)
    parser.add_argument("--pwd", default="/")
    for flag in _FLAGS:
        parser.add_argument(flag, dest="flags", action="append_const", const=flag, default=[])
    parser.add_argument("image")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    return parser.parse_args([argument for argument in arguments if argument.strip()])


def binds(options: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield source and target of each bind; `,` separates binds, and a mode after the target is left out."""
    for option in options:
        for bind in filter(None, option.strip().split(",")):
            source, _, rest = bind.partition(":")
            yield source, rest.partition(":")[0] or source


def environment(options: argparse.Namespace, host: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of the container: the host's unless a flag cleans them, then those meant for it."""
    is_clean = not _CLEANING.isdisjoint(options.flags)
    found = {name: value for name, value in host.items() if name in _KEPT or not is_clean}
    if is_clean:
        found["PATH"] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    for name, value in host.items():
        for prefix in _PREFIXES:
            if name.startswith(prefix):
                found[name.removeprefix(prefix)] = value
    lines = options.env_file.read_text().splitlines() if options.env_file else []
    for assignment in [*shlex.split("\n".join(lines)), *options.env]:
        name, _, value = assignment.partition("=")
        found[name] = value
    return found


def runtime_environment(host: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that charliecloud itself needs: a user, and the job's folder for its temporary files."""
    return {"USER": str(os.getuid()), "TMPDIR": host.get("TMPDIR", "/tmp")}  # noqa: S108


def main() -> None:
    """Become the command in the container: signals reach it, and its exit code is ours."""
    options = parse(sys.argv[1:])
    image = Path(options.image)
    if not image.is_dir():
        sys.exit(f"FATAL:   could not open image {image}: no such folder")
    mounts = [f"--bind={source}:{target}" for source, target in binds(options.bind)]
    for source, target in binds(options.bind):
        if not Path(source).exists():
            sys.exit(f"FATAL:   container creation failed: mount {source}->{target} error: no such file or directory")
    command = [*(["/.singularity.d/runscript"] if options.verb == "run" else []), *options.command]
    is_contained = not _CONTAINING.isdisjoint(options.flags)
    runtime = [
        *(_PRIVATE_SHM if is_contained else ()),
        "ch-run",
        "--private-tmp",
        "--unset-env=TMPDIR",
        f"--cd={options.pwd}",
        *mounts,
        str(image),
        "--",
    ]
    variables = {**runtime_environment(os.environ), **environment(options, os.environ)}
    os.execvpe(runtime[0], [*runtime, "/bin/sh", "-c", _START, "sh", *command], variables)  # noqa: S606


if __name__ == "__main__":
    main()
