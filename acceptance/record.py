"""`python -m acceptance record STACK MODEL --input FILE`: write a reference from a live server's answer."""

import argparse
import base64
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from acceptance import tensors
from acceptance.arguments import add_address, address, credentials
from acceptance.client import TritonClient
from acceptance.errors import CheckError
from acceptance.handshake import Expectation, ModelCheck
from acceptance.kserve import CallError, InferenceServer, Tensor
from acceptance.reference import Reference, read_request
from stacks.errors import ConfigurationError, choice
from stacks.reference import NOT_FINITE, Tolerance
from stacks.resolve import REFERENCE_DIRECTORY, ROOT, resolve
from stacks.schema.experiment import ExpectedModel, Models


def main(arguments: Sequence[str], root: Path = ROOT) -> int:
    """Record one reference, and return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m acceptance record",
        description="Send a request to a model of a stack, and write it with the answer as the model's reference.",
    )
    parser.add_argument("stack", metavar="STACK")
    parser.add_argument("model", metavar="MODEL")
    parser.add_argument(
        "--input", type=Path, required=True, metavar="FILE", help='the request: JSON, {"inputs": [tensor, …]}'
    )
    parser.add_argument("--version", type=int, metavar="N", help="version of the model; default: the one in the file")
    parser.add_argument(
        "--relative", type=_tolerance, default=1e-3, metavar="X", help="relative tolerance; default: 1e-3"
    )
    parser.add_argument(
        "--absolute", type=_tolerance, default=1e-6, metavar="X", help="absolute tolerance; default: 1e-6"
    )
    parser.add_argument("--replace", action="store_true", help="write over a reference that exists")
    add_address(parser)
    chosen = parser.parse_args(arguments)
    try:
        config = resolve(chosen.stack, root).config
        model = expected_model(config.experiment.models, chosen.model, config.experiment_name)
        version = chosen_version(model, chosen.version)
        name = f"{model.name}-{version}.json" if len(model.versions or ()) > 1 else f"{model.name}.json"
        path = root / REFERENCE_DIRECTORY / name
        if path.exists() and not chosen.replace:
            msg = f"{REFERENCE_DIRECTORY / name} exists: add --replace to write over it"
            raise CheckError(msg)
        request = read_request(chosen.input)
        endpoint = address(parser, chosen, root)
        shown = credentials(config.experiment.clients, endpoint, chosen)
        tolerance = Tolerance(relative=chosen.relative, absolute=chosen.absolute)
        with TritonClient(endpoint.address, tls=endpoint.tls, credentials=shown) as client:
            check = model_check(client, config.experiment.models, model.name, version)
            reference = record(check, request, tolerance)
    except (ConfigurationError, CheckError, CallError) as error:
        print(error, file=sys.stderr)
        return 1
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(as_json(model.name, reference), encoding="utf-8")
    named = name if name == f"{model.name}.json" else f'"{model.name}-{{version}}.json"'
    print(f"written: {REFERENCE_DIRECTORY / name}: read it, and see that the answer is right")
    if model.reference_files.get(version) != name:
        print(f"next: add `reference: {named}` to the model in stacks/experiments/{config.experiment_name}.yaml")
    return 0


def _tolerance(text: str) -> float:
    """Return a number that is not negative; argparse turns a ValueError into its own message."""
    number = float(text)
    if not 0 <= number < float("inf"):
        msg = f"found {text}: must be 0 or more"
        raise argparse.ArgumentTypeError(msg)
    return number


def expected_model(models: Models, name: str, experiment: str) -> ExpectedModel:
    """Return a model of the experiment by its name.

    Raises:
        CheckError: the experiment expects no such model.
    """
    by_name = {model.name: model for model in models.expected}
    if name not in by_name:
        remedy = choice(name, by_name, otherwise=f"add it to stacks/experiments/{experiment}.yaml first")
        msg = f"`{name}` is not in experiment.models.expected, which has {', '.join(by_name)}: {remedy}"
        raise CheckError(msg)
    return by_name[name]


def chosen_version(model: ExpectedModel, given: int | None) -> str:
    """Return the version to ask for; empty: the server's choice.

    Raises:
        CheckError: the file lists other versions, or several and none is chosen.
    """
    if given is None and len(model.asked_versions) == 1:
        return model.asked_versions[0]
    if given is None or (model.versions and given not in model.versions):
        listed = ", ".join(model.asked_versions)
        msg = f"`{model.name}` is expected in the versions {listed}: choose one of them with --version"
        raise CheckError(msg)
    return str(given)


def model_check(server: InferenceServer, models: Models, name: str, version: str) -> ModelCheck:
    """Return the check of a model, which knows how requests must reach it."""
    called = [model.name for model in models.expected if name in model.called_by]
    return ModelCheck(server, Expectation(model=name), version, called)


def record(check: ModelCheck, request: tuple[Tensor, ...], tolerance: Tolerance) -> Reference:
    """Send a request twice, and return it with its answer.

    Raises:
        CallError: the server fails it.
        CheckError: the model does not have such inputs, or does not answer the same twice.
    """
    answers = [check.answer_to(request) for _ in range(2)]
    exact = all(tensor.values.dtype.kind not in "fc" for response in answers[0] for tensor in response)
    reference = Reference(
        inputs=request,
        responses=tuple(map(tuple, answers[0])),
        tolerance=Tolerance(relative=0.0, absolute=0.0) if exact else tolerance,
    )
    try:
        tensors.compare(answers[1], reference)
    except CheckError as error:
        msg = (
            f"the model answers the same request differently ({error}): raise --relative or --absolute, or record a "
            "request whose answer is always the same"
        )
        raise CheckError(msg) from error
    return reference


def as_json(model: str, reference: Reference) -> str:
    """Return the file of a reference, each tensor in one line."""
    responses = [_tensors(response) for response in reference.responses]
    if len(responses) == 1:
        answer = f'"outputs": {responses[0]}'
    else:
        listed = ", ".join(f'{{"outputs": {response}}}' for response in responses)
        answer = f'"responses": [{listed}]'
    return (
        f'{{\n  "model": {json.dumps(model)},\n'
        f'  "request": {{"inputs": {_tensors(reference.inputs)}}},\n'
        f'  "expected": {{{answer}}},\n'
        f'  "tolerance": {json.dumps(reference.tolerance.model_dump())}\n}}\n'
    )


def _tensors(content: Sequence[Tensor]) -> str:
    lines = [
        json.dumps(
            {
                "name": tensor.name,
                "datatype": tensor.datatype,
                "shape": list(tensor.values.shape),
                "data": [_plain(item) for item in tensor.values.reshape(-1)],
            }
        )
        for tensor in content
    ]
    return "[\n    " + ",\n    ".join(lines) + "\n  ]"


def _plain(item: Any) -> Any:
    """Return a value as JSON has it, a number with no more digits than its datatype."""
    if isinstance(item, bytes):
        try:
            return item.decode()
        except UnicodeDecodeError:
            return {"base64": base64.b64encode(item).decode()}
    if isinstance(item, np.floating):
        if np.isfinite(item):
            return float(str(item))
        return NOT_FINITE[0] if np.isnan(item) else NOT_FINITE[1 if item > 0 else 2]
    return item.item()
