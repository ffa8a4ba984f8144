"""SmoothGrad: the mean of saliency maps of noisy copies (Smilkov 2017, 1706.03825, section 3)."""

from typing import Any

import keras
import numpy as np

from kcnn.errors import ConfigError
from kcnn.explain.core import BATCH, Target, ask, gather
from kcnn.ops.arithmetic import is_real, whole


def smooth_grad(
    model: keras.Model,
    images: Any,
    target: Target = None,
    *,
    samples: int = 25,
    noise: float = 0.15,
    seed: int = 0,
    batch_size: int = BATCH,
) -> np.ndarray:
    """Return the gradient of the score, averaged over noisy copies of each image.

    Args:
        model, images, target, batch_size: as in `kcnn.explain.core.ask`; the target is that of the clean image.
        samples: noisy copies of each image; the paper's maps settle after about 50.
        noise: standard deviation of the noise, as a share of the image's range; 0.1 to 0.2 in the paper.
        seed: of the noise.

    Returns: float32 (N, H, W, C), signed.

    Raises:
        ConfigError: as in `saliency`; or `noise` is negative, or `seed`.
    """
    if not (is_real(noise) and noise >= 0):
        raise ConfigError(f"noise is {noise!r} but must be at least 0 (0.15 is usual).")
    question = ask(model, images, target, batch_size=batch_size)
    images, generator, run = question.images, np.random.default_rng(whole("seed", seed, 0)), question.slopes()
    spread = noise * np.ptp(images, axis=(1, 2, 3), keepdims=True)
    total = np.zeros(images.shape)
    for _ in range(whole("samples", samples, 1)):
        noisy = images + spread * generator.standard_normal(images.shape, "float32")
        total += gather(lambda batch, targets, copies: run(copies, targets), question, noisy)
    return (total / samples).astype("float32")
