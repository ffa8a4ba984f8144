"""Pooling with positions and the unpoolings against TensorFlow's argmax pooling, NumPy and hand-drawn squares."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kcnn.errors import ConfigError, ShapeError
from kcnn.layers import BedOfNailsUnpooling, MaxPoolingWithPositions, MaxUnpooling
from kcnn.testing.formula import images
from tests.layers.exports import assert_survives


def square(rows: list[list[float]], dtype: str = "float32") -> np.ndarray:
    return np.array(rows, dtype)[None, ..., None]


def naive_unpool(x: np.ndarray, positions: np.ndarray, size: int) -> np.ndarray:
    out = np.zeros((x.shape[0], x.shape[1] * size, x.shape[2] * size, x.shape[3]), x.dtype)
    for n, i, j, c in np.ndindex(x.shape):
        row, column = divmod(int(positions[n, i, j, c]), size)
        out[n, i * size + row, j * size + column, c] = x[n, i, j, c]
    return out


@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize("ties", [False, True])
def test_positions_are_those_of_tensorflow(size, ties):
    x = images((12, 6, 3))
    if ties:
        x = np.round(x)  # -1, 0, 1: equal maxima in most windows
    maxima, positions = MaxPoolingWithPositions(size)(x)
    expected, flat = tf.nn.max_pool_with_argmax(x, size, size, "VALID")
    np.testing.assert_array_equal(maxima, expected)
    rows, columns = (np.asarray(flat) // 3) // 6 % 12, (np.asarray(flat) // 3) % 6
    np.testing.assert_array_equal(positions, rows % size * size + columns % size)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_unpooling_equals_numpy(size):
    x = images((4, 5, 3))
    positions = np.abs(np.round(100 * images((4, 5, 3)))).astype("int32") % size**2
    np.testing.assert_array_equal(MaxUnpooling(size)([x, positions]), naive_unpool(x, positions, size))
    np.testing.assert_array_equal(BedOfNailsUnpooling(size)(x), naive_unpool(x, 0 * positions, size))


def test_the_squares_of_the_lecture():
    # cs231n, "In-network upsampling: unpooling / max unpooling"
    maxima, positions = MaxPoolingWithPositions()(square([[1, 2, 6, 3], [3, 5, 2, 1], [1, 2, 2, 1], [7, 3, 4, 8]]))
    assert np.squeeze(maxima).tolist() == [[5, 6], [7, 8]]
    small = square([[1, 2], [3, 4]])
    assert np.squeeze(MaxUnpooling()([small, positions])).tolist() == [
        [0, 0, 2, 0], [0, 1, 0, 0], [0, 0, 0, 0], [3, 0, 0, 4],
    ]  # fmt: skip
    assert np.squeeze(BedOfNailsUnpooling()(small)).tolist() == [
        [1, 0, 2, 0], [0, 0, 0, 0], [3, 0, 4, 0], [0, 0, 0, 0],
    ]  # fmt: skip


def test_there_and_back_keeps_the_maxima_alone():
    x = images((6, 8, 2))
    maxima, positions = MaxPoolingWithPositions()(x)
    back = np.asarray(MaxUnpooling()([maxima, positions]))
    kept = back != 0
    assert kept.sum() == np.size(maxima)
    np.testing.assert_array_equal(back[kept], x[kept])


def test_odd_edges_are_dropped_as_keras_does():
    x = images((5, 7, 2))
    maxima, positions = MaxPoolingWithPositions()(x)
    np.testing.assert_array_equal(maxima, keras.layers.MaxPooling2D()(x))
    assert positions.shape == (2, 2, 3, 2)


def test_gradient_goes_to_the_place_of_the_maximum():
    x = tf.constant(square([[1, 4], [3, 2]]))
    with tf.GradientTape() as tape:
        tape.watch(x)
        maxima, positions = MaxPoolingWithPositions()(x)
        loss = tf.reduce_sum(5 * MaxUnpooling()([maxima, positions]))
    assert np.squeeze(tape.gradient(loss, x)).tolist() == [[0, 5], [0, 0]]


@pytest.mark.parametrize("place", [(0, 0), (0, 1), (1, 1)])
def test_nan_is_the_maximum_of_its_window(place):
    x = np.ones((1, 2, 4, 1), "float32")
    x[0, *place] = np.nan
    maxima, _ = MaxPoolingWithPositions()(x)
    assert np.isnan(np.ravel(maxima)).tolist() == [True, False]


def test_nan_and_no_image():
    layer = BedOfNailsUnpooling()
    found = np.asarray(layer(square([[np.nan, 1]])))
    assert np.isnan(found[0, 0, 0, 0])
    assert not np.isnan(found[:, :, 2:]).any()
    assert layer(np.zeros((0, 2, 2, 1), "float32")).shape == (0, 4, 4, 1)


def test_no_image_gives_none():
    maxima, positions = MaxPoolingWithPositions()(np.zeros((0, 4, 4, 3), "float32"))
    assert MaxUnpooling()([maxima, positions]).shape == (0, 4, 4, 3)


@pytest.mark.parametrize("layer", [MaxPoolingWithPositions(3), BedOfNailsUnpooling()])
def test_survives_export(layer, tmp_path):
    assert_survives(layer, np.round(2 * images((7, 6, 3))), folder=tmp_path, atol=0)


def test_unpooling_survives_export(tmp_path):
    x = images((4, 5, 3))
    assert_survives(MaxUnpooling(), x, (np.abs(x) * 3.99).astype("int32"), folder=tmp_path, atol=0)


@pytest.mark.parametrize("layer", [MaxPoolingWithPositions, MaxUnpooling, BedOfNailsUnpooling])
def test_bad_size_is_explained(layer):
    with pytest.raises(ConfigError, match=r"size is 0\.5 but must be a whole number of at least 1"):
        layer(0.5)


@pytest.mark.parametrize(
    ("layer", "inputs", "message"),
    [
        (MaxPoolingWithPositions(), np.zeros((4, 4)), "must be maps"),
        (MaxPoolingWithPositions(3), np.zeros((1, 4, 2, 1)), "must have at least 3x3 pixels"),
        (BedOfNailsUnpooling(), np.zeros((4, 4, 1)), "must be maps"),
        (MaxUnpooling(), np.zeros((1, 4, 4, 1)), r"must be two maps, \[values, positions\]"),
        (
            MaxUnpooling(),
            [np.zeros((1, 4, 4, 1)), np.zeros((1, 2, 4, 1), "int32")],
            "give the positions of the pooling",
        ),
    ],
)
def test_bad_input_is_explained(layer, inputs, message):
    with pytest.raises(ShapeError, match=message):
        layer(inputs)


def test_sizes_of_numpy_are_whole_numbers():
    assert type(BedOfNailsUnpooling(np.int64(2)).get_config()["size"]) is int
