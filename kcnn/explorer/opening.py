"""Opening what the page looks into: the network, its layers, and how a picture reaches it."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kcnn.errors import DataError

if TYPE_CHECKING:
    import keras

    from kcnn.export.runner import Runner


def open_network(path: Path | None) -> tuple["Runner", "keras.Model | None"]:
    """Open a run or bundle as its Keras model, whose layers can be looked into; other files as they run."""
    from kcnn.export import runner
    from kcnn.train.weights import RECIPE
    from kcnn.versions import newest

    folder = newest(Path(path or "."))
    if not (folder / RECIPE).is_file():
        return runner.open_model(folder), None
    return runner.open_network(folder)


def image_reader(runner: "Runner") -> Callable[[bytes], np.ndarray]:
    """Return a function: encoded image -> pixels as `kcnn predict` would give them to the model."""
    from kcnn.export.predict import reader

    read = reader(runner)

    def pixels(contents: bytes) -> np.ndarray:
        with tempfile.NamedTemporaryFile(prefix="kcnn-") as file:
            file.write(contents)
            file.flush()
            answer, resized = read(file.name)
        if resized is None:
            raise DataError(answer.error)
        return resized

    return pixels


def layers(model: "keras.Model | None") -> dict[str, Any]:
    """Return the layers with one output that can be shown: maps (N, H, W, C) or vectors (N, C)."""
    shown = {}
    for layer in model.layers if model is not None else ():
        if type(layer).__name__ == "InputLayer" or len(layer._inbound_nodes) != 1:
            continue
        if len(getattr(layer.output, "shape", ())) in (2, 4):
            shown[layer.name] = layer
    return shown


def row(name: str, layer: Any) -> dict[str, Any]:
    """Return what the page is told of a layer."""
    from kcnn.explain.kernels import of_layer

    kernel = of_layer(layer)
    return {
        "name": name,
        "kind": type(layer).__name__,
        "shape": list(layer.output.shape[1:]),
        "kernel": None if kernel is None else list(kernel.shape),
    }


def up_to(model: Any, layer: Any, runner: "Runner") -> Callable[[np.ndarray], np.ndarray]:
    """Return a function: pixels (H, W, C) -> what `layer` makes of them."""
    import keras
    import tensorflow as tf

    from kcnn.data.preprocess import normalise

    part, record = keras.Model(model.input, layer.output), runner.preprocess

    @tf.function(input_signature=[tf.TensorSpec((1, *record.image_shape), record.dtype)], autograph=False)
    def run(images: tf.Tensor) -> tf.Tensor:
        return tf.cast(part(normalise(images, record), training=False), tf.float32)

    return lambda pixels: run(tf.constant(pixels[None])).numpy()[0]
