"""SegNet and DeconvNet: published counts, mirrored layers, and values that go back where the maxima stood."""

import itertools

import keras
import numpy as np
import pytest

import kcnn
from kcnn.models import deconvnet, segnet
from kcnn.testing.family import formula_fill

VGG16_BN = 138_365_992 - 123_642_856  # torchvision's count without its three dense layers


def chain_parameters(chain) -> int:
    """Each 3x3 between two widths with bias, gamma and beta."""
    return sum(9 * x * y + 3 * y for x, y in itertools.pairwise(chain))


def mirrored_parameters(widths, classes: int) -> int:
    """From the deepest up; the last gives the classes."""
    a, b, c, d, e = widths
    return chain_parameters([e, e, e, d, d, d, c, c, c, b, b, a, a]) + 9 * a * classes + classes


@pytest.mark.parametrize("name", ["segnet", "segnet_nearest"])
def test_counts_are_the_arithmetic(name):
    # Badrinarayanan 2015, table 6, prints 29.45 M
    assert segnet.SPECS[name].params == VGG16_BN + mirrored_parameters(segnet.WIDTHS, 21) == 29_455_125


@pytest.mark.parametrize("name", ["segnet_small", "segnet_small_nearest"])
def test_the_small_one_is_three_blocks_each_way(name):
    encoder, decoder = [3, 32, 32, 64, 64, 128, 128, 128], [128, 128, 128, 64, 64, 32, 32]
    expected = chain_parameters(encoder) + chain_parameters(decoder) + 9 * 32 * 21 + 21
    assert segnet.SPECS[name].params == expected == 876_309


def test_deconvnet_has_252_million_weights():
    # Noh 2015, section 4.1; fc6, fc7 and their way back, then the mirror image with 64 maps before the scores
    bottom = 49 * 512 * 4096 + 3 * 4096 + 4096**2 + 3 * 4096 + 49 * 4096 * 512 + 3 * 512
    up = mirrored_parameters(segnet.WIDTHS, 0) + 9 * 64 * 64 + 3 * 64 + 65 * 21
    assert deconvnet.SPECS["deconvnet"].params == VGG16_BN + bottom + up
    assert round(deconvnet.SPECS["deconvnet"].params / 1e6) == 252


def single(kind: str) -> keras.Model:
    """Pool and unpool once."""
    inputs = keras.Input((8, 8, 1))
    x, positions = segnet.MaxPoolingWithPositions(2, name="pool")(inputs)
    return keras.Model(inputs, segnet.unpool(x, positions, kind, "unpool"))


def test_unpooling_remembers_positions():
    # one bright pixel a square, each elsewhere: only remembered positions bring the image back
    image = np.zeros((1, 8, 8, 1), "float32")
    for square in range(16):
        row, column = divmod(square, 4)
        image[0, 2 * row + square // 2 % 2, 2 * column + square % 2, 0] = 1 + square
    np.testing.assert_array_equal(single("positions")(image), image)
    assert np.abs(np.asarray(single("nearest")(image)) - image).max() >= 1


@pytest.mark.parametrize("name", ["tiny_segnet", "tiny_deconvnet"])
def test_every_stage_goes_back_to_its_own_positions(name):
    model = kcnn.build(name, image_shape=(64, 64, 3))
    for block in range(1, 6):
        layer = model.get_layer(f"up{block}_unpool")
        values, positions = layer.input
        assert positions is model.get_layer(f"block{block}_pool").output[1]
        assert values.shape == positions.shape


def test_rows_without_positions_differ_in_that_alone():
    rows = {name: kcnn.build(name, image_shape=(64, 64, 3)) for name in ("segnet_small", "segnet_small_nearest")}
    shapes = [[w.shape for w in model.weights] for model in rows.values()]
    assert shapes[0] == shapes[1]
    formula_fill(rows["segnet_small"])
    rows["segnet_small_nearest"].set_weights(rows["segnet_small"].get_weights())
    image = np.random.default_rng(0).normal(size=(1, 64, 64, 3)).astype("float32")
    first, second = (np.asarray(model(image)) for model in rows.values())
    assert np.abs(first - second).max() > 1e-3


def test_the_mirror_image_of_vgg16():
    # Badrinarayanan 2015, figure 2: 13 convolutions each way, the last gives the classes
    model = kcnn.build("segnet", image_shape=(64, 96, 3))
    convolutions = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    assert len(convolutions) == 26
    assert [layer.filters for layer in convolutions[13:]] == [
        512, 512, 512, 512, 512, 256, 256, 256, 128, 128, 64, 64, 21,
    ]  # fmt: skip
    assert {layer.kernel_size for layer in convolutions} == {(3, 3)}


@pytest.mark.slow
def test_deconvnet_at_224_has_one_vector_at_the_bottom():
    model = kcnn.build("deconvnet", image_shape=(200, 224, 3))
    assert model.get_layer("fc7").output.shape == (None, 1, 1, 4096)  # Noh 2015, table 2
    assert model.get_layer("fc6_transposed").output.shape == (None, 7, 7, 512)
    assert model.output_shape == (None, 200, 224, 21)
