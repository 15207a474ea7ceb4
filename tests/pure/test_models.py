"""The dev experiment's models: the network's numbers, the configurations, and the golden answers."""

import importlib.util
import json
import math
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from devcluster.paths import MODELS
from tests.support import golden_answers

NAMES = sorted(path.name for path in MODELS.iterdir() if path.is_dir())


def load(path: Path) -> ModuleType:
    """A module of a model's version directory, as the python backend would import it."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


particlenet = load(MODELS / "particlenet_AK4_PT_numpy" / "1" / "particlenet.py")
sleeping = load(MODELS / "sleep_identity" / "1" / "sleeping.py")


def config(name: str) -> Any:
    """A model's config.pbtxt, read with Triton's own protobuf schema, which refuses unknown fields."""
    parsed = model_config_pb2.ModelConfig()
    text_format.Parse((MODELS / name / "config.pbtxt").read_text(), parsed)
    return parsed


def reference_of(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((golden_answers.DIRECTORY / f"{name}.json").read_text())
    return content


def tensors(entries: list[dict[str, Any]]) -> dict[str, Any]:
    return {entry["name"]: np.array(entry["data"], np.float32).reshape(entry["shape"]) for entry in entries}


def random_jets(count: int, seed: int = 7) -> dict[str, Any]:
    source = np.random.default_rng(seed)
    jets = {name: source.normal(size=(count, *shape)).astype(np.float32) for name, shape in particlenet.INPUTS.items()}
    for kind in ("pf", "sv"):
        entries = particlenet.INPUTS[f"{kind}_mask"][1]
        sizes = source.integers(1, entries + 1, size=(count, 1, 1))
        jets[f"{kind}_mask"] = (np.arange(entries) < sizes).astype(np.float32)
    return jets


class TestParticleNet:
    network = particlenet.ParticleNet()

    def test_answers_are_the_golden_answers(self) -> None:
        content = reference_of("particlenet_AK4_PT_numpy")
        expected = tensors(content["expected"]["outputs"])["softmax"]
        answer = self.network(tensors(content["request"]["inputs"]))
        np.testing.assert_allclose(
            answer, expected, rtol=content["tolerance"]["relative"], atol=content["tolerance"]["absolute"]
        )

    def test_each_answer_is_a_probability_distribution_that_depends_on_the_jet(self) -> None:
        answer = self.network(random_jets(16))
        assert answer.shape == (16, 8)
        assert answer.dtype == np.float32
        np.testing.assert_allclose(answer.sum(axis=1), 1.0, rtol=1e-5)
        assert np.ptp(answer, axis=0).max() > 0.01

    @pytest.mark.parametrize("garbage", [1.0, -1e30, math.inf, math.nan])
    def test_masked_entries_have_no_influence(self, garbage: float) -> None:
        jets = random_jets(4)
        spoilt = dict(jets)
        for kind in ("pf", "sv"):
            masked = jets[f"{kind}_mask"] == 0
            for part in ("points", "features"):
                spoilt[f"{kind}_{part}"] = np.where(masked, np.float32(garbage), jets[f"{kind}_{part}"])
        np.testing.assert_array_equal(self.network(spoilt), self.network(jets))

    def test_the_order_of_entries_does_not_matter(self) -> None:
        jets = random_jets(4)
        order = np.random.default_rng(3).permutation(100)
        shuffled = {name: data[..., order] if name.startswith("pf") else data for name, data in jets.items()}
        np.testing.assert_allclose(self.network(shuffled), self.network(jets), rtol=1e-4)

    def test_a_jet_gets_the_same_answer_in_any_batch(self) -> None:
        jets = random_jets(5)
        alone = [self.network({name: data[n : n + 1] for name, data in jets.items()})[0] for n in range(5)]
        np.testing.assert_allclose(self.network(jets), alone, rtol=1e-4)

    def test_the_graph_matters(self) -> None:
        """Other distances between the points give other neighbours, and so another answer."""
        jets = random_jets(4)
        moved = jets | {"pf_points": jets["pf_points"][:, :, ::-1].copy()}
        assert np.abs(self.network(moved) - self.network(jets)).max() > 1e-4


class TestSleepIdentity:
    def test_a_batch_takes_as_long_as_its_slowest_entry(self) -> None:
        assert sleeping.batch_seconds([20.0, 250.0, 0.0]) == 0.25

    def test_a_batch_of_refused_requests_does_not_sleep(self) -> None:
        assert sleeping.batch_seconds([]) == 0.0

    def test_a_request_for_a_crash_sleeps_until_its_server_is_gone(self) -> None:
        assert sleeping.refusal([sleeping.CRASH_MS]) is None
        assert sleeping.batch_seconds([20.0, sleeping.CRASH_MS]) == 60.0

    @pytest.mark.parametrize("sleeps_ms", [[0.0], [600_000.0], [1.0, 2.0]])
    def test_allows_sleeps_within_the_range(self, sleeps_ms: list[float]) -> None:
        assert sleeping.refusal(sleeps_ms) is None

    @pytest.mark.parametrize("sleep_ms", [-1.0, 600_001.0, math.nan, math.inf])
    def test_refuses_sleeps_out_of_range(self, sleep_ms: float) -> None:
        sentence = f"SLEEP_MS is {sleep_ms:g}: it must be from 0 to 600000 milliseconds"
        assert sleeping.refusal([5.0, sleep_ms]) == sentence


class TestConfigurations:
    @pytest.mark.parametrize("name", NAMES)
    def test_are_complete_without_the_help_of_auto_completion(self, name: str) -> None:
        parsed = config(name)
        assert parsed.name == name
        assert parsed.backend == "python"
        assert parsed.HasField("dynamic_batching")
        assert parsed.max_batch_size > 1
        assert [group.kind for group in parsed.instance_group] == [model_config_pb2.ModelInstanceGroup.KIND_CPU]
        assert (MODELS / name / "1" / "model.py").is_file()

    def test_of_particlenet_is_the_interface_of_its_network(self) -> None:
        parsed = config("particlenet_AK4_PT_numpy")
        assert {tensor.name: tuple(tensor.dims) for tensor in parsed.input} == particlenet.INPUTS
        assert {tensor.name: tuple(tensor.dims) for tensor in parsed.output} == {
            particlenet.OUTPUT: (particlenet.FLAVOURS,)
        }

    def test_of_particlenet_is_the_interface_that_cms_calls(self) -> None:
        """Names and rows of particlenet_AK4 in cms-data/RecoBTag-Combined; 100 and 10 entries."""
        parsed = config("particlenet_AK4_PT_numpy")
        assert {tensor.name: tuple(tensor.dims) for tensor in parsed.input} == {
            "pf_points": (2, 100),
            "pf_features": (20, 100),
            "pf_mask": (1, 100),
            "sv_points": (2, 10),
            "sv_features": (11, 10),
            "sv_mask": (1, 10),
        }
        assert {tensor.data_type for tensor in parsed.input} == {model_config_pb2.TYPE_FP32}
        assert [(tensor.name, tuple(tensor.dims)) for tensor in parsed.output] == [("softmax", (8,))]


class TestReferences:
    def test_each_model_has_one_and_each_has_a_model(self) -> None:
        assert sorted(path.stem for path in golden_answers.DIRECTORY.glob("*.json")) == NAMES

    @pytest.mark.parametrize("name", NAMES)
    def test_are_up_to_date_with_their_script(self, name: str) -> None:
        written = (golden_answers.DIRECTORY / f"{name}.json").read_text()
        fresh = golden_answers.render(golden_answers.golden_answers()[name])
        assert written == fresh, "stale: run `python -m tests.support.golden_answers`"

    @pytest.mark.parametrize("name", NAMES)
    def test_ask_and_expect_what_the_configuration_declares(self, name: str) -> None:
        content, parsed = reference_of(name), config(name)
        assert content["model"] == name
        pairs = [(content["request"]["inputs"], parsed.input), (content["expected"]["outputs"], parsed.output)]
        for entries, declared in pairs:
            assert [entry["name"] for entry in entries] == [tensor.name for tensor in declared]
            for entry, tensor in zip(entries, declared, strict=True):
                assert f"TYPE_{entry['datatype']}" == model_config_pb2.DataType.Name(tensor.data_type)
                assert entry["shape"][0] <= parsed.max_batch_size
                assert len(entry["shape"]) == 1 + len(tensor.dims)
                for size, allowed in zip(entry["shape"][1:], tensor.dims, strict=True):
                    assert allowed in (-1, size)
                assert len(entry["data"]) == math.prod(entry["shape"])
