"""References, the files below stacks/experiments/reference: a request with its right answer.

A file is JSON. `request.inputs` and `expected.outputs` are lists of tensors as KServe v2 writes them: name, datatype,
shape, and data as a flat list in row-major order. `tolerance` limits the deviation of an answer:
|answer - right| <= absolute + relative x |right|, for each number.
"""

from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from acceptance.errors import CheckError
from acceptance.kserve import NUMPY_TYPES, Tensor


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _TensorData(_Model):
    name: str
    datatype: str
    shape: tuple[int, ...]
    data: list[Any]


class _Inputs(_Model):
    inputs: tuple[_TensorData, ...]


class _Outputs(_Model):
    outputs: tuple[_TensorData, ...]


class Tolerance(_Model):
    """Largest deviation of a number from the reference."""

    relative: Annotated[float, Field(ge=0)]
    """As a fraction of the right number."""
    absolute: Annotated[float, Field(ge=0)]
    """Added to that."""


class _File(_Model):
    model: str
    request: _Inputs
    expected: _Outputs
    tolerance: Tolerance


class Reference(_Model):
    """A request to a model, and its right answer."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    inputs: tuple[Tensor, ...]
    """The request."""
    outputs: tuple[Tensor, ...]
    """The right answer."""
    tolerance: Tolerance
    """Largest deviation of an answer."""


def read_reference(path: Path, model: str) -> Reference:
    """Read the reference of a model.

    Raises:
        CheckError: the file is missing or broken, or is the reference of another model.
    """
    try:
        file = _File.model_validate_json(path.read_text())
        reference = Reference(
            inputs=tuple(map(_tensor, file.request.inputs)),
            outputs=tuple(map(_tensor, file.expected.outputs)),
            tolerance=file.tolerance,
        )
    except OSError as error:
        msg = f"{path} cannot be read ({error.strerror}): correct the name of the model's reference, or add the file"
        raise CheckError(msg) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        msg = f"{path}: {where}: {first['msg']}: correct it to the form described in acceptance/reference.py"
        raise CheckError(msg) from error
    except (ValueError, TypeError, KeyError) as error:
        msg = f"{path}: {error}: correct the data, datatype or shape of the tensor"
        raise CheckError(msg) from error
    if file.model != model:
        msg = f"{path} is the reference of `{file.model}`, but `{model}` names it: give each model its own reference"
        raise CheckError(msg)
    return reference


def _tensor(content: _TensorData) -> Tensor:
    if content.datatype not in NUMPY_TYPES:
        msg = f"{content.name} has datatype {content.datatype}, known are {', '.join(NUMPY_TYPES)}"
        raise ValueError(msg)
    data = [item.encode() for item in content.data] if content.datatype == "BYTES" else content.data
    values = np.array(data, NUMPY_TYPES[content.datatype])
    if values.size != np.prod(content.shape, dtype=int):
        msg = f"{content.name} has shape {list(content.shape)} and {values.size} values"
        raise ValueError(msg)
    return Tensor(name=content.name, datatype=content.datatype, values=values.reshape(content.shape))
