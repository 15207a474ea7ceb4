"""An experiment: the facts of a collaboration. Facts of a place are the site's."""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from stacks.schema.base import (
    AbsolutePath,
    BrokenRule,
    Count,
    CvmfsPath,
    Md5,
    Model,
    Text,
    twice,
)
from stacks.schema.clients import Clients, NetworkClients, models_are_controlled, tenants_of
from stacks.schema.model_control import broken_flags
from stacks.schema.patches import Patch, PatchTarget
from stacks.schema.server import Server

DEFAULT_SERVICE_TIME_MS = 10.0
"""A guess, which no model of an experiment has to meet."""


_QUOTED = re.compile(r""""(\\.|[^"\\])*"|'(\\.|[^'\\])*'|`[^`]*`""")
_CLOSERS = {"(": ")", "[": "]", "{": "}"}


def _closed(query: str) -> str:
    """Refuse brackets that do not match; Prometheus alone knows the rest of PromQL."""
    opened: list[str] = []
    for sign in _QUOTED.sub("", query):
        if sign in _CLOSERS:
            opened.append(sign)
        elif sign in _CLOSERS.values() and (not opened or _CLOSERS[opened.pop()] != sign):
            msg = f"PromQL must have a bracket opened for each that is closed: open one before `{sign}`, or take it out"
            raise ValueError(msg)
    if opened:
        msg = f"PromQL must have each bracket closed: add `{_CLOSERS[opened[-1]]}`"
        raise ValueError(msg)
    return query


_DURATION = r"([0-9]+(ms|[smhdwy])?)+"
_RANGE = re.compile(rf"\s*{_DURATION}\s*(:\s*({_DURATION}\s*)?)?")
_MATCHER = re.compile(r'([\w:]+\s*(=~|!~|!=|=)\s*)?""')
_UNFINISHED = re.compile(r"([-+*/%^<>]|[=!<>]=|\b(and|or|unless|by|without|on|ignoring))\s*$")


def _parsed(query: str) -> str:
    """Refuse the mistakes that need no parser: variables of Grafana, ranges, labels without quotes, an open end."""
    if variable := re.search(r"\$(\{\w+\}|[A-Za-z_]\w*)", query):
        msg = f"PromQL must not use Grafana's variables: write the value of `{variable[0]}` instead"
        raise ValueError(msg)
    bare = re.sub(r"#[^\n]*", "", _QUOTED.sub('""', query))
    for inner in re.findall(r"\[([^][]*)\]", bare):
        if not _RANGE.fullmatch(inner):
            msg = f"a range of PromQL must be a number with its unit, found `[{inner}]`: write one such as [5m]"
            raise ValueError(msg)
    for inner in re.findall(r"\{([^{}]*)\}", bare):
        for matcher in filter(None, map(str.strip, inner.split(","))):
            if not _MATCHER.fullmatch(matcher):
                msg = f'a label of PromQL must be compared with text in quotes: write `{matcher}` as pod="triton"'
                raise ValueError(msg)
    if listed := re.search(r"\b(by|without|on|ignoring)\s+(\w+)", bare):
        msg = f"labels of PromQL must be in brackets: write `{listed[1]} ({listed[2]})`"
        raise ValueError(msg)
    if unfinished := _UNFINISHED.search(bare):
        msg = f"PromQL must not end with `{unfinished[1]}`: write what follows it, or take it out"
        raise ValueError(msg)
    return query


Promql = Annotated[
    str,
    Field(min_length=1, title="an expression of PromQL", examples=["sum(up)"]),
    AfterValidator(_closed),
    AfterValidator(_parsed),
]
"""An expression of PromQL."""


PLACES_IN_QUERY = ("{namespace}", "{pods}", "{envoys}")
"""The program replaces these in an operator's own query: the namespace, the pods of a pool, the Envoys."""


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

    name: Annotated[
        str,
        Field(
            pattern=r"^[^\s/*?]+$",
            title="the name of one model, as its folder in the repository",
            examples=["deepmet"],
            max_length=255,
        ),
    ]
    """Name in the repository index."""
    versions: Annotated[tuple[Count, ...], Field(min_length=1)] | None = None
    """Versions that must be served; by default any."""
    stateful: bool = False
    """true: the model keeps state from one request of a sequence to the next (Triton's sequence batcher). Envoy then
    never retries a request that a server may have begun."""
    reference: Text | None = None
    """File below stacks/experiments/reference with a request and its right answer, which the acceptance check compares;
    `{version}` in the name stands for each of `versions`. docs/acceptance.md describes the file."""
    probe: Literal["harmless", "ready", "zeros"] = "harmless"
    """Requests that the acceptance check may send. `harmless`: the reference; without one, the zeros that the model's
    own configuration warms it up with (`model_warmup`); else none. `ready`: none, the check asks only whether the model
    is ready. `zeros`: zeros in every input, for a model that cannot be harmed by them."""
    called_by: tuple[Text, ...] = ()
    """Models of the list that call this one while they compute (business logic scripting); empty: clients call it. It
    must be in the list, since `explicit` loads nothing else but the steps of ensembles."""
    checksums_md5: dict[str, Md5] = {}
    """File of the model -> MD5, as Triton's checksum agent holds them and CMSSW compares them; empty: no agent."""

    @property
    def reference_files(self) -> Mapping[str, str]:
        """Version to ask for, empty for the server's choice -> file of its reference; empty without a reference."""
        if self.reference is None:
            return {}
        return {version: self.reference.replace("{version}", version) for version in self.asked_versions}

    @property
    def asked_versions(self) -> tuple[str, ...]:
        """Versions to ask for; one empty text: the server's choice."""
        return tuple(str(version) for version in self.versions or ()) or ("",)

    def broken_rules(self) -> Iterator[BrokenRule]:
        """One request is chosen, and a version that is named in a file is known."""
        if self.reference is not None and self.probe != "harmless":
            yield BrokenRule(
                f"probe is `{self.probe}` but reference names {self.reference}, which the check sends: remove one of "
                "the two",
                ("probe", "reference"),
            )
        if self.reference is not None and "{version}" in self.reference and self.versions is None:
            yield BrokenRule(
                f"reference is `{self.reference}` but versions is not set: list the versions, or name the file",
                ("reference", "versions"),
            )
        if self.called_by and self.probe == "zeros":
            yield BrokenRule(
                "probe is `zeros` but called_by says that no client calls the model: remove one of the two",
                ("probe", "called_by"),
            )


class Models(Model):
    """The models, and the repository that holds them."""

    repository: Repository
    """Repository of the models."""
    expected: tuple[ExpectedModel, ...]
    """The models that clients ask for, and that the acceptance check tries. Empty only where servers load all models of
    the repository."""

    @property
    def stateful(self) -> bool:
        """True if any model keeps state between requests."""
        return any(model.stateful for model in self.expected)

    def broken_rules(self) -> Iterator[BrokenRule]:
        """Every model is named once, and a model is called by another of them."""
        names = [model.name for model in self.expected]
        for name in twice(names):
            yield BrokenRule(
                f"the model `{name}` is named more than once: name it once, with all its versions",
                tuple(f"expected.{at}" for at, each in enumerate(names) if each == name),
            )
        for index, model in enumerate(self.expected):
            others = [name for name in names if name != model.name]
            for caller in model.called_by:
                if caller not in others:
                    yield BrokenRule(
                        f"expected[{index}].called_by has `{caller}`, which is no other model of the list: "
                        "correct the name, or add the model to expected",
                        (f"expected.{index}.called_by",),
                    )


class Traffic(Model):
    """Properties of the clients' requests. Envoy's limits and timeouts are derived from them."""

    largest_message_mib: Annotated[int, Field(ge=1, le=1024)] = 64
    """Largest request or answer, in MiB."""
    longest_request_seconds: Annotated[int, Field(ge=1, le=86400)] = 600
    """Longest time that a client waits for an answer, queueing included, in seconds. Its deadline may be shorter."""
    attempts_max: Annotated[int, Field(ge=1, le=10)] = 2
    """Number of attempts in all, on different servers, for a request that a server fails before it answers. A request
    that ends its server ends so many."""
    shutdown_seconds: Count = 60
    """Longest time that a stopping server takes to finish the requests that it has begun, in seconds."""

    @property
    def wait_max_seconds(self) -> int:
        """Time without a byte after which Envoy ends a call, and limit of a request. No client waits as long."""
        return self.longest_request_seconds + 5


_WAITING_MIN, _WAITING_MAX = 0.1, 5000
"""Waiting requests for each server at which KEDA may add one. With fewer it always does, with more it never does."""


class Scaling(Model):
    """Number of servers, and the wait in their queues that adds one."""

    servers_min: Annotated[int, Field(ge=0)] = 1
    """Fewest servers, over all pools. Each pool in use keeps at least one. 0: a single pool of pods goes down to no
    server, and clients are refused while one starts; the site must allow it by `keda.scale_to_zero`."""
    servers_max: Count
    """Most servers, over all pools. Equal to servers_min: a fixed number, no autoscaling."""
    queue_target_ms: Annotated[float, Field(ge=1)] = 100.0
    """Wait of a request in a server's queue, in milliseconds, above which servers are added. At least five requests
    must wait for each server. They are added as well where servers execute for more than three quarters of the time."""
    service_time_ms: Annotated[float, Field(ge=0.05)] = DEFAULT_SERVICE_TIME_MS
    """Time that one server takes for one request at full load, in milliseconds: 1000 / (its requests per second). The
    autoscaler measures it, and takes this before the first requests. Admission and the spill to the next pool take
    this always."""
    executions_per_server: Count = 1
    """Executions that one server does at the same time without slowing: the instances of its models that work side by
    side. With a number that is too low, servers are added that nobody needs."""
    query: Promql | None = None
    """Load of a pool in PromQL, instead of its waiting work and its busy servers; one number. `{namespace}` is filled
    in with the stack's namespace, `{pods}` with an expression for the names of the pool's servers, `{envoys}` with one
    for the Envoys."""
    threshold: Annotated[float, Field(gt=0)] | None = None
    """Load that one server carries, in the unit of `query`: there are query / threshold servers, rounded up."""
    scale_up_wait_seconds: Annotated[int, Field(ge=0, le=3600)] = 0
    """Time that the load must stay high before servers are added, in seconds."""
    scale_up_servers: Count | None = None
    """Most servers that are added in one period; by default four, or as many as there are."""
    scale_up_period_seconds: Annotated[int, Field(ge=1, le=1800)] = 60
    """Period of scale_up_servers, in seconds: about a start of a server, so that those which were asked for help before
    more are asked for. The HPA decides every 15 s."""
    scale_down_wait_seconds: Annotated[int, Field(ge=0, le=3600)] = 120
    """Time that the load must stay low before servers are removed, in seconds: twice the time in which a server starts
    and loads its models, or more. In a pool of jobs it is at least the pool's queue_wait_seconds, up to 3600."""
    scale_down_servers: Count = 4
    """Most servers that are removed in one period."""
    scale_down_period_seconds: Annotated[int, Field(ge=1, le=1800)] = 60
    """Period of scale_down_servers, in seconds."""

    def broken_rules(self) -> Iterator[BrokenRule]:
        """The range is not empty, and a query of one's own has its threshold."""
        if self.servers_min > self.servers_max:
            yield BrokenRule(
                f"servers_min is {self.servers_min} but servers_max is {self.servers_max}: "
                "lower the first or raise the second",
                ("servers_min", "servers_max"),
            )
        waiting = self.queue_target_ms / self.service_time_ms
        if not _WAITING_MIN <= waiting <= _WAITING_MAX:
            yield BrokenRule(
                f"queue_target_ms is {self.queue_target_ms:g} but service_time_ms is {self.service_time_ms:g}, and "
                f"servers would be added at {waiting:.3g} waiting requests for each: must be {_WAITING_MIN:g} to "
                f"{_WAITING_MAX}: are both in milliseconds?",
                ("queue_target_ms", "service_time_ms"),
            )
        if self.query is not None and self.threshold is None:
            yield BrokenRule(
                "query is set but threshold is not: add threshold, the load that one server carries in the query's "
                "unit",
                ("query",),
            )
        if self.query is not None and self.executions_per_server != 1:
            yield BrokenRule(
                f"executions_per_server is {self.executions_per_server} but query replaces the load that it is for: "
                "remove one of them",
                ("executions_per_server",),
            )
        if self.query is None and self.threshold is not None:
            yield BrokenRule(
                f"threshold is {self.threshold:g} but there is no query whose unit it has: remove it and set "
                "queue_target_ms, or add query",
                ("threshold",),
            )


class Admission(Model):
    """Limits on accepted work. Envoy rejects a request above a limit at once, with UNAVAILABLE, so that the client can
    turn to another site or its own CPU instead of waiting. Without a limit, Envoy rejects only what does not fit into
    its memory."""

    requests_in_flight_per_server_max: Count | None = None
    """Requests in progress for each healthy server, queued ones included; Envoy rejects more. With so many before it, a
    request waits this number x service_time_ms: choose a wait that clients accept. None: as many as fit into Envoy's
    memory."""
    queue_refuse_new_jobs_ms: Annotated[float, Field(gt=0)] | None = None
    """Wait in the servers' queues, in milliseconds, above which Envoy rejects a new job's request for the list of
    models, until the wait is below half of that. CMSSW then computes on its own CPU. Running jobs go on. None: no job
    is rejected for it."""


class Experiment(Model):
    """The facts of a collaboration whose jobs call the servers."""

    description: Text
    """The experiment's use of the servers, in one sentence, for readers of the file."""
    server: Server
    """The Triton server."""
    models: Models
    """The models, and the repository that holds them."""
    clients: Clients = NetworkClients(kind="network")
    """The clients that may call, and how they identify themselves."""
    traffic: Traffic = Traffic()
    """Properties of the requests."""
    scaling: Scaling
    """Number of servers."""
    admission: Admission = Admission()
    """Limits on accepted work."""
    patches: dict[PatchTarget, Patch] = {}
    """Fields of the stack's objects that no key sets, by kind and component, as a strategic merge. Those of the site
    come first. `python -m stacks render` shows the objects with them."""

    def broken_rules(self) -> Iterator[BrokenRule]:
        """Servers load a model, are added before jobs are refused, and a shared capacity has a limit."""
        flags = self.server.flags
        if not self.models.expected and (flags.model_control_mode, flags.load_model) == ("explicit", "expected"):
            yield BrokenRule(
                "models.expected is empty, and the servers load the expected models only: name the models, or write "
                "`*` as server.flags.load_model",
                ("models.expected", "server.flags.load_model"),
            )
        refuse_ms, target_ms = self.admission.queue_refuse_new_jobs_ms, self.scaling.queue_target_ms
        if refuse_ms is not None and refuse_ms <= target_ms:
            yield BrokenRule(
                f"admission.queue_refuse_new_jobs_ms is {refuse_ms:g} but scaling.queue_target_ms is {target_ms:g}, "
                "and jobs would be refused before servers are added: raise the first or lower the second",
                ("admission.queue_refuse_new_jobs_ms", "scaling.queue_target_ms"),
            )
        longest_seconds = self.traffic.longest_request_seconds
        if target_ms >= longest_seconds * 1000:
            yield BrokenRule(
                f"scaling.queue_target_ms is {target_ms:g} but traffic.longest_request_seconds is {longest_seconds}: "
                "clients would give up before servers are added: lower the first or raise the second",
                ("scaling.queue_target_ms", "traffic.longest_request_seconds"),
            )
        tenants = tenants_of(self.clients)
        if tenants and self.admission.requests_in_flight_per_server_max is None:
            yield BrokenRule(
                f"clients.tenants names {len(tenants)} but admission.requests_in_flight_per_server_max is not set, and "
                "capacity is shared only while requests are refused for it: set it, or name no tenants",
                ("clients.tenants", "admission.requests_in_flight_per_server_max"),
            )
        if models_are_controlled(self.clients):
            yield from broken_flags(flags, key="clients.model_control", flags_key="server.flags")
            if self.scaling.servers_max > 1:
                yield BrokenRule(
                    f"clients.model_control is set but scaling.servers_max is {self.scaling.servers_max}, and a call "
                    "through Envoy loads a model on one server of them: set servers_max to 1, or let pods of the "
                    "cluster load models on each server (site.model_control)",
                    ("clients.model_control", "scaling.servers_max"),
                )
