"""The contract between a task and everything around it: training, export, the command line."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kcnn.tasks.classes import count_labels

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

    from kcnn.data.source import Info, Source, Split
    from kcnn.recipe import Preprocess, Recipe

Outputs = dict[str, np.ndarray]
CLASSIFIER_GIVES = """\
`probabilities`, float32 (N, classes), 0..1: of every class, in the order of `labels.txt`. They are not checked
against reality."""
CLASSIFIER_USAGE = """\
scores = model.get_tensor(model.get_output_details()[0]["index"])[0]
print(open("labels.txt").read().split("\\n")[scores.argmax()])"""


def share_equal(answers: np.ndarray, others: np.ndarray) -> float:
    """Return the share of rows (N, ...) that are equal throughout."""
    return float(np.mean((answers == others).reshape(len(answers), -1).all(axis=1)))


def accuracy(answers: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Return {"accuracy": share of answers (N, ...) that are all right}."""
    return {"accuracy": share_equal(answers, truth)}


def raw_outputs(model: "keras.Model", record: "Preprocess") -> Callable[[np.ndarray], np.ndarray]:
    """Return a function from images (N, H, W, C), as `record` prepares them, to what `model` gives for them."""
    import tensorflow as tf

    from kcnn.data.preprocess import normalise

    @tf.function(input_signature=[tf.TensorSpec((None, *record.image_shape), record.dtype)], autograph=False)
    def run(images: tf.Tensor) -> tf.Tensor:
        return model(normalise(images, record), training=False)

    return lambda images: run(tf.constant(images.astype(record.dtype, casting="safe", copy=False))).numpy()


@dataclass(frozen=True, kw_only=True)
class Signature:
    """What goes in and out of an exported model.

    Attributes:
        outputs: output names, in order, such as ("probabilities",).
        finish: (raw model outputs) -> dict of output name -> tensor, as graph ops LiteRT has built in.
        answers: (dict of output name -> batch of arrays) -> array (K, ...) of K discrete answers, one for each image
            or pixel. Formats of one model agree as far as these are equal.
        truth: (batch of example dicts, stacked) -> array (K, ...) to hold `answers` against.
        measure: (answers, truth) -> how good they are, name -> number in 0..1, larger is better.
        gives: the outputs in words: name, type, shape and meaning, for the model card.
        usage: Python that prints what `model`, a LiteRT interpreter that has run, says; the model card's example ends
            with it.
    """

    outputs: tuple[str, ...]
    finish: Callable[[Any], dict[str, Any]]
    answers: Callable[[Outputs], np.ndarray]
    truth: Callable[[dict[str, np.ndarray]], np.ndarray]
    measure: Callable[[np.ndarray, np.ndarray], dict[str, float]] = accuracy
    gives: str = CLASSIFIER_GIVES
    usage: str = CLASSIFIER_USAGE


@dataclass(frozen=True, kw_only=True)
class Task:
    """One plug-in. Every function takes the whole recipe: the task's own part is `recipe.config`.

    Attributes:
        name: as registered.
        config: frozen dataclass of plain values; its defaults make a smoke run.
        dataset: (recipe, source, split, *, training, start_step=0, bad=frozenset()) -> tf.data.Dataset of
            (inputs, targets) batches. With `training`, it covers every remaining step of all epochs, in the
            order given by the seed, from `start_step` on; without, one pass in index order. `bad` holds the
            indices of unreadable examples, which are left out.
        model: (recipe, info) -> keras.Model, built from `kcnn.models`.
        compile: (model, recipe, steps_per_epoch, class_counts) -> None; sets loss, metrics and optimizer.
            `fit` trains. `class_counts` is what `Task.class_counts` gives for the training split.
        evaluate: (model, recipe, source, split, bad, folder) -> dict of plain numbers; writes its pictures
            and tables into `folder`, a `pathlib.Path` that exists.
        decode: (outputs, info, size) -> prediction, a dict of plain values, and of arrays where only pictures show
            them; text leaves those out. `outputs` is one example's {output name: array} as the exported signature
            gives it, `size` the (height, width) of the original image, so that boxes and masks come back in its
            pixels.
        draw: (image, prediction or target, info) -> uint8 (H, W, 3) picture.
        signature: (recipe, info) -> Signature.
        class_counts: (recipe, info, split) -> int64 (classes,), how often each class occurs; by default among the
            labels.
        whole: (run, image, record, config) -> one example's {output name: array} for an image (H, W, 3) of any size,
            uint8 or with 16 bits float32 0..255, in the image's own pixels. `run` takes a batch of images as `record`
            prepares them, and gives the raw outputs of a Keras model (an array) or those of the exported signature (a
            dict). None where an answer for the resized image will do.
        watched: how many validation images TensorBoard shows with the answers of `whole` after each epoch.
    """

    name: str
    config: type
    dataset: Callable[..., "tf.data.Dataset"]
    model: Callable[["Recipe", "Info"], "keras.Model"]
    compile: Callable[["keras.Model", "Recipe", int, np.ndarray], None]
    evaluate: Callable[["keras.Model", "Recipe", "Source", str, frozenset[int], Path], dict[str, Any]]
    decode: Callable[[Outputs, "Info", tuple[int, int]], dict[str, Any]]
    draw: Callable[[np.ndarray, dict[str, Any], "Info"], np.ndarray]
    signature: Callable[["Recipe", "Info"], Signature]
    class_counts: Callable[["Recipe", "Info", "Split"], np.ndarray] = count_labels
    whole: Callable[[Callable[[np.ndarray], Any], np.ndarray, "Preprocess", Any], Outputs] | None = None
    watched: int = 0
