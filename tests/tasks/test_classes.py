"""Counting and weighing classes, by hand and as scikit-learn does it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn import metrics as sklearn
from sklearn.utils.class_weight import compute_class_weight

from kcnn.data.source import Info
from kcnn.data.splits import array_split
from kcnn.errors import ConfigError
from kcnn.recipe import Model, Recipe
from kcnn.tasks.classes import balanced_weights, check_num_classes, confusion_matrix, count_labels

INFO = Info(name="made", splits={"train": 3}, classes=("a", "b", "c"))


def test_balanced_weights_by_hand_and_as_scikit_learn():
    # N / (K n_c) with N = 8, K = 2 present classes: 8 / (2 * 6), 8 / (2 * 2); the absent class gets 0
    np.testing.assert_allclose(balanced_weights(np.array([6, 0, 2])), [8 / 12, 0, 2])
    labels = np.repeat([0, 1, 2], [5, 50, 45])
    expected = compute_class_weight("balanced", classes=np.arange(3), y=labels)
    np.testing.assert_allclose(balanced_weights(np.bincount(labels)), expected, rtol=1e-6)


def test_half_balanced_weights_by_hand():
    # 1 / sqrt(16), 1 / sqrt(4) scaled by 20 / (16/4 + 4/2) = 20 / 6
    np.testing.assert_allclose(balanced_weights(np.array([16, 4]), 0.5), [20 / 24, 20 / 12], rtol=1e-6)
    np.testing.assert_allclose(balanced_weights(np.array([16, 4]), 0.0), [1, 1])


@pytest.mark.parametrize("power", [0, 0.3, 1])
def test_the_mean_weight_over_the_examples_is_one(power):
    assert np.average(balanced_weights([5, 50, 45], power), weights=[5, 50, 45]) == pytest.approx(1)


@given(arrays.arrays("int64", 20, elements=st.sampled_from([0, 1, 2, 255])), st.data())
def test_confusion_matrix_is_scikit_learns_without_what_is_ignored(true, data):
    predicted = data.draw(arrays.arrays("int64", 20, elements=st.integers(0, 2)))
    found = confusion_matrix(true.reshape(4, 5), predicted.reshape(4, 5), 3)
    kept = true != 255
    expected = sklearn.confusion_matrix(true[kept], predicted[kept], labels=[0, 1, 2]) if kept.any() else np.zeros(9)
    np.testing.assert_array_equal(found, np.reshape(expected, (3, 3)))


def test_labels_are_counted_per_class():
    ids = array_split(np.zeros((3, 2, 2, 1), "uint8"), np.array([2, 0, 2], "int32"), "train")
    assert count_labels(Recipe(name="x"), INFO, ids).tolist() == [1, 0, 2]
    several = array_split(np.zeros((2, 2, 2, 1), "uint8"), np.array([[1, 0, 1], [1, 0, 0]], "uint8"), "train")
    assert count_labels(Recipe(name="x"), INFO, several).tolist() == [2, 0, 1]


def test_another_number_of_classes_is_refused():
    check_num_classes(Recipe(name="x", model=Model(num_classes=3)), INFO)
    with pytest.raises(ConfigError, match=r"model\.num_classes is 4 but made has 3 classes"):
        check_num_classes(Recipe(name="x", model=Model(num_classes=4)), INFO)
