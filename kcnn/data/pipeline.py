"""Batches from a split: `training` in an order that is a function of the seed, `evaluation` in index order."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from kcnn.data import order, stream
from kcnn.data.decode import decode
from kcnn.data.preprocess import normalise, prepare_example
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
    number of parallel readers changes nothing. A stream is mixed in blocks of `stream.BLOCK` examples instead, and
    read up to `start_step` from the nearest place that `split.places` knows.

    Args:
        split: examples to read; leave unreadable ones out with `split.without(bad)`.
        record: size, channels and normalisation.
        batch_size: examples a step. seed: of order and augmentation. epochs: passes over the split.
        start_step: steps, counted from the first epoch's start, that are done already.
        augment: (images, targets, keys) -> (inputs, targets), in place of `(normalise(images), targets)`; graph
            operations, without AutoGraph. Images and targets are as `read_batch` gives them, `keys` uint64 (B,) for
            `kcnn.data.order.uniform`.

    Returns: batches (float32 (B, height, width, channels), targets) or what `augment` makes of them.
    """
    steps = steps_per_epoch(split.size, batch_size)

    def finished(
        images: tf.Tensor, targets: tf.Tensor, indices: tf.Tensor, epoch: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        if augment is None:
            return normalise(images, record), targets
        return augment(images, targets, order.keys(indices, seed=seed, epoch=epoch))

    def batch(step: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        epoch, first = step // steps, step % steps * batch_size
        positions = tf.range(first, tf.minimum(first + batch_size, split.size))
        indices = order.permutation(positions, seed=seed, epoch=epoch, size=split.size)
        return finished(*read_batch(split, record, indices), indices, epoch)

    def streamed(epoch: tf.Tensor, indices: tf.Tensor, contents: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return finished(*decode_batch(split, record, indices, contents), indices, epoch)

    @tf.autograph.experimental.do_not_convert
    def mixed(epoch: tf.Tensor) -> tf.data.Dataset:
        where = [tf.constant(number, tf.int64) for number in divmod(done * batch_size, stream.BLOCK)]
        block, beyond = (tf.where(epoch == begun, number, 0) for number in where)
        rows = stream.mixed(blocks, split.size, seed=seed, epoch=epoch, first=block).skip(beyond)
        return rows.batch(batch_size).map(lambda indices, contents: (epoch, indices, contents))

    if split.stream is None:
        return _parallel(tf.data.Dataset.range(start_step, epochs * steps), batch)
    blocks, (begun, done) = stream.Blocks(split), divmod(start_step, steps)
    batches = _parallel(tf.data.Dataset.range(begun, epochs).flat_map(mixed), streamed)
    return batches.apply(tf.data.experimental.assert_cardinality(epochs * steps - start_step))


def trained_on(split: Split, step: int, *, batch_size: int, seed: int) -> np.ndarray:
    """Return int64 (B,): which examples of `split` step `step` (from 0) of `training` holds, in the batch's order."""
    epoch, at = divmod(step, steps_per_epoch(split.size, batch_size))
    first, last = at * batch_size, min((at + 1) * batch_size, split.size)
    if split.stream is not None:
        found = stream.positions(first, last, size=split.size, seed=seed, epoch=epoch)
        return np.array(list(found), np.int64)
    places = tf.range(first, last, dtype=tf.int64)
    return order.permutation(places, seed=seed, epoch=tf.constant(epoch), size=split.size).numpy()


def evaluation(split: Split, record: Preprocess, batch_size: int, *, raw: bool = False) -> tf.data.Dataset:
    """Return one pass in index order, the last batch as short as it must be.

    Args:
        split: examples to read; leave unreadable ones out with `split.without(bad)`.
        record: size, channels and normalisation.
        batch_size: examples a batch.
        raw: stop before normalisation.

    Returns: batches of images (B, height, width, channels), float32 or with `raw` of `record.dtype`, and targets as
        `read_batch` gives them.
    """

    def finished(images: tf.Tensor, targets: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return (images if raw else normalise(images, record)), targets

    def batch(step: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        first = step * batch_size
        indices = tf.range(first, tf.minimum(first + batch_size, split.size))
        return finished(*read_batch(split, record, indices))

    def streamed(indices: tf.Tensor, contents: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return finished(*decode_batch(split, record, indices, contents))

    if split.stream is not None:
        batches = _parallel(split.stream().enumerate().batch(batch_size), streamed)
        return batches.apply(tf.data.experimental.assert_cardinality(steps_per_epoch(split.size, batch_size)))
    return _parallel(tf.data.Dataset.range(steps_per_epoch(split.size, batch_size)), batch)


def read_batch(split: Split, record: Preprocess, indices: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Read examples by index.

    Args:
        split, record: as `training`.
        indices: int64 (B,).

    Returns: images (B, height, width, channels) and of the dtype that `record` says, and what `split.target` names:
        labels (B, ...), or masks uint8 (B, height, width) of class ids and `masks.IGNORE`, resized to the nearest
        pixel.
    """
    split = split.at_depth(record.bit_depth)
    if split.arrays is not None:
        return _prepared(split.read(indices), split, record)
    label = tf.TensorSpec(split.labels.shape[1:], split.labels.dtype)
    target = tf.TensorSpec(record.size, tf.uint8) if split.target == "mask" else label
    return tf.map_fn(
        lambda index: _prepared(split.read(index), split, record),
        indices,
        fn_output_signature=(tf.TensorSpec(record.image_shape, record.dtype), target),
    )


def decode_batch(
    split: Split, record: Preprocess, indices: tf.Tensor, contents: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Return what `read_batch` does for examples of a stream: `indices` int64 (B,), `contents` their images (B,)."""
    split = split.at_depth(record.bit_depth)
    labels = tf.gather(split.labels, indices)
    label = tf.TensorSpec(labels.shape[1:], labels.dtype)
    return tf.map_fn(
        lambda row: _prepared({"image": decode(row[0], bit_depth=record.bit_depth), "label": row[1]}, split, record),
        (contents, labels),
        fn_output_signature=(tf.TensorSpec(record.image_shape, record.dtype), label),
    )


def _prepared(example: dict[str, tf.Tensor], split: Split, record: Preprocess) -> tuple[tf.Tensor, tf.Tensor]:
    """Return image and target as `prepare_example`; an image that has its size already is not resampled."""

    def pair(example: dict[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        found = prepare_example(example, record, split.target)
        return found["image"], found[split.target]

    def sized() -> tuple[tf.Tensor, tf.Tensor]:
        known = {"image": tf.ensure_shape(example["image"], (*record.size, example["image"].shape[-1]))}
        if split.target == "mask":
            known["mask"] = tf.ensure_shape(example["mask"], record.size)
        return pair({**example, **known})

    if example["image"].shape[-3:-1].is_fully_defined():
        return pair(example)
    right = tf.reduce_all(tf.shape(example["image"])[-3:-1] == record.size)
    return tf.cond(right, sized, lambda: pair(example))


def steps_per_epoch(size: int, batch_size: int) -> int:
    """Return how many batches cover `size` examples, the last one perhaps short."""
    return -(-size // batch_size)


def _parallel(steps: tf.data.Dataset, batch: Callable[..., tuple[tf.Tensor, tf.Tensor]]) -> tf.data.Dataset:
    # AutoGraph would rewrite functions that are operations already: half of a run's time to its first step
    plain = tf.autograph.experimental.do_not_convert(batch)
    batches = steps.map(plain, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    return batches.prefetch(tf.data.AUTOTUNE)
