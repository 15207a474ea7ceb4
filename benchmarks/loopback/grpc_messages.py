"""Inference requests as bytes, made once, so that the client's own work is small beside what it measures."""

import math
import struct
from collections.abc import Sequence
from typing import TypeAlias

import grpc
from tritonclient.grpc import service_pb2

SERVICE = "inference.GRPCInferenceService"
INFER = f"/{SERVICE}/ModelInfer"
STREAM_INFER = f"/{SERVICE}/ModelStreamInfer"
REPOSITORY_INDEX = f"/{SERVICE}/RepositoryIndex"
STATISTICS = f"/{SERVICE}/ModelStatistics"

Unary: TypeAlias = "grpc.UnaryUnaryMultiCallable[bytes, bytes]"

PARTICLENET = "particlenet_AK4_PT_numpy"
JET_SHAPES = {
    "pf_points": (2, 100),
    "pf_features": (20, 100),
    "pf_mask": (1, 100),
    "sv_points": (2, 10),
    "sv_features": (11, 10),
    "sv_mask": (1, 10),
}
"""Its inputs without the batch."""

_FP32_BYTES = 4


def unary(channel: grpc.Channel, method: str) -> Unary:
    """A method of a channel, in bytes."""
    return channel.unary_unary(method)


def sleep_identity(sleep_ms: float, body_bytes: int, batch: int = 1) -> bytes:
    """A ModelInferRequest for `sleep_identity`, with about so many bytes of tensor an entry, at least one number."""
    sleeps = struct.pack("<f", sleep_ms) * batch
    return _request("sleep_identity", [("SLEEP_MS", [batch, 1], sleeps), _data(body_bytes, [batch])])


def paced(body_bytes: int) -> bytes:
    """A ModelInferRequest for `paced`."""
    return _request("paced", [_data(body_bytes, [])])


def particlenet(jets: int) -> bytes:
    """A ModelInferRequest for `particlenet_AK4_PT_numpy`. Its time does not depend on the values."""
    one = struct.pack("<f", 1.0)
    tensors = ((name, [jets, *shape], one * (jets * math.prod(shape))) for name, shape in JET_SHAPES.items())
    return _request(PARTICLENET, list(tensors))


def statistics_request(model: str) -> bytes:
    """A ModelStatisticsRequest for one model."""
    return bytes(service_pb2.ModelStatisticsRequest(name=model).SerializeToString())


def execution_seconds(response: bytes) -> tuple[int, float]:
    """Executions of a model so far, and the seconds that they took, from a ModelStatisticsResponse."""
    (model,) = service_pb2.ModelStatisticsResponse.FromString(response).model_stats
    stats = model.inference_stats
    nanoseconds = stats.compute_input.ns + stats.compute_infer.ns + stats.compute_output.ns
    return int(model.execution_count), nanoseconds / 1e9


def _data(body_bytes: int, batch: Sequence[int]) -> tuple[str, list[int], bytes]:
    numbers = max(1, body_bytes // _FP32_BYTES)
    return ("DATA", [*batch, numbers], bytes(math.prod(batch) * numbers * _FP32_BYTES))


def _request(model: str, tensors: Sequence[tuple[str, Sequence[int], bytes]]) -> bytes:
    message = service_pb2.ModelInferRequest(
        model_name=model,
        inputs=[
            service_pb2.ModelInferRequest.InferInputTensor(name=name, datatype="FP32", shape=shape)
            for name, shape, _ in tensors
        ],
        raw_input_contents=[content for _, _, content in tensors],
    )
    return bytes(message.SerializeToString())
