"""What the logits and labels of one split amount to, before anything is drawn or written."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from kcnn.tasks.classes import confusion_matrix
from kcnn.tasks.classification import scores
from kcnn.tasks.classification.losses import TOP_K
from kcnn.tasks.classification.predictions import THRESHOLD


@dataclass(frozen=True, kw_only=True)
class Findings:
    """Numbers of one split, and what its pictures show.

    Attributes:
        numbers: plain values for report.json.
        losses: (N,) cross-entropy of each example, without smoothing or weights.
        probabilities: (N, classes).
        answers: (N,) class ids, or (N, classes) of 0 and 1.
        table: (classes, classes) confusion matrix, or (classes, 3) counts of `scores.outcome_counts`.
        bins: confidence against reality.
    """

    numbers: dict[str, Any]
    losses: np.ndarray
    probabilities: np.ndarray
    answers: np.ndarray
    table: np.ndarray
    bins: scores.Reliability


def one_label(logits: np.ndarray, labels: np.ndarray, classes: tuple[str, ...]) -> Findings:
    """Measure a classifier whose classes exclude each other.

    Args:
        logits: (N, classes), N at least 1.
        labels: (N,) class ids.
        classes: names.
    """
    logarithms = scores.log_softmax(logits)
    losses = -np.take_along_axis(logarithms, labels[:, None], axis=1)[:, 0]
    probabilities = np.exp(logarithms)
    answers = logits.argmax(axis=1)
    right = answers == labels
    bins = scores.reliability(probabilities.max(axis=1), right)
    one_hot = np.eye(len(classes), dtype=bool)
    rows = scores.per_class(scores.outcome_counts(one_hot[labels], one_hot[answers]), classes)
    top5 = {"top5": scores.top_k_accuracy(logits, labels, TOP_K)} if len(classes) > TOP_K else {}
    numbers = {"accuracy": float(right.mean()), **top5, **_summary(losses, bins, rows), "per_class": rows}
    table = confusion_matrix(labels, answers, len(classes))
    return Findings(
        numbers=numbers, losses=losses, probabilities=probabilities, answers=answers, table=table, bins=bins
    )


def several_labels(logits: np.ndarray, labels: np.ndarray, classes: tuple[str, ...]) -> Findings:
    """Measure a classifier that answers yes or no for every class, at probability 0.5.

    Args:
        logits: (N, classes), N at least 1.
        labels: (N, classes) of 0 and 1.
        classes: names.
    """
    yes, no = scores.log_sigmoid(logits), scores.log_sigmoid(-logits)
    losses = -np.where(labels, yes, no).mean(axis=1)
    probabilities = np.exp(yes)
    answers = probabilities >= THRESHOLD
    right = answers == labels.astype(bool)
    bins = scores.reliability(probabilities.ravel(), labels.ravel())
    table = scores.outcome_counts(labels, answers)
    rows = scores.per_class(table, classes)
    for row, precision in zip(rows, scores.average_precision(labels, probabilities), strict=True):
        row["average_precision"] = precision
    numbers = {
        "accuracy": float(right.mean()),
        "exact_match": float(right.all(axis=1).mean()),
        "average_precision": scores.macro(rows, "average_precision"),
        **_summary(losses, bins, rows),
        "per_class": rows,
    }
    return Findings(
        numbers=numbers, losses=losses, probabilities=probabilities, answers=answers, table=table, bins=bins
    )


def _summary(losses: np.ndarray, bins: scores.Reliability, rows: list[dict[str, Any]]) -> dict[str, float]:
    return {
        "loss": float(losses.mean()),
        "calibration_error": bins.error,
        **{f"macro_{key}": scores.macro(rows, key) for key in ("precision", "recall", "f1")},
    }
