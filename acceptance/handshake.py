"""Makes the calls of a CMSSW job, in its order, and gives each a verdict.

`TritonService` asks each server for its repository index once; `TritonClient` then asks for the configuration of its
model and compares checksums, for its metadata, and infers; with verbose clients, statistics follow
(HeterogeneousCore/SonicTriton). ServerLive and ServerReady, which it calls only before a retry, come first here.
"""

import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property, partial
from typing import Literal

from acceptance import tensors
from acceptance.errors import CheckError
from acceptance.kserve import CallError, IndexEntry, InferenceServer, ModelConfig, ModelMetadata, Tensor, TensorSpec
from acceptance.reference import Reference

SERVER_CHECK = "server"
"""All checks of one server."""
METRICS_CHECK = "metrics"
"""One query of KEDA or of the admission controller."""
CHECKS = ("live", "ready", "index", "config", "metadata", "infer", "statistics", SERVER_CHECK, METRICS_CHECK)
"""Every check, in the order of the rows."""

STATISTICS_PATIENCE_SECONDS = 10.0
CLOCK_SKEW_SECONDS = 60.0
"""Largest difference between the clocks of a server and of this machine."""

_READY = "READY"


class Result(StrEnum):
    """Verdict of a check."""

    OK = "ok"
    FAILED = "FAILED"
    NOT_SENT = "not sent"
    """The model is ready, and no request is known to be harmless to it."""
    NOT_TRIED = "not tried"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One check of the server or of one model."""

    check: str
    """One of `CHECKS`."""
    model: str
    """Model, with the version where one is expected; empty: the server."""
    result: Result
    detail: str
    """The value found, or the error."""
    milliseconds: float | None
    """Duration; None: it was not tried."""


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """Expected versions, files and answer of one model."""

    model: str
    versions: tuple[int, ...] = ()
    """Versions that must be served; empty: any, and the server's choice is asked."""
    checksums_md5: Mapping[str, str] = field(default_factory=dict)
    """File of the model -> MD5; empty: no checksum agent."""
    stateful: bool = False
    """True: the experiment's file declares that it keeps state between requests."""
    references: Mapping[str, Reference] = field(default_factory=dict)
    """Version to ask for -> a request with its right answer; empty: there is none."""
    probe: Literal["harmless", "ready", "zeros"] = "harmless"
    """Requests that may be sent: `probe` of the experiment's file."""
    called_by: tuple[str, ...] = ()
    """Models that call it; empty: clients call it."""

    @property
    def asked(self) -> Mapping[str, str]:
        """Name in the table -> version to ask for."""
        return {f"{self.model}/{version}": str(version) for version in self.versions} or {self.model: ""}


def handshake(server: InferenceServer, expectations: Sequence[Expectation]) -> Iterator[Row]:
    """Yield each row as soon as its check is made. A check whose precondition failed is not tried."""
    front = _Front(server)
    yield (live := _row("live", "", front.live))
    yield _row("ready", "", front.ready, after=live)
    yield (index := _row("index", "", front.list, after=live))
    served = {}
    for expectation in expectations:
        served[expectation.model] = _row("index", expectation.model, partial(front.served, expectation), after=index)
        yield served[expectation.model]
    for expectation in expectations:
        called = [other.model for other in expectations if expectation.model in other.called_by]
        for name, version in expectation.asked.items():
            model = ModelCheck(server, expectation, version, called)
            yield (config := _row("config", name, model.ask_config, after=served[expectation.model]))
            yield (metadata := _row("metadata", name, model.ask_metadata, after=config))
            yield (inference := _row("infer", name, model.infer, after=metadata))
            yield _row("statistics", name, model.statistics, after=inference)


class _NotSentError(Exception):
    """A request that is not sent, with the reason."""


def _row(check: str, model: str, call: Callable[[], str], after: Row | None = None) -> Row:
    if after is not None and after.result not in (Result.OK, Result.NOT_SENT):
        return Row(check=check, model=model, result=Result.NOT_TRIED, detail="", milliseconds=None)
    start = time.perf_counter()
    try:
        result, detail = Result.OK, call()
    except _NotSentError as reason:
        result, detail = Result.NOT_SENT, str(reason)
    except (CallError, CheckError) as error:
        result, detail = Result.FAILED, str(error)
    milliseconds = (time.perf_counter() - start) * 1000
    return Row(check=check, model=model, result=result, detail=detail, milliseconds=milliseconds)


class _Front:
    """Checks of the server as a whole. Each method returns the value found, or raises CallError or CheckError."""

    def __init__(self, server: InferenceServer) -> None:
        self._server = server
        self._index: Sequence[IndexEntry] = ()

    def live(self) -> str:
        if not self._server.server_live():
            msg = "ServerLive is false: read the log of the server"
            raise CheckError(msg)
        return ""

    def ready(self) -> str:
        if not self._server.server_ready():
            msg = "ServerReady is false: a model is loading or failed to load, see the rows below"
            raise CheckError(msg)
        return ""

    def list(self) -> str:
        self._index = self._server.repository_index()
        return f"lists {', '.join(sorted({entry.model for entry in self._index})) or 'nothing'}"

    def served(self, expectation: Expectation) -> str:
        found = {entry.version: entry for entry in self._index if entry.model == expectation.model}
        if not found:
            msg = (
                f"`{expectation.model}` is not in the repository index, so jobs would run it on their own "
                "CPUs: add it to the model repository, or remove it from experiment.models.expected"
            )
            raise CheckError(msg)
        if not expectation.versions:
            ready = [entry for entry in found.values() if entry.state == _READY]
            return _ready_version(ready[0] if ready else next(iter(found.values())))
        missing = [str(version) for version in expectation.versions if str(version) not in found]
        if missing:
            msg = (
                f"version {missing[0]} is not in the repository index, which has {', '.join(sorted(found))}: add it to "
                "the model repository, or correct experiment.models.expected[].versions"
            )
            raise CheckError(msg)
        return ", ".join(_ready_version(found[str(version)]) for version in expectation.versions)


def _ready_version(entry: IndexEntry) -> str:
    version = f"version {entry.version}" if entry.version else "no version"
    if entry.state != _READY:
        reason = f" ({entry.reason})" if entry.reason else ""
        msg = (
            f"{version} is {entry.state or 'loaded'}{reason}, but CMSSW uses every model of the repository "
            "index, so its jobs would fail: repair the model, or remove it from the repository"
        )
        raise CheckError(msg)
    return f"{version} {_READY}"


class ModelCheck:
    """Checks of one version of one model; each uses the answers to the earlier ones.

    Args:
        server: answers.
        expectation: of the model.
        version: to ask for; empty: the server's choice.
        called: models that it calls while it computes.
    """

    def __init__(
        self, server: InferenceServer, expectation: Expectation, version: str, called: Sequence[str] = ()
    ) -> None:
        self._server = server
        self._expectation = expectation
        self._which = (expectation.model, version)
        self._called = called
        self._config = ModelConfig(batch_size_max=0, checksums_md5={}, stateful=False)
        self._metadata = ModelMetadata(inputs=(), outputs=())
        self._asked_at_seconds: float | None = None

    @cached_property
    def _parts(self) -> Mapping[str, ModelConfig]:
        """Configuration of the model, of the steps of an ensemble, and of the models that it calls, by name."""
        parts = {self._expectation.model: self._config}
        waiting = [*self._config.steps, *((model, "") for model in self._called)]
        while waiting:
            model, version = waiting.pop(0)
            if model not in parts:
                parts[model] = self._server.model_config(model, version)
                waiting += parts[model].steps
        return parts

    def ask_config(self) -> str:
        """Compare checksums, and find the parts that keep state."""
        self._config = self._server.model_config(*self._which)
        served = self._config.checksums_md5
        for file, right in self._expectation.checksums_md5.items():
            if served.get(file) != right:
                held = f"has MD5 {served[file]}" if file in served else "has no checksum"
                msg = (
                    f"{file} {held} in the server's checksum agent but {right} is expected, so jobs that "
                    "compare checksums would fail: serve the right file, or correct "
                    "experiment.models.expected[].checksums_md5"
                )
                raise CheckError(msg)
        keeps_state = next((name for name, part in self._parts.items() if part.stateful), None)
        if keeps_state is not None and not self._expectation.stateful and not self._expectation.called_by:
            itself = keeps_state == self._expectation.model
            msg = (
                f"{'the model' if itself else f'its part `{keeps_state}`'} has a sequence batcher, but "
                "experiment.models.expected[].stateful is false, so Envoy would retry a step of a sequence on another "
                "server: set it to true"
            )
            raise CheckError(msg)
        batches = f"batches up to {self._config.batch_size_max}" if self._config.batch_size_max else "no batching"
        compared = ", ".join(self._expectation.checksums_md5)
        return f"{batches}; MD5 agrees: {compared}" if compared else batches

    def answer_to(self, inputs: Sequence[Tensor]) -> Sequence[Sequence[Tensor]]:
        """Send a request that the model's interface has, and return the tensors of each response.

        Raises:
            CallError: a call fails.
            CheckError: the interface has no such request.
        """
        self._config = self._server.model_config(*self._which)
        self._metadata = self._server.model_metadata(*self._which)
        tensors.refuse_unfit(inputs, self._metadata, self._config)
        return self._answer(inputs)

    def ask_metadata(self) -> str:
        """Name the inputs and outputs."""
        self._metadata = self._server.model_metadata(*self._which)
        return f"inputs {_names(self._metadata.inputs)}; outputs {_names(self._metadata.outputs)}"

    def infer(self) -> str:
        """Send the reference, or zeros where the experiment's file or the model's configuration allows them."""
        reference = self._expectation.references.get(self._which[1])
        if reference is not None:
            tensors.refuse_unfit(reference.inputs, self._metadata, self._config)
            return tensors.compare(self._answer(reference.inputs), reference)
        inputs = self._zeros()
        tensors.refuse_unfit(inputs, self._metadata, self._config)
        batch = inputs[0].values.shape[0] if self._config.batch_size_max else None
        return tensors.compare_form(self._answer(inputs), self._metadata, batch=batch)

    def _zeros(self) -> tuple[Tensor, ...]:
        expectation = self._expectation
        if expectation.probe == "zeros":
            return tensors.zeros(self._metadata, batching=self._config.batch_size_max > 0)
        if expectation.probe == "harmless" and not expectation.called_by and self._config.warm_up:
            return tensors.warm_up(self._config.warm_up)
        if not self._server.model_ready(*self._which):
            msg = "ModelReady is false: read the log of the server"
            raise CheckError(msg)
        if expectation.called_by:
            reason = f"ready; called by {', '.join(expectation.called_by)} and not by clients"
        elif expectation.probe == "ready":
            reason = "ready; experiment.models.expected[].probe is `ready`"
        else:
            reason = "ready; no request is known to be harmless: record a reference to compare its answers"
        raise _NotSentError(reason)

    def _answer(self, inputs: Sequence[Tensor]) -> Sequence[Sequence[Tensor]]:
        """Return the tensors of each response."""
        parts = self._parts.values()
        sequence: str | int | None = None
        if any(part.stateful for part in parts):
            # 31 bits: a model may take the correlation ID as INT32.
            number = secrets.randbelow(2**31 - 1) + 1
            sequence = f"acceptance-{number}" if any(part.text_sequence_id for part in parts) else number
        self._asked_at_seconds = time.time()
        # By stream every model answers, and a decoupled one only so.
        if any(part.decoupled for part in parts):
            return self._server.stream(*self._which, inputs, sequence)
        return [self._server.infer(*self._which, inputs, sequence)]

    def statistics(self) -> str:
        """Repeat until the server that inferred answers: a balancer sends each call to another server."""
        deadline = time.monotonic() + STATISTICS_PATIENCE_SECONDS
        while time.monotonic() < deadline:
            for counted in self._server.model_statistics(*self._which):
                counts = f"version {counted.version}: {counted.success_count} successes, {counted.fail_count} failures"
                if self._asked_at_seconds is None:
                    return f"{counts} of its clients at one server"
                if counted.success_count and (
                    counted.last_inference_seconds > self._asked_at_seconds - CLOCK_SKEW_SECONDS
                ):
                    return counts
        msg = (
            f"no server counts a success of the last {CLOCK_SKEW_SECONDS:.0f} s, although one has just answered: "
            "compare the servers' clocks with this machine's"
        )
        raise CheckError(msg)


def _names(specs: Sequence[TensorSpec]) -> str:
    return ", ".join(spec.name for spec in specs)
