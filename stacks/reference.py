"""References: files with a request to a model and its right answer. docs/acceptance.md describes the form."""

import base64
import binascii
import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from stacks.errors import ConfigurationError, Problem, choice, found
from stacks.origin import KeyPath, dotted

_INTEGERS: Mapping[str, tuple[int, int]] = {
    **{f"INT{bits}": (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for bits in (8, 16, 32, 64)},
    **{f"UINT{bits}": (0, 2**bits - 1) for bits in (8, 16, 32, 64)},
}
"""Datatype -> smallest and largest value."""
_FLOATS: Mapping[str, float] = {
    "FP16": 65504.0,
    "BF16": 3.3895313892515355e38,
    "FP32": 3.4028234663852886e38,
    "FP64": math.inf,
}
"""Datatype -> largest value."""
DATATYPES = ("BOOL", *_INTEGERS, *_FLOATS, "BYTES")
"""Every datatype of Triton, by its KServe name."""
NOT_FINITE = ("NaN", "Infinity", "-Infinity")
"""Texts that stand for the numbers that JSON does not have."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


_Form = TypeVar("_Form", bound=_Part)
_Name = Annotated[str, Field(min_length=1)]


class TensorData(_Part):
    """A tensor as KServe v2 writes it."""

    name: _Name
    """Name of the model's input or output."""
    datatype: _Name
    """One of `DATATYPES`."""
    shape: tuple[Annotated[int, Field(ge=0)], ...]
    """Dimensions, the batch's included where the model batches; empty: a scalar."""
    data: tuple[Any, ...]
    """Values in row-major order, in one flat list."""


class Request(_Part):
    """A request."""

    inputs: Annotated[tuple[TensorData, ...], Field(min_length=1)]
    """Its tensors."""


class Response(_Part):
    """A response."""

    outputs: Annotated[tuple[TensorData, ...], Field(min_length=1)]
    """Its tensors."""


class Expected(_Part):
    """The right answer: the outputs of its only response, or all responses of a decoupled model."""

    outputs: Annotated[tuple[TensorData, ...], Field(min_length=1)] | None = None
    """Tensors of the only response."""
    responses: tuple[Response, ...] | None = None
    """Responses of a decoupled model, in their order."""

    @property
    def each(self) -> tuple[tuple[TensorData, ...], ...]:
        """The tensors of each response."""
        if self.responses is not None:
            return tuple(response.outputs for response in self.responses)
        return (self.outputs or (),)


class Tolerance(_Part):
    """Largest deviation of a number: |answer - right| <= absolute + relative x |right|."""

    relative: Annotated[float, Field(ge=0)]
    """As a fraction of the right number."""
    absolute: Annotated[float, Field(ge=0)]
    """Added to that."""


class ReferenceFile(_Part):
    """A request to a model, and its right answer."""

    model: _Name
    """Name of the model."""
    request: Request
    """The request."""
    expected: Expected
    """The right answer."""
    tolerance: Tolerance
    """Largest deviation of an answer."""


def read_reference_file(path: Path, name: str) -> ReferenceFile:
    """Read a reference.

    Args:
        path: the file.
        name: what problems call it.

    Raises:
        ConfigurationError: it cannot be read, or something in it is wrong.
    """
    file = _read(path, name, ReferenceFile)
    problems = list(_tensor_problems(file.request.inputs, "request.inputs", name))
    match file.expected.outputs, file.expected.responses:
        case (None, None):
            problems.append(Problem(name, "expected has no `outputs`: add the right answer"))
        case (None, responses):
            for index, response in enumerate(responses or ()):
                problems += _tensor_problems(response.outputs, f"expected.responses[{index}].outputs", name)
        case (outputs, None):
            problems += _tensor_problems(outputs or (), "expected.outputs", name)
        case _:
            problems.append(
                Problem(
                    name, "expected has both `outputs` and `responses`: keep `responses` for a decoupled model only"
                )
            )
    if problems:
        raise ConfigurationError(problems)
    return file


def read_request_file(path: Path, name: str) -> Request:
    """Read a request alone, in the form of a reference's `request`.

    Raises:
        ConfigurationError: as for a reference.
    """
    request = _read(path, name, Request)
    problems = list(_tensor_problems(request.inputs, "inputs", name))
    if problems:
        raise ConfigurationError(problems)
    return request


def _read(path: Path, name: str, form: type[_Form]) -> _Form:
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        problem = Problem(f"{name}:1", f"byte {error.start} is not UTF-8: save the file as UTF-8")
        raise ConfigurationError([problem]) from error
    except OSError as error:
        problem = Problem(name, f"cannot be read ({error.strerror}): correct the name, or add the file")
        raise ConfigurationError([problem]) from error
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        problem = Problem(
            f"{name}:{getattr(error, 'lineno', 1)}", f"cannot be read as JSON ({error}): correct the line"
        )
        raise ConfigurationError([problem]) from error
    try:
        return form.model_validate(_tuples(content))
    except ValidationError as error:
        problems = [Problem(name, _sentence(details, form)) for details in error.errors(include_url=False)]
        raise ConfigurationError(problems) from error


def _tuples(value: Any) -> Any:
    """Return a JSON value with tuples for its lists: the models are strict."""
    if isinstance(value, dict):
        return {key: _tuples(item) for key, item in value.items()}
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def _sentence(details: ErrorDetails, form: type[_Part]) -> str:
    path: KeyPath = details["loc"]
    thing, value = dotted(path) or "the file", details["input"]
    match details["type"]:
        case "missing":
            return f"{thing} is missing: docs/acceptance.md shows the form: add it"
        case "extra_forbidden":
            known = _keys_at(form, path)
            remedy = choice(str(path[-1]), known, otherwise="remove it")
            return f"{thing}: found a key that is not known here: the keys are {', '.join(known)}: {remedy}"
        case "too_short":
            return f"{thing}: found no tensor: must have one or more: add them"
        case _:
            rule = details["msg"].replace("Input should be ", "must be ").replace("tuple", "list")
            rule = rule.replace("a valid dictionary or instance of ", "a mapping, a ")
            return f"{thing}: found {found(value)}: {rule}: correct it"


def _keys_at(form: type[_Part], path: KeyPath) -> list[str]:
    """Return the keys of the part that holds the last key of a path."""
    at: type[_Part] = form
    for step in path[:-1]:
        if isinstance(step, str):
            at = _PARTS.get(step, at)
    return list(at.model_fields)


_PARTS: Mapping[str, type[_Part]] = {
    "request": Request,
    "expected": Expected,
    "responses": Response,
    "inputs": TensorData,
    "outputs": TensorData,
    "tolerance": Tolerance,
}
"""Key -> form of its value, or of each item."""


def _tensor_problems(tensors: tuple[TensorData, ...], where: str, name: str) -> Iterator[Problem]:
    names = [tensor.name for tensor in tensors]
    for index, tensor in enumerate(tensors):
        thing = f"{where}[{index}] ({tensor.name})"
        if tensor.name in names[:index]:
            yield Problem(name, f"{thing}: found the tensor twice: remove one, or correct its name")
        if tensor.datatype not in DATATYPES:
            remedy = choice(tensor.datatype.removeprefix("TYPE_"), DATATYPES, otherwise="write one of them")
            rule = f"must be one of {', '.join(DATATYPES)}"
            yield Problem(name, f"{thing}: found the datatype {found(tensor.datatype)}: {rule}: {remedy}")
        elif broken := next(_broken_values(tensor), None):
            yield Problem(name, f"{thing}: {broken}")
        elif len(tensor.data) != math.prod(tensor.shape):
            yield Problem(
                name,
                f"{thing}: found {len(tensor.data)} values in data: the shape {list(tensor.shape)} holds "
                f"{math.prod(tensor.shape)}: correct the shape or the data",
            )


def _broken_values(tensor: TensorData) -> Iterator[str]:
    for position, item in enumerate(tensor.data):
        if rule := _broken(item, tensor.datatype):
            value = list(item) if isinstance(item, tuple) else item
            yield f"data[{position}]: found {found(value)}: {rule}"


def _broken(item: Any, datatype: str) -> str | None:
    """Return the rule that a value breaks, with the way out; None: it is of the datatype."""
    if isinstance(item, tuple):
        return "data must be one flat list in row-major order: remove the inner brackets, the shape says the form"
    if datatype == "BOOL":
        return None if isinstance(item, bool) else "must be true or false: correct it"
    if datatype == "BYTES":
        return None if isinstance(item, str) or _is_base64(item) else _BYTES_RULE
    if isinstance(item, bool):
        return f"must be a number of {datatype}: write 1 or 0, or correct the datatype"
    if datatype in _INTEGERS:
        smallest, largest = _INTEGERS[datatype]
        fits = isinstance(item, int) and smallest <= item <= largest
        return None if fits else f"must be a whole number from {smallest} to {largest}: correct it, or the datatype"
    if isinstance(item, str):
        return None if item in NOT_FINITE else f"must be a number, or one of {', '.join(NOT_FINITE)}: remove the quotes"
    if not isinstance(item, int | float):
        return "must be a number: correct it"
    if isinstance(item, float) and not math.isfinite(item):
        return f"must be a number that JSON has: write one of {', '.join(NOT_FINITE)}, in quotes"
    largest_float = _FLOATS[datatype]
    return None if abs(item) <= largest_float else f"must be at most {largest_float:g}: correct it, or the datatype"


_BYTES_RULE = 'must be text, or {"base64": "…"} for bytes that are no text: correct it'


def _is_base64(item: Any) -> bool:
    if not (isinstance(item, dict) and item.keys() == {"base64"}):
        return False
    try:
        base64.b64decode(item["base64"], validate=True)
    except (binascii.Error, TypeError, ValueError):
        return False
    return True
