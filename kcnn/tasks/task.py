"""The contract between a task and everything around it: training, export, the command line."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

    from kcnn.data.source import Info, Source
    from kcnn.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class Signature:
    """What goes in and out of an exported model.

    Attributes:
        outputs: output names, in order, such as ("probabilities",).
        finish: (raw model outputs) -> dict of output name -> tensor, as graph ops LiteRT has built in.
        answers: (dict of output name -> batch of arrays) -> array (N, ...) of discrete answers. Formats of one
            model agree where these are equal, and are right where they equal `truth`.
        truth: (batch of example dicts, stacked) -> array (N, ...) to hold `answers` against.
    """

    outputs: tuple[str, ...]
    finish: Callable[[Any], dict[str, Any]]
    answers: Callable[[dict[str, np.ndarray]], np.ndarray]
    truth: Callable[[dict[str, np.ndarray]], np.ndarray]


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
            `fit` trains. `class_counts` are examples per class in the training split, an int64 array.
        evaluate: (model, recipe, source, split, bad, folder) -> dict of plain numbers; writes its pictures
            and tables into `folder`, a `pathlib.Path` that exists.
        decode: (outputs, info, size) -> prediction, a dict of plain values. `outputs` is one example's
            {output name: array} as the exported signature gives it, `size` the (height, width) of the
            original image, so that boxes and masks come back in its pixels.
        draw: (image, prediction or target, info) -> uint8 (H, W, 3) picture.
        signature: (recipe, info) -> Signature.
    """

    name: str
    config: type
    dataset: Callable[..., "tf.data.Dataset"]
    model: Callable[["Recipe", "Info"], "keras.Model"]
    compile: Callable[["keras.Model", "Recipe", int, np.ndarray], None]
    evaluate: Callable[["keras.Model", "Recipe", "Source", str, frozenset[int], Path], dict[str, Any]]
    decode: Callable[[dict[str, np.ndarray], "Info", tuple[int, int]], dict[str, Any]]
    draw: Callable[[np.ndarray, dict[str, Any], "Info"], np.ndarray]
    signature: Callable[["Recipe", "Info"], Signature]
