"""DeepLab and LR-ASPP: counts by arithmetic and of torchvision, strides with the same weights, where levels join."""

import keras
import numpy as np
import pytest
import safetensors.numpy

import kcnn
from kcnn.models import deeplab, lraspp
from kcnn.testing import formula
from kcnn.testing.family import formula_fill

FEATURES = {  # weights below the classifier's head and logits -> (weights, maps of the last level, maps of "C2")
    "resnet50": (25_557_032 - 2049 * 1000, 2048, 256),
    "resnet101": (44_549_160 - 2049 * 1000, 2048, 256),
    "xception": (22_855_952 - 2049 * 1000, 2048, 128),
    "mobilenet_v2": (3_504_872 - 1281 * 1000 - 322 * 1280, 320, 24),
    "mobilenet_v3_large": (5_483_032 - 1281 * 1000 - 961 * 1280 - 162 * 960, 160, 24),
    "efficientnet_lite0": (4_652_008 - 1281 * 1000 - 322 * 1280, 320, 24),
}


def pyramid(maps: int, *, separable: bool) -> int:
    """Weights of 1x1, three 3x3, the image's mean, and the 1x1 that joins them; gammas and betas."""
    spread = 9 * maps + 2 * maps + maps * 256 if separable else 9 * maps * 256
    return 2 * maps * 256 + 3 * spread + 5 * 256 * 256 + 6 * 2 * 256


@pytest.mark.parametrize("trunk", FEATURES)
def test_counts_of_v3plus_are_the_arithmetic(trunk):
    weights, maps, early = FEATURES[trunk]
    separable = "resnet" not in trunk
    decoder = early * 48 + 2 * 48 + 257 * 21
    for inputs in (256 + 48, 256):
        decoder += 2 * 256 + (9 * inputs + 2 * inputs + inputs * 256 if separable else 9 * inputs * 256)
    expected = weights + pyramid(maps, separable=separable) + decoder
    assert deeplab.SPECS[f"deeplab_v3plus_{trunk}"].params == expected


@pytest.mark.parametrize(
    ("params", "published", "auxiliary"),
    [
        # torchvision's metadata; its auxiliary classifiers: 3x3 of 1024 to 256 maps and scores, of 40 to 10 and scores
        (deeplab.SPECS["deeplab_v3_resnet50"].params, 42_004_074, 9 * 1024 * 256 + 512 + 257 * 21),
        (deeplab.SPECS["deeplab_v3_resnet101"].params, 60_996_202, 9 * 1024 * 256 + 512 + 257 * 21),
        (deeplab.SPECS["deeplab_v3_mobilenet_v3_large"].params, 11_029_328, 9 * 40 * 10 + 20 + 11 * 21),
        (lraspp.SPECS["lraspp_mobilenet_v3_large"].params, 3_221_538, 0),
    ],
)
def test_counts_of_torchvision(params, published, auxiliary):
    assert params == published - auxiliary


def test_an_output_stride_of_8_has_the_weights_of_16_and_twice_the_rates():
    sixteen, eight = (
        kcnn.build("tiny_deeplab_v3plus", image_shape=(64, 96, 3), output_stride=stride) for stride in (16, 8)
    )
    assert [(w.path, w.shape) for w in sixteen.weights] == [(w.path, w.shape) for w in eight.weights]
    for model, size, rates in ((sixteen, (4, 6), (1, 2)), (eight, (8, 12), (2, 4))):
        layers = [layer for layer in model.layers if isinstance(layer, keras.layers.DepthwiseConv2D)]
        found = [layer for layer in layers if layer.name.startswith("aspp")]
        assert tuple(layer.dilation_rate[0] for layer in found) == rates
        assert {layer.output.shape[1:3] for layer in found} == {size}


def test_weights_move_between_strides(tmp_path):
    sixteen = kcnn.build("tiny_deeplab_v3plus", image_shape=(64, 64, 3))
    formula_fill(sixteen)
    file = tmp_path / "weights.safetensors"
    safetensors.numpy.save_file({weight.path: np.asarray(weight) for weight in sixteen.weights}, file)
    eight = kcnn.build("tiny_deeplab_v3plus", weights=file, image_shape=(64, 64, 3), output_stride=8)
    images = formula.images((64, 64, 3))
    first, second = (np.asarray(model(images)).ravel() for model in (sixteen, eight))
    assert np.corrcoef(first, second)[0, 1] > 0.5  # alike and not the same
    assert np.abs(first - second).max() > 1e-3


def test_the_decoder_joins_the_level_at_stride_4():
    model = kcnn.build("deeplab_v3plus_mobilenet_v2", image_shape=(97, 130, 3))
    assert model.get_layer("decoder_skip").input.shape == (None, 25, 33, 24)  # Sandler 2018, table 2: 24 maps
    assert model.get_layer("decoder_join").output.shape == (None, 25, 33, 256 + 48)
    assert model.get_layer("aspp_add").output.shape == (None, 7, 9, 256)
    assert model.output_shape == (None, 97, 130, 21)


def test_lraspp_reads_strides_8_and_16():
    model = kcnn.build("lraspp_mobilenet_v3_large", image_shape=(96, 128, 3))
    assert model.get_layer("logits_skip").input.shape == (None, 12, 16, 40)  # Howard 2019, figure 10
    assert model.get_layer("lraspp_conv").input.shape == (None, 6, 8, 960)


def test_the_gate_of_lraspp_sees_the_whole_image():
    model = kcnn.build("tiny_lraspp", image_shape=(256, 256, 3))
    formula_fill(model)
    images = formula.images((256, 256, 3), count=1)
    gate = keras.Model(model.input, model.get_layer("lraspp_gate").output)
    before = np.asarray(gate(images))
    assert before.shape == (1, 1, 1, 8)
    images[:, :32, :32] = 4.0
    assert np.abs(np.asarray(gate(images)) - before).max() > 1e-4
