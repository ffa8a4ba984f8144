"""What the methods share: the question put to a model, the layer it is put at, slopes, and batches of bounded memory.

Images are what the model takes: (N, H, W, C), already preprocessed (`kcnn.preprocess`), batch axis first. Everything is
traced into graphs, in which slopes of kernels, which nobody asks for, are not computed.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kcnn.errors import ConfigError, ShapeError, UnknownNameError
from kcnn.ops import arrays, graph
from kcnn.ops.arithmetic import whole
from kcnn.ops.receptive_field import row_of

BATCH = 16
SHAPES = ("Shape", "ShapeN", "Size", "Rank", "ZerosLike", "OnesLike")  # operations that read no values
Target = int | Sequence[int] | Callable[[Any], Any] | None


@dataclass(frozen=True, eq=False)
class Question:
    """Which score of which images is to be explained.

    Attributes:
        model: the model.
        images: (N, H, W, C) float32.
        targets: (N,) int32, the class or channel of each image; 0 where `choose` scores.
        row: call whose output holds the score; None for the model's output.
        choose: outputs of a batch -> (N,) scores, in place of `targets`.
        batch_size: images at once.
    """

    model: keras.Model
    images: np.ndarray
    targets: np.ndarray
    row: int | None
    choose: Callable[[Any], Any] | None
    batch_size: int

    def score(self, outputs: Any, targets: Any) -> tf.Tensor:
        """Return (N,) scores: of maps, that of the channel's strongest position."""
        if self.choose is None:
            return pick(outputs, targets)
        chosen = tf.cast(self.choose(outputs), "float32")
        if chosen.shape.rank != 1:
            raise ShapeError(
                f"the target function gives shape {chosen.shape} but must give one score for each image, (N,).",
                expected="(N,)",
                actual=tuple(chosen.shape),
            )
        return chosen

    def answer(self, images: Any, targets: Any) -> tf.Tensor:
        """Return (N,) scores of other images, inside a graph."""
        if self.row is not None:
            return self.score(graph.run(self.model, [images], self.row), targets)
        return self.score(self.model(images, training=False), targets)

    def batches(self, *more: np.ndarray) -> Iterator[tuple[np.ndarray, ...]]:
        """Yield (images, targets, *more) of at most `batch_size` images."""
        for at in range(0, len(self.images), self.batch_size):
            yield tuple(array[at : at + self.batch_size] for array in (self.images, self.targets, *more))

    @property
    def specs(self) -> tuple[tf.TensorSpec, tf.TensorSpec]:
        """What a graph takes: (images, targets) of any number."""
        return tf.TensorSpec((None, *self.images.shape[1:]), tf.float32), tf.TensorSpec((None,), tf.int32)

    def slopes(self, rules: Mapping[str, str] | None = None) -> Callable[..., tf.Tensor]:
        """Return a graph: (images, targets) -> d score / d images, (N, H, W, C).

        Args:
            rules: TensorFlow operation -> registered gradient that replaces its own on the way back.
        """

        @tf.function(input_signature=self.specs, autograph=False)
        def run(images: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
            with tf.compat.v1.get_default_graph().gradient_override_map(dict(rules or {})):
                score = self.answer(images, targets)
            return slope(score, images)

        return run


def ask(
    model: keras.Model, images: Any, target: Target = None, *, layer: str | int | None = None, batch_size: int = BATCH
) -> Question:
    """Check what a method was given, before any work starts.

    Args:
        model: any built model of one image input.
        images: (N, H, W, C), finite.
        target: class for all images; one for each; a function of the model's outputs -> (N,) scores; None for the
            highest score of each image.
        layer: name or row of a layer whose channels are the classes then.
        batch_size: images at once.

    Raises:
        ConfigError: a target outside the classes; or images that are not finite.
        ShapeError: images of another size; or several outputs and no function to choose between them.
        UnknownNameError: no such layer; the usable ones are listed.
    """
    images = check_images(model, images)
    batch_size = whole("batch_size", batch_size, 1)
    row = None if layer is None else find_row(model, layer, spatial=False)
    if callable(target):
        return Question(model, images, np.zeros(len(images), "int32"), row, target, batch_size)
    classes = _classes(model, row, images)
    if target is None:
        return Question(model, images, _strongest(model, images, row, batch_size), row, None, batch_size)
    targets = arrays.numbers("target", target)
    if targets.dtype.kind not in "iu" or targets.shape not in ((), (len(images),)):
        raise ConfigError(f"target is {target!r} but must be a class, one class for each of {len(images)} images, or a "
                          "function of the outputs.")  # fmt: skip
    if targets.size and not (targets.min() >= 0 and targets.max() < classes):
        raise ConfigError(f"target is {target!r} but there are {classes} classes or channels, 0 to {classes - 1}.")
    targets = np.broadcast_to(targets, len(images)).astype("int32")
    return Question(model, images, targets, row, None, batch_size)


def check_images(model: keras.Model, images: Any) -> np.ndarray:
    """Return `images` as float32 (N, H, W, C), N >= 1.

    Raises:
        ShapeError: another shape than the model takes, or a model of several inputs.
        ConfigError: NaN or infinity, or no numbers; or `model` is none.
    """
    if not isinstance(model, keras.Model):
        raise ConfigError(f"model is {model!r:.80} but must be a keras.Model.")
    images = arrays.numbers("images", images)
    taken = getattr(model, "inputs", None) or []
    shape = tuple(taken[0].shape[1:]) if taken else (None, None, None)
    fits = images.ndim == 4 and len(shape) == 3 and len(images) > 0
    if len(taken) > 1 or not fits or any(a not in (None, b) for a, b in zip(shape, images.shape[1:], strict=True)):
        expected = [tuple(entry.shape) for entry in taken] or [(None, *shape)]
        raise ShapeError(
            f"images are {images.shape} but model {model.name!r} takes {', '.join(map(str, expected))}; give one batch "
            "of preprocessed images (N, H, W, C), N >= 1.",
            expected=expected,
            actual=images.shape,
        )
    return arrays.finite("images", images)


def output_of(model: keras.Model, name: str | int) -> keras.Model:
    """Return a model that shares all layers and has one of the outputs.

    Raises:
        UnknownNameError: no such output.
    """
    graph.inputs(model)  # explains where the model has no known graph
    if isinstance(model, keras.Sequential):
        names = [model.layers[-1].name]
    else:
        names = list(model.output if isinstance(model.output, dict) else model.output_names)
    at = name if isinstance(name, int) else names.index(name) if isinstance(name, str) and name in names else -1
    if not 0 <= at < len(names):
        raise UnknownNameError("output", str(name), names)
    return keras.Model(model.inputs[0] if len(model.inputs) == 1 else model.inputs, model.outputs[at])


def with_softmax(model: keras.Model) -> keras.Model:
    """Return a model that shares all layers and gives probabilities in place of logits, of its one output.

    Raises:
        ShapeError: the model has no known graph, or several outputs; see `output_of`.
    """
    graph.inputs(model)
    if len(model.outputs) != 1:
        raise ShapeError(
            f"model {model.name!r} has {len(model.outputs)} outputs; choose one with `kcnn.explain.core.output_of`.",
            expected="one output",
            actual=len(model.outputs),
        )
    softmax = keras.layers.Softmax(name="probabilities", dtype="float32")
    return keras.Model(model.inputs[0], softmax(model.outputs[0]), name=model.name)


def usable_layers(model: keras.Model) -> dict[str, int]:
    """Return name -> row of the layers whose output is maps (N, h, w, C) of more than one position."""
    return {
        call.name: row
        for row, call in enumerate(graph.calls(model))
        if len(call.outputs[0].shape) == 4 and call.outputs[0].shape[1:3] != (1, 1)
    }


def find_row(model: keras.Model, layer: str | int | None, *, spatial: bool = True) -> int:
    """Return the row of a layer, as `kcnn.ops.receptive_field.row_of`; None takes the last one with maps.

    Raises:
        UnknownNameError: no such layer; the nearest and all usable ones are listed.
        ConfigError: no such row, a name that is called more than once, or no maps where `spatial` asks for them.
    """
    names = [call.name for call in graph.calls(model)]
    maps = usable_layers(model)
    listing = f"Layers with maps: {', '.join(maps) or 'none'}."
    if layer is None:
        if not maps:
            raise ConfigError(f"model {model.name!r} has no layer of maps (N, h, w, C).")
        return list(maps.values())[-1]
    if isinstance(layer, str) and layer not in names:
        raise UnknownNameError("layer", layer, names, listing if spatial else f"Layers: {', '.join(names)}.")
    row = row_of(model, layer)
    if spatial and row not in maps.values():
        raise ConfigError(f"layer {names[row]!r} has no spatial extent, so there is nothing to map. {listing}")
    return row


def forward(model: keras.Model, images: tf.Tensor, row: int) -> tuple[tf.Tensor, Any]:
    """Return (output of call `row`, outputs of the model), the second computed from the first; inside a graph."""
    entries = graph.inputs(model)
    values: dict[graph.Tensor, Any] = dict(zip(entries, [images], strict=True))
    steps, at, kept = graph.calls(model, entries), 0, None
    while True:
        try:
            call = next(steps)
        except StopIteration as end:
            outputs = [values[tensor] for tensor in end.value]
            one = isinstance(model, keras.Sequential)
            return kept, outputs[0] if one else keras.tree.pack_sequence_as(model.output, outputs)
        positional, named = call.fill([values[tensor] for tensor in call.inputs])
        values.update(zip(call.outputs, keras.tree.flatten(call.layer(*positional, **named)), strict=True))
        if at == row:
            kept = values[call.outputs[0]]
        at += 1


def pick(outputs: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
    """Return (N,): channel `targets` of each (..., K) answer, where it is strongest."""
    values = tf.cast(outputs, "float32")
    flat = tf.reshape(values, (tf.shape(values)[0], -1, values.shape[-1]))
    return tf.reduce_max(tf.gather(flat, targets, axis=2, batch_dims=1), axis=1)


def slope(score: tf.Tensor, of: tf.Tensor) -> tf.Tensor:
    """Return d sum(score) / d `of`, inside a graph.

    Raises:
        ConfigError: no slope comes through; the operations that stop it are named.
    """
    try:
        found = tf.gradients(score, of)[0]
    except LookupError:  # an operation without any rule
        found = None
    if found is None:
        stops = _stops(score, of)
        told = f"not differentiable: {', '.join(stops)}" if stops else "the score does not depend on it"
        raise ConfigError(
            f"no gradient comes through the model: {told}. Use a method that needs none (occlusion, score_cam), or "
            "another layer or target."
        )
    return tf.convert_to_tensor(found)


def check_finite(values: np.ndarray, what: str) -> np.ndarray:
    """Return `values`.

    Raises:
        ConfigError: they hold NaN or infinity.
    """
    if not np.isfinite(values).all():
        raise ConfigError(
            f"{what} are NaN or infinite: the model overflows on these images, or its weights are damaged. Check the "
            "preprocessing, and train again if the loss was not finite."
        )
    return values


def gather(function: Callable[..., Any], question: Question, *more: np.ndarray, what: str = "gradients") -> np.ndarray:
    """Run a graph over all batches of a question and return the joined, finite results."""
    return np.concatenate([check_finite(function(*batch).numpy(), what) for batch in question.batches(*more)])


def _classes(model: keras.Model, row: int | None, images: np.ndarray) -> int:
    """Return how many classes or channels a score can be chosen from."""
    if row is not None:
        return int(list(graph.calls(model))[row].outputs[0].shape[-1])
    if not getattr(model, "outputs", None):  # its graph is not known before it runs
        found = model(images[:1], training=False)
    else:
        found = model.outputs[0] if isinstance(model, keras.Sequential) else model.output
    if hasattr(found, "shape"):
        return int(found.shape[-1])
    names = list(found) if isinstance(found, dict) else len(found)
    raise ShapeError(
        f"model {model.name!r} has several outputs ({names}); give target=lambda outputs: the scores of one, or "
        "`kcnn.explain.core.output_of(model, name)` in place of the model.",
        expected="one output",
        actual=names,
    )


def _strongest(model: keras.Model, images: np.ndarray, row: int | None, batch_size: int) -> np.ndarray:
    @tf.function(input_signature=[tf.TensorSpec((None, *images.shape[1:]), tf.float32)], autograph=False)
    def run(batch: tf.Tensor) -> tf.Tensor:
        values = graph.run(model, [batch], row) if row is not None else model(batch, training=False)
        flat = tf.reshape(tf.cast(values, "float32"), (tf.shape(values)[0], -1, values.shape[-1]))
        return tf.argmax(tf.reduce_max(flat, axis=1), axis=-1, output_type=tf.int32)

    return np.concatenate([run(images[at : at + batch_size]).numpy() for at in range(0, len(images), batch_size)])


def _stops(score: tf.Tensor, of: tf.Tensor) -> list[str]:
    """Return the operations on numbers between `of` and `score` that let no slope through, as "type (name)"."""
    after, todo = set(), [of.op]
    while todo:
        for out in todo.pop().outputs:
            new = [op for op in out.consumers() if op not in after]
            after.update(new)
            todo.extend(new)
    stops, seen, todo = [], {score.op}, [score.op]
    while todo:
        operation = todo.pop()
        numbers = any(tensor.dtype.is_floating for tensor in operation.inputs)
        if operation in after and numbers and operation.type not in SHAPES and not _passes(operation):
            stops.append(f"{operation.type} ({operation.name})")
            continue
        new = [tensor.op for tensor in operation.inputs if tensor.op not in seen]
        seen.update(new)
        todo.extend(new)
    return stops


def _passes(operation: Any) -> bool:
    try:
        return any(found is not None for found in tf.gradients(operation.outputs, list(operation.inputs)))
    except (LookupError, TypeError):
        return False
