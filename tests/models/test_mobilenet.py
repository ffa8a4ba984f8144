"""MobileNets: structure and twins."""

import keras
import pytest

import kcnn
from kcnn.errors import ConfigError
from kcnn.models import mobilenet
from tests.models import twins


@pytest.mark.slow
@pytest.mark.parametrize("width", [0.35, 0.5, 0.75, 1.0, 1.4])
def test_v2_equals_keras_applications(width):
    name = "mobilenet_v2" if width == 1.0 else f"mobilenet_v2_{round(width * 100):03d}"
    twin = keras.applications.MobileNetV2(
        alpha=width, weights=None, input_shape=(96, 96, 3), classifier_activation=None
    )
    twins.assert_equals_keras(name, twin)


def test_mobilenet_v2_structure():
    # Sandler 2018, table 2: 17 bottlenecks; an input is added in the repeats of stages 2 to 6 (1+2+3+2+2)
    layers = kcnn.build("mobilenet_v2").layers
    assert sum(isinstance(layer, keras.layers.Add) for layer in layers) == 10
    strided = [layer.name for layer in layers if max(getattr(layer, "strides", (1,))) == 2]
    assert strided == ["stem"] + [f"stage{n}_block1_depthwise" for n in (2, 3, 4, 6)]


@pytest.mark.parametrize("output_stride", [16, 8])
def test_strided_maps_are_samples_of_the_dilated_ones(output_stride):
    twins.assert_dilation_samples(mobilenet.features, mobilenet.SPECS["tiny_mobilenet_v2"], output_stride)


def test_output_stride_must_be_one_the_family_can_give():
    with pytest.raises(ConfigError, match="output_stride is 4 but must be 8, 16 or 32"):
        mobilenet.features(keras.Input((64, 64, 3)), mobilenet.SPECS["mobilenet_v2"], output_stride=4)
