"""Numbers about class maps: confusion matrices in, plain values out."""

from typing import Any

import numpy as np

from kcnn.data.masks import IGNORE
from kcnn.tasks.classes import confusion_matrix


def iou(matrix: np.ndarray) -> np.ndarray:
    """Return float64 (classes,) intersection over union; NaN where a class is neither in the masks nor the answers.

    Args:
        matrix: (classes, classes) pixel counts, row = true class, column = predicted class.
    """
    hits = np.diagonal(matrix)
    return _ratio(hits, matrix.sum(axis=0) + matrix.sum(axis=1) - hits)


def mean(values: Any) -> float | None:
    """Return the mean of the numbers among `values` that are not NaN; None where there are none."""
    values = np.asarray(values, "float64")
    kept = values[~np.isnan(values)]
    return float(kept.mean()) if len(kept) else None


def pixel_accuracy(matrix: np.ndarray) -> float | None:
    """Return the share, 0..1, of the pixels in a (classes, classes) matrix whose class is right; None of no pixel."""
    total = int(matrix.sum())
    return float(np.trace(matrix) / total) if total else None


def measure(answers: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Return "pixel_accuracy" and "mean_iou" of class ids; 0 where no pixel is labelled.

    Args:
        answers: uint8 class ids, any shape.
        truth: of the same shape; 255 is not counted.
    """
    labelled = truth[truth != IGNORE]
    classes = int(max(answers.max(initial=0), labelled.max(initial=0))) + 1
    matrix = confusion_matrix(truth, answers, classes)
    return {"pixel_accuracy": pixel_accuracy(matrix) or 0.0, "mean_iou": mean(iou(matrix)) or 0.0}


def summary(matrix: np.ndarray) -> dict[str, float | None]:
    """Return the numbers, 0..1, of a whole split; `matrix` is (classes, classes) pixel counts, row = true class.

    "pixel_accuracy"; "mean_accuracy", the mean of the classes' recall; "mean_iou"; "weighted_iou", in which classes
    count by their pixels (Long 2015, 1411.4038, section 5). Classes that are nowhere are left out of all means.
    """
    share = matrix.sum(axis=1) / max(matrix.sum(), 1)
    return {
        "pixel_accuracy": pixel_accuracy(matrix),
        "mean_accuracy": mean(_ratio(np.diagonal(matrix), matrix.sum(axis=1))),
        "mean_iou": mean(iou(matrix)),
        "weighted_iou": float(np.nansum(share * iou(matrix))),
    }


def per_class(matrix: np.ndarray, boundary: np.ndarray, classes: tuple[str, ...]) -> list[dict[str, Any]]:
    """Return one row a class; None where there is nothing to be right about.

    Args:
        matrix: (classes, classes) pixel counts, row = true class.
        boundary: (classes,) boundary F-scores, NaN where a class has none.
        classes: names.

    Returns: "class", "iou", "precision" and "recall" (shares of claimed and of true pixels that are right),
        "boundary_f", "pixels" and their "share" of the labelled ones.
    """
    pixels = matrix.sum(axis=1)
    columns = {
        "iou": iou(matrix),
        "precision": _ratio(np.diagonal(matrix), matrix.sum(axis=0)),
        "recall": _ratio(np.diagonal(matrix), pixels),
        "boundary_f": boundary,
    }
    return [
        {
            "class": name,
            **{key: None if np.isnan(values[i]) else float(values[i]) for key, values in columns.items()},
            "pixels": int(pixels[i]),
            "share": float(pixels[i] / max(pixels.sum(), 1)),
        }
        for i, name in enumerate(classes)
    ]


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Return part / whole, NaN where whole is 0."""
    return np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0)
