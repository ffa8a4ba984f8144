"""What a network costs: parameters, multiply-adds and activation memory of each layer.

Convention: one multiply-add is one multiplication with its addition, in convolutions and dense layers; bias,
normalisation, activation and pooling are not counted, as in the tables of the MobileNet papers.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras

from kcnn.errors import ConfigError, ShapeError
from kcnn.ops.graph import Tensor, calls, inputs

FLOAT32_BYTES = 4
IN_PLACE = (
    keras.layers.Activation,
    keras.layers.ReLU,
    keras.layers.LeakyReLU,
    keras.layers.Dropout,
    keras.layers.Flatten,
    keras.layers.Reshape,
)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One call of one layer, for one image.

    Attributes:
        name: of the layer; layers of nested models as "model/layer".
        kind: class name.
        output: shape without the batch axis.
        params: all weights; 0 at a shared layer's later calls. trainable: those that training moves.
        macs: multiply-adds.
        activation_bytes: size of the outputs in float32; 0 for layers that can work in place (`IN_PLACE`).
    """

    name: str
    kind: str
    output: tuple[int, ...]
    params: int
    trainable: int
    macs: int
    activation_bytes: int


def ledger(model: keras.Model) -> list[Row]:
    """Return the cost of every layer call of a built functional model, in order of computation.

    Raises:
        ShapeError: the model is not built, or a size is open (None), so that nothing can be counted.
    """
    rows, seen = [], set()
    for call in calls(model):
        name, layer, inputs, output = call.name, call.layer, call.inputs[0].shape, call.outputs[0].shape
        if None in output[1:]:
            raise ShapeError(
                f"layer {name!r} has output {output}: sizes must be numbers to be counted. "
                "Build the model with a full image_shape, as in (224, 224, 3).",
                expected="numbers",
                actual=output,
            )
        first = id(layer) not in seen
        seen.add(id(layer))
        rows.append(
            Row(
                name=name,
                kind=type(layer).__name__,
                output=tuple(output[1:]),
                params=_count(getattr(layer, "weights", ())) if first else 0,
                trainable=_count(getattr(layer, "trainable_weights", ())) if first else 0,
                macs=multiply_adds(layer, inputs, output),
                activation_bytes=0 if isinstance(layer, IN_PLACE) else sum(map(_bytes, call.outputs)),
            )
        )
    return rows


def totals(rows: list[Row]) -> dict[str, int]:
    """Return the sums over `rows`: params, trainable, macs, activation_bytes."""
    return {key: sum(getattr(row, key) for row in rows) for key in ("params", "trainable", "macs", "activation_bytes")}


def peak_bytes(model: keras.Model) -> int:
    """Return the most memory, in bytes of float32, that the maps of one image need at once when nothing is kept.

    A map is freed after the last layer that reads it, and `IN_PLACE` layers take none; so this bounds an inference run
    in the order of `ledger`. Training keeps them all: `totals(ledger(model))["activation_bytes"]` and the image.

    Raises:
        ShapeError: as `ledger`.
    """
    ledger(model)  # explains open sizes
    entries = inputs(model)
    found = list(calls(model, entries))
    place = {entry: entry for entry in entries}  # tensor -> the one in whose memory it lies
    for call in found:
        own = isinstance(call.layer, IN_PLACE)
        place.update((tensor, place[call.inputs[0]] if own else tensor) for tensor in call.outputs)
    last = {place[tensor]: step for step, call in enumerate(found) for tensor in call.inputs}
    alive, most = set(entries), 0
    for step, call in enumerate(found):
        alive |= {place[tensor] for tensor in call.outputs}
        most = max(most, sum(map(_bytes, alive)))
        alive = {tensor for tensor in alive if last.get(tensor, len(found)) > step}
    return most


def dense_share(rows: list[Row]) -> float:
    """Return the share of the parameters that fully connected layers hold, 0..1."""
    whole = sum(row.params for row in rows)
    return float(sum(row.params for row in rows if row.kind == "Dense") / max(1, whole))


def multiply_adds(layer: Any, inputs: tuple[int, ...], output: tuple[int, ...]) -> int:
    """Return the multiply-adds of one layer call for one image; 0 for layers that only move, scale or add.

    Args:
        layer: a Keras layer; one that has a method `multiply_adds(inputs, output)` counts its own.
        inputs, output: shapes with the batch axis first, channels last.

    Raises:
        ConfigError: the layer multiplies and no rule says how often.
    """
    if hasattr(layer, "multiply_adds"):
        return int(layer.multiply_adds(inputs, output))
    for kind, rule in _RULES:
        if isinstance(layer, kind):
            return rule(layer, inputs, output)
    matrices = any(len(weight.shape) > 1 for weight in getattr(layer, "weights", ()))
    if isinstance(layer, _UNKNOWN) or (matrices and not isinstance(layer, _UNCOUNTED)):
        raise ConfigError(
            f"layer {layer.name!r} is a {type(layer).__name__}, whose multiply-adds no rule here counts. "
            "Give its class a method multiply_adds(inputs, output) that returns them for one image."
        )
    return 0


def _convolution(layer: Any, inputs: tuple[int, ...], output: tuple[int, ...]) -> int:
    return math.prod(output[1:]) * _taps(layer) * (inputs[-1] // int(layer.groups))


def _depthwise(layer: Any, inputs: tuple[int, ...], output: tuple[int, ...]) -> int:
    return math.prod(output[1:]) * _taps(layer)


def _separable(layer: Any, inputs: tuple[int, ...], output: tuple[int, ...]) -> int:
    middle = inputs[-1] * int(layer.depth_multiplier)
    return math.prod(output[1:-1]) * middle * (_taps(layer) + output[-1])


def _transposed(layer: Any, inputs: tuple[int, ...], output: tuple[int, ...]) -> int:
    return math.prod(inputs[1:]) * _taps(layer) * output[-1]


def _taps(layer: Any) -> int:
    return math.prod(int(size) for size in layer.kernel_size)


def _dense(layer: Any, inputs: tuple[int, ...], output: tuple[int, ...]) -> int:
    return math.prod(output[1:]) * inputs[-1]


def _attention(layer: Any, inputs: tuple[int, ...], output: tuple[int, ...]) -> int:
    """Four projections of every position, and every pair of positions twice; self-attention."""
    positions = int(math.prod(inputs[1:-1]))
    projections = sum(math.prod(w.shape) for w in layer.weights if w.path.endswith("kernel"))
    pairs = positions**2 * int(layer.num_heads) * (int(layer.key_dim) + int(layer.value_dim))
    return int(positions * projections + pairs)


Rule = Callable[[Any, tuple[int, ...], tuple[int, ...]], int]
_RULES: tuple[tuple[tuple[type, ...], Rule], ...] = (
    ((keras.layers.SeparableConv1D, keras.layers.SeparableConv2D), _separable),
    ((keras.layers.DepthwiseConv1D, keras.layers.DepthwiseConv2D), _depthwise),
    ((keras.layers.Conv1DTranspose, keras.layers.Conv2DTranspose, keras.layers.Conv3DTranspose), _transposed),
    ((keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D), _convolution),
    ((keras.layers.Dense,), _dense),
    ((keras.layers.MultiHeadAttention,), _attention),
)
_UNKNOWN = (keras.layers.Attention, keras.layers.AdditiveAttention, keras.layers.Lambda)  # compute without weights
_UNCOUNTED = (keras.layers.Embedding, keras.layers.PReLU, keras.layers.LayerNormalization)


def _bytes(tensor: Tensor) -> int:
    return int(math.prod(tensor.shape[1:])) * FLOAT32_BYTES


def _count(weights: Any) -> int:
    return sum(math.prod(weight.shape) for weight in weights)
