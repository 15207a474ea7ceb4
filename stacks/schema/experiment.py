"""An experiment: the facts of a collaboration. Nothing here speaks of a place; see `site`."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from stacks.schema.base import (
    AbsolutePath,
    BrokenRule,
    Count,
    CvmfsPath,
    ImageReference,
    Md5,
    Model,
    Text,
    twice,
)
from stacks.schema.clients import Clients, NetworkClients, tenants_of


class BackendSetting(Model):
    """One `--backend-config` of Triton."""

    backend: Text
    """Name of the backend, such as `python` or `onnxruntime`."""
    key: Text
    """Name of the setting."""
    value: str
    """Its value."""


class TritonFlags(Model):
    """Command line of tritonserver, typed. What is left out keeps Triton's own default."""

    model_control_mode: Literal["none", "explicit"] = "explicit"
    """`explicit` loads the models that are expected and those that their ensembles name, and a server without one of
    them never becomes ready; `none` loads every model of the repositories, and does not miss one that is not there."""
    auto_complete_config: bool = True
    """Whether Triton completes a model's config.pbtxt from the model file."""
    strict_readiness: bool = True
    """Whether ready means that every model is ready."""
    log_verbose_level: Annotated[int, Field(ge=0, le=9)] = 0
    """Verbosity of the log; 0 is off."""
    grpc_infer_thread_count: Annotated[int, Field(ge=2, le=128)] | None = None
    """Threads that take inference requests."""
    model_load_thread_count: Count | None = None
    """Models loaded at the same time."""
    backend_settings: tuple[BackendSetting, ...] = ()
    """Settings of backends."""


class Server(Model):
    """One Triton server."""

    image: ImageReference
    """Image with tritonserver and the backends of the experiment."""
    gpus: Annotated[int, Field(ge=0)] = 1
    """GPUs of each server; 0: it computes on CPUs."""
    gpu_products: tuple[Text, ...] = ()
    """GPU products (label `nvidia.com/gpu.product`) that the models run on; empty: any."""
    cpu_cores: Annotated[float, Field(gt=0)]
    """CPU request and limit, in cores."""
    memory_gib: Annotated[float, Field(gt=0)]
    """Memory request and limit, in GiB, shared memory included."""
    shared_memory_mib: Annotated[int, Field(ge=64)] = 256
    """Size of /dev/shm in MiB; the python backend passes tensors through it."""
    start_timeout_seconds: Count = 300
    """How long a server may take from its start until its models are loaded, in seconds."""
    flags: TritonFlags = TritonFlags()
    """Command line."""


class CvmfsRepository(Model):
    """Models on CVMFS."""

    kind: Literal["cvmfs"]
    """Read at /cvmfs."""
    paths: Annotated[tuple[CvmfsPath, ...], Field(min_length=1)]
    """Model repositories, as absolute paths below /cvmfs."""


class VolumeRepository(Model):
    """Models on a volume of the site."""

    kind: Literal["volume"]
    """Read at /models."""
    paths: Annotated[tuple[AbsolutePath, ...], Field(min_length=1)] = ("/",)
    """Model repositories, as paths from the root of the volume."""


class S3Repository(Model):
    """Models in a bucket."""

    kind: Literal["s3"]
    """Triton copies the models from S3 when it starts."""
    bucket: Annotated[
        str,
        Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", title="the name of an S3 bucket", examples=["models"]),
    ]
    """Name of the bucket."""
    prefix: Annotated[
        str,
        Field(
            pattern=r"^([^/\s]+(/[^/\s]+)*)?$",
            title="a path without leading or trailing slash",
            examples=["cms/production"],
        ),
    ] = ""
    """Path in the bucket, without leading or trailing slash; empty: the whole bucket."""


class ImageRepository(Model):
    """Models inside the server's image."""

    kind: Literal["image"]
    """No volume."""
    paths: Annotated[tuple[AbsolutePath, ...], Field(min_length=1)]
    """Model repositories, as paths in the image."""


Repository = Annotated[CvmfsRepository | VolumeRepository | S3Repository | ImageRepository, Field(discriminator="kind")]


class ExpectedModel(Model):
    """A model that clients ask for by name."""

    name: Text
    """Name in the repository index."""
    versions: Annotated[tuple[Count, ...], Field(min_length=1)] | None = None
    """Versions that must be served; by default any."""
    stateful: bool = False
    """Whether it keeps state from one request of a sequence to the next (Triton's sequence batcher). A request that a
    server may have begun is then never sent again."""
    reference: Text | None = None
    """File below stacks/experiments/reference with a request and its right answer, for the acceptance check.
    Without one the check sends zeros and looks only at the shapes and types of the answer."""
    checksums_md5: dict[str, Md5] = {}
    """File of the model -> MD5, as Triton's checksum agent holds them and CMSSW compares them; empty: no agent."""


class Models(Model):
    """What is served."""

    repository: Repository
    """Where the models are."""
    expected: Annotated[tuple[ExpectedModel, ...], Field(min_length=1)]
    """The models that clients ask for."""

    @property
    def stateful(self) -> bool:
        """Whether any of them keeps state between requests."""
        return any(model.stateful for model in self.expected)

    def broken_rules(self) -> Iterator[BrokenRule]:
        """Every model is named once."""
        for name in twice([model.name for model in self.expected]):
            yield BrokenRule(
                f"the model `{name}` stands more than once: name it once, with all its versions",
                ("expected",),
            )


class Traffic(Model):
    """What the clients' requests are like. Envoy's limits and time-outs are derived from these."""

    largest_message_mib: Annotated[int, Field(ge=1, le=1024)] = 64
    """Largest request or answer, in MiB."""
    longest_request_seconds: Count = 600
    """Longest time that a client waits for an answer, queueing included, in seconds; its own deadline may be less."""
    attempts_max: Annotated[int, Field(ge=1, le=10)] = 5
    """How often a request is tried in all, on different servers, when a server fails it before answering."""
    shutdown_seconds: Count = 60
    """How long a server that is to stop may take to finish what it has begun, in seconds."""


class Scaling(Model):
    """How many servers, and what asks for more: a wait, not a mechanism."""

    servers_min: Count = 1
    """Servers that always stand, over all pools; every pool in use keeps at least one."""
    servers_max: Count
    """Servers at most, over all pools. Equal to servers_min: a fixed number, no autoscaling."""
    queue_target_ms: Annotated[float, Field(gt=0)] = 100.0
    """Time that a request may wait for its turn, in milliseconds, before servers are added."""
    service_time_ms: Annotated[float, Field(gt=0)] = 10.0
    """Time that one server takes for one request at full load, in milliseconds: 1000 / requests per second of one."""
    scale_down_wait_seconds: Annotated[int, Field(ge=0, le=3600)] = 600
    """How long the load must stay low before servers are taken away, in seconds."""

    def broken_rules(self) -> Iterator[BrokenRule]:
        """The range is not empty."""
        if self.servers_min > self.servers_max:
            yield BrokenRule(
                f"servers_min is {self.servers_min} but servers_max is {self.servers_max}: "
                "lower the first or raise the second",
                ("servers_min", "servers_max"),
            )


class Admission(Model):
    """How much work is let in. What is over it is refused at once, with UNAVAILABLE, so that a client can turn to
    another site or its own CPU, instead of waiting here in vain. Nothing is refused that is not declared here."""

    requests_in_flight_per_server_max: Count | None = None
    """Requests in progress for each healthy server, waiting ones included; more are refused. A request that finds so
    many before it waits for this x service_time_ms: choose what a client would still wait for. None: as many as fit
    into Envoy's memory."""
    queue_refuse_new_jobs_ms: Annotated[float, Field(gt=0)] | None = None
    """Wait in the servers' queues, in milliseconds, from which on a new job is refused the list of models (CMSSW then
    computes on its own CPU), until it is below half of that. Jobs that run go on. None: no job is refused for it."""


class Experiment(Model):
    """The facts of a collaboration whose jobs call the servers."""

    description: Text
    """What the experiment asks of the servers, in one sentence."""
    server: Server
    """The Triton server."""
    models: Models
    """What is served."""
    clients: Clients = NetworkClients(kind="network")
    """Who may call."""
    traffic: Traffic = Traffic()
    """What requests are like."""
    scaling: Scaling
    """How many servers."""
    admission: Admission = Admission()
    """How much work is let in."""

    def broken_rules(self) -> Iterator[BrokenRule]:
        """Servers are added before jobs are refused; a capacity that is shared has a limit."""
        refuse_ms, target_ms = self.admission.queue_refuse_new_jobs_ms, self.scaling.queue_target_ms
        if refuse_ms is not None and refuse_ms <= target_ms:
            yield BrokenRule(
                f"admission.queue_refuse_new_jobs_ms is {refuse_ms:g} but scaling.queue_target_ms is {target_ms:g}, "
                "and jobs would be refused before servers are added: raise the first or lower the second",
                ("admission.queue_refuse_new_jobs_ms", "scaling.queue_target_ms"),
            )
        tenants = tenants_of(self.clients)
        if tenants and self.admission.requests_in_flight_per_server_max is None:
            yield BrokenRule(
                f"clients.tenants names {len(tenants)} but admission.requests_in_flight_per_server_max is not set, and "
                "capacity is shared only while requests are refused for it: set it, or name no tenants",
                ("clients.tenants", "admission.requests_in_flight_per_server_max"),
            )
