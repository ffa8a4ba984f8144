"""The boxes of units against the pixels from which gradients really come, in random networks."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers

from kcnn.ops.receptive_field import ledger, unit_box


def reach(model, unit, least=0.0):
    """Return the box of pixels with a gradient from `unit` above `least`."""

    @tf.function  # eager gradients also compute those of kernels, where TensorFlow 2.21 can crash on the CPU
    def gradients(image):
        return tf.gradients(tf.reduce_sum(model(image)[(0, *unit)]), image)

    (gradient,) = gradients(tf.random.uniform((1, *model.input_shape[1:])))
    found = np.argwhere(np.abs(gradient[0]).sum(-1) > least)
    return (*found.min(0).tolist(), *(found.max(0) + 1).tolist()) if len(found) else None


def positive(model):
    """Fill weights with random positive numbers, so that contributions never cancel."""
    rng = np.random.default_rng(0)
    for weight in model.weights:
        weight.assign(rng.uniform(0.5, 1, weight.shape) / max(1, np.prod(weight.shape[:-1])))


def convolutions(paddings=("same", "valid")):
    """Settings of a convolution or average pooling: (class name, arguments)."""
    strided = st.sampled_from([{"strides": (2, 2)}, {"strides": (3, 3)}, {}])
    spread = strided | st.sampled_from([{"dilation_rate": (2, 3)}, {"dilation_rate": (1, 2)}])
    kernel, padding = st.tuples(*[st.integers(1, 4)] * 2), st.sampled_from(paddings)
    forms = st.tuples(st.sampled_from(["Conv2D", "DepthwiseConv2D", "SeparableConv2D"]), kernel, padding, spread)
    pools = st.tuples(kernel, padding, strided)
    return forms.map(
        lambda form: (form[0], {"kernel_size": form[1], "padding": form[2], **form[3]} | filters(form[0]))
    ) | pools.map(
        lambda form: ("AveragePooling2D", {"pool_size": form[0], "padding": form[1], "strides": 1, **form[2]})
    )


def filters(kind):
    return {} if kind == "DepthwiseConv2D" else {"filters": 2}


def forms(kind, **arguments):
    return st.tuples(st.just(kind), st.fixed_dictionaries(arguments))


ENDS = st.tuples(*[st.tuples(*[st.integers(0, 2)] * 2)] * 2)
TRANSPOSED = {"filters": st.just(2), "kernel_size": st.integers(1, 5), "padding": st.sampled_from(["same", "valid"])}
OTHERS = st.one_of(
    forms("Conv2DTranspose", **TRANSPOSED, dilation_rate=st.integers(1, 2)),
    forms("Conv2DTranspose", **TRANSPOSED, strides=st.just(2), output_padding=st.sampled_from([None, 1])),
    forms("Conv2DTranspose", **TRANSPOSED, strides=st.just(3), output_padding=st.sampled_from([None, 1, 2])),
    forms("ZeroPadding2D", padding=ENDS),
    forms("Cropping2D", cropping=ENDS),
    forms("UpSampling2D", size=st.tuples(*[st.integers(1, 3)] * 2)),
    forms("UpSampling2D", size=st.integers(2, 3), interpolation=st.sampled_from(["bilinear", "bicubic"])),
    forms(
        "Resizing",
        height=st.integers(5, 20),
        width=st.integers(5, 20),
        interpolation=st.sampled_from(["nearest", "bilinear"]),
    ),
    forms("CenterCrop", height=st.integers(3, 5), width=st.integers(3, 5)),
    forms("AdaptiveAveragePooling2D", output_size=st.tuples(*[st.integers(2, 9)] * 2)),
)
NETWORKS = {
    "shape": st.tuples(*[st.integers(15, 24)] * 2),
    "stack": st.lists(st.tuples(convolutions() | OTHERS, st.integers(0, 5)), min_size=1, max_size=5),
    "place": st.tuples(*[st.floats(0, 0.999)] * 2),
}


def network(shape, stack):
    """Build a stack; a `branch` of 1 or 2 adds a 3x3 convolution of that dilation beside the layer's output."""
    x = inputs = keras.Input((*shape, 1))
    for (kind, arguments), branch in stack:
        try:
            following = getattr(layers, kind)(**arguments)(x)
        except ValueError:  # too small, or more output padding than Keras can make
            continue
        if kind == "CenterCrop" and min(x.shape[1:3]) < max(arguments.values()):  # Keras then resizes; refused
            continue
        if min(following.shape[1:3]) < 1 or max(following.shape[1:3]) > 60:
            continue
        if branch in (1, 2):
            beside = layers.Conv2D(following.shape[-1], 3, padding="same", dilation_rate=branch)
            following = layers.Add()([following, beside(following)])
        x = following
    model = keras.Model(inputs, layers.Identity()(x) if x is inputs else x)
    positive(model)
    return model


def unit_at(model, place):
    return tuple(int(side * part) for side, part in zip(model.output_shape[1:3], place, strict=True))


def check_boxes(shape, stack, place):
    model = network(shape, stack)
    unit, row = unit_at(model, place), len(ledger(model)) - 1
    try:
        found = reach(model, unit)
    except (ValueError, tf.errors.InvalidArgumentError):  # output padding that TensorFlow refuses when it runs
        return
    assert unit_box(model, row, unit, inside=True) == found
    window = unit_box(model, row, unit)
    if found:
        assert all(start <= inner for start, inner in zip(window[:2], found[:2], strict=True))
        assert all(end >= inner for end, inner in zip(window[2:], found[2:], strict=True))


@settings(max_examples=12, deadline=None, derandomize=True)
@given(**NETWORKS)
def test_gradients_fill_the_box_exactly(shape, stack, place):
    check_boxes(shape, stack, place)


@pytest.mark.parametrize("extra", [None, 0, 2])
def test_a_transposed_layer_crops_as_its_output_size_asks(extra):
    arguments = {"filters": 1, "kernel_size": 5, "strides": 3, "padding": "same", "output_padding": extra}
    model = network((4, 4), [(("Conv2DTranspose", arguments), 0)])
    for unit in ((0, 4), (5, 6), (7, 8)):
        assert unit_box(model, 0, unit, inside=True) == reach(model, unit)


@pytest.mark.slow
@settings(max_examples=150, deadline=None, derandomize=True)
@given(**NETWORKS)
def test_gradients_fill_the_box_exactly_in_many_networks(shape, stack, place):
    check_boxes(shape, stack, place)


@pytest.mark.slow
@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.lists(convolutions(("valid",)), min_size=1, max_size=4), NETWORKS["place"])
def test_without_padding_the_window_is_what_gradients_reach(stack, place):
    model = network((60, 60), [(layer, 0) for layer in stack])
    row = len(ledger(model)) - 1
    assert unit_box(model, row, unit_at(model, place)) == reach(model, unit_at(model, place))
    box, field = unit_box(model, row, (0, 0)), ledger(model)[-1]
    assert field.size == (box[2] - box[0], box[3] - box[1])
    assert field.start == ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)


@pytest.mark.parametrize(("kind", "width"), [("lanczos3", 6), ("lanczos5", 10)])
def test_lanczos_is_as_wide_as_its_kernel(kind, width):
    model = network((20, 20), [(("UpSampling2D", {"size": 3, "interpolation": kind}), 0)])
    for unit, expected in (((30, 30), width), ((31, 31), 1)):  # between two pixels; on one
        box = unit_box(model, 0, unit, inside=True)
        assert box == reach(model, unit, least=1e-6)
        assert box[2] - box[0] == expected
