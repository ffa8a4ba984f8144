"""Activation maximisation: the score rises, and the image is the one that theory says."""

import keras
import numpy as np
import pytest
from keras import layers

from kcnn.errors import ConfigError
from kcnn.explain.maximise import Ascent, _blur, _scales, _to_frequencies, _to_image, maximise
from tests.explain import nets


def linear():
    """Score of class 0: where a plus of weights lies, less the rest; the best image within -1..1 is its sign."""
    model = keras.Sequential([keras.Input((8, 8, 1)), layers.Flatten(), layers.Dense(2, use_bias=False)])
    plus = -np.ones((8, 8))
    plus[3:5] = plus[:, 3:5] = 1
    model.layers[-1].set_weights([np.stack([plus.ravel(), -plus.ravel()], axis=1)])
    return model, plus


def test_a_linear_score_gives_the_sign_of_its_weights():
    model, plus = linear()
    plain = Ascent(steps=100, rate=0.1, decay=0, jitter=0, frequencies=False)
    images, scores = maximise(model, [0, 1], ascent=plain)
    np.testing.assert_allclose(images[0, ..., 0], plus, atol=1e-3)
    np.testing.assert_allclose(images[1, ..., 0], -plus, atol=1e-3)
    assert scores.shape == (2, 101)
    assert scores[:, -1] == pytest.approx([64, 64], rel=1e-3)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"frequencies": False},
        {"frequencies": False, "decay": 0.01, "blur": 4},
        {"blur": 4, "variation": 1.0},
    ],
)
def test_the_score_rises(options):
    images, scores = maximise(nets.twin(), [2, 4], ascent=Ascent(steps=30, rate=0.1, jitter=2, **options))
    assert images.shape == (2, 14, 14, 3)
    assert images.min() >= -1
    assert images.max() <= 1
    assert (scores[:, -1] > scores[:, 0] + 0.1).all()
    again, _ = maximise(nets.twin(), [2, 4], ascent=Ascent(steps=30, rate=0.1, jitter=2, **options))
    np.testing.assert_allclose(again, images, atol=1e-3)


def test_a_channel_of_a_layer_and_a_range():
    how = Ascent(steps=40, rate=0.1, low=0, high=255)
    images, scores = maximise(nets.twin(), 3, layer="3", ascent=how)
    assert images.shape == (1, 14, 14, 3)
    assert images.min() >= 0
    assert 128 < images.max() <= 255
    assert scores[0, -1] > scores[0, 0]


def test_a_rectifier_that_is_off_is_woken():
    # 9 pixels of at most 1 against a threshold of 3: around gray every unit is off, and nothing has a slope.
    threshold = keras.initializers.Constant(-3.0)
    bright = layers.Conv2D(
        1, 3, activation="relu", kernel_initializer="ones", bias_initializer=threshold, name="bright"
    )
    model = keras.Sequential([keras.Input((9, 9, 1)), bright, layers.GlobalMaxPooling2D()])
    for frequencies in (True, False):
        how = Ascent(steps=60, rate=0.1, jitter=0, decay=0, frequencies=frequencies)
        _, scores = maximise(model, 0, layer="bright", ascent=how)
        assert scores[0, 0] == 0
        assert scores[0, -1] > 5  # of 6


def test_a_function_of_the_outputs_and_several_images():
    images, scores = maximise(nets.twin(), lambda outputs: outputs[:, 2], count=2, ascent=Ascent(steps=5))
    alone, expected = maximise(nets.twin(), [2, 2], ascent=Ascent(steps=5))
    np.testing.assert_allclose(images, alone, atol=1e-4)
    np.testing.assert_allclose(scores, expected, atol=1e-4)


def test_a_range_of_each_channel():
    model = keras.Sequential([keras.Input((4, 4, 3)), layers.Flatten(), layers.Dense(1, kernel_initializer="ones")])
    low, high = (-2.0, 0.0, 5.0), (-1.0, 4.0, 6.0)
    plain = Ascent(steps=60, rate=0.1, decay=0, jitter=0, frequencies=False, low=low, high=high, variation=0.1)
    images, _ = maximise(model, 0, ascent=plain)
    np.testing.assert_allclose(images, np.broadcast_to(high, images.shape), atol=1e-3)
    images, _ = maximise(model, 0, ascent=Ascent(steps=5, low=low, high=high))
    assert (images >= low).all()
    assert (images <= high).all()
    with pytest.raises(ConfigError, match="2 values but the images 3 channels"):
        maximise(model, 0, ascent=Ascent(low=(0, 0), high=(1, 1)))
    with pytest.raises(ConfigError, match="low below high"):
        Ascent(low=(0, 1), high=(1, 1))


@pytest.mark.slow
def test_jitter_makes_all_places_alike():
    # The score is one pixel's value: without jitter that pixel alone moves, with it those around it too.
    model = keras.Sequential([keras.Input((9, 9, 1)), layers.Flatten(), layers.Dense(1, use_bias=False)])
    model.layers[-1].set_weights([np.eye(81)[:, 40:41]])
    base = {"steps": 300, "rate": 0.1, "decay": 0, "frequencies": False}
    start = maximise(model, 0, ascent=Ascent(**{**base, "steps": 1, "rate": 1e-9}, jitter=0))[0][0, ..., 0]
    for jitter in (0, 2):
        moved = np.abs(maximise(model, 0, ascent=Ascent(**base, jitter=jitter))[0][0, ..., 0] - start) > 0.3
        assert np.array_equal(moved[4 - jitter : 5 + jitter, 4 - jitter : 5 + jitter], np.ones([2 * jitter + 1] * 2))
        assert moved.sum() == (2 * jitter + 1) ** 2


def test_regularisers_do_what_their_names_say():
    def roughness(image):
        return np.abs(np.diff(image, axis=1)).mean()

    base = {"steps": 30, "rate": 0.1, "jitter": 0, "decay": 0, "frequencies": False}
    plain, *others = (
        maximise(nets.twin(), 2, ascent=Ascent(**{**base, **options}))[0]
        for options in ({}, {"variation": 20.0}, {"blur": 2}, {"decay": 0.2})
    )
    assert roughness(others[0]) < 0.8 * roughness(plain)
    assert roughness(others[1]) < 0.8 * roughness(plain)
    assert np.abs(others[2]).mean() < 0.8 * np.abs(plain).mean()


def test_frequencies_are_a_way_to_write_an_image():
    for shape in ((8, 8, 3), (7, 9, 1)):
        images = np.random.default_rng(0).standard_normal((2, *shape)).astype("float32")
        scale = _scales(shape)
        np.testing.assert_allclose(_to_image(_to_frequencies(images, scale), scale, shape), images, atol=1e-5)


def test_scales_are_one_over_the_frequency():
    scale = _scales((8, 8, 1))
    assert scale.shape == (8, 5)
    assert scale[0, 1] / scale[0, 4] == pytest.approx(4)
    assert scale[0, 1] / scale[3, 4] == pytest.approx(5)  # hypot(3, 4)
    assert scale[0, 0] == scale[0, 1]  # the mean counts as the lowest frequency
    assert (scale**2).mean() == pytest.approx(1)


def test_a_blur_keeps_what_is_constant_and_spreads_a_point():
    np.testing.assert_allclose(_blur(np.ones((1, 6, 6, 1))), 1)
    point = np.zeros((1, 7, 7, 1))
    point[0, 3, 3] = 1
    weights = np.array([1, 4, 6, 4, 1]) / 16
    np.testing.assert_allclose(_blur(point)[0, 1:6, 1:6, 0], np.outer(weights, weights))


def test_mistakes():
    with pytest.raises(ConfigError, match="low below high"):
        Ascent(low=1, high=0)
    with pytest.raises(ConfigError, match="steps is 0"):
        Ascent(steps=0)
    with pytest.raises(ConfigError, match="target is 5"):
        maximise(nets.twin(), 5)
    open_size = keras.Sequential([keras.Input((None, None, 1)), layers.Conv2D(2, 3), layers.GlobalMaxPooling2D()])
    with pytest.raises(ConfigError, match="leaves the image size open"):
        maximise(open_size, 0)
    assert maximise(open_size, 0, image_shape=(9, 9, 1), ascent=Ascent(steps=2))[0].shape == (1, 9, 9, 1)
