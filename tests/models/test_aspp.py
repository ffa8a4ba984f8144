"""Atrous spatial pyramid pooling against the paper's form in NumPy, on any size, in LiteRT, on a real backbone."""

import keras
import numpy as np
import pytest

from kcnn.errors import ConfigError, ShapeError
from kcnn.export.anatomy import check_built_in
from kcnn.models import resnet
from kcnn.models.aspp import aspp
from kcnn.testing import formula
from kcnn.testing.family import formula_fill

RATES = (2, 3)


def pyramid(height=None, width=None) -> keras.Model:
    inputs = keras.Input((height, width, 6))
    model = keras.Model(inputs, aspp(inputs, filters=5, rates=RATES))
    formula_fill(model)
    return model


def dilated(x: np.ndarray, kernel: np.ndarray, rate: int) -> np.ndarray:
    """Tap by tap: each tap reads the maps moved by its distance, zeros outside."""
    reach = kernel.shape[0] // 2 * rate
    padded = np.pad(x, ((0, 0), (reach, reach), (reach, reach), (0, 0)))
    height, width = x.shape[1:3]
    total = 0.0
    for row in range(kernel.shape[0]):
        for column in range(kernel.shape[1]):
            moved = padded[:, row * rate : row * rate + height, column * rate : column * rate + width]
            total = total + moved @ kernel[row, column]
    return total


def numpys(model: keras.Model, x: np.ndarray) -> np.ndarray:
    """The paper's form: the image-level branch is enlarged, all branches are concatenated, one 1x1 follows."""

    def kernel(name):
        return model.get_layer(name).get_weights()[0]

    def normed(y, name):
        gamma, beta, mean, variance = model.get_layer(f"{name}_bn").get_weights()
        return np.maximum((y - mean) / np.sqrt(variance + 1e-5) * gamma + beta, 0)

    branches = [normed(dilated(x, kernel("aspp_point"), 1), "aspp_point")]
    branches += [normed(dilated(x, kernel(f"aspp_rate{r}"), r), f"aspp_rate{r}") for r in RATES]
    image = normed(x.mean(axis=(1, 2), keepdims=True) @ kernel("aspp_image")[0, 0], "aspp_image")
    branches.append(np.broadcast_to(image, branches[0].shape))
    project = np.concatenate([kernel("aspp_project"), kernel("aspp_project_image")], axis=2)
    return normed(np.concatenate(branches, axis=-1) @ project[0, 0], "aspp_project")


@pytest.mark.parametrize(("height", "width"), [(9, 9), (5, 12), (1, 1)])
def test_equals_the_papers_form_in_numpy(height, width):
    model = pyramid()
    maps = formula.images((height, width, 6))
    np.testing.assert_allclose(np.asarray(model(maps)), numpys(model, maps), atol=1e-5)


def test_a_rate_as_large_as_the_maps_leaves_the_centre_tap():
    # Chen 2017, section 3.3: the 3x3 degenerates to a 1x1, for its outer taps read zeros only
    inputs = keras.Input((5, 5, 6))
    model = keras.Model(inputs, aspp(inputs, filters=5, rates=(5,)))
    formula_fill(model)
    maps = formula.images((5, 5, 6))
    before = np.asarray(model(maps))
    kernel = model.get_layer("aspp_rate5").get_weights()[0]
    centre_alone = np.zeros_like(kernel)
    centre_alone[1, 1] = kernel[1, 1]
    model.get_layer("aspp_rate5").set_weights([centre_alone])
    np.testing.assert_allclose(np.asarray(model(maps)), before, atol=1e-6)
    model.get_layer("aspp_rate5").set_weights([kernel - centre_alone])
    assert np.abs(np.asarray(model(maps)) - before).max() > 1e-2


def test_parameters_by_arithmetic():
    # on ResNet's 2048 maps: 1x1, three 3x3, image level, then 1x1 of 5 * 256; gamma and beta of six normalisations
    inputs = keras.Input((None, None, 2048))
    model = keras.Model(inputs, aspp(inputs))
    expected = 2048 * 256 * (1 + 3 * 9 + 1) + 5 * 256 * 256 + 6 * 2 * 256
    assert sum(int(np.prod(w.shape)) for w in model.trainable_weights) == expected


def test_exports_to_litert_for_any_size(tmp_path):
    from ai_edge_litert.interpreter import Interpreter

    model = pyramid()
    path = tmp_path / "aspp.tflite"
    model.export(path, format="litert", verbose=False)
    check_built_in(path, "fp32")
    for shape in ((7, 7, 6), (11, 6, 6)):
        maps = formula.images(shape)
        interpreter = Interpreter(str(path))
        interpreter.resize_tensor_input(interpreter.get_input_details()[0]["index"], maps.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], maps)
        interpreter.invoke()
        found = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
        np.testing.assert_allclose(found, np.asarray(model(maps)), atol=1e-4)


def test_every_weight_learns_on_top_of_a_dilated_backbone():
    import tensorflow as tf

    inputs = keras.Input((64, 64, 3))
    maps = resnet.features(inputs, resnet.SPECS["tiny_resnet"], output_stride=16)["C5"]
    model = keras.Model(inputs, aspp(maps, filters=8, rates=(1, 2)))
    assert model.output_shape == (None, 4, 4, 8)
    formula_fill(model)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(formula.images((64, 64, 3)), training=True) ** 2)
    weights = [w for w in model.trainable_weights if w.path.startswith("aspp")]
    assert len(weights) == 6 + 2 * 5  # kernels, gammas and betas
    for weight, gradient in zip(weights, tape.gradient(loss, weights), strict=True):
        assert gradient is not None, weight.path
        assert np.any(np.asarray(gradient)), weight.path


def test_layers_are_named_on_purpose():
    names = [[layer.name for layer in pyramid().layers][1:] for _ in range(2)]
    assert names[0] == names[1]
    assert all(name.startswith("aspp_") for name in names[0])


@pytest.mark.parametrize("rates", [(), (6, 0), (1.5,)])
def test_bad_rates_are_explained(rates):
    with pytest.raises(ConfigError, match="whole numbers of at least 1"):
        aspp(keras.Input((8, 8, 4)), rates=rates)


def test_maps_are_asked_for():
    with pytest.raises(ShapeError, match=r"must be maps \(N, H, W, C\)"):
        aspp(keras.Input((8, 4)))
