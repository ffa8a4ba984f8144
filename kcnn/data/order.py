"""Order and chance as functions, not states: of (seed, epoch, index) and nothing else.

So a resumed run seeks, shards are slices, and neither the worker count nor the batch an example falls into
changes what happens to it. TensorFlow's stateless generators take one seed a call; a batch needs one an
example, hence the vectorised hash here.
"""

from enum import IntEnum

import tensorflow as tf


class Stream(IntEnum):
    """What a random number is for; draws of different streams are independent."""

    CROP = 1
    FLIP = 2
    ERASE = 3
    COLOUR = 4
    RANDAUGMENT = 5
    MIXUP = 6
    CUTMIX = 7
    MIX_CHOICE = 8
    CUTMIX_PLACE = 9
    SCALE_CROP = 10


def permutation(
    positions: tf.Tensor, *, seed: int, epoch: tf.Tensor, size: int | tf.Tensor, part: int | tf.Tensor = 0
) -> tf.Tensor:
    """Return which index stands at each position of an epoch: a pseudo-random permutation, any slice of it.

    Args:
        positions: int64 (K,), each in 0..size-1.
        seed: of the run. epoch: scalar integer; every epoch has another permutation.
        size: number of examples.
        part: scalar integer; every part of an epoch has another permutation.

    Returns: int64 (K,) in 0..size-1; distinct where the positions are.
    """
    seeds = tf.stack([tf.cast(seed, tf.int64), tf.cast(epoch, tf.int64) + tf.cast(part, tf.int64) * 2**32])
    return tf.random.experimental.index_shuffle(positions, seeds, tf.cast(size, tf.int64) - 1)


def keys(indices: tf.Tensor, *, seed: int, epoch: tf.Tensor) -> tf.Tensor:
    """Return uint64 (B,): the random key of each example in this epoch."""
    state = _mix(_mix(_uint64(seed)) + _uint64(epoch))
    return _mix(state + _uint64(indices))


def uniform(keys: tf.Tensor, stream: int, shape: tuple[int, ...] = ()) -> tf.Tensor:
    """Draw numbers for each example from its own key.

    Args:
        keys: uint64 (B,), from `keys`.
        stream: a `Stream`; the same key and stream give the same numbers.
        shape: of one example's draw.

    Returns: float32 (B, *shape) in [0, 1), multiples of 2**-24.
    """
    count = 1
    for extent in shape:
        count *= extent
    counters = tf.range(count, dtype=tf.int64) + (stream << 32)
    bits = _mix(keys[:, None] + _mix(_uint64(counters))[None])
    high = tf.cast(tf.bitwise.right_shift(bits, _uint64(40)), tf.float32)
    return tf.reshape(high * 2.0**-24, (-1, *shape))


def _uint64(value) -> tf.Tensor:
    return tf.cast(tf.convert_to_tensor(value), tf.uint64)


def _mix(value: tf.Tensor) -> tf.Tensor:
    """SplitMix64 (Steele 2014, doi 10.1145/2660193.2660195): one step of the generator, then its finaliser."""
    value = value + tf.constant(0x9E3779B97F4A7C15, tf.uint64)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        value = tf.bitwise.bitwise_xor(value, tf.bitwise.right_shift(value, _uint64(shift)))
        value = value * tf.constant(factor, tf.uint64)
    return tf.bitwise.bitwise_xor(value, tf.bitwise.right_shift(value, _uint64(31)))
