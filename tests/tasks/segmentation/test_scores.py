"""Numbers about class maps, worked by hand."""

import numpy as np
import pytest

from kcnn.tasks.segmentation.scores import iou, measure, per_class, summary

# three classes: 4 pixels of class 0 (3 right, one taken for 1), 2 of class 1 (both right), class 2 nowhere
MATRIX = np.array([[3, 1, 0], [0, 2, 0], [0, 0, 0]])


def test_iou_of_a_class_that_is_nowhere_is_no_number():
    np.testing.assert_allclose(iou(MATRIX), [3 / 4, 2 / 3, np.nan])
    np.testing.assert_allclose(iou(np.array([[1, 1], [0, 0]])), [1 / 2, 0])  # class 1 is claimed, never there


def test_summary_by_hand():
    expected = {
        "pixel_accuracy": 5 / 6,
        "mean_accuracy": (3 / 4 + 1) / 2,
        "mean_iou": (3 / 4 + 2 / 3) / 2,
        "weighted_iou": 4 / 6 * 3 / 4 + 2 / 6 * 2 / 3,
    }
    assert summary(MATRIX) == pytest.approx(expected)


def test_one_class_alone():
    expected = {"pixel_accuracy": 1, "mean_accuracy": 1, "mean_iou": 1, "weighted_iou": 1}
    assert summary(np.array([[7]])) == pytest.approx(expected)


def test_rows_of_the_classes():
    rows = per_class(MATRIX, np.array([0.5, np.nan, np.nan]), ("sky", "road", "car"))
    assert rows[0] == pytest.approx(
        {"class": "sky", "iou": 3 / 4, "precision": 1, "recall": 3 / 4, "boundary_f": 0.5, "pixels": 4, "share": 4 / 6}
    )
    assert (rows[1]["precision"], rows[1]["recall"], rows[1]["boundary_f"]) == (pytest.approx(2 / 3), 1, None)
    nowhere = {"iou": None, "precision": None, "recall": None, "boundary_f": None, "pixels": 0, "share": 0}
    assert rows[2] == {"class": "car", **nowhere}


def test_measure_leaves_ignored_pixels_out():
    truth, answers = np.array([0, 0, 1, 255, 255], "uint8"), np.array([0, 1, 1, 5, 0], "uint8")
    # class 0: 1 of 2; class 1: 1 of 2; class 5 is claimed in an ignored pixel only
    assert measure(answers, truth) == pytest.approx({"pixel_accuracy": 2 / 3, "mean_iou": (1 / 2 + 1 / 2) / 2})
    assert measure(answers, np.full(5, 255, "uint8")) == {"pixel_accuracy": 0.0, "mean_iou": 0.0}
