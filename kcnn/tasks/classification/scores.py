"""Numbers about predictions: arrays in, plain values out, no model and no files.

All of them equal scikit-learn's where it has them; unlike it they stand absent classes and data of a single class.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn import metrics as sklearn

BINS = 15


@dataclass(frozen=True)
class Reliability:
    """Confidence against reality in `BINS` equal bins of (0, 1] (Guo 2017, 1706.04599, section 2).

    Attributes:
        count: (BINS,) predictions whose confidence lies in the bin.
        confidence: (BINS,) their mean confidence, 0 where there is none.
        accuracy: (BINS,) the share of them that is right, 0 where there is none.
        error: expected calibration error, the mean of |accuracy - confidence| weighted by count, 0..1.
    """

    count: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray
    error: float


def reliability(confidence: np.ndarray, right: np.ndarray) -> Reliability:
    """Sort predictions into bins of confidence.

    Args:
        confidence: (N,) probability of the answer that was given, 0..1.
        right: (N,) bool, whether it was true.
    """
    upper_edges = np.linspace(0, 1, BINS + 1)[1:-1]
    bins = np.searchsorted(upper_edges, confidence)  # (a, b]: an edge belongs to the bin below it
    count = np.bincount(bins, minlength=BINS)
    filled = np.maximum(count, 1)
    mean_confidence = np.bincount(bins, weights=confidence, minlength=BINS) / filled
    accuracy = np.bincount(bins, weights=right, minlength=BINS) / filled
    error = float(np.sum(count * np.abs(accuracy - mean_confidence)) / max(count.sum(), 1))
    return Reliability(count, mean_confidence, accuracy, error)


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Return (N, classes) float64 log-probabilities of (N, classes) logits."""
    shifted = np.asarray(logits, "float64") - np.max(logits, axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def log_sigmoid(logits: np.ndarray) -> np.ndarray:
    """Return the float64 log of 1 / (1 + exp(-logits)), without overflow."""
    return -np.logaddexp(0, -np.asarray(logits, "float64"))


def top_k_accuracy(scores: np.ndarray, labels: np.ndarray, k: int) -> float:
    """Return the share of examples with fewer than `k` classes scored above the true one.

    Args:
        scores: (N, classes), larger is better; N at least 1.
        labels: (N,) class ids.
        k: at least 1.
    """
    true_score = np.take_along_axis(scores, labels[:, None], axis=1)
    return float(np.mean((scores > true_score).sum(axis=1) < k))


def per_class(counts: np.ndarray, classes: tuple[str, ...]) -> list[dict[str, Any]]:
    """Return precision, recall, F1 (0..1) and support of every class, in order.

    A class that is never predicted has precision 0. A class without examples has None for all three: there is
    nothing to be right about.

    Args:
        counts: (classes, 3) true positives, false positives, false negatives, as from `outcome_counts`.
        classes: names.
    """
    rows = []
    for name, (hits, false_alarms, misses) in zip(classes, np.asarray(counts).tolist(), strict=True):
        support = hits + misses
        rows.append(
            {
                "class": name,
                "precision": hits / max(hits + false_alarms, 1) if support else None,
                "recall": hits / support if support else None,
                "f1": 2 * hits / (2 * hits + false_alarms + misses) if support else None,
                "support": support,
            }
        )
    return rows


def macro(rows: list[dict[str, Any]], key: str) -> float:
    """Return the plain mean of one number of `per_class` over the classes that have examples."""
    return float(np.mean([row[key] for row in rows if row[key] is not None] or [0.0]))


def outcome_counts(true: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Return (classes, 3) counts of true positives, false positives and false negatives.

    Args:
        true, predicted: (N, classes) of 0 and 1; class ids as rows of an identity matrix.
    """
    true, predicted = np.asarray(true, bool), np.asarray(predicted, bool)
    return np.stack([(true & predicted).sum(0), (~true & predicted).sum(0), (true & ~predicted).sum(0)], axis=1)


def average_precision(true: np.ndarray, scores: np.ndarray) -> list[float | None]:
    """Return the area under each class's precision-recall curve; None where no example has the class.

    Args:
        true: (N, classes) of 0 and 1.
        scores: (N, classes), larger is surer.
    """
    columns = zip(true.T, scores.T, strict=True)
    return [float(sklearn.average_precision_score(t, s)) if t.any() else None for t, s in columns]
