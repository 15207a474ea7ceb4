"""Makes requests from a model's interface, and compares answers with a reference or with that interface."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acceptance.errors import CheckError
from acceptance.kserve import ModelConfig, ModelMetadata, Tensor, TensorSpec, dtype
from acceptance.reference import Reference
from stacks.reference import Tolerance

VARIABLE_DIMENSION = 32
"""Size of a dimension that a model leaves open: more than 1, since graph networks need neighbours of a point."""


def zeros(metadata: ModelMetadata, *, batching: bool) -> tuple[Tensor, ...]:
    """Return a request of zeros (of empty strings, for BYTES): a batch of one where the model batches."""
    return tuple(_zero(spec, batching=batching) for spec in metadata.inputs)


def warm_up(specs: Sequence[TensorSpec]) -> tuple[Tensor, ...]:
    """Return the request of a warm-up sample of zeros."""
    return tuple(_zero(spec, batching=False) for spec in specs)


def _zero(spec: TensorSpec, *, batching: bool) -> Tensor:
    batch, rest = ((1,), spec.shape[1:]) if batching else ((), spec.shape)
    shape = (*batch, *(VARIABLE_DIMENSION if size < 0 else size for size in rest))
    fill = b"" if spec.datatype == "BYTES" else 0
    return Tensor(name=spec.name, datatype=spec.datatype, values=np.full(shape, fill, dtype(spec.datatype)))


def refuse_unfit(inputs: Sequence[Tensor], metadata: ModelMetadata, config: ModelConfig) -> None:
    """Refuse a request that the model's interface does not have.

    Raises:
        CheckError: names the first input that is unknown, missing, or of another form.
    """
    declared = {spec.name: spec for spec in metadata.inputs}
    for tensor in inputs:
        spec = declared.get(tensor.name)
        if spec is None:
            msg = f"the model has no input {tensor.name}, but {_listed(declared)}: correct the request"
            raise CheckError(msg)
        batching = config.batch_size_max > 0
        if tensor.datatype != spec.datatype or not _fits(tensor, spec.shape):
            msg = (
                f"the request's {tensor.name} is {_form(tensor)} but {spec.datatype} {list(spec.shape)} in the model's "
                "metadata, and was not sent: correct the request"
            )
            raise CheckError(msg)
        if batching and tensor.values.shape[0] > config.batch_size_max:
            msg = (
                f"the request's {tensor.name} is a batch of {tensor.values.shape[0]} but the model takes "
                f"{config.batch_size_max}, and was not sent: shorten the request"
            )
            raise CheckError(msg)
    missing = declared.keys() - {tensor.name for tensor in inputs} - config.optional_inputs
    if missing:
        msg = f"the request has no {_listed(sorted(missing))}, which the model requires, and was not sent: add it"
        raise CheckError(msg)


def _fits(tensor: Tensor, declared: Sequence[int]) -> bool:
    shape = tensor.values.shape
    return len(shape) == len(declared) and all(size in (-1, found) for size, found in zip(declared, shape, strict=True))


def compare(responses: Sequence[Sequence[Tensor]], reference: Reference) -> str:
    """Compare an answer with the reference, and return a sentence on the largest difference.

    Raises:
        CheckError: names the first output that is missing, of another form, or beyond the tolerance.
    """
    if len(responses) != len(reference.responses):
        msg = f"the answer has {len(responses)} responses but {len(reference.responses)} in the reference"
        raise CheckError(msg)
    largest = 0.0
    for response, right_tensors in zip(responses, reference.responses, strict=True):
        answers = {tensor.name: tensor for tensor in response}
        for right in right_tensors:
            given = _present(answers, right.name)
            if (given.datatype, given.values.shape) != (right.datatype, right.values.shape):
                msg = f"{right.name} is {_form(given)} but {_form(right)} in the reference"
                raise CheckError(msg)
            largest = max(largest, _difference(given, right, reference.tolerance))
    return f"as the reference, largest difference {largest:.2g}"


def _difference(given: Tensor, right: Tensor, tolerance: Tolerance) -> float:
    """Largest difference of two tensors of one form; of strings, 0."""
    if right.datatype == "BYTES":
        wrong = np.asarray(given.values != right.values, np.bool_)
        largest = 0.0
    else:
        difference = _distance(given.values, right.values)
        with np.errstate(invalid="ignore"):
            allowed = tolerance.absolute + tolerance.relative * np.abs(right.values.astype(np.float64))
        # NaN and infinity are right only where the reference has them too.
        wrong = (difference != 0) & ~(np.isfinite(difference) & (difference <= allowed))
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


def _distance(given: NDArray[Any], right: NDArray[Any]) -> NDArray[np.float64]:
    """|given - right|, 0 only for equal numbers: 64 bits of an integer do not fit into a float."""
    if right.dtype.kind in "iu":
        wide: Any = np.int64 if right.dtype.kind == "i" else np.uint64
        one, other = given.astype(wide), right.astype(wide)
        return np.asarray(np.where(one > other, one - other, other - one).astype(np.uint64), np.float64)
    one, other = given.astype(np.float64), right.astype(np.float64)
    with np.errstate(invalid="ignore"):
        difference = np.abs(one - other)
    return np.asarray(np.where((one == other) | (np.isnan(one) & np.isnan(other)), 0.0, difference), np.float64)


def compare_form(responses: Sequence[Sequence[Tensor]], metadata: ModelMetadata, *, batch: int | None) -> str:
    """Compare each response to zeros with the model's interface, and return a sentence.

    Args:
        responses: the answer.
        metadata: the interface.
        batch: size of the request's batch; None: the model does not batch.

    Raises:
        CheckError: names the first output that is missing or of another form.
    """
    for response in responses:
        answers = {tensor.name: tensor for tensor in response}
        for spec in metadata.outputs:
            given = _present(answers, spec.name)
            declared = spec.shape if batch is None else (batch, *spec.shape[1:])
            if given.datatype != spec.datatype or not _fits(given, declared):
                msg = f"{spec.name} is {_form(given)} but {spec.datatype} {list(declared)} in the model's metadata"
                raise CheckError(msg)
    return "zeros are answered in the declared shapes and types"


def _present(answers: Mapping[str, Tensor], name: str) -> Tensor:
    if name not in answers:
        msg = f"{name} is not in the answer, which has {_listed(answers)}"
        raise CheckError(msg)
    return answers[name]


def _form(tensor: Tensor) -> str:
    return f"{tensor.datatype} {list(tensor.values.shape)}"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "nothing"
