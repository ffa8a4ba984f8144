"""All segmentation networks: scores of every pixel, built-in operations in LiteRT, weights of a classifier."""

import keras
import numpy as np
import pytest
import safetensors.numpy

import kcnn
from kcnn import zoo
from kcnn.errors import ConfigError, ShapeError, WeightsError
from kcnn.models.catalogue import FAMILIES
from kcnn.testing import formula
from kcnn.testing.family import formula_fill
from tests.layers.exports import litert_outputs

DENSE = ("unet", "deeplab", "lraspp", "fcn", "segnet", "deconvnet", "dilated_resnet", "sliding_window")
TINY = [name for family in DENSE for name in FAMILIES[family] if name.startswith("tiny_")]
ON_TRUNKS = {
    "tiny_deeplab_v3": "tiny_resnet", "tiny_deeplab_v3plus": "tiny_mobilenet_v2", "tiny_lraspp": "tiny_mobilenet_v3",
    "tiny_fcn": "tiny_vgg", "tiny_segnet": "tiny_vgg", "tiny_deconvnet": "tiny_vgg",
}  # fmt: skip


def filled(name: str, height: int | None, width: int | None, **arguments) -> keras.Model:
    model = kcnn.build(name, image_shape=(height, width, 3), num_classes=4, **arguments)
    formula_fill(model)
    return model


@pytest.mark.parametrize("name", TINY)
def test_every_pixel_gets_scores_at_odd_sizes_fixed_or_open(name):
    still, images = filled(name, None, None), formula.images((51, 70, 3))
    fixed = filled(name, 51, 70)
    assert fixed.output_shape == (None, 51, 70, 4)
    found = np.asarray(still(images))
    assert found.shape == (2, 51, 70, 4)
    np.testing.assert_allclose(found, fixed(images), atol=1e-4 * np.abs(found).max())


@pytest.mark.slow
@pytest.mark.spread
@pytest.mark.parametrize("precision", ["fp32", "int8"])
@pytest.mark.parametrize("name", TINY)
def test_litert_has_built_in_operations_and_the_same_answers(name, precision, tmp_path):
    model, images = filled(name, 45, 64), formula.images((45, 64, 3))
    expected = np.asarray(model(images[:1]))
    found = litert_outputs(model, images[:1], tmp_path, precision, batch=1)
    if precision == "fp32":
        np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())
    else:  # 8 bits from end to end, weights that fit nothing
        assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.9


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tiny_unet", "tiny_deeplab_v3plus", "tiny_segnet"])
def test_litert_takes_images_of_any_size(name, tmp_path):
    model, images = filled(name, None, None), formula.images((45, 64, 3))
    expected = np.asarray(model(images))
    np.testing.assert_allclose(litert_outputs(model, images, tmp_path), expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize(("name", "trunk"), ON_TRUNKS.items())
def test_weights_of_the_classifier_reach_the_trunk(name, trunk, tmp_path):
    classifier = kcnn.build(trunk, num_classes=7)
    formula_fill(classifier)
    file = tmp_path / "weights.safetensors"
    safetensors.numpy.save_file({weight.path: np.asarray(weight) for weight in classifier.weights}, file)
    model = kcnn.build(name, weights=file, num_classes=7, image_shape=(64, 64, 3))
    theirs = {layer.name: layer.get_weights() for layer in classifier.layers if layer.weights}
    shared = [layer for layer in model.layers if layer.name in theirs and layer.name != "logits"]
    assert {layer.name for layer in shared} >= {each for each in theirs if each.startswith(("s", "b"))}  # its features
    for layer in shared:
        for ours, values in zip(layer.get_weights(), theirs[layer.name], strict=True):
            np.testing.assert_array_equal(ours.ravel(), values.ravel())
    assert not np.array_equal(np.ravel(model.get_layer("logits").get_weights()[0])[:5], theirs["logits"][0].ravel()[:5])


def test_weights_of_the_whole_network_are_taken_as_such(tmp_path):
    first = filled("tiny_deeplab_v3plus", 64, 64)
    file = tmp_path / "weights.safetensors"
    safetensors.numpy.save_file({weight.path: np.asarray(weight) for weight in first.weights}, file)
    again, images = kcnn.build("tiny_deeplab_v3plus", weights=file), formula.images((64, 64, 3))
    np.testing.assert_allclose(again(images), first(images), rtol=1e-5, atol=1e-5)
    with pytest.raises(WeightsError, match="weights are not in the file"):
        kcnn.build("tiny_lraspp", weights=file)


@pytest.mark.slow
def test_weights_of_torchvisions_network_are_taken_as_such(tmp_path):
    # its 1x1 after the pyramid is two of ours; a state dictionary of theirs, made by name
    from tests.models import twins

    model = kcnn.build("deeplab_v3_resnet50", image_shape=(64, 64, 3))
    state = twins.formula_state(model, twins.table("deeplab_v3_resnet50", "torchvision"))
    assert state["classifier.0.project.0.weight"].shape == (256, 1280, 1, 1)
    state["aux_classifier.0.weight"] = np.zeros((256, 1024, 3, 3), "float32")
    safetensors.numpy.save_file(state, tmp_path / "deeplab.safetensors")
    found = kcnn.build("deeplab_v3_resnet50", weights=tmp_path / "deeplab.safetensors", image_shape=(64, 64, 3))
    kernel = state["classifier.0.project.0.weight"][..., 0, 0].T
    np.testing.assert_array_equal(found.get_layer("aspp_project").get_weights()[0][0, 0], kernel[:1024])
    np.testing.assert_array_equal(found.get_layer("aspp_project_image").get_weights()[0][0, 0], kernel[1024:])


def test_pixels_are_those_of_the_classifier():
    assert kcnn.preprocess("deeplab_v3plus_efficientnet_lite0") == kcnn.preprocess("efficientnet_lite0")
    assert zoo.trunk_of("efficientnet_lite0") == ""
    assert zoo.trunk_of("fcn8s") == "vgg16"


def test_gray_images_do_not_fit_a_coloured_trunk(tmp_path):
    classifier = kcnn.build("tiny_vgg", num_classes=2)
    safetensors.numpy.save_file({w.path: np.asarray(w) for w in classifier.weights}, tmp_path / "w.safetensors")
    with pytest.raises(WeightsError, match=r"layer 'block1_conv1' has weights .* but tiny_vgg's are"):
        kcnn.build("tiny_fcn", weights=tmp_path / "w.safetensors", image_shape=(64, 64, 1))


@pytest.mark.parametrize(
    ("name", "arguments", "error", "message"),
    [
        ("unet_valid", {"image_shape": (100, 400, 3)}, ShapeError, "at least 188x188"),
        ("tiny_deeplab_v3", {"image_shape": (20, 3000, 3)}, ShapeError, "at least 32x32"),
        ("tiny_deeplab_v3plus", {"output_stride": 32}, ConfigError, "output_stride is 32 but must be 8 or 16"),
        *((name, {"num_classes": 0}, ConfigError, "num_classes is 0") for name in TINY),
    ],
)
def test_bad_arguments_are_explained(name, arguments, error, message):
    with pytest.raises(error, match=message):
        kcnn.build(name, **arguments)


@pytest.mark.parametrize("name", ["tiny_fcn", "tiny_segnet", "tiny_deconvnet", "tiny_sliding_window"])
def test_small_images_are_padded(name):
    assert filled(name, 1, 40)(formula.images((1, 40, 3))).shape == (2, 1, 40, 4)
