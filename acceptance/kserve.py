"""Calls to a server, in the terms of the KServe v2 protocol and of Triton's extensions."""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from tritonclient.utils import deserialize_bytes_tensor, serialize_byte_tensor


class CallError(Exception):
    """A call that failed; the text is the gRPC status with its message."""


@dataclass(frozen=True, kw_only=True)
class TensorSpec:
    """A tensor as a model declares it."""

    name: str
    datatype: str
    """KServe name of the type, such as `FP32`."""
    shape: tuple[int, ...]
    """Dimensions, the batch's included where the model batches; -1: any."""


@dataclass(frozen=True, kw_only=True)
class Tensor:
    """A tensor with its values."""

    name: str
    datatype: str
    """KServe name of the type, such as `FP32`."""
    values: NDArray[Any]
    """Values in their shape; of dtype object, holding bytes, for `BYTES`."""


@dataclass(frozen=True, kw_only=True)
class IndexEntry:
    """One version of one model in the repository index."""

    model: str
    version: str
    """Empty where no version could be loaded."""
    state: str
    """`READY`, `UNAVAILABLE`, `LOADING`, `UNLOADING`; empty: never loaded."""
    reason: str
    """Reason why it is not READY."""

    @property
    def ready(self) -> bool:
        """True: it is loaded."""
        return self.state == "READY"


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """The part of a model's configuration that clients read."""

    batch_size_max: int
    """0: the model does not batch."""
    checksums_md5: Mapping[str, str]
    """File of the model -> MD5, from the checksum repository agent; empty without the agent."""
    stateful: bool
    """True: it has a sequence batcher."""
    text_sequence_id: bool = False
    """True: its sequence batcher takes the correlation ID as text."""
    decoupled: bool = False
    """True: it answers a request with any number of responses, by stream only."""
    steps: Sequence[tuple[str, str]] = ()
    """Model and version of each step of an ensemble; an empty version leaves the choice to the server."""
    optional_inputs: frozenset[str] = frozenset()
    """Inputs that a request may leave out."""
    warm_up: Sequence[TensorSpec] = ()
    """Inputs of a warm-up sample of zeros, with their whole shapes; empty: the model is not warmed up with zeros."""


@dataclass(frozen=True, kw_only=True)
class ModelMetadata:
    """Interface of a model."""

    inputs: Sequence[TensorSpec]
    outputs: Sequence[TensorSpec]


@dataclass(frozen=True, kw_only=True)
class ModelStatistics:
    """Counters of one server for one version of a model since its start."""

    version: str
    success_count: int
    fail_count: int
    last_inference_seconds: float
    """Unix time of the last request that it began, by the server's clock; 0: none yet."""


class InferenceServer(Protocol):
    """The calls that a client makes. Each raises `CallError`; `version` empty leaves the choice to the server."""

    def server_live(self) -> bool:
        """ServerLive."""
        ...

    def server_ready(self) -> bool:
        """ServerReady."""
        ...

    def repository_index(self) -> Sequence[IndexEntry]:
        """RepositoryIndex, of everything and not only of what is READY."""
        ...

    def model_config(self, model: str, version: str) -> ModelConfig:
        """ModelConfig."""
        ...

    def model_metadata(self, model: str, version: str) -> ModelMetadata:
        """ModelMetadata."""
        ...

    def model_ready(self, model: str, version: str) -> bool:
        """ModelReady."""
        ...

    def infer(
        self, model: str, version: str, inputs: Sequence[Tensor], sequence: str | int | None = None
    ) -> Sequence[Tensor]:
        """ModelInfer; the tensors of the answer. With a correlation ID the request is a whole `sequence`."""
        ...

    def stream(
        self, model: str, version: str, inputs: Sequence[Tensor], sequence: str | int | None = None
    ) -> Sequence[Sequence[Tensor]]:
        """ModelStreamInfer of one request; the tensors of each response."""
        ...

    def model_statistics(self, model: str, version: str) -> Sequence[ModelStatistics]:
        """ModelStatistics, one for each version."""
        ...


NUMPY_TYPES: Mapping[str, Any] = {
    "BOOL": np.bool_,
    **{f"{sign}INT{bits}": getattr(np, f"{sign.lower()}int{bits}") for sign in ("", "U") for bits in (8, 16, 32, 64)},
    **{f"FP{bits}": getattr(np, f"float{bits}") for bits in (16, 32, 64)},
    "BF16": np.float32,
    "BYTES": np.object_,
}
"""KServe type -> numpy type of its values. numpy has no BF16, whose numbers are those of FP32 with 16 bits less."""


def dtype(datatype: str) -> Any:
    """Numpy's type of a KServe type.

    Raises:
        CallError: the type is not in `NUMPY_TYPES`.
    """
    if datatype not in NUMPY_TYPES:
        msg = f"datatype {datatype or '(empty)'} is unknown: the check supports {', '.join(NUMPY_TYPES)}"
        raise CallError(msg)
    return NUMPY_TYPES[datatype]


def raw(tensor: Tensor) -> bytes:
    """Return the values as `raw_input_contents` holds them."""
    match tensor.datatype:
        case "BYTES":
            return b"".join(serialize_byte_tensor(tensor.values).flatten())
        case "BF16":
            bits = np.ascontiguousarray(tensor.values, "<f4").view("<u4")
            # Round to nearest, ties to even. NaN keeps its upper bits, of which one is set.
            rounded = bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))
            kept = np.where(np.isnan(tensor.values), bits | np.uint32(0x400000), rounded)
            return bytes((kept >> np.uint32(16)).astype("<u2").tobytes())
        case _:
            return bytes(tensor.values.tobytes())


def tensor_of_raw(name: str, datatype: str, shape: Sequence[int], content: bytes) -> Tensor:
    """Return the tensor that `raw_output_contents` holds.

    Raises:
        CallError: the bytes do not fit datatype and shape, or the datatype is unknown.
    """
    try:
        match datatype:
            case "BYTES":
                flat = deserialize_bytes_tensor(content)
            case "BF16":
                flat = (np.frombuffer(content, "<u2").astype(np.uint32) << np.uint32(16)).view(np.float32)
            case _:
                flat = np.frombuffer(content, dtype(datatype))
        return Tensor(name=name, datatype=datatype, values=flat.reshape(tuple(shape)))
    except (ValueError, struct.error) as error:
        msg = f"{name} says {datatype} {list(shape)} and brings {len(content)} bytes, which do not fit"
        raise CallError(msg) from error
