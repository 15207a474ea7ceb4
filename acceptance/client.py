"""A client of Triton's gRPC with the same generated stubs as CMSSW's: tensors as raw bytes."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Self

import grpc
from tritonclient.grpc import model_config_pb2, service_pb2, service_pb2_grpc

from acceptance.client_credentials import NOTHING_TO_SHOW, Credentials
from acceptance.kserve import (
    CallError,
    IndexEntry,
    ModelConfig,
    ModelMetadata,
    ModelStatistics,
    Tensor,
    TensorSpec,
    raw,
    tensor_of_raw,
)
from stacks.schema.stack import STACK_HEADER

CALL_DEADLINE_SECONDS = 10.0
INFER_DEADLINE_SECONDS = 60.0
"""Longer: the first request to a model may have to wait until its backend has warmed up."""

_MESSAGE_BYTES_MAX = 2**31 - 1  # gRPC's own limit of 4 MiB is less than many requests are
_CHECKSUM_KEY = "MD5:"


class TritonClient:
    """An `InferenceServer` at `host:port`; no connection is made before the first call.

    Args:
        endpoint: `host:port`.
        tls: whether to speak TLS, trusting the public authorities that gRPC comes with. CMSSW's own
            SONIC_LOCAL_BALANCER speaks plain text.
        credentials: what to show; only over TLS.
    """

    def __init__(self, endpoint: str, *, tls: bool, credentials: Credentials = NOTHING_TO_SHOW) -> None:
        options = [
            ("grpc.max_send_message_length", _MESSAGE_BYTES_MAX),
            ("grpc.max_receive_message_length", _MESSAGE_BYTES_MAX),
        ]
        self._channel = (
            grpc.secure_channel(endpoint, _channel_credentials(credentials), options)
            if tls
            else grpc.insecure_channel(endpoint, options)
        )
        self._stub: Any = service_pb2_grpc.GRPCInferenceServiceStub(self._channel)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._channel.close()

    def server_live(self) -> bool:
        """ServerLive."""
        return bool(_call(self._stub.ServerLive, service_pb2.ServerLiveRequest()).live)

    def answering_stack(self) -> str | None:
        """Return the stack that Envoy names in its answers; None: whoever answers is no Envoy of this program."""
        _, call = _call(self._stub.ServerLive.with_call, service_pb2.ServerLiveRequest())
        return dict(call.initial_metadata()).get(STACK_HEADER)

    def server_ready(self) -> bool:
        """ServerReady."""
        return bool(_call(self._stub.ServerReady, service_pb2.ServerReadyRequest()).ready)

    def repository_index(self) -> list[IndexEntry]:
        """RepositoryIndex, of everything and not only of what is READY."""
        answer = _call(self._stub.RepositoryIndex, service_pb2.RepositoryIndexRequest())
        return [IndexEntry(model=m.name, version=m.version, state=m.state, reason=m.reason) for m in answer.models]

    def model_config(self, model: str, version: str) -> ModelConfig:
        """ModelConfig."""
        request = service_pb2.ModelConfigRequest(name=model, version=version)
        config = _call(self._stub.ModelConfig, request).config
        checksums = {
            key.removeprefix(_CHECKSUM_KEY): checksum
            for agent in config.model_repository_agents.agents
            for key, checksum in agent.parameters.items()
            if agent.name == "checksum" and key.startswith(_CHECKSUM_KEY)
        }
        return ModelConfig(
            batch_size_max=config.max_batch_size,
            checksums_md5=checksums,
            stateful=config.HasField("sequence_batching"),
            text_sequence_id=any(
                control.kind == control.CONTROL_SEQUENCE_CORRID and control.data_type == model_config_pb2.TYPE_STRING
                for control_input in config.sequence_batching.control_input
                for control in control_input.control
            ),
            decoupled=config.model_transaction_policy.decoupled,
            steps=[
                (step.model_name, str(step.model_version) if step.model_version > 0 else "")
                for step in config.ensemble_scheduling.step
            ],
            optional_inputs=frozenset(tensor.name for tensor in config.input if tensor.optional),
            warm_up=_warm_up(config),
        )

    def model_metadata(self, model: str, version: str) -> ModelMetadata:
        """ModelMetadata."""
        request = service_pb2.ModelMetadataRequest(name=model, version=version)
        answer = _call(self._stub.ModelMetadata, request)
        inputs, outputs = (
            [TensorSpec(name=t.name, datatype=t.datatype, shape=tuple(t.shape)) for t in tensors]
            for tensors in (answer.inputs, answer.outputs)
        )
        return ModelMetadata(inputs=inputs, outputs=outputs)

    def model_ready(self, model: str, version: str) -> bool:
        """ModelReady."""
        return bool(_call(self._stub.ModelReady, service_pb2.ModelReadyRequest(name=model, version=version)).ready)

    def infer(
        self, model: str, version: str, inputs: Sequence[Tensor], sequence: str | int | None = None
    ) -> list[Tensor]:
        """ModelInfer; the tensors of the answer. With a correlation ID the request is a whole `sequence`."""
        request = _inference(model, version, inputs, sequence)
        return _tensors(_call(self._stub.ModelInfer, request, INFER_DEADLINE_SECONDS))

    def stream(
        self, model: str, version: str, inputs: Sequence[Tensor], sequence: str | int | None = None
    ) -> list[list[Tensor]]:
        """ModelStreamInfer of one request; the tensors of each response."""
        request = _inference(model, version, inputs, sequence)

        def call(requests: Iterator[Any], timeout: float) -> list[Any]:
            return list(self._stub.ModelStreamInfer(requests, timeout=timeout))

        responses = _call(call, iter([request]), INFER_DEADLINE_SECONDS)
        failed = next((response.error_message for response in responses if response.error_message), None)
        if failed is not None:
            msg = f"the stream answers: {failed}"
            raise CallError(msg)
        return [_tensors(response.infer_response) for response in responses]

    def model_statistics(self, model: str, version: str) -> list[ModelStatistics]:
        """ModelStatistics, one for each version."""
        request = service_pb2.ModelStatisticsRequest(name=model, version=version)
        return [
            ModelStatistics(
                version=statistics.version,
                success_count=statistics.inference_stats.success.count,
                fail_count=statistics.inference_stats.fail.count,
                last_inference_seconds=statistics.last_inference / 1000,
            )
            for statistics in _call(self._stub.ModelStatistics, request).model_stats
        ]


def _channel_credentials(credentials: Credentials) -> grpc.ChannelCredentials:
    channel = grpc.ssl_channel_credentials(None, credentials.key, credentials.certificate)
    if credentials.token is None:
        return channel
    return grpc.composite_channel_credentials(channel, grpc.access_token_call_credentials(credentials.token))


def _call(method: Callable[..., Any], request: Any, deadline_seconds: float = CALL_DEADLINE_SECONDS) -> Any:
    try:
        return method(request, timeout=deadline_seconds)
    except grpc.RpcError as error:
        # Every error of a unary call is a `grpc.Call` too, which the type does not say.
        call: Any = error
        msg = f"{call.code().name}: {call.details()}"
        raise CallError(msg) from error


def _inference(model: str, version: str, inputs: Sequence[Tensor], sequence: str | int | None) -> Any:
    request = service_pb2.ModelInferRequest(model_name=model, model_version=version)
    if sequence is not None:
        parameter = request.parameters["sequence_id"]
        if isinstance(sequence, str):
            parameter.string_param = sequence
        else:
            parameter.int64_param = sequence
        request.parameters["sequence_start"].bool_param = True
        request.parameters["sequence_end"].bool_param = True
    for tensor in inputs:
        request.inputs.add(name=tensor.name, datatype=tensor.datatype, shape=tensor.values.shape)
        request.raw_input_contents.append(raw(tensor))
    return request


def _tensors(answer: Any) -> list[Tensor]:
    if len(answer.outputs) != len(answer.raw_output_contents):
        msg = f"the answer names {len(answer.outputs)} outputs and brings {len(answer.raw_output_contents)}"
        raise CallError(msg)
    return [
        tensor_of_raw(head.name, head.datatype, head.shape, content)
        for head, content in zip(answer.outputs, answer.raw_output_contents, strict=True)
    ]


def _kserve_name(data_type: int) -> str:
    """Return KServe's name of a datatype of a model's configuration."""
    name = str(model_config_pb2.DataType.Name(data_type)).removeprefix("TYPE_")
    return "BYTES" if name == "STRING" else name


def _warm_up(config: Any) -> list[TensorSpec]:
    """Return the inputs of the first warm-up sample that is all zeros; its shapes count the batch."""
    batching = config.max_batch_size > 0
    for sample in config.model_warmup:
        if sample.inputs and all(value.zero_data for value in sample.inputs.values()):
            batch = (max(sample.batch_size, 1),) if batching else ()
            return [
                TensorSpec(name=name, datatype=_kserve_name(value.data_type), shape=(*batch, *value.dims))
                for name, value in sample.inputs.items()
            ]
    return []
