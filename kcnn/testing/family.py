"""One harness for every row of every family table, ours and a plug-in's."""

import importlib
import inspect
import math
import tempfile
import zlib
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kcnn.models import MODELS
from kcnn.testing.formula import images as formula_images
from kcnn.testing.formula import scatter

DEPTHWISE = ("depthwise", "dwconv", "conv_dw")  # in the names of depthwise layers, ours and keras.applications'
LARGE = 128  # pixels


def expect(condition: bool, message: str) -> None:
    """Raise `AssertionError(message)` unless `condition` holds."""
    if not condition:
        raise AssertionError(message)


def family(name: str) -> tuple[Any, Any]:
    """Return (module, row) of a registered model; the module holds `SPECS` and `build`."""
    module = importlib.import_module(MODELS.get(name).__module__)
    return module, module.SPECS[name]


def small_side(name: str) -> int:
    """Return 64, or the row's `smallest` where the network needs more pixels."""
    return max(64, getattr(family(name)[1], "smallest", 0))


def small_shape(model: keras.Model) -> tuple[int, ...]:
    """Return the shape of an image or sequence on which the model is quick.

    Open sizes become `small_side`. A fixed size above `LARGE` becomes 67, the least that AlexNet's strides leave
    something of: what is flattened there decides how large the first dense layer is.
    """
    *sides, channels = model.input_shape[1:]
    return (*(67 if (side or 0) > LARGE else side or small_side(model.name) for side in sides), channels)


def formula_fill(model: keras.Model, gain: float = 1.0) -> None:
    """Set every weight by a formula of its path and index, the same on every machine and version.

    Kernels are scaled by their fan-in, so that signals neither vanish nor explode; variances stay positive.

    Args:
        gain: of the kernels; below 1 keeps a deep network from answering to rounding errors.
    """
    for weight in model.weights:
        path = weight.path.split("/", 1)[-1] if weight.path.startswith(model.name + "/") else weight.path
        values = scatter(math.prod(weight.shape), zlib.crc32(path.encode()) % 1000)
        if len(weight.shape) > 1:
            depthwise = any(word in path for word in DEPTHWISE)
            fan_in = math.prod(weight.shape[:2] if depthwise else weight.shape[:-1])
            values *= gain * math.sqrt(6 / fan_in)  # at gain 1 variance 2 / fan_in, as He 2015 (1502.01852)
        elif path.endswith(("gamma", "moving_variance")):
            values = 1 + 0.3 * values
        else:
            values *= 0.1
        weight.assign(values.reshape(weight.shape).astype("float32"))


def steady_outputs(model: keras.Model, images: np.ndarray) -> np.ndarray:
    """Fill a model by formula and return its outputs, such that rounding errors do not decide them.

    The formula makes a very deep network with gates chaotic: a millionth more light gives other logits. Its kernels
    are weakened until that stops.

    Raises:
        AssertionError: no gain down to 0.8 makes it stop.
    """
    for gain in (1.0, 0.95, 0.9, 0.85, 0.8):
        formula_fill(model, gain)
        outputs, nearby = (np.asarray(model(images * light)) for light in (1.0, 1 + 1e-6))
        if np.abs(outputs - nearby).max() <= 2e-5 * np.abs(outputs).max():
            return outputs
    raise AssertionError(
        f"{model.name}: rounding errors decide the outputs at every gain of the kernels down to {gain}"
    )


def check_family(name: str, *, exports: bool = True) -> None:
    """Hold one model against its row and the contract of a family file (CONTRIBUTING.md).

    Checked: exact trainable parameters, layer names, logits without activation, levels and their strides,
    a gradient to every variable, mixed bfloat16, and equality of `.keras`, SavedModel and LiteRT with eager.

    Args:
        exports: False leaves out the exports, which take most of the time.

    Raises:
        AssertionError: which promise is broken, what was found and what was expected.
    """
    module, _ = family(name)
    whole = module.build(name)
    small = small_build(name, small_shape(whole))
    check_parameters(name, whole)
    check_structure(name, whole, small)
    check_levels(name, axes=len(whole.input_shape) - 2, channels=whole.input_shape[-1])
    check_gradients(name, small)
    if exports:
        check_exports(name, small)
    check_bfloat16(name, small_shape(whole))


def small_build(name: str, shape: tuple[int, ...]) -> keras.Model:
    """Return the row with three classes for images of `shape`, its weights set by formula."""
    model = family(name)[0].build(name, image_shape=shape, num_classes=3)
    formula_fill(model)
    return model


def check_parameters(name: str, model: keras.Model) -> None:
    """The trainable parameters of the default build are exactly the row's `params`."""
    _, spec = family(name)
    found = sum(math.prod(weight.shape) for weight in model.trainable_weights)
    expect(found == spec.params, f"{name}: {found:,} trainable parameters, the table says {spec.params:,}")
    expect(bool(spec.source), f"{name}: the row names no source")


def check_structure(name: str, model: keras.Model, again: keras.Model) -> None:
    """Every layer is named on purpose, the model carries its own name, and logits are linear float32.

    Args:
        again: a second build of the same row, at any size: automatic names count up.
    """
    expect(model.name == name, f"{name}: the model is called {model.name!r}")
    for layer, other in zip(model.layers, again.layers, strict=True):
        expect(layer.name == other.name, f"{name}: layer {layer.name!r} has an automatic name")
    last = closing_layer(model)
    linear = getattr(last, "activation", keras.activations.linear) is keras.activations.linear
    expect(linear and last.name == "logits", f"{name}: ends in {last.name!r}, not in linear logits")


def closing_layer(model: keras.Model) -> keras.layers.Layer:
    """Return the last layer that has weights; a network that pools its class maps has others after it.

    Scores of every pixel may be added up from several levels: there it is the layer "logits", that of the deepest.
    """
    weighted = [layer for layer in model.layers if layer.weights]
    named = [layer for layer in weighted if layer.name == "logits"]
    return named[0] if named and len(model.output_shape) == 4 else weighted[-1]


def check_levels(name: str, axes: int, channels: int) -> None:
    """`features` gives levels of rising stride at 64x64 and at an odd size, and stops at `output_stride`.

    A row whose convolutions are not padded says in `lost` how many cells that takes from a level.

    Args:
        axes: 2 for images, 1 for sequences.
    """
    module, spec = family(name)
    if not hasattr(module, "features"):
        return
    small, lost = small_side(name), getattr(spec, "lost", 0)
    for side in (small, 97):
        levels = module.features(keras.Input((side,) * axes + (channels,)), spec)
        for level, tensor in levels.items():
            stride = 2 ** int(level[1:])
            bounds = (max(side // stride - lost, 1), -(-side // stride))
            expect(
                bounds[0] <= tensor.shape[1] <= bounds[1],
                f"{name}: level {level} is {tensor.shape[1]} wide at input {side}, expected {bounds}",
            )
    if "output_stride" in inspect.signature(module.features).parameters:
        name_of_last = list(levels)[-1]
        deepest = 2 ** int(name_of_last[1:])
        for stride in (32, 16, 8):
            last = module.features(keras.Input((small,) * axes + (channels,)), spec, output_stride=stride)[name_of_last]
            width = small // min(stride, deepest)
            expect(
                width - lost <= last.shape[1] <= width,
                f"{name}: the last level is {last.shape[1]} wide at output stride {stride}",
            )


def check_gradients(name: str, model: keras.Model) -> None:
    """A loss on the logits reaches every trainable variable with a finite, non-zero gradient."""
    for layer in model.layers:
        if isinstance(layer, keras.layers.Dropout):
            layer.rate = 0.0  # a path dropped by chance would leave its weights without gradient
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(formula_images(model.input_shape[1:]), training=True) ** 2)
    for weight, gradient in zip(model.trainable_weights, tape.gradient(loss, model.trainable_weights), strict=True):
        reached = gradient is not None and bool(np.all(np.isfinite(gradient))) and bool(np.any(np.asarray(gradient)))
        expect(reached, f"{name}: no gradient reaches {weight.path}")


def check_bfloat16(name: str, shape: tuple[int, ...]) -> None:
    """Under mixed_bfloat16 the inside computes in bfloat16, weights and logits stay float32."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = family(name)[0].build(name, image_shape=shape, num_classes=3)
        inside = closing_layer(model).input.dtype
        outputs = model(formula_images(shape))
    finally:
        keras.config.set_dtype_policy(before)
    expect(inside == "bfloat16", f"{name}: computes in {inside} under mixed_bfloat16")
    expect(outputs.dtype == tf.float32, f"{name}: logits are {outputs.dtype} under mixed_bfloat16")
    expect({w.dtype for w in model.trainable_weights} == {"float32"}, f"{name}: weights are not float32")


def check_exports(name: str, model: keras.Model, tolerance: float = 1e-4) -> None:
    """`.keras`, SavedModel and LiteRT give what eager gives, and the output depends on the image."""
    from ai_edge_litert.interpreter import Interpreter

    images = formula_images(model.input_shape[1:])
    eager = steady_outputs(model, images)
    expect(np.ptp(eager, axis=0).max() > 1e-3, f"{name}: the output does not depend on the image")
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        model.save(place / "model.keras")
        _close(name, ".keras", keras.saving.load_model(place / "model.keras")(images), eager, tolerance)
        model.export(place / "saved", verbose=False)
        loaded = tf.saved_model.load(str(place / "saved"))
        _close(name, "SavedModel", loaded.serve(images), eager, tolerance)
        (place / "model.tflite").write_bytes(tf.lite.TFLiteConverter.from_saved_model(str(place / "saved")).convert())
        interpreter = Interpreter(str(place / "model.tflite"))
        interpreter.resize_tensor_input(interpreter.get_input_details()[0]["index"], images.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], images)
        interpreter.invoke()
        _close(name, "LiteRT", interpreter.get_tensor(interpreter.get_output_details()[0]["index"]), eager, tolerance)


def _close(name: str, what: str, found: Any, eager: np.ndarray, tolerance: float) -> None:
    difference = float(np.abs(np.asarray(found) - eager).max())
    bound = tolerance * max(1.0, float(np.abs(eager).max()))
    expect(difference <= bound, f"{name}: {what} differs from eager by {difference:.2e}, allowed {bound:.2e}")
