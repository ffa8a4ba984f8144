"""Xception: parameters by arithmetic, the flow of figure 5, the twin of keras.applications."""

import keras
import numpy as np
import pytest

import kcnn
from kcnn.models import xception
from kcnn.testing import formula
from kcnn.testing.family import formula_fill
from tests.models import twins


@pytest.mark.parametrize("name", sorted(xception.SPECS))
def test_parameters_by_arithmetic(name):
    # a separable convolution has 9c + c*m weights and 2m of normalisation, a shortcut c*m + 2m
    spec = xception.SPECS[name]
    first, c = spec.stem
    total = 27 * first + 2 * first + 9 * first * c + 2 * c
    statistics = 2 * (first + c)

    def separable(c, m):
        return 9 * c + c * m + 2 * m

    for block in [*((m, m) for m in spec.entry), *[None] * spec.middle, spec.exit]:
        if block is None:
            total += 3 * separable(c, c)
            statistics += 2 * 3 * c
        else:
            total += separable(c, block[0]) + separable(*block) + c * block[1] + 2 * block[1]
            statistics += 2 * (block[0] + 2 * block[1])
            c = block[1]
    for m in spec.top:
        total += separable(c, m)
        statistics += 2 * m
        c = m
    assert spec.params == total + (c + 1) * 1000
    if name == "xception":
        assert spec.params + statistics == 22_910_480  # the total of keras.applications


def test_flow_is_that_of_the_figure():
    # Chollet 2016, figure 5: 299 -> 19x19x728 through entry and middle flow -> 10x10x2048
    spec = xception.SPECS["xception"]
    inputs = keras.Input((299, 299, 3))
    levels = xception.features(inputs, spec)
    assert {level: tensor.shape[1:] for level, tensor in levels.items()} == {
        "C1": (147, 147, 64), "C2": (74, 74, 128), "C3": (37, 37, 256), "C4": (19, 19, 728), "C5": (10, 10, 2048),
    }  # fmt: skip
    layers = keras.Model(inputs, levels["C5"]).layers
    convolutions = [x for x in layers if isinstance(x, (keras.layers.Conv2D, keras.layers.SeparableConv2D))]
    assert len([x for x in convolutions if not x.name.endswith("_shortcut")]) == 36  # section 4: 36 of them
    assert sum(isinstance(layer, keras.layers.Add) for layer in layers) == 12  # shortcuts around 12 of 14 modules


def test_a_silent_middle_block_passes_its_input():
    inputs = keras.Input((8, 8, 5))
    model = keras.Model(inputs, xception.middle_block(inputs, 1, "block"))
    formula_fill(model)
    for layer in model.layers:
        if layer.name == "block_conv3_bn":
            layer.set_weights([np.zeros(5), np.zeros(5), np.zeros(5), np.ones(5)])
    images = formula.images((8, 8, 5))
    np.testing.assert_array_equal(np.asarray(model(images)), images)


@pytest.mark.parametrize("output_stride", [16, 8])
def test_dilation_keeps_the_weights(output_stride):
    inputs, spec = keras.Input((65, 65, 3)), xception.SPECS["tiny_xception"]
    found = [
        [w.shape for w in keras.Model(inputs, xception.features(inputs, spec, stride)["C5"]).weights]
        for stride in (32, output_stride)
    ]
    assert found[0] == found[1]
    assert len(found[0]) > 20


def test_dilated_maps_hold_the_strided_ones():
    # at 71 pixels every map is odd, so that pooling is centred with and without its stride
    inputs, spec = keras.Input((71, 71, 3)), xception.SPECS["tiny_xception"]
    strided, dilated = (keras.Model(inputs, xception.features(inputs, spec, s)["C5"]) for s in (32, 16))
    formula_fill(strided)
    dilated.set_weights(strided.get_weights())
    images = formula.images((71, 71, 3))
    np.testing.assert_allclose(np.asarray(dilated(images))[:, ::2, ::2], np.asarray(strided(images)), atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("side", [224, 97])
def test_equals_keras_applications(side):
    keras.layers.Conv2D(1, 1)  # the twin's shortcuts have automatic names, which count on from here
    keras.layers.BatchNormalization()
    twin = keras.applications.Xception(weights=None, input_shape=(side, side, 3), classifier_activation=None)
    twins.assert_equals_keras("xception", twin)


def test_smallest_input_is_the_one_it_claims():
    assert kcnn.build("tiny_xception", image_shape=(32, 32, 3)).output_shape == (None, 1000)
