"""Trainable sub-sampling against NumPy and the paper's weight counts."""

import numpy as np
import pytest

from kcnn.errors import ConfigError, ShapeError
from kcnn.layers import TrainableSubsampling
from kcnn.testing.formula import images
from tests.layers.exports import assert_survives


def weighted(channels: int, size: int = 2) -> TrainableSubsampling:
    layer = TrainableSubsampling(size)
    layer.build((None, None, None, channels))
    layer.set_weights([np.linspace(-2, 3, channels), np.linspace(1, -1, channels)])
    return layer


@pytest.mark.parametrize("size", [1, 2, 3])
def test_equals_numpy(size):
    x, layer = images((7, 6, 4)), weighted(4, size)
    height, width = 7 // size, 6 // size
    squares = x[:, : height * size, : width * size].reshape(2, height, size, width, size, 4)
    expected = squares.astype(float).mean((2, 4)) * np.linspace(-2, 3, 4) + np.linspace(1, -1, 4)
    np.testing.assert_allclose(layer(x), expected, atol=1e-6)


def test_by_hand():
    layer = weighted(2)  # coefficients -2 and 3, biases 1 and -1
    x = np.array([[[[1, 1], [2, 2]], [[3, 3], [6, 6]]]], "float32")  # mean 3
    assert np.ravel(layer(x)).tolist() == [-5.0, 8.0]


def test_weights_are_the_papers():
    # LeCun 1998, section II-B: S2 of 6 maps has 12 trainable parameters, S4 of 16 maps has 32
    assert weighted(6).count_params() == 12
    assert weighted(16).count_params() == 32


def test_nan_stays_in_its_square_and_no_image_gives_none():
    x = np.zeros((1, 4, 2, 1), "float32")
    x[0, 0, 0] = np.nan
    assert np.isnan(np.ravel(weighted(1)(x))).tolist() == [True, False]
    assert weighted(1)(x[:0]).shape == (0, 2, 1, 1)


def test_survives_export(tmp_path):
    assert_survives(weighted(3), images((7, 6, 3)), folder=tmp_path)


def test_bad_arguments_and_input_are_explained():
    with pytest.raises(ConfigError, match="size is 0 but must be a whole number of at least 1"):
        TrainableSubsampling(0)
    with pytest.raises(ShapeError, match=r"must be maps \(N, H, W, C\)"):
        TrainableSubsampling()(np.zeros((4, 4, 1), "float32"))
