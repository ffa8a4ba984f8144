"""Occlusion: how much the score drops when a part of the image is covered (Zeiler 2014, 1311.2901, section 4.2)."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kcnn.errors import ConfigError, ShapeError
from kcnn.explain.core import BATCH, Question, Target, ask, check_finite
from kcnn.ops.arithmetic import whole
from kcnn.ops.arrays import finite


def occlusion(
    model: keras.Model,
    images: Any,
    target: Target = None,
    *,
    window: int | Sequence[int] = 32,
    stride: int | Sequence[int] = 16,
    fill: Any = 0.0,
    batch_size: int = BATCH,
) -> np.ndarray:
    """Slide a window over each image, cover what lies below, and return the mean drop of the score at each pixel.

    Args:
        model, images, target: as in `kcnn.explain.core.ask`. For the drop of a probability that the paper draws, end
            the model in a softmax, or give a target function.
        window: (height, width) of the window, in pixels; of one number, a square. Cut off where it leaves the image.
        stride: pixels from one place of the window to the next, at most the window.
        fill: what covers: a number, or one for each channel, in the unit of the images, so that 0 is gray where they
            are preprocessed to mean 0. Of a colour 0..255, `kcnn.data.preprocess.normalise(colour, preprocess)`.
        batch_size: covered images at once; memory does not grow with the number of windows.

    Returns: float32 (N, H, W): score less the score when covered, averaged over the windows that cover the pixel;
        positive where the image speaks for the class.

    Raises:
        ConfigError: as in `ask`; or the window, the stride or the fill cannot work.
    """
    question = ask(model, images, target, batch_size=batch_size)
    height, width, channels = question.images.shape[1:]
    tall, wide = _pair("window", window)
    down, right = _pair("stride", stride)
    if tall > height or wide > width or down > tall or right > wide:
        raise ConfigError(
            f"window is {tall}x{wide} and stride {down}x{right}, but the window must fit into the image, "
            f"{height}x{width}, and the stride into the window, or pixels are left out."
        )
    fill = finite("fill", fill)
    if fill.shape not in ((), (1,), (channels,)):
        raise ShapeError(
            f"fill is {fill.shape} but the images have {channels} channels; give one number, or one for each.",
            expected=(channels,),
            actual=fill.shape,
        )
    corners = corners_of((tall, wide), (down, right), (height, width))
    covered = _covered(question, (tall, wide), np.broadcast_to(fill, channels).astype("float32"))
    nothing = np.array([(height, width)], "int32")  # a window outside covers nothing
    drops = np.stack(
        [
            _scores(covered, image, chosen, nothing, 1) - _scores(covered, image, chosen, corners, batch_size)
            for image, chosen in zip(question.images, question.targets, strict=True)
        ]
    )
    return mean_of_windows(drops, corners, (tall, wide), (height, width))


def _pair(name: str, value: int | Sequence[int]) -> tuple[int, int]:
    sides = tuple(value) if isinstance(value, (tuple, list)) else (value, value)
    if len(sides) != 2:
        raise ConfigError(f"{name} is {value!r} but must be a number of pixels, or (height, width).")
    return whole(name, sides[0], 1), whole(name, sides[1], 1)


def corners_of(window: Sequence[int], stride: Sequence[int], size: Sequence[int]) -> np.ndarray:
    """Return int32 (K, 2), the (y, x) of windows; as many as it takes to reach the ends of an image of `size`."""
    down, right = (
        range(0, step * (-(-(length - side) // step) + 1), step)
        for side, step, length in zip(window, stride, size, strict=True)
    )
    return np.array([(y, x) for y in down for x in right], "int32")


def _covered(question: Question, window: tuple[int, int], fill: np.ndarray) -> Callable[..., tf.Tensor]:
    """Return a graph: (image, target, corners (B, 2)) -> (B,) scores of the image with one window covered in each."""
    shape = question.images.shape[1:]

    def run(image: tf.Tensor, target: tf.Tensor, corners: tf.Tensor) -> tf.Tensor:
        rows, columns = tf.range(shape[0])[None], tf.range(shape[1])[None]
        in_rows = (rows >= corners[:, :1]) & (rows < corners[:, :1] + window[0])
        in_columns = (columns >= corners[:, 1:]) & (columns < corners[:, 1:] + window[1])
        below = (in_rows[:, :, None] & in_columns[:, None])[..., None]
        return question.answer(tf.where(below, fill, image), tf.repeat(target, tf.shape(corners)[0]))

    specs = (tf.TensorSpec(shape, tf.float32), tf.TensorSpec((), tf.int32), tf.TensorSpec((None, 2), tf.int32))
    return tf.function(run, input_signature=specs, autograph=False)


def _scores(run: Callable[..., Any], image: np.ndarray, target: int, corners: np.ndarray, size: int) -> np.ndarray:
    parts = [run(image, target, corners[at : at + size]).numpy() for at in range(0, len(corners), size)]
    return check_finite(np.concatenate(parts), "scores").astype("float64")


def mean_of_windows(drops: np.ndarray, corners: np.ndarray, window: Sequence[int], size: Sequence[int]) -> np.ndarray:
    """Return float32 (N, H, W), at each pixel the mean of the drops (N, K) of those windows that cover it."""
    total, count = np.zeros((len(drops), *size)), np.zeros(size)
    for number, (y, x) in enumerate(corners):
        total[:, y : y + window[0], x : x + window[1]] += drops[:, number, None, None]
        count[y : y + window[0], x : x + window[1]] += 1
    return (total / count).astype("float32")
