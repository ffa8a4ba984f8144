"""Multiply-adds and parameters against published tables and hand arithmetic."""

import keras
import pytest

import kcnn
from kcnn.errors import ConfigError, ShapeError
from kcnn.ops.cost import dense_share, ledger, peak_bytes, totals


def test_mobilenet_v2_as_published():
    # 300 M multiply-adds and 3.4 M parameters in Sandler 2018, table 4; 300,774,272 by layer arithmetic
    sums = totals(ledger(kcnn.build("mobilenet_v2", image_shape=(224, 224, 3))))
    assert sums["macs"] == 300_774_272
    assert sums["params"] == 3_538_984
    assert sums["trainable"] == 3_504_872


def test_mobilenet_v1_of_keras_applications():
    # 569 M in Howard 2017 (1704.04861), table 8; exactly 568,740,352
    assert totals(ledger(keras.applications.MobileNet(weights=None)))["macs"] == 568_740_352


def test_lenet5_by_hand():
    rows = {row.name: row for row in ledger(kcnn.build("lenet5"))}
    assert rows["c1"].macs == 28 * 28 * 6 * 5 * 5
    assert rows["c3"].macs == 10 * 10 * 16 * 5 * 5 * 6
    assert rows["c5"].macs == 400 * 120
    assert rows["c1"].activation_bytes == 28 * 28 * 6 * 4
    assert rows["s2"].macs == 0
    assert rows["s2"].output == (14, 14, 6)


@pytest.mark.parametrize(
    ("layer", "macs"),
    [
        (keras.layers.Conv2D(8, 3, padding="same", groups=2), 10 * 10 * 8 * 9 * 2),
        (keras.layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2), 10 * 10 * 8 * 9),
        (keras.layers.SeparableConv2D(6, 3, padding="same"), 10 * 10 * (4 * 9 + 4 * 6)),
        (keras.layers.Conv2DTranspose(5, 3, strides=2, padding="same"), 10 * 10 * 4 * 9 * 5),
        (keras.layers.Dense(7), 10 * 10 * 4 * 7),
        (keras.layers.MaxPooling2D(), 0),
    ],
)
def test_layers_by_hand(layer, macs):
    inputs = keras.Input((10, 10, 4))
    assert totals(ledger(keras.Model(inputs, layer(inputs))))["macs"] == macs


def test_a_shared_layer_computes_twice_and_weighs_once():
    inputs, layer = keras.Input((8, 8, 3)), keras.layers.Conv2D(3, 3, padding="same")
    sums = totals(ledger(keras.Model(inputs, layer(layer(inputs)))))
    assert sums["params"] == 3 * 3 * 3 * 3 + 3
    assert sums["macs"] == 2 * 8 * 8 * 3 * 27


def test_nested_and_sequential_models_are_opened():
    inside = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(2, 3, name="conv")], name="inside")
    inputs = keras.Input((8, 8, 3))
    names = [row.name for row in ledger(keras.Model(inputs, inside(inputs)))]
    assert names == ["inside/conv"]
    assert [row.name for row in ledger(inside)] == ["conv"]


def test_open_sizes_are_refused():
    with pytest.raises(ShapeError, match="sizes must be numbers"):
        ledger(kcnn.build("mobilenet_v2"))


def test_vgg16_as_in_the_lecture():
    # 9 * maps * filters * places and the dense layers; maps of every layer and the image; parameters of dense layers
    rows = ledger(kcnn.build("vgg16"))
    assert totals(rows)["macs"] == 15_470_264_320
    assert totals(rows)["activation_bytes"] // 4 + 224 * 224 * 3 == 15_237_608
    assert round(dense_share(rows) * 138_357_544) == 123_642_856  # 25,089*4096 + 4097*4096 + 4097*1000


def test_peak_memory_by_hand():
    # image 4x4x1, then a and b of 4x4x2 and 4x4x3 read it; their concatenation needs 2 + 3 + 5 maps of 16 values
    inputs = keras.Input((4, 4, 1))
    a = keras.layers.ReLU()(keras.layers.Conv2D(2, 1)(inputs))
    b = keras.layers.Conv2D(3, 1)(inputs)
    model = keras.Model(inputs, keras.layers.Concatenate()([a, b]))
    assert peak_bytes(model) == (2 + 3 + 5) * 16 * 4
    assert totals(ledger(model))["activation_bytes"] == (2 + 3 + 5) * 16 * 4


def test_attention_by_hand():
    # 6 positions of 8 numbers, 2 heads of 4: four 8x8 projections of 6 positions, and 6x6 pairs of 8 numbers twice
    inputs = keras.Input((6, 8))
    model = keras.Model(inputs, keras.layers.MultiHeadAttention(2, 4)(inputs, inputs))
    assert totals(ledger(model))["macs"] == 6 * 4 * 64 + 2 * 36 * 8


def test_a_layer_without_a_rule_is_named_and_not_counted_as_nothing():
    inputs = keras.Input((6, 8))
    with pytest.raises(ConfigError, match="'memory' is a LSTM, whose multiply-adds no rule"):
        ledger(keras.Model(inputs, keras.layers.LSTM(3, name="memory")(inputs)))
