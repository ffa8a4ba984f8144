"""Layer calls against what Keras itself computes."""

import itertools

import keras
import numpy as np
import pytest
from keras import layers

from kcnn.errors import ShapeError
from kcnn.ops import graph


def model_with_everything():
    """Operations with constants, a shared layer, a nested model called twice, and a layer of two inputs."""
    inside = keras.Sequential([keras.Input((8, 8, 2)), layers.Conv2D(2, 3, padding="same", name="conv")], name="inside")
    inputs, shared = keras.Input((8, 8, 2)), layers.Dense(2, name="shared")
    x = inside(shared(shared(inputs)) * 2.0 + 1.0)
    x = layers.Dropout(0.9, name="dropout")(inside(x))
    return keras.Model(inputs, layers.Concatenate(name="both")([3.0 - x, inputs]))


def test_names_in_order_of_computation():
    names = [call.name for call in graph.calls(model_with_everything())]
    assert [name for name in names if "/" in name or name in ("shared", "both")] == [
        *("shared", "shared", "inside/conv", "inside/conv", "both")
    ]


def test_calls_are_tied_by_their_tensors():
    calls = list(graph.calls(model_with_everything()))
    for before, after in itertools.pairwise(calls):
        assert after.inputs[0] is before.outputs[0]
    first, last = calls[0].inputs[0], calls[-1]
    assert last.inputs[1] is first
    assert (first.shape, last.outputs[0].shape) == ((None, 8, 8, 2), (None, 8, 8, 4))


def test_running_to_the_last_call_is_the_model():
    model = model_with_everything()
    images = np.random.default_rng(0).random((2, 8, 8, 2), "float32")
    last = len(list(graph.calls(model))) - 1
    np.testing.assert_allclose(graph.run(model, [images], last), model(images), atol=1e-6)
    kernel, bias = (np.asarray(weight) for weight in model.get_layer("shared").weights)
    np.testing.assert_allclose(graph.run(model, [images], 0), images @ kernel + bias, atol=1e-5)


def test_a_model_that_is_not_built():
    with pytest.raises(ShapeError, match="no known input shape"):
        list(graph.calls(keras.Sequential([layers.Dense(2)])))
