"""Maps equal a sub-model's output; kernels are those of the layer."""

import keras
import numpy as np
import pytest
from keras import layers

from kcnn.errors import ConfigError, ShapeError, UnknownNameError
from kcnn.explain.feature_maps import feature_maps
from kcnn.explain.kernels import kernels
from kcnn.testing import formula
from tests.explain import nets


def test_equal_to_a_sub_models_output():
    model, images = nets.twin(), formula.images((14, 14, 3), 5)
    found = feature_maps(model, images, ["1", "3", "5"], batch_size=2)
    assert list(found) == ["1", "3", "5"]
    for name, values in found.items():
        part = keras.Model(model.inputs[0], model.get_layer(name).output)
        np.testing.assert_allclose(values, part(images), rtol=1e-5, atol=1e-6)
    assert list(feature_maps(model, images)) == ["4"]


def test_mistakes():
    with pytest.raises(UnknownNameError, match="unknown layer '9'"):
        feature_maps(nets.twin(), nets.images(), ["9"])
    with pytest.raises(ShapeError, match="images are"):
        feature_maps(nets.twin(), nets.images()[0])


def test_kernels_of_every_kind_of_convolution():
    model = keras.Sequential(
        [
            keras.Input((9, 9, 3)),
            layers.Conv2D(5, 3, name="conv"),
            layers.DepthwiseConv2D(3, depth_multiplier=2, name="depthwise"),
            layers.SeparableConv2D(4, 3, name="separable"),
            layers.Conv2DTranspose(2, 2, name="transposed"),
            layers.Flatten(name="flat"),
        ]
    )
    shapes = {name: kernels(model, name).shape for name in ("conv", "depthwise", "separable", "transposed")}
    assert shapes == {
        "conv": (3, 3, 3, 5),
        "depthwise": (3, 3, 5, 2),
        "separable": (3, 3, 10, 1),
        "transposed": (2, 2, 4, 2),
    }
    np.testing.assert_array_equal(kernels(model, "conv"), model.get_layer("conv").get_weights()[0])
    for name in ("depthwise", "separable"):
        np.testing.assert_array_equal(kernels(model, name), model.get_layer(name).get_weights()[0])
    transposed = model.get_layer("transposed").get_weights()[0]  # (h, w, out, in)
    np.testing.assert_array_equal(kernels(model, "transposed")[..., 3, 1], transposed[..., 1, 3])
    with pytest.raises(ConfigError, match="has no 2-D kernels; these have: conv, depthwise, separable, transposed"):
        kernels(model, "flat")
