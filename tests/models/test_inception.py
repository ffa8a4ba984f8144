"""Inception-v3: the grids of table 1, factorised kernels, the twin of keras.applications."""

import dataclasses

import keras
import numpy as np
import pytest

import kcnn
from kcnn.errors import ShapeError
from kcnn.models import inception
from kcnn.testing import formula
from tests.models import twins


@pytest.fixture(scope="module")
def whole() -> keras.Model:
    return kcnn.build("inception_v3", image_shape=(299, 299, 3))


def test_grids_are_those_of_the_paper(whole):
    # Szegedy 2015, table 1: 147x147x64, 35x35x288, 17x17x768, 8x8x2048
    sizes = {"stem_conv3": (147, 64), "mixed2": (35, 288), "mixed7": (17, 768), "mixed10": (8, 2048)}
    for name, (side, maps) in sizes.items():
        assert whole.get_layer(name).output.shape == (None, side, side, maps)


def test_parameters_and_statistics(whole):
    # keras.applications publishes 23,851,784, which are the trainable ones and two statistics of each normalised map
    maps = [layer.filters for layer in whole.layers if isinstance(layer, keras.layers.Conv2D)]
    assert len(maps) == 94
    assert whole.count_params() == 23_851_784 == inception.SPECS["inception_v3"].params + 2 * sum(maps)


def test_seven_by_seven_in_two_halves(whole):
    # section 3.2: n x n as 1 x n and n x 1, at 2/n of the cost
    kernels = {layer.kernel_size for layer in whole.layers if isinstance(layer, keras.layers.Conv2D)}
    assert kernels == {(1, 1), (3, 3), (5, 5), (1, 7), (7, 1), (1, 3), (3, 1)}


@pytest.mark.parametrize(("output_stride", "side"), [(32, 3), (16, 7), (8, 16)])
def test_dilation_keeps_the_weights(output_stride, side):
    # 151 pixels: 75, 73, pooled 36, 34, pooled 16, reduced 7 and 3 by unpadded 3x3 at stride 2
    inputs, spec = keras.Input((151, 151, 3)), inception.SPECS["tiny_inception_v3"]
    found = keras.Model(inputs, inception.features(inputs, spec, output_stride)["C5"])
    assert found.output_shape[1:3] == (side, side)
    strided = keras.Model(inputs, inception.features(inputs, spec)["C5"])
    assert [w.shape for w in found.weights] == [w.shape for w in strided.weights]
    rates = {layer.name: layer.dilation_rate for layer in found.layers if layer.name.endswith("branch2_conv1")}
    assert rates["mixed4_branch2_conv1"] == (32 // output_stride,) * 2


def test_dilated_average_has_its_values_apart():
    # 9 x 9 pixels, dilation 2: away from the border every second pixel averages as in the map of every second pixel
    inputs, images = keras.Input((9, 9, 3)), formula.images((9, 9, 3))
    module = dataclasses.replace(inception.SPECS["tiny_inception_v3"].modules[0], branches=())
    dilated = keras.Model(inputs, inception.inception(inputs, module, 1, 2, "module"))
    pooled = keras.Model(inputs, dilated.get_layer("module_branch1_pool").output)
    sparse = keras.layers.AveragePooling2D(3, 1)(images[:, ::2, ::2])
    np.testing.assert_allclose(np.asarray(pooled(images))[:, 2:-2:2, 2:-2:2], sparse, atol=1e-6)


@pytest.mark.parametrize("output_stride", [16, 8])
def test_strided_maps_are_samples_of_the_dilated_ones(output_stride):
    # 143 pixels: 71, 69, pooled 34, 32, pooled 15: odd, so the unpadded reductions to 7 and 3 leave nothing out. Max
    # pooling in place of the averages, which count zeros at the border
    spec = inception.SPECS["tiny_inception_v3"]
    spec = dataclasses.replace(spec, modules=tuple(dataclasses.replace(m, pooled=None) for m in spec.modules))
    twins.assert_dilation_samples(inception.features, spec, output_stride, side=143, centred=True)


@pytest.mark.slow
@pytest.mark.parametrize("side", [224, 97])
def test_equals_keras_applications(side):
    keras.layers.Conv2D(1, 1)  # the twin's layers have automatic names, which count on from here
    twin = keras.applications.InceptionV3(weights=None, input_shape=(side, side, 3), classifier_activation=None)
    twins.assert_equals_keras("inception_v3", twin)


def test_smallest_input_is_the_one_it_claims():
    assert kcnn.build("tiny_inception_v3", image_shape=(75, 75, 3)).get_layer("mixed4").output.shape[1:3] == (1, 1)
    with pytest.raises(ShapeError, match="at least 75x75"):
        kcnn.build("tiny_inception_v3", image_shape=(74, 75, 3))
