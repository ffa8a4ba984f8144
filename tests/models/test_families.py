"""Every registered model through the one harness, and recorded outputs of the `tiny_*` rows."""

import importlib
import json
import os
from pathlib import Path

import numpy as np
import pytest

import kcnn
from kcnn.errors import ConfigError, ShapeError, UnknownNameError
from kcnn.models import MODELS
from kcnn.testing import family as harness
from kcnn.testing import formula

GOLDENS = Path(__file__).parents[1] / "goldens"
TINY = [name for name in kcnn.list_models() if name.startswith("tiny_")]
QUICK = ["tiny_mlp", "tiny_lenet5", "tiny_resnet", "tiny_mobilenet_v2"]  # one of each kind; the others are slow
# Exported on every run: each tiny row, which has all layers of its kind, and what is meant for small devices. The
# others differ in numbers only and need half an hour: KCNN_TEST_EVERYTHING=1 exports them too.
EXPORTED = {
    *TINY, "mlp", "lenet5", "lenet5_1998", "resnet18", "resnet20", "mobilenet_v1", "mobilenet_v2",
    "mobilenet_v3_small", "efficientnet_b0", "efficientnet_lite0", "squeezenet1_1", "convnet1d", "unet_small",
    "deeplab_v3plus_mobilenet_v2", "lraspp_mobilenet_v3_large", "segnet_small", "sliding_window",
}  # fmt: skip


@pytest.mark.spread
@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in kcnn.list_models()]
)
def test_row(name):
    harness.check_family(name, exports=name in EXPORTED or "KCNN_TEST_EVERYTHING" in os.environ)


def test_the_exported_rows_are_there():
    assert set(kcnn.list_models()) >= EXPORTED


def test_table_and_registry_name_the_same_models():
    modules = {entry.target.partition(":")[0] for entry in MODELS.entries().values() if entry.owner == "kcnn"}
    rows = [name for module in modules for name in importlib.import_module(module).SPECS]
    assert sorted(rows) == sorted(name for name, entry in MODELS.entries().items() if entry.owner == "kcnn")


@pytest.mark.parametrize("name", TINY)
def test_output_as_recorded(name):
    golden = json.loads((GOLDENS / f"{name}.json").read_text())
    model = kcnn.build(name, num_classes=3, image_shape=tuple(golden["image_shape"]))
    harness.formula_fill(model)
    found = formula.kept(np.asarray(model(harness.formula_images(tuple(golden["image_shape"])))))
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


def test_smallest_lenet_input_is_the_one_it_claims():
    assert kcnn.build("lenet5", image_shape=(12, 12, 1)).output_shape == (None, 10)
