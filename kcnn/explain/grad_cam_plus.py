"""Grad-CAM++: positive slopes, weighted by place (Chattopadhay 2018, 1710.11063, equations 10, 11 and 19)."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kcnn.explain.core import BATCH, Target
from kcnn.explain.weighted_maps import weighted_maps


def grad_cam_plus(
    model: keras.Model,
    images: Any,
    target: Target = None,
    *,
    layer: str | int | None = None,
    batch_size: int = BATCH,
) -> np.ndarray:
    """Return Grad-CAM's map with weights that do not shrink where a class appears several times or is small.

    The paper explains exp(score). Its factor exp(score) is the same at every pixel and is left out: it overflows.

    Args:
        model, images, target, layer, batch_size: as in `kcnn.explain.weighted_maps`.

    Returns: float32 (N, h, w) at the layer's resolution, at least 0.
    """
    return weighted_maps(model, images, target, layer, batch_size, _weights)


def _weights(maps: tf.Tensor, slopes: tf.Tensor) -> tf.Tensor:
    square = slopes**2
    below = 2 * square + tf.reduce_sum(maps, axis=(1, 2), keepdims=True) * square * slopes
    alpha = tf.math.divide_no_nan(square, below)
    return tf.reduce_sum(alpha * tf.nn.relu(slopes), axis=(1, 2), keepdims=True)
