"""The block of MobileNets and EfficientNets against hand numbers and plain NumPy."""

import keras
import numpy as np
import pytest

from kcnn.models import blocks
from kcnn.models.blocks import Block, Style
from kcnn.testing import formula
from kcnn.testing.family import formula_fill


def model_of(block: Block, channels: int, style: Style | None = None, stride: int = 1) -> keras.Model:
    inputs = keras.Input((None, None, channels))
    model = keras.Model(inputs, blocks.inverted_residual(inputs, block, style or Style(), stride, 1), name="m")
    formula_fill(model)
    return model


@pytest.mark.parametrize(
    ("channels", "least", "expected"),
    [
        (32 * 0.35, 0.9, 16),  # 11.2 rounds to 8, which loses 29 %
        (16 * 1.2, 0.9, 24),  # 19.2 rounds to 16, which loses 17 %
        (16 * 1.2, 0.0, 16),
        (40 * 1.1, 0.9, 48),  # 44 is halfway
        (3, 0.9, 8),
    ],
)
def test_maps_are_multiples_of_eight(channels, least, expected):
    assert blocks.divisible(channels, least) == expected


@pytest.mark.parametrize("gate", ["sigmoid", "hard_sigmoid"])
def test_squeeze_excite_is_gates_on_the_means(gate):
    block = Block(name="b", expanded=6, filters=6, squeezed=3, gate=gate, activation="relu")
    inputs = keras.Input((None, None, 6))
    model = keras.Model(inputs, blocks.squeeze_excite(inputs, block), name="m")
    formula_fill(model)
    images = formula.images((5, 7, 6))
    reduce, bias1, expand, bias2 = (w[0, 0] if w.ndim == 4 else w for w in model.get_weights())
    hidden = np.maximum(images.mean((1, 2)) @ reduce + bias1, 0)
    x = hidden @ expand + bias2
    gates = 1 / (1 + np.exp(-x)) if gate == "sigmoid" else np.clip(x / 6 + 0.5, 0, 1)
    np.testing.assert_allclose(np.asarray(model(images)), images * gates[:, None, None], atol=1e-5)


def test_input_is_added_only_where_shapes_allow():
    def adds(block, channels):
        return [layer.name for layer in model_of(block, channels, stride=block.stride).layers if "_add" in layer.name]

    assert adds(Block(name="b", expanded=16, filters=8, activation="relu"), 8) == ["b_add"]
    assert adds(Block(name="b", expanded=16, filters=12, activation="relu"), 8) == []
    assert adds(Block(name="b", expanded=16, filters=8, stride=2, activation="relu"), 8) == []


def test_projection_is_linear():
    # Sandler 2018, section 3.2: no nonlinearity after the projection, so outputs of both signs
    found = np.asarray(
        model_of(Block(name="b", expanded=16, filters=12, activation="relu"), 8)(formula.images((6, 6, 8)))
    )
    assert found.min() < 0 < found.max()


@pytest.mark.parametrize(("expanded", "kernels"), [(8, [3]), (16, [3, 1])])
def test_fused_block_is_full_convolutions(expanded, kernels):
    # Tan 2021, figure 2: the 3x3 replaces the 1x1 and the depthwise 3x3; alone where nothing expands
    model = model_of(Block(name="b", expanded=expanded, filters=8, activation="silu", fused=True), 8)
    convolutions = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    assert [layer.kernel_size[0] for layer in convolutions] == kernels
    assert not any(isinstance(layer, keras.layers.DepthwiseConv2D) for layer in model.layers)


def test_dropped_block_leaves_the_whole_image_as_it_was():
    # Huang 2016 (1603.09382): an image skips the block entirely, or the branch is scaled by 1 / (1 - drop)
    block = Block(name="b", expanded=8, filters=4, activation="relu", drop=0.5)
    model, images = model_of(block, 4), formula.images((6, 6, 4), count=64)
    branch = np.asarray(model(images)) - images
    found = np.asarray(model(images, training=True)) - images
    silent = ~found.any((1, 2, 3))
    assert 10 < silent.sum() < 54
    assert branch.any((1, 2, 3)).all()


def test_even_padding_moves_the_sampling_grid():
    # at stride 2 and an even size TensorFlow pads bottom and right only, PyTorch on every side
    block = Block(name="b", expanded=4, filters=4, stride=2, activation="relu")
    images = np.zeros((1, 8, 8, 4), "float32")
    same, even = model_of(block, 4, stride=2), model_of(block, 4, Style(padding="even"), stride=2)
    for model in (same, even):
        kernel = np.zeros((3, 3, 4, 1), "float32")
        kernel[1, 1] = 1
        model.get_layer("b_depthwise").set_weights([kernel])
    rows = np.arange(8, dtype="float32")[None, :, None, None] + images
    for model, first in ((same, 1), (even, 0)):
        depthwise = keras.Model(model.input, model.get_layer("b_depthwise").output)
        np.testing.assert_array_equal(np.asarray(depthwise(rows))[0, :, 0, 0], np.arange(first, 8, 2))


def test_first_weights_keep_the_scale_of_a_depthwise_convolution():
    # fan-out of a 3x3 depthwise kernel is 9, so variance 2/9 at any number of maps
    model = keras.Model(inputs := keras.Input((8, 8, 512)), blocks.conv(inputs, None, 3, Style(), "x"))
    assert np.std(model.get_layer("x").get_weights()[0]) == pytest.approx((2 / 9) ** 0.5, rel=0.05)
