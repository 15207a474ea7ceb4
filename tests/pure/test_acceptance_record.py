"""`python -m acceptance record` as a person sees it, against a stand-in."""

import json
from pathlib import Path

import numpy as np
import pytest

from acceptance.__main__ import main
from acceptance.kserve import Tensor
from acceptance.record import as_json
from acceptance.reference import Reference, read_reference
from stacks.reference import Tolerance
from stacks.resolve import REFERENCE_DIRECTORY, resolve
from testbed.kserve_stand_in import Arrays, StandInModel, TritonStandIn
from tests.support.config_cases import STACK, lay_out_happy

REQUEST = {"inputs": [{"name": "IN", "datatype": "FP32", "shape": [1, 2], "data": [1.5, 0.1]}]}


def double(inputs: Arrays) -> Arrays:
    return {"DOUBLE": inputs["IN"] * 2}


@pytest.fixture
def triton() -> TritonStandIn:
    return TritonStandIn(
        stack=STACK, models={"m": StandInModel(inputs={"IN": [2]}, outputs={"DOUBLE": [2]}, compute=double)}
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    lay_out_happy("minimal", tmp_path)
    (tmp_path / "request.json").write_text(json.dumps(REQUEST))
    return tmp_path


def record(triton: TritonStandIn, root: Path, *words: str, model: str = "m") -> int:
    with triton.serving() as address:
        given = ["record", STACK, model, "--endpoint", address, "--input", str(root / "request.json"), *words]
        return main(given, root)


def name_it(root: Path, more: str = "") -> None:
    experiment = root / "stacks/experiments/tiny.yaml"
    experiment.write_text(experiment.read_text().replace("name: m", f"name: m{more}"))


def test_a_recorded_reference_is_what_the_next_check_compares(
    triton: TritonStandIn, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert record(triton, root) == 0
    assert capsys.readouterr().out.splitlines() == [
        "written: stacks/experiments/reference/m.json: read it, and see that the answer is right",
        "next: add `reference: m.json` to the model in stacks/experiments/tiny.yaml",
    ]
    name_it(root, ", reference: m.json")
    assert resolve(STACK, root).config.experiment.models.expected[0].reference == "m.json"
    with triton.serving() as address:
        assert main([STACK, "--endpoint", address], root) == 0
        assert "as the reference, largest difference 0" in capsys.readouterr().out
        triton.models["m"].compute = lambda inputs: {"DOUBLE": inputs["IN"] * 3}
        assert main([STACK, "--endpoint", address], root) == 1


def test_a_reference_that_exists_is_kept_unless_it_is_to_be_replaced(
    triton: TritonStandIn, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert record(triton, root) == 0
    assert record(triton, root) == 1
    assert capsys.readouterr().err == ("stacks/experiments/reference/m.json exists: add --replace to write over it\n")
    assert record(triton, root, "--replace") == 0


def test_a_version_of_several_is_chosen_and_has_its_own_file(
    triton: TritonStandIn, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name_it(root, ", versions: [1, 2]")
    assert record(triton, root) == 1
    assert capsys.readouterr().err == ("`m` is expected in the versions 1, 2: choose one of them with --version\n")
    assert record(triton, root, "--version", "1") == 0
    assert 'add `reference: "m-{version}.json"` to the model' in capsys.readouterr().out
    assert read_reference(root / REFERENCE_DIRECTORY / "m-1.json", "m").responses


@pytest.mark.parametrize(
    ("request_text", "model", "sentence"),
    [
        ('{"inputs": []}', "m", "inputs: found no tensor: must have one or more: add them"),
        (json.dumps(REQUEST).replace("[1, 2]", "[1, 3]"), "m", "found 2 values in data: the shape [1, 3] holds 3"),
        (json.dumps(REQUEST).replace("IN", "INN"), "m", "the model has no input INN, but IN: correct the request"),
        (
            json.dumps(REQUEST),
            "mm",
            "`mm` is not in experiment.models.expected, which has m: add it to stacks/experiments/",
        ),
    ],
)
def test_a_request_that_cannot_be_recorded_is_reported(
    triton: TritonStandIn, root: Path, capsys: pytest.CaptureFixture[str], request_text: str, model: str, sentence: str
) -> None:
    (root / "request.json").write_text(request_text)
    assert record(triton, root, model=model) == 1
    assert sentence in capsys.readouterr().err
    assert triton.models["m"].calls == []


def test_a_model_that_answers_differently_each_time_is_not_recorded(
    triton: TritonStandIn, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = iter([1.0, 2.0])
    triton.models["m"].compute = lambda inputs: {"DOUBLE": inputs["IN"] * next(answers)}
    assert record(triton, root) == 1
    assert capsys.readouterr().err.startswith("the model answers the same request differently (DOUBLE[0, 0] is 3.0")
    assert not (root / REFERENCE_DIRECTORY / "m.json").exists()


def test_a_decoupled_stateful_model_is_recorded_with_all_its_responses(triton: TritonStandIn, root: Path) -> None:
    triton.models["m"].decoupled, triton.models["m"].stateful = 3, True
    assert record(triton, root) == 0
    assert len(read_reference(root / REFERENCE_DIRECTORY / "m.json", "m").responses) == 3


def test_every_value_is_read_again_as_it_was_written(tmp_path: Path) -> None:
    written = (
        Tensor(name="f16", datatype="FP16", values=np.array([0.1, np.nan], np.float16)),
        Tensor(name="bf16", datatype="BF16", values=np.array([0.10009765625, -np.inf], np.float32)),
        Tensor(name="f64", datatype="FP64", values=np.array([0.1, 1e300])),
        Tensor(name="u64", datatype="UINT64", values=np.array([[2**64 - 1]], np.uint64)),
        Tensor(name="bool", datatype="BOOL", values=np.array(True)),
        Tensor(name="bytes", datatype="BYTES", values=np.array(["é".encode(), b"\xff"], np.object_)),
        Tensor(name="none", datatype="INT8", values=np.empty((0, 3), np.int8)),
    )
    reference = Reference(inputs=written, responses=(written,), tolerance=Tolerance(relative=0.0, absolute=0.0))
    (tmp_path / "m.json").write_text(as_json("m", reference))
    read = read_reference(tmp_path / "m.json", "m")
    for before, after in zip(written, read.inputs, strict=True):
        assert after.values.dtype == before.values.dtype
        np.testing.assert_array_equal(after.values, before.values)
