"""Geometry and colour of training images, each a plain function of a batch and its keys.

What happens to an example depends on its own key, hence on (seed, epoch, index), and not on the batch it falls
into. Strength 0 is the identity. Images are (B, H, W, C), 0..255: uint8, rounded wherever something is computed of
them, or float32, which is never rounded; they stay what they are.
"""

import tensorflow as tf

from kcnn.data.order import Stream, uniform
from kcnn.data.preprocess import to_pixels

ERASED_AREA = (0.02, 0.33)  # of the image; Zhong 2020, section 4.2, with a smaller upper end
ERASED_ASPECT = 0.3  # the rectangle's height / width lies between this and its inverse


def crop(images: tf.Tensor, keys: tf.Tensor, padding: int) -> tf.Tensor:
    """Shift each image by up to `padding` pixels both ways, mirroring what lies beyond the border.

    Args:
        images: uint8 or float32 (B, H, W, C). keys: uint64 (B,), from `kcnn.data.order.keys`.
        padding: pixels, below H and W; every whole shift is as likely.

    Returns: the same shape and type. He 2015 (1512.03385), section 4.2, with mirrored in place of black borders.
    """
    if not padding:
        return images
    height, width = tf.shape(images)[1], tf.shape(images)[2]
    shifts = tf.cast(uniform(keys, Stream.CROP, (2,)) * (2 * padding + 1), tf.int32)
    padded = tf.pad(images, [[0, 0], [padding, padding], [padding, padding], [0, 0]], "REFLECT")
    rows = tf.gather(padded, shifts[:, :1] + tf.range(height), axis=1, batch_dims=1)
    return _like(tf.gather(rows, shifts[:, 1:] + tf.range(width), axis=2, batch_dims=1), images)


def flip(images: tf.Tensor, keys: tf.Tensor) -> tf.Tensor:
    """Mirror each image left to right at even odds; arguments as `crop`."""
    chosen = uniform(keys, Stream.FLIP) < 0.5
    return tf.where(chosen[:, None, None, None], tf.reverse(images, [2]), images)


def erase(images: tf.Tensor, keys: tf.Tensor, probability: float) -> tf.Tensor:
    """Replace a rectangle of each image by its mean colour (after Zhong 2020, 1708.04896, algorithm 1).

    Departures: the mean is the image's own where variant RE-M takes ImageNet's, and a rectangle may reach over the
    border where the paper draws again.

    Args:
        images, keys: as `crop`.
        probability: share of images that lose a rectangle, 0..1. Its area is `ERASED_AREA` of the image, its
            aspect ratio drawn evenly in the logarithm; it may reach over the border.
    """
    if not probability:
        return images
    draws = uniform(keys, Stream.ERASE, (5,))
    area = ERASED_AREA[0] + draws[:, 1] * (ERASED_AREA[1] - ERASED_AREA[0])
    aspect = tf.exp((2 * draws[:, 2] - 1) * -tf.math.log(ERASED_ASPECT))
    sides = tf.stack([tf.sqrt(area * aspect), tf.sqrt(area / aspect)], axis=1)
    inside = rectangles(images, draws[:, 3:], sides) & (draws[:, 0] < probability)[:, None, None, None]
    mean = tf.reduce_mean(tf.cast(images, tf.float32), axis=(1, 2), keepdims=True)
    return tf.where(inside, to_pixels(mean, images.dtype), images)


def rectangles(images: tf.Tensor, centres: tf.Tensor, sides: tf.Tensor) -> tf.Tensor:
    """Return bool (B, H, W, 1): the pixels whose centres lie in one rectangle per image.

    Args:
        images: (B, H, W, C), for its shape.
        centres, sides: float32 (B, 2), (vertical, horizontal), as shares of height and width.
    """
    inside = []
    for axis in (0, 1):
        extent = tf.shape(images)[axis + 1]
        places = (tf.range(extent, dtype=tf.float32) + 0.5) / tf.cast(extent, tf.float32)
        inside.append(tf.abs(places - centres[:, axis, None]) < sides[:, axis, None] / 2)
    return (inside[0][:, :, None] & inside[1][:, None, :])[..., None]


def colour(images: tf.Tensor, keys: tf.Tensor, strength: float) -> tf.Tensor:
    """Change brightness, contrast and saturation of each image by factors in 1 - strength .. 1 + strength.

    Args:
        images, keys: as `crop`.
        strength: 0..1. Gray images have no saturation to change.
    """
    if not strength:
        return images
    factors = 1 + strength * (2 * uniform(keys, Stream.COLOUR, (3,)) - 1)
    brightness, contrast, saturation = (factors[:, i, None, None, None] for i in range(3))
    x = tf.cast(images, tf.float32) * brightness
    x = blend(tf.reduce_mean(luma(x), axis=(1, 2), keepdims=True), x, contrast)
    return to_pixels(blend(luma(x), x, saturation), images.dtype)


def luma(images: tf.Tensor) -> tf.Tensor:
    """Return the ITU-R 601 gray of float (..., 3) images as (..., 1); gray images as they are."""
    if images.shape[-1] == 1:
        return images
    return tf.reduce_sum(images * (0.299, 0.587, 0.114), axis=-1, keepdims=True)


def blend(other: tf.Tensor, images: tf.Tensor, factor: tf.Tensor | float) -> tf.Tensor:
    """Return `other` at factor 0, `images` at 1, and beyond `images` above 1."""
    return other + factor * (images - other)


def _like(result: tf.Tensor, images: tf.Tensor) -> tf.Tensor:
    return tf.ensure_shape(result, images.shape)
