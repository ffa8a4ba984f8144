"""Our networks against those of other libraries, with the same weights in both."""

import dataclasses
import importlib
import inspect
import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path

import keras
import numpy as np

import kcnn
from kcnn.models import MODELS
from kcnn.testing import formula
from kcnn.testing.family import family, formula_fill
from kcnn.weights.transplant import KerasWeights, TorchWeights, ranged, rename, short, transplant, weighted_layers

GOLDENS = Path(__file__).parents[1] / "goldens" / "twins"


def table(name: str, library: str):
    family = MODELS.entries()[name].target.partition(":")[0].rpartition(".")[2]
    return getattr(importlib.import_module(f"kcnn.weights.tables.{family}"), library)(name)


def assert_equals_keras(name: str, twin: keras.Model, ours: keras.Model | None = None, gain: float = 1.0) -> None:
    """Give `twin` of keras.applications weights by formula, copy them into ours, compare the logits to 1e-5.

    `twin` has random weights, `classifier_activation=None`, no preprocessing of its own, and a fixed input shape.
    """
    formula_fill(twin, gain)
    ours = ours or kcnn.build(name, num_classes=twin.output_shape[-1], image_shape=twin.input_shape[1:])
    transplant(ours, KerasWeights.of(twin), table(name, "keras"))
    images = formula.images(twin.input_shape[1:])
    assert_close(np.asarray(ours(images)), np.asarray(twin(images)), 1e-5)


def assert_equals_torch(golden_name: str) -> None:
    """Fill ours with the formula's values for their names and compare with what their network gave.

    Args:
        golden_name: our name, or "name@library" for a second library's record of the same network.
    """
    golden = json.loads((GOLDENS / f"{golden_name}.json").read_text())
    name, library = golden_name.partition("@")[0], golden["library"].partition(" ")[0]
    for side, expected in golden["outputs"].items():
        names, shape = table(name, library), (int(side), int(side), 3)
        ours = as_theirs(name, names.spec, shape) if names.spec else kcnn.build(name, image_shape=shape)
        state = formula_state(ours, names, golden.get("gain", 1.0))
        assert sum(values.size for values in state.values()) == golden["weights"], "they have other weights than ours"
        transplant(ours, TorchWeights(state), names)
        found = formula.kept(np.asarray(ours(formula.images((int(side), int(side), 3)))))
        assert_close(found, np.array(expected), 1e-4)


def as_theirs(name: str, changes: Mapping[str, object], image_shape: tuple[int, int, int]) -> keras.Model:
    """Return the row with the fields of its spec in which another library departs."""
    module, spec = family(name)
    classes = inspect.signature(module.build).parameters["num_classes"].default
    return module.network(name, dataclasses.replace(spec, **changes), classes or 1000, image_shape)


def formula_state(model: keras.Model, names, gain: float = 1.0) -> dict[str, np.ndarray]:
    """Return the state dictionary that their network has under the formula, made from the shapes of ours."""
    reader, state = TorchWeights({}), {}
    for layer in weighted_layers(model):
        for variable in layer.weights:
            name, full = rename(layer.name, short(variable), names)
            key = reader.spelled(name, short(variable), full)
            shape = torch_shape(layer, short(variable), tuple(variable.shape))
            if (last := ranged(name)[1].stop) is not None:  # ours are parts of theirs
                shape = (shape[0], max(last, state[key].shape[1] if key in state else 0), *shape[2:])
            if key.endswith(".gamma"):  # timm keeps ConvNeXt's layer scale as a vector
                shape = (math.prod(shape),)
            state[key] = formula.torch_values(key, shape, gain)
    return state


def torch_shape(layer: keras.layers.Layer, variable: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape in PyTorch's axis order of one of our weights."""
    if variable != "kernel":
        return shape
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        return (shape[2] * shape[3], 1, *shape[:2])
    return (shape[-1], shape[-2], *shape[:-2])


def assert_dilation_samples(
    features: Callable, spec: object, output_stride: int, side: int = 65, centred: bool = False
) -> None:
    """The maps at stride 32 are samples of those at `output_stride`, with the same weights.

    At 65 pixels every map has an odd size, so "same" and even padding agree and the samples start at the corner. Not
    so with squeeze-excite, whose means are of other positions.

    Args:
        side: of the images, in pixels.
        centred: the strided windows are unpadded, so the first sample is their last pixel before the second one.
    """
    inputs = keras.Input((side, side, 3))
    strided, dilated = (
        keras.Model(inputs, features(inputs, spec, stride)["C5"], name="m") for stride in (32, output_stride)
    )
    formula_fill(strided)
    dilated.set_weights(strided.get_weights())
    images, step = formula.images((side, side, 3)), 32 // output_stride
    start = step - 1 if centred else 0
    assert_close(np.asarray(dilated(images))[:, start::step, start::step], np.asarray(strided(images)), 1e-5)


def assert_close(found: np.ndarray, expected: np.ndarray, relative: float) -> None:
    largest = float(np.abs(expected).max())
    assert math.isfinite(largest)
    assert np.ptp(expected, axis=0).max() > 1e-3 * largest, "the twin's output hardly depends on the image"
    assert float(np.abs(found - expected).max()) <= relative * largest
