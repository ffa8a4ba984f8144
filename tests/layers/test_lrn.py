"""Local response normalisation against the paper's formula in NumPy, TensorFlow's own, and hand numbers."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kcnn.errors import ConfigError, ShapeError
from kcnn.layers import LocalResponseNormalization
from kcnn.testing.formula import images
from tests.layers.exports import assert_survives


def naive(x: np.ndarray, radius: int, bias: float, alpha: float, beta: float) -> np.ndarray:
    """Krizhevsky 2012, section 3.3, map by map."""
    out = np.empty(x.shape)
    for c in range(x.shape[-1]):
        near = x[..., max(0, c - radius) : min(x.shape[-1], c + radius + 1)].astype(float)
        out[..., c] = x[..., c] / (bias + alpha * (near**2).sum(-1)) ** beta
    return out


@pytest.mark.parametrize("channels", [1, 3, 7])  # fewer maps than a window, and more
@pytest.mark.parametrize(
    ("radius", "bias", "alpha", "beta"), [(2, 2.0, 1e-4, 0.75), (2, 1.0, 0.5, 0.75), (1, 2.0, 1.0, 0.5), (0, 1, 0.0, 1)]
)
def test_equals_the_formula_and_tensorflow(channels, radius, bias, alpha, beta):
    x = 20 * images((5, 4, channels))
    found = np.asarray(LocalResponseNormalization(radius, bias, alpha, beta)(x))
    np.testing.assert_allclose(found, naive(x, radius, bias, alpha, beta), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(found, tf.nn.lrn(x, radius, bias, alpha, beta), rtol=1e-6, atol=1e-6)


def test_by_hand():
    # 1 / (1 + 1 + 4), 2 / (1 + 1 + 4 + 9), 3 / (1 + 4 + 9)
    found = LocalResponseNormalization(1, 1.0, 1.0, 1.0)(np.array([[[[1.0, 2.0, 3.0]]]], "float32"))
    np.testing.assert_allclose(np.ravel(found), [1 / 6, 2 / 15, 3 / 14], rtol=1e-6)


def test_defaults_are_the_papers():
    config = LocalResponseNormalization().get_config()
    assert [config[key] for key in ("depth_radius", "bias", "alpha", "beta")] == [2, 2.0, 1e-4, 0.75]


def test_nan_reaches_its_window_only_and_no_image_gives_none():
    x = np.ones((1, 1, 1, 7), "float32")
    x[..., 0] = np.nan
    assert np.isnan(np.ravel(LocalResponseNormalization()(x))).tolist() == [True] * 3 + [False] * 4
    assert LocalResponseNormalization()(x[:0]).shape == (0, 1, 1, 7)


def test_half_precision_sums_in_float32():
    # 300**2 is beyond float16's 65504
    x = np.full((1, 1, 1, 1), 300, "float16")
    found = LocalResponseNormalization(dtype="float16")(x)
    assert keras.backend.standardize_dtype(found.dtype) == "float16"
    np.testing.assert_allclose(np.ravel(found), 300 / (2 + 1e-4 * 90_000) ** 0.75, rtol=1e-3)


def test_gradient_is_the_formulas():
    x = images((2, 2, 4), count=1).astype("float64")
    with tf.GradientTape() as tape:
        inputs = tf.constant(x, tf.float32)
        tape.watch(inputs)
        y = LocalResponseNormalization(1, 1.0, 0.5, 0.75)(inputs)[0, 0, 0, 1]
    step = np.zeros_like(x)
    step[0, 0, 0, 2] = 1e-5
    difference = naive(x + step, 1, 1.0, 0.5, 0.75) - naive(x - step, 1, 1.0, 0.5, 0.75)
    assert float(tape.gradient(y, inputs)[0, 0, 0, 2]) == pytest.approx(difference[0, 0, 0, 1] / 2e-5, rel=1e-4)


def test_survives_export(tmp_path):
    ops = assert_survives(LocalResponseNormalization(), 20 * images((6, 5, 8)), folder=tmp_path)
    assert "POW" not in ops  # roots instead, which every delegate runs


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"depth_radius": -1}, "depth_radius is -1 but must be a whole number of at least 0"),
        ({"depth_radius": 2.5}, "depth_radius is 2.5"),
        ({"bias": 0}, "bias is 0 and alpha 0.0001 but bias must be above 0"),
        ({"alpha": -1}, "alpha -1"),
        ({"bias": float("nan")}, "bias is nan"),
    ],
)
def test_bad_arguments_are_explained(arguments, message):
    with pytest.raises(ConfigError, match=message):
        LocalResponseNormalization(**arguments)


def test_bad_input_is_explained():
    with pytest.raises(ShapeError, match=r"shape \(2, 3\) but must be maps \(N, H, W, C\)"):
        LocalResponseNormalization()(np.ones((2, 3), "float32"))
