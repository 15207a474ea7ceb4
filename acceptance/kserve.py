"""Calls to a server, in the terms of the KServe v2 protocol and of Triton's extensions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


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


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """The part of a model's configuration that clients read."""

    batch_size_max: int
    """0: the model does not batch."""
    checksums_md5: Mapping[str, str]
    """File of the model -> MD5, from the checksum repository agent; empty without the agent."""
    stateful: bool
    """True: it has a sequence batcher."""


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

    def infer(self, model: str, version: str, inputs: Sequence[Tensor], *, sequence: bool = False) -> Sequence[Tensor]:
        """ModelInfer, as a whole `sequence` if it is to be one; the tensors of the answer."""
        ...

    def model_statistics(self, model: str, version: str) -> Sequence[ModelStatistics]:
        """ModelStatistics, one for each version."""
        ...


NUMPY_TYPES: Mapping[str, Any] = {
    "BOOL": np.bool_,
    **{f"{sign}INT{bits}": getattr(np, f"{sign.lower()}int{bits}") for sign in ("", "U") for bits in (8, 16, 32, 64)},
    **{f"FP{bits}": getattr(np, f"float{bits}") for bits in (16, 32, 64)},
    "BYTES": np.object_,
}
"""KServe type -> numpy type. BF16 is missing: numpy has none, and no served model uses it."""


def dtype(datatype: str) -> Any:
    """Numpy's type of a KServe type.

    Raises:
        CallError: the type is not in `NUMPY_TYPES`.
    """
    if datatype not in NUMPY_TYPES:
        msg = f"datatype {datatype or '(empty)'} is unknown: the check supports {', '.join(NUMPY_TYPES)}"
        raise CallError(msg)
    return NUMPY_TYPES[datatype]
