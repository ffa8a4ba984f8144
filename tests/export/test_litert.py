"""LiteRT: four precisions of one model against Keras, integer tensors, errors that name the layer, a quiet console."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from kcnn.errors import ConfigError, ExportError
from kcnn.export import litert
from kcnn.export.anatomy import anatomy
from kcnn.export.runner import open_litert, open_model
from kcnn.recipe import Preprocess
from kcnn.tasks.task import Signature

# Largest difference of a probability from Keras. 8e-7, 9e-4, 1.3e-2 and 5.2e-2 were measured on 355 digits; at least
# twice that is allowed, for fp32 the rounding of float32 itself.
BOUNDS = {"fp32": 1e-5, "fp16": 5e-3, "dynamic": 4e-2, "int8": 1.2e-1}
RECORD = Preprocess(size=(16, 16))
SIGNATURE = Signature(outputs=("p",), finish=lambda y: {"p": y}, answers=None, truth=None)


@pytest.mark.parametrize("name", BOUNDS)
def test_equals_keras_within_its_bound(bundle, digits, name):
    expected = open_model(bundle, format="keras").predict(digits["image"])["probabilities"]
    found = open_model(bundle, format=name).predict(digits["image"])["probabilities"]
    assert found.dtype == np.float32
    assert np.abs(found - expected).max() <= BOUNDS[name]
    assert np.mean(found.argmax(-1) == expected.argmax(-1)) >= 0.98
    if name != "fp32":
        assert np.abs(found - expected).max() > 1e-6  # it is a smaller format, not a copy of float32


@pytest.mark.slow
@pytest.mark.parametrize("name", BOUNDS)
def test_equals_keras_on_photos_with_a_mean_per_channel(flowers, shared_data, name):
    from kcnn.data import open_source
    from kcnn.export.samples import sample

    keras_model = open_model(flowers, format="keras")
    split = open_source(str(shared_data / "flowers_mini")).split("test")
    images = sample(split, keras_model.preprocess, 60)["image"]
    expected = keras_model.predict(images)["probabilities"]
    found = open_model(flowers, format=name).predict(images)["probabilities"]
    bound = {"fp32": 1e-5, "fp16": 1e-2, "dynamic": 0.15, "int8": 0.3}[name]  # a barely trained, narrow network
    assert np.abs(found - expected).max() <= bound


@pytest.mark.parametrize("name", BOUNDS)
def test_takes_one_uint8_image_and_has_built_in_operations_only(bundle, name):
    found = anatomy(bundle / f"model_{name}.tflite")
    assert found.custom == ()
    assert not any(op.startswith("Flex") or op == "CUSTOM" for op in found.ops)
    from ai_edge_litert.interpreter import Interpreter

    model = Interpreter(model_path=str(bundle / f"model_{name}.tflite"))
    (image,) = model.get_input_details()
    assert image["dtype"] == np.uint8
    assert image["shape"].tolist() == [1, 28, 28, 1]
    assert list(model.get_signature_list()) == ["serving_default"]


def test_int8_has_integer_tensors_only_and_raw_pixels_at_its_input(bundle):
    found = anatomy(bundle / "model_int8.tflite")
    assert found.types <= {"INT8", "UINT8", "INT32"}
    assert "INT8" in found.types
    from ai_edge_litert.interpreter import Interpreter

    model = Interpreter(model_path=str(bundle / "model_int8.tflite"))
    assert model.get_input_details()[0]["quantization"] == (1.0, 0)  # a pixel is its own number
    assert model.get_output_details()[0]["dtype"] == np.uint8
    assert model.get_output_details()[0]["quantization"] == (1 / 256, 0)


def test_precisions_have_their_types_and_sizes(bundle):
    kinds = {name: anatomy(bundle / f"model_{name}.tflite").types for name in BOUNDS}
    assert "INT8" not in kinds["fp32"]
    assert "FLOAT16" not in kinds["fp32"]
    assert "FLOAT16" in kinds["fp16"]
    assert {"INT8", "FLOAT32"} <= kinds["dynamic"]
    sizes = {name: (bundle / f"model_{name}.tflite").stat().st_size for name in BOUNDS}
    assert sizes["int8"] < sizes["fp16"] < sizes["fp32"]


class Antialias(keras.layers.Layer):
    """ScaleAndTranslate has no LiteRT kernel (shared note on the stack, section 4)."""

    def call(self, x):
        return tf.image.resize(x, (8, 8), antialias=True)


class WithArgmax(keras.layers.Layer):
    """MaxPoolWithArgmax converts to a Flex or custom operation only."""

    def call(self, x):
        return tf.nn.max_pool_with_argmax(x, 2, 2, "VALID")[0]


@pytest.mark.slow
@pytest.mark.parametrize(("layer", "op"), [(Antialias, "ScaleAndTranslate"), (WithArgmax, "MaxPoolWithArgmax")])
def test_an_operation_without_built_in_is_an_error_that_names_it_and_its_layer(tmp_path, capfd, layer, op):
    inputs = keras.Input(RECORD.image_shape)
    x = layer(name="odd_layer")(keras.layers.Conv2D(4, 3, name="stem")(inputs))
    model = keras.Model(inputs, keras.layers.GlobalAveragePooling2D(name="pool")(x))
    images = np.zeros((1, *RECORD.image_shape), np.uint8)
    with pytest.raises(ExportError, match=rf"model_fp32\.tflite: .*{op} in layer 'odd_layer'"):
        litert.convert(model, RECORD, SIGNATURE, ("fp32",), images, tmp_path)
    assert not list(tmp_path.iterdir())
    out, err = capfd.readouterr()
    assert out == ""
    assert op not in err


def test_a_child_that_dies_is_an_error_for_its_format(tmp_path, monkeypatch):
    monkeypatch.setattr(litert.sys, "executable", "/bin/false")
    inputs = keras.Input(RECORD.image_shape)
    model = keras.Model(inputs, keras.layers.GlobalAveragePooling2D(name="pool")(inputs))
    images = np.zeros((1, *RECORD.image_shape), np.uint8)
    with pytest.raises(ExportError, match=r"model_fp16\.tflite cannot be converted: the converter ended with 1"):
        litert.convert(model, RECORD, SIGNATURE, ("fp16",), images, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_conversion_writes_nothing_to_the_console(run, tmp_path, capfd):
    """What the child prints (banners, progress, MLIR notes) stays with the child."""
    from kcnn.export.bundle import open_run

    trained = open_run(run)
    capfd.readouterr()
    images = np.zeros((2, *trained.facts.preprocess.image_shape), np.uint8)
    record, signature = trained.facts.preprocess, trained.signature
    files = litert.convert(trained.model, record, signature, ("int8",), images, tmp_path)
    out, err = capfd.readouterr()
    assert out == ""
    assert "fully_quantize" not in err
    assert "warn" not in err.lower()
    assert {path.name for path in tmp_path.iterdir()} == {"model_int8.tflite"}
    assert open_litert(files["int8"]).outputs == ("probabilities",)


def test_int8_is_refused_where_16_bits_are_kept(tmp_path):
    model = keras.Sequential([keras.Input((16, 16, 3)), keras.layers.Flatten(), keras.layers.Dense(2)])
    record = dataclasses.replace(RECORD, bit_depth=16)
    images = np.zeros((1, 16, 16, 3), "float32")
    with pytest.raises(ConfigError, match=r"preprocess\.bit_depth=16 .* --formats=fp32,fp16"):
        litert.convert(model, record, SIGNATURE, ("fp32", "int8", "fp16"), images, tmp_path)
    assert not [*tmp_path.iterdir()]
