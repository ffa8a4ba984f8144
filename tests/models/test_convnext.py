"""ConvNeXt: parameters by arithmetic, the twin of keras.applications, dilation, stochastic depth, layer scale."""

import itertools

import keras
import numpy as np
import pytest

import kcnn
from kcnn.errors import ConfigError, ShapeError
from kcnn.models import convnext
from kcnn.ops.cost import ledger, totals
from kcnn.testing import formula
from kcnn.testing.family import formula_fill
from tests.models import twins


@pytest.mark.parametrize("name", sorted(convnext.SPECS))
def test_parameters_are_the_layer_tables_own_arithmetic(name):
    spec, c = convnext.SPECS[name], convnext.SPECS[name].widths
    # block: 7x7 and bias, normalisation 2C, 1x1 C->4C and back with biases, layer scale C
    blocks = sum(n * (50 * w + 2 * w + 8 * w * w + 5 * w + w) for n, w in zip(spec.repeats, c, strict=True))
    between = sum(2 * a + 4 * a * b + b for a, b in itertools.pairwise(c))
    assert spec.params == (4 * 4 * 3 + 3) * c[0] + blocks + between + 2 * c[3] + 1000 * (c[3] + 1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "twin", "side"),
    [
        ("convnext_tiny", "ConvNeXtTiny", 224),
        ("convnext_tiny", "ConvNeXtTiny", 97),
        ("convnext_small", "ConvNeXtSmall", 64),
        ("convnext_base", "ConvNeXtBase", 64),
    ],
)
def test_equals_keras_applications(name, twin, side):
    network = getattr(keras.applications, twin)(
        weights=None, include_preprocessing=False, input_shape=(side, side, 3), classifier_activation=None
    )
    twins.assert_equals_keras(name, network)


def test_multiply_adds_are_the_published_ones():
    # torchvision's metadata: 4.456 G at 224; ours counts layer scale too, one for each value it scales
    found = totals(ledger(kcnn.build("convnext_tiny", image_shape=(224, 224, 3))))["macs"]
    scaled = 3 * 56**2 * 96 + 3 * 28**2 * 192 + 9 * 14**2 * 384 + 3 * 7**2 * 768
    assert round((found - scaled) / 1e9, 3) == 4.456


@pytest.mark.parametrize("output_stride", [16, 8])
def test_strided_maps_are_samples_of_the_dilated_ones(output_stride):
    inputs = keras.Input((64, 64, 3))
    spec = convnext.SPECS["tiny_convnext"]
    strided, dilated = (
        keras.Model(inputs, convnext.features(inputs, spec, stride)["C5"], name="m") for stride in (32, output_stride)
    )
    formula_fill(strided)
    dilated.set_weights(strided.get_weights())
    images = formula.images((64, 64, 3))
    step = 32 // output_stride
    np.testing.assert_allclose(np.asarray(dilated(images))[:, ::step, ::step], np.asarray(strided(images)), atol=1e-5)


def drop_rates(name: str) -> list[float]:
    return [layer.rate for layer in kcnn.build(name).layers if isinstance(layer, keras.layers.Dropout)]


def test_stochastic_depth_rises_to_the_rows_rate():
    rates = drop_rates("tiny_convnext")
    np.testing.assert_allclose(rates, [0.025, 0.05, 0.075, 0.1])  # four blocks after the first, which is kept


def test_stochastic_depth_drops_whole_images():
    inputs = keras.Input((4, 4, 8))
    model = keras.Model(inputs, convnext.block(inputs, dilation=1, drop=0.5, scale=1.0, name="block"))
    formula_fill(model)
    images = formula.images((4, 4, 8), count=64)
    branch = np.asarray(model(images)) - images
    dropped = np.asarray(model(images, training=True)) - images
    kept = np.abs(dropped).max(axis=(1, 2, 3)) > 0
    assert 12 < kept.sum() < 52  # 64 coins: further out once in a million
    np.testing.assert_allclose(dropped[kept], 2 * branch[kept], atol=1e-4)


def test_layer_scale_starts_at_almost_nothing():
    # Liu 2022, table 5: 1e-6, so that a block is the identity when training starts
    inputs = keras.Input((8, 8, 16))
    model = keras.Model(inputs, convnext.block(inputs, dilation=1, drop=0.0, scale=1e-6, name="block"))
    images = formula.images((8, 8, 16))
    difference = np.abs(np.asarray(model(images)) - images)
    assert 0 < difference.max() < 1e-5
    assert set(model.get_layer("block_scale").get_weights()[0].ravel()) == {np.float32(1e-6)}


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"image_shape": (31, 64, 3)}, ShapeError, "at least 32x32"),
        ({"num_classes": 0}, ConfigError, "num_classes is 0"),
    ],
)
def test_bad_arguments_are_explained(arguments, error, message):
    with pytest.raises(error, match=message):
        kcnn.build("tiny_convnext", **arguments)


def test_an_impossible_output_stride_is_explained():
    with pytest.raises(ConfigError, match="output_stride is 4"):
        convnext.features(keras.Input((64, 64, 3)), convnext.SPECS["tiny_convnext"], 4)
