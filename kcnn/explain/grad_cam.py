"""Grad-CAM: maps weighted by their mean slope (Selvaraju 2017, 1610.02391, equations 1 and 2)."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kcnn.explain.core import BATCH, Target
from kcnn.explain.weighted_maps import weighted_maps


def grad_cam(
    model: keras.Model,
    images: Any,
    target: Target = None,
    *,
    layer: str | int | None = None,
    batch_size: int = BATCH,
) -> np.ndarray:
    """Return where the layer's maps speak for the class: gradients, their global average, weighted sum, ReLU.

    Args:
        model, images, target, layer, batch_size: as in `kcnn.explain.weighted_maps`.

    Returns: float32 (N, h, w) at the layer's resolution, at least 0; `kcnn.explain.maps.enlarge` brings it to the
        image's.
    """
    return weighted_maps(model, images, target, layer, batch_size, _mean_slope)


def _mean_slope(maps: tf.Tensor, slopes: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(slopes, axis=(1, 2), keepdims=True)
