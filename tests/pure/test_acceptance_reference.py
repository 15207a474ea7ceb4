"""Reference files: every one of the repository can be read, and a broken one is reported."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from acceptance.errors import CheckError
from acceptance.reference import read_reference
from stacks.resolve import REFERENCE_DIRECTORY, ROOT

RIGHT: dict[str, Any] = {
    "model": "m",
    "request": {"inputs": [{"name": "TEXT", "datatype": "BYTES", "shape": [2], "data": ["é", "b"]}]},
    "expected": {"outputs": [{"name": "OUT", "datatype": "FP32", "shape": [2, 2], "data": [1, 2, 3, 4]}]},
    "tolerance": {"relative": 0.0, "absolute": 0.0},
}


@pytest.mark.parametrize("path", sorted((ROOT / REFERENCE_DIRECTORY).glob("*.json")), ids=lambda path: path.name)
def test_every_reference_of_the_repository_can_be_read(path: Path) -> None:
    assert read_reference(path, path.stem).outputs


def test_values_have_their_type_and_shape(tmp_path: Path) -> None:
    (tmp_path / "m.json").write_text(json.dumps(RIGHT))
    reference = read_reference(tmp_path / "m.json", "m")
    assert reference.inputs[0].values.tolist() == ["é".encode(), b"b"]
    assert reference.outputs[0].values.dtype == np.float32
    assert reference.outputs[0].values.tolist() == [[1, 2], [3, 4]]


def broken(change: dict[str, Any]) -> str:
    return json.dumps({**RIGHT, **change})


def inputs(**tensor: Any) -> dict[str, Any]:
    return {"request": {"inputs": [{"name": "IN", "datatype": "FP32", "shape": [2], "data": [1, 2], **tensor}]}}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        pytest.param("{", "the file: Invalid JSON: EOF while parsing an object at line 1 column 1", id="cut off"),
        pytest.param(
            broken({"tolerance": {"relative": -1.0, "absolute": 0.0}}),
            "tolerance.relative: Input should be greater than or equal to 0",
            id="tolerance below zero",
        ),
        pytest.param(broken({"note": "x"}), "note: Extra inputs are not permitted", id="unknown key"),
        pytest.param(broken(inputs(shape=[3])), "IN has shape [3] and 2 values", id="values and shape disagree"),
        pytest.param(broken(inputs(data=[[1], [2, 3]])), "inhomogeneous shape", id="data not flat"),
        pytest.param(broken(inputs(datatype="FLOAT")), "IN has datatype FLOAT, known are BOOL", id="unknown type"),
        pytest.param(broken({"model": "other"}), "is the reference of `other`, but `m` names it", id="other model"),
    ],
)
def test_a_broken_reference_is_reported_with_its_file(text: str, sentence: str, tmp_path: Path) -> None:
    path = tmp_path / "m.json"
    path.write_text(text)
    with pytest.raises(CheckError) as raised:
        read_reference(path, "m")
    assert sentence in str(raised.value)
    assert str(path) in str(raised.value)


def test_a_missing_reference_is_reported_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(CheckError) as raised:
        read_reference(tmp_path / "none.json", "m")
    assert str(raised.value) == (
        f"{tmp_path / 'none.json'} cannot be read (No such file or directory): correct the name of the model's "
        "reference, or add the file"
    )
