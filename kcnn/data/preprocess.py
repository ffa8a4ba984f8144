"""From decoded pixels to what a set of weights expects, as one `Preprocess` record says; graph operations.

The resized uint8 image is the common currency: augmentation, `predict`, SavedModel and LiteRT all take it.
"""

import tensorflow as tf

from kcnn.data.decode import set_channels
from kcnn.data.masks import resize_mask
from kcnn.recipe import Preprocess


def to_channels(images: tf.Tensor, record: Preprocess) -> tf.Tensor:
    """Turn uint8 (..., 1 or 3) into uint8 (..., record.channels); errors as `decode.set_channels`."""
    return set_channels(images, record.channels)


def resize(images: tf.Tensor, record: Preprocess) -> tf.Tensor:
    """Resize to `record.size`; the aspect ratio is not kept.

    Args:
        images: uint8 (H, W, C) or (N, H, W, C), 0..255.
        record: its `interpolation` is "bilinear" (a triangle filter over all source pixels when shrinking,
            as Pillow's; rounded to nearest) or "nearest" (pixel centres).

    Returns: uint8 of the same rank.
    """
    if tuple(images.shape[-3:-1]) == record.size:
        return images
    if record.interpolation == "nearest":
        return tf.image.resize(images, record.size, method="nearest")
    resized = tf.image.resize(images, record.size, method="bilinear", antialias=True)
    return tf.cast(tf.clip_by_value(tf.round(resized), 0, 255), tf.uint8)


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
    """Decoded uint8 (..., H, W, C) -> uint8 at the record's size and channels, the common currency."""
    return resize(to_channels(images, record), record)


def prepare_example(example: dict[str, tf.Tensor], record: Preprocess, target: str) -> dict[str, tf.Tensor]:
    """Return "image" as `prepare` makes it, and `target`, a key of `example`, where it is "mask" at that size too."""
    found = example[target]
    return {
        "image": prepare(example["image"], record),
        target: resize_mask(found, record.size) if target == "mask" else found,
    }
