"""Computes the golden answers of the dev experiment's models; `python -m tests.support.golden_answers` writes them.

Each file holds a KServe v2 request, the right outputs, and the allowed deviation. The answers are not computed by the
models' own code but by a second implementation, for one jet at a time and in double precision. Masked entries are left
out from the start: "they have no influence" means that.
"""

import json
import math
import random
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

DIRECTORY = Path(__file__).resolve().parents[2] / "stacks" / "experiments" / "reference"

Floats = npt.NDArray[np.float64]


def golden_answers() -> dict[str, dict[str, Any]]:
    """Return the content of each model's file, by model."""
    return {
        "particlenet_AK4_PT_numpy": _particlenet(),
        "sleep_identity": _sleep_identity(),
        "sum_and_difference": _sum_and_difference(),
    }


def render(content: dict[str, Any]) -> str:
    """Return the text of a file: one line for each tensor, so that a review can read it."""
    tensors = {"request": "inputs", "expected": "outputs"}
    parts = []
    for key, value in content.items():
        if key in tensors:
            lines = ",\n".join(f"    {json.dumps(tensor)}" for tensor in value[tensors[key]])
            parts.append(f'  "{key}": {{"{tensors[key]}": [\n{lines}\n  ]}}')
        else:
            parts.append(f'  "{key}": {json.dumps(value)}')
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _sum_and_difference() -> dict[str, Any]:
    # Multiples of a quarter are exact in FP32, so the answer must be exact too.
    first = np.array([[0.25 * number for number in range(16)], [float(-number) for number in range(16)]])
    second = np.array([[float(number) for number in range(16)], [100.0] * 16])
    return {
        "model": "sum_and_difference",
        "request": {"inputs": [_tensor("INPUT0", first), _tensor("INPUT1", second)]},
        "expected": {"outputs": [_tensor("SUM", first + second), _tensor("DIFFERENCE", first - second)]},
        "tolerance": {"relative": 0.0, "absolute": 0.0},
    }


def _sleep_identity() -> dict[str, Any]:
    data = np.array([[1.0, 2.5, -3.0]])
    return {
        "model": "sleep_identity",
        "request": {"inputs": [_tensor("SLEEP_MS", np.array([[20.0]])), _tensor("DATA", data)]},
        "expected": {"outputs": [_tensor("ECHO", data)]},
        "tolerance": {"relative": 0.0, "absolute": 0.0},
    }


def _particlenet() -> dict[str, Any]:
    # A full jet, one with fewer entries than a point has neighbours, and an empty one.
    jets = [_jet(random.Random(seed), pf, sv) for seed, (pf, sv) in enumerate([(42, 3), (4, 1), (0, 0)])]  # noqa: S311
    inputs = [_tensor(name, np.stack([jet[name] for jet in jets])) for name in jets[0]]
    answers = np.array([[float(f"{p:.7g}") for p in _probabilities(jet)] for jet in jets])
    return {
        "model": "particlenet_AK4_PT_numpy",
        "request": {"inputs": inputs},
        "expected": {"outputs": [_tensor("softmax", answers)]},
        # The model computes in FP32, this module in double precision; the two agree to about 1e-6.
        "tolerance": {"relative": 1e-4, "absolute": 1e-6},
    }


def _jet(source: random.Random, pf_count: int, sv_count: int) -> dict[str, Floats]:
    """Return the inputs of one jet, each [rows, entries]; unused entries are zero."""
    jet = {}
    for kind, entries, count, features in (("pf", 100, pf_count, 20), ("sv", 10, sv_count, 11)):
        for part, rows, reach in (("points", 2, 0.4), ("features", features, 3.0)):
            jet[f"{kind}_{part}"] = np.zeros((rows, entries))
            for row in range(rows):
                for entry in range(count):
                    jet[f"{kind}_{part}"][row, entry] = round(source.uniform(-reach, reach), 3)
        jet[f"{kind}_mask"] = np.array([[1.0] * count + [0.0] * (entries - count)])
    return jet


def _probabilities(jet: dict[str, Floats]) -> Floats:
    """Return the network's answer for one jet."""
    points, features = [], []
    for kind in ("pf", "sv"):
        used = jet[f"{kind}_mask"][0] > 0
        points.append(jet[f"{kind}_points"][:, used].T)
        features.append(_relu(_linear(f"{kind}/embedding", jet[f"{kind}_features"][:, used].T, 32)))
    cloud = np.concatenate(features)
    convolved = _edge_conv("edge_conv_0", np.concatenate(points), cloud, 32)
    convolved = _edge_conv("edge_conv_1", convolved, convolved, 64)
    hidden = _relu(_linear("dense", _mean(convolved), 128))
    powers = np.exp(_linear("classes", hidden, 8))
    return np.asarray(powers / powers.sum())


def _edge_conv(name: str, points: Floats, features: Floats, width: int) -> Floats:
    """Return the new features [points, width] of one EdgeConv block."""
    convolved = np.zeros((len(points), width))
    for here, centre in enumerate(features):
        others = [there for there in range(len(points)) if there != here]
        nearest = sorted(others, key=lambda there: (math.dist(points[here], points[there]), there))[:7]
        edges = np.array([[*centre, *(features[there] - centre)] for there in nearest]).reshape(-1, 2 * len(centre))
        for number in range(3):
            edges = _relu(_linear(f"{name}/layer_{number}", edges, width))
        convolved[here] = _relu(_linear(f"{name}/shortcut", centre, width) + _mean(edges))
    return convolved


def _linear(name: str, values: Floats, width: int) -> Floats:
    """Apply a dense layer to the last axis; its weights depend on its name alone."""
    fan_in = values.shape[-1]
    limit = math.sqrt(6 / (fan_in + width))
    weights = limit * _uniform(f"{name}/weights", fan_in * width).reshape(fan_in, width)
    return values @ weights + 0.1 * _uniform(f"{name}/bias", width)


def _uniform(name: str, count: int) -> Floats:
    """Return numbers in [-1, 1) by SplitMix64 (Steele, Lea and Flood, 2014), started at the CRC-32 of the name."""
    state, numbers = zlib.crc32(name.encode()) << 32, []
    for _ in range(count):
        state = (state + 0x9E3779B97F4A7C15) % 2**64
        mixed = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB % 2**64
        numbers.append(((mixed ^ (mixed >> 31)) >> 11) / 2**52 - 1)
    return np.array(numbers)


def _mean(vectors: Floats) -> Floats:
    """Return the mean of the rows; zeros if there is none."""
    return np.asarray(vectors.sum(axis=0) / max(len(vectors), 1))


def _relu(values: Floats) -> Floats:
    return np.maximum(values, 0.0)


def _tensor(name: str, values: Floats) -> dict[str, Any]:
    """Return a tensor of a KServe v2 JSON request: FP32, row-major."""
    return {"name": name, "datatype": "FP32", "shape": list(values.shape), "data": values.ravel().tolist()}


def main() -> None:
    """Write every file anew."""
    for model, content in golden_answers().items():
        path = DIRECTORY / f"{model}.json"
        path.write_text(render(content), encoding="utf-8")
        print(f"wrote {path}")


if __name__ == "__main__":
    main()
