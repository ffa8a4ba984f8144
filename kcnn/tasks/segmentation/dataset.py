"""Batches for training and evaluation: (images, masks), masks as class ids with 255 to ignore."""

from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from kcnn.data import joint, pipeline
from kcnn.data.preprocess import normalise
from kcnn.errors import DataError
from kcnn.tasks.classes import check_num_classes
from kcnn.tasks.segmentation.config import settings

if TYPE_CHECKING:
    from kcnn.data.source import Info, Source, Split
    from kcnn.recipe import Recipe


def check_masks(recipe: "Recipe", info: "Info") -> None:
    """Check that the data have masks, and as many classes as the recipe asks for.

    Raises:
        DataError: the source has no masks or no classes.
        ConfigError: the class counts differ.
    """
    if "mask" not in info.keys or not info.classes:
        raise DataError(
            f"{info.name} has no masks to learn (it has {', '.join(info.keys) or 'images only'}). "
            "For one label an image set task=classification; a folder that holds masks too opens as masks:FOLDER."
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
    """Return batches of (inputs, targets), image and mask resized to `preprocess.size`.

    Args:
        recipe: preprocessing, batch size, seed, epochs; augmentation from its config.
        source: the data set.
        split: name of the split.
        training: every remaining step of all epochs, in the order given by the seed and augmented; otherwise
            one pass in index order, untouched. The last batch of an epoch or pass may be short.
        start_step: with `training`, steps that are done already.
        bad: indices of unreadable examples, which are left out.

    Returns: element spec (float32 (B, height, width, channels), uint8 (B, height, width)); a target is a class id, or
        255 where it counts nowhere.

    Raises:
        ConfigError, DataError: as `check_masks`.
        UnknownNameError: no such split.
    """
    check_masks(recipe, source.info)
    part = source.split(split).without(bad)
    if not training:
        return pipeline.evaluation(part, recipe.preprocess, recipe.train.batch_size)
    return pipeline.training(
        part,
        recipe.preprocess,
        batch_size=recipe.train.batch_size,
        seed=recipe.train.seed,
        epochs=recipe.train.epochs,
        start_step=start_step,
        augment=augmentation(recipe),
    )


def augmentation(recipe: "Recipe") -> pipeline.Augment:
    """Return the function of (images, masks, keys) that `recipe.config` describes, for `pipeline.training`."""
    config, record = settings(recipe), recipe.preprocess

    def augmented(images: tf.Tensor, masks: tf.Tensor, keys: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        images, masks = joint.vary(images, masks, keys, scales=config.scale, mirror=config.flip, strength=config.colour)
        return normalise(images, record), masks

    return augmented


def class_counts(recipe: "Recipe", info: "Info", split: "Split") -> np.ndarray:
    """Return int64 (classes,): pixels of each class in the masks of `split`; zeros where the loss does not ask.

    Raises:
        DataError: the loss asks, and no pixel has a class.
    """
    counts = np.zeros(len(info.classes), np.int64)
    if not settings(recipe).class_balance:
        return counts
    masks = tf.data.Dataset.range(split.size).map(
        lambda index: split.read(index)["mask"], num_parallel_calls=tf.data.AUTOTUNE
    )
    for mask in masks.as_numpy_iterator():
        counts += np.bincount(mask.ravel(), minlength=256)[: len(counts)]
    if not counts.any():
        raise DataError(f"{info.name}: no pixel of the masks to learn from has a class; `kcnn check` counts them.")
    return counts
