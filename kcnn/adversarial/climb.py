"""The step that FGSM, BIM, PGD and adversarial training share, as graph operations."""

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from kcnn.errors import ConfigError

if TYPE_CHECKING:
    from kcnn.adversarial.aim import Aim

NORMS = ("linf", "l2")


def check_norm(norm: str) -> None:
    """Raise ConfigError unless `norm` is one of `NORMS`."""
    if not isinstance(norm, str) or norm not in NORMS:
        raise ConfigError(f"norm is {norm!r} but must be one of {', '.join(NORMS)}.")


def steepest(slope: tf.Tensor, norm: str) -> tf.Tensor:
    """Return the direction of length 1 in `norm` along which a linear function of gradient `slope` rises most.

    L-inf: the sign. L2: the gradient over its length. Zero where the gradient is.
    """
    return tf.sign(slope) if norm == "linf" else tf.math.divide_no_nan(slope, length(slope))


def project(change: tf.Tensor, eps: tf.Tensor | float, norm: str) -> tf.Tensor:
    """Return the point nearest to `change` (N, H, W, C) in the ball of radius `eps`."""
    if norm == "linf":
        return tf.clip_by_value(change, -eps, eps)
    return change * tf.minimum(1.0, tf.math.divide_no_nan(eps, length(change)))


def length(values: tf.Tensor) -> tf.Tensor:
    """Euclidean length over all but the first axis, (N, 1, 1, 1)."""
    return tf.sqrt(tf.reduce_sum(tf.square(values), axis=(1, 2, 3), keepdims=True))


def climb(
    loss: Callable[[tf.Tensor], tf.Tensor],
    pixels: tf.Tensor,
    start: tf.Tensor,
    *,
    eps: tf.Tensor | float,
    step: tf.Tensor | float,
    steps: tf.Tensor | int,
    norm: str = "linf",
) -> tf.Tensor:
    """Projected gradient ascent (Madry 2018, 1706.06083, section 2.1): x <- P(x + step * steepest(grad loss(x))).

    Args:
        loss: (N, H, W, C) pixels -> (N,) or scalar, to be raised.
        pixels: (N, H, W, C) float, 0..255, the middle of the ball.
        start: the first x, inside the ball and 0..255.
        eps: radius of the ball; step: of each step; both in pixels.
        steps: how many.
        norm: of ball and step.

    Returns: the last x, within the ball and 0..255; no gradient flows through it.
    """

    def onward(x: tf.Tensor) -> tuple[tf.Tensor]:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(x)
            value = loss(x)
        change = x + step * steepest(tape.gradient(value, x), norm) - pixels
        return (tf.clip_by_value(pixels + project(change, eps, norm), 0.0, 255.0),)

    (found,) = tf.while_loop(lambda _: True, onward, (start,), maximum_iterations=steps)
    return tf.stop_gradient(found)


def ascend(aim: "Aim", start: np.ndarray, *, eps: float, step: float, steps: int, norm: str = "linf") -> np.ndarray:
    """Return float32 (N, H, W, C): `climb` on the cross-entropy of `aim.goal`, upwards or, to a target, downwards.

    Args:
        aim: what is attacked.
        start: (N, H, W, C), the first point of each image.
        eps, step, steps, norm: as in `climb`.

    Raises:
        ConfigError: no gradient reaches the pixels, or it is not finite.
    """
    victim = aim.victim
    victim.check_gradients(aim.images)
    numbers = [tf.constant(value, tf.float32) for value in (aim.sign, eps, step)]
    traced = functools.partial(victim.climber(norm), *numbers, tf.constant(steps))
    return victim.batched(traced, aim.images, start.astype("float32"), aim.goal.astype("float32"))[0]
