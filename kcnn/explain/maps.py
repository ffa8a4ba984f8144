"""What is done with maps before they are drawn or compared: one number a pixel, image size, range 0..1."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from kcnn.errors import ConfigError, ShapeError
from kcnn.ops.arithmetic import whole
from kcnn.ops.arrays import numbers


def per_pixel(values: np.ndarray) -> np.ndarray:
    """Return (N, H, W): the largest absolute value over the channels of (N, H, W, C)."""
    return np.abs(shaped("values", values, "N, H, W, C")).max(axis=-1)


def enlarge(maps: np.ndarray, size: Sequence[int]) -> np.ndarray:
    """Return maps (N, h, w) at `size` (H, W), bilinear, pixel centres aligned."""
    maps = shaped("maps", maps, "N, h, w").astype("float32")
    return tf.image.resize(maps[..., None], check_size(size), method="bilinear").numpy()[..., 0]


def unit_range(maps: np.ndarray) -> np.ndarray:
    """Return maps (N, H, W) scaled so that each spans 0..1; a constant map is 0."""
    maps = shaped("maps", maps, "N, H, W").astype("float32")
    low = maps.min(axis=(1, 2), keepdims=True)
    span = maps.max(axis=(1, 2), keepdims=True) - low
    return (maps - low) / np.where(span > 0, span, 1)


def shaped(name: str, values: Any, shape: str) -> np.ndarray:
    """Return `values` as an array of numbers with as many axes as `shape` names, none of them empty.

    Raises:
        ShapeError: it has others.
        ConfigError: no numbers.
    """
    found = numbers(name, values)
    if found.ndim != len(shape.split(",")) or not found.size:
        raise ShapeError(f"{name} are {found.shape} but must be ({shape}).", expected=shape, actual=found.shape)
    return found


def check_size(size: Any) -> tuple[int, int]:
    """Return (height, width).

    Raises:
        ConfigError: `size` is no pair of whole numbers of at least 1.
    """
    if not isinstance(size, (Sequence, np.ndarray)) or len(size) != 2:
        raise ConfigError(f"size is {size!r:.80} but must be (height, width) in pixels.")
    return whole("height", size[0], 1), whole("width", size[1], 1)
