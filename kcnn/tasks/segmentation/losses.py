"""What is minimised: cross-entropy, focal and Dice loss on logits, none of them counting pixels labelled 255."""

from typing import TYPE_CHECKING

import keras
import numpy as np
from keras import ops

from kcnn.data.masks import IGNORE
from kcnn.tasks.classes import balanced_weights
from kcnn.tasks.optimizer import optimizer
from kcnn.tasks.segmentation.config import SegmentationConfig, settings
from kcnn.tasks.segmentation.metrics import Overlap

if TYPE_CHECKING:
    from kcnn.recipe import Recipe


class SegmentationLoss(keras.losses.Loss):
    """The weighted sum of cross-entropy, focal loss and Dice loss of every image.

    Each image counts the same, however many of its pixels are ignored, and its loss depends on nothing else in the
    batch, so the replicas of a strategy average to the loss of the whole batch. An image without a labelled pixel has
    the loss 0.

    - cross-entropy: mean over the labelled pixels of -w log p, with p the probability of the true class and w its
      weight.
    - focal: the same of -w (1 - p)^gamma log p (Lin 2017, 1708.02002, equation 4; alpha is the weight).
    - Dice: mean over the classes that the mask has of 1 - 2 sum(p t) / (sum p + sum t), sums over the labelled pixels
      (Milletari 2016, 1606.04797, section 3, with plain instead of squared sums, as Keras has it).

    Args:
        config: how much of each, and gamma.
        weights: (classes,) of one pixel each, as from `balanced_weights`; 1 by default.
    """

    def __init__(self, config: SegmentationConfig, weights: np.ndarray | None = None):
        super().__init__(name="segmentation_loss")
        self.config = config
        self.weights = weights

    def call(self, y_true, y_pred):
        """Return (N,) losses of (N, H, W) class ids and (N, H, W, classes) logits."""
        config, classes = self.config, y_pred.shape[-1]
        ids = ops.cast(y_true, "int32")
        logits = ops.cast(y_pred, "float32")
        labelled = ops.not_equal(ids, IGNORE)
        ids = ops.where(labelled, ids, 0)
        loss = 0.0
        if config.cross_entropy or config.focal:
            entropy = keras.losses.sparse_categorical_crossentropy(ids, logits, from_logits=True)
            weighted = entropy if self.weights is None else entropy * ops.take(self.weights, ids)
            factor = config.cross_entropy
            if config.focal:
                factor = factor + config.focal * (1 - ops.exp(-entropy)) ** config.focal_gamma
            counted = ops.cast(labelled, "float32")
            pixels = ops.maximum(ops.sum(counted, axis=(1, 2)), 1.0)
            loss = loss + ops.sum(weighted * factor * counted, axis=(1, 2)) / pixels
        if config.dice:
            counted = ops.cast(labelled, "float32")[..., None]
            truth = ops.one_hot(ids, classes) * counted
            each = keras.losses.dice(truth, ops.softmax(logits) * counted, axis=(1, 2))
            present = ops.cast(ops.any(truth > 0, axis=(1, 2)), "float32")
            mean = ops.sum(each * present, axis=-1) / ops.maximum(ops.sum(present, axis=-1), 1.0)
            loss = loss + config.dice * mean
        return loss


def loss(config: SegmentationConfig, class_counts: np.ndarray) -> SegmentationLoss:
    """Return the loss on logits that `config` describes; `class_counts` are pixels per class."""
    weights = balanced_weights(class_counts, config.class_balance) if config.class_balance else None
    return SegmentationLoss(config, weights)


def compile_model(model: keras.Model, recipe: "Recipe", steps_per_epoch: int, class_counts: np.ndarray) -> None:
    """Set loss, metrics and optimizer of `model`; see `kcnn.tasks.task.Task.compile`.

    Args:
        model: (N, H, W, C) images to (N, H, W, classes) logits.
        recipe: `recipe.train` gives the optimizer, `recipe.config` the loss.
        steps_per_epoch: optimizer steps in one epoch.
        class_counts: (classes,) pixels per class of the training split; read only where classes are balanced.
    """
    model.compile(
        optimizer=optimizer(recipe.train, steps_per_epoch),
        loss=loss(settings(recipe), class_counts),
        metrics=[Overlap(model.output_shape[-1])],
        jit_compile=False,
    )
