"""What is done with maps before they are drawn or compared: one number a pixel, image size, range 0..1."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from kcnn.errors import ShapeError


def per_pixel(values: np.ndarray) -> np.ndarray:
    """Return (N, H, W): the largest absolute value over the channels of (N, H, W, C)."""
    values = np.asarray(values)
    if values.ndim != 4:
        raise ShapeError(f"values are {values.shape} but must be (N, H, W, C).", expected=4, actual=values.ndim)
    return np.abs(values).max(axis=-1)


def enlarge(maps: np.ndarray, size: Sequence[int]) -> np.ndarray:
    """Return maps (N, h, w) at `size` (H, W), bilinear, pixel centres aligned."""
    maps = np.asarray(maps, "float32")
    if maps.ndim != 3:
        raise ShapeError(f"maps are {maps.shape} but must be (N, h, w).", expected=3, actual=maps.ndim)
    return tf.image.resize(maps[..., None], tuple(size), method="bilinear").numpy()[..., 0]


def unit_range(maps: np.ndarray) -> np.ndarray:
    """Return maps (N, H, W) scaled so that each spans 0..1; a constant map is 0."""
    maps = np.asarray(maps, "float32")
    low = maps.min(axis=(1, 2), keepdims=True)
    span = maps.max(axis=(1, 2), keepdims=True) - low
    return (maps - low) / np.where(span > 0, span, 1)
