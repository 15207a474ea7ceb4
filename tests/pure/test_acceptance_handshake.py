"""Rows of the check for a right server, and for each error that it looks for."""

import socket
from collections.abc import Sequence
from dataclasses import replace

import grpc
import numpy as np
import pytest

from acceptance import handshake as module
from acceptance.client import TritonClient
from acceptance.handshake import CHECKS, METRICS_CHECK, SERVER_CHECK, Expectation, Result, Row, handshake
from acceptance.kserve import Tensor
from acceptance.reference import Reference
from acceptance.report import first_cause
from stacks.reference import Tolerance
from testbed.kserve_stand_in import Arrays, StandInModel, TritonStandIn

REFERENCE = Reference(
    inputs=(Tensor(name="IN", datatype="FP32", values=np.array([[1.0, 2.0], [3.0, 4.0]], np.float32)),),
    responses=((Tensor(name="DOUBLE", datatype="FP32", values=np.array([[2.0, 4.0], [6.0, 8.0]], np.float32)),),),
    tolerance=Tolerance(relative=1e-3, absolute=1e-6),
)
DOUBLE = Expectation(model="double", references={"": REFERENCE})
ZEROS = Expectation(model="double", probe="zeros")


def double(inputs: Arrays) -> Arrays:
    return {"DOUBLE": inputs["IN"] * 2}


@pytest.fixture
def triton() -> TritonStandIn:
    return TritonStandIn(models={"double": StandInModel(inputs={"IN": [2]}, outputs={"DOUBLE": [2]}, compute=double)})


def rows_of(triton: TritonStandIn, *expectations: Expectation) -> list[Row]:
    with triton.serving() as address, TritonClient(address, tls=False) as client:
        return list(handshake(client, expectations))


def cause_of(triton: TritonStandIn, *expectations: Expectation) -> Row:
    cause = first_cause(rows_of(triton, *expectations))
    assert cause is not None
    return cause


def results(rows: Sequence[Row]) -> dict[str, Result]:
    return {row.check: row.result for row in rows if row.model or row.check in ("live", "ready")}


def test_every_row_of_a_right_server_is_ok(triton: TritonStandIn) -> None:
    rows = rows_of(triton, DOUBLE)
    assert first_cause(rows) is None
    assert {row.check for row in rows} == {*CHECKS} - {SERVER_CHECK, METRICS_CHECK}
    (infer,) = [row for row in rows if row.check == "infer"]
    assert infer.detail == "as the reference, largest difference 0"


def infer_of(triton: TritonStandIn, *expectations: Expectation) -> Row:
    return next(row for row in rows_of(triton, *expectations) if row.check == "infer")


def test_without_a_reference_nothing_is_sent_and_the_model_is_ready(triton: TritonStandIn) -> None:
    rows = rows_of(triton, Expectation(model="double"))
    assert first_cause(rows) is None
    assert triton.models["double"].calls == []
    *_, infer, statistics = rows
    assert infer.result is Result.NOT_SENT
    assert infer.detail == "ready; no request is known to be harmless: record a reference to compare its answers"
    assert statistics.result is Result.OK


def test_zeros_are_sent_with_consent_and_the_form_of_the_answer_is_checked(triton: TritonStandIn) -> None:
    infer = infer_of(triton, ZEROS)
    assert infer.result is Result.OK
    assert infer.detail == "zeros are answered in the declared shapes and types"
    assert [call["IN"].tolist() for call in triton.models["double"].calls] == [[[0, 0]]]


def test_the_zeros_of_a_models_own_warm_up_are_sent(triton: TritonStandIn) -> None:
    triton.models["double"].inputs = triton.models["double"].outputs = {"IN": [-1]}
    triton.models["double"].compute = lambda given: given
    triton.models["double"].warm_up = True
    assert infer_of(triton, Expectation(model="double")).result is Result.OK
    assert [call["IN"].tolist() for call in triton.models["double"].calls] == [[[0, 0, 0, 0]]]


def test_a_model_that_is_to_be_asked_for_readiness_gets_no_warm_up(triton: TritonStandIn) -> None:
    triton.models["double"].warm_up = True
    infer = infer_of(triton, Expectation(model="double", probe="ready"))
    assert (infer.result, triton.models["double"].calls) == (Result.NOT_SENT, [])


def test_a_model_that_others_call_is_not_probed_as_one_of_clients(triton: TritonStandIn) -> None:
    triton.models["double"].warm_up = True
    infer = infer_of(triton, Expectation(model="double", called_by=("caller",)))
    assert (infer.result, triton.models["double"].calls) == (Result.NOT_SENT, [])
    assert infer.detail == "ready; called by caller and not by clients"


@pytest.mark.parametrize(
    ("inputs", "sentence"),
    [
        pytest.param(
            {"OTHER": np.ones((2, 2), np.float32)},
            "the model has no input OTHER, but IN: correct the request",
            id="unknown input",
        ),
        pytest.param(
            {"IN": np.ones((2, 3), np.float32)},
            "the request's IN is FP32 [2, 3] but FP32 [-1, 2] in the model's metadata, and was not sent: correct the "
            "request",
            id="another shape",
        ),
        pytest.param(
            {"IN": np.ones((9, 2), np.float32)},
            "the request's IN is a batch of 9 but the model takes 8, and was not sent: shorten the request",
            id="too large a batch",
        ),
        pytest.param(
            {"IN": np.ones((2, 2), np.float32)},
            "the request has no MORE, which the model requires, and was not sent: add it",
            id="missing input",
        ),
    ],
)
def test_a_reference_that_does_not_fit_the_interface_is_not_sent(
    triton: TritonStandIn, inputs: Arrays, sentence: str
) -> None:
    if sentence.startswith("the request has no MORE"):
        triton.models["double"].inputs = {"IN": [2], "MORE": [1], "PERHAPS": [1]}
        triton.models["double"].optional = ["PERHAPS"]
    given = tuple(Tensor(name=name, datatype="FP32", values=values) for name, values in inputs.items())
    reference = Reference(inputs=given, responses=REFERENCE.responses, tolerance=REFERENCE.tolerance)
    assert cause_of(triton, replace(DOUBLE, references={"": reference})).detail == sentence
    assert triton.models["double"].calls == []


def test_each_expected_version_is_asked_for_with_its_own_reference(triton: TritonStandIn) -> None:
    rows = rows_of(triton, replace(DOUBLE, versions=(1,), references={"1": REFERENCE}))
    assert first_cause(rows) is None
    assert {row.model for row in rows if row.check == "infer"} == {"double/1"}


@pytest.mark.parametrize("text_sequence_id", [False, True])
@pytest.mark.parametrize("expectation", [DOUBLE, ZEROS])
def test_a_stateful_model_is_sent_a_sequence(
    triton: TritonStandIn, expectation: Expectation, text_sequence_id: bool
) -> None:
    triton.models["double"].stateful = True
    triton.models["double"].text_sequence_id = text_sequence_id
    assert first_cause(rows_of(triton, replace(expectation, stateful=True))) is None


@pytest.mark.parametrize("through", [(), ("middle",)])
def test_an_ensemble_with_a_stateful_step_is_sent_a_sequence_and_must_be_declared(
    triton: TritonStandIn, through: tuple[str, ...]
) -> None:
    inner = StandInModel(inputs={"IN": [2]}, outputs={"DOUBLE": [2]}, compute=double, stateful=True)
    triton.models["snapshotter"] = inner
    for name in through:
        triton.models[name] = replace(inner, stateful=False, steps=["snapshotter"])
    triton.models["double"].steps = [*through, "snapshotter"]
    assert first_cause(rows_of(triton, replace(DOUBLE, stateful=True))) is None
    cause = cause_of(triton, DOUBLE)
    assert cause.check == "config"
    assert cause.detail == (
        "its part `snapshotter` has a sequence batcher, but experiment.models.expected[].stateful is false, so Envoy "
        "would retry a step of a sequence on another server: set it to true"
    )


def test_a_model_that_calls_a_stateful_one_must_be_declared_and_the_called_one_need_not(triton: TritonStandIn) -> None:
    triton.models["state"] = replace(triton.models["double"], stateful=True)
    called = Expectation(model="state", called_by=("double",))
    assert cause_of(triton, DOUBLE, called).detail.startswith("its part `state` has a sequence batcher")
    assert first_cause(rows_of(triton, replace(DOUBLE, stateful=True), called)) is None


def test_a_decoupled_model_is_asked_by_stream_and_each_response_is_compared(triton: TritonStandIn) -> None:
    triton.models["double"].decoupled = 2
    twice = Reference(inputs=REFERENCE.inputs, responses=REFERENCE.responses * 2, tolerance=REFERENCE.tolerance)
    assert first_cause(rows_of(triton, replace(DOUBLE, references={"": twice}))) is None
    assert cause_of(triton, DOUBLE).detail == "the answer has 2 responses but 1 in the reference"
    triton.models["double"].decoupled = 0
    assert infer_of(triton, ZEROS).result is Result.OK


def test_an_error_in_a_stream_is_reported(triton: TritonStandIn) -> None:
    triton.models["double"].decoupled = 1
    triton.messages["ModelStreamInfer"] = "CUDA out of memory"
    assert cause_of(triton, DOUBLE).detail == "the stream answers: CUDA out of memory"


def test_a_stateful_model_that_is_not_declared_fails_the_config_check(triton: TritonStandIn) -> None:
    triton.models["double"].stateful = True
    cause = cause_of(triton, DOUBLE)
    assert cause.check == "config"
    assert cause.detail == (
        "the model has a sequence batcher, but experiment.models.expected[].stateful is false, so Envoy would retry a "
        "step of a sequence on another server: set it to true"
    )


def test_a_refused_connection_fails_live_and_skips_the_rest() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening: nobody answers, nobody else can take it
        with TritonClient(f"127.0.0.1:{taken.getsockname()[1]}", tls=False) as client:
            rows = list(handshake(client, [DOUBLE]))
    assert [row.result for row in rows] == [Result.FAILED] + [Result.NOT_TRIED] * (len(rows) - 1)
    assert rows[0].detail.startswith("UNAVAILABLE: ")
    assert "Connection refused" in rows[0].detail


def test_a_proxy_without_servers_is_reported_in_its_own_words(triton: TritonStandIn) -> None:
    triton.failures["ServerLive"] = (grpc.StatusCode.UNAVAILABLE, "no healthy upstream")
    assert cause_of(triton, DOUBLE).detail == "UNAVAILABLE: no healthy upstream"


def test_a_server_that_is_not_live_is_reported(triton: TritonStandIn) -> None:
    triton.live = False
    assert cause_of(triton, DOUBLE).detail == "ServerLive is false: read the log of the server"


def test_a_server_that_is_not_ready_is_reported_and_its_models_are_checked(triton: TritonStandIn) -> None:
    triton.ready = False
    rows = rows_of(triton, DOUBLE)
    cause = first_cause(rows)
    assert cause is not None
    assert cause.detail == ("ServerReady is false: a model is loading or failed to load, see the rows below")
    assert results(rows)["infer"] is Result.OK


def test_a_missing_model_fails_and_the_others_are_checked(triton: TritonStandIn) -> None:
    rows = rows_of(triton, Expectation(model="triple"), DOUBLE)
    cause = first_cause(rows)
    assert cause is not None
    assert cause.detail == (
        "`triple` is not in the repository index, so jobs would run it on their own CPUs: add it to the model "
        "repository, or remove it from experiment.models.expected"
    )
    assert {row.result for row in rows if row.model == "triple"} == {Result.FAILED, Result.NOT_TRIED}
    assert {row.result for row in rows if row.model == "double"} == {Result.OK}


def test_a_model_that_is_listed_but_not_ready_fails(triton: TritonStandIn) -> None:
    triton.models["double"].state, triton.models["double"].reason = "UNAVAILABLE", "no such backend"
    rows = rows_of(triton, DOUBLE)
    cause = first_cause(rows)
    assert cause is not None
    assert cause.detail == (
        "version 1 is UNAVAILABLE (no such backend), but CMSSW uses every model of the repository index, so its jobs "
        "would fail: repair the model, or remove it from the repository"
    )
    assert results(rows)["infer"] is Result.NOT_TRIED


def test_a_missing_version_fails(triton: TritonStandIn) -> None:
    assert cause_of(triton, replace(DOUBLE, versions=(1, 2))).detail == (
        "version 2 is not in the repository index, which has 1: add it to the model repository, or correct "
        "experiment.models.expected[].versions"
    )


MD5, OTHER_MD5 = "d41d8cd98f00b204e9800998ecf8427e", "900150983cd24fb0d6963f7d28e17f72"


def test_equal_checksums_pass(triton: TritonStandIn) -> None:
    triton.models["double"].checksums = {"MD5:config.pbtxt": MD5, "MD5:1/model.onnx": OTHER_MD5}
    rows = rows_of(triton, replace(DOUBLE, checksums_md5={"config.pbtxt": MD5}))
    assert [row.detail for row in rows if row.check == "config"] == ["batches up to 8; MD5 agrees: config.pbtxt"]


def test_a_wrong_checksum_fails_before_inference(triton: TritonStandIn) -> None:
    triton.models["double"].checksums = {"MD5:config.pbtxt": OTHER_MD5}
    rows = rows_of(triton, replace(DOUBLE, checksums_md5={"config.pbtxt": MD5}))
    cause = first_cause(rows)
    assert cause is not None
    assert cause.detail == (
        f"config.pbtxt has MD5 {OTHER_MD5} in the server's checksum agent but {MD5} is expected, so jobs that compare "
        "checksums would fail: serve the right file, or correct experiment.models.expected[].checksums_md5"
    )
    assert results(rows)["infer"] is Result.NOT_TRIED


def test_an_expected_checksum_fails_without_the_checksum_agent(triton: TritonStandIn) -> None:
    cause = cause_of(triton, replace(DOUBLE, checksums_md5={"config.pbtxt": MD5}))
    assert cause.detail.startswith("config.pbtxt has no checksum in the server's checksum agent but ")


def test_an_output_beyond_the_tolerance_fails(triton: TritonStandIn) -> None:
    triton.models["double"].compute = lambda inputs: {"DOUBLE": inputs["IN"] * 2 + np.array([[0, 0], [0, 0.5]])}
    assert cause_of(triton, DOUBLE).detail == (
        "DOUBLE[1, 1] is 8.5 but 8.0 in the reference; 1 of 4 values are beyond the tolerance "
        "(relative 0.001, absolute 1e-06)"
    )


def test_an_output_within_the_tolerance_passes(triton: TritonStandIn) -> None:
    triton.models["double"].compute = lambda inputs: {"DOUBLE": inputs["IN"] * 2.001}
    assert first_cause(rows_of(triton, DOUBLE)) is None


def test_nan_and_infinity_pass_where_the_reference_has_them(triton: TritonStandIn) -> None:
    odd = np.array([[np.nan, np.inf], [-np.inf, 1]], np.float32)
    triton.models["double"].compute = lambda _: {"DOUBLE": odd}
    right = (Tensor(name="DOUBLE", datatype="FP32", values=odd),)
    reference = Reference(inputs=REFERENCE.inputs, responses=(right,), tolerance=REFERENCE.tolerance)
    assert first_cause(rows_of(triton, replace(DOUBLE, references={"": reference}))) is None
    triton.models["double"].compute = lambda _: {"DOUBLE": np.abs(odd)}
    assert cause_of(triton, replace(DOUBLE, references={"": reference})).detail.startswith(
        "DOUBLE[1, 0] is inf but -inf"
    )


def test_a_nan_output_fails(triton: TritonStandIn) -> None:
    triton.models["double"].compute = lambda inputs: {"DOUBLE": inputs["IN"] * np.nan}
    assert cause_of(triton, DOUBLE).detail.startswith("DOUBLE[0, 0] is nan but 2.0 in the reference; 4 of 4 values")


def test_a_wrong_shape_fails(triton: TritonStandIn) -> None:
    triton.models["double"].compute = lambda inputs: {"DOUBLE": inputs["IN"][:1]}
    assert cause_of(triton, DOUBLE).detail == "DOUBLE is FP32 [1, 2] but FP32 [2, 2] in the reference"


def test_a_missing_output_fails(triton: TritonStandIn) -> None:
    triton.models["double"].compute = lambda inputs: {"TRIPLE": inputs["IN"] * 3}
    assert cause_of(triton, DOUBLE).detail == "DOUBLE is not in the answer, which has TRIPLE"


def test_a_wrong_shape_of_the_answer_to_zeros_fails(triton: TritonStandIn) -> None:
    triton.models["double"].compute = lambda inputs: {"DOUBLE": inputs["IN"][:, :1]}
    assert cause_of(triton, ZEROS).detail == ("DOUBLE is FP32 [1, 1] but FP32 [1, 2] in the model's metadata")


def test_a_failed_inference_is_reported_with_its_status(triton: TritonStandIn) -> None:
    triton.failures["ModelInfer"] = (grpc.StatusCode.INTERNAL, "CUDA out of memory")
    cause = cause_of(triton, DOUBLE)
    assert (cause.check, cause.model, cause.detail) == ("infer", "double", "INTERNAL: CUDA out of memory")


def test_an_inference_that_no_server_counts_fails(triton: TritonStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STATISTICS_PATIENCE_SECONDS", 0.1)
    triton.counts = False
    cause = cause_of(triton, DOUBLE)
    assert cause.check == "statistics"
    assert cause.detail.startswith("no server counts a success of the last 60 s")
