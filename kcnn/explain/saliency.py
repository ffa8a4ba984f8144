"""Saliency: how much the score changes with each pixel (Simonyan 2014, 1312.6034, section 3)."""

from typing import Any

import keras
import numpy as np

from kcnn.explain.core import BATCH, Target, ask, gather


def saliency(
    model: keras.Model,
    images: Any,
    target: Target = None,
    *,
    layer: str | int | None = None,
    batch_size: int = BATCH,
) -> np.ndarray:
    """Return the gradient of the score with respect to the image.

    Args:
        model, images, target, layer, batch_size: as in `kcnn.explain.core.ask`.

    Returns: float32 (N, H, W, C), signed, score per unit of the input; the paper's map is the largest absolute value
        over channels, `kcnn.explain.maps.per_pixel`.

    Raises:
        ConfigError: also where no gradient comes through, with the operation that stops it, or it is not finite.
    """
    question = ask(model, images, target, layer=layer, batch_size=batch_size)
    return gather(question.slopes(), question)
