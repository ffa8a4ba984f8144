"""What tasks with classes share: how often each occurs, what that weighs, and which is taken for which."""

from typing import TYPE_CHECKING

import numpy as np

from kcnn.errors import ConfigError

if TYPE_CHECKING:
    from kcnn.data.source import Info, Split
    from kcnn.recipe import Recipe


def check_num_classes(recipe: "Recipe", info: "Info") -> None:
    """Check that the recipe asks for as many classes as the data have.

    Raises:
        ConfigError: `model.num_classes` is neither 0 nor that number.
    """
    if recipe.model.num_classes not in (0, len(info.classes)):
        raise ConfigError(
            f"model.num_classes is {recipe.model.num_classes} but {info.name} has {len(info.classes)} classes; "
            "set it to that, or to 0 to take it from the data."
        )


def count_labels(recipe: "Recipe", info: "Info", split: "Split") -> np.ndarray:
    """Return int64 (classes,): examples of each class among the labels of `split`."""
    del recipe
    labels = split.labels
    counts = labels.sum(axis=0) if labels.ndim > 1 else np.bincount(labels, minlength=len(info.classes))
    return counts.astype(np.int64)


def balanced_weights(class_counts: np.ndarray, power: float = 1.0) -> np.ndarray:
    """Return what an example of each class weighs, so that the classes count more alike.

    With K classes present and n_c of N examples of class c that is N / (K * n_c), as scikit-learn's
    `compute_class_weight("balanced")` has it. Lower powers weigh by n_c ** -power. The mean weight over the examples
    is 1, so the learning rate keeps its meaning. A class without examples gets 0.

    Args:
        class_counts: (classes,) examples per class, at least one above 0.
        power: 1 makes all classes count the same, 0 all examples.

    Returns: (classes,) float32.
    """
    counts = np.asarray(class_counts, "float64")
    present = counts > 0
    weights = np.zeros_like(counts)
    weights[present] = counts[present] ** -power
    return (weights * (counts.sum() / (counts * weights).sum())).astype("float32")


def confusion_matrix(true: np.ndarray, predicted: np.ndarray, num_classes: int) -> np.ndarray:
    """Return int64 (classes, classes) counts: row = true class, column = predicted class.

    Args:
        true: class ids, any shape; what is not in 0..num_classes-1, such as 255, is left out.
        predicted: class ids in 0..num_classes-1, of the same shape.
        num_classes: at least 1.
    """
    true = np.asarray(true, "int64")
    counted = (true >= 0) & (true < num_classes)
    pairs = true[counted] * num_classes + np.asarray(predicted)[counted]
    return np.bincount(pairs, minlength=num_classes**2).reshape(num_classes, num_classes)
