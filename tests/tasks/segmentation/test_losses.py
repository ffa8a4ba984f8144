"""What is minimised, against numbers by hand. Probabilities come from logits log p, so that softmax gives p back."""

import keras
import numpy as np
import pytest

from kcnn.errors import ConfigError
from kcnn.tasks.segmentation.config import SegmentationConfig
from kcnn.tasks.segmentation.losses import loss

ALIKE = np.array([1, 1])
# one image of 1x3 pixels and two classes: probabilities of class 0 are 0.8, 0.4, 0.5; the last pixel is ignored
P0 = np.array([[[0.8, 0.4, 0.5]]])
LOGITS = np.log(np.stack([P0, 1 - P0], axis=-1)).astype("float32")
MASK = np.array([[[0, 1, 255]]], "uint8")


def found(mask=MASK, logits=LOGITS, counts=ALIKE, **config):
    return float(loss(SegmentationConfig(**config), np.asarray(counts))(mask, logits))


def test_cross_entropy_leaves_ignored_pixels_out():
    assert found() == pytest.approx(-(np.log(0.8) + np.log(0.6)) / 2, rel=1e-6)
    shouting = LOGITS.copy()
    shouting[0, 0, 2] = (-50, 50)
    assert found(logits=shouting) == found()


def test_focal_loss_by_hand():
    expected = -(0.2**2 * np.log(0.8) + 0.4**2 * np.log(0.6)) / 2
    assert found(cross_entropy=0.0, focal=1.0) == pytest.approx(expected, rel=1e-5)
    assert found(cross_entropy=0.0, focal=1.0, focal_gamma=0.0) == pytest.approx(found(), rel=1e-6)


def test_focal_loss_is_keras_own():
    rng = np.random.default_rng(0)
    logits, mask = rng.normal(size=(2, 3, 4, 5)).astype("float32"), rng.integers(0, 5, (2, 3, 4))
    own = keras.losses.CategoricalFocalCrossentropy(alpha=1.0, gamma=2.0, from_logits=True)(np.eye(5)[mask], logits)
    assert found(mask, logits, np.ones(5), cross_entropy=0.0, focal=1.0) == pytest.approx(float(own), rel=1e-5)


def test_dice_loss_by_hand():
    # class 0: sum p t = 0.8, sum p = 1.2, sum t = 1; class 1: 0.6, 0.8, 1
    expected = 1 - (2 * 0.8 / 2.2 + 2 * 0.6 / 1.8) / 2
    assert found(cross_entropy=0.0, dice=1.0) == pytest.approx(expected, rel=1e-5)


def test_dice_loss_leaves_absent_classes_out():
    one = np.array([[[0, 0, 255]]], "uint8")  # class 1 is in no pixel: only 2 * 1.2 / (1.2 + 2) counts
    assert found(one, cross_entropy=0.0, dice=1.0) == pytest.approx(1 - 2.4 / 3.2, rel=1e-5)


def test_a_mixture_is_the_weighted_sum():
    parts = found(), found(cross_entropy=0.0, focal=1.0), found(cross_entropy=0.0, dice=1.0)
    mixed = found(cross_entropy=0.5, focal=2.0, dice=0.25)
    assert mixed == pytest.approx(0.5 * parts[0] + 2 * parts[1] + 0.25 * parts[2], rel=1e-6)


def test_balanced_classes_weigh_their_pixels():
    # 30 and 10 pixels: weights 40 / (2 * 30) and 40 / (2 * 10)
    expected = -(2 / 3 * np.log(0.8) + 2 * np.log(0.6)) / 2
    assert found(counts=[30, 10], class_balance=1.0) == pytest.approx(expected, rel=1e-6)
    assert found(counts=[30, 10]) == found()


@pytest.mark.parametrize("part", ["cross_entropy", "focal", "dice"])
def test_every_image_counts_the_same(part):
    masks = np.array([[[0, 1, 255]], [[255, 255, 1]]], "uint8")
    logits, config = np.concatenate([LOGITS, LOGITS]), {"cross_entropy": 0.0, part: 1.0}
    # the second image is one pixel, of probability 0.5: -log p, (1 - p)^2 of that, and 1 - 2 p / (p + 1)
    alone = {"cross_entropy": np.log(2), "focal": np.log(2) / 4, "dice": 1 / 3}[part]
    assert found(masks, logits, **config) == pytest.approx((found(**config) + alone) / 2, rel=1e-5)


@pytest.mark.parametrize("part", ["cross_entropy", "focal", "dice"])
def test_nothing_but_ignored_pixels_has_the_loss_and_gradient_zero(part):
    import tensorflow as tf

    config = SegmentationConfig(**{"cross_entropy": 0.0, part: 1.0}, class_balance=0.5)
    logits = tf.Variable(LOGITS)
    with tf.GradientTape() as tape:
        value = loss(config, ALIKE)(np.full((1, 1, 3), 255, "uint8"), logits)
    assert float(value) == 0
    np.testing.assert_array_equal(tape.gradient(value, logits), np.zeros_like(LOGITS))


@pytest.mark.parametrize("part", ["cross_entropy", "focal", "dice"])
def test_one_class_is_always_right(part):
    config = {"cross_entropy": 0.0, part: 1.0}
    value = found(np.array([[[0, 255, 0]]], "uint8"), np.ones((1, 1, 3, 1), "float32"), [2], **config)
    assert value == pytest.approx(0, abs=1e-6)


def test_half_precision_logits_give_float32_losses():
    import tensorflow as tf

    value = loss(SegmentationConfig(dice=1.0), ALIKE)(MASK, tf.cast(LOGITS, tf.bfloat16))
    assert float(value) == pytest.approx(found(dice=1.0), rel=1e-2)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"cross_entropy": 0.0}, "there is nothing to minimise"),
        ({"dice": -1.0}, r"config\.dice is -1\.0"),
        ({"class_balance": 2.0}, r"config\.class_balance is 2\.0"),
        ({"overlap": 0.95}, r"config\.overlap is 0\.95"),
        ({"scale": (2.0, 1.0)}, "the smaller one first"),
        ({"scales": ()}, r"config\.scales is \(\)"),
        ({"inference": "window"}, "not one of"),
    ],
)
def test_settings_that_cannot_be(config, message):
    with pytest.raises(ConfigError, match=message):
        SegmentationConfig(**config)
