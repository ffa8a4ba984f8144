"""Why the worst predictions went wrong: what speaks for the answer and what for the truth, beside each image."""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kcnn.errors import ConfigError
from kcnn.explain import methods
from kcnn.tasks import figures
from kcnn.tasks.classification.config import settings
from kcnn.tasks.classification.predictions import caption
from kcnn.tasks.classification.scores import log_sigmoid, log_softmax
from kcnn.tasks.report import about, readable

if TYPE_CHECKING:
    import keras

    from kcnn.data.source import Source
    from kcnn.recipe import Preprocess, Recipe

PICTURE = "worst_explained.png"
MOST = 64  # rows of a picture that can still be looked at


@dataclass(frozen=True)
class Worst:
    """How many predictions are explained, and by which of `kcnn.explain.methods.METHODS`."""

    count: int = 8
    method: str = "grad_cam"

    def __post_init__(self) -> None:
        methods.method(self.method)
        if not 1 <= self.count <= MOST:
            raise ConfigError(f"{self.count} predictions cannot be explained in one picture; choose 1 to {MOST}.")

    def check(self, model: "keras.Model", record: "Preprocess") -> None:
        """Try the method on a blank image, so that what cannot work is known before anything is measured.

        Raises:
            KcnnError: as the method.
        """
        methods.apply(self.method, model, np.zeros((1, *record.image_shape), "float32"), 0)


def explain_worst(
    model: "keras.Model", recipe: "Recipe", source: "Source", split: str, bad: frozenset[int], folder: Path, how: Worst
) -> Path:
    """Draw the first rows of the report's predictions.csv as `PICTURE`.

    Each row: the image as the network sees it, the map of its answer, and the map of the truth where that is another
    class. Where an image may have several labels, the one map is that of the label that is most wrong.

    Args:
        model, recipe, source, split, bad, folder: as `kcnn.tasks.classification.evaluate`, which wrote into `folder`.
        how: how many, and the method.

    Returns: the picture's path.
    """
    from kcnn.data.preprocess import normalise, prepare
    from kcnn.explain import draw

    part = readable(source, split, bad)
    with open(folder / "predictions.csv", newline="", encoding="utf-8") as file:
        wanted = [row["example"] for _, row in zip(range(how.count), csv.DictReader(file), strict=False)]
    places = {part.names(index): index for index in range(part.size)}
    chosen = [places[name] for name in wanted]
    images = [example["image"] for example in part.examples(chosen)]
    pictures = np.stack([prepare(image, recipe.preprocess).numpy() for image in images])
    ready = normalise(pictures, recipe.preprocess).numpy()
    several = settings(recipe).multi_label
    logits = np.asarray(model.predict_on_batch(ready), "float64")
    truths = part.labels[chosen]
    if several:
        shares = np.exp(log_sigmoid(logits))
        answers = truths = np.abs(shares - truths).argmax(axis=-1)
    else:
        shares, answers = np.exp(log_softmax(logits)), logits.argmax(axis=-1)
    size = recipe.train.batch_size
    drawn = {}
    for name, targets in (("answer", answers), ("truth", truths)):
        values = methods.apply(how.method, model, ready, targets, softmax=not several, batch_size=size)
        drawn[name] = methods.drawn(how.method, values, pictures)
    rows, titles = [], []
    for at in range(len(chosen)):
        told = [(answers[at], drawn["answer"][at])]
        if truths[at] != answers[at]:
            told.append((truths[at], drawn["truth"][at]))
        rows.append([draw.pixels(pictures[at]), *(picture for _, picture in told)])
        names = [f"for {figures.short(source.info.classes[c])} ({shares[at, c]:.0%})" for c, _ in told]
        titles.append([f"true {figures.short(caption(part.labels[chosen[at]], source.info))}", *names])
    figure = draw.sheet(rows, titles, [figures.short(Path(name).name) for name in wanted])
    figure.suptitle(f"{about(source.info, split)}: {how.method}, highest loss first", fontsize=11, color=figures.INK)
    figures.save(figure, folder / PICTURE)
    return folder / PICTURE
