"""Are the outlines right? The boundary F-score of Csurka 2013 (BMVC, "What is a good evaluation measure for semantic
segmentation?", section 3; as a measure of contours Perazzi 2016, DAVIS, section 4).

A pixel lies on the boundary of its class where one of its four neighbours has another class. Precision is the share of
the predicted boundary of a class that has true boundary of that class within the tolerance, recall the reverse.
"""

import numpy as np

from kcnn.data.masks import IGNORE

TOLERANCE = 0.0075  # of the image's diagonal (Csurka 2013, section 3.2); at least one pixel


def boundary_f(true: np.ndarray, found: np.ndarray, num_classes: int, tolerance: float | None = None) -> np.ndarray:
    """Return the boundary F-score of every class in one image.

    Args:
        true: uint8 (H, W) class ids; pixels labelled 255 have no boundary, and none is looked for in them.
        found: uint8 (H, W) class ids.
        num_classes: at least 1.
        tolerance: pixels, Euclidean; default `TOLERANCE` of the diagonal, at least 1.

    Returns: float64 (classes,) in 0..1; NaN for a class without a boundary in either.
    """
    if tolerance is None:
        tolerance = max(1.0, TOLERANCE * float(np.hypot(*true.shape)))
    ours = boundary(np.where(true == IGNORE, IGNORE, found))
    theirs = boundary(true)
    precision, claimed = _share_near(ours, theirs, num_classes, tolerance)
    recall, present = _share_near(theirs, ours, num_classes, tolerance)
    score = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    return np.where((claimed > 0) | (present > 0), score, np.nan)


def boundary(ids: np.ndarray) -> np.ndarray:
    """Return uint8 (H, W): the class id of pixels on a boundary, `IGNORE` elsewhere."""
    on = np.zeros(ids.shape, bool)
    for one, other in (
        (np.s_[1:], np.s_[:-1]),
        (np.s_[:, 1:], np.s_[:, :-1]),
    ):
        differ = (ids[one] != ids[other]) & (ids[one] != IGNORE) & (ids[other] != IGNORE)
        on[one] |= differ
        on[other] |= differ
    return np.where(on, ids, IGNORE).astype(np.uint8)


def _share_near(
    points: np.ndarray, others: np.ndarray, classes: int, tolerance: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return, per class, the share of its boundary pixels in `points` near one in `others`, and their count."""
    reach = int(tolerance)
    padded = np.pad(others, reach, constant_values=IGNORE)
    rows, columns = np.nonzero(points != IGNORE)
    ids = points[rows, columns]
    near = np.zeros(len(ids), bool)
    for down in range(-reach, reach + 1):
        for right in range(-reach, reach + 1):
            if down * down + right * right <= tolerance * tolerance:
                near |= padded[rows + reach + down, columns + reach + right] == ids
    count = np.bincount(ids, minlength=classes)[:classes]
    hits = np.bincount(ids[near], minlength=classes)[:classes]
    return hits / np.maximum(count, 1), count
