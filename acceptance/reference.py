"""References as numpy arrays: a request with its right answer. docs/acceptance.md describes the files."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from acceptance.errors import CheckError
from acceptance.kserve import NUMPY_TYPES, Tensor
from stacks.errors import ConfigurationError
from stacks.reference import TensorData, Tolerance, read_reference_file, read_request_file


@dataclass(frozen=True, kw_only=True)
class Reference:
    """A request to a model, and its right answer."""

    inputs: tuple[Tensor, ...]
    """The request."""
    responses: tuple[tuple[Tensor, ...], ...]
    """The right answer: the tensors of each response; only a decoupled model has not exactly one."""
    tolerance: Tolerance
    """Largest deviation of an answer."""


def read_reference(path: Path, model: str) -> Reference:
    """Read the reference of a model.

    Raises:
        CheckError: the file is missing or broken, or is the reference of another model.
    """
    try:
        file = read_reference_file(path, str(path))
    except ConfigurationError as error:
        raise CheckError(str(error)) from error
    if file.model != model:
        msg = f"{path} is the reference of `{file.model}`, but `{model}` names it: give each model its own reference"
        raise CheckError(msg)
    return Reference(
        inputs=tensors(file.request.inputs), responses=tuple(map(tensors, file.expected.each)), tolerance=file.tolerance
    )


def read_request(path: Path) -> tuple[Tensor, ...]:
    """Read a request without its answer.

    Raises:
        CheckError: the file is missing or broken.
    """
    try:
        return tensors(read_request_file(path, str(path)).inputs)
    except ConfigurationError as error:
        raise CheckError(str(error)) from error


def tensors(contents: Sequence[TensorData]) -> tuple[Tensor, ...]:
    """Return tensors of a file."""
    return tuple(map(_tensor, contents))


def _tensor(content: TensorData) -> Tensor:
    values = np.empty(len(content.data), NUMPY_TYPES[content.datatype])
    values[:] = list(map(_bytes, content.data)) if content.datatype == "BYTES" else content.data
    return Tensor(name=content.name, datatype=content.datatype, values=values.reshape(content.shape))


def _bytes(item: Any) -> bytes:
    return base64.b64decode(item["base64"]) if isinstance(item, dict) else item.encode()
