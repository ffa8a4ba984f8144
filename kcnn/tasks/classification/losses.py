"""What is minimised and what is shown while training. Targets are (N, classes) vectors throughout."""

from typing import TYPE_CHECKING

import keras
import numpy as np
from keras import ops

from kcnn.tasks.classes import balanced_weights
from kcnn.tasks.classification.config import ClassificationConfig, settings
from kcnn.tasks.optimizer import optimizer

if TYPE_CHECKING:
    from kcnn.recipe import Recipe

TOP_K = 5


class WeightedCrossEntropy(keras.losses.Loss):
    """Softmax cross-entropy in which every example counts as much as its class says.

    The weight of an example is the mean of its classes' weights under its target, so a mixed image is weighed
    in proportion. Label smoothing changes the target of the cross-entropy, not the weight.

    Args:
        weights: one number per class, as from `balanced_weights`.
        label_smoothing: share of the target spread evenly, 0..1.
    """

    def __init__(self, weights: np.ndarray, label_smoothing: float = 0.0):
        super().__init__(name="weighted_cross_entropy")
        self.weights = np.asarray(weights, "float32")
        self.label_smoothing = label_smoothing

    def call(self, y_true, y_pred):
        """Return the weighted loss of each example, (N,), from (N, classes) targets and logits."""
        loss = keras.losses.categorical_crossentropy(
            y_true, y_pred, from_logits=True, label_smoothing=self.label_smoothing
        )
        return loss * ops.sum(y_true * self.weights, axis=-1)


def loss(config: ClassificationConfig, class_counts: np.ndarray) -> keras.losses.Loss:
    """Return the loss on logits that `config` describes."""
    if config.multi_label:
        return keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=config.label_smoothing)
    if config.class_weights == "balanced":
        return WeightedCrossEntropy(balanced_weights(class_counts), config.label_smoothing)
    return keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=config.label_smoothing)


def metrics(config: ClassificationConfig, num_classes: int) -> list[keras.metrics.Metric]:
    """Return the metrics shown while training.

    One label: "accuracy", and "top5" where there are more than 5 classes. Several labels: "accuracy" is the share
    of right yes-or-no answers at probability 0.5, "average_precision" the area under the precision-recall curve,
    mean over the classes, approximated at 200 thresholds (`evaluate` gives the exact one).
    """
    if config.multi_label:
        return [
            keras.metrics.MeanMetricWrapper(_right_answers, name="accuracy"),
            keras.metrics.AUC(
                curve="PR", multi_label=True, num_labels=num_classes, from_logits=True, name="average_precision"
            ),
        ]
    top5 = [keras.metrics.TopKCategoricalAccuracy(TOP_K, name="top5")] if num_classes > TOP_K else []
    return [keras.metrics.CategoricalAccuracy(name="accuracy"), *top5]


def _right_answers(y_true, y_pred):
    return ops.mean(ops.cast(ops.equal(y_true > 0.5, y_pred > 0.0), "float32"), axis=-1)


def compile_model(model: keras.Model, recipe: "Recipe", steps_per_epoch: int, class_counts: np.ndarray) -> None:
    """Set loss, metrics and optimizer of `model`; see `kcnn.tasks.task.Task.compile`.

    Args:
        model: (N, H, W, C) images to (N, classes) logits.
        recipe: `recipe.train` gives the optimizer, `recipe.config` the loss.
        steps_per_epoch: optimizer steps in one epoch.
        class_counts: (classes,) examples per class of the training split.
    """
    config = settings(recipe)
    model.compile(
        optimizer=optimizer(recipe.train, steps_per_epoch),
        loss=loss(config, class_counts),
        metrics=metrics(config, model.output_shape[-1]),
        jit_compile=False,
    )
