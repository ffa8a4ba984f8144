"""EfficientNetV2: the paper's table, twins of keras.applications, dilation."""

import dataclasses

import keras
import pytest

import kcnn
from kcnn.models import efficientnet, efficientnet_v2
from kcnn.ops.cost import ledger, totals
from tests.models import twins


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "twin", "side"),
    [
        ("efficientnet_v2_b0", "EfficientNetV2B0", 224),
        ("efficientnet_v2_b0", "EfficientNetV2B0", 97),
        ("efficientnet_v2_b3", "EfficientNetV2B3", 64),  # where the 10 % rule would make stage 1 wider
        ("efficientnet_v2_s", "EfficientNetV2S", 64),
    ],
)
def test_equals_keras_applications(name, twin, side):
    network = getattr(keras.applications, twin)(
        weights=None, include_preprocessing=False, input_shape=(side, side, 3), classifier_activation=None
    )
    twins.assert_equals_keras(name, network, gain=0.8)


@pytest.mark.parametrize(
    ("name", "fused", "depthwise", "gates"),  # Tan 2021, table 4: 2 + 4 + 4 fused blocks, 6 + 9 + 15 others
    [("efficientnet_v2_s", 10, 30, 30), ("efficientnet_v2_b0", 5, 16, 16)],
)
def test_structure(name, fused, depthwise, gates):
    blocks = efficientnet.blocks(efficientnet_v2.SPECS[name])
    assert [block.fused for block in blocks] == [True] * fused + [False] * depthwise
    assert sum(block.squeezed > 0 for block in blocks) == gates


@pytest.mark.slow
def test_multiply_adds_are_the_published_ones():
    # torchvision's metadata: 8.366 G at 384
    macs = totals(ledger(kcnn.build("efficientnet_v2_s", image_shape=(384, 384, 3))))["macs"]
    assert round(macs / 1e9, 3) == 8.366


@pytest.mark.parametrize("output_stride", [16, 8])
def test_strided_maps_are_samples_of_the_dilated_ones(output_stride):
    spec = dataclasses.replace(efficientnet_v2.SPECS["tiny_efficientnet_v2"], squeeze=0.0)
    twins.assert_dilation_samples(efficientnet_v2.features, spec, output_stride)
