"""From decoded pixels to what a set of weights expects, as one `Preprocess` record says; graph operations.

The resized image of `record.dtype` is the common currency: augmentation, `predict`, SavedModel and LiteRT all take it.
It is uint8, or float32 of the same range where all 16 bits of a file are kept.
"""

import numpy as np
import tensorflow as tf

from kcnn.data.decode import set_channels
from kcnn.data.masks import resize_mask
from kcnn.recipe import Preprocess


def to_channels(images: tf.Tensor, record: Preprocess) -> tf.Tensor:
    """Turn (..., 1 or 3) into `record.dtype` (..., record.channels); errors as `decode.set_channels`.

    Args:
        images: uint8; or float32 0..255 where `record` keeps 16 bits.
        record: `channels` and `bit_depth` count.
    """
    return set_channels(tf.cast(images, tf.float32) if record.bit_depth == 16 else images, record.channels)


def resize(images: tf.Tensor, record: Preprocess) -> tf.Tensor:
    """Resize to `record.size`; the aspect ratio is not kept.

    Args:
        images: `record.dtype` (H, W, C) or (N, H, W, C), 0..255.
        record: its `interpolation` is "bilinear" (a triangle filter over all source pixels when shrinking,
            as Pillow's; uint8 rounded to nearest) or "nearest" (pixel centres).

    Returns: `record.dtype` of the same rank.
    """
    if tuple(images.shape[-3:-1]) == record.size:
        return images
    if record.interpolation == "nearest":
        return tf.image.resize(images, record.size, method="nearest")
    resized = tf.image.resize(images, record.size, method="bilinear", antialias=True)
    return to_pixels(resized, record.dtype)


def to_pixels(values: tf.Tensor, dtype: tf.DType | str = tf.uint8) -> tf.Tensor:
    """Return float values as pixels 0..255 of `dtype`, clipped: uint8 rounded to nearest, float32 as they are."""
    values = values if tf.as_dtype(dtype).is_floating else tf.round(values)
    return tf.cast(tf.clip_by_value(values, 0, 255), dtype)


def shown(image: np.ndarray) -> np.ndarray:
    """Return pixels 0..255 of either type as uint8, for pictures that are looked at."""
    return image if image.dtype == np.uint8 else np.clip(np.rint(image), 0, 255).astype(np.uint8)


def normalise(images: tf.Tensor, record: Preprocess) -> tf.Tensor:
    """Return `(pixel * scale - mean) / std` as float32.

    Args:
        images: (..., C) uint8 or float, 0..255; RGB or gray.
        record: where `channel_order` is "bgr" the channels are reversed first, so `mean` and `std` count
            in the order that the weights see.
    """
    images = tf.cast(images, tf.float32)
    if record.channel_order == "bgr":
        images = tf.reverse(images, [-1])
    return (images * record.scale - tf.constant(record.mean)) / tf.constant(record.std)


def prepare(images: tf.Tensor, record: Preprocess) -> tf.Tensor:
    """Decoded (..., H, W, C) -> `record.dtype` at the record's size and channels, the common currency."""
    return resize(to_channels(images, record), record)


def prepare_example(example: dict[str, tf.Tensor], record: Preprocess, target: str) -> dict[str, tf.Tensor]:
    """Return "image" as `prepare` makes it, and `target`, a key of `example`, where it is "mask" at that size too."""
    found = example[target]
    return {
        "image": prepare(example["image"], record),
        target: resize_mask(found, record.size) if target == "mask" else found,
    }
