"""EfficientNet and Lite: the scaling rule, published counts, twins of keras.applications, dilation."""

import dataclasses
import math

import keras
import pytest

import kcnn
from kcnn.errors import ConfigError
from kcnn.models import efficientnet
from kcnn.ops.cost import ledger, totals
from tests.models import twins


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "twin", "side"),
    [
        ("efficientnet_b0", "EfficientNetB0", 224),
        ("efficientnet_b0", "EfficientNetB0", 97),
        ("efficientnet_b1", "EfficientNetB1", 64),
        ("efficientnet_b3", "EfficientNetB3", 64),
    ],
)
def test_equals_keras_applications(name, twin, side):
    images = keras.Input((side, side, 3))
    network = getattr(keras.applications, twin)(  # which divides by 255 itself
        weights=None, input_tensor=keras.layers.Rescaling(255.0)(images), classifier_activation=None
    )
    twins.assert_equals_keras(name, network)


def test_compound_scaling_is_the_papers():
    # Tan 2019, equation 3: depth * width**2 * resolution**2 about doubles with each step of phi
    width, depth, _ = efficientnet.compound_scaling(1)
    assert width**2 * depth * 1.15**2 == pytest.approx(2, rel=0.05)
    assert efficientnet.compound_scaling(0) == (1.0, 1.0, 224)
    # B2 and B3 are phi 1 and 2 with coefficients rounded to a tenth, resolution to some 2 %
    for phi, row in ((1, "efficientnet_b2"), (2, "efficientnet_b3")):
        spec, (width, depth, resolution) = efficientnet.SPECS[row], efficientnet.compound_scaling(phi)
        assert (round(width, 1), round(depth, 1)) == (spec.width, spec.depth)
        assert resolution == pytest.approx(spec.resolution, rel=0.02)


@pytest.mark.parametrize("phi", [-1, math.nan, math.inf])
def test_scaling_downwards_or_to_nowhere_is_refused(phi):
    with pytest.raises(ConfigError, match="must be a number of at least 0"):
        efficientnet.compound_scaling(phi)


def test_multiply_adds_are_the_published_ones():
    # Tan 2019, table 2: 0.39 B; torchvision's metadata: 0.386 G
    macs = totals(ledger(kcnn.build("efficientnet_b0", image_shape=(224, 224, 3))))["macs"]
    assert round(macs / 1e9, 3) == 0.386


@pytest.mark.parametrize(
    # torchvision's metadata, of which Tan 2019, table 2, prints 5.3, 7.8, 9.2, 12, 19, 30, 43, 66; Lite: its README
    ("name", "millions"),
    [
        ("efficientnet_b0", 5.3), ("efficientnet_b1", 7.8), ("efficientnet_b2", 9.1), ("efficientnet_b3", 12.2),
        ("efficientnet_b4", 19.3), ("efficientnet_b5", 30.4), ("efficientnet_b6", 43.0), ("efficientnet_b7", 66.3),
        ("efficientnet_lite0", 4.7), ("efficientnet_lite1", 5.4), ("efficientnet_lite2", 6.1),
        ("efficientnet_lite3", 8.2), ("efficientnet_lite4", 13.0),
    ],
)  # fmt: skip
def test_parameters_are_the_published_ones_by_the_tables_arithmetic(name, millions):
    spec = efficientnet.SPECS[name]
    lite = "lite" in name

    def wide(filters):
        rounded = max(8, int(filters * spec.width + 4) // 8 * 8)
        return rounded if rounded >= 0.9 * filters * spec.width else rounded + 8

    table = [(3, 1, 16, 1), (3, 6, 24, 2), (5, 6, 40, 2), (3, 6, 80, 3), (5, 6, 112, 3), (5, 6, 192, 4), (3, 6, 320, 1)]
    channels = 32 if lite else wide(32)
    total = 29 * channels
    for stage, (kernel, expansion, filters, repeats) in enumerate(table):
        for _ in range(repeats if lite and stage in (0, 6) else math.ceil(repeats * spec.depth)):
            inside, gate = expansion * channels, max(1, channels // 4)
            total += (channels + 2) * inside if expansion > 1 else 0
            total += (kernel**2 + 2) * inside + (inside + 2) * wide(filters)
            total += 0 if lite else (2 * gate + 1) * inside + gate
            channels = wide(filters)
    head = 1280 if lite else wide(1280)
    assert spec.params == total + (channels + 2) * head + (head + 1) * 1000
    assert round(spec.params / 1e6, 1) == millions


def test_lite_has_no_gates_and_bounded_activations():
    layers = kcnn.build("efficientnet_lite1").layers
    assert not any(isinstance(layer, keras.layers.Multiply) for layer in layers)
    bounded = [layer.max_value for layer in layers if isinstance(layer, keras.layers.ReLU)]
    assert set(bounded) == {6.0}
    blocks = {name.partition("_depthwise")[0] for layer in layers if "_depthwise" in (name := layer.name)}
    # depth 1.1: ceil of 2, 2, 3, 3, 4 grows by one each, the first and last stage stay at 1
    assert [sum(block.startswith(f"stage{n}_") for block in blocks) for n in range(1, 8)] == [1, 3, 3, 4, 4, 5, 1]


def test_later_blocks_are_skipped_more_often():
    drops = [block.drop for block in efficientnet.blocks(efficientnet.SPECS["efficientnet_b0"])]
    # Tan 2019, section 5.2: survival falls linearly to 0.8; 16 blocks
    assert drops == [pytest.approx(0.2 * n / 16) for n in range(16)]


@pytest.mark.parametrize("output_stride", [16, 8])
def test_strided_maps_are_samples_of_the_dilated_ones(output_stride):
    spec = dataclasses.replace(efficientnet.SPECS["tiny_efficientnet"], squeeze=0.0)
    twins.assert_dilation_samples(efficientnet.features, spec, output_stride)
