"""U-Net: the paper's sizes and counts, depth and width as wanted, and what each row sees."""

import dataclasses
import math

import keras
import numpy as np
import pytest

import kcnn
from kcnn.models import unet
from kcnn.testing import formula
from kcnn.testing.family import formula_fill


def arithmetic(width: int, depth: int, channels: int, classes: int, *, normalise: bool) -> int:
    """Two 3x3 a level, 2x2 upwards, 1x1 to the classes; a bias, or gamma and beta, for each map."""
    each = 2 if normalise else 1

    def pair(maps: int, filters: int) -> int:
        return 9 * maps * filters + 9 * filters**2 + 2 * each * filters

    widths = [width * 2**level for level in range(depth + 1)]
    down = sum(pair(maps, filters) for maps, filters in zip([channels, *widths], widths, strict=False))
    up = sum(4 * 2 * maps * maps + maps + pair(2 * maps, maps) for maps in widths[:-1])
    return down + up + (width + 1) * classes


@pytest.mark.parametrize("name", unet.SPECS)
def test_counts_are_the_arithmetic(name):
    spec = unet.SPECS[name]
    assert spec.params == arithmetic(spec.width, spec.depth, 3, 21, normalise=spec.normalise)


def test_the_papers_network():
    # Ronneberger 2015, figure 1: one channel of 572x572, two classes at 388x388, 64 to 1024 maps, 28x28 at the bottom
    model = kcnn.build("unet_valid", num_classes=2, image_shape=(572, 572, 1))
    assert model.output_shape == (None, 388, 388, 2)
    assert [model.get_layer(f"down{level}_conv2").output.shape[1:] for level in (1, 2, 3, 4)] == [
        (568, 568, 64), (280, 280, 128), (136, 136, 256), (64, 64, 512),
    ]  # fmt: skip
    assert model.get_layer("bottom_conv2").output.shape[1:] == (28, 28, 1024)
    assert model.get_layer("up1_join").output.shape[1:] == (392, 392, 128)
    assert sum(math.prod(w.shape) for w in model.trainable_weights) == 31_030_658  # arithmetic as above
    convolutions = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    assert len(convolutions) + 4 == 23  # section 2: 23 convolutional layers, the four upwards ones included


def narrow_valid() -> keras.Model:
    spec = dataclasses.replace(unet.SPECS["unet_valid"], width=2, dropout=0.0)
    model = unet.network("unet_valid", spec, 3, (None, None, 3))
    formula_fill(model)
    return model


def test_valid_scores_see_no_border():
    # translation by the 16 pixels of the bottom moves the scores by as much
    model, images = narrow_valid(), formula.images((220, 204, 3))
    whole = np.asarray(model(images))
    assert whole.shape == (2, 36, 20, 3)
    np.testing.assert_allclose(whole[:, 16:], model(images[:, 16:]), atol=1e-5)
    # what is too small for another 16 is left out at the bottom and right, and moves nothing
    np.testing.assert_allclose(model(images[:, :203, :203]), whole[:, :4, :4], atol=1e-5)


def test_valid_scores_are_those_of_the_middle():
    # every skip is cropped around its middle: mirrored kernels give a mirrored image the mirrored scores
    model, images = narrow_valid(), formula.images((204, 204, 3))
    expected = np.asarray(model(images))[:, ::-1, ::-1]
    model.set_weights([weight[::-1, ::-1] if weight.ndim == 4 else weight for weight in model.get_weights()])
    np.testing.assert_allclose(model(images[:, ::-1, ::-1]), expected, atol=1e-5)


@pytest.mark.parametrize(("depth", "width", "height"), [(1, 3, 9), (3, 2, 21), (5, 2, 33)])
def test_any_depth_and_width(depth, width, height):
    spec = dataclasses.replace(unet.SPECS["unet"], depth=depth, width=width)
    model = unet.network("unet", spec, 5, (height, 40, 2))
    assert model.output_shape == (None, height, 40, 5)
    assert model.get_layer("bottom_conv1").filters == width * 2**depth
    found = sum(math.prod(w.shape) for w in model.trainable_weights)
    assert found == arithmetic(width, depth, 2, 5, normalise=True)


def test_skips_carry_what_the_bottom_lost():
    # one halving a level leaves no trace of which pixel of a square was bright but in the skips
    model = kcnn.build("tiny_unet", num_classes=2, image_shape=(16, 16, 3))
    formula_fill(model)
    images = np.zeros((2, 16, 16, 3), "float32")
    images[0, 4, 4] = images[1, 5, 5] = 1.0
    different = np.abs(np.diff(np.asarray(model(images)), axis=0)).max()
    for level in (1, 2):
        layer = model.get_layer(f"up{level}_conv1")
        kernel = layer.get_weights()[0]
        kernel[:, :, : kernel.shape[2] // 2] = 0.0  # the skip comes first
        layer.set_weights([kernel])
    assert np.abs(np.diff(np.asarray(model(images)), axis=0)).max() < 0.5 * different
