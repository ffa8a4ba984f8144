"""Every registered model through the one harness, and recorded outputs of the `tiny_*` rows."""

import importlib
import json
from pathlib import Path

import keras
import numpy as np
import pytest

import kcnn
from kcnn.errors import ConfigError, ShapeError, UnknownNameError
from kcnn.models import MODELS
from kcnn.testing import family as harness

GOLDENS = Path(__file__).parents[1] / "goldens"
TINY = [name for name in kcnn.list_models() if name.startswith("tiny_")]
LARGE = [name for name in kcnn.list_models() if name.startswith("mobilenet")]
SMALL = [name for name in kcnn.list_models() if name not in LARGE]


@pytest.mark.parametrize("name", SMALL)
def test_row(name):
    harness.check_family(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", LARGE)
def test_large_row(name):
    harness.check_family(name)


def test_table_and_registry_name_the_same_models():
    modules = {entry.target.partition(":")[0] for entry in MODELS.entries().values() if entry.owner == "kcnn"}
    rows = [name for module in modules for name in importlib.import_module(module).SPECS]
    assert sorted(rows) == sorted(name for name, entry in MODELS.entries().items() if entry.owner == "kcnn")


@pytest.mark.parametrize("name", TINY)
def test_output_as_recorded(name):
    golden = json.loads((GOLDENS / f"{name}.json").read_text())
    model = kcnn.build(name, num_classes=3, image_shape=tuple(golden["image_shape"]))
    harness.formula_fill(model)
    found = np.asarray(model(harness.formula_images(tuple(golden["image_shape"]))))
    np.testing.assert_allclose(found, golden["logits"], rtol=2e-4, atol=2e-5)


def test_a_changed_weight_changes_the_recorded_output():
    golden = json.loads((GOLDENS / "tiny_mobilenet_v2.json").read_text())
    model = kcnn.build("tiny_mobilenet_v2", num_classes=3, image_shape=tuple(golden["image_shape"]))
    harness.formula_fill(model)
    stem = model.get_layer("stem")
    stem.set_weights([stem.get_weights()[0] * 1.01])
    found = np.asarray(model(harness.formula_images(tuple(golden["image_shape"]))))
    assert np.abs(found - golden["logits"]).max() > 1e-3


def test_parameters_are_the_layer_tables_own_arithmetic():
    # LeNet-5: (5*5*1+1)*6 + (5*5*6+1)*16 + (400+1)*120 + (120+1)*84 + (84+1)*10
    assert kcnn.build("lenet5").count_params() == 156 + 2_416 + 48_120 + 10_164 + 850
    # 784-300-100-10
    assert kcnn.build("mlp").count_params() == 785 * 300 + 301 * 100 + 101 * 10


@pytest.mark.slow
@pytest.mark.parametrize("width", [0.35, 0.5, 0.75, 1.0, 1.4])
def test_mobilenet_v2_equals_keras_applications_with_the_same_random_weights(width):
    name = "mobilenet_v2" if width == 1.0 else f"mobilenet_v2_{round(width * 100):03d}"
    twin = keras.applications.MobileNetV2(
        alpha=width, weights=None, input_shape=(96, 96, 3), classifier_activation=None
    )
    ours = kcnn.build(name, image_shape=(96, 96, 3))
    harness.formula_fill(twin)
    ours.set_weights(twin.get_weights())
    images = harness.formula_images((96, 96, 3))
    expected = np.asarray(twin(images))
    assert np.abs(np.asarray(ours(images)) - expected).max() <= 1e-5 * np.abs(expected).max()


def test_mobilenet_v2_structure():
    # Sandler 2018, table 2: 17 bottlenecks; an input is added in the repeats of stages 2 to 6 (1+2+3+2+2)
    layers = kcnn.build("mobilenet_v2").layers
    assert sum(isinstance(layer, keras.layers.Add) for layer in layers) == 10
    strided = [layer.name for layer in layers if max(getattr(layer, "strides", (1,))) == 2]
    assert strided == ["stem"] + [f"stage{n}_block1_depthwise" for n in (2, 3, 4, 6)]


@pytest.mark.parametrize("output_stride", [16, 8])
def test_dilation_keeps_the_weights(output_stride):
    from kcnn.models import mobilenet

    spec = mobilenet.SPECS["mobilenet_v2"]
    inputs = keras.Input((64, 64, 3))
    shapes = [
        [w.shape for w in keras.Model(inputs, mobilenet.features(inputs, spec, stride)["C5"]).weights]
        for stride in (32, output_stride)
    ]
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize(
    ("name", "arguments", "error", "message"),
    [
        ("lenet", {}, UnknownNameError, "Did you mean 'lenet5'"),
        ("lenet5", {"image_shape": (11, 28, 1)}, ShapeError, "at least 12x12"),
        ("lenet5", {"image_shape": (None, None, 1)}, ShapeError, "flattens"),
        ("lenet5", {"image_shape": (28, 28)}, ShapeError, "height, width, channels"),
        ("mobilenet_v2", {"image_shape": (31, 31, 3)}, ShapeError, "at least 32x32"),
        ("mobilenet_v2", {"num_classes": 0}, ConfigError, "num_classes is 0"),
        ("mlp", {"image_shape": (28, 28, None)}, ShapeError, "channels may not"),
    ],
)
def test_bad_arguments_are_explained(name, arguments, error, message):
    with pytest.raises(error, match=message):
        kcnn.build(name, **arguments)


def test_output_stride_must_be_one_the_family_can_give():
    from kcnn.models import mobilenet

    with pytest.raises(ConfigError, match="output_stride is 4 but must be 8, 16 or 32"):
        mobilenet.features(keras.Input((64, 64, 3)), mobilenet.SPECS["mobilenet_v2"], output_stride=4)


def test_smallest_lenet_input_is_the_one_it_claims():
    assert kcnn.build("lenet5", image_shape=(12, 12, 1)).output_shape == (None, 10)
