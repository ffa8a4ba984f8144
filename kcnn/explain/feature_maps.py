"""What layers answer to images: their maps, several layers in one pass."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kcnn.explain.core import BATCH, check_images, find_row
from kcnn.ops import graph
from kcnn.ops.arithmetic import whole


def feature_maps(
    model: keras.Model, images: Any, layers: str | int | Sequence[str | int] | None = None, *, batch_size: int = BATCH
) -> dict[str, np.ndarray]:
    """Return the outputs of layers.

    Args:
        model: built functional or Sequential model of one image input.
        images: (N, H, W, C), preprocessed.
        layers: one or several names or rows, as in `kcnn.explain.core.find_row`; None takes the last one with maps.
        batch_size: images at once.

    Returns: name -> float32 (N, h, w, C), or (N, C) of a layer without spatial extent.

    Raises:
        UnknownNameError: no such layer.
        ShapeError: images of another size.
    """
    images = check_images(model, images)
    whole("batch_size", batch_size, 1)
    names = [call.name for call in graph.calls(model)]
    wanted = layers if isinstance(layers, Sequence) and not isinstance(layers, str) else [layers]
    rows = [find_row(model, layer, spatial=layer is None) for layer in wanted]

    @tf.function(input_signature=[tf.TensorSpec((None, *images.shape[1:]), tf.float32)], autograph=False)
    def run(batch: tf.Tensor) -> list[tf.Tensor]:
        return [tf.cast(graph.run(model, [batch], row), "float32") for row in rows]  # the graph shares what they share

    parts = [run(images[at : at + batch_size]) for at in range(0, len(images), batch_size)]
    joined = [np.concatenate([one.numpy() for one in column]) for column in zip(*parts, strict=True)]
    return {names[row]: values for row, values in zip(rows, joined, strict=True)}
