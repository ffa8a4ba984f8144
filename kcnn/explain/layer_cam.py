"""Layer-CAM: each place weighted by its own positive slope (Jiang 2021, IEEE TIP 30, equations 6 and 7)."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kcnn.explain.core import BATCH, Target
from kcnn.explain.weighted_maps import weighted_maps


def layer_cam(
    model: keras.Model,
    images: Any,
    target: Target = None,
    *,
    layer: str | int | None = None,
    batch_size: int = BATCH,
) -> np.ndarray:
    """Return a map that keeps the detail of early layers, where Grad-CAM's mean weights are meaningless.

    Args:
        model, images, target, layer, batch_size: as in `kcnn.explain.weighted_maps`.

    Returns: float32 (N, h, w) at the layer's resolution, at least 0.
    """
    return weighted_maps(model, images, target, layer, batch_size, lambda maps, slopes: tf.nn.relu(slopes))
