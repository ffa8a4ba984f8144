"""What `fit` needs, made from a recipe: the source, the compiled model, the batches."""

import contextlib
import hashlib
import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from kcnn.data.source import Source, Split
from kcnn.errors import ConfigError
from kcnn.recipe import Recipe
from kcnn.tasks import TASKS
from kcnn.tasks.task import Task
from kcnn.train import strategy
from kcnn.train.progress import Console
from kcnn.train.transfer import hold_norms

if TYPE_CHECKING:
    import tensorflow as tf

    from kcnn.data.stream import Places
    from kcnn.data.verify import BadExample

_FIRST = 64  # images of a stream that tell it from another


@dataclass(frozen=True, kw_only=True)
class Job:
    """One training job, ready to go.

    Attributes:
        recipe: with `config` resolved to the task's own class.
        task, source: what the recipe names.
        unreadable: split -> the examples that cannot be read, which are left out.
        strategy: what `model` was built under.
        model: built and compiled, its optimizer too.
        steps_per_epoch: optimizer steps in one epoch; the last one may be short.
        class_counts: (classes,) what `Task.class_counts` finds in the training split.
    """

    recipe: Recipe
    task: Task
    source: Source
    unreadable: dict[str, tuple["BadExample", ...]]
    strategy: "tf.distribute.Strategy"
    model: keras.Model
    steps_per_epoch: int
    class_counts: np.ndarray

    @property
    def bad(self) -> dict[str, frozenset[int]]:
        """Split -> indices of the examples that are left out."""
        return {name: frozenset(example.index for example in found) for name, found in self.unreadable.items()}

    @property
    def left_out(self) -> dict[str, list[dict[str, str]]]:
        """Split -> name and reason of the examples that are left out, as plain values for JSON."""
        return {name: [{"name": e.name, "reason": e.reason} for e in found] for name, found in self.unreadable.items()}

    def training(self, start_step: int, places: "Places | None" = None) -> Any:
        """Return the batches of every remaining step of all epochs, from `start_step` on.

        Args:
            start_step: where to begin: a seek where examples are read by index; a stream is read up to there.
            places: of a stream; those of a checkpoint spare reading up to its step. Filled as the batches are taken.
        """
        batches = self._dataset("train", training=True, start_step=start_step, places=places)
        return strategy.spread(self.strategy, batches, equal=True)

    def endless(self) -> Any:
        """Return the training batches over and over."""
        return strategy.spread(self.strategy, self._dataset("train", training=True).repeat(), equal=True)

    def validation(self) -> dict[str, Any]:
        """Return `fit`'s arguments that make it validate, none where the source has no validation split."""
        if "validation" not in self.source.splits:
            return {}
        examples = self.source.split("validation").size - len(self.bad["validation"])
        steps = -(-examples // self.recipe.train.batch_size)
        return strategy.validation(self.strategy, self._dataset("validation", training=False), steps)

    def batch(self, step: int) -> Any:
        """Return the training batch of step `step` (from 0), whole, as one replica would get it."""
        return next(iter(self._dataset("train", training=True, start_step=step)))

    def examples(self, step: int) -> np.ndarray:
        """Return which examples of the training split step `step` (from 0) trains on, in the batch's order.

        They are those of `kcnn.data.pipeline.training`, which the tasks of kcnn read by.
        """
        from kcnn.data import pipeline

        train, split, bad = self.recipe.train, self.source.split("train"), self.bad["train"]
        kept = np.setdiff1d(np.arange(split.size), [*bad])
        found = pipeline.trained_on(split.without(bad), step, batch_size=train.batch_size, seed=train.seed)
        examples: np.ndarray = kept[found]
        return examples

    def element_spec(self) -> Any:
        """Return what a training batch is made of."""
        return self._dataset("train", training=True).element_spec

    def fingerprint(self) -> str:
        """Return counts and, as its last word, a hash of what is trained on, which a resumed run must find again.

        It covers labels, classes, which examples are left out and, where each is a file, the names and order of files
        and masks; names are relative to the folder that holds them all, so that the data may move. It covers no pixels,
        but for the first images of a stream.
        """
        train = self.source.split("train")
        labels = np.ascontiguousarray(train.labels)
        digest = hashlib.sha256(labels.tobytes())
        digest.update(repr((labels.shape, self.source.info.classes, sorted(self.bad["train"]))).encode())
        if train.files:
            files = [os.path.abspath(file) for file in (*train.files, *train.masks)]
            root = os.path.commonpath([os.path.dirname(file) for file in files])
            digest.update("\0".join(os.path.relpath(file, root) for file in files).encode(errors="surrogateescape"))
        if train.stream:
            for content in itertools.islice(train.stream().as_numpy_iterator(), _FIRST):
                digest.update(hashlib.sha256(content).digest())
        left_out, classes = len(self.bad["train"]), len(self.source.info.classes)
        return f"{train.size} examples of {classes} classes, {left_out} left out, sha256 {digest.hexdigest()}"

    def _dataset(self, split: str, *, places: "Places | None" = None, **options: Any) -> "tf.data.Dataset":
        part = replace(self.source.split(split), places=places)
        source = replace(self.source, splits={**self.source.splits, split: part})
        return self.task.dataset(self.recipe, source, split, bad=self.bad[split], **options)


def resolve(recipe: Recipe) -> Recipe:
    """Return `recipe` with the defaults of its task where it has no `config`.

    Raises:
        UnknownNameError: no such task.
    """
    return recipe if recipe.config is not None else replace(recipe, config=TASKS.get(recipe.task).config())


def prepare(recipe: Recipe, source: Source | None, console: Console) -> Job:
    """Open the data, look for bad files, and `build`.

    Args:
        recipe: resolved.
        source: in place of `recipe.data`, or None.
        console: is told of bad files.

    Raises:
        KcnnError: whatever is wrong with the data, the names or the settings.
    """
    from kcnn.data import open_source

    train = recipe.train
    source = (source or open_source(recipe.data)).at_depth(recipe.preprocess.bit_depth)
    unreadable = {name: _scan(name, split, recipe, console) for name, split in source.splits.items() if name != "test"}
    _check_leaks(source, unreadable, recipe, console)
    if train.patience and "validation" not in source.splits and train.monitor.startswith("val_"):
        raise ConfigError(
            f"train.patience is {train.patience} and watches {train.monitor}, but {source.info.name} has no validation "
            "split; set data.validation (0.1 holds out 10 %), or train.patience=0."
        )
    job = build(recipe, source, unreadable)
    absent = [name for name, count in zip(source.info.classes, job.class_counts, strict=False) if not count]
    if absent and len(absent) < len(job.class_counts):
        shown = f"{', '.join(absent[:10])}{' ...' if len(absent) > 10 else ''}"
        console.warn(f"nothing to learn from shows {shown}; `kcnn check` counts what there is of each class.")
    return job


def build(recipe: Recipe, source: Source, unreadable: dict[str, tuple["BadExample", ...]]) -> Job:
    """Build and compile the model as a run begins with it, the same each time; seeds Python, NumPy and Keras.

    Args:
        recipe: resolved. source: of its data. unreadable: as `Job` has it.

    Raises:
        KcnnError: whatever is wrong with the data, the names or the settings.
    """
    train, task = recipe.train, TASKS.get(recipe.task)
    kept = source.split("train").without({example.index for example in unreadable["train"]})
    steps = -(-kept.size // train.batch_size)
    counts = task.class_counts(recipe, source.info, kept)
    keras.utils.set_random_seed(train.seed)
    chosen = strategy.get(train.strategy)
    with chosen.scope(), _precision(train.precision):
        model = task.model(recipe, source.info)
        if train.trunk_rate < 1:
            hold_norms(model)
        task.compile(model, recipe, steps, counts)
        model.optimizer.build(model.trainable_variables)
    job = Job(
        recipe=recipe,
        task=task,
        source=source,
        unreadable=unreadable,
        strategy=chosen,
        model=model,
        steps_per_epoch=steps,
        class_counts=counts,
    )
    strategy.adapt(chosen, model, job.element_spec, statistics=train.sync_batchnorm)
    return job


def _scan(name: str, split: Split, recipe: Recipe, console: Console) -> tuple["BadExample", ...]:
    """Return what `kcnn.data.verify.scan` finds unreadable, telling the console of the first few."""
    if split.arrays is not None:  # decoded already
        return ()
    from kcnn.data.verify import scan

    with console.progress(split.size, f"looking at every image of {name!r}") as bar:
        found = tuple(scan(split, recipe.data.max_bad_fraction, bar.advance))
    for example in found[:5]:
        console.warn(f"left out: {example.name}: {example.reason}")
    if len(found) > 5:
        console.warn(f"... and {len(found) - 5} more unreadable images; data_report.json lists them all.")
    return found


def _check_leaks(
    source: Source, unreadable: dict[str, tuple["BadExample", ...]], recipe: Recipe, console: Console
) -> None:
    """Tell the console of validation images that are in "train" too; `check_leaks` raises where they are many."""
    from kcnn.data.leaks import check_leaks

    if "validation" not in source.splits:
        return
    train, validation = (
        source.split(name).without([example.index for example in unreadable[name]]) for name in ("train", "validation")
    )
    for i, j in check_leaks(train, validation, "validation", recipe.data.max_leaked_fraction)[:5]:
        console.warn(f"in train and validation at once: {validation.names(j)} = {train.names(i)}")


@contextlib.contextmanager
def _precision(policy: str) -> Iterator[None]:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
