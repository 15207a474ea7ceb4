"""Stand-in for systemctl where no systemd runs: starts the process of a unit, as the user that the unit names.

It restarts no process that ends, and confines none: `Restart`, `ProtectSystem` and the like have no effect. systemd
itself reads the units in tests/pure/test_virtual_node_files.py. This file is copied alone: it imports the standard
library only.
"""

import os
import pwd
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

UNITS = Path("/etc/systemd/system")
RUNNING = Path("/run/units")
SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin"


def start(unit: str) -> None:
    """Start the process of a unit, which writes to a log in RUNNING."""
    said: dict[str, list[str]] = {}
    for line in (UNITS / unit).read_text().splitlines():
        key, _, value = line.partition("=")
        said.setdefault(key, []).append(value)
    user = pwd.getpwnam(said["User"][0])
    for name in said.get("RuntimeDirectory", ()):
        folder = Path("/run", name)
        folder.mkdir(exist_ok=True)
        os.chown(folder, user.pw_uid, user.pw_gid)
    variables = dict(each.split("=", 1) for each in said.get("Environment", ()))
    RUNNING.mkdir(exist_ok=True)
    with (RUNNING / f"{unit}.log").open("ab") as log:
        process = subprocess.Popen(
            shlex.split(said["ExecStart"][0]),
            cwd=said.get("WorkingDirectory", ["/"])[0],
            env={"PATH": SEARCH_PATH, "HOME": user.pw_dir, "USER": user.pw_name, **variables},
            user=user.pw_uid,
            group=user.pw_gid,
            extra_groups=[],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    (RUNNING / f"{unit}.pid").write_text(str(process.pid))


def is_running(unit: str) -> bool:
    """Return True while the process of a unit lives."""
    try:
        stat = Path("/proc", (RUNNING / f"{unit}.pid").read_text(), "stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def stop(unit: str) -> None:
    """End the process of a unit, and wait for its end."""
    if is_running(unit):
        os.kill(int((RUNNING / f"{unit}.pid").read_text()), signal.SIGTERM)
    while is_running(unit):
        time.sleep(0.05)


def main(arguments: list[str]) -> None:
    """Do what the arguments of systemctl say."""
    match arguments:
        case ["daemon-reload"]:
            return
        case ["enable", "--now", *names] | ["restart", *names]:
            for name in names:
                stop(f"{name}.service")
                start(f"{name}.service")
        case ["stop", *names]:
            for name in names:
                stop(f"{name}.service")
        case ["--failed"]:
            failed = [file.stem for file in RUNNING.glob("*.pid") if not is_running(file.stem)]
            for unit in failed:
                print(unit, "failed:", (RUNNING / f"{unit}.log").read_text())
            print(f"{len(failed)} loaded units listed.")
        case _:
            sys.exit(f"this stand-in does not know `systemctl {shlex.join(arguments)}`")


if __name__ == "__main__":
    main(sys.argv[1:])
