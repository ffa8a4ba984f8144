"""ResNets: structure that counts cannot tell, twins of keras.applications, ResNeXt as split-transform-merge."""

import dataclasses

import keras
import numpy as np
import pytest

import kcnn
from kcnn.models import resnet
from kcnn.testing import formula
from kcnn.testing.family import formula_fill
from tests.models import twins


def layers_of(name: str, kind: type) -> list:
    return [layer for layer in kcnn.build(name).layers if isinstance(layer, kind)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "adds", "projections"),  # He 2015: one addition a block; a projection where the width changes
    [
        ("plain18", 0, 0), ("resnet18", 8, 3), ("resnet34", 16, 3), ("resnet34_pad", 16, 0), ("resnet50", 16, 4),
        ("resnet101", 33, 4), ("resnet50_v2", 16, 4), ("resnet20", 9, 0), ("plain20", 0, 0), ("wrn_28_10", 12, 3),
    ],
)  # fmt: skip
def test_shortcuts(name, adds, projections):
    assert len(layers_of(name, keras.layers.Add)) == adds
    convolutions = layers_of(name, keras.layers.Conv2D)
    assert sum(layer.name.endswith("_shortcut") for layer in convolutions) == projections


@pytest.mark.slow
@pytest.mark.parametrize(("name", "depth"), [("plain34", 34), ("resnet152", 152), ("resnet110", 110)])
def test_depth_is_the_one_in_the_name(name, depth):
    convolutions = [layer for layer in layers_of(name, keras.layers.Conv2D) if not layer.name.endswith("_shortcut")]
    assert len(convolutions) + 1 == depth  # and the dense layer


@pytest.mark.parametrize(
    ("name", "place"), [("resnet50", "conv2"), ("resnet50_paper", "conv1"), ("resnet50_v2", "conv2")]
)
def test_place_of_the_stride(name, place):
    strided = [layer.name for layer in layers_of(name, keras.layers.Conv2D) if layer.strides == (2, 2)]
    blocks = ("stage2_block3", "stage3_block4", "stage4_block6") if name.endswith("v2") else (
        "stage3_block1", "stage4_block1", "stage5_block1"
    )  # fmt: skip
    assert [layer for layer in strided if not layer.endswith("_shortcut")] == [
        "stem",
        *(f"{b}_{place}" for b in blocks),
    ]


@pytest.mark.slow
@pytest.mark.parametrize("side", [224, 97])
@pytest.mark.parametrize(("name", "twin"), [("resnet50_paper", "ResNet50"), ("resnet50_v2", "ResNet50V2")])
def test_equals_keras_applications(name, twin, side):
    twins.assert_equals_keras(
        name, getattr(keras.applications, twin)(weights=None, input_shape=(side, side, 3), classifier_activation=None)
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "twin"),
    [
        ("resnet101_paper", "ResNet101"), ("resnet152_paper", "ResNet152"),
        ("resnet101_v2", "ResNet101V2"), ("resnet152_v2", "ResNet152V2"),
    ],
)  # fmt: skip
def test_deep_ones_equal_keras_applications(name, twin):
    twins.assert_equals_keras(
        name, getattr(keras.applications, twin)(weights=None, input_shape=(64, 64, 3), classifier_activation=None)
    )


@pytest.mark.slow
def test_a_stride_in_the_wrong_place_is_seen():
    twin = keras.applications.ResNet50(weights=None, input_shape=(64, 64, 3), classifier_activation=None)
    with pytest.raises(AssertionError):
        twins.assert_equals_keras("resnet50", twin)


def test_resnext_is_split_transform_merge():
    # Xie 2016, figure 3: the grouped convolution (c) equals separate paths that are added (a)
    groups, width, maps = 4, 3, 8
    inputs = keras.Input((9, 9, maps))
    x = keras.layers.Conv2D(groups * width, 1, use_bias=False, name="reduce")(inputs)
    x = keras.layers.Conv2D(groups * width, 3, padding="same", groups=groups, use_bias=False, name="grouped")(x)
    grouped = keras.Model(inputs, keras.layers.Conv2D(maps, 1, use_bias=False, name="expand")(x))
    formula_fill(grouped)
    reduce, middle, expand = (grouped.get_layer(n).get_weights()[0] for n in ("reduce", "grouped", "expand"))
    images = formula.images((9, 9, maps))
    total = 0.0
    for path in range(groups):
        part = slice(path * width, (path + 1) * width)
        y = keras.ops.conv(images, reduce[..., part], padding="same")
        y = keras.ops.conv(y, middle[..., part], padding="same")
        total = total + keras.ops.conv(y, expand[:, :, part], padding="same")
    np.testing.assert_allclose(np.asarray(total), np.asarray(grouped(images)), atol=1e-5)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"block": "basic", "repeats": (1, 1, 2, 2)},
        {"stride_on": "conv1x1"},
        {"repeats": (1, 2, 2, 2), "preactivation": True, "stride_block": "last", "biases": True},
        {"groups": 2, "group_width": 32},
    ],
    ids=["bottleneck", "basic", "paper", "v2", "resnext"],
)
@pytest.mark.parametrize("output_stride", [16, 8])
def test_strided_maps_are_samples_of_the_dilated_ones(changes, output_stride):
    spec = dataclasses.replace(resnet.SPECS["tiny_resnet"], **changes)
    twins.assert_dilation_samples(resnet.features, spec, output_stride)


def test_zero_padded_shortcut_adds_the_input_and_zeros():
    # He 2015, section 3.3 option A: with a silent residual branch the block gives ReLU of the input, then zeros
    spec = resnet.SPECS["resnet20"]
    inputs = keras.Input((8, 8, 16))
    model = keras.Model(inputs, resnet.residual_block(inputs, 32, (2, 1, 1), spec, "block"))
    for layer in model.layers:
        if layer.name.endswith("_bn"):
            layer.gamma.assign(keras.ops.zeros_like(layer.gamma))
    images = formula.images((8, 8, 16))
    found = np.asarray(model(images))
    np.testing.assert_allclose(found[..., :16], np.maximum(images[:, ::2, ::2], 0), atol=1e-6)
    assert not found[..., 16:].any()
