"""One training step of ours, all callbacks on, against bare `model.fit` on the same model and data, alternating.

    python tools/bench_step.py [--rounds 5] [--epochs 4] [--images 20000] [--batch_size 128] [--model lenet5]

Timed are the second to the last epoch, with validation and everything that happens at an epoch's end. Prints the
median and the fastest of each side and their ratio, whose bar is 1.05; other work on the machine spoils the median.
"""

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from rich.console import Console as Rich

from kcnn.data.source import Info, Source
from kcnn.data.splits import array_split
from kcnn.recipe import Data, Model, Preprocess, Recipe, Train
from kcnn.train import train
from kcnn.train.job import prepare, resolve


class Terminal:
    """A terminal that nobody watches, so that drawing the bar is paid for too."""

    is_terminal = True

    def __init__(self) -> None:
        self.live = Rich(file=open(os.devnull, "w", encoding="utf-8"), force_terminal=True, width=120)  # noqa: SIM115
        self.note = self.warn = self.live.print


class Stopwatch(keras.callbacks.Callback):
    """Seconds from the end of the first epoch to the end of the last; put it last."""

    seconds = 0.0

    def on_epoch_end(self, epoch, logs=None):
        if epoch == 0:
            self._begun = time.perf_counter()
        self.seconds = time.perf_counter() - self._begun


def noise(images: int) -> Source:
    """28x28 gray noise of ten classes: what a step costs does not depend on what it sees."""
    rng = np.random.default_rng(0)

    def split(name, count):
        return array_split(
            rng.integers(0, 256, (count, 28, 28, 1), np.uint8), rng.integers(0, 10, count).astype(np.int32), name
        )

    splits = {"train": split("train", images), "validation": split("validation", images // 10)}
    return Source(
        info=Info(name="noise", splits={n: s.size for n, s in splits.items()}, classes=tuple("0123456789")),
        splits=splits,
    )


def bare(recipe: Recipe, source: Source, watch: Stopwatch) -> None:
    """Nothing but Keras."""
    job = prepare(recipe, source, Terminal())
    job.model.fit(
        job.training(0),
        steps_per_epoch=job.steps_per_epoch,
        epochs=recipe.train.epochs,
        callbacks=[watch],
        shuffle=False,
        verbose=0,
        **job.validation(),
    )


def ours(recipe: Recipe, source: Source, watch: Stopwatch) -> None:
    """The trainer, with the stopwatch slipped in behind its callbacks."""
    fit = keras.Model.fit

    def watched(model, *args, callbacks, **options):
        return fit(model, *args, callbacks=[*callbacks, watch], **options)

    keras.Model.fit = watched
    try:
        with tempfile.TemporaryDirectory() as folder:
            train(recipe, Path(folder) / "run", source=source, console=Terminal())
    finally:
        keras.Model.fit = fit


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("rounds", 5), ("epochs", 4), ("images", 20000), ("batch_size", 128)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--model", default="lenet5")
    parser.add_argument("--task", default="classification")
    args = parser.parse_args()
    recipe = resolve(
        Recipe(
            name="bench",
            task=args.task,
            data=Data(source="noise"),
            preprocess=Preprocess(size=(28, 28), channel_order="gray"),
            model=Model(name=args.model),
            train=Train(epochs=args.epochs, batch_size=args.batch_size, strategy="one", learning_rate=1e-4),
        )
    )
    source, per_step = noise(args.images), {bare: [], ours: []}
    steps = (args.epochs - 1) * -(-args.images // args.batch_size)
    for turn in range(args.rounds):
        for side in (bare, ours) if turn % 2 == 0 else (ours, bare):
            side(recipe, source, watch := Stopwatch())
            per_step[side].append(1000 * watch.seconds / steps)
            print(f"round {turn + 1}  {side.__name__:<5} {per_step[side][-1]:7.3f} ms a step", flush=True)
    for name, figure in (("median", statistics.median), ("fastest", min)):
        mine, theirs = figure(per_step[ours]), figure(per_step[bare])
        print(f"{name:<7}  bare {theirs:.3f} ms, ours {mine:.3f} ms a step, ratio {mine / theirs:.3f}")


if __name__ == "__main__":
    main()
