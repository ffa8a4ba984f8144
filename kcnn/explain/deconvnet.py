"""The deconvnet: one activation, projected back to pixels (Zeiler 2014, 1311.2901, section 2.1).

Way back through a layer: max pooling puts values where the maxima stood (the switches), a rectifier keeps what is
positive of the signal that comes back, a convolution applies its transposed kernels. The first and the last are what
slopes do by themselves; only the rectifier has a rule of its own. It works through any other layer too.
"""

from typing import Any

import keras
import numpy as np

from kcnn.explain.core import BATCH, Target, ask
from kcnn.explain.rectified import project, register

RULES = register("KcnnDeconv", passes=False)


def deconvnet(
    model: keras.Model,
    images: Any,
    target: Target = None,
    *,
    layer: str | int | None = None,
    batch_size: int = BATCH,
) -> np.ndarray:
    """Return the pixels that a signal of 1 at one unit becomes on the way back, all other units at 0.

    Args:
        model, images, target, layer, batch_size: as in `kcnn.explain.core.ask`; with a layer, the target is one of
            its channels, and the unit is where that channel is strongest. Times its activation it is the paper's
            picture: what comes back is proportional to the signal.

    Returns: float32 (N, H, W, C), signed; `kcnn.explain.draw.signed` shows it as a picture.

    Raises:
        ConfigError: as in `saliency`; or no ReLU lies before the score.
    """
    return project(ask(model, images, target, layer=layer, batch_size=batch_size), RULES)
