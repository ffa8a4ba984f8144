"""Convolution arithmetic against the layers of Keras and TensorFlow, over 2,500 random settings."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from kcnn.errors import ShapeError
from kcnn.ops.arithmetic import Window, convolution, dense, depthwise, separable, toeplitz, windows


def sized(kernel, stride, padding, dilation, size):
    return st.tuples(
        *(st.integers(1, kernel), st.integers(1, stride), st.sampled_from(padding)),
        *(st.integers(1, dilation), st.integers(1, size)),
    )


AXIS = sized(kernel=7, stride=4, padding=("valid", "same"), dilation=4, size=40)


@st.composite
def two_axes(draw):
    """Settings of a layer that Keras accepts: one padding for both axes, dilation only at stride 1."""
    first, second = draw(AXIS), draw(AXIS)
    if draw(st.booleans()):
        first, second = ((kernel, 1, padding, dilation, size) for kernel, _, padding, dilation, size in (first, second))
    else:
        first, second = ((kernel, stride, padding, 1, size) for kernel, stride, padding, _, size in (first, second))
    kernel, stride, _, dilation, shape = zip(first, second, strict=True)
    return {"kernel_size": kernel, "strides": stride, "padding": first[2], "dilation_rate": dilation}, shape


def of_keras(layer, shape):
    try:
        found = tuple(layer.compute_output_shape((1, *shape, 1)))[1:3]
    except ValueError:
        return None
    return found if min(found) > 0 else None


def of_kcnn(shape, form, **arguments):
    axes = windows(2, form["kernel_size"], form["strides"], form["padding"], form.get("dilation_rate", 1))
    try:
        if arguments:
            pads = arguments["output_padding"]
            return tuple(axis.transposed(size, pad) for axis, size, pad in zip(axes, shape, pads, strict=True))
        return tuple(axis.output(size) for axis, size in zip(axes, shape, strict=True))
    except ShapeError:
        return None


@settings(max_examples=1000, deadline=None, derandomize=True)
@given(two_axes(), st.sampled_from(["Conv2D", "SeparableConv2D", "DepthwiseConv2D", "MaxPooling2D"]))
def test_sizes_equal_keras(drawn, kind):
    form, shape = drawn
    if kind == "MaxPooling2D":
        layer = keras.layers.MaxPooling2D(form["kernel_size"], form["strides"], form["padding"])
        form = form | {"dilation_rate": 1}
    elif kind == "DepthwiseConv2D":
        layer = keras.layers.DepthwiseConv2D(**form)
    else:
        layer = getattr(keras.layers, kind)(1, **form)
    assert of_kcnn(shape, form) == of_keras(layer, shape)


@pytest.mark.slow
@settings(max_examples=1000, deadline=None, derandomize=True)
@given(two_axes(), st.data())
def test_transposed_sizes_equal_keras(drawn, data):
    form, shape = drawn
    pads = (None, None)
    if min(form["strides"]) > 1 and data.draw(st.booleans()):
        pads = tuple(data.draw(st.integers(0, stride - 1)) for stride in form["strides"])
    output_padding = None if None in pads else pads
    layer = keras.layers.Conv2DTranspose(1, **form, output_padding=output_padding)
    assert of_kcnn(shape, form, output_padding=pads) == of_keras(layer, shape)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    sized(kernel=5, stride=3, padding=("valid", "same", "even", "full", 0, 1, (2, 1)), dilation=3, size=20),
    st.integers(0, 2**32 - 1),
)
def test_values_of_tensorflow_are_those_of_the_banded_matrix(drawn, seed):
    """tf.nn.conv2d computes stride and dilation together, which Keras' layers refuse."""
    kernel, stride, padding, dilation, size = drawn
    window = Window(kernel, stride, padding, dilation)
    rng = np.random.default_rng(seed)
    signal, weights = rng.integers(-9, 10, size), rng.integers(-9, 10, kernel)
    try:
        matrix = np.array(toeplitz(window, size, weights.tolist()))
    except ShapeError:
        assert size + sum(window.pads(size)) < window.effective
        return
    padded = signal if padding == "same" else np.pad(signal, window.pads(size))
    found = tf.nn.conv2d(
        tf.constant(padded.reshape(1, 1, -1, 1), tf.float32),
        tf.constant(weights.reshape(1, -1, 1, 1), tf.float32),
        strides=(1, stride),
        padding="SAME" if padding == "same" else "VALID",
        dilations=(1, dilation),
    )
    np.testing.assert_array_equal(np.ravel(found), matrix @ signal)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(two_axes(), st.integers(0, 2**32 - 1))
def test_values_of_a_transposed_layer_are_those_of_the_transposed_matrix(drawn, seed):
    form, shape = drawn
    rows = windows(2, **dict(zip(("kernel", "stride", "padding", "dilation"), form.values(), strict=True)))[0]
    rng = np.random.default_rng(seed)
    signal, weights = rng.integers(-9, 10, shape[0]), rng.integers(-9, 10, rows.kernel)
    one = {key: (value[0], 1) if isinstance(value, tuple) else value for key, value in form.items()}
    layer = keras.layers.Conv2DTranspose(1, **one, use_bias=False)
    layer.build((1, shape[0], 1, 1))
    layer.set_weights([weights.reshape(-1, 1, 1, 1)])
    found = np.ravel(layer(signal.reshape(1, -1, 1, 1).astype("float32")))
    matrix = np.array(toeplitz(rows, rows.transposed(shape[0]), weights.tolist()))
    np.testing.assert_array_equal(found, matrix[: shape[0]].T @ signal)


@pytest.mark.parametrize("kind", ["Conv2D", "SeparableConv2D", "DepthwiseConv2D", "Dense"])
def test_parameters_equal_keras(kind):
    inputs = keras.Input((9, 9, 6))
    layer, expected = {
        "Conv2D": lambda: (keras.layers.Conv2D(4, (3, 2), groups=2), convolution((7, 8), (3, 2), 6, 4, 2)),
        "SeparableConv2D": lambda: (keras.layers.SeparableConv2D(4, 3), separable((7, 7), 3, 6, 4)),
        "DepthwiseConv2D": lambda: (keras.layers.DepthwiseConv2D(3, depth_multiplier=2), depthwise((7, 7), 3, 6, 2)),
        "Dense": lambda: (keras.layers.Dense(5), dense(6, 5)),
    }[kind]()
    layer(inputs)
    assert layer.count_params() == expected.params
