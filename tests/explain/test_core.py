"""Questions are checked before any work starts; layers, targets and outputs are found or explained."""

import keras
import numpy as np
import pytest
from keras import layers

from kcnn.errors import ConfigError, ShapeError, UnknownNameError
from kcnn.explain import core, maps
from kcnn.explain.saliency import saliency
from tests.explain import nets


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((14, 14, 3)), "takes (None, 14, 14, 3)"),
        (np.zeros((1, 12, 14, 3)), "images are (1, 12, 14, 3)"),
        (np.zeros((0, 14, 14, 3)), "N >= 1"),
    ],
)
def test_images_of_another_shape(images, message):
    with pytest.raises(ShapeError) as error:
        core.ask(nets.twin(), images, 1)
    assert message in str(error.value)


def test_images_that_are_not_finite():
    with pytest.raises(ConfigError, match="NaN or infinity"):
        core.ask(nets.twin(), np.full((1, 14, 14, 3), np.nan), 1)


@pytest.mark.parametrize("target", [5, -1, [1, 7], [1, 1, 1], 1.5, "cat"])
def test_targets_outside(target):
    with pytest.raises(ConfigError, match=r"target (is|must be)"):
        core.ask(nets.twin(), nets.images(), target)


def test_an_unknown_layer_names_the_nearest_and_the_usable_ones():
    model = keras.Sequential([keras.Input((9, 9, 1)), layers.Conv2D(2, 3, name="first"), layers.Flatten(name="flat")])
    with pytest.raises(UnknownNameError, match=r"Did you mean 'first'\? Layers with maps: first\."):
        core.find_row(model, "frist")
    with pytest.raises(ConfigError, match=r"'flat' has no spatial extent.*Layers with maps: first\."):
        core.find_row(model, "flat")


def test_the_last_maps_are_found_in_nested_models_too():
    inner = keras.Sequential([keras.Input((9, 9, 1)), layers.Conv2D(2, 3, name="first")], name="trunk")
    inputs = keras.Input((9, 9, 1))
    model = keras.Model(inputs, layers.Dense(3)(layers.GlobalAveragePooling2D(keepdims=True)(inner(inputs))))
    assert core.usable_layers(model) == {"trunk/first": 0}
    assert core.find_row(model, None) == 0
    images = np.random.default_rng(0).standard_normal((2, 9, 9, 1)).astype("float32")
    kept, outputs = core.forward(model, images, 0)
    np.testing.assert_allclose(kept, inner(images), atol=1e-6)
    np.testing.assert_allclose(outputs, model(images), atol=1e-6)


def test_a_layers_strongest_channel_is_the_target_by_default():
    model, images = nets.twin(), nets.images()
    question = core.ask(model, images, layer="4", batch_size=1)
    values = core.graph.run(model, [images], 4).numpy()
    np.testing.assert_array_equal(question.targets, values.max(axis=(1, 2)).argmax(axis=1))


def test_of_several_outputs_one_is_chosen():
    inputs = keras.Input((8, 8, 1))
    flat = layers.Flatten()(inputs)
    model = keras.Model(inputs, {"one": layers.Dense(2, name="one")(flat), "two": layers.Dense(3, name="two")(flat)})
    images = np.ones((1, 8, 8, 1), "float32")
    with pytest.raises(ShapeError, match="several outputs"):
        saliency(model, images, 1)
    by_name = saliency(core.output_of(model, "two"), images, 2)
    np.testing.assert_array_equal(by_name, saliency(model, images, lambda outputs: outputs["two"][:, 2]))
    np.testing.assert_allclose(by_name.ravel(), model.get_layer("two").get_weights()[0][:, 2])
    with pytest.raises(UnknownNameError, match="unknown output 'three'"):
        core.output_of(model, "three")
    assert core.output_of(nets.twin(), "7").output_shape == (None, 5)


def test_a_target_function_scores_each_image():
    with pytest.raises(ShapeError, match="one score for each image"):
        saliency(nets.twin(), nets.images(), lambda outputs: outputs)


def test_the_operation_that_stops_a_slope_is_named():
    inputs = keras.Input((8, 8, 1))
    stepped = layers.Lambda(lambda x: keras.ops.cast(keras.ops.argmax(x, axis=1), "float32"), name="step")(inputs)
    model = keras.Model(inputs, layers.Dense(2)(layers.Flatten()(stepped)))
    with pytest.raises(ConfigError, match=r"not differentiable: ArgMax \(.*step"):
        saliency(model, np.ones((1, 8, 8, 1)), 0)
    with pytest.raises(ConfigError, match="does not depend on it"):
        saliency(model, np.ones((1, 8, 8, 1)), lambda outputs: keras.ops.ones((1,)))


def test_a_model_of_no_known_graph_has_slopes_but_no_layers():
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(2, use_bias=False)

        def call(self, inputs):
            return self.dense(keras.ops.reshape(inputs, (-1, 16)))

    model, images = Own(), np.ones((1, 4, 4, 1), "float32")
    found = saliency(model, images, 1)
    np.testing.assert_allclose(found.ravel(), model.dense.get_weights()[0][:, 1])
    with pytest.raises(ShapeError, match="no known input shape"):
        saliency(model, images, 1, layer="dense")


def test_maps_are_scaled_and_enlarged():
    found = maps.unit_range(np.array([[[1.0, 3.0]], [[2.0, 2.0]]]))
    np.testing.assert_array_equal(found, [[[0, 1]], [[0, 0]]])
    np.testing.assert_allclose(maps.enlarge(np.array([[[0.0, 1.0]]]), (1, 4)), [[[0, 0.25, 0.75, 1]]])
    np.testing.assert_array_equal(maps.per_pixel(np.array([[[[1.0, -2.0]]]])), [[[2.0]]])
    with pytest.raises(ShapeError, match="must be"):
        maps.per_pixel(np.zeros((2, 2)))


@pytest.mark.parametrize(("images", "said"), [("cat.jpg", "numbers, not 'cat.jpg'"), ([[1], [2, 3]], "one array of")])
def test_images_that_are_no_numbers(images, said):
    with pytest.raises(ConfigError, match=said):
        core.ask(nets.twin(), images, 0)


def test_what_is_no_model():
    with pytest.raises(ConfigError, match=r"model is 'net.keras' but must be a keras\.Model"):
        core.ask("net.keras", nets.images(), 0)
