"""Writes the reference answers of the dev experiment's models: `python -m devcluster.reference`.

Each file holds a KServe v2 request, the outputs that are right, and how far an answer may be from them. The
answers do not come from the models' own code: they are computed here again, one number at a time in plain Python,
so that the acceptance check compares two implementations. Masked entries are left out from the start, which is
what "they have no influence" means.
"""

import json
import math
import random
import zlib
from collections.abc import Sequence
from typing import Any

from devcluster.paths import CHECKOUT

REFERENCE = CHECKOUT / "stacks" / "experiments" / "reference"

Vector = Sequence[float]


def references() -> dict[str, dict[str, Any]]:
    """Model -> the content of its reference file."""
    return {
        "particlenet_AK4_PT_numpy": _particlenet(),
        "sleep_identity": _sleep_identity(),
        "sum_and_difference": _sum_and_difference(),
    }


def render(content: dict[str, Any]) -> str:
    """The text of a reference file: one line for each tensor, so that a review can read it."""
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
    first = [[0.25 * number for number in range(16)], [float(-number) for number in range(16)]]
    second = [[float(number) for number in range(16)], [100.0] * 16]
    total = [[a + b for a, b in zip(*rows, strict=True)] for rows in zip(first, second, strict=True)]
    difference = [[a - b for a, b in zip(*rows, strict=True)] for rows in zip(first, second, strict=True)]
    return {
        "model": "sum_and_difference",
        "request": {"inputs": [_tensor("INPUT0", first), _tensor("INPUT1", second)]},
        "expected": {"outputs": [_tensor("SUM", total), _tensor("DIFFERENCE", difference)]},
        "tolerance": {"relative": 0.0, "absolute": 0.0},
    }


def _sleep_identity() -> dict[str, Any]:
    data = [[1.0, 2.5, -3.0]]
    return {
        "model": "sleep_identity",
        "request": {"inputs": [_tensor("SLEEP_MS", [[20.0]]), _tensor("DATA", data)]},
        "expected": {"outputs": [_tensor("ECHO", data)]},
        "tolerance": {"relative": 0.0, "absolute": 0.0},
    }


def _particlenet() -> dict[str, Any]:
    # A full jet, one with fewer entries than a point has neighbours, and an empty one.
    jets = [_jet(random.Random(seed), pf, sv) for seed, (pf, sv) in enumerate([(42, 3), (4, 1), (0, 0)])]  # noqa: S311
    inputs = [_tensor(name, [jet[name] for jet in jets]) for name in jets[0]]
    answers = [[float(f"{p:.7g}") for p in _probabilities(jet)] for jet in jets]
    return {
        "model": "particlenet_AK4_PT_numpy",
        "request": {"inputs": inputs},
        "expected": {"outputs": [_tensor("softmax", answers)]},
        # The model computes in FP32, this module in double precision; the two agree to about 1e-6.
        "tolerance": {"relative": 1e-4, "absolute": 1e-6},
    }


def _jet(source: random.Random, pf_count: int, sv_count: int) -> dict[str, list[list[float]]]:
    """Inputs of one jet, each [rows, entries] and zero beyond the entries that it has."""
    jet = {}
    for kind, entries, count, features in (("pf", 100, pf_count, 20), ("sv", 10, sv_count, 11)):
        for part, rows, reach in (("points", 2, 0.4), ("features", features, 3.0)):
            jet[f"{kind}_{part}"] = [
                [round(source.uniform(-reach, reach), 3) for _ in range(count)] + [0.0] * (entries - count)
                for _ in range(rows)
            ]
        jet[f"{kind}_mask"] = [[1.0] * count + [0.0] * (entries - count)]
    return jet


def _probabilities(jet: dict[str, list[list[float]]]) -> list[float]:
    """What the network answers for one jet."""
    points: list[Vector] = []
    features: list[Vector] = []
    for kind, width in (("pf", 20), ("sv", 11)):
        embedding = _Linear(f"{kind}/embedding", width, 32)
        for entry, mask in enumerate(jet[f"{kind}_mask"][0]):
            if mask:
                points.append([row[entry] for row in jet[f"{kind}_points"]])
                features.append(_relu(embedding([row[entry] for row in jet[f"{kind}_features"]])))
    for number, (channels, width) in enumerate([(32, 32), (32, 64)]):
        points = features = _edge_conv(f"edge_conv_{number}", points, features, channels, width)
    hidden = _relu(_Linear("dense", 64, 128)(_mean(features, 64)))
    scores = _Linear("classes", 128, 8)(hidden)
    powers = [math.exp(score) for score in scores]
    return [power / sum(powers) for power in powers]


def _edge_conv(
    name: str, points: Sequence[Vector], features: Sequence[Vector], channels: int, width: int
) -> list[Vector]:
    fan_ins = (2 * channels, width, width)
    layers = [_Linear(f"{name}/layer_{number}", fan_in, width) for number, fan_in in enumerate(fan_ins)]
    shortcut = _Linear(f"{name}/shortcut", channels, width)
    convolved: list[Vector] = []
    for here, centre in enumerate(features):
        others = sorted(
            (math.dist(points[here], points[there]), there) for there in range(len(points)) if there != here
        )
        messages = []
        for _, there in others[:7]:
            edge: Vector = [*centre, *(a - b for a, b in zip(features[there], centre, strict=True))]
            for layer in layers:
                edge = _relu(layer(edge))
            messages.append(edge)
        summands = zip(shortcut(centre), _mean(messages, width), strict=True)
        convolved.append(_relu([a + b for a, b in summands]))
    return convolved


class _Linear:
    """A dense layer whose weights depend on its name alone."""

    def __init__(self, name: str, fan_in: int, fan_out: int) -> None:
        limit = math.sqrt(6 / (fan_in + fan_out))
        weights = [limit * number for number in _uniform(f"{name}/weights", fan_in * fan_out)]
        self._columns = [weights[column::fan_out] for column in range(fan_out)]
        self._bias = [0.1 * number for number in _uniform(f"{name}/bias", fan_out)]

    def __call__(self, values: Vector) -> Vector:
        return [
            bias + math.fsum(a * b for a, b in zip(values, column, strict=True))
            for column, bias in zip(self._columns, self._bias, strict=True)
        ]


def _uniform(name: str, count: int) -> list[float]:
    """Numbers in [-1, 1): SplitMix64 (Steele, Lea and Flood, 2014), started at the CRC-32 of the name."""
    state, numbers = zlib.crc32(name.encode()) << 32, []
    for _ in range(count):
        state = (state + 0x9E3779B97F4A7C15) % 2**64
        mixed = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB % 2**64
        numbers.append(((mixed ^ (mixed >> 31)) >> 11) / 2**52 - 1)
    return numbers


def _mean(vectors: Sequence[Vector], width: int) -> Vector:
    """Mean of vectors of `width` numbers; zeros where there is none."""
    if not vectors:
        return [0.0] * width
    return [sum(column) / len(vectors) for column in zip(*vectors, strict=True)]


def _relu(values: Vector) -> Vector:
    return [max(value, 0.0) for value in values]


def _tensor(name: str, nested: list[Any]) -> dict[str, Any]:
    """A tensor of a KServe v2 JSON request: FP32, row-major."""
    return {"name": name, "datatype": "FP32", "shape": _shape(nested), "data": _flat(nested)}


def _shape(nested: list[Any]) -> list[int]:
    return [len(nested), *(_shape(nested[0]) if isinstance(nested[0], list) else [])]


def _flat(nested: list[Any]) -> list[float]:
    return [number for row in nested for number in _flat(row)] if isinstance(nested[0], list) else nested


def main() -> None:
    """Write every reference file anew."""
    for model, content in references().items():
        path = REFERENCE / f"{model}.json"
        path.write_text(render(content), encoding="utf-8")
        print(f"wrote {path.relative_to(CHECKOUT)}")


if __name__ == "__main__":
    main()
