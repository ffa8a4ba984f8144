"""Effective receptive fields against exact bells of linear stacks, and where theory says gradients cannot be."""

import math

import keras
import numpy as np
import pytest
from keras import layers

import kcnn
from kcnn.errors import ConfigError, ShapeError, UnknownNameError
from kcnn.explain import field_figures
from kcnn.explain.effective_field import carried, fit_gaussian, measure
from kcnn.ops import graph
from kcnn.ops.receptive_field import ledger


def linear(depth, kernel=3, side=61, padding="valid"):
    """A stack of equal weights: the gradient of a unit is the box filter, convolved with itself `depth` times."""
    stack = [
        layers.Conv2D(1, kernel, padding=padding, use_bias=False, kernel_initializer="ones", name=f"conv{index}")
        for index in range(depth)
    ]
    return keras.Sequential([keras.Input((side, side, 1)), *stack])


def bell(depth, kernel=3):
    profile = np.ones(1)
    for _ in range(depth):
        profile = np.convolve(profile, np.ones(kernel) / kernel)
    return np.outer(profile, profile)


def test_equal_weights_give_the_exact_bell():
    field = measure(linear(10), "conv9", samples=2)
    np.testing.assert_allclose(field.gradient, bell(10), rtol=1e-4, atol=1e-9)
    assert field.unit == (20, 20)
    assert field.box == (20, 20, 41, 41)
    assert field.centre == pytest.approx((30.5, 30.5))
    assert field.sigma == pytest.approx((math.sqrt(10 * 8 / 12),) * 2, rel=1e-4)  # Luo 2016, section 2.2
    assert field.fit > 0.999
    ranked = np.sort(bell(10).ravel())[::-1]
    fewest = next(n for n in range(1, 442) if ranked[:n].sum() >= 0.95)
    assert field.share == fewest / 441


def test_it_grows_with_the_root_of_the_depth():
    sigmas = [measure(linear(depth), depth - 1, samples=1).sigma[0] for depth in (5, 20)]
    assert sigmas[1] / sigmas[0] == pytest.approx(2, rel=1e-4)


def test_one_layer_of_equal_weights_is_flat():
    field = measure(linear(1, kernel=10), 0, samples=1)
    assert field.share == 0.95
    assert field.sigma == pytest.approx((math.sqrt(99 / 12),) * 2, rel=1e-4)


def test_an_open_size_is_chosen_large_enough():
    field = measure(linear(3, kernel=31, side=None), 2, samples=1)
    assert field.gradient.shape == (91, 91)
    assert field.gradient.min() > 0


def test_nothing_comes_from_outside_the_image():
    field = measure(linear(4, side=12, padding="same"), "conv3", (0, 5), samples=1)
    assert field.box == (-4, 1, 5, 10)
    assert field.gradient[:4].sum() == 0
    assert field.gradient[4:].min() > 0
    assert field.gradient.sum() == pytest.approx(1)
    assert field.centre[0] > 0.5


def test_random_networks_fill_less_than_their_field():
    model = keras.applications.VGG16(weights=None, include_top=False, input_shape=(None, None, 3))
    field = measure(model, "block3_conv3", samples=4, seed=1)
    assert field.gradient.shape == (40, 40)
    assert 0.3 < field.share < 0.9
    assert field.fit > 0.8
    assert all(4 < sigma < 12 for sigma in field.sigma)
    again = measure(model, "block3_conv3", samples=4, seed=1)
    np.testing.assert_allclose(again.gradient, field.gradient, atol=1e-7)


def test_all_of_the_gradient_is_inside_the_box():
    """A change outside the box does not change the unit, one inside does, through pooling, ReLU and normalisation."""
    model = kcnn.build("tiny_mobilenet_v2", image_shape=(96, 96, 3))
    rng = np.random.default_rng(0)
    row = next(i for i, r in enumerate(ledger(model)) if r.name.startswith("stage3") and r.size is not None)
    field = measure(model, row, samples=2)
    y1, x1, y2, x2 = field.box
    image = rng.standard_normal((1, 96, 96, 3)).astype("float32")
    outside, inside = image.copy(), image.copy()
    outside += 1
    outside[:, y1:y2, x1:x2] = image[:, y1:y2, x1:x2]
    inside[:, y1:y2, x1:x2] += rng.standard_normal((1, y2 - y1, x2 - x1, 3))
    values = [np.asarray(graph.run(model, [each], row))[(0, *field.unit)] for each in (image, outside, inside)]
    assert (min(y1, x1) > 0, max(y2, x2) < 96) == (True, True)
    np.testing.assert_allclose(values[1], values[0], atol=1e-5)
    assert np.abs(values[2] - values[0]).max() > 1e-4


def test_a_global_layer_is_measured_on_the_whole_image():
    model = kcnn.build("tiny_lenet5")
    field = measure(model, "logits", samples=3)
    assert (field.unit, field.box) == ((), (0, 0, 28, 28))
    assert field.gradient.shape == (28, 28)


def test_layers_of_nested_models():
    inside = keras.Sequential([keras.Input((9, 9, 1)), layers.Conv2D(1, 3, name="conv")], name="inside")
    inputs = keras.Input((11, 11, 1))
    model = keras.Model(inputs, inside(layers.Conv2D(1, 3, name="first")(inputs)))
    assert measure(model, "inside/conv", samples=1).box == (3, 3, 8, 8)


def test_own_images_are_used():
    model = keras.Sequential([keras.Input((9, 9, 1)), layers.ReLU(), layers.Conv2D(1, 3, kernel_initializer="ones")])
    images = -np.ones((2, 9, 9, 1))
    images[:, :, 4] = 1  # only the middle column passes the ReLU
    field = measure(model, 1, images=images)
    assert field.gradient.tolist() == pytest.approx(np.array([[0, 1 / 3, 0]] * 3))


def test_the_fit_of_known_bells():
    places = np.arange(81) + 0.5
    seen = np.outer(np.exp(-0.5 * ((places - 30) / 6) ** 2), np.exp(-0.5 * ((places - 44) / 3) ** 2))
    centre, sigma, fit = fit_gaussian(seen / seen.sum())
    assert (*centre, *sigma, fit) == pytest.approx((30, 44, 6, 3, 1), rel=1e-3)
    spot = np.zeros((5, 5))
    spot[1, 3] = 1
    assert fit_gaussian(spot) == ((1.5, 3.5), (0, 0), 1)
    assert carried(spot) == 1 / 25
    assert carried(np.full((10, 10), 0.01)) == 0.95


def test_figures():
    """Titles and limits say what was measured; the pictures themselves are looked at by people."""
    field = measure(linear(3), "conv2", samples=1)
    figure = field_figures.effective(field, "three layers")
    picture, across, down = figure.axes
    assert "theoretical field 7 x 7" in picture.get_title()
    assert picture.get_xlim() == (27, 34)
    assert across.get_title(loc="left") == "horizontal: sigma 1.4 pixels"  # sqrt(3 * 8 / 12)
    assert down.get_title(loc="left") == "vertical: sigma 1.4 pixels"
    model = kcnn.build("tiny_resnet", image_shape=(64, 64, 3))
    growth = field_figures.growth(ledger(model), "tiny_resnet", (64, 64))
    assert [text.get_text() for text in growth.axes[0].texts] == ["image, 64 pixels", "75 pixels"]
    assert [text.get_text() for text in growth.axes[0].get_legend().get_texts()] == ["1", "2", "4", "8", "16", "32"]
    for each in (figure, growth):
        each.canvas.draw()
    with pytest.raises(ConfigError, match="no receptive field to draw"):
        field_figures.growth(ledger(kcnn.build("tiny_mlp")), "mlp", (28, 28))


def test_what_cannot_be_measured():
    dead = keras.Sequential([keras.Input((9, 9, 1)), layers.Conv2D(1, 3, kernel_initializer="zeros", name="dead")])
    with pytest.raises(ConfigError, match="no finite gradient of layer 'dead'"):
        measure(dead, "dead", samples=1)
    with pytest.raises(UnknownNameError):
        measure(dead, "alive")
    with pytest.raises(ShapeError, match="is not on the map"):
        measure(dead, "dead", (7, 0), samples=1)
    with pytest.raises(ConfigError, match="samples is 0"):
        measure(dead, "dead", samples=0)
    with pytest.raises(ShapeError, match="measured on one image"):
        measure(keras.Sequential([keras.Input((9, 1)), layers.Conv1D(1, 3)]), 0)
