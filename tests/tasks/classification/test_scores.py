"""Numbers about predictions, against scikit-learn and by hand."""

import numpy as np
import pytest
from sklearn import metrics as sklearn
from sklearn.calibration import calibration_curve

from kcnn.tasks.classification import scores
from kcnn.tasks.classification.findings import one_label, several_labels


@pytest.fixture
def predictions():
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 7, 400)
    return labels, rng.normal(0, 1, (400, 7)) + 1.5 * np.eye(7)[labels]


def test_reliability_by_hand():
    # bins of 1/15: 0.95 and 1.0 lie in the last, 0.5 in the eighth (7/15, 8/15]; |1/2 - 0.975| * 2/3 + |1 - 0.5| / 3
    bins = scores.reliability(np.array([0.95, 1.0, 0.5]), np.array([True, False, True]))
    assert bins.count.tolist() == [0] * 7 + [1] + [0] * 6 + [2]
    assert bins.error == pytest.approx(2 / 3 * 0.475 + 1 / 3 * 0.5)
    assert (bins.accuracy[14], bins.confidence[14]) == (0.5, pytest.approx(0.975))


def test_reliability_extremes():
    assert scores.reliability(np.array([1.0, 1.0]), np.array([True, True])).error == 0
    assert scores.reliability(np.array([1.0, 1.0]), np.array([False, False])).error == 1
    assert scores.reliability(np.array([0.0]), np.array([False])).count[0] == 1
    assert scores.reliability(np.array([]), np.array([], bool)).error == 0


def test_reliability_equals_scikit_learns_curve(predictions):
    labels, logits = predictions
    found = one_label(logits, labels, tuple("abcdefg"))
    confidence = found.probabilities.max(axis=1)
    right = found.answers == labels
    accuracy, mean = calibration_curve(right, confidence, n_bins=scores.BINS)
    filled = found.bins.count > 0
    np.testing.assert_allclose(found.bins.accuracy[filled], accuracy)
    np.testing.assert_allclose(found.bins.confidence[filled], mean)


def test_log_softmax_and_log_sigmoid_stand_large_logits():
    # log softmax of (1000, 0) is (0, -1000); log sigmoid of -1000 is -1000, of 1000 is 0, of 0 is -log 2
    np.testing.assert_allclose(scores.log_softmax(np.array([[1000.0, 0.0]])), [[0, -1000]])
    np.testing.assert_allclose(scores.log_sigmoid(np.array([-1000.0, 0.0, 1000.0])), [-1000, -np.log(2), 0])


def test_top_k_accuracy(predictions):
    labels, logits = predictions
    for k in (1, 5, 7):
        expected = sklearn.top_k_accuracy_score(labels, logits, k=k, labels=range(7))
        assert scores.top_k_accuracy(logits, labels, k) == pytest.approx(expected)


def test_per_class_by_hand():
    # class a: 2 of its 3 found, 1 of 3 claims wrong; b: never predicted; c: no examples, claimed once
    rows = scores.per_class(np.array([[2, 1, 1], [0, 0, 2], [0, 1, 0]]), ("a", "b", "c"))
    assert rows[0] == {"class": "a", "precision": 2 / 3, "recall": 2 / 3, "f1": 2 / 3, "support": 3}
    assert rows[1] == {"class": "b", "precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 2}
    assert rows[2] == {"class": "c", "precision": None, "recall": None, "f1": None, "support": 0}
    assert scores.macro(rows, "recall") == pytest.approx(1 / 3)


def test_one_label_equals_scikit_learn(predictions):
    labels, logits = predictions
    found = one_label(logits, labels, tuple("abcdefg"))
    numbers, answers = found.numbers, logits.argmax(1)
    assert numbers["accuracy"] == pytest.approx(sklearn.accuracy_score(labels, answers))
    assert numbers["top5"] == pytest.approx(sklearn.top_k_accuracy_score(labels, logits, k=5))
    assert numbers["loss"] == pytest.approx(sklearn.log_loss(labels, found.probabilities))
    assert numbers["macro_f1"] == pytest.approx(sklearn.f1_score(labels, answers, average="macro"))
    np.testing.assert_array_equal(found.table, sklearn.confusion_matrix(labels, answers))
    columns = sklearn.precision_recall_fscore_support(labels, answers)
    for key, column in zip(("precision", "recall", "f1", "support"), columns, strict=True):
        np.testing.assert_allclose([row[key] for row in numbers["per_class"]], column)
    assert found.losses.mean() == pytest.approx(numbers["loss"])


@pytest.mark.parametrize("num_classes", [1, 2, 5])
def test_top5_only_with_more_than_five_classes(num_classes):
    logits, labels = np.eye(num_classes), np.arange(num_classes)
    numbers = one_label(logits, labels, tuple("abcde"[:num_classes])).numbers
    assert "top5" not in numbers
    assert numbers["accuracy"] == 1


def test_a_single_class_is_always_right():
    found = one_label(np.array([[3.0], [-2.0]]), np.array([0, 0]), ("only",))
    assert (found.numbers["accuracy"], found.numbers["loss"], found.numbers["calibration_error"]) == (1, 0, 0)
    assert found.table.tolist() == [[2]]


def test_an_absent_class_does_not_pull_the_mean_down():
    # classes 0 and 1 are found without fault, class 2 has no example
    found = one_label(10 * np.eye(3)[[0, 1, 1]], np.array([0, 1, 1]), ("a", "b", "absent"))
    assert found.numbers["macro_recall"] == 1
    assert found.numbers["per_class"][2]["recall"] is None
    assert found.table.shape == (3, 3)


def test_several_labels_equal_scikit_learn():
    rng = np.random.default_rng(2)
    labels = rng.integers(0, 2, (300, 4))
    logits = rng.normal(0, 1, (300, 4)) + 2 * labels - 1
    found = several_labels(logits, labels, tuple("abcd"))
    answers, numbers = logits >= 0, found.numbers
    assert numbers["exact_match"] == pytest.approx(sklearn.accuracy_score(labels, answers))
    assert numbers["accuracy"] == pytest.approx(1 - sklearn.hamming_loss(labels, answers))
    assert numbers["average_precision"] == pytest.approx(sklearn.average_precision_score(labels, logits))
    assert numbers["macro_f1"] == pytest.approx(sklearn.f1_score(labels, answers, average="macro"))
    columns = sklearn.multilabel_confusion_matrix(labels, answers)  # (classes, 2, 2): [[tn, fp], [fn, tp]]
    np.testing.assert_array_equal(found.table, np.stack([columns[:, 1, 1], columns[:, 0, 1], columns[:, 1, 0]], axis=1))
    losses = [sklearn.log_loss(labels[:, c], 1 / (1 + np.exp(-logits[:, c]))) for c in range(4)]
    assert numbers["loss"] == pytest.approx(np.mean(losses))


def test_several_labels_of_a_class_nobody_has():
    found = several_labels(np.array([[5.0, -5.0]]), np.array([[1, 0]]), ("sky", "absent"))
    assert found.numbers["per_class"][1]["average_precision"] is None
    assert (found.numbers["average_precision"], found.numbers["exact_match"]) == (1, 1)
