"""The two scripts of a job, in the order and with the lines of interLink's Slurm plugin."""

import math
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devcluster.slurm import flags
from devcluster.slurm.settings import SlurmSettings

ANNOTATION = "slurm-job.vk.io/"
CLIENT_COMMANDS = "interlink.eu/wstunnel-client-commands"
POD_IP = "interlink.eu/pod-ip"

FUNCTIONS = (Path(__file__).parent / "job_functions.sh").read_text()

_SUFFIXES = {"m": 1e-3, "": 1, "k": 1e3, "M": 1e6, "G": 1e9, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}

Container = Mapping[str, Any]
Pod = Mapping[str, Any]


class UnsupportedPodError(Exception):
    """A pod with something that the real plugin runs and this stand-in does not."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """Job of a pod.

    Args:
        directory: of the job's files.
        files: text by the name of the file in it.
        uid: owner of the files; None leaves them to whoever writes them.
    """

    directory: Path
    files: Mapping[str, str]
    uid: int | None


def directory_of(pod: Pod, settings: SlurmSettings) -> Path:
    """Return the folder of a pod's job. The plugin joins the parts as they are: the root must end with a slash."""
    metadata = pod["metadata"]
    return Path(f"{settings.data_root_folder}{metadata['namespace']}-{metadata['uid']}")


def job_of(pod: Pod, settings: SlurmSettings) -> Job:
    """Return the job of a pod.

    Raises:
        UnsupportedPodError: it has init containers or volumes that reach a container.
    """
    containers: Sequence[Container] = pod["spec"]["containers"]
    if pod["spec"].get("initContainers") or any(map(_mounts, containers)):
        msg = f"pod {pod['metadata']['name']} has init containers or mounts a volume: the stand-in runs neither"
        raise UnsupportedPodError(msg)
    directory = directory_of(pod, settings)
    environment = {
        f"{container['name']}_envfile.properties": environment_file(container)
        for container in containers
        if container.get("env")
    }
    probes = {
        f"probe-metadata-{container['name']}.txt": probe_counts(container)
        for container in containers
        if settings.enable_probes and has_probes(container)
    }
    uid = (pod["spec"].get("securityContext") or {}).get("runAsUser", settings.default_uid)
    scripts = {"job.slurm": batch_script(pod, settings, directory, uid), "job.sh": job_script(pod, settings, directory)}
    return Job(directory=directory, files={**scripts, **environment, **probes}, uid=uid)


def batch_script(pod: Pod, settings: SlurmSettings, directory: Path, uid: int | None) -> str:
    """Return `job.slurm`: flags, then the prefix of the site, the tunnel's client, the pod's own script, `job.sh`."""
    annotations = pod["metadata"].get("annotations") or {}
    asked = flags.job_flags(
        annotations.get(f"{ANNOTATION}flags", ""),
        uid=uid,
        cpus=_cpus(pod),
        memory_mib=_memory_mib(pod),
    )
    head = [f"--job-name={pod['metadata']['uid']}", f"--output={directory}/job.out", *asked]
    before = [
        *([f"export POD_IP={annotations[POD_IP]}\n"] if POD_IP in annotations else []),
        *([settings.command_prefix] if settings.command_prefix else []),
        *([f"{annotations[CLIENT_COMMANDS]}\n"] if CLIENT_COMMANDS in annotations else []),
        *([annotations[f"{ANNOTATION}pre-exec"]] if f"{ANNOTATION}pre-exec" in annotations else []),
    ]
    prefix = "".join(f"\n{part}" for part in before)
    options = "".join(f"\n#SBATCH {flag}" for flag in head)
    return f"#!{settings.bash_path}{options}\n{prefix}\n{directory}/job.sh\n"


def job_script(pod: Pod, settings: SlurmSettings, directory: Path) -> str:
    """Return `job.sh`: every container in the background with its probes, and the end of the last one as its own."""
    lines = [f"workingPath={shlex.quote(str(directory))}", "export workingPath"]
    for container in pod["spec"]["containers"]:
        lines.append(
            shlex.join(["runCtn", container["name"]]) + " " + runtime_line(pod, container, settings, directory)
        )
        if settings.enable_probes and has_probes(container):
            lines += probe_lines(container, settings, image_of(pod, container, settings))
    return FUNCTIONS + "\n".join(["", *lines, "waitCtns", "endScript", ""])


def runtime_line(pod: Pod, container: Container, settings: SlurmSettings, directory: Path) -> str:
    """Return the call of the container runtime. Only the pod's command and arguments are quoted."""
    annotations = pod["metadata"].get("annotations") or {}
    own_file = f"--env-file {directory}/{container['name']}_envfile.properties" if container.get("env") else ""
    parts = [
        settings.singularity_path,
        "exec" if container.get("command") else "run",
        *settings.singularity_default_options,
        annotations.get(f"{ANNOTATION}singularity-mounts", ""),
        annotations.get(f"{ANNOTATION}singularity-options", ""),
        own_file,
        image_of(pod, container, settings),
        shlex.join([*container.get("command", []), *container.get("args", [])]),
    ]
    return " ".join(filter(None, parts))


def image_of(pod: Pod, container: Container, settings: SlurmSettings) -> str:
    """Return the image with the prefix of the annotation or of the plugin, unless it is a path or has a scheme."""
    image: str = container["image"]
    if image.startswith("/") or "://" in image:
        return image
    annotations = pod["metadata"].get("annotations") or {}
    return str(annotations.get(f"{ANNOTATION}image-root", settings.image_prefix)) + image


def environment_file(container: Container) -> str:
    """Return the variables that have a value, quoted for a shell. The virtual node has resolved references before."""
    return "".join(f"{one['name']}={shlex.quote(one.get('value', ''))}\n" for one in container["env"])


def probe_counts(container: Container) -> str:
    """Return the number of a container's probes of each kind, as `/status` reads them."""
    return "\n".join(f"{kind}:{len(list(probes_of(container, kind)))}" for kind in ("readiness", "liveness", "startup"))


def has_probes(container: Container) -> bool:
    """Return whether a container has a probe that the plugin runs."""
    return any(True for kind in ("startup", "readiness", "liveness") for _ in probes_of(container, kind))


def probes_of(container: Container, kind: str) -> Iterator[Mapping[str, Any]]:
    """Yield the probe of a kind, if it asks by HTTP or runs a command; the plugin leaves others out."""
    probe = container.get(f"{kind}Probe") or {}
    if "httpGet" in probe or "exec" in probe:
        yield probe


def probe_lines(container: Container, settings: SlurmSettings, image: str) -> list[str]:
    """Return the start of a container's probes: readiness after startup, liveness after readiness."""
    runtime = [settings.singularity_path, "exec", *settings.singularity_default_options, image]
    lines = [f"executeIn={shlex.quote(shlex.join(runtime))}"]
    waits = ["("]
    for kind in ("startup", "readiness"):
        for probe in probes_of(container, kind):
            lines_of_kind = lines if kind == "startup" else waits
            lines_of_kind.append(f"runUntilSuccess {_probe_arguments(container, kind, probe)} &")
            waits.append(f"waitForProbe {kind} {container['name']} || {{ endContainersOnFailedProbe; exit 1; }}")
    checks = [
        f"runForever {_probe_arguments(container, 'liveness', one)} &" for one in probes_of(container, "liveness")
    ]
    return [*lines, *waits, *checks, ") &"]


def _probe_arguments(container: Container, kind: str, probe: Mapping[str, Any]) -> str:
    timeout = probe.get("timeoutSeconds") or 1
    numbers = [
        probe.get("initialDelaySeconds") or 0,
        probe.get("periodSeconds") or 10,
        timeout,
        probe.get("successThreshold") or 1,
        probe.get("failureThreshold") or 3,
    ]
    if "exec" in probe:
        action = ["exec", *probe["exec"]["command"]]
    else:
        get = probe["httpGet"]
        # The plugin takes the number of the port and not its name: a named port is port 0.
        port = get["port"] if isinstance(get["port"], int) else 0
        host = get.get("host") or "localhost"
        action = ["http", f"{get.get('scheme', 'HTTP').lower()}://{host}:{port}{get.get('path', '/')}"]
    return shlex.join([kind, container["name"], *map(str, numbers), *action])


def _mounts(container: Container) -> list[str]:
    mounts = container.get("volumeMounts") or []
    return [mount["name"] for mount in mounts if not mount["mountPath"].startswith("/var/run/secrets/kubernetes.io/")]


def _cpus(pod: Pod) -> int | None:
    limits = _limits(pod, "cpu")
    return math.ceil(max(limits)) if limits else None


def _memory_mib(pod: Pod) -> int | None:
    limits = _limits(pod, "memory")
    return int(max(limits)) // 2**20 if limits else None


def _limits(pod: Pod, resource: str) -> list[float]:
    """Return the limits of the containers that have one: the plugin takes the largest, not the sum."""
    limits = [(container.get("resources") or {}).get("limits") or {} for container in pod["spec"]["containers"]]
    return [quantity(limit[resource]) for limit in limits if resource in limit]


def quantity(text: str) -> float:
    """Return the number that a Kubernetes quantity is, such as 2147483648 of `2Gi`."""
    digits = text.rstrip("mkMGKi")
    return float(digits) * _SUFFIXES[text.removeprefix(digits)]
