"""Numbers that are not finite: find the batch and the layer they come from, undo a step, go on more slowly.

What becomes of the run is `train.on_nan`: "stop", "rollback" or "skip".
"""

import contextlib
import functools
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from kcnn import atomic
from kcnn.errors import TrainingError
from kcnn.train.rundir import RunDir
from kcnn.train.state import State, restore, snapshot, variables

if TYPE_CHECKING:
    from kcnn.train.job import Job
    from kcnn.train.progress import Console

ROLLBACKS = 5  # times that a run is taken back, each at half the rate of the one before
IN_A_ROW = 10  # steps dropped one after the other, after which skipping leads nowhere
REPORTS = 20  # batches that a run writes down


class NotFinite(TrainingError):
    """The loss or a weight has become NaN or infinite, and `train.on_nan` does not mend it; `step` counts from 1."""

    def __init__(self, message: str, step: int):
        super().__init__(message)
        self.step = step


@dataclass(frozen=True)
class Finding:
    """The first value of a step that is not finite.

    Attributes:
        what: "input", "target", "sample weight", "output", "loss", "gradient" or "update".
        layer: name of the layer, or the path of the weight for a gradient or an update; "" for what has none.
        rows: which examples of the batch, where the value has one row for each.
    """

    what: str
    layer: str = ""
    rows: tuple[int, ...] = ()

    def __str__(self) -> str:
        of = f" of {self.layer}" if self.layer else ""
        return f"the first value that is not finite is the {self.what}{of}"


class Guard:
    """Stands in for `model.train_function`: a step after which a number is not finite leaves no trace but its count.

    Weights, optimizer, batch statistics, averages and metric sums are as before the step; the learning rate's schedule
    goes on. The `loss` in the logs of such a step is NaN.

    Args:
        model: compiled, its metrics built.
        dropped: is told the path of the first weight or slot that was not finite, "" where there was none; all is
            undone by then.
    """

    def __init__(self, model: keras.Model, dropped: Callable[[str], None]):
        model.train_function = None
        model.make_train_function()
        self._step, self._model, self._dropped = model.train_function, model, dropped

    def __call__(self, iterator: Any) -> dict[str, Any]:
        """Train one step."""
        found = variables(self._model)
        before = {name: tf.convert_to_tensor(variable) for name, variable in found.items()}
        logs: dict[str, Any] = self._step(iterator)
        if np.isfinite(logs["loss"]) and _all_finite([v for v in found.values() if _floating(v)]):
            return logs
        kept = {name: v for name, v in found.items() if _floating(v) and not name.startswith("metrics/")}
        paths = [variable.path for variable in kept.values() if not _all_finite([variable])]
        for name, variable in found.items():
            if variable is not self._model.optimizer.iterations:
                variable.assign(before[name])
        self._dropped(paths[0] if paths else "")
        return {**logs, "loss": np.float32("nan")}


class Slowed(keras.optimizers.schedules.LearningRateSchedule):
    """`share` times another schedule."""

    def __init__(self, base: Callable[[Any], Any], share: float):
        self.base = base
        self.share = share

    def __call__(self, step: Any) -> Any:
        """Return the rate at `step`."""
        return self.base(step) * self.share

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {"base": self.base, "share": self.share}


def slow(model: keras.Model, rollbacks: int, held: int) -> None:
    """Let `model` train at the rate that is left after so many rollbacks: half of it for each.

    Args:
        model: its optimizer has a schedule, or a rate that is a variable and was restored with the rest.
        rollbacks: how many there were.
        held: how many of them such a variable knows already.
    """
    optimizer = model.optimizer
    rate = optimizer._learning_rate
    if isinstance(rate, keras.Variable):
        rate.assign(rate * 0.5 ** (rollbacks - held))
        return
    base = rate.base if isinstance(rate, Slowed) else rate
    if rollbacks or base is not rate:
        optimizer.learning_rate = Slowed(base, 0.5**rollbacks) if rollbacks else base
        model.train_function = None  # the old rate is built into it


def guard(run: RunDir, job: "Job", state: State, console: "Console") -> None:
    """Let `fit` drop steps (`train.on_nan` is "skip"), tell of each, and write the first ones down.

    Raises:
        NotFinite: by `fit`, when `IN_A_ROW` steps in a row were dropped.
    """
    from kcnn.train.strategy import build_metrics

    def dropped(variable: str) -> None:
        state.dropped.append(state.step + 1)
        console.warn(f"step {state.step + 1} is dropped: {write(run, job, state.step, variable, 'skip')}.")
        if state.dropped[-IN_A_ROW:] == [*range(state.step + 2 - IN_A_ROW, state.step + 2)]:
            raise NotFinite(f"{IN_A_ROW} steps in a row were dropped, the last", state.step + 1)

    build_metrics(job.strategy, job.model, job.element_spec())
    job.model.train_function = Guard(job.model, dropped)


def search(run: RunDir, job: "Job", begun: int, trouble: NotFinite, console: "Console") -> str:
    """Train again from step `begun`, where the model stands, until the numbers break; say where, and write it down.

    The model is left at the step before.
    """
    broken: list[str] = []
    console.note(f"looking for the batch and the layer in steps {begun + 1:,} to {trouble.step:,}")
    step = Guard(job.model, broken.append)
    batches = iter(job.training(begun))
    job.model.reset_metrics()  # their sums are broken since
    for index in range(begun, trouble.step):
        step(batches)
        if broken:
            return write(run, job, index, broken[0], job.recipe.train.on_nan)
    return f"all was finite when steps {begun + 1} to {trouble.step} were trained again"


def write(run: RunDir, job: "Job", index: int, variable: str, answer: str) -> str:
    """Write down the batch of step `index` (from 0), before which the model stands, and return what there is to say.

    Two files in the run's folder `nan`: the step's number with .npz holds the batch as the network gets it, with .json
    what broke first and which examples these are. After `REPORTS` batches only the words are returned.

    Args:
        run, job: of the model.
        index: of the step.
        variable: path of the first weight or slot that the step left not finite, or "".
        answer: what becomes of the run.
    """
    batch = job.batch(index)
    found = inspect(job.model, batch) or (Finding("update", variable) if variable else Finding("loss"))
    examples, split = job.examples(index), job.source.split("train")
    epoch, step = divmod(index, job.steps_per_epoch)
    place = run.nan / f"{index + 1:09d}.npz"
    told = f"{found}; examples {_listed(examples[list(found.rows)] if found.rows else examples)}"
    if not place.exists() and len([*run.nan.glob("*.npz")]) >= REPORTS:
        return told
    facts = {
        "step": index + 1,
        "epoch": epoch + 1,
        "step_in_epoch": step + 1,
        "what": found.what,
        "layer": found.layer,
        "examples": examples.tolist(),
        "names": [split.names(i) for i in examples],
        "suspects": [int(examples[row]) for row in found.rows],
        "learning_rate": float(keras.ops.convert_to_numpy(job.model.optimizer.learning_rate)),
        "on_nan": answer,
    }
    content = io.BytesIO()
    arrays: dict[str, Any] = {"examples": examples, **_arrays(batch)}
    np.savez_compressed(content, **arrays)
    atomic.write_bytes(place, content.getvalue())
    atomic.write_text(place.with_suffix(".json"), json.dumps(facts, indent=2, ensure_ascii=False) + "\n")
    return f"{told}; the batch is in {place}"


def inspect(model: keras.Model, batch: Any) -> Finding | None:
    """Return the first value that is not finite when `model` trains on `batch`, None when all are; change nothing.

    The order is that of the computation: inputs, layers as they are called, the loss, then gradients from the loss
    backwards.

    Args:
        model: compiled, at the step before.
        batch: (inputs, targets) or (inputs, targets, sample weights).
    """
    x, y, shares = keras.utils.unpack_x_y_sample_weight(batch)
    for what, part in (("input", x), ("target", y), ("sample weight", shares)):
        if (rows := _bad_rows(part)) is not None:
            return Finding(what, rows=rows)
    with _unchanged(model), _watched(model) as seen:
        with tf.GradientTape() as tape:
            outputs = model(x, training=True)
            if seen:
                return seen[0]
            loss = model.compute_loss(x=x, y=y, y_pred=outputs, sample_weight=shares, training=True)
        if _bad_rows(loss) is not None:
            return Finding("loss")
        weights = model.trainable_weights
        gradients = tape.gradient(loss, [getattr(weight, "value", weight) for weight in weights])
    for weight, gradient in reversed([*zip(weights, gradients, strict=True)]):
        if gradient is not None and _bad_rows(tf.convert_to_tensor(gradient)) is not None:
            return Finding("gradient", weight.path)
    return None


@contextlib.contextmanager
def _watched(model: keras.Model) -> Iterator[list[Finding]]:
    """Fill the list with the first layer whose output is not finite."""
    seen: list[Finding] = []

    def watching(layer: keras.Layer) -> Callable[..., Any]:
        call = layer.call

        @functools.wraps(call)
        def watch(*arguments: Any, **options: Any) -> Any:
            outputs = call(*arguments, **options)
            if not seen and (rows := _bad_rows(outputs)) is not None:
                seen.append(Finding("output", layer.name, rows))
            return outputs

        return watch

    layers = [layer for layer in model._flatten_layers(include_self=False) if "call" not in vars(layer)]
    for layer in layers:
        object.__setattr__(layer, "call", watching(layer))
    try:
        yield seen
    finally:
        for layer in layers:
            object.__delattr__(layer, "call")


@contextlib.contextmanager
def _unchanged(model: keras.Model) -> Iterator[None]:
    """Give the model its batch statistics and seeds back, and its metric sums."""
    before = snapshot(model)
    try:
        yield
    finally:
        restore(model, before)
        restore(model, before, metrics=True)


def _bad_rows(values: Any) -> tuple[int, ...] | None:
    """Rows of the first tensor with a value that is not finite, empty where there are no rows; None when all are."""
    for tensor in tf.nest.flatten(values):
        if not tf.is_tensor(tensor) or not hasattr(tensor, "numpy") or not tensor.dtype.is_floating:
            continue
        bad = ~np.isfinite(tf.cast(tensor, tf.float32) if tensor.dtype.size < 4 else tensor)
        if bad.any():
            return tuple(np.flatnonzero(bad.reshape(len(bad), -1).any(axis=1)).tolist()) if bad.ndim else ()
    return None


@tf.function(autograph=False)  # type: ignore[untyped-decorator]
def _finite(tensors: list[tf.Tensor]) -> tf.Tensor:
    return tf.reduce_all([tf.reduce_all(tf.math.is_finite(tensor)) for tensor in tensors])


def _all_finite(found: list[Any]) -> bool:
    return bool(_finite([tf.convert_to_tensor(variable) for variable in found]))


def _floating(variable: Any) -> bool:
    return "float" in str(getattr(variable.dtype, "name", variable.dtype))


def _arrays(batch: Any) -> dict[str, np.ndarray]:
    """Name the arrays of a batch: inputs, targets, sample_weight; a number behind where there are several."""
    found = {}
    for name, part in zip(
        ("inputs", "targets", "sample_weight"), keras.utils.unpack_x_y_sample_weight(batch), strict=True
    ):
        tensors = [] if part is None else tf.nest.flatten(part)
        for i, tensor in enumerate(tensors):
            found[name if len(tensors) == 1 else f"{name}_{i}"] = np.asarray(tensor)
    return found


def _listed(examples: np.ndarray, most: int = 8) -> str:
    shown = ", ".join(str(i) for i in examples[:most])
    return shown if len(examples) <= most else f"{shown} and {len(examples) - most} more"
