"""Reference files: every one of the repository can be read, each datatype can be held, and a broken one is reported."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from acceptance.errors import CheckError
from acceptance.kserve import CallError, Tensor, raw, tensor_of_raw
from acceptance.reference import read_reference
from stacks.errors import ConfigurationError
from stacks.reference import DATATYPES
from stacks.resolve import REFERENCE_DIRECTORY, ROOT, resolve
from tests.support.config_cases import STACK, a_reference, lay_out_happy

RIGHT: dict[str, Any] = {
    "model": "m",
    "request": {"inputs": [{"name": "TEXT", "datatype": "BYTES", "shape": [2], "data": ["é", "b"]}]},
    "expected": {"outputs": [{"name": "OUT", "datatype": "FP32", "shape": [2, 2], "data": [1, 2, 3, 4]}]},
    "tolerance": {"relative": 0.0, "absolute": 0.0},
}
VALUES: dict[str, list[Any]] = {
    "BOOL": [True, False],
    "INT8": [-128, 127],
    "INT16": [-32768, 32767],
    "INT32": [-(2**31), 2**31 - 1],
    "INT64": [-(2**63), 2**63 - 1],
    "UINT8": [0, 255],
    "UINT16": [0, 65535],
    "UINT32": [0, 2**32 - 1],
    "UINT64": [0, 2**64 - 1],
    "FP16": [65504, -0.5],
    "BF16": [3.140625, -1e38],
    "FP32": [3.4e38, "NaN"],
    "FP64": [1e308, "-Infinity"],
    "BYTES": ["é", {"base64": "/wA="}],
}


@pytest.mark.parametrize("path", sorted((ROOT / REFERENCE_DIRECTORY).glob("*.json")), ids=lambda path: path.name)
def test_every_reference_of_the_repository_can_be_read(path: Path) -> None:
    assert read_reference(path, path.stem).responses


def test_values_have_their_type_and_shape(tmp_path: Path) -> None:
    (tmp_path / "m.json").write_text(json.dumps(RIGHT))
    reference = read_reference(tmp_path / "m.json", "m")
    assert reference.inputs[0].values.tolist() == ["é".encode(), b"b"]
    ((output,),) = reference.responses
    assert output.values.dtype == np.float32
    assert output.values.tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize("datatype", DATATYPES)
@pytest.mark.parametrize("shape", [[2], [1, 2, 1], [0, 3], []])
def test_each_datatype_and_shape_is_sent_as_it_is_written(datatype: str, shape: list[int], tmp_path: Path) -> None:
    data = VALUES[datatype][: int(np.prod(shape, dtype=int))]
    (tmp_path / "m.json").write_text(broken(inputs(datatype=datatype, shape=shape, data=data)))
    (tensor,) = read_reference(tmp_path / "m.json", "m").inputs
    returned = tensor_of_raw("IN", datatype, shape, raw(tensor))
    assert returned.values.shape == tuple(shape)
    if datatype == "BF16":
        assert returned.values == pytest.approx(tensor.values, rel=2**-8)
    else:
        np.testing.assert_array_equal(returned.values, tensor.values)


def test_bf16_has_the_upper_bits_of_fp32_rounded_to_even() -> None:
    values = np.array([1.0, -2.0, 1.00390625, 1.01171875, np.inf, np.nan], np.float32)
    sent = np.frombuffer(raw(Tensor(name="X", datatype="BF16", values=values)), "<u2")
    assert [hex(bits) for bits in sent[:5]] == ["0x3f80", "0xc000", "0x3f80", "0x3f82", "0x7f80"]
    assert np.isnan(tensor_of_raw("X", "BF16", [6], sent.tobytes()).values[5])


@pytest.mark.parametrize("datatype", ["FP32", "BF16", "BYTES"])
def test_an_answer_whose_bytes_do_not_fit_is_an_error_of_the_call(datatype: str) -> None:
    with pytest.raises(CallError, match=rf"X says {datatype} \[3\] and brings 5 bytes"):
        tensor_of_raw("X", datatype, [3], b"\x01\0\0\0a")


def test_a_decoupled_models_reference_has_every_response(tmp_path: Path) -> None:
    responses = [RIGHT["expected"], RIGHT["expected"]]
    (tmp_path / "m.json").write_text(broken({"expected": {"responses": responses}}))
    assert len(read_reference(tmp_path / "m.json", "m").responses) == 2
    (tmp_path / "m.json").write_text(broken({"expected": {"responses": []}}))
    assert read_reference(tmp_path / "m.json", "m").responses == ()


def broken(change: dict[str, Any]) -> str:
    return json.dumps({**RIGHT, **change})


def inputs(**tensor: Any) -> dict[str, Any]:
    return {"request": {"inputs": [{"name": "IN", "datatype": "FP32", "shape": [2], "data": [1, 2], **tensor}]}}


BROKEN = [
    pytest.param("{", ":1: cannot be read as JSON (Expecting property name", id="cut off"),
    pytest.param("{}", ": model is missing: docs/acceptance.md shows the form: add it", id="empty"),
    pytest.param("[]", ": the file: found []: must be a mapping", id="no mapping"),
    pytest.param(
        broken({"tolerance": {"relative": -1.0, "absolute": 0.0}}),
        ": tolerance.relative: found -1.0: must be greater than or equal to 0: correct it",
        id="tolerance below zero",
    ),
    pytest.param(
        broken({"tolerance": {"relative": 0, "absolut": 0}}),
        "tolerance.absolut: found a key that is not known here: the keys are relative, absolute: did you mean "
        "`absolute`?",
        id="key with a slip",
    ),
    pytest.param(
        broken({"note": "x"}),
        "note: found a key that is not known here: the keys are model, request, expected, tolerance: remove it",
        id="unknown key",
    ),
    pytest.param(
        broken({"request": {"inputs": []}}), "request.inputs: found no tensor: must have one or more", id="no inputs"
    ),
    pytest.param(broken({"expected": {}}), "expected has no `outputs`: add the right answer", id="no answer"),
    pytest.param(
        broken({"expected": {**RIGHT["expected"], "responses": []}}),
        "expected has both `outputs` and `responses`: keep `responses` for a decoupled model only",
        id="two answers",
    ),
    pytest.param(
        broken(inputs(shape=[3])),
        "request.inputs[0] (IN): found 2 values in data: the shape [3] holds 3: correct the shape or the data",
        id="values and shape disagree",
    ),
    pytest.param(broken(inputs(shape=[-1])), "request.inputs[0].shape[0]: found -1: must be greater", id="open shape"),
    pytest.param(
        broken(inputs(data=[[1], [2, 3]])), "data[0]: found [1]: data must be one flat list", id="data not flat"
    ),
    pytest.param(broken(inputs(datatype="FLOAT")), 'found the datatype "FLOAT": must be one of BOOL', id="no type"),
    pytest.param(broken(inputs(datatype="TYPE_FP16")), "did you mean `FP16`?", id="type of config.pbtxt"),
    pytest.param(broken(inputs(data=[1, "2"])), 'data[1]: found "2": must be a number, or one of NaN', id="quotes"),
    pytest.param(broken(inputs(data=[1, float("nan")])), "write one of NaN, Infinity, -Infinity, in", id="bare NaN"),
    pytest.param(broken(inputs(data=[1, None])), "data[1]: found null: must be a number: correct it", id="null"),
    pytest.param(broken(inputs(data=[1, True])), "must be a number of FP32: write 1 or 0, or correct", id="boolean"),
    pytest.param(
        broken(inputs(datatype="UINT8", data=[1, 256])), "must be a whole number from 0 to 255: correct it", id="range"
    ),
    pytest.param(broken(inputs(datatype="INT64", data=[1, 2.5])), "found 2.5: must be a whole number", id="fraction"),
    pytest.param(broken(inputs(datatype="FP16", data=[1, 1e5])), "must be at most 65504: correct it", id="overflow"),
    pytest.param(broken(inputs(datatype="BOOL", data=[1, True])), "must be true or false: correct it", id="number"),
    pytest.param(
        broken(inputs(datatype="BYTES", data=["a", {"base64": "="}])), 'must be text, or {"base64": "…"}', id="base64"
    ),
    pytest.param(
        broken({"request": {"inputs": RIGHT["request"]["inputs"] * 2}}),
        "request.inputs[1] (TEXT): found the tensor twice: remove one, or correct its name",
        id="a tensor twice",
    ),
]


@pytest.mark.parametrize(("text", "sentence"), BROKEN)
def test_a_broken_reference_is_reported_with_its_file(text: str, sentence: str, tmp_path: Path) -> None:
    path = tmp_path / "m.json"
    path.write_text(text)
    with pytest.raises(CheckError) as raised:
        read_reference(path, "m")
    assert sentence in str(raised.value)
    assert str(path) in str(raised.value)


@pytest.mark.parametrize(("text", "sentence"), BROKEN)
def test_a_broken_reference_is_refused_by_stacks_check(text: str, sentence: str, tmp_path: Path) -> None:
    lay_out_happy("everything", tmp_path)
    (tmp_path / REFERENCE_DIRECTORY / "first-1.json").write_text(text)
    with pytest.raises(ConfigurationError) as raised:
        resolve(STACK, tmp_path)
    assert sentence in str(raised.value)
    assert str(raised.value).startswith("stacks/experiments/reference/first-1.json")


def test_a_reference_of_another_model_is_reported(tmp_path: Path) -> None:
    (tmp_path / "m.json").write_text(json.dumps(a_reference("other")))
    with pytest.raises(CheckError, match="is the reference of `other`, but `m` names it"):
        read_reference(tmp_path / "m.json", "m")


def test_a_missing_reference_is_reported_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(CheckError) as raised:
        read_reference(tmp_path / "none.json", "m")
    assert str(raised.value) == (
        f"{tmp_path / 'none.json'}: cannot be read (No such file or directory): correct the name, or add the file"
    )
