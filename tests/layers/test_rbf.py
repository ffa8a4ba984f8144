"""LeNet-5's output by distance and its squashing function."""

import numpy as np
import pytest

from kcnn.errors import ConfigError, ShapeError
from kcnn.layers import RadialBasisOutput, scaled_tanh
from kcnn.layers.rbf import codes
from kcnn.testing.formula import scatter
from tests.layers.exports import assert_survives


def test_equals_numpy():
    x, layer = scatter(3 * 84, 1).reshape(3, 84).astype("float32"), RadialBasisOutput(10)
    expected = [[-(((row - code) ** 2).sum()) for code in codes(10, 84)] for row in x.astype(float)]
    np.testing.assert_allclose(layer(x), expected, rtol=1e-6)


def test_by_hand():
    layer = RadialBasisOutput(2)
    layer.build((None, 3))
    layer.set_weights([np.array([[1, 1, 1], [-1, 1, -1]])])
    assert np.asarray(layer(np.array([[1, 0, -1]], "float32"))).tolist() == [[-5.0, -5.0]]
    assert np.asarray(layer(np.array([[-1, 1, -1]], "float32"))).tolist() == [[-8.0, 0.0]]


@pytest.mark.parametrize(("units", "features"), [(10, 84), (7, 84), (96, 84), (1000, 84), (3, 21)])
def test_codes_are_signs_and_no_two_are_alike(units, features):
    found = codes(units, features)
    assert found.shape == (units, features)
    assert set(np.unique(found)) == {-1.0, 1.0}
    assert len(np.unique(found, axis=0)) == units
    np.testing.assert_array_equal(found, codes(units, features))


def test_digits_are_told_apart_by_ten_pixels_at_least():
    found = codes(10, 84)
    distance = (found[:, None] != found).sum(-1) + 84 * np.eye(10, dtype=int)
    assert distance.min() >= 10
    assert found.reshape(10, 12, 7)[1, 0].tolist() == [-1, -1, -1, 1, -1, -1, -1]  # the tip of the 1


def test_centres_do_not_train():
    layer = RadialBasisOutput(10)
    layer.build((None, 84))
    assert layer.trainable_weights == []


def test_scaled_tanh():
    # LeCun 1998, appendix A: f(1) = 1, f(-1) = -1; it levels off at 1.7159
    np.testing.assert_allclose(scaled_tanh(np.array([-1, 0, 1, 50], "float32")), [-1, 0, 1, 1.7159], atol=1e-4)


def test_nan_and_no_example():
    x = np.full((2, 84), np.nan, "float32")
    x[1] = 0
    assert np.isnan(RadialBasisOutput(3)(x)).any(1).tolist() == [True, False]
    assert RadialBasisOutput(3)(x[:0]).shape == (0, 3)


def test_survives_export(tmp_path):
    assert_survives(
        RadialBasisOutput(4), scatter(3 * 20, 1).reshape(3, 20).astype("float32"), folder=tmp_path, atol=1e-4
    )


def test_bad_arguments_and_input_are_explained():
    with pytest.raises(ConfigError, match="units is 0 but must be a whole number"):
        RadialBasisOutput(0)
    with pytest.raises(ShapeError, match="flatten it first"):
        RadialBasisOutput(3)(np.zeros((1, 2, 2, 1), "float32"))
