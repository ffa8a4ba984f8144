"""Convolution by a table of connections against a full convolution with zeros and hand numbers."""

import keras
import numpy as np
import pytest

from kcnn.errors import ConfigError, ShapeError
from kcnn.layers import SparseConv2D
from kcnn.ops.cost import ledger, totals
from kcnn.testing.formula import images, scatter
from tests.layers.exports import assert_survives

TABLE = [[0, 1], [2], [3, 0, 2], [1, 3]]


def filled(table=TABLE, channels=4) -> SparseConv2D:
    layer = SparseConv2D(table, 3)
    layer.build((None, None, None, channels))
    count = sum(map(len, table))
    layer.set_weights([scatter(9 * count, 2).reshape(3, 3, count), scatter(len(table), 3)])
    return layer


def test_equals_separate_convolutions():
    x, layer = images((6, 7, 4)), filled()
    kernel, bias = layer.get_weights()
    maps, start = [], 0
    for index, seen in enumerate(TABLE):
        part = kernel[:, :, start : start + len(seen), None]
        maps.append(np.asarray(keras.ops.conv(x[..., seen], part)) + bias[index])
        start += len(seen)
    np.testing.assert_allclose(layer(x), np.concatenate(maps, -1), atol=1e-5)


def test_by_hand():
    layer = SparseConv2D([[1], [0, 1]], 1)
    layer.build((None, 1, 1, 2))
    layer.set_weights([np.array([[[2.0, 3.0, 5.0]]]), np.array([0.5, 0.0])])
    # map 0: 2 * x1 + 0.5; map 1: 3 * x0 + 5 * x1
    assert np.ravel(layer(np.array([[[[10.0, 1.0]]]], "float32"))).tolist() == [2.5, 35.0]


def test_only_connections_weigh_and_cost():
    inputs = keras.Input((6, 7, 4))
    sums = totals(ledger(keras.Model(inputs, filled()(inputs))))
    assert sums["params"] == 8 * 9 + 4
    assert sums["macs"] == 4 * 5 * 8 * 9


def test_first_weights_have_the_variance_of_their_inputs():
    layer = SparseConv2D([list(range(64))] * 64, 3)
    layer.build((None, 8, 8, 64))
    assert np.var(layer.get_weights()[0]) == pytest.approx(1 / (9 * 64), rel=0.05)


def test_nan_stays_in_the_windows_that_see_it():
    x = np.zeros((1, 3, 6, 4), "float32")
    x[0, 0, 0, 3] = np.nan
    assert np.isnan(filled()(x)).any((0, 1, 3)).tolist() == [True, False, False, False]


def test_survives_export_as_one_convolution(tmp_path):
    assert assert_survives(filled(), images((6, 7, 4)), folder=tmp_path, atol=1e-5) == ["CONV_2D"]


@pytest.mark.parametrize("table", [[], [[]], [[0, 0]], 3, [[-1]], [["a"]]])
def test_bad_tables_are_explained(table):
    with pytest.raises(ConfigError, match=r"connections is .* but must"):
        SparseConv2D(table, 3)


def test_bad_input_is_explained():
    with pytest.raises(ShapeError, match="has 3 maps but connections name map 3"):
        SparseConv2D(TABLE, 3)(images((6, 6, 3)))
