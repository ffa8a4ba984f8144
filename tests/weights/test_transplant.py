"""Transplanted weights: another library's arithmetic, written out in NumPy, must come out of our network."""

import keras
import numpy as np
import pytest

from kcnn.errors import WeightsError
from kcnn.weights.transplant import KerasWeights, Table, TorchWeights, transplant

RULES = Table(rules=((r"stem", "features.0"), (r"stem_bn", "features.1"), (r"logits", "fc")))


def network():
    """A convolution without bias, its normalisation, and a dense layer over rows, columns and maps."""
    inputs = keras.Input((2, 3, 1))
    x = keras.layers.Conv2D(2, 1, use_bias=False, name="stem")(inputs)
    x = keras.layers.BatchNormalization(epsilon=0.0, name="stem_bn")(x)
    x = keras.layers.Flatten(name="flatten")(x)
    return keras.Model(inputs, keras.layers.Dense(1, name="logits")(x), name="small")


def torch_state(**changes):
    """The same network as PyTorch keeps it, with a bias on the convolution; every number differs from the others."""
    state = {
        "features.0.weight": np.array([2.0, -3.0]).reshape(2, 1, 1, 1),
        "features.0.bias": np.array([5.0, 7.0]),
        "features.1.weight": np.array([1.5, 0.5]),
        "features.1.bias": np.array([0.25, -0.75]),
        "features.1.running_mean": np.array([11.0, 13.0]),
        "features.1.running_var": np.array([4.0, 16.0]),
        "features.1.num_batches_tracked": np.array(9),
        "fc.weight": np.arange(1.0, 13.0).reshape(1, 12),
        "fc.bias": np.array([17.0]),
    }
    return {name: values for name, values in (state | changes).items() if values is not None}


def by_hand(image, state):
    """PyTorch's answer: (H, W) image to one number; maps come before rows and columns when it flattens."""
    maps = state["features.0.weight"].reshape(2, 1, 1) * image + state["features.0.bias"].reshape(2, 1, 1)
    centred = maps - state["features.1.running_mean"].reshape(2, 1, 1)
    scaled = centred / np.sqrt(state["features.1.running_var"]).reshape(2, 1, 1)
    maps = scaled * state["features.1.weight"].reshape(2, 1, 1) + state["features.1.bias"].reshape(2, 1, 1)
    return float((state["fc.weight"] @ maps.reshape(-1) + state["fc.bias"])[0])


def test_bias_before_normalisation_and_order_of_flatten():
    model, state = network(), torch_state()
    transplant(model, TorchWeights(state), RULES)
    image = np.array([[1.0, -2.0, 4.0], [0.5, 3.0, -1.0]])
    assert model(image[None, :, :, None]).numpy()[0, 0] == pytest.approx(by_hand(image, state), rel=1e-6)


@pytest.mark.parametrize(
    ("layer", "theirs", "ours"),
    [
        (keras.layers.Conv2D(5, 3, use_bias=False), (5, 4, 3, 3), lambda w: w.transpose(2, 3, 1, 0)),
        (keras.layers.DepthwiseConv2D(3, use_bias=False), (4, 1, 3, 3), lambda w: w.transpose(2, 3, 0, 1)),
        (keras.layers.Conv2D(5, 1, use_bias=False), (5, 4), lambda w: w.T[None, None]),
        (keras.layers.Dense(5, use_bias=False), (5, 4), lambda w: w.T),
    ],
    ids=["convolution", "depthwise", "linear to 1x1", "dense"],
)
def test_axes(layer, theirs, ours):
    inputs = keras.Input((8, 8, 4))
    x = keras.layers.GlobalAveragePooling2D()(inputs) if isinstance(layer, keras.layers.Dense) else inputs
    layer.name = "only"
    model = keras.Model(inputs, layer(x))
    values = np.random.default_rng(0).standard_normal(theirs).astype("float32")
    transplant(model, TorchWeights({"only.weight": values}), Table(rules=()))
    np.testing.assert_array_equal(model.get_layer("only").kernel, ours(values))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"fc.bias": None}, "logits/bias"),
        ({"aux.weight": np.ones(3)}, "aux.weight"),
        ({"fc.weight": np.ones((1, 13))}, r"\(12, 1\).*\(13, 1\)"),
        ({"fc.bias": np.array([np.nan])}, "NaN"),
        ({"fc.bias": np.array([3])}, "int64"),
        ({"features.1.running_var": np.array([4.0, -1.0])}, "below 0"),
    ],
    ids=["missing", "left over", "shape", "not finite", "integers", "negative variance"],
)
def test_what_does_not_fit_changes_nothing(changes, told):
    model = network()
    before = model.get_weights()
    with pytest.raises(WeightsError, match=told):
        transplant(model, TorchWeights(torch_state(**changes)), RULES)
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_another_head_keeps_ours():
    model, state = network(), torch_state(**{"fc.weight": np.ones((7, 12)), "fc.bias": np.ones(7)})
    before = model.get_layer("logits").get_weights()
    transplant(model, TorchWeights(state), RULES, head=False)
    np.testing.assert_array_equal(model.get_layer("logits").get_weights()[0], before[0])
    np.testing.assert_array_equal(model.get_layer("stem").kernel[0, 0, 0], [2.0, -3.0])


def test_keras_weights_of_a_model_come_back():
    one, other = network(), network()
    one.set_weights([np.arange(1, w.size + 1, dtype="float32").reshape(w.shape) for w in one.get_weights()])
    transplant(other, KerasWeights.of(one), Table(rules=()))
    for left, right in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(left, right)
