"""Arrays as callers give them: numbers, finite, of a shape that fits, or a typed error that says what was found."""

from typing import Any

import numpy as np

from kcnn.errors import ConfigError, ShapeError

NO_NUMBERS = "OSUTcMm"  # kinds of NumPy arrays: objects, bytes, texts, complex numbers, dates and spans of time


def numbers(name: str, values: Any) -> np.ndarray:
    """Return `values` as an array of real numbers of any type.

    Raises:
        ConfigError: they are text, None, ragged or anything else that is no such array.
    """
    try:
        found = np.asarray(values)
    except (TypeError, ValueError):  # ragged lists
        found = np.asarray(None)
    if found.dtype.kind in NO_NUMBERS:
        raise ConfigError(f"{name} must be one array of numbers, not {values!r:.80}.")
    return found


def finite(name: str, values: Any) -> np.ndarray:
    """Return `values` as a float32 array of finite numbers.

    Raises:
        ConfigError: as `numbers`; or some are NaN or infinite.
    """
    found = numbers(name, values).astype("float32")
    if not np.isfinite(found).all():
        raise ConfigError(f"{name} must be finite, without NaN or infinity.")
    return found


def like(name: str, values: Any, images: np.ndarray) -> np.ndarray:
    """Return `values` as float32 of the shape of `images`, (N, H, W, C), read-only.

    Args:
        name: for messages.
        values: one number, one for each channel (C,), one image (H, W, C) or one for each, (N, H, W, C).
        images: what they stand in for.

    Raises:
        ShapeError: another shape.
        ConfigError: as `finite`.
    """
    found, shape = finite(name, values), images.shape
    if found.shape not in ((), shape[3:], shape[1:], (1, *shape[1:]), shape):
        raise ShapeError(
            f"{name} is {found.shape} but the images are {shape}; give a number, one for each channel, one image, or "
            "one for each.",
            expected=shape,
            actual=found.shape,
        )
    return np.broadcast_to(found, shape)
