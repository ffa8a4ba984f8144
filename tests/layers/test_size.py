"""Resizing, cropping and padding to the size of another map: hand-worked numbers, open sizes, what cannot be."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kcnn.errors import ConfigError, ShapeError
from kcnn.layers import BilinearKernel, CropLike, PadToMultiple, ResizeLike
from kcnn.ops.receptive_field import ledger, unit_box
from kcnn.testing import formula
from tests.layers.exports import litert_outputs


def ramp(height: int, width: int) -> np.ndarray:
    """(1, H, W, 2) maps that rise by 3 a row, and by 5 a column, in the middle of each pixel."""
    rows, columns = np.mgrid[:height, :width] + 0.5
    return np.stack([3 * rows, 5 * columns], axis=-1)[None].astype("float32")


def test_half_pixels_by_hand():
    # centres of 4 pixels over 2: 0.25, 0.75, 1.25, 1.75 pixels from the left edge, and those of the maps at 0.5, 1.5
    maps = np.array([0.0, 4.0], "float32").reshape(1, 1, 2, 1)
    found = ResizeLike()([maps, np.zeros((1, 1, 4, 3), "float32")])
    np.testing.assert_allclose(np.asarray(found).ravel(), [0.0, 1.0, 3.0, 4.0])


@pytest.mark.parametrize("width", [2, None])
def test_shrinking_does_not_smooth(width):
    # centres of 2 pixels over 6: 1.5 and 4.5, those of the second and the fifth; None is a size that the graph tells
    layer, row = ResizeLike(), np.array([1, 9, 1, 2, 5, 2], "float32").reshape(1, 1, 6, 1)
    signature = [tf.TensorSpec((1, 1, 6, 1)), tf.TensorSpec((1, 1, width, 1))]
    shrink = tf.function(lambda *pair: layer(list(pair)), input_signature=signature)
    np.testing.assert_allclose(np.ravel(shrink(row, np.zeros((1, 1, 2, 1), "float32"))), [9.0, 5.0])


@pytest.mark.parametrize(("height", "width"), [(13, 29), (10, 30), (40, 7)])
def test_a_ramp_stays_a_ramp_inside(height, width):
    found = np.asarray(ResizeLike()([ramp(5, 6), np.zeros((1, height, width, 1), "float32")]))
    expected = ramp(height, width) * np.array([5 / height, 6 / width], "float32")
    edges = [int(np.ceil(side / maps / 2)) for side, maps in ((height, 5), (width, 6))]
    inside = (slice(None), slice(edges[0], -edges[0]), slice(edges[1], -edges[1]))
    np.testing.assert_allclose(found[inside], expected[inside], rtol=1e-5)


@pytest.mark.parametrize("factor", [2, 4, 8])
def test_a_transposed_convolution_that_starts_bilinear_is_the_resizing(factor):
    # Long 2014, section 3.3; the outermost half pixel of the maps fades, for it sees zeros beyond
    inputs = keras.Input((5, 6, 2))
    layer = keras.layers.Conv2DTranspose(
        2, 2 * factor, factor, padding="same", use_bias=False, kernel_initializer=BilinearKernel()
    )
    found = np.asarray(keras.Model(inputs, layer(inputs))(ramp(5, 6)))
    expected = ResizeLike()([ramp(5, 6), np.zeros((1, 5 * factor, 6 * factor, 1), "float32")])
    inside = (slice(None), slice(factor // 2, -factor // 2), slice(factor // 2, -factor // 2))
    np.testing.assert_allclose(found[inside], np.asarray(expected)[inside], rtol=1e-5)
    np.testing.assert_allclose(found[inside], ramp(5 * factor, 6 * factor)[inside] / factor, rtol=1e-5)


def test_odd_bilinear_kernel_by_hand():
    # factor 2 of a 3x3: 1/2, 1, 1/2 each way
    np.testing.assert_allclose(
        np.asarray(BilinearKernel()((3, 3, 1, 1)))[..., 0, 0], np.outer([0.5, 1, 0.5], [0.5, 1, 0.5])
    )


def test_padding_and_cropping_by_hand():
    maps = formula.images((5, 9, 2))
    padded = np.asarray(PadToMultiple(4)(maps))
    assert padded.shape == (2, 8, 12, 2)
    np.testing.assert_array_equal(padded[:, :5, :9], maps)
    assert not padded[:, 5:].any()
    assert not padded[:, :, 9:].any()
    np.testing.assert_array_equal(CropLike()([padded, maps[..., :1]]), maps)
    assert PadToMultiple(4, least=3)(maps).shape == (2, 12, 12, 2)
    middle = np.asarray(CropLike(offset=1)([maps, np.zeros((2, 2, 4, 1))]))
    np.testing.assert_array_equal(middle, maps[:, 1:3, 1:5])


def joined(height=None, width=None) -> keras.Model:
    inputs = keras.Input((height, width, 3))
    x = PadToMultiple(4, least=2, name="padded")(inputs)
    x = ResizeLike(name="half")([keras.layers.MaxPooling2D(4, name="pool")(x), x])
    return keras.Model(inputs, CropLike(name="cropped")([x, inputs]))


@pytest.mark.parametrize("shape", [(5, 9, 3), (1, 20, 3), (12, 8, 3)])
def test_open_sizes_give_what_fixed_ones_give(shape, tmp_path):
    images, still = formula.images(shape), joined()
    expected = np.asarray(joined(*shape[:2])(images))
    np.testing.assert_allclose(still(images), expected, atol=1e-6)
    np.testing.assert_allclose(litert_outputs(still, images, tmp_path), expected, atol=1e-5)
    still.save(tmp_path / "model.keras")
    np.testing.assert_allclose(keras.saving.load_model(tmp_path / "model.keras")(images), expected, atol=1e-6)


def test_receptive_field_reads_the_maps_and_not_the_reference():
    # 4x4 pixels a pooled value, and an enlarged one mixes two of them: rows 0 to 7, cropped from 12 to 9
    model = joined(9, 9)
    assert ledger(model)[-1].size == (8, 8)
    assert unit_box(model, "cropped", (4, 5)) == (0, 0, 8, 8)
    image = keras.Input((9, 9, 1))
    x = CropLike(offset=2, name="middle")([image, keras.layers.MaxPooling2D(2, name="pool")(image)])
    assert unit_box(keras.Model(image, x), "middle", (0, 1)) == (2, 3, 3, 4)


@pytest.mark.parametrize("layer", [ResizeLike, CropLike])
def test_one_map_is_refused(layer):
    with pytest.raises(ShapeError, match=r"two maps, \[maps, reference\]"):
        layer()(keras.Input((4, 4, 1)))


def test_a_larger_reference_is_refused():
    with pytest.raises(ShapeError, match="maps of 4x5 cannot be cropped to 6x5"):
        CropLike()([keras.Input((4, 5, 1)), keras.Input((6, 5, 1))])
    with pytest.raises(ShapeError, match="maps of 6x8 cannot be cropped to 6x5 from pixel 2 on"):
        CropLike(offset=2)([keras.Input((6, 8, 1)), keras.Input((6, 5, 1))])


@pytest.mark.parametrize("value", [0, 1.5, True])
def test_a_bad_multiple_is_refused(value):
    with pytest.raises(ConfigError, match="multiple"):
        PadToMultiple(value)
