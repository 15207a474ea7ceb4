"""A stand-in for Triton: its gRPC service without any server behind it, for tests of clients.

It serves models whose outputs are Python functions, and its fields set errors. It follows Triton's
documentation of the calls; the live tests compare with a real Triton.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent import futures
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import numpy as np
from numpy.typing import NDArray
from tritonclient.grpc import model_config_pb2, service_pb2, service_pb2_grpc

from stacks.schema.stack import STACK_HEADER

Arrays = Mapping[str, NDArray[np.float32]]


@dataclass
class StandInModel:
    """A model with FP32 inputs and outputs."""

    inputs: Mapping[str, Sequence[int]]
    """Input -> shape without the batch."""
    outputs: Mapping[str, Sequence[int]]
    """Output -> shape without the batch."""
    compute: Callable[[Arrays], Arrays]
    """Computes the outputs."""
    state: str = "READY"
    reason: str = ""
    batch_size_max: int = 8
    checksums: dict[str, str] = field(default_factory=dict)
    """Parameters of the checksum agent; none: no agent."""
    stateful: bool = False
    """True: it has a sequence batcher and refuses a request outside a sequence."""
    text_sequence_id: bool = False
    """True: it refuses a correlation ID that is a number."""
    decoupled: int | None = None
    """Number of times that it answers each request, by stream only; None: once, and not by stream only."""
    steps: Sequence[str] = ()
    """Models that an ensemble calls: a stateful one refuses a request outside a sequence."""
    warm_up: bool = False
    """True: its configuration warms it up with zeros, a batch of one."""
    optional: Sequence[str] = ()
    """Inputs that a request may leave out."""
    calls: list[Arrays] = field(default_factory=list)
    """Inputs of each request."""
    success_count: int = 0
    last_inference_ms: int = 0


@dataclass
class TritonStandIn(service_pb2_grpc.GRPCInferenceServiceServicer):  # type: ignore[misc]
    """The service. Every model has one version, `1`."""

    models: dict[str, StandInModel]
    stack: str | None = None
    """Stack that the answers name, as those of its Envoys do; None: they name none, as those of a Triton."""
    live: bool = True
    ready: bool = True
    failures: dict[str, tuple[grpc.StatusCode, str]] = field(default_factory=dict)
    """Call -> the status and details that it ends with."""
    messages: dict[str, str] = field(default_factory=dict)
    """Call -> the error message in its answer."""
    counts: bool = True
    """False: the statistics do not count inferences."""
    authorization: str | None = None
    """Header `authorization` of the last call."""
    client_names: list[str] = field(default_factory=list)
    """Common name of the certificate that the last call's client showed, if it did."""

    @contextmanager
    def serving(self, credentials: grpc.ServerCredentials | None = None) -> Iterator[str]:
        """Serve on a free port of loopback, with TLS if there are credentials; gives `host:port`."""
        server = grpc.server(futures.ThreadPoolExecutor(max_workers=2))
        service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(self, server)
        address = "127.0.0.1:0"
        port = server.add_secure_port(address, credentials) if credentials else server.add_insecure_port(address)
        server.start()
        try:
            yield f"127.0.0.1:{port}"
        finally:
            server.stop(grace=None).wait()

    def ServerLive(self, request: Any, context: Any) -> Any:  # noqa: ARG002, N802
        self._fail("ServerLive", context)
        return service_pb2.ServerLiveResponse(live=self.live)

    def ServerReady(self, request: Any, context: Any) -> Any:  # noqa: ARG002, N802
        self._fail("ServerReady", context)
        return service_pb2.ServerReadyResponse(ready=self.ready)

    def RepositoryIndex(self, request: Any, context: Any) -> Any:  # noqa: ARG002, N802
        self._fail("RepositoryIndex", context)
        answer = service_pb2.RepositoryIndexResponse()
        for name, model in self.models.items():
            answer.models.add(name=name, version="1", state=model.state, reason=model.reason)
        return answer

    def ModelConfig(self, request: Any, context: Any) -> Any:  # noqa: N802
        model = self._model("ModelConfig", request.name, request.version, context)
        answer = service_pb2.ModelConfigResponse()
        answer.config.name = request.name
        answer.config.max_batch_size = model.batch_size_max
        for name, shape in model.inputs.items():
            answer.config.input.add(name=name, dims=shape, data_type="TYPE_FP32", optional=name in model.optional)
        if model.stateful:
            control = answer.config.sequence_batching.control_input.add(name="CORRID").control.add()
            control.kind = control.CONTROL_SEQUENCE_CORRID
            control.data_type = model_config_pb2.TYPE_STRING if model.text_sequence_id else model_config_pb2.TYPE_UINT64
        answer.config.model_transaction_policy.decoupled = model.decoupled is not None
        for step in model.steps:
            answer.config.ensemble_scheduling.step.add(model_name=step, model_version=-1)
        if model.warm_up:
            sample = answer.config.model_warmup.add(name="zeros", batch_size=1)
            for name, shape in model.inputs.items():
                sample.inputs[name].data_type = model_config_pb2.TYPE_FP32
                sample.inputs[name].dims.extend(4 if size < 0 else size for size in shape)
                sample.inputs[name].zero_data = True
        if model.checksums:
            agent = answer.config.model_repository_agents.agents.add(name="checksum")
            agent.parameters.update(model.checksums)
        return answer

    def ModelMetadata(self, request: Any, context: Any) -> Any:  # noqa: N802
        model = self._model("ModelMetadata", request.name, request.version, context)
        batch = [-1] if model.batch_size_max else []
        answer = service_pb2.ModelMetadataResponse(name=request.name, versions=["1"])
        for tensors, declared in ((answer.inputs, model.inputs), (answer.outputs, model.outputs)):
            for name, shape in declared.items():
                tensors.add(name=name, datatype="FP32", shape=[*batch, *shape])
        return answer

    def ModelReady(self, request: Any, context: Any) -> Any:  # noqa: N802
        self._model("ModelReady", request.name, request.version, context)
        return service_pb2.ModelReadyResponse(ready=True)

    def ModelInfer(self, request: Any, context: Any) -> Any:  # noqa: N802
        model = self._model("ModelInfer", request.model_name, request.model_version, context)
        if model.decoupled is not None:
            context.abort(
                grpc.StatusCode.UNIMPLEMENTED, "ModelInfer RPC doesn't support models with decoupled transaction policy"
            )
        return self._answer(model, request, context)

    def ModelStreamInfer(self, requests: Any, context: Any) -> Any:  # noqa: N802
        for request in requests:
            model = self._model("ModelStreamInfer", request.model_name, request.model_version, context)
            if "ModelStreamInfer" in self.messages:
                yield service_pb2.ModelStreamInferResponse(error_message=self.messages["ModelStreamInfer"])
                continue
            for _ in range(1 if model.decoupled is None else model.decoupled):
                answer = self._answer(model, request, context)
                yield service_pb2.ModelStreamInferResponse(infer_response=answer)

    def _answer(self, model: StandInModel, request: Any, context: Any) -> Any:
        for part in (model, *(self.models[step] for step in model.steps)):
            sequence_id = request.parameters["sequence_id"]
            given = sequence_id.string_param if part.text_sequence_id else sequence_id.int64_param
            if part.stateful and not given:
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, "must specify a non-zero or non-empty correlation ID")
        arrays = {
            head.name: np.frombuffer(raw, np.float32).reshape(tuple(head.shape))
            for head, raw in zip(request.inputs, request.raw_input_contents, strict=True)
        }
        model.calls.append(arrays)
        answer = service_pb2.ModelInferResponse(model_name=request.model_name, model_version="1")
        for name, values in model.compute(arrays).items():
            answer.outputs.add(name=name, datatype="FP32", shape=values.shape)
            answer.raw_output_contents.append(values.astype(np.float32).tobytes())
        if self.counts:
            model.success_count += 1
            model.last_inference_ms = round(time.time() * 1000)
        return answer

    def ModelStatistics(self, request: Any, context: Any) -> Any:  # noqa: N802
        model = self._model("ModelStatistics", request.name, request.version, context)
        answer = service_pb2.ModelStatisticsResponse()
        statistics = answer.model_stats.add(name=request.name, version="1", last_inference=model.last_inference_ms)
        statistics.inference_stats.success.count = model.success_count
        return answer

    def _fail(self, call: str, context: Any) -> None:
        if self.stack is not None:
            context.send_initial_metadata([(STACK_HEADER, self.stack)])
        self.authorization = dict(context.invocation_metadata()).get("authorization")
        self.client_names = [name.decode() for name in context.auth_context().get("x509_common_name", [])]
        if call in self.failures:
            context.abort(*self.failures[call])

    def _model(self, call: str, name: str, version: str, context: Any) -> StandInModel:
        self._fail(call, context)
        model = self.models.get(name)
        if model is None or version not in ("", "1") or model.state != "READY":
            context.abort(grpc.StatusCode.UNAVAILABLE, f"Request for unknown model: '{name}' is not found")
        assert model is not None
        return model
