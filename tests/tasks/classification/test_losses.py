"""What is minimised, against formulas by hand."""

import keras
import numpy as np
import pytest

from kcnn.errors import ConfigError
from kcnn.models import build
from kcnn.tasks.classes import balanced_weights
from kcnn.tasks.classification.config import ClassificationConfig
from kcnn.tasks.classification.losses import compile_model, loss, metrics

from .sources import recipe

TARGETS = np.array([[1, 0, 0], [0, 0, 1]], "float32")
LOGITS = np.array([[2.0, 1.0, 0.0], [0.5, 0.0, 1.5]], "float32")
LOG_P = LOGITS - np.log(np.exp(LOGITS).sum(1, keepdims=True))


def test_plain_cross_entropy():
    expected = -(LOG_P[0, 0] + LOG_P[1, 2]) / 2
    assert float(loss(ClassificationConfig(), np.ones(3))(TARGETS, LOGITS)) == pytest.approx(expected, rel=1e-6)


def test_label_smoothing_spreads_the_target():
    smooth = TARGETS * 0.7 + 0.1  # 0.3 / 3 classes
    expected = -(smooth * LOG_P).sum(1).mean()
    assert float(loss(ClassificationConfig(label_smoothing=0.3), np.ones(3))(TARGETS, LOGITS)) == pytest.approx(
        expected
    )


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_class_weights_weigh_each_example(smoothing):
    weights = balanced_weights(np.array([6, 0, 2]))
    smooth = TARGETS * (1 - smoothing) + smoothing / 3
    each = -(smooth * LOG_P).sum(1) * [weights[0], weights[2]]
    config = ClassificationConfig(class_weights="balanced", label_smoothing=smoothing)
    assert float(loss(config, np.array([6, 0, 2]))(TARGETS, LOGITS)) == pytest.approx(each.mean(), rel=1e-6)


def test_a_mixed_target_has_the_mean_weight():
    mixed = np.array([[0.25, 0, 0.75]], "float32")
    weight = 0.25 * 8 / 12 + 0.75 * 2
    expected = -(mixed * LOG_P[:1]).sum() * weight
    found = loss(ClassificationConfig(class_weights="balanced"), np.array([6, 0, 2]))(mixed, LOGITS[:1])
    assert float(found) == pytest.approx(expected, rel=1e-6)


def test_several_labels_take_binary_cross_entropy():
    targets = np.array([[1, 0, 1], [0, 0, 0]], "float32")
    p = 1 / (1 + np.exp(-LOGITS))
    expected = -np.mean(targets * np.log(p) + (1 - targets) * np.log(1 - p))
    assert float(loss(ClassificationConfig(multi_label=True), np.ones(3))(targets, LOGITS)) == pytest.approx(expected)


def test_the_loss_of_one_class_is_zero():
    assert float(loss(ClassificationConfig(), np.array([3]))(np.ones((4, 1)), np.ones((4, 1)))) == 0


@pytest.mark.parametrize(("num_classes", "names"), [(5, ["accuracy"]), (6, ["accuracy", "top5"])])
def test_top5_is_a_metric_of_more_than_five_classes(num_classes, names):
    assert [metric.name for metric in metrics(ClassificationConfig(), num_classes)] == names


def test_metrics_by_hand():
    accuracy, top5 = metrics(ClassificationConfig(), 7)
    targets, logits = np.eye(7)[[0, 6]], np.array([[9.0, 5, 4, 3, 2, 1, 0]] * 2, "float32")
    assert float(accuracy(targets, logits)) == 0.5
    assert float(top5(targets, logits)) == 0.5  # the second example's class is the last of seven
    several, _ = metrics(ClassificationConfig(multi_label=True), 2)
    assert float(several(np.array([[1, 0], [1, 1]]), np.array([[0.1, -0.1], [-3.0, 2.0]]))) == 0.75


def test_average_precision_of_the_training_log():
    _, precision = metrics(ClassificationConfig(multi_label=True), 2)
    targets = np.array([[1, 0], [0, 1], [1, 0]], "float32")
    assert float(precision(targets, np.where(targets, 4.0, -4.0))) == pytest.approx(1, abs=1e-3)
    precision.reset_state()
    assert float(precision(targets, np.where(targets, -4.0, 4.0))) < 0.6


def test_compile_sets_what_the_recipe_says():
    model = build("tiny_lenet5", num_classes=6, image_shape=(16, 16, 1))
    compile_model(model, recipe(class_weights="balanced"), 10, np.ones(6, "int64"))
    assert isinstance(model.optimizer, keras.optimizers.SGD)
    assert model.loss.name == "weighted_cross_entropy"
    results = model.evaluate(np.zeros((2, 16, 16, 1)), np.eye(6)[[0, 1]], verbose=0, return_dict=True)
    assert set(results) == {"loss", "accuracy", "top5"}


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({"label_smoothing": 1.0}, "label_smoothing"),
        ({"label_smoothing": -0.1}, "label_smoothing"),
        ({"mixup": -1.0}, "mixup"),
        ({"cutmix": float("nan")}, "cutmix"),
        ({"crop_padding": -1}, "crop_padding"),
        ({"erasing": 1.1}, "erasing"),
        ({"colour": -0.1}, "colour"),
        ({"randaugment": -1}, "randaugment"),
        ({"randaugment_magnitude": 11.0}, "randaugment_magnitude"),
        ({"multi_label": True, "class_weights": "balanced"}, "class_weights"),
    ],
)
def test_settings_out_of_range(values, name):
    with pytest.raises(ConfigError, match=f"config.{name}"):
        ClassificationConfig(**values)
