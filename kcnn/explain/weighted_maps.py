"""What the methods of the CAM family share: a layer's maps, the slopes of the score there, and their weighted sum."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kcnn.errors import ConfigError
from kcnn.explain.core import Target, ask, find_row, forward, gather, slope
from kcnn.ops import graph

Rule = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


def weighted_maps(
    model: keras.Model, images: Any, target: Target, layer: str | int | None, batch_size: int, rule: Rule
) -> np.ndarray:
    """Return the rectified sum over channels of maps times weights.

    Args:
        model, images, target, batch_size: as in `kcnn.explain.core.ask`.
        layer: name or row of a layer with maps; None takes the last.
        rule: (maps, slopes), both (N, h, w, K) -> weights that broadcast to them.

    Returns: float32 (N, h, w), at least 0.

    Raises:
        ConfigError: the layer has no spatial extent, or no gradient reaches it.
        UnknownNameError: no such layer.
    """
    row = find_row(model, layer)
    question = ask(model, images, target, batch_size=batch_size)

    @tf.function(input_signature=question.specs, autograph=False)
    def run(images: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
        maps, outputs = forward(model, images, row)
        slopes = tf.cast(slope(question.score(outputs, targets), maps), "float32")
        maps = tf.cast(maps, "float32")
        return tf.nn.relu(tf.reduce_sum(rule(maps, slopes) * maps, axis=-1))

    try:
        return gather(run, question)
    except ConfigError as error:
        name = list(graph.calls(model))[row].name
        raise ConfigError(f"layer {name!r}{'' if layer is not None else ', the last with maps'}: {error}") from None
