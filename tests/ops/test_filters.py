"""Filters against hand numbers, naive loops and scipy.ndimage, on made arrays and a real photo."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage

from kcnn.errors import ConfigError, ShapeError, UnknownNameError
from kcnn.ops import filters
from kcnn.ops.arithmetic import operations
from kcnn.ops.filters import KERNELS, NAMES, as_layer, box, convolve, correlate, gaussian, trace

NINE = np.arange(1, 10).reshape(3, 3)
STEP = np.array([[255, 255, 255, 0, 0, 0]] * 6)
EDGE = np.array([[1, 0, -1]] * 3)
SCIPY = {"zero": "constant", "reflect": "mirror", "symmetric": "reflect", "replicate": "nearest", "wrap": "wrap"}


# hand numbers


def test_a_step_edge():
    assert correlate(STEP, EDGE, "valid").numpy().tolist() == [[0, 765, 765, 0]] * 4


def test_nine_steps_over_zeros_and_ones():
    image = [[1, 1, 1, 0, 0], [0, 1, 1, 1, 0], [0, 0, 1, 1, 1], [0, 0, 1, 1, 0], [0, 1, 1, 0, 0]]
    steps = list(trace(image, [[1, 0, 1], [0, 1, 0], [1, 0, 1]]))
    assert [step.total for step in steps] == [4, 3, 4, 2, 4, 3, 2, 3, 4]
    assert [step.position for step in steps][:4] == [(0, 0), (0, 1), (0, 2), (1, 0)]  # to the right, then down
    assert steps[5].corner == (1, 2)
    assert steps[5].patch.tolist() == [[1, 1, 0], [1, 1, 1], [1, 1, 0]]
    assert steps[5].products.tolist() == [[1, 0, 0], [0, 1, 0], [1, 0, 0]]


def test_sobel_on_one_to_nine():
    """The sum is 8; 24 would be the positive products alone: 3 + 2 * 6 + 9."""
    (step,) = trace(NINE, "sobel_x")
    assert step.total == 8
    assert step.products[step.products > 0].sum() == 24
    (flat,) = trace(NINE, "laplacian")
    assert flat.total == 0


def test_a_layer_sums_over_channels_and_adds_its_bias():
    image, kernel = np.arange(75).reshape(5, 5, 3), np.arange(27).reshape(3, 3, 3)
    layer = keras.layers.Conv2D(1, 3, 2)
    layer.build((None, 5, 5, 3))
    layer.set_weights([kernel[..., None], np.array([7.0])])
    expected = np.ravel(layer(image[None].astype("float32"))).tolist()
    steps = list(trace(image, kernel, stride=2, bias=7))
    assert [step.total for step in steps] == expected
    assert steps[0].patch.size == operations(3, channels=3)[0] == 27
    assert [step.corner for step in steps] == [(0, 0), (0, 2), (2, 0), (2, 2)]


def test_the_border_of_a_trace():
    first = next(trace(NINE, np.ones((3, 3), int), "zero"))
    assert (first.position, first.corner, first.total) == ((0, 0), (-1, -1), 1 + 2 + 4 + 5)
    assert next(trace(NINE, np.ones((3, 3), int), "replicate")).total == 1 * 4 + 2 * 2 + 4 * 2 + 5
    photo = np.full((3, 3), 255, np.uint8)
    assert next(trace(photo, np.full((3, 3), 2, np.uint8))).total == 9 * 510  # not modulo 256


def test_convolution_turns_the_kernel():
    impulse = np.zeros((5, 5))
    impulse[2, 2] = 1
    kernel = np.arange(9).reshape(3, 3)
    assert convolve(impulse, kernel).numpy()[1:4, 1:4].tolist() == kernel.tolist()
    assert correlate(impulse, kernel).numpy()[1:4, 1:4].tolist() == kernel[::-1, ::-1].tolist()


def test_convolution_equals_correlation_for_symmetric_kernels():
    image = np.random.default_rng(0).random((8, 8))
    for name in ("box", "gaussian", "gaussian5", "laplacian", "sharpen"):
        np.testing.assert_allclose(convolve(image, name), correlate(image, name), atol=1e-12)
    for name in ("sobel_x", "sobel_y", "prewitt_x", "prewitt_y"):
        np.testing.assert_allclose(convolve(image, name), -np.asarray(correlate(image, name)), atol=1e-12)


def test_the_kernels_of_textbooks():
    assert (KERNELS["gaussian"] * 16).tolist() == [[1, 2, 1], [2, 4, 2], [1, 2, 1]]
    assert (KERNELS["gaussian5"][2] * 256).tolist() == [6, 24, 36, 24, 6]
    np.testing.assert_allclose(KERNELS["sharpen"] * 9, [[-1, -1, -1], [-1, 17, -1], [-1, -1, -1]])
    assert KERNELS["sobel_x"].tolist() == [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]
    assert KERNELS["sobel_y"].tolist() == [[-1, -2, -1], [0, 0, 0], [1, 2, 1]]
    assert KERNELS["laplacian"].tolist() == [[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]]
    sums = {name: round(float(KERNELS[name].sum()), 12) for name in NAMES}
    edges = {"sobel_x", "sobel_y", "prewitt_x", "prewitt_y", "laplacian", "laplacian4"}
    assert sums == {name: 0 if name in edges else 1 for name in NAMES}


# scipy.ndimage


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    st.tuples(st.integers(1, 12), st.integers(1, 12)),
    st.tuples(st.integers(1, 6), st.integers(1, 6)),
    st.sampled_from(sorted(SCIPY)),
    st.booleans(),
)
def test_every_border_equals_scipy(shape, size, border, flip):
    rng = np.random.default_rng(1)
    image, kernel = rng.random(shape), rng.normal(size=size)
    ours, theirs = (convolve, ndimage.convolve) if flip else (correlate, ndimage.correlate)
    np.testing.assert_allclose(ours(image, kernel, border), theirs(image, kernel, mode=SCIPY[border]), atol=1e-12)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.integers(1, 6), st.integers(1, 6), st.sampled_from(sorted(SCIPY)), st.integers(1, 3))
def test_the_trace_is_the_naive_loop(high, wide, border, stride):
    rng = np.random.default_rng(2)
    image, kernel = rng.random((7, 9)), rng.random((high, wide))
    steps = list(trace(image, kernel, border, stride))
    found = np.array([step.total for step in steps]).reshape(-(-7 // stride), -(-9 // stride))
    np.testing.assert_allclose(found, ndimage.correlate(image, kernel, mode=SCIPY[border])[::stride, ::stride])


@pytest.fixture
def photo(shared_data):
    image = Image.open(sorted((shared_data / "flowers_mini" / "test" / "daisy").glob("*.jpg"))[0])
    return np.asarray(image)


def test_a_real_photo_equals_scipy(photo):
    assert photo.dtype == np.uint8
    assert photo.std() > 20
    for border, mode in SCIPY.items():
        for name in NAMES:
            expected = ndimage.correlate(photo / 255, KERNELS[name][:, :, None], mode=mode)
            found = correlate((photo / 255).astype("float32"), name, border)
            np.testing.assert_allclose(found, expected, atol=1e-5)

    def by_channel(function, **arguments):
        return np.stack([function(photo[..., channel] / 1.0, **arguments) for channel in range(3)], axis=-1)

    by_name = {
        "box": by_channel(ndimage.uniform_filter),
        "sobel_x": by_channel(ndimage.sobel, axis=1),
        "sobel_y": by_channel(ndimage.sobel, axis=0),
        "prewitt_x": by_channel(ndimage.prewitt, axis=1),
        "prewitt_y": by_channel(ndimage.prewitt, axis=0),
        "laplacian4": -by_channel(ndimage.laplace),
    }
    for name, expected in by_name.items():
        np.testing.assert_allclose(correlate(photo, name, "symmetric"), expected, atol=1e-5)
    blurred = by_channel(ndimage.gaussian_filter, sigma=1.5, mode="nearest")
    np.testing.assert_allclose(correlate(photo, gaussian(1.5), "replicate"), blurred, atol=2e-5)  # float32 near 255


def test_a_layer_filters_a_real_photo(photo):
    for name in NAMES:
        for border in ("zero", "valid"):
            layer = as_layer(name, channels=3, border=border)
            found = layer(photo[None].astype("float32") / 255)[0]
            np.testing.assert_allclose(found, correlate(photo / 255, name, border), atol=1e-5)


# shapes, layers, and what cannot work


@pytest.mark.parametrize(
    ("shape", "valid"),
    [
        ((6, 7), (4, 6)),
        ((6, 7, 1), (4, 6, 1)),
        ((6, 7, 4), (4, 6, 4)),
        ((2, 6, 7, 3), (2, 4, 6, 3)),
        ((0, 6, 7, 3), (0, 4, 6, 3)),
    ],
)
def test_any_number_of_channels(shape, valid):
    image = np.random.default_rng(3).random(shape, "float32")
    found = correlate(image, "emboss", "wrap")
    assert tuple(found.shape) == shape
    assert keras.backend.standardize_dtype(found.dtype) == "float32"
    assert tuple(correlate(image, np.ones((3, 2)), "valid").shape) == valid


def test_not_a_number_stays_where_it_was():
    image = np.zeros((7, 7))
    image[3, 3] = np.nan
    assert np.argwhere(np.isnan(correlate(image, box()))).min(0).tolist() == [2, 2]
    assert np.isnan(correlate(image, box())).sum() == 9


def test_a_layer_is_frozen_named_and_saved(tmp_path):
    layer = as_layer("sobel_x")
    assert (layer.name, layer.trainable_weights, layer.count_params()) == ("sobel_x", [], 9)
    model = keras.Sequential([keras.Input((None, None, 1)), layer])
    model.save(tmp_path / "sobel.keras")
    again = keras.saving.load_model(tmp_path / "sobel.keras")
    assert np.ravel(again(NINE[None, :, :, None].astype("float32")))[4] == 8


def test_kernels_by_size():
    np.testing.assert_allclose(gaussian(0.8, radius=2)[2], gaussian(0.8, radius=2)[:, 2])
    assert gaussian(1.0).shape == (9, 9)
    assert gaussian(2.0, radius=1).sum() == pytest.approx(1)
    assert box(5).shape == (5, 5)
    doubled = filters.unsharp(box(), amount=2)
    np.testing.assert_allclose(doubled, 3 * filters.impulse((3, 3)) - 2 * box())


def test_a_named_kernel_cannot_be_spoiled():
    filters.kernel_of("box")[0, 0] = 5
    assert KERNELS["box"][0, 0] == 1 / 9


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: correlate(NINE, "sobel"), UnknownNameError, "Did you mean 'sobel_"),
        (lambda: trace(NINE, "sobel"), UnknownNameError, "unknown kernel"),
        (lambda: correlate(NINE, box(), "mirror"), ConfigError, "border is 'mirror' but must be one of"),
        (lambda: trace(NINE, box(), "mirror"), ConfigError, "border is 'mirror'"),
        (lambda: correlate(NINE, np.ones(3)), ShapeError, r"kernel has shape \(3,\)"),
        (lambda: correlate(NINE, np.ones((0, 3))), ShapeError, "at least one weight"),
        (lambda: correlate(np.ones(4), box()), ShapeError, r"image has shape \(4,\)"),
        (lambda: correlate(np.ones((0, 4)), box()), ShapeError, "not empty"),
        (lambda: correlate(NINE, box(5), "valid"), ShapeError, "no whole window fits"),
        (lambda: trace(NINE, box(5)), ShapeError, "no whole window fits"),
        (lambda: trace(np.ones((3, 3, 2)), box()), ShapeError, "with the same C"),
        (lambda: trace(NINE, box(), stride=0), ConfigError, "stride is 0"),
        (lambda: as_layer("box", border="wrap"), ConfigError, "knows only 'zero' and 'valid'"),
        (lambda: as_layer(np.ones((2, 2))), ConfigError, "must have odd sides"),
        (lambda: as_layer("box", channels=0), ConfigError, "channels is 0"),
        (lambda: gaussian(0), ConfigError, "sigma is 0"),
        (lambda: gaussian(float("nan")), ConfigError, "sigma is nan"),
        (lambda: box(0), ConfigError, "size is 0"),
    ],
)
def test_what_cannot_work(call, error, message):
    with pytest.raises(error, match=message):
        call()
