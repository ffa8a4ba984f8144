"""Guided backpropagation: slopes that stay positive all the way (Springenberg 2015, 1412.6806, section 3.4)."""

from typing import Any

import keras
import numpy as np

from kcnn.explain.core import BATCH, Target, ask
from kcnn.explain.rectified import project, register

RULES = register("KcnnGuided", passes=True)


def guided_backprop(
    model: keras.Model,
    images: Any,
    target: Target = None,
    *,
    layer: str | int | None = None,
    batch_size: int = BATCH,
) -> np.ndarray:
    """Return the slope of the score, in which a rectifier lets pass what is positive and was open in the forward pass.

    Args:
        model, images, target, layer, batch_size: as in `kcnn.explain.core.ask`; with a layer, the target is one of
            its channels, taken where it is strongest.

    Returns: float32 (N, H, W, C), signed; `kcnn.explain.draw.signed` shows it as a picture.

    Raises:
        ConfigError: as in `saliency`; or no ReLU lies before the score.
    """
    return project(ask(model, images, target, layer=layer, batch_size=batch_size), RULES)
