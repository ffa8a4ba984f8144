"""Geometry and colour of images together with their masks, each a plain function of a batch and its keys.

As in `kcnn.data.augment`, what happens to an example depends on its own key alone. Images are uint8 or float32
(B, H, W, C), 0..255, and stay so, masks uint8 (B, H, W) of class ids; what comes in from outside is the image's mean
colour and `IGNORE`.
"""

import math

import tensorflow as tf

from kcnn.data import augment
from kcnn.data.masks import IGNORE
from kcnn.data.order import Stream, uniform
from kcnn.data.preprocess import to_pixels
from kcnn.errors import ConfigError, ShapeError

Pair = tuple[tf.Tensor, tf.Tensor]


def flip(images: tf.Tensor, masks: tf.Tensor, keys: tf.Tensor) -> Pair:
    """Mirror image and mask left to right at even odds; the same examples as `augment.flip`."""
    chosen = uniform(keys, Stream.FLIP) < 0.5
    masks = tf.where(chosen[:, None, None], tf.reverse(masks, [2]), masks)
    return augment.flip(images, keys), masks


def colour(images: tf.Tensor, masks: tf.Tensor, keys: tf.Tensor, strength: float) -> Pair:
    """Change brightness, contrast and saturation of the image as `augment.colour`; the mask stays."""
    return augment.colour(images, keys, strength), masks


def scale_crop(
    images: tf.Tensor,
    masks: tf.Tensor,
    keys: tf.Tensor,
    scales: tuple[float, float],
    size: tuple[int, int] | None = None,
) -> Pair:
    """Resize each example by a factor of its own and cut or pad it to one size, at a place of its own.

    Args:
        images, masks: as the module says. keys: uint64 (B,), from `kcnn.data.order.keys`.
        scales: least and largest factor, the logarithm drawn evenly; (1, 1) only cuts. Below 0.5 pixels are skipped.
        size: (height, width) of the result; None keeps that of the images.

    Returns: images (B, *size, C), bilinear, and masks (B, *size), nearest; both sampled at the same points.

    Raises:
        ConfigError: `scales` are not 0 < least <= largest.
        ShapeError: the masks are not of the images' batch and size.
    """
    if not tf.TensorShape(images.shape[:-1]).is_compatible_with(masks.shape):
        wanted, found = tuple(images.shape[:-1]), tuple(masks.shape)
        raise ShapeError(
            f"masks are {found} but must be {wanted}, as the images; see kcnn.data.masks.resize_mask.",
            expected=wanted,
            actual=found,
        )
    if not (len(scales) == 2 and 0 < scales[0] <= scales[1] < math.inf):
        raise ConfigError(f"scales are {scales} but must be 0 < least <= largest, as (0.5, 2.0).")
    size = tuple(size or images.shape[1:3])
    if tuple(scales) == (1, 1) and size == tuple(images.shape[1:3]):
        return images, masks
    draws = uniform(keys, Stream.SCALE_CROP, (3,))
    least, largest = (tf.math.log(tf.constant(value, tf.float32)) for value in scales)
    factor = tf.exp(least + draws[:, 0] * (largest - least))
    rows, above = _places(factor, draws[:, 1], tf.shape(images)[1], size[0])
    columns, left = _places(factor, draws[:, 2], tf.shape(images)[2], size[1])
    nothing = tf.zeros_like(factor)
    transforms = tf.stack([1 / factor, nothing, left, nothing, 1 / factor, above, nothing, nothing], axis=1)
    inside = rows[:, :, None] & columns[:, None, :]
    moved = to_pixels(_sampled(tf.cast(images, tf.float32), transforms, size, "BILINEAR"), images.dtype)
    mean = to_pixels(tf.reduce_mean(tf.cast(images, tf.float32), axis=(1, 2), keepdims=True), images.dtype)
    drawn = _sampled(masks[..., None], transforms, size, "NEAREST")[..., 0]
    return tf.where(inside[..., None], moved, mean), tf.where(inside, drawn, tf.constant(IGNORE, tf.uint8))


def vary(
    images: tf.Tensor,
    masks: tf.Tensor,
    keys: tf.Tensor,
    *,
    scales: tuple[float, float] = (1.0, 1.0),
    size: tuple[int, int] | None = None,
    mirror: bool = False,
    strength: float = 0.0,
) -> Pair:
    """Apply `scale_crop`, then `flip` if `mirror`, then `colour` with `strength`; by default nothing changes."""
    images, masks = scale_crop(images, masks, keys, scales, size)
    if mirror:
        images, masks = flip(images, masks, keys)
    return colour(images, masks, keys, strength)


def _places(factor: tf.Tensor, draw: tf.Tensor, extent: tf.Tensor, wanted: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Place an axis of `extent` pixels, scaled, on `wanted` ones: each whole offset that covers or fits is as likely.

    Returns: bool (B, wanted), whether a pixel shows the image; float32 (B,), the source coordinate of the first one.
    """
    extent = tf.cast(extent, tf.float32)
    room = wanted - factor * extent
    offset = tf.sign(room) * tf.floor(draw * (tf.floor(tf.abs(room)) + 1))
    source = (tf.range(wanted, dtype=tf.float32)[None] + 0.5 - offset[:, None]) / factor[:, None]
    return (source >= 0) & (source < extent), (0.5 - offset) / factor - 0.5


def _sampled(batch: tf.Tensor, transforms: tf.Tensor, size: tuple[int, int], interpolation: str) -> tf.Tensor:
    moved = tf.raw_ops.ImageProjectiveTransformV3(
        images=batch,
        transforms=transforms,
        output_shape=tf.constant(size, tf.int32),
        fill_value=0.0,
        interpolation=interpolation,
        fill_mode="NEAREST",
    )
    return tf.ensure_shape(moved, (batch.shape[0], *size, batch.shape[-1]))
