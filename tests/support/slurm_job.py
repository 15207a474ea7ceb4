"""A job's script, run by bash as Slurm would run job.slurm, around stand-ins of job.sh and of the tunnel client."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from components.triton.slurm_job import job_script

NAMESPACE, POD_UID = "cms", "0f0c1d2e-6a7b-4c8d-9e0f-1a2b3c4d5e6f"
LIMIT_SECONDS = 30.0

TUNNEL_STAND_IN = """\
tunnel() {
  echo "up $*" >>"$EVENTS"
  trap 'kill "$!" 2>/dev/null; echo "down $*" >>"$EVENTS"; exit' TERM
  sleep 600 &
  wait "$!"
}
"""
"""Stand-in of a tunnel client: it writes that it comes and goes."""

SERVER_STAND_IN = """\
#!PYTHON
# Stand-in of tritonserver: it finishes one request after SIGTERM. As tritonserver does, it handles the signal though it
# was started with the signal ignored, which a shell could not.
import os, signal, sys, time
def tell(event):
    with open(os.environ["EVENTS"], "a") as events:
        events.write(f"server: {event}\\n")
def stop(*_):
    tell("TERM")
    time.sleep(1)
    tell("request done")
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
tell(" ".join(os.environ[f"{prefix}SONIC_ADDRESS"] for prefix in ("", "APPTAINERENV_", "SINGULARITYENV_")))
while True:
    time.sleep(600)
"""


class Job:
    """One job.

    Args:
        folder: root of the job's files.
        job_id: `SLURM_JOB_ID`.
        job_sh: text of job.sh, stand-in of the Slurm plugin's.
        pre_stop_seconds: time between the end of the HTTP tunnel and SIGTERM.
        failed_job_seconds: shortest life of a job that fails.
    """

    def __init__(
        self, folder: Path, *, job_id: int, job_sh: str, pre_stop_seconds: int = 1, failed_job_seconds: int = 0
    ) -> None:
        self.folder = folder / f"data/{NAMESPACE}-{POD_UID}"
        self.folder.mkdir(parents=True)
        self.temporary = folder / "tmp"
        self.temporary.mkdir()
        self._events = folder / "events"
        self._events.touch()
        server = folder / "tritonserver"
        server.write_text(SERVER_STAND_IN.replace("PYTHON", sys.executable))
        server.chmod(0o755)
        (self.folder / "job.sh").write_text(job_sh.replace("TRITONSERVER", str(server)))
        script = job_script(
            data_folder=f"{folder}/data",
            namespace=NAMESPACE,
            tunnel_client=TUNNEL_STAND_IN,
            pre_stop_seconds=pre_stop_seconds,
            failed_job_seconds=failed_job_seconds,
        )
        plugins_last_line = f"\necho 'last line' >>'{self._events}'\n"
        (folder / "job.slurm").write_text(f"#!/bin/bash\n{script}{plugins_last_line}")
        self._output = folder / "job.out"
        with self._output.open("w") as output:
            self.process = subprocess.Popen(
                ["bash", str(folder / "job.slurm")],
                env={**os.environ, **self._variables(job_id)},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _variables(self, job_id: int) -> Mapping[str, str]:
        return {
            "SLURM_JOB_ID": str(job_id),
            "SLURM_JOB_NAME": POD_UID,
            "SONIC_TUNNEL_HOST": "wstunnel-pod-cms",
            "EVENTS": str(self._events),
            "TMPDIR": str(self.temporary),
        }

    @property
    def events(self) -> list[str]:
        """The events so far, in order."""
        return self._events.read_text().splitlines()

    @property
    def output(self) -> str:
        """Output of the job."""
        return self._output.read_text()

    def wait_for(self, happened: Callable[[list[str]], bool]) -> None:
        """Wait until the events satisfy a condition."""
        deadline = time.monotonic() + LIMIT_SECONDS
        while not happened(self.events):
            assert time.monotonic() < deadline, f"{self.events}\n{self.output}"
            time.sleep(0.02)

    def cancel(self) -> None:
        """Send SIGTERM to the batch shell alone, as Slurm does where it tracks processes by cgroup."""
        self.process.send_signal(signal.SIGTERM)

    def exit_code(self) -> int:
        """Wait for the end of the batch shell."""
        return self.process.wait(LIMIT_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Kill what is left of the session, as Slurm kills what is left of a job."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
