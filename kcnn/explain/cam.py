"""Class activation mapping: the closing weights, applied before the pooling (Zhou 2016, 1512.04150, section 2)."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kcnn.errors import ConfigError
from kcnn.explain.core import BATCH, Target, ask, gather
from kcnn.ops import graph

POOL = keras.layers.GlobalAveragePooling2D
NEUTRAL = (keras.layers.Dropout, keras.layers.Flatten, keras.layers.Reshape)  # change nothing between pool and scores


def cam(model: keras.Model, images: Any, target: Target = None, *, batch_size: int = BATCH) -> np.ndarray:
    """Return the sum of the last maps, weighted by what the closing layer gives each for the class.

    Args:
        model: ends in maps -> global average pooling -> (dropout) -> dense layer.
        images, target, batch_size: as in `kcnn.explain.core.ask`; no target function.

    Returns: float32 (N, h, w), signed; its mean is the class's score before bias and activation.

    Raises:
        ConfigError: the model does not end so; use `grad_cam`, which equals CAM where it does, up to a factor and the
            rectifier.
    """
    row, dense = _ending(model)
    question = ask(model, images, target, batch_size=batch_size)
    if question.choose is not None:
        raise ConfigError("cam reads the closing weights of a class; give a class, or use grad_cam.")
    kernel = tf.constant(dense.kernel)

    @tf.function(input_signature=question.specs, autograph=False)
    def run(images: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
        maps = tf.cast(graph.run(model, [images], row), "float32")
        return tf.einsum("nhwk,nk->nhw", maps, tf.gather(tf.transpose(kernel), targets))

    return gather(run, question, what="maps")


def _ending(model: keras.Model) -> tuple[int, Any]:
    """Return the row of the last maps and the dense layer."""
    calls = list(graph.calls(model))
    makers = {tensor: row for row, call in enumerate(calls) for tensor in call.outputs}

    def before(row: int | None, skipped: tuple[type, ...]) -> int | None:
        while row is not None and isinstance(calls[row].layer, skipped):
            row = makers.get(calls[row].inputs[0])
        return row

    end = before(len(calls) - 1, (keras.layers.Softmax, keras.layers.Activation))
    dense = None if end is None else calls[end].layer
    pool = before(None if end is None else makers.get(calls[end].inputs[0]), NEUTRAL)
    row = makers.get(calls[pool].inputs[0]) if pool is not None and isinstance(calls[pool].layer, POOL) else None
    if not isinstance(dense, keras.layers.Dense) or row is None:
        raise ConfigError(
            f"model {model.name!r} does not end in global average pooling and one dense layer, which CAM needs; use "
            "grad_cam."
        )
    return row, dense
