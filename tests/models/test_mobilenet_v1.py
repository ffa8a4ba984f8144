"""MobileNetV1: published cost, twins of keras.applications, dilation."""

import itertools

import keras
import pytest

import kcnn
from kcnn.models import mobilenet_v1
from kcnn.ops.cost import ledger, totals
from tests.models import twins


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "width", "side"),
    [
        ("mobilenet_v1", 1.0, 224),
        ("mobilenet_v1", 1.0, 95),  # the twin pads bottom and right even where a strided map is odd, as at 97
        ("mobilenet_v1_025", 0.25, 96),
        ("mobilenet_v1_050", 0.5, 96),
        ("mobilenet_v1_075", 0.75, 96),
    ],
)
def test_equals_keras_applications(name, width, side):
    twin = keras.applications.MobileNet(
        alpha=width, weights=None, input_shape=(side, side, 3), classifier_activation=None
    )
    twins.assert_equals_keras(name, twin)


@pytest.mark.parametrize("name", sorted(mobilenet_v1.SPECS))
def test_parameters_are_the_layer_tables_own_arithmetic(name):
    spec = mobilenet_v1.SPECS[name]
    maps = [int(spec.stem * spec.width), *(int(filters * spec.width) for filters, _ in spec.blocks)]
    pairs = list(itertools.pairwise(maps))
    # stem, then 3x3 and 1x1 with two normalisations or one full 3x3 with one, then the dense layer
    blocks = sum(11 * a + a * b + 2 * b if spec.separable else 9 * a * b + 2 * b for a, b in pairs)
    assert spec.params == 29 * maps[0] + blocks + 1000 * (maps[-1] + 1)


@pytest.mark.slow
def test_multiply_adds_are_the_published_ones():
    # Howard 2017, table 4: 4866 M with full convolutions, 569 M with separable ones; exactly, by layer arithmetic:
    separable, full = (
        totals(ledger(kcnn.build(name, image_shape=(224, 224, 3))))["macs"]
        for name in ("mobilenet_v1", "mobilenet_v1_full")
    )
    assert (separable, full) == (568_740_352, 4_867_293_184)
    assert round(full / separable, 2) == 8.56


def test_structure():
    layers = kcnn.build("mobilenet_v1").layers
    assert sum(isinstance(layer, keras.layers.DepthwiseConv2D) for layer in layers) == 13  # Howard 2017, table 1
    strided = [layer.name for layer in layers if max(getattr(layer, "strides", (1,))) == 2]
    assert strided == ["stem"] + [f"block{n}_depthwise" for n in (2, 4, 6, 12)]


@pytest.mark.parametrize("output_stride", [16, 8])
def test_strided_maps_are_samples_of_the_dilated_ones(output_stride):
    twins.assert_dilation_samples(mobilenet_v1.features, mobilenet_v1.SPECS["tiny_mobilenet_v1"], output_stride)
