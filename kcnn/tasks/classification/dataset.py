"""Batches for training and evaluation: (images, targets), targets always as vectors over the classes."""

from typing import TYPE_CHECKING

import tensorflow as tf

from kcnn.data import augment, pipeline
from kcnn.data.mix import mix
from kcnn.data.preprocess import normalise
from kcnn.data.randaugment import randaugment
from kcnn.errors import ConfigError, DataError
from kcnn.tasks.classes import check_num_classes
from kcnn.tasks.classification.config import settings

if TYPE_CHECKING:
    from kcnn.data.source import Info, Source
    from kcnn.recipe import Recipe


def check_labels(recipe: "Recipe", info: "Info") -> None:
    """Check that recipe and data agree about what a label is.

    Raises:
        DataError: the source has no labels or no classes.
        ConfigError: one says several labels an image and the other does not, or the class counts differ.
    """
    if "label" not in info.keys or not info.classes:
        raise DataError(f"{info.name} has no labels to learn (it has {', '.join(info.keys) or 'images only'}).")
    if settings(recipe).multi_label != info.multi_label:
        several = "several labels" if info.multi_label else "one label"
        raise ConfigError(
            f"{info.name} has {several} an image; set config.multi_label={str(info.multi_label).lower()}."
        )
    check_num_classes(recipe, info)


def dataset(
    recipe: "Recipe",
    source: "Source",
    split: str,
    *,
    training: bool,
    start_step: int = 0,
    bad: frozenset[int] = frozenset(),
) -> tf.data.Dataset:
    """Return batches of (inputs, targets).

    Args:
        recipe: preprocessing, batch size, seed, epochs; augmentation from its config.
        source: the data set.
        split: name of the split.
        training: every remaining step of all epochs, in the order given by the seed and augmented; otherwise
            one pass in index order, untouched. The last batch of an epoch or pass may be short.
        start_step: with `training`, steps that are done already.
        bad: indices of unreadable examples, which are left out.

    Returns: element spec (float32 (B, height, width, channels), float32 (B, classes)). A target row is one-hot,
        0/1 with several labels, or the weighted sum of two such rows where images are mixed.

    Raises:
        ConfigError, DataError: as `check_labels`, or an augmentation does not fit the image size.
        UnknownNameError: no such split.
    """
    check_labels(recipe, source.info)
    part = source.split(split).without(bad)
    num_classes = len(source.info.classes)
    if training:
        return pipeline.training(
            part,
            recipe.preprocess,
            batch_size=recipe.train.batch_size,
            seed=recipe.train.seed,
            epochs=recipe.train.epochs,
            start_step=start_step,
            augment=augmentation(recipe, num_classes),
        )
    batches = pipeline.evaluation(part, recipe.preprocess, recipe.train.batch_size)

    @tf.autograph.experimental.do_not_convert
    def pair(images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return images, to_targets(labels, num_classes)

    return batches.map(pair)


def to_targets(labels: tf.Tensor, num_classes: int) -> tf.Tensor:
    """Return float32 (B, classes) of class ids (B,) as one-hot rows, or of 0/1 rows (B, classes) as they are."""
    return tf.one_hot(labels, num_classes) if labels.shape.rank == 1 else tf.cast(labels, tf.float32)


def augmentation(recipe: "Recipe", num_classes: int) -> pipeline.Augment:
    """Return the function of (images, labels, keys) that `recipe.config` describes, for `pipeline.training`.

    Order: RandAugment, colour, crop, flip and erasing on pixels 0..255; normalisation; mixup or CutMix.

    Raises:
        ConfigError: `config.crop_padding` is not below the image's sides.
    """
    config, record = settings(recipe), recipe.preprocess
    if config.crop_padding >= min(record.size):
        raise ConfigError(
            f"config.crop_padding is {config.crop_padding} but must be below the image's sides {record.size}."
        )

    def augmented(images: tf.Tensor, labels: tf.Tensor, keys: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        images = randaugment(images, keys, config.randaugment, config.randaugment_magnitude)
        images = augment.colour(images, keys, config.colour)
        images = augment.crop(images, keys, config.crop_padding)
        images = augment.flip(images, keys) if config.flip else images
        images = augment.erase(images, keys, config.erasing)
        targets = to_targets(labels, num_classes)
        return mix(normalise(images, record), targets, keys, config.mixup, config.cutmix)

    return augmented
