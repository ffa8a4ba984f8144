"""Batches from a split: `training` in an order that is a function of the seed, `evaluation` in index order."""

from collections.abc import Callable

import tensorflow as tf

from kcnn.data import order
from kcnn.data.preprocess import normalise, prepare
from kcnn.data.source import Split
from kcnn.recipe import Preprocess

Augment = Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]


def training(
    split: Split,
    record: Preprocess,
    *,
    batch_size: int,
    seed: int,
    epochs: int,
    start_step: int = 0,
    augment: Augment | None = None,
) -> tf.data.Dataset:
    """Return every batch of all epochs from step `start_step` on.

    An epoch is a permutation of the split: each example once, the last batch as short as it must be. What a
    batch holds depends on (seed, step) alone, so starting late costs nothing and skips nothing, and the
    number of parallel readers changes nothing.

    Args:
        split: examples to read; leave unreadable ones out with `split.without(bad)`.
        record: size, channels and normalisation.
        batch_size: examples a step. seed: of order and augmentation. epochs: passes over the split.
        start_step: steps, counted from the first epoch's start, that are done already.
        augment: (images, labels, keys) -> (inputs, targets), in place of `(normalise(images), labels)`.
            `images` is uint8 (B, height, width, channels) as `record` says, `labels` int32 (B,) or uint8
            (B, classes), `keys` uint64 (B,) for `kcnn.data.order.uniform`.

    Returns: batches (float32 (B, height, width, channels), int32 (B,)) or what `augment` makes of them.
    """
    steps = steps_per_epoch(split.size, batch_size)

    def batch(step: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        epoch, first = step // steps, step % steps * batch_size
        positions = tf.range(first, tf.minimum(first + batch_size, split.size))
        indices = order.permutation(positions, seed=seed, epoch=epoch, size=split.size)
        images, labels = read_batch(split, record, indices)
        if augment is None:
            return normalise(images, record), labels
        return augment(images, labels, order.keys(indices, seed=seed, epoch=epoch))

    return _parallel(tf.data.Dataset.range(start_step, epochs * steps), batch)


def evaluation(split: Split, record: Preprocess, batch_size: int, *, raw: bool = False) -> tf.data.Dataset:
    """Return one pass in index order, the last batch as short as it must be.

    Args:
        split: examples to read; leave unreadable ones out with `split.without(bad)`.
        record: size, channels and normalisation.
        batch_size: examples a batch.
        raw: stop before normalisation.

    Returns: batches (float32, or uint8 with `raw`, (B, height, width, channels); labels as the split has them).
    """

    def batch(step: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        first = step * batch_size
        images, labels = read_batch(split, record, tf.range(first, tf.minimum(first + batch_size, split.size)))
        return (images if raw else normalise(images, record)), labels

    return _parallel(tf.data.Dataset.range(steps_per_epoch(split.size, batch_size)), batch)


def read_batch(split: Split, record: Preprocess, indices: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Read examples by index.

    Args:
        split, record: as `training`.
        indices: int64 (B,).

    Returns: uint8 (B, height, width, channels) as `record` says, and labels (B, ...).
    """
    if split.arrays is not None:
        rows = split.read(indices)
        return prepare(rows["image"], record), rows["label"]

    def one(index: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        example = split.read(index)
        return prepare(example["image"], record), example["label"]

    label = tf.TensorSpec(split.labels.shape[1:], split.labels.dtype)
    return tf.map_fn(one, indices, fn_output_signature=(tf.TensorSpec(record.image_shape, tf.uint8), label))


def steps_per_epoch(size: int, batch_size: int) -> int:
    """Return how many batches cover `size` examples, the last one perhaps short."""
    return -(-size // batch_size)


def _parallel(steps: tf.data.Dataset, batch: Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]) -> tf.data.Dataset:
    batches = steps.map(batch, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    return batches.prefetch(tf.data.AUTOTUNE)
