"""Logits and gradients of pixels, and every way in which an attack cannot begin."""

import dataclasses

import keras
import numpy as np
import pytest

from kcnn.adversarial import ATTACKS
from kcnn.adversarial.aim import check_eps, whole_pixels
from kcnn.adversarial.victim import Victim, cross_entropy, weighted_sum
from kcnn.data.preprocess import normalise
from kcnn.errors import ConfigError, ShapeError

from . import nets


def test_logits_are_those_of_the_model_on_normalised_pixels():
    victim, images = nets.small(), nets.pictures(nets.COLOUR, 5)
    expected = victim.model(normalise(images, nets.COLOUR)).numpy()
    np.testing.assert_allclose(victim.logits(images), expected, rtol=1e-5)
    batched = dataclasses.replace(victim, batch_size=2)
    np.testing.assert_allclose(batched.logits(images), expected, rtol=1e-5)


def test_gradient_of_a_linear_network_is_its_kernel_in_pixels():
    victim, kernel, _ = nets.linear()
    images = nets.pictures(nets.GRAY)
    weights = np.eye(3, dtype="float32")[[0, 1, 2, 1]]
    slope, _ = victim.gradient(images, weighted_sum, weights)
    np.testing.assert_allclose(slope.reshape(4, -1), kernel.T[[0, 1, 2, 1]], rtol=1e-5)


@pytest.mark.parametrize("order", ["rgb", "bgr"])
def test_gradient_equals_differences(order):
    record = dataclasses.replace(nets.COLOUR, channel_order=order)
    victim = Victim(nets.small().model, record)
    image = nets.pictures(record, 1).astype("float32")
    slope, _ = victim.gradient(image, cross_entropy, np.array([2]))
    for at in [(0, 3, 2, 0), (0, 5, 6, 2)]:
        there, back = image.copy(), image.copy()
        there[at] += 1
        back[at] -= 1
        rise = cross_entropy(victim.logits(there), [2]) - cross_entropy(victim.logits(back), [2])
        assert slope[at] == pytest.approx(float(rise[0]) / 2, rel=0.02)


def test_probabilities_are_taken_for_the_logits_they_come_from():
    victim = nets.small()
    softmax = keras.Model(victim.model.inputs, keras.layers.Softmax(name="p")(victim.model.outputs[0]))
    images = nets.pictures(nets.COLOUR)
    found = Victim(softmax, nets.COLOUR)
    ours, theirs = (v.gradient(images, cross_entropy, np.array([0, 1, 2, 3]))[0] for v in (victim, found))
    np.testing.assert_allclose(theirs, ours, rtol=1e-3, atol=1e-7)


@pytest.mark.parametrize(
    ("images", "said"),
    [
        (np.zeros((0, 4, 5, 1)), "N >= 1"),
        (np.zeros((2, 4, 4, 1)), r"must be \(N, 4, 5, 1\)"),
        (np.zeros((4, 5, 1)), r"must be \(N, 4, 5, 1\)"),
        (np.zeros((2, 4, 5, 3)), r"must be \(N, 4, 5, 1\)"),
    ],
)
def test_images_of_another_shape(images, said):
    with pytest.raises(ShapeError, match=said):
        nets.linear()[0].aim(images)


@pytest.mark.parametrize("value", [-1.0, 255.5, np.nan])
def test_pixels_outside_0_to_255(value):
    images = np.full((1, 4, 5, 1), 7.0)
    images[0, 1, 1, 0] = value
    with pytest.raises(ConfigError, match=r"pixels 0\.\.255"):
        nets.linear()[0].aim(images)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"labels": [0, 3]}, r"0\.\.2: the model has 3 classes"),
        ({"labels": [0, 1], "target": 3}, "target lie in 3..3"),
        ({"labels": [0, 1], "target": -1}, r"target lie in -1"),
        ({"labels": [0.0, 1.0]}, "float64"),
        ({"labels": [0, 1], "target": 1}, "image 1 is its own class 1"),
    ],
)
def test_classes_that_are_not_there(arguments, said):
    with pytest.raises(ConfigError, match=said):
        nets.linear()[0].aim(nets.pictures(nets.GRAY, 2), **arguments)


def test_labels_of_another_length():
    with pytest.raises(ShapeError, match="each of 2 images"):
        nets.linear()[0].aim(nets.pictures(nets.GRAY, 2), labels=[0, 1, 2])


def test_models_that_are_no_classifiers_of_this_image():
    with pytest.raises(ShapeError, match="needs one image"):
        Victim(nets.small().model, nets.GRAY)
    inputs = keras.Input((8, 8, 3))
    with pytest.raises(ShapeError, match="scores of at least two classes"):
        Victim(keras.Model(inputs, keras.layers.Conv2D(4, 3)(inputs)), nets.COLOUR)


@pytest.mark.parametrize("operation", [keras.ops.round, keras.ops.sign, lambda x: keras.ops.cast(x > 0, "float32")])
def test_the_layer_that_stops_gradients_is_named(operation):
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, name="before")(inputs)
    x = keras.layers.Lambda(operation, name="stairs")(x)
    model = keras.Model(inputs, keras.layers.Dense(3)(keras.layers.GlobalAveragePooling2D()(x)))
    victim = Victim(model, nets.COLOUR)
    with pytest.raises(ConfigError, match=r"layer 'stairs' \(Lambda\) has none"):
        victim.gradient(nets.pictures(nets.COLOUR), cross_entropy, np.zeros(4, int))


def test_gradients_that_are_not_finite():
    victim, _, _ = nets.linear()
    victim.model.set_weights([np.full((20, 3), np.nan, "float32"), np.zeros(3, "float32")])
    with pytest.raises(ConfigError, match="not finite"):
        victim.gradient(nets.pictures(nets.GRAY), cross_entropy, np.zeros(4, int))


@pytest.mark.parametrize("method", ATTACKS.entries())
def test_no_attack_works_on_answers_that_are_not_finite(method):
    victim, _, _ = nets.linear()
    images = nets.pictures(nets.GRAY)
    victim.model.set_weights([np.full((20, 3), np.nan, "float32"), np.zeros(3, "float32")])
    with pytest.raises(ConfigError, match="answers or gradients that are not finite"):
        ATTACKS.get(method)(victim.aim(images, [0, 0, 1, 1]))


@pytest.mark.parametrize("eps", [-1, np.nan, np.inf, "8", None, True])
def test_eps_is_a_distance(eps):
    with pytest.raises(ConfigError, match=r"eps is .* but must lie in 0..65025"):
        check_eps(eps)
    assert check_eps(np.float32(8)) == 8


def test_models_whose_input_is_not_known():
    class Own(keras.Model):
        def call(self, x):
            return x

    for model in (Own(), "net.keras"):
        with pytest.raises(ShapeError, match="whose input is not known"):
            Victim(model, nets.COLOUR)


def test_rounding_stays_in_the_ball():
    random = np.random.default_rng(0)
    originals = random.integers(0, 256, (50, 4, 4, 1)).astype("float32")
    for eps, norm in [(0.4, "linf"), (2.7, "linf"), (3.0, "l2"), (0.9, "l2")]:
        change = random.uniform(-1, 1, originals.shape)
        change *= eps / (np.abs(change).max() if norm == "linf" else np.sqrt((change**2).sum((1, 2, 3), keepdims=True)))
        found = whole_pixels(np.clip(originals + change, 0, 255), originals, eps, norm)
        moved = found.astype(float) - originals
        size = np.abs(moved).max() if norm == "linf" else np.sqrt((moved**2).sum((1, 2, 3))).max()
        assert found.dtype == np.uint8
        assert size <= eps
    assert whole_pixels(originals + 0.6, originals).max() == 255
    assert (whole_pixels(originals * 0 + 9.6, originals * 0 + 9) == 10).all()


def test_batch_size_is_checked():
    with pytest.raises(ConfigError, match="batch_size"):
        Victim(nets.small().model, nets.COLOUR, batch_size=0)


def test_whole_pixels_are_refused_where_16_bits_are_kept():
    victim, images = nets.small(), nets.pictures(nets.COLOUR, 2).astype("float32")
    deep = dataclasses.replace(victim, preprocess=dataclasses.replace(victim.preprocess, bit_depth=16))
    with pytest.raises(ConfigError, match=r"preprocess\.bit_depth=16 .* whole=False"):
        deep.aim(images)
    found = ATTACKS.get("fgsm")(deep.aim(images + 1 / 257, whole=False), eps=0.5)
    np.testing.assert_array_equal(found.originals, images + np.float32(1 / 257))
