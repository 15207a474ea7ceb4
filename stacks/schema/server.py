"""One Triton server of an experiment: image, size, environment, probes and command line."""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from stacks.schema.base import BrokenRule, Count, DnsLabel, LabelValue, Model, SecretName, Text
from stacks.schema.images import TritonImage

_KEYS_OF_FLAGS: Mapping[str, str] = {
    "model-repository": "models.repository.paths",
    "model-store": "models.repository.paths",
    "model-control-mode": "server.flags.model_control_mode",
    "repository-poll-secs": "server.flags.repository_poll_seconds",
    "load-model": "models.expected, or `*` as server.flags.load_model",
    "exit-on-error": "server.flags.exit_on_error",
    "disable-auto-complete-config": "server.flags.auto_complete_config",
    "strict-model-config": "server.flags.auto_complete_config",
    "strict-readiness": "server.flags.strict_readiness",
    "log-verbose": "server.flags.log_verbose_level",
    "grpc-infer-thread-count": "server.flags.grpc_infer_thread_count",
    "model-load-thread-count": "server.flags.model_load_thread_count",
    "buffer-manager-thread-count": "server.flags.buffer_manager_thread_count",
    "pinned-memory-pool-byte-size": "server.flags.pinned_memory_pool_mib",
    "cuda-memory-pool-byte-size": "server.flags.cuda_memory_pool_mib",
    "cuda-virtual-address-size": "server.flags.cuda_virtual_address_mib",
    "backend-config": "server.flags.backend_settings",
    "exit-timeout-secs": "traffic.shutdown_seconds",
}
"""Flag of tritonserver -> key of the experiment that sets it."""
_FIXED_FLAGS = re.compile(r"allow-(grpc|http|metrics)|(grpc|http|metrics)-(port|address)|grpc-http2-.*|grpc-use-ssl.*")
"""Flags that the rest of the stack depends on."""

_SENT_TRACES = re.compile(r"mode=opentelemetry|opentelemetry,")

_OWN_VARIABLES = frozenset({"HOME"})
_S3_VARIABLES = re.compile(r"AWS_(ACCESS_KEY_ID|SECRET_ACCESS_KEY|DEFAULT_REGION|EC2_METADATA_DISABLED)")


def _not_ours(flag: str) -> str:
    name, _, value = flag.removeprefix("--").partition("=")
    if _FIXED_FLAGS.fullmatch(name):
        msg = "the program sets it for Envoy, the probes and the metrics: leave it out"
        raise ValueError(msg)
    if key := _KEYS_OF_FLAGS.get(name):
        msg = f"it has a key of its own: write {key}"
        raise ValueError(msg)
    if name == "trace-config" and _SENT_TRACES.match(value):
        msg = "no server reaches a collector by a flag alone: write site.tracing, which lets it through"
        raise ValueError(msg)
    return flag


def _variable_not_ours(name: str) -> str:
    if name in _OWN_VARIABLES:
        msg = "the program sets it, to a folder that the server can write to: leave it out"
        raise ValueError(msg)
    if _S3_VARIABLES.fullmatch(name):
        msg = "the program sets it for a repository on S3: write site.storage.s3"
        raise ValueError(msg)
    return name


TritonFlag = Annotated[
    str,
    Field(
        pattern=r"^--[a-z0-9][a-z0-9-]*(=\S.*)?$",
        title="one flag of tritonserver, its value after `=`",
        examples=["--trace-config=level=TIMESTAMPS"],
        max_length=4096,
    ),
    AfterValidator(_not_ours),
]
"""A flag of tritonserver that has no key of its own."""

VariableName = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
        title="the name of an environment variable",
        examples=["OMP_NUM_THREADS"],
        max_length=253,
    ),
    AfterValidator(_variable_not_ours),
]
"""An environment variable that the program does not set."""


class BackendSetting(Model):
    """One `--backend-config` of Triton."""

    backend: Annotated[Text, Field(examples=["onnxruntime"])]
    """Name of the backend, such as `python` or `onnxruntime`."""
    key: Annotated[Text, Field(examples=["enable-global-threadpool"])]
    """Name of the setting."""
    value: Annotated[str, Field(examples=["1"])]
    """Its value."""


class TritonFlags(Model):
    """Command line of tritonserver. A flag that is left out keeps Triton's own default."""

    model_control_mode: Literal["none", "explicit", "poll"] = "explicit"
    """`explicit` loads the models that `load_model` says and those that their ensembles name. `none` loads all models
    of the repositories. `poll` does too, and again whenever the repositories change."""
    load_model: Literal["expected", "*"] = "expected"
    """Models that a server loads in mode `explicit`: `expected` loads models.expected, and a server without one of them
    never becomes ready. `*` loads all models of the repositories."""
    repository_poll_seconds: Count | None = None
    """Time between two looks at the repositories in mode `poll`, in seconds; by default 15."""
    exit_on_error: bool = True
    """true: a server that cannot load a model ends. false: it serves the others."""
    auto_complete_config: bool = True
    """true: Triton completes a model's config.pbtxt from the model file."""
    strict_readiness: bool = True
    """true: a server is ready when every model is ready. false: as soon as it answers."""
    log_verbose_level: Annotated[int, Field(ge=0, le=9)] = 0
    """Verbosity of the log; 0 is off."""
    grpc_infer_thread_count: Annotated[int, Field(ge=2, le=128)] | None = None
    """Threads that take inference requests."""
    model_load_thread_count: Count | None = None
    """Number of models that are loaded at the same time."""
    buffer_manager_thread_count: Count | None = None
    """Threads that copy tensors between buffers, for large batches."""
    pinned_memory_pool_mib: Annotated[int, Field(ge=0)] | None = None
    """Pinned host memory for copies to and from GPUs, in MiB; by default 256."""
    cuda_memory_pool_mib: Annotated[int, Field(ge=0)] | None = None
    """Memory of each GPU for copies, in MiB; by default 64."""
    cuda_virtual_address_mib: Count | None = None
    """Largest implicit state of a sequence on each GPU, in MiB, where growable memory is used; by default 1024."""
    backend_settings: tuple[BackendSetting, ...] = ()
    """Settings of backends."""

    def broken_rules(self) -> Iterator[BrokenRule]:
        """Each flag has a mode that reads it, and a model that fails to load takes no server out of service."""
        mode = self.model_control_mode
        if self.repository_poll_seconds is not None and mode != "poll":
            yield BrokenRule(
                f"repository_poll_seconds is set but model_control_mode is `{mode}`, which never looks again: "
                "remove it, or set model_control_mode to `poll`",
                ("repository_poll_seconds", "model_control_mode"),
            )
        if self.load_model == "*" and mode != "explicit":
            yield BrokenRule(
                f"load_model is `*` but model_control_mode is `{mode}`, which loads all models by itself: "
                "remove load_model",
                ("load_model", "model_control_mode"),
            )
        tolerant = [("model_control_mode", "`poll`")] if mode == "poll" else []
        tolerant += [] if self.exit_on_error else [("exit_on_error", "false")]
        for key, value in tolerant[:1] if self.strict_readiness else ():
            yield BrokenRule(
                f"{key} is {value} but strict_readiness is true, so that one model that fails to load would make every "
                "server unready: set strict_readiness to false",
                (key, "strict_readiness"),
            )


class StartupProbe(Model):
    """The probe that holds back the others until the models are loaded, for start_timeout_seconds."""

    period_seconds: Count = 2
    """Time from one probe to the next, in seconds."""
    timeout_seconds: Count = 2
    """Time that an answer may take, in seconds."""


class ReadinessProbe(Model):
    """The probe that takes a server out of the Service. Envoy does not depend on it: it checks each server itself."""

    period_seconds: Count = 10
    """Time from one probe to the next, in seconds."""
    timeout_seconds: Count = 10
    """Time that an answer may take, in seconds."""
    failures: Count = 6
    """Failed probes in a row after which the server is not ready."""


class LivenessProbe(Model):
    """The probe that restarts a server that hangs."""

    period_seconds: Count = 10
    """Time from one probe to the next, in seconds."""
    timeout_seconds: Count = 20
    """Time that an answer may take, in seconds."""
    failures: Count = 6
    """Failed probes in a row after which the server is restarted."""


class Probes(Model):
    """The kubelet's probes of a server."""

    startup: StartupProbe = StartupProbe()
    """Until the models are loaded."""
    readiness: ReadinessProbe = ReadinessProbe()
    """Whether DNS lists the server."""
    liveness: LivenessProbe = LivenessProbe()
    """Whether it hangs."""


class DataMount(Model):
    """Data besides the models that a server reads, such as a detector's geometry."""

    volume: DnsLabel
    """Name of the volume in the site's storage.data."""
    path: Annotated[str, Field(pattern=r"^(/[^/\s]+)+$", title="an absolute path", examples=["/traccc/itk-geometry"])]
    """Path in the server, read-only."""
    sub_path: Annotated[str, Field(pattern=r"^([^/\s]+(/[^/\s]+)*)?$", title="a path without leading slash")] = ""
    """Path in the volume, without leading slash; empty: the whole volume."""


class Server(Model):
    """One Triton server."""

    image: TritonImage
    """Image with tritonserver, release 23.09 or later, the backends of the experiment, and `sleep`, with which a
    stopping server waits for the Envoys. NVIDIA's images have it."""
    gpus: Annotated[int, Field(ge=0)] = 1
    """Number of GPUs of each server; 0: it computes on CPUs."""
    gpu_products: tuple[LabelValue, ...] = ()
    """GPU products (label `nvidia.com/gpu.product`) that the models run on; empty: any."""
    cpu_cores: Annotated[float, Field(gt=0, le=1024, examples=[4])]
    """CPU limit in cores, and request unless cpu_request_cores says less."""
    memory_gib: Annotated[float, Field(gt=0, le=16384, examples=[16])]
    """Memory limit in GiB, shared memory included, and request unless memory_request_gib says less."""
    cpu_request_cores: Annotated[float, Field(gt=0)] | None = None
    """CPU request in cores, if it is below the limit. A busy node then takes the rest away first."""
    memory_request_gib: Annotated[float, Field(gt=0)] | None = None
    """Memory request in GiB, if it is below the limit. A node that is short of memory then kills the server first."""
    scratch_gib: Count = 8
    """Request and limit of /tmp on the node's disk, in GiB. Triton copies the models from S3 to it, and unpacks Python
    environments there. 1 GiB for logs comes on top."""
    shared_memory_mib: Annotated[int, Field(ge=64)] | None = None
    """Size of /dev/shm in MiB, through which the python backend passes tensors; by default 64 for each expected model,
    and at least 256."""
    start_timeout_seconds: Count = 300
    """Longest time from the start of a server until its models are loaded, in seconds."""
    probes: Probes = Probes()
    """The kubelet's probes."""
    environment: dict[VariableName, str] = {}
    """Environment variables, such as OMP_NUM_THREADS."""
    secret_environment: dict[VariableName, SecretName] = {}
    """Environment variables -> names of Pulumi secrets that hold their values."""
    data: tuple[DataMount, ...] = ()
    """Volumes of the site besides the models."""
    flags: TritonFlags = TritonFlags()
    """Command line."""
    extra_flags: tuple[TritonFlag, ...] = ()
    """Further flags of tritonserver. Triton does not start with one that its release does not know."""

    def broken_rules(self) -> Iterator[BrokenRule]:
        """Requests are within the limits, and a variable and a path have one source."""
        for request, limit in (("cpu_request_cores", "cpu_cores"), ("memory_request_gib", "memory_gib")):
            asked, most = getattr(self, request), getattr(self, limit)
            if asked is not None and asked > most:
                yield BrokenRule(
                    f"{request} is {asked:g} but the limit {limit} is {most:g}: lower the first or raise the second",
                    (request, limit),
                )
        for name in sorted(self.environment.keys() & self.secret_environment.keys()):
            yield BrokenRule(
                f"{name} is in environment and in secret_environment: keep one of the two",
                (f"secret_environment.{name}", f"environment.{name}"),
            )
        paths = [mount.path for mount in self.data]
        taken = ("/tmp", "/dev/shm", "/models")  # noqa: S108
        for index, path in enumerate(paths):
            if path in taken or path in paths[:index]:
                yield BrokenRule(
                    f"data[{index}].path is `{path}`, where the server has another volume: name another path",
                    (f"data.{index}.path",),
                )
