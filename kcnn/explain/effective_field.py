"""The effective receptive field: how much each pixel of the theoretical field counts for a unit.

Luo 2016 (1701.04128): gradients of a unit, averaged over random inputs, are a bell that covers a small part of the
theoretical field; over n layers of k x k equal weights its standard deviation is sqrt(n (k**2 - 1) / 12).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kcnn.errors import ConfigError, ShapeError
from kcnn.explain.core import check_images
from kcnn.explain.maps import check_size
from kcnn.ops import graph
from kcnn.ops.arithmetic import whole
from kcnn.ops.receptive_field import Field, ledger, row_of, unit_box

CARRIED = 0.95  # of the gradient, by the pixels that `EffectiveField.share` counts
BATCH = 4
LARGEST_SIDE = 1024  # pixels of the image that is chosen for a model of open size


@dataclass(frozen=True, kw_only=True, eq=False)
class EffectiveField:
    """What was measured for one unit.

    Attributes:
        layer: name.
        unit: (row, column) on its map; () where the layer is global.
        box: (y1, x1, y2, x2), the theoretical field in image pixels; the image where the layer is global.
        gradient: (y2 - y1, x2 - x1) mean absolute gradient of each pixel in `box`, scaled to sum to 1; 0 outside the
            image.
        centre: (y, x) mean of the fitted Gaussian, in image pixels; pixel 0 is centred at 0.5.
        sigma: (y, x) its standard deviations, in pixels.
        fit: share of the variance of `gradient` that the Gaussian explains, at most 1.
        share: the fewest pixels that together carry 95 % of the gradient, as a share of the theoretical field.
    """

    layer: str
    unit: tuple[int, ...]
    box: tuple[int, ...]
    gradient: np.ndarray
    centre: tuple[float, float]
    sigma: tuple[float, float]
    fit: float
    share: float


def measure(
    model: keras.Model,
    layer: str | int,
    unit: Sequence[int] | None = None,
    *,
    image_size: Sequence[int] | None = None,
    images: Any = None,
    samples: int = 16,
    seed: int = 0,
) -> EffectiveField:
    """Measure the effective receptive field of one unit.

    Each input gives the gradient of a random mixture of the unit's channels, as in inference; absolute values are
    summed over image channels and averaged over inputs.

    Args:
        model: built functional or Sequential model of (N, H, W, C) images.
        layer: name as in `kcnn.ops.receptive_field.ledger`, or its row number there.
        unit: (row, column) on the layer's map; the middle by default, and without meaning where the layer is global.
        image_size: (height, width) where the model leaves them open; by default large enough for the field, at most
            `LARGEST_SIDE`.
        images: (N, H, W, C) to use in place of random ones.
        samples: how many random inputs, standard normal.
        seed: of the random inputs and mixtures.

    Raises:
        ConfigError: no gradient reaches the image; or as in `unit_box`.
        ShapeError: the model has no single image input, or as in `unit_box`.
        UnknownNameError: no such layer.
    """
    shape = graph.inputs(model)[0].shape[1:]
    if len(graph.inputs(model)) != 1 or len(shape) != 3:
        raise ShapeError(
            f"model {model.name!r} has inputs {[entry.shape for entry in graph.inputs(model)]}; an effective field is "
            "measured on one image.",
            expected="(N, H, W, C)",
            actual=[entry.shape for entry in graph.inputs(model)],
        )
    row = row_of(model, layer)
    image_size = None if image_size is None else check_size(image_size)
    field = ledger(model, image_size)[row]
    generator = np.random.default_rng(whole("seed", seed, 0))
    if images is None:
        size = image_size or _image_size(field, shape)
        images = generator.standard_normal((whole("samples", samples, 1), *size, shape[2]))
    images = check_images(model, images)
    outputs = tuple(graph.run(model, [images[:1]], row).shape)
    place: tuple[int, ...] = ()
    if field.size is not None:
        place = (outputs[1] // 2, outputs[2] // 2) if unit is None else _unit(unit)
    box = unit_box(model, row, place, image_size=images.shape[1:3])
    if box is None:
        raise ConfigError(f"unit {place} of layer {field.name!r} sees nothing of the image; choose another unit.")
    gradient = _gradient(model, row, place, images, generator.standard_normal((len(images), outputs[-1])))
    seen = _window(gradient, box)
    if not seen.sum() > 0 or not math.isfinite(seen.sum()):
        raise ConfigError(
            f"no finite gradient of layer {field.name!r} reaches the image: its units are constant, as behind dead "
            "ReLUs or integer inputs, or values overflow. Choose another layer, or give `images` of the usual range."
        )
    seen /= seen.sum()
    centre, sigma, fit = fit_gaussian(seen)
    return EffectiveField(
        layer=field.name,
        unit=place,
        box=box,
        gradient=seen,
        centre=(box[0] + centre[0], box[1] + centre[1]),
        sigma=sigma,
        fit=fit,
        share=carried(seen),
    )


def fit_gaussian(seen: np.ndarray) -> tuple[tuple[float, float], tuple[float, float], float]:
    """Return (centre, sigma, explained share of variance) of the Gaussian with the moments of `seen`.

    Args:
        seen: (H, W) weights, at least 0, that sum to 1; pixel (0, 0) is centred at (0.5, 0.5).
    """
    centre, sigma, bells = [], [], []
    for axis, length in enumerate(seen.shape):
        marginal, places = seen.sum(axis=1 - axis), np.arange(length) + 0.5
        mean = float(marginal @ places)
        spread = math.sqrt(max(float(marginal @ (places - mean) ** 2), 0))
        bell = np.exp(-0.5 * ((places - mean) / spread) ** 2) if spread else (marginal > 0).astype(float)
        centre.append(mean)
        sigma.append(spread)
        bells.append(bell / bell.sum())
    variance = float(((seen - seen.mean()) ** 2).sum())
    missed = float(((seen - np.outer(*bells)) ** 2).sum())
    fit = 1 - missed / variance if variance else float(missed == 0)
    return (centre[0], centre[1]), (sigma[0], sigma[1]), fit


def carried(seen: np.ndarray, part: float = CARRIED) -> float:
    """Return the fewest pixels that together carry `part` of `seen`, as a share of its pixels."""
    ranked = np.sort(seen, axis=None)[::-1].cumsum()
    return (int(np.searchsorted(ranked, part * ranked[-1] * (1 - 1e-9))) + 1) / seen.size


def _unit(unit: Any) -> tuple[int, ...]:
    if not isinstance(unit, (Sequence, np.ndarray)) or len(unit) != 2:
        raise ConfigError(f"unit is {unit!r:.80} but must be (row, column) on the map of the layer.")
    return whole("row", unit[0], 0), whole("column", unit[1], 0)


def _image_size(field: Field, shape: Sequence[int | None]) -> tuple[int, ...]:
    """Return a size that holds a whole field in the middle, where the model leaves it open."""
    sizes, strides = field.size or (224, 224), field.stride or (32, 32)
    needed = [math.ceil((size + 2 * stride) / 32) * 32 for size, stride in zip(sizes, strides, strict=True)]
    return tuple(own or min(need, LARGEST_SIDE) for own, need in zip(shape[:2], needed, strict=True))


def _gradient(
    model: keras.Model, row: int, place: tuple[int, ...], images: np.ndarray, mixtures: np.ndarray
) -> np.ndarray:
    """Return (H, W), the mean over images of the absolute gradient, summed over their channels."""

    # in a graph, gradients of kernels, which nobody asks for, are not computed
    @tf.function(autograph=False, reduce_retracing=True)
    def slopes(batch: tf.Tensor, mixture: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(batch)
            values = tf.cast(graph.run(model, [batch], row), "float32")
            picked = values[:, place[0], place[1]] if place else tf.reshape(values, (tf.shape(values)[0], -1, channels))
            target = tf.reduce_sum(picked * (mixture if place else mixture[:, None]))
        return tape.gradient(target, batch, unconnected_gradients=tf.UnconnectedGradients.ZERO)

    channels, total = mixtures.shape[-1], np.zeros(images.shape[1:3])
    for start in range(0, len(images), BATCH):
        batch = tf.constant(images[start : start + BATCH])
        found = slopes(batch, tf.constant(mixtures[start : start + BATCH], "float32"))
        total += np.abs(found.numpy().astype("float64")).sum(axis=(0, 3))
    return total / len(images)


def _window(gradient: np.ndarray, box: tuple[int, ...]) -> np.ndarray:
    """Cut `box` out, with zeros where it reaches outside."""
    y1, x1, y2, x2 = box
    height, width = gradient.shape
    top, left, bottom, right = max(y1, 0), max(x1, 0), min(y2, height), min(x2, width)
    window = np.zeros((y2 - y1, x2 - x1))
    window[top - y1 : bottom - y1, left - x1 : right - x1] = gradient[top:bottom, left:right]
    return window
