"""Activation maximisation: the image that a class or a channel answers to most, by gradient ascent.

Erhan 2009 (Visualizing higher-layer features of a deep network) and Simonyan 2014 (1312.6034, section 2): forward; set
all slopes of the layer to 0 but the target's, which is 1; back to the image; change the image. Regularisers: decay and
blur (Yosinski 2015, 1506.06579, section 3), jitter (Mordvintsev 2015, Inceptionism), total variation (Mahendran 2015,
1412.0035), an image made of frequencies (Olah 2017, 10.23915/distill.00007).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kcnn.errors import ConfigError
from kcnn.explain.core import ask, check_finite, slope
from kcnn.explain.deconvnet import RULES
from kcnn.ops import arrays, graph
from kcnn.ops.arithmetic import is_real, whole
from kcnn.ops.arrays import finite

BLUR = np.array([1.0, 4.0, 6.0, 4.0, 1.0]) / 16  # a bell of standard deviation 1 pixel


@dataclass(frozen=True, kw_only=True)
class Ascent:
    """How the image is changed.

    Attributes:
        steps: gradient steps.
        rate: size of a step (Adam's), in halves of the range low..high.
        decay: share of the image that goes at each step, 0..1.
        blur: steps between two blurs of standard deviation 1 pixel; 0 for none.
        jitter: the image is rolled by at most so many pixels before each forward pass.
        variation: weight of the total variation, the mean absolute difference of neighbours in halves of low..high.
        frequencies: the steps are made on the image's Fourier coefficients, all scales alike.
        low, high: range of an image, in the unit of the images, or of each of its channels: values stay within it.
        seed: of the first image and of the jitter.
    """

    steps: int = 128
    rate: float = 0.02
    decay: float = 0.005
    blur: int = 0
    jitter: int = 8
    variation: float = 0.0
    frequencies: bool = True
    low: float | tuple[float, ...] = -1.0
    high: float | tuple[float, ...] = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least in (("steps", 1), ("blur", 0), ("jitter", 0)):
            whole(name, getattr(self, name), least)
        whole("seed", self.seed, 0)
        low, high = finite("low", self.low), finite("high", self.high)
        ordered = low.size == high.size and (low < high).all()
        real = all(map(is_real, (self.decay, self.rate, self.variation)))
        if not (real and 0 <= self.decay < 1 and self.rate > 0 and self.variation >= 0 and ordered):
            raise ConfigError(
                f"{self} cannot work: decay must lie in 0..1, rate be positive, variation at least 0, low below high."
            )


def maximise(
    model: keras.Model,
    target: int | Sequence[int] | Callable[[Any], Any],
    *,
    layer: str | int | None = None,
    count: int = 1,
    image_shape: Sequence[int] | None = None,
    ascent: Ascent | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return images that raise the score of each target, and the scores on the way.

    Where a rectifier is off and so nothing has a slope, the step is along the deconvnet's signal, which passes it.

    Args:
        model: any built model of one image input.
        target: class, or channel of `layer` where it is strongest, or several: an image for each; or a function of
            the outputs, or of the layer's, which gives a score for each image.
        layer: name or row; None for the model's output, best before a softmax.
        count: images, where `target` is a function.
        image_shape: (height, width, channels) where the model leaves it open.
        ascent: how; by default for inputs of -1..1.

    Returns: float32 (N, H, W, C) images in the unit of the model's inputs, low..high; and (N, steps + 1) scores, of
        the first image, after each step without its jitter, and so of the result last.

    Raises:
        ConfigError: no gradient, or not a finite one; a target outside the classes; a range for other channels.
        UnknownNameError, ShapeError: as in `kcnn.explain.core.ask`.
    """
    how = Ascent() if ascent is None else ascent
    if not isinstance(how, Ascent):
        raise ConfigError(f"ascent is {ascent!r:.80} but must be a kcnn.explain.maximise.Ascent.")
    count = whole("count", count, 1) if callable(target) else arrays.numbers("target", target).size
    shape = _image_shape(model, image_shape)
    generator = np.random.default_rng(how.seed)
    low, high = (np.asarray(end, "float32") for end in (how.low, how.high))
    if low.size not in (1, shape[-1]):
        raise ConfigError(
            f"low and high have {low.size} values but the images {shape[-1]} channels; give one for each."
        )
    middle, spread = (low + high) / 2, (high - low) / 2
    scale = _scales(shape) if how.frequencies else None

    start = 0.05 * generator.standard_normal((count, *shape)).astype("float32")
    question = ask(model, middle + spread * start, target, layer=layer, batch_size=count)
    state = _to_frequencies(start, scale) if how.frequencies else start

    def image_of(values: tf.Tensor) -> tf.Tensor:
        flat = _to_image(values, scale, shape) if how.frequencies else values
        return middle + spread * (tf.tanh(flat) if how.frequencies else flat)

    def aim(rules: dict[str, str]) -> Callable[..., tuple[tf.Tensor, tf.Tensor]]:
        """Return a graph: (state, shift) -> (slopes of the state, scores)."""

        @tf.function(autograph=False, reduce_retracing=True)
        def run(values: tf.Tensor, shift: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            image = image_of(values)
            score = question.answer(image, tf.constant(question.targets))
            moved = tf.roll(image, shift, axis=[1, 2])
            with tf.compat.v1.get_default_graph().gradient_override_map(rules):
                wish = question.answer(moved, tf.constant(question.targets))
            if how.variation:
                wish -= how.variation * tf.image.total_variation(moved / spread) / np.prod(shape)
            return slope(wish, values), score

        return run

    step, wake = aim({}), aim(RULES)
    each = (0, 2, 3, 4) if how.frequencies else (1, 2, 3)  # axes of the state that belong to one image
    scores, values, adam = [], keras.Variable(state), keras.optimizers.Adam(how.rate, epsilon=1e-8)
    for number in range(1, how.steps + 1):
        shift = generator.integers(-how.jitter, how.jitter + 1, 2)
        now = tf.constant(state), tf.constant(shift, "int32")
        gradient, score = (array.numpy() for array in step(*now))
        asleep = ~gradient.any(axis=each, keepdims=True)
        if asleep.any():
            gradient = np.where(asleep, wake(*now)[0], gradient)
        scores.append(check_finite(score, "scores"))
        adam.apply([-check_finite(gradient, "gradients")], [values])
        state = (1 - how.decay) * values.numpy()
        if how.blur and number % how.blur == 0:
            state = _blurred(state, scale, shape) if how.frequencies else _blur(state)
        if not how.frequencies:
            state = np.clip(state, -1, 1)
        values.assign(state)
    result = image_of(tf.constant(state)).numpy()
    scores.append(question.answer(tf.constant(result), tf.constant(question.targets)).numpy())
    return result, np.stack(scores, axis=1)


def _image_shape(model: keras.Model, image_shape: Sequence[int] | None) -> tuple[int, ...]:
    entries = graph.inputs(model)
    if image_shape is None and None in entries[0].shape[1:]:
        raise ConfigError(f"model {model.name!r} leaves the image size open, {entries[0].shape[1:]}; give image_shape.")
    found = entries[0].shape[1:] if image_shape is None else image_shape
    if not isinstance(found, (Sequence, np.ndarray)) or len(found) != 3:
        raise ConfigError(f"image_shape is {found!r:.80} but must be (height, width, channels).")
    return tuple(whole("image_shape", side, 1) for side in found)


def _scales(shape: Sequence[int]) -> np.ndarray:
    """Return (H, W // 2 + 1) one over the frequency: steps change coarse and fine structure alike."""
    radius = np.hypot(np.fft.fftfreq(shape[0])[:, None], np.fft.rfftfreq(shape[1])[None])
    scale = 1 / np.maximum(radius, 1 / max(shape[:2]))
    return (scale / np.sqrt((scale**2).mean())).astype("float32")  # a step changes pixels by about the rate


def _to_frequencies(images: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Return real (2, N, C, H, W // 2 + 1): the real and imaginary parts of the scaled coefficients."""
    found = np.fft.rfft2(images.transpose(0, 3, 1, 2), norm="ortho") / scale
    return np.stack([found.real, found.imag]).astype("float32")


def _to_image(values: tf.Tensor, scale: np.ndarray, shape: Sequence[int]) -> tf.Tensor:
    spectrum = tf.complex(values[0] * scale, values[1] * scale)
    image = tf.signal.irfft2d(spectrum, fft_length=list(shape[:2])) * float(np.sqrt(shape[0] * shape[1]))
    return tf.transpose(image, (0, 2, 3, 1))


def _blur(images: np.ndarray) -> np.ndarray:
    for axis in (1, 2):
        padded = np.pad(images, [(2, 2) if number == axis else (0, 0) for number in range(4)], mode="edge")
        length = images.shape[axis]
        images = sum(weight * np.take(padded, range(at, at + length), axis=axis) for at, weight in enumerate(BLUR))  # type: ignore[assignment]
    return images


def _blurred(state: np.ndarray, scale: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    return _to_frequencies(_blur(_to_image(tf.constant(state), scale, shape).numpy()), scale)
