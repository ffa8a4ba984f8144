"""The metric of training against NumPy, Keras, and numbers by hand; on two replicas too."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kcnn.tasks.segmentation.metrics import Overlap


def logits_of(ids, classes):
    return np.eye(classes, dtype="float32")[ids]


def numbers(metric):
    return {name: float(value) for name, value in metric.result().items()}


def by_numpy(true, found, classes):
    """The definition, pixel by pixel: an independent confusion matrix and its ratios."""
    matrix = np.zeros((classes, classes))
    for t, f in zip(true.ravel(), found.ravel(), strict=True):
        if t != 255:
            matrix[t, f] += 1
    each = [
        matrix[c, c] / (matrix[c].sum() + matrix[:, c].sum() - matrix[c, c])
        for c in range(classes)
        if matrix[c].sum() + matrix[:, c].sum() > 0
    ]
    total = matrix.sum()
    return {"pixel_accuracy": np.trace(matrix) / total if total else 0.0, "mean_iou": np.mean(each) if each else 0.0}


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_it_equals_an_independent_confusion_matrix(classes, seed):
    rng = np.random.default_rng(seed)
    metric, seen = Overlap(classes), []
    for size in (1, 3):
        true = rng.choice([*range(classes), 255], (size, 3, 4)).astype("uint8")
        found = rng.integers(0, classes, (size, 3, 4))
        metric.update_state(true, logits_of(found, classes))
        seen.append((true.ravel(), found.ravel()))
    true, found = (np.concatenate(part) for part in zip(*seen, strict=True))
    assert numbers(metric) == pytest.approx(by_numpy(true, found, classes), abs=1e-6)
    own = keras.metrics.MeanIoU(classes, ignore_class=255)
    own.update_state(true.astype("int32"), found)
    assert numbers(metric)["mean_iou"] == pytest.approx(float(own.result()), abs=1e-6)


def test_ignored_and_absent_classes_by_hand():
    # class 0: 2 hits, 1 claimed wrongly; class 1: 1 hit, 1 missed; class 2 is nowhere; the last pixel is ignored
    metric = Overlap(3)
    metric.update_state(np.array([[[0, 0, 1, 1, 255]]], "uint8"), logits_of(np.array([[[0, 0, 0, 1, 2]]]), 3))
    assert numbers(metric) == pytest.approx({"pixel_accuracy": 3 / 4, "mean_iou": (2 / 3 + 1 / 2) / 2})


def test_a_class_that_is_only_claimed_counts_as_nothing_found():
    metric = Overlap(2)
    metric.update_state(np.array([[[0, 0]]]), logits_of(np.array([[[0, 1]]]), 2))
    assert numbers(metric)["mean_iou"] == pytest.approx((1 / 2 + 0) / 2)


def test_one_class_and_no_pixel_at_all():
    metric = Overlap(1)
    assert numbers(metric) == {"pixel_accuracy": 0, "mean_iou": 0}
    metric.update_state(np.full((1, 2, 2), 255), np.ones((1, 2, 2, 1)))
    assert numbers(metric) == {"pixel_accuracy": 0, "mean_iou": 0}
    metric.update_state(np.zeros((1, 2, 2), "uint8"), np.ones((1, 2, 2, 1)))
    assert numbers(metric) == {"pixel_accuracy": 1, "mean_iou": 1}


def test_large_sums_stay_exact():
    metric = Overlap(2)
    metric.matrix.assign([[2**53, 0], [0, 1]])
    metric.update_state(np.ones((1, 1, 1), "uint8"), logits_of(np.array([[[1]]]), 2))
    assert metric.matrix.numpy().tolist() == [[2**53, 0], [0, 2]]


def test_fit_shows_both_numbers():
    model = keras.Sequential([keras.Input((2, 2, 3)), keras.layers.Conv2D(3, 1)])
    model.compile("sgd", loss=lambda t, p: keras.ops.mean(p), metrics=[Overlap(3)])
    images, masks = np.ones((4, 2, 2, 3), "float32"), np.full((4, 2, 2), 1, "uint8")
    logs = model.fit(images, masks, validation_data=(images, masks), verbose=0).history
    assert set(logs) == {"loss", "pixel_accuracy", "mean_iou", "val_loss", "val_pixel_accuracy", "val_mean_iou"}
