"""The report on a trained classifier: numbers, tables and pictures of one split."""

import csv
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kcnn import atomic
from kcnn.errors import DataError
from kcnn.tasks.classification import figures, scores
from kcnn.tasks.classification.config import ClassificationConfig
from kcnn.tasks.classification.dataset import dataset, usable
from kcnn.tasks.classification.losses import TOP_K
from kcnn.tasks.classification.predictions import THRESHOLD, caption

if TYPE_CHECKING:
    import keras

    from kcnn.data.source import Info, Source, Split
    from kcnn.recipe import Recipe


def evaluate(
    model: "keras.Model", recipe: "Recipe", source: "Source", split: str, bad: frozenset[int], folder: Path
) -> dict[str, Any]:
    """Measure `model` on every readable example of a split and write the report.

    Args:
        model: (N, H, W, C) preprocessed images to (N, classes) logits.
        recipe: gives preprocessing and batch size.
        source: the data set.
        split: name of the split.
        bad: indices of unreadable examples, which are left out.
        folder: existing folder for report.json, metrics.csv, confusion_matrix.csv and .png,
            worst_predictions.png and reliability.png.

    Returns: plain numbers: "accuracy", "top5" where there are more than 5 classes, "loss" (cross-entropy without
        smoothing or weights), "calibration_error", means over the classes that have examples, and "per_class", see
        `scores.per_class`. With several labels "accuracy" is over all yes-or-no answers, "exact_match" the share of
        images whose labels are all right, and "average_precision" the mean over classes.

    Raises:
        DataError: the split has no readable example, or a prediction is not finite.
    """
    part = source.split(split)
    kept = usable(part.size, bad)
    if not kept.size:
        raise DataError(f"{source.info.name}: no readable example in split {split!r}; `kcnn check` lists the bad files.")
    images = dataset(recipe, source, split, training=False, bad=bad).map(lambda inputs, _: inputs)
    logits = np.asarray(model.predict(images, verbose=0), "float64")
    if not np.isfinite(logits).all():
        raise DataError("the model gives numbers that are not finite; train again with a lower train.learning_rate.")
    labels = np.asarray(part.labels)[kept]
    measure = _several_labels if (recipe.config or ClassificationConfig()).multi_label else _one_label
    found = measure(logits, labels, source.info.classes)
    report = {"data": source.info.name, "split": split, "examples": len(kept), **found.numbers}
    _write_tables(report, found, source.info.classes, folder)
    _write_pictures(report, found, source.info, folder)
    order = np.argsort(-found.losses, kind="stable")[: figures.GRID_IMAGES]
    figures.save(_gallery(order, kept, found, part, source.info, report), folder / "worst_predictions.png")
    return report


class Findings:
    """What one split's logits and labels amount to, before anything is written."""

    def __init__(self, *, numbers, losses, probabilities, labels, answers, table, bins):  # noqa: ANN001, PLR0913
        self.numbers: dict[str, Any] = numbers
        self.losses: np.ndarray = losses  # (N,)
        self.probabilities: np.ndarray = probabilities  # (N, classes)
        self.labels: np.ndarray = labels
        self.answers: np.ndarray = answers
        self.table: np.ndarray = table
        self.bins: scores.Reliability = bins
