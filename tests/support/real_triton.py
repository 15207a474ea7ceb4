"""The real Triton of the dev image on an address of loopback, with models from a folder: no cluster, but root."""

import shutil
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from devcluster.images import chroot_command, triton_root
from devcluster.paths import MODELS
from devcluster.progress import Progress
from devcluster.toolchain import Toolchain
from tests.support.real_envoy import free_port

_ENVIRONMENT = {"PATH": "/opt/tritonserver/bin:/usr/bin:/bin", "LD_LIBRARY_PATH": "/opt/tritonserver/lib"}
_USER_ID = 1000


def repository(directory: Path) -> Path:
    """A copy of the dev model `sleep_identity`, in a folder that Triton's user may read."""
    model = directory / "sleep_identity"
    shutil.copytree(MODELS / model.name, model, ignore=shutil.ignore_patterns("__pycache__"))
    for path in (directory, *directory.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return directory


class RealTriton:
    """Triton as its pod runs it, on a read-only root as uid 1000, from its start to its end.

    Args:
        address: where it listens.
        port: of gRPC.
        models: the model repository.
        log: file that gets its output.
        scratch_mib: size of its /tmp.
    """

    def __init__(self, address: str, port: int, models: Path, log: Path, *, scratch_mib: int = 64) -> None:
        flags = [
            "--model-repository=/mnt",
            "--model-control-mode=explicit",
            "--load-model=sleep_identity",
            "--disable-auto-complete-config",
            f"--grpc-address={address}",
            f"--grpc-port={port}",
            "--grpc-http2-max-ping-strikes=0",
            "--allow-http=false",
            f"--metrics-address={address}",
            f"--metrics-port={free_port()}",
        ]
        self._command = chroot_command(
            triton_root(Toolchain(), Progress(total=1)),
            ["tritonserver", *flags],
            uid=_USER_ID,
            environment=_ENVIRONMENT,
            folders={"/mnt": models},
            scratch_mib=scratch_mib,
        )
        self.log = log

    def __enter__(self) -> Self:
        with self.log.open("w") as output:
            self.process = subprocess.Popen(
                self._command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def fill_scratch(self) -> None:
        """Leave no byte free in its /tmp."""
        with suppress(OSError), Path(f"/proc/{self.process.pid}/root/tmp/filling").open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
