"""A layer as `.keras` and as `.tflite`, against itself."""

from pathlib import Path

import keras
import numpy as np

from kcnn.export.anatomy import check_built_in


def assert_survives(layer: keras.layers.Layer, *arrays: np.ndarray, folder: Path, atol: float = 1e-6) -> list[str]:
    """Save, load and convert a model of `layer` with open sizes; return LiteRT's operations, all built in.

    The converted file is run on `arrays` and on their first example alone.
    """
    from ai_edge_litert.interpreter import Interpreter

    inputs = [
        keras.Input((None,) * (x.ndim - 2) + x.shape[-1:], dtype=str(x.dtype), name=f"in{k}")
        for k, x in enumerate(arrays)
    ]
    model = keras.Model(inputs, layer(inputs if len(inputs) > 1 else inputs[0]))
    model.save(folder / "layer.keras")
    loaded = keras.saving.load_model(folder / "layer.keras")
    assert loaded.layers[-1].get_config() == layer.get_config()
    model.export(folder / "layer.tflite", format="litert", verbose=False)
    ops = check_built_in(folder / "layer.tflite", "fp32").ops
    runner = Interpreter(str(folder / "layer.tflite")).get_signature_runner("serving_default")
    for some in (arrays, [x[:1] for x in arrays]):
        eager = flat(model(list(some)))
        found = runner(**{f"in{k}": x for k, x in enumerate(some)})
        for expected, again, converted in zip(
            eager, flat(loaded(list(some))), (found[key] for key in sorted(found)), strict=True
        ):
            np.testing.assert_array_equal(again, expected)
            np.testing.assert_allclose(converted, expected, atol=atol, rtol=1e-6)
    return sorted(ops)


def flat(outputs) -> list[np.ndarray]:
    return [np.asarray(output) for output in (outputs if isinstance(outputs, (list, tuple)) else [outputs])]


def litert_outputs(
    model: keras.Model, images: np.ndarray, folder: Path, precision: str = "fp32", batch: int | None = None
) -> np.ndarray:
    """Return what the first output of a converted model is, float32; every operation must be built in.

    Args:
        images: calibrate "int8" too.
        batch: of the converted file; None leaves it open.
    """
    import tensorflow as tf
    from ai_edge_litert.interpreter import Interpreter

    entry = keras.InputSpec(shape=(batch, *model.input_shape[1:]), dtype="float32", name="images")
    model.export(folder / "saved", input_signature=[entry], verbose=False)
    converter = tf.lite.TFLiteConverter.from_saved_model(str(folder / "saved"))
    if precision == "int8":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.representative_dataset = lambda: ([image] for image in images[:, None])
    file = folder / f"{precision}.tflite"
    file.write_bytes(converter.convert())
    check_built_in(file, precision if precision == "fp32" else "fp16")
    interpreter = Interpreter(str(file))
    place = interpreter.get_input_details()[0]["index"]
    interpreter.resize_tensor_input(place, images.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(place, images)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
