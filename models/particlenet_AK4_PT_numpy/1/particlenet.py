"""A small ParticleNet in vectorised numpy.

The network is ParticleNet-Lite (Qu and Gouskos, arXiv:1902.08570) with the two embeddings of CMS's AK4 tagger:
particle-flow candidates and secondary vertices are each mapped to 32 channels and then form one cloud of points.
Two EdgeConv blocks follow, the second on a graph in the space of what the first has learned, then mean pooling,
one dense layer and a softmax. Batch normalisation is absent, as it is in a network exported for inference.

Weights come from a counter-based generator and not from numpy's, whose streams may change between releases.

Shapes: B jets, N points of a jet, K neighbours of a point, C channels.
"""

import zlib

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

INPUTS = {
    "pf_points": (2, 100),
    "pf_features": (20, 100),
    "pf_mask": (1, 100),
    "sv_points": (2, 10),
    "sv_features": (11, 10),
    "sv_mask": (1, 10),
}
"""Name of each input -> its shape without the batch: [coordinates, features or 1, entries]."""

OUTPUT = "softmax"
FLAVOURS = 8
EMBEDDING_CHANNELS = 32
NEIGHBOURS = 7
EDGE_CONV_CHANNELS = ((32, 32, 32), (64, 64, 64))
DENSE_CHANNELS = 128


class ParticleNet:
    """The network with its weights; call it with the inputs to get the probabilities."""

    def __init__(self) -> None:
        self._embeddings = {
            kind: _linear(f"{kind}/embedding", INPUTS[f"{kind}_features"][0], EMBEDDING_CHANNELS)
            for kind in ("pf", "sv")
        }
        self._blocks = []
        channels = EMBEDDING_CHANNELS
        for number, widths in enumerate(EDGE_CONV_CHANNELS):
            self._blocks.append(_EdgeConv(f"edge_conv_{number}", channels, widths))
            channels = widths[-1]
        self._dense = _linear("dense", channels, DENSE_CHANNELS)
        self._classes = _linear("classes", DENSE_CHANNELS, FLAVOURS)

    def __call__(self, inputs: dict[str, Floats]) -> Floats:
        """Probabilities [B, FLAVOURS], each row summing to 1.

        Args:
            inputs: for each name of `INPUTS` an array [B, *shape]. Entries whose mask is zero have no influence,
                whatever their values; a jet without any entry gets the answer of an empty cloud.
        """
        points, features, valid = self._cloud(inputs)
        for block in self._blocks:
            features = block(points, features, valid)
            points = features
        hidden = _relu(_apply(self._dense, _masked_mean(features, valid)))
        return _softmax(_apply(self._classes, hidden))

    def _cloud(self, inputs: dict[str, Floats]) -> tuple[Floats, Floats, Mask]:
        """Join both kinds of entries: points [B, N, 2], features [B, N, EMBEDDING_CHANNELS], valid [B, N]."""
        points, features, valid = [], [], []
        for kind, embedding in self._embeddings.items():
            mask = inputs[f"{kind}_mask"][:, 0, :] != 0
            valid.append(mask)
            # Masked entries may hold anything, infinities too, so they are overwritten and not multiplied by zero.
            points.append(_cleared(inputs[f"{kind}_points"].transpose(0, 2, 1), mask))
            features.append(_relu(_apply(embedding, _cleared(inputs[f"{kind}_features"].transpose(0, 2, 1), mask))))
        return np.concatenate(points, axis=1), np.concatenate(features, axis=1), np.concatenate(valid, axis=1)


class _EdgeConv:
    """One EdgeConv block: a small network on each edge (point, neighbour - point), averaged over the neighbours."""

    def __init__(self, name: str, channels: int, widths: tuple[int, ...]) -> None:
        fan_ins = (2 * channels, *widths[:-1])
        self._layers = [
            _linear(f"{name}/layer_{number}", fan_in, width)
            for number, (fan_in, width) in enumerate(zip(fan_ins, widths, strict=True))
        ]
        self._shortcut = _linear(f"{name}/shortcut", channels, widths[-1])

    def __call__(self, points: Floats, features: Floats, valid: Mask) -> Floats:
        """New features [B, N, C'] from points [B, N, D], features [B, N, C] and valid [B, N]."""
        neighbours, is_edge = _nearest(points, valid)
        batch = np.arange(len(features))[:, None, None]
        centre = np.broadcast_to(features[:, :, None, :], (*neighbours.shape, features.shape[-1]))
        edges = np.concatenate([centre, features[batch, neighbours] - centre], axis=-1)
        for layer in self._layers:
            edges = _relu(_apply(layer, edges))
        return _relu(_apply(self._shortcut, features) + _masked_mean(edges, is_edge))


def _nearest(points: Floats, valid: Mask) -> tuple[npt.NDArray[np.intp], Mask]:
    """The nearest valid neighbours of each point: indices [B, N, K], and [B, N, K] which of them are real.

    A point is not its own neighbour. Where fewer than K valid neighbours exist, the rest is not real.
    """
    # In double precision, because |a|² - 2ab + |b|² loses the distance of close points in single precision.
    exact = points.astype(np.float64)
    squares = (exact**2).sum(axis=-1)
    distances = squares[:, :, None] - 2.0 * (exact @ exact.transpose(0, 2, 1)) + squares[:, None, :]
    is_edge = valid[:, :, None] & valid[:, None, :] & ~np.eye(points.shape[1], dtype=np.bool_)
    distances[~is_edge] = np.inf
    neighbours = np.argsort(distances, axis=-1, kind="stable")[:, :, :NEIGHBOURS]
    return neighbours, np.take_along_axis(is_edge, neighbours, axis=-1)


def _linear(name: str, fan_in: int, fan_out: int) -> tuple[Floats, Floats]:
    """Weights [fan_in, fan_out], uniform with Glorot's limit, and a bias [fan_out], uniform in ±0.1."""
    limit = np.sqrt(6.0 / (fan_in + fan_out))
    weights = limit * _uniform(f"{name}/weights", fan_in * fan_out).reshape(fan_in, fan_out)
    return weights.astype(np.float32), (0.1 * _uniform(f"{name}/bias", fan_out)).astype(np.float32)


def _uniform(name: str, count: int) -> npt.NDArray[np.float64]:
    """`count` numbers in [-1, 1) that depend on the name alone: SplitMix64 started at the name's CRC-32."""
    start = zlib.crc32(name.encode()) << 32
    state = np.uint64(start) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    state ^= state >> np.uint64(31)
    return (state >> np.uint64(11)).astype(np.float64) * 2.0**-52 - 1.0


def _apply(layer: tuple[Floats, Floats], values: Floats) -> Floats:
    """The layer on the last axis. All other axes are one, so that BLAS sees a single matrix product."""
    weights, bias = layer
    flat: Floats = values.reshape(-1, weights.shape[0]) @ weights + bias
    return flat.reshape(*values.shape[:-1], weights.shape[1])


def _cleared(values: Floats, valid: Mask) -> Floats:
    """`values` [..., N, C] with zeros where `valid` [..., N] is false."""
    return np.where(valid[..., None], values, np.float32(0.0))


def _masked_mean(values: Floats, valid: Mask) -> Floats:
    """Mean of `values` [..., N, C] over the valid ones of N; zero where none is."""
    counts = np.maximum(valid.sum(axis=-1, keepdims=True), 1).astype(np.float32)
    mean: Floats = _cleared(values, valid).sum(axis=-2) / counts
    return mean


def _relu(values: Floats) -> Floats:
    return np.maximum(values, np.float32(0.0))


def _softmax(values: Floats) -> Floats:
    powers = np.exp(values - values.max(axis=-1, keepdims=True))
    probabilities: Floats = powers / powers.sum(axis=-1, keepdims=True)
    return probabilities
