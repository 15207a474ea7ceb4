"""A request with its right answer: the files below stacks/experiments/reference.

A file is JSON. `request.inputs` and `expected.outputs` are lists of tensors as KServe v2 writes them: name, datatype,
shape, and data as a flat list in row-major order. `tolerance` says how far an answer may be:
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
    """How far a number of an answer may be from the right one."""

    relative: Annotated[float, Field(ge=0)]
    """In parts of the right number."""
    absolute: Annotated[float, Field(ge=0)]
    """Added to that."""


class _File(_Model):
    model: str
    request: _Inputs
    expected: _Outputs
    tolerance: Tolerance


class Reference(_Model):
    """What to ask of a model, and what it must answer."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    inputs: tuple[Tensor, ...]
    """The request."""
    outputs: tuple[Tensor, ...]
    """The right answer."""
    tolerance: Tolerance
    """How far from it an answer may be."""


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
        msg = f"{path}: {where}: {first['msg']}: a reference has the form that acceptance/reference.py tells"
        raise CheckError(msg) from error
    except (ValueError, TypeError, KeyError) as error:
        msg = f"{path}: {error}: the data of a tensor must fit its datatype and shape"
        raise CheckError(msg) from error
    if file.model != model:
        msg = (
            f"{path} is the reference of `{file.model}`, and `{model}` names it: give each model a reference of its own"
        )
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
