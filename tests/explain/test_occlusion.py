"""Occlusion: captum's values, a planted object, and memory that the number of windows does not raise."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kcnn.errors import ConfigError, ShapeError
from kcnn.explain.occlusion import corners_of, mean_of_windows, occlusion
from tests.explain import nets


def test_equal_to_captum():
    found = occlusion(nets.twin(), nets.images(), nets.TARGETS, window=(5, 4), stride=(3, 2), fill=0.25)
    nets.assert_captums(found, "occlusion")


def test_the_peak_lies_on_the_planted_object():
    # The score is the brightest 4 x 4 square: only where it lies does covering lower it, and then by all of it.
    images = np.zeros((3, 24, 24, 1), "float32")
    places = [(6, 7), (13, 14), (8, 12)]
    for image, (y, x) in zip(images, places, strict=True):
        image[y : y + 4, x : x + 4] = 1
    found = occlusion(nets.blob_net(), images, 1, window=6, stride=1, batch_size=7)
    for map_, (y, x) in zip(found, places, strict=True):
        row, column = np.unravel_index(map_.argmax(), map_.shape)
        assert y <= row < y + 4
        assert x <= column < x + 4
    assert found[0, 16:, 17:].max() == 0
    alone = occlusion(nets.blob_net(), images[:1], 1, window=24, stride=24)
    np.testing.assert_array_equal(alone, np.full((1, 24, 24), 16))


def test_batches_are_never_larger_and_change_nothing():
    sizes = []

    class Watched(keras.layers.Layer):
        def call(self, inputs):
            return tf.ensure_shape(tf.py_function(watch, [inputs], tf.float32), (None, 3))

        def compute_output_spec(self, inputs):
            return keras.KerasTensor((None, 3))

    def watch(inputs):
        sizes.append(len(inputs))
        return keras.ops.mean(inputs, axis=(1, 2))

    model, images = nets.twin(), nets.images()
    expected = occlusion(model, images, 2, window=5, stride=2, batch_size=1)
    np.testing.assert_allclose(occlusion(model, images, 2, window=5, stride=2, batch_size=7), expected, atol=1e-6)
    inputs = keras.Input((14, 14, 3))
    occlusion(keras.Model(inputs, Watched()(inputs)), images, lambda outputs: outputs[:, 0], window=2, stride=1)
    assert max(sizes) == 16
    assert sum(sizes) == 2 * (1 + 13 * 13)


def test_the_fill_may_differ_by_channel():
    model, images = nets.twin(), nets.images()
    gray = occlusion(model, images, 2, window=7, stride=7, fill=0.5)
    np.testing.assert_array_equal(occlusion(model, images, 2, window=7, stride=7, fill=[0.5, 0.5, 0.5]), gray)
    assert not np.array_equal(occlusion(model, images, 2, window=7, stride=7, fill=[0.5, 0, 0]), gray)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window": 15}, "must fit into the image, 14x14"),
        ({"window": 3, "stride": 4}, "pixels are left out"),
        ({"window": 0}, "window is 0"),
        ({"stride": 1.5}, "stride is 1.5"),
        ({"window": (3, 3, 3)}, "height, width"),
        ({"batch_size": 0}, "batch_size is 0"),
    ],
)
def test_what_cannot_work_is_told(options, message):
    with pytest.raises(ConfigError, match=message):
        occlusion(nets.twin(), nets.images(), 1, **({"window": 4, "stride": 2} | options))
    with pytest.raises(ShapeError, match="fill is"):
        occlusion(nets.twin(), nets.images(), 1, window=4, stride=2, fill=[0, 1])
    with pytest.raises(ConfigError, match="fill must be finite"):
        occlusion(nets.twin(), nets.images(), 1, window=4, stride=2, fill=np.nan)


@pytest.mark.parametrize(("window", "stride", "size"), [((5, 4), (3, 2), (14, 14)), ((1, 1), (1, 1), (1, 1))])
def test_windows_cover_every_pixel_and_their_mean_is_taken(window, stride, size):
    corners = corners_of(window, stride, size)
    rows, columns = np.indices(size)
    seen = np.array(
        [(y <= rows) & (rows < y + window[0]) & (x <= columns) & (columns < x + window[1]) for y, x in corners]
    )
    assert seen.any(axis=0).all()
    assert (corners < size).all()
    drops = np.arange(len(corners), dtype=float)
    expected = (drops[:, None, None] * seen).sum(axis=0) / seen.sum(axis=0)
    np.testing.assert_allclose(mean_of_windows(drops[None], corners, window, size)[0], expected, rtol=1e-6)
