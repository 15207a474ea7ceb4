"""Configures and calls supervisord, which keeps the cluster's processes alive.

It has a Unix socket of its own, apart from a supervisord that the machine may run for other services.
"""

import datetime as dt
import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from xmlrpc.client import Fault, ServerProxy

from supervisor.xmlrpc import Faults, SupervisorTransport

from devcluster.errors import DevClusterError
from devcluster.files import write
from devcluster.paths import RUN, STATE
from devcluster.pids import MARK
from devcluster.processes import Process
from devcluster.wait import wait_until

CONFIG = RUN / "supervisord.conf"
SOCKET = RUN / "supervisor.sock"
LOGS = STATE / "logs"
LOG_MAX_BYTES = 10 * 1024 * 1024
LOG_BACKUPS = 2
STOP_SECONDS = 20
START_TIMEOUT_SECONDS = 10.0

DAEMON_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""PATH of the daemons: containerd looks for runc and its shim there, kubelet and kube-proxy for iptables."""


@dataclass(frozen=True, kw_only=True)
class ProcessState:
    """State of a process in the words of supervisord.

    Args:
        state: RUNNING, STARTING, BACKOFF, STOPPED, EXITED or FATAL.
        since_seconds: time since it was started, or since it ended.
        pid: 0 if it does not run.
        problem: reason for a failed start; empty after a good one.
    """

    state: str
    since_seconds: float
    pid: int
    problem: str


def log_of(name: str) -> Path:
    """Return the newest log file of a process."""
    return LOGS / f"{name}.log"


def configuration(processes: Sequence[Process]) -> str:
    """Return the text of supervisord.conf.

    `start` starts a process, and supervisord restarts it whenever it ends. The digest of the files that it reads is in
    its environment, so that supervisord sees a changed file as a changed process.
    """
    head = f"""\
[supervisord]
logfile={LOGS}/supervisord.log
logfile_maxbytes={LOG_MAX_BYTES}
logfile_backups={LOG_BACKUPS}
pidfile={RUN}/supervisord.pid
childlogdir={LOGS}

[unix_http_server]
file={SOCKET}
chmod=0600

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
"""
    return "\n".join([head, *(_program_section(process, place) for place, process in enumerate(processes))])


def _program_section(process: Process, place: int) -> str:
    command = shlex.join(process.command).replace("%", "%%")
    return f"""\
[program:{process.name}]
command={command}
directory={process.directory}
environment={MARK}="{process.digest()}"
priority={place}
autostart=false
autorestart=true
startsecs=1
startretries=1000000
stopwaitsecs={STOP_SECONDS}
redirect_stderr=true
stdout_logfile={log_of(process.name)}
stdout_logfile_maxbytes={LOG_MAX_BYTES}
stdout_logfile_backups={LOG_BACKUPS}
"""


class Supervisor:
    """Client of our supervisord."""

    @property
    def _rpc(self) -> Any:
        # A new one for each call: after an error the transport keeps its broken connection.
        transport = SupervisorTransport(None, None, f"unix://{SOCKET}")
        # supervisord ignores the host of the URL; xmlrpc.client only wants one.
        return cast("Any", ServerProxy("http://localhost", transport=transport)).supervisor

    def is_running(self) -> bool:
        """Return whether a supervisord answers."""
        try:
            return bool(self._rpc.getState()["statename"] == "RUNNING")
        except (OSError, Fault):
            return False

    def _launch(self) -> None:
        LOGS.mkdir(parents=True, exist_ok=True)
        SOCKET.unlink(missing_ok=True)  # of one that was killed
        subprocess.run(
            [sys.executable, "-m", "supervisor.supervisord", "--configuration", CONFIG],
            check=True,
            cwd="/",
            env={"PATH": DAEMON_PATH, MARK: "supervisord"},
        )
        wait_until(
            self.is_running,
            f"supervisord to answer on {SOCKET}",
            timeout_seconds=START_TIMEOUT_SECONDS,
            hint=f"its log is {LOGS}/supervisord.log",
        )

    def apply(self, processes: Sequence[Process]) -> None:
        """Make these the supervised processes: stop those that changed, stop and forget all others.

        An unchanged process is not touched; `start` starts those that are new or were stopped.

        Raises:
            DevClusterError: supervisord does not answer within ten seconds.
        """
        write(CONFIG, configuration(processes))
        if not self.is_running():
            self._launch()
        added, changed, removed = self._rpc.reloadConfig()[0]
        for name in [*changed, *removed]:
            self._rpc.stopProcessGroup(name)
            self._rpc.removeProcessGroup(name)
        for name in [*added, *changed]:
            self._rpc.addProcessGroup(name)

    def start(self, name: str) -> None:
        """Start a process unless it runs or is being started.

        Raises:
            DevClusterError: supervisord refuses.
        """
        try:
            self._rpc.startProcess(name, False)
        except Fault as fault:
            if fault.faultCode != Faults.ALREADY_STARTED:
                msg = f"{name} cannot be started ({fault.faultString}); see {log_of(name)}"
                raise DevClusterError(msg) from fault

    def stop(self, name: str) -> None:
        """Stop a process that runs, and wait for its end; it stays stopped until `start`."""
        self._rpc.stopProcess(name)

    def states(self) -> dict[str, ProcessState]:
        """Return the state of every process by its name; empty if no supervisord answers."""
        try:
            infos = self._rpc.getAllProcessInfo()
        except (OSError, Fault):
            return {}
        return {
            info["name"]: ProcessState(
                state=info["statename"],
                since_seconds=info["now"] - max(info["start"], info["stop"]),
                pid=info["pid"],
                problem=info["spawnerr"],
            )
            for info in infos
        }

    def started_at(self, name: str) -> dt.datetime:
        """Return the start time of a process that runs."""
        return dt.datetime.fromtimestamp(self._rpc.getProcessInfo(name)["start"], dt.UTC)
