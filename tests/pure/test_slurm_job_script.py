"""The stand-in's scripts of a job: text as the real plugin wrote it, and behaviour under bash without Slurm."""

import copy
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from devcluster.slurm import status
from devcluster.slurm.job_script import UnsupportedPodError, job_of, quantity
from devcluster.slurm.settings import SlurmSettings

RECORDED = """\
#!/bin/bash
#SBATCH --job-name=6f1b3d0c-0b6e-4f7e-9f4e-2a0f6c0f7a11
#SBATCH --output={root}ns-6f1b3d0c-0b6e-4f7e-9f4e-2a0f6c0f7a11/job.out
#SBATCH --gres=gpu:1
#SBATCH --time=0-00:30:00
#SBATCH --cpus-per-task=2
#SBATCH --mem=2048

export POD_IP=10.88.0.1

site-prefix
client &

own script
{root}ns-6f1b3d0c-0b6e-4f7e-9f4e-2a0f6c0f7a11/job.sh
"""
"""Order and blank lines of the real plugin's file, of the run of Nov 2026."""


@pytest.fixture
def settings(tmp_path: Path) -> SlurmSettings:
    """A plugin whose container runtime runs the command on this machine and writes how it was called."""
    runtime = tmp_path / "runtime"
    runtime.write_text(
        f'#!/bin/bash\necho "$@" >> {tmp_path}/calls\nwhile [[ $1 != / ]]; do shift; done; shift\nexec "$@"\n'
    )
    runtime.chmod(0o755)
    return SlurmSettings.model_validate(
        {
            **{f"{name}Path": f"/usr/bin/{name.lower()}" for name in ("Sbatch", "Scancel", "Squeue", "Sinfo")},
            "BashPath": "/bin/bash",
            "DataRootFolder": f"{tmp_path}/",
            "ContainerRuntime": "singularity",
            "SingularityPath": str(runtime),
            "SingularityDefaultOptions": ["--nv", "--containall"],
            "CommandPrefix": "site-prefix",
            "EnableProbes": True,
        }
    )


@pytest.fixture
def pod() -> dict[str, Any]:
    return {
        "metadata": {
            "name": "t-1",
            "namespace": "ns",
            "uid": "6f1b3d0c-0b6e-4f7e-9f4e-2a0f6c0f7a11",
            "annotations": {
                "slurm-job.vk.io/flags": "--gres=gpu:1 --time=0-00:30:00",
                "slurm-job.vk.io/pre-exec": "own script",
                "interlink.eu/wstunnel-client-commands": "client &",
                "interlink.eu/pod-ip": "10.88.0.1",
            },
        },
        "spec": {
            "containers": [
                {
                    "name": "triton",
                    "image": "/",
                    "command": ["sh", "-c", 'echo "$0"; exit 3', "it's one word"],
                    "resources": {"limits": {"cpu": "1500m", "memory": "2Gi"}},
                }
            ]
        },
    }


def run_job(pod: dict[str, Any], settings: SlurmSettings) -> tuple[Path, int]:
    """Run job.sh as job.slurm would, and return its folder and exit code."""
    job = job_of(pod, settings)
    job.directory.mkdir()
    for name, text in job.files.items():
        (job.directory / name).write_text(text)
    result = subprocess.run(["bash", job.directory / "job.sh"], env={"PATH": os.environ["PATH"]}, check=False)
    return job.directory, result.returncode


def test_the_batch_script_is_the_real_plugins(pod: dict[str, Any], settings: SlurmSettings) -> None:
    assert job_of(pod, settings).files["job.slurm"] == RECORDED.format(root=settings.data_root_folder)


def test_the_command_reaches_the_container_whole_and_its_exit_code_is_the_jobs(
    pod: dict[str, Any], settings: SlurmSettings, tmp_path: Path
) -> None:
    directory, exit_code = run_job(pod, settings)
    assert exit_code == 3
    assert (directory / "run-triton.status").read_text() == "3\n"
    assert "it's one word\n" in (directory / "run-triton.out").read_text()
    assert (tmp_path / "calls").read_text().startswith("exec --nv --containall / sh -c")


def test_a_container_without_a_command_is_run_with_its_entry_point(
    pod: dict[str, Any], settings: SlurmSettings
) -> None:
    del pod["spec"]["containers"][0]["command"]
    assert f"{settings.singularity_path} run --nv" in job_of(pod, settings).files["job.sh"]


def test_options_and_variables_come_in_the_plugins_order(pod: dict[str, Any], settings: SlurmSettings) -> None:
    pod["metadata"]["annotations"]["slurm-job.vk.io/singularity-options"] = "--bind /a:/b"
    pod["spec"]["containers"][0]["env"] = [{"name": "A", "value": "it's"}]
    job = job_of(pod, settings)
    assert f"--containall --bind /a:/b --env-file {job.directory}/triton_envfile.properties / sh" in job.files["job.sh"]
    assert job.files["triton_envfile.properties"] == "A='it'\"'\"'s'\n"


@pytest.mark.parametrize(
    ("image", "prefix", "expected"),
    [
        ("host/a:1", "docker://", "docker://host/a:1"),
        ("/cvmfs/a", "docker://", "/cvmfs/a"),
        ("oras://a", "x", "oras://a"),
    ],
)
def test_an_image_gets_the_prefix_unless_it_is_a_path_or_has_a_scheme(
    pod: dict[str, Any], settings: SlurmSettings, image: str, prefix: str, expected: str
) -> None:
    pod["spec"]["containers"][0]["image"] = image
    prefixed = settings.model_copy(update={"image_prefix": prefix})
    assert f" {expected} sh -c" in job_of(pod, prefixed).files["job.sh"]


def test_a_failed_startup_probe_ends_the_container(pod: dict[str, Any], settings: SlurmSettings) -> None:
    container = pod["spec"]["containers"][0]
    container["command"] = ["sleep", "30"]
    container["startupProbe"] = {"httpGet": {"path": "/", "port": 1}, "periodSeconds": 1, "failureThreshold": 1}
    directory, _ = run_job(pod, settings)
    assert (directory / "startup-probe-triton-0.status").read_text() == "FAILED_THRESHOLD\n"


def test_a_named_port_is_port_0(pod: dict[str, Any], settings: SlurmSettings) -> None:
    """Trap 1: the plugin reads the number of a port that has only a name."""
    pod["spec"]["containers"][0]["readinessProbe"] = {"httpGet": {"path": "/v2/health/ready", "port": "http"}}
    assert "http http://localhost:0/v2/health/ready" in job_of(pod, settings).files["job.sh"]


def test_probes_by_grpc_and_tcp_are_left_out(pod: dict[str, Any], settings: SlurmSettings) -> None:
    """Trap 2."""
    pod["spec"]["containers"][0]["readinessProbe"] = {"tcpSocket": {"port": 8001}}
    pod["spec"]["containers"][0]["livenessProbe"] = {"grpc": {"port": 8001}}
    job = job_of(pod, settings)
    assert "runUntilSuccess readiness" not in job.files["job.sh"]
    assert "probe-metadata-triton.txt" not in job.files


def test_the_user_of_the_pod_owns_the_job(pod: dict[str, Any], settings: SlurmSettings) -> None:
    """Trap 6."""
    pod["spec"]["securityContext"] = {"runAsUser": 1000}
    job = job_of(pod, settings)
    assert job.uid == 1000
    assert "#SBATCH --uid=1000\n" in job.files["job.slurm"]


def test_what_the_stand_in_does_not_run_is_refused(pod: dict[str, Any], settings: SlurmSettings) -> None:
    mounting = copy.deepcopy(pod)
    mounting["spec"]["containers"][0]["volumeMounts"] = [{"name": "v", "mountPath": "/v"}]
    with pytest.raises(UnsupportedPodError, match="mounts a volume"):
        job_of(mounting, settings)


@pytest.mark.parametrize(
    ("text", "number"), [("1500m", 1.5), ("2Gi", 2**31), ("7", 7), ("1.5G", 1.5e9), ("10Ki", 10240)]
)
def test_quantities_of_kubernetes(text: str, number: float) -> None:
    assert quantity(text) == number


@pytest.mark.parametrize(
    ("squeue", "state"),
    [
        ("0                   PD", "waiting"),
        ("0                   R", "running"),
        ("0                   CG", "running"),
        ("0                   CF", "terminated"),
        ("0                   NF", "terminated"),
        ("15                  CA", "terminated"),
        ("0                   SE", "waiting"),
        ("0                   TO", "terminated"),
        ("0                   CD", "terminated"),
    ],
)
def test_states_are_read_as_the_plugin_misreads_them(squeue: str, state: str, tmp_path: Path) -> None:
    """Trap 8: a job that is being configured counts as failed, with exit code 0."""
    (found,) = status.container_states(["triton"], squeue, tmp_path)
    assert list(found["state"]) == [state]


def test_a_running_job_is_ready_once_its_probes_have_succeeded(tmp_path: Path) -> None:
    (tmp_path / "probe-metadata-triton.txt").write_text("readiness:1\nliveness:0\nstartup:1")
    (tmp_path / "startup-probe-triton-0.status").write_text("SUCCESS\n")
    (waiting,) = status.container_states(["triton"], "0  R", tmp_path)
    assert waiting["state"] == {"waiting": {"reason": "Waiting for probes to be ready."}}
    (tmp_path / "readiness-probe-triton-0.status").write_text("SUCCESS\n")
    (running,) = status.container_states(["triton"], "0  R", tmp_path)
    assert running["ready"]


def test_the_written_exit_code_counts_and_else_that_of_slurm(tmp_path: Path) -> None:
    (first,) = status.container_states(["triton"], "15                  CA", tmp_path)
    assert first["state"]["terminated"]["exitCode"] == 15
    (tmp_path / "run-triton.status").write_text("7\n")
    (second,) = status.container_states(["triton"], "0                  CD", tmp_path)
    assert second["state"]["terminated"]["exitCode"] == 7


def test_a_job_that_slurm_has_forgotten_has_the_state_of_its_files_or_none(tmp_path: Path) -> None:
    """N8."""
    with pytest.raises(status.NoStateError):
        status.states_from_files(["triton"], tmp_path)
    (tmp_path / "run-triton.status").write_text("7\n")
    (found,) = status.states_from_files(["triton"], tmp_path)
    assert found["state"]["terminated"]["exitCode"] == 7
