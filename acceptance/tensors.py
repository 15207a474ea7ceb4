"""Makes requests from a model's interface, and compares answers with a reference or with that interface."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from acceptance.errors import CheckError
from acceptance.kserve import ModelMetadata, Tensor, TensorSpec, dtype
from acceptance.reference import Reference, Tolerance

VARIABLE_DIMENSION = 32
"""Size of a dimension that a model leaves open: more than 1, since graph networks need neighbours of a point."""


def zeros(metadata: ModelMetadata, *, batching: bool) -> tuple[Tensor, ...]:
    """Return a request of zeros (of empty strings, for BYTES): a batch of one where the model batches."""
    return tuple(_zero(spec, batching=batching) for spec in metadata.inputs)


def _zero(spec: TensorSpec, *, batching: bool) -> Tensor:
    batch, rest = ((1,), spec.shape[1:]) if batching else ((), spec.shape)
    shape = (*batch, *(VARIABLE_DIMENSION if size < 0 else size for size in rest))
    fill = b"" if spec.datatype == "BYTES" else 0
    return Tensor(name=spec.name, datatype=spec.datatype, values=np.full(shape, fill, dtype(spec.datatype)))


def compare(answer: Sequence[Tensor], reference: Reference) -> str:
    """Compare an answer with the reference, and return a sentence on the largest difference.

    Raises:
        CheckError: names the first output that is missing, of another form, or beyond the tolerance.
    """
    answers = {tensor.name: tensor for tensor in answer}
    largest = 0.0
    for right in reference.outputs:
        given = _present(answers, right.name)
        if (given.datatype, given.values.shape) != (right.datatype, right.values.shape):
            msg = f"{right.name} is {_form(given)} but {_form(right)} in the reference"
            raise CheckError(msg)
        largest = max(largest, _difference(given, right, reference.tolerance))
    return f"as the reference, largest difference {largest:.2g}"


def _difference(given: Tensor, right: Tensor, tolerance: Tolerance) -> float:
    """Largest difference of two tensors of one form; of strings, 0."""
    if right.datatype == "BYTES":
        wrong = given.values != right.values
        largest = 0.0
    else:
        difference = np.abs(given.values.astype(np.float64) - right.values.astype(np.float64))
        # Not `>`: NaN is never within the tolerance.
        wrong = ~(difference <= tolerance.absolute + tolerance.relative * np.abs(right.values.astype(np.float64)))
        largest = float(difference.max(initial=0.0))
    if wrong.any():
        first = tuple(int(index) for index in np.argwhere(wrong)[0])
        msg = (
            f"{right.name}{list(first)} is {given.values[first]} but {right.values[first]} in the reference; "
            f"{wrong.sum()} of {wrong.size} values are beyond the tolerance "
            f"(relative {tolerance.relative:g}, absolute {tolerance.absolute:g})"
        )
        raise CheckError(msg)
    return largest


def compare_form(answer: Sequence[Tensor], metadata: ModelMetadata, *, batching: bool) -> str:
    """Compare an answer to zeros with the model's interface, and return a sentence.

    Raises:
        CheckError: names the first output that is missing or of another form.
    """
    answers = {tensor.name: tensor for tensor in answer}
    for spec in metadata.outputs:
        given = _present(answers, spec.name)
        declared = (1, *spec.shape[1:]) if batching else spec.shape
        fits = len(declared) == given.values.ndim and all(
            size in (-1, found) for size, found in zip(declared, given.values.shape, strict=True)
        )
        if given.datatype != spec.datatype or not fits:
            msg = f"{spec.name} is {_form(given)} but {spec.datatype} {list(declared)} in the model's metadata"
            raise CheckError(msg)
    return "no reference: zeros are answered in the declared shapes and types"


def _present(answers: Mapping[str, Tensor], name: str) -> Tensor:
    if name not in answers:
        msg = f"{name} is not in the answer, which has {_listed(answers)}"
        raise CheckError(msg)
    return answers[name]


def _form(tensor: Tensor) -> str:
    return f"{tensor.datatype} {list(tensor.values.shape)}"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "nothing"
