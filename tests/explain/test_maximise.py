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
