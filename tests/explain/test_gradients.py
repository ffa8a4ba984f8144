"""Slopes of scores: equal to captum's, complete, and a deconvnet built by hand."""

import keras
import numpy as np
import pytest
from keras import layers

from kcnn.errors import ConfigError, ShapeError
from kcnn.explain.deconvnet import deconvnet
from kcnn.explain.guided_backprop import guided_backprop
from kcnn.explain.integrated_gradients import gap, integrated_gradients
from kcnn.explain.saliency import saliency
from kcnn.explain.smooth_grad import smooth_grad
from kcnn.layers.unpool import MaxPoolingWithPositions, MaxUnpooling
from kcnn.testing import formula
from tests.explain import nets

METHODS = [saliency, smooth_grad, integrated_gradients, guided_backprop, deconvnet]


@pytest.mark.parametrize(
    ("method", "options"),
    [(saliency, {}), (integrated_gradients, {"steps": 32}), (guided_backprop, {}), (deconvnet, {})],
)
def test_equal_to_captum(method, options):
    found = method(nets.twin(), nets.images(), nets.TARGETS, **options)
    nets.assert_captums(found, method.__name__)


def test_a_unit_of_a_layer_equals_captums():
    model, unit = nets.twin(), (slice(None), 1, 3, 2)
    target = lambda outputs: outputs[unit]  # noqa: E731
    found = deconvnet(model, nets.images(), target, layer="3")
    nets.assert_captums(found, "deconvnet_unit")


def test_the_three_ways_back_differ():
    model, images = nets.twin(), nets.images()
    maps = [method(model, images, 1) for method in (saliency, guided_backprop, deconvnet)]
    for one in range(3):
        assert np.abs(maps[one] - maps[one - 1]).max() > 0.01


def test_deconvnet_is_switches_rectifiers_and_transposed_kernels():
    # Zeiler 2014, section 2.1, step by step with our own unpooling and a transposed convolution.
    image = formula.images((8, 8, 1), 1)
    kernel = formula.torch_values("kernel", (3, 1, 3, 3)).transpose(2, 3, 1, 0)
    inputs = keras.Input((8, 8, 1))
    maps = layers.Conv2D(3, 3, padding="same", use_bias=False, name="conv")(inputs)
    maxima = layers.MaxPooling2D(2, name="pool")(layers.ReLU(name="relu")(maps))
    model = keras.Model(inputs, maxima)
    model.get_layer("conv").set_weights([kernel])
    found = deconvnet(model, image, 1, layer="pool")

    pooled = model(image).numpy()
    strongest = np.unravel_index(pooled[0, ..., 1].argmax(), pooled.shape[1:3])
    signal = np.zeros_like(pooled)
    signal[0, strongest[0], strongest[1], 1] = 1
    rectified = np.maximum(keras.ops.conv(image, kernel, padding="same"), 0)
    _, switches = MaxPoolingWithPositions()(rectified)
    unpooled = np.maximum(MaxUnpooling()([signal, switches]), 0)
    expected = keras.ops.conv_transpose(unpooled, kernel, padding="same")
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert np.count_nonzero(found) > 4


def test_integrated_gradients_are_complete():
    # Proposition 1: they sum to the difference of the scores.
    model, images = nets.twin(), nets.images()
    found = integrated_gradients(model, images, 2, baseline=0.5, steps=300)
    missed = gap(model, images, found, 2, baseline=0.5)
    risen = model(images).numpy()[:, 2] - model(np.full_like(images, 0.5)).numpy()[:, 2]
    np.testing.assert_allclose(found.sum(axis=(1, 2, 3)), risen, atol=1e-3)
    np.testing.assert_allclose(missed, found.sum(axis=(1, 2, 3)) - risen, atol=1e-6)
    assert np.abs(risen).min() > 0.01


def test_the_gap_is_of_attributions_of_these_images():
    model, images = nets.twin(), nets.images()
    found = np.zeros_like(images)
    for wrong in (found[:1], found[0], found[..., :1], found.sum(axis=(1, 2, 3))):
        with pytest.raises(ShapeError, match="attributions are"):
            gap(model, images, wrong, 2)
    with pytest.raises(ConfigError, match="attributions must be finite"):
        gap(model, images, found + np.inf, 2)


def test_a_baseline_of_each_channel_is_that_image():
    model, images, colour = nets.twin(), nets.images(), np.array([0.5, -0.5, 0.25], "float32")
    found = integrated_gradients(model, images, 1, baseline=colour, steps=3)
    image = np.broadcast_to(colour, (14, 14, 3))
    np.testing.assert_array_equal(found, integrated_gradients(model, images, 1, baseline=image, steps=3))
    assert np.abs(found - integrated_gradients(model, images, 1, steps=3)).max() > 1e-4


def test_smooth_grad_without_noise_is_saliency_and_noise_is_repeatable():
    model, images = nets.twin(), nets.images()
    np.testing.assert_allclose(smooth_grad(model, images, 1, noise=0.0, samples=2), saliency(model, images, 1))
    noisy = smooth_grad(model, images, 1, samples=3, seed=4)
    np.testing.assert_array_equal(noisy, smooth_grad(model, images, 1, samples=3, seed=4, batch_size=2))
    assert np.abs(noisy - saliency(model, images, 1)).max() > 1e-3


def test_smooth_grad_has_the_spread_of_its_noise():
    # Score sum x^2 has slopes 2 x: of n copies their mean is 2 x, its variance 4 spread^2 / n.
    inputs = keras.Input((20, 20, 3))
    squares = layers.Flatten()(layers.Multiply()([inputs, inputs]))
    model = keras.Model(inputs, layers.Dense(1, use_bias=False, kernel_initializer="ones")(squares))
    images = np.random.default_rng(0).uniform(-3, 3, (2, 20, 20, 3)).astype("float32")
    images[:, 0, 0, 0], images[:, 0, 0, 1] = -3, 3  # a range of 6
    away = smooth_grad(model, images, 0, noise=0.1, samples=4) - 2 * images
    assert away.std() == pytest.approx(2 * 0.6 / np.sqrt(4), rel=0.05)
    assert away.mean() == pytest.approx(0, abs=0.05)


def test_a_relu6_is_closed_above_6():
    model = keras.Sequential([keras.Input((1, 1, 3)), layers.ReLU(max_value=6), layers.Flatten()])
    image = np.array([-1.0, 3.0, 9.0], "float32").reshape(1, 1, 1, 3)
    for channel, (guided, back) in enumerate([(0, 1), (1, 1), (0, 1)]):
        assert guided_backprop(model, image, channel)[0, 0, 0, channel] == guided
        assert deconvnet(model, image, channel)[0, 0, 0, channel] == back


def test_a_linear_model_has_its_weights_as_slopes():
    model = keras.Sequential([keras.Input((4, 4, 2)), layers.Flatten(), layers.Dense(3)])
    kernel = model.layers[-1].get_weights()[0]
    images = formula.images((4, 4, 2), 5)
    for target in range(3):
        found = saliency(model, images, target, batch_size=2)
        np.testing.assert_allclose(found, np.broadcast_to(kernel[:, target].reshape(1, 4, 4, 2), found.shape))
    best = model(images).numpy().argmax(axis=1)
    np.testing.assert_allclose(saliency(model, images), kernel.T[best].reshape(5, 4, 4, 2))


def test_a_network_without_rectifiers_has_no_guided_slopes():
    model = keras.Sequential([keras.Input((4, 4, 2)), layers.Conv2D(2, 3, activation="tanh"), layers.Flatten()])
    with pytest.raises(ConfigError, match="no ReLU before the score"):
        guided_backprop(model, formula.images((4, 4, 2)), 0)


@pytest.mark.parametrize("method", METHODS)
def test_the_model_is_left_as_it_was(method):
    model, images = nets.twin(), nets.images()
    before = [weight.copy() for weight in model.get_weights()]
    config = model.to_json()
    method(model, images, 1)
    assert model.to_json() == config
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    nets.assert_captums(saliency(model, images, nets.TARGETS), "saliency")


@pytest.mark.parametrize("method", METHODS)
def test_what_is_no_number_is_found(method):
    model = nets.twin()
    weights = model.get_weights()
    weights[0][0, 0, 0, 0] = np.nan
    model.set_weights(weights)
    with pytest.raises(ConfigError, match="NaN or infinite"):
        method(model, nets.images(), 1)


def test_a_baseline_must_fit():
    with pytest.raises(ShapeError, match="baseline is"):
        integrated_gradients(nets.twin(), nets.images(), 1, baseline=np.zeros((3, 3, 3)))
    with pytest.raises(ShapeError, match="baseline is"):  # would broadcast to (N, 14, 14, 3)
        integrated_gradients(nets.twin(), nets.images(), 1, baseline=np.zeros((14, 1)))
    with pytest.raises(ConfigError, match="baseline must be finite"):
        integrated_gradients(nets.twin(), nets.images(), 1, baseline=[0, np.nan, 0])
    with pytest.raises(ConfigError, match="noise is -1"):
        smooth_grad(nets.twin(), nets.images(), 1, noise=-1)
