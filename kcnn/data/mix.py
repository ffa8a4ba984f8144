"""Mixing two images and their targets: mixup and CutMix, as functions of a batch and its keys.

The partner of an example is the next one of the batch; the order of training is random already.
"""

import tensorflow as tf

from kcnn.data.augment import rectangles
from kcnn.data.order import Stream, uniform


def mixup(images: tf.Tensor, targets: tf.Tensor, keys: tf.Tensor, alpha: float) -> tuple[tf.Tensor, tf.Tensor]:
    """Blend each image and target with its partner's (Zhang 2018, 1710.09412, equation 1).

    Args:
        images: float32 (B, H, W, C), normalised. targets: float32 (B, classes). keys: uint64 (B,).
        alpha: of Beta(alpha, alpha), from which the share of the partner is drawn; 0 turns mixing off.

    Returns: images and targets of the same shapes.
    """
    if not alpha:
        return images, targets
    own = beta(keys, Stream.MIXUP, alpha)
    mixed = own[:, None, None, None] * images + (1 - own)[:, None, None, None] * _partner(images)
    return mixed, _weigh(targets, own)


def cutmix(images: tf.Tensor, targets: tf.Tensor, keys: tf.Tensor, alpha: float) -> tuple[tf.Tensor, tf.Tensor]:
    """Paste a rectangle of the partner into each image; targets mix by area (Yun 2019, 1905.04899, section 3.1).

    Args:
        images, targets, keys, alpha: as `mixup`; the rectangle has the image's aspect ratio, its area share is
            drawn from Beta(alpha, alpha), and what falls over the border is lost, so the targets count pixels.
    """
    if not alpha:
        return images, targets
    side = tf.sqrt(1 - beta(keys, Stream.CUTMIX, alpha))
    pasted = rectangles(images, uniform(keys, Stream.CUTMIX_PLACE, (2,)), tf.stack([side, side], axis=1))
    own = 1 - tf.reduce_mean(tf.cast(pasted, tf.float32), axis=(1, 2, 3))
    return tf.where(pasted, _partner(images), images), _weigh(targets, own)


def mix(
    images: tf.Tensor, targets: tf.Tensor, keys: tf.Tensor, mixup_alpha: float, cutmix_alpha: float
) -> tuple[tf.Tensor, tf.Tensor]:
    """Apply `mixup` and `cutmix`; where both are on, each example takes one of the two at even odds."""
    blended = mixup(images, targets, keys, mixup_alpha)
    if not cutmix_alpha:
        return blended
    pasted = cutmix(images, targets, keys, cutmix_alpha)
    if not mixup_alpha:
        return pasted
    first = uniform(keys, Stream.MIX_CHOICE) < 0.5
    return tf.where(first[:, None, None, None], blended[0], pasted[0]), tf.where(first[:, None], blended[1], pasted[1])


def beta(keys: tf.Tensor, stream: int, alpha: float) -> tf.Tensor:
    """Draw float32 (B,) from Beta(alpha, alpha), alpha > 0, as two Gamma draws seeded by each key.

    Below alpha of about 0.05 float32 loses the tails: the draw then is 0 or 1 at even odds.
    """
    seeds = tf.bitcast(keys, tf.int32)  # (B, 2): both halves of the key

    def one(seed: tf.Tensor) -> tf.Tensor:
        return tf.random.stateless_gamma((2,), seed + tf.constant([0, int(stream)]), alpha)

    gammas = tf.map_fn(one, seeds, fn_output_signature=tf.TensorSpec((2,), tf.float32))
    total = tf.reduce_sum(gammas, axis=1)
    return tf.where(total > 0, gammas[:, 0] / total, tf.cast(uniform(keys, stream) < 0.5, tf.float32))


def _partner(batch: tf.Tensor) -> tf.Tensor:
    return tf.roll(batch, -1, axis=0)


def _weigh(targets: tf.Tensor, own: tf.Tensor) -> tf.Tensor:
    return own[:, None] * targets + (1 - own)[:, None] * _partner(targets)
