"""Spatial pyramid pooling against the paper's windows, a naive NumPy version and hand numbers."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kcnn.errors import ConfigError, ShapeError
from kcnn.layers import SpatialPyramidPooling
from kcnn.testing.formula import images
from tests.layers.exports import assert_survives


def naive(x: np.ndarray, bins: list[int]) -> np.ndarray:
    out = []
    for n in bins:
        for row in range(n):
            for column in range(n):
                top, bottom = int(np.floor(row * x.shape[1] / n)), int(np.ceil((row + 1) * x.shape[1] / n))
                left, right = int(np.floor(column * x.shape[2] / n)), int(np.ceil((column + 1) * x.shape[2] / n))
                out.append(x[:, top:bottom, left:right].max((1, 2)))
    return np.concatenate(out, -1)


@pytest.mark.parametrize("size", [(13, 13), (10, 7), (1, 1), (2, 5), (6, 12)])  # below, at and above the bins
@pytest.mark.parametrize("bins", [[1], [3, 2, 1], [6, 3, 2, 1]])
def test_equals_the_naive_form(size, bins):
    x = images((*size, 3))
    found = np.asarray(SpatialPyramidPooling(bins)(x))
    assert found.shape == (2, 3 * sum(n * n for n in bins))
    np.testing.assert_array_equal(found, naive(x, bins))


@pytest.mark.parametrize(("bins", "window", "stride"), [(3, 5, 4), (2, 7, 6), (1, 13, 13)])
def test_bins_of_a_13x13_map_are_the_papers_windows(bins, window, stride):
    # He 2014, figure 4 (pool3x3, pool2x2, pool1x1)
    x = images((13, 13, 2))
    pooled = keras.ops.max_pool(x, window, stride)
    np.testing.assert_array_equal(SpatialPyramidPooling([bins])(x), np.reshape(pooled, (2, -1)))


def test_by_hand():
    # rows 0..2 of three in two bins: 0-1 and 1-2
    x = np.arange(9, dtype="float32").reshape(1, 3, 3, 1)
    assert np.ravel(SpatialPyramidPooling([2, 1])(x)).tolist() == [4, 5, 7, 8, 8]


def test_a_dense_layer_takes_any_size_after_it():
    inputs = keras.Input((None, None, 3))
    model = keras.Model(inputs, keras.layers.Dense(2)(SpatialPyramidPooling([2, 1])(inputs)))
    assert model(images((9, 4, 3))).shape == model(images((3, 30, 3))).shape == (2, 2)


def test_nan_stays_in_its_bins():
    x = np.zeros((1, 4, 4, 1), "float32")
    x[0, 0, 3] = np.nan
    assert np.isnan(np.ravel(SpatialPyramidPooling([2, 1])(x))).tolist() == [False, True, False, False, True]


def test_no_image_gives_none():
    # in a graph: Keras' eager maximum refuses what is empty, in its own GlobalMaxPooling2D too
    layer = tf.function(SpatialPyramidPooling([2]), reduce_retracing=True)
    assert layer(np.zeros((0, 4, 4, 1), "float32")).shape == (0, 4)


@pytest.mark.parametrize("size", [(13, 9), (2, 3)])
def test_survives_export_with_open_size(size, tmp_path):
    assert_survives(SpatialPyramidPooling([3, 2, 1]), images((*size, 4)), folder=tmp_path, atol=0)


@pytest.mark.parametrize("bins", [[], 3, [0], [2, 1.5], [True]])
def test_bad_bins_are_explained(bins):
    with pytest.raises(ConfigError, match=r"bins is .* but must"):
        SpatialPyramidPooling(bins)


@pytest.mark.parametrize("shape", [(2, 3, 3), (1, 0, 4, 3)])
def test_bad_input_is_explained(shape):
    with pytest.raises(ShapeError, match="must be maps") as caught:
        SpatialPyramidPooling()(np.zeros(shape, "float32"))
    assert caught.value.actual == shape
