"""Find a learning rate: raise it step by step and see where the loss falls, and where it blows up.

Smith 2015 (1506.01186) section 3.3. The model is left as it was, bit for bit.
"""

import io
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras

from kcnn import atomic
from kcnn.errors import TrainingError
from kcnn.recipe import Recipe
from kcnn.train.state import restore, snapshot

if TYPE_CHECKING:
    from kcnn.data.source import Source
    from kcnn.train.progress import Console

_SMOOTHING = 0.9  # share of the past in the running loss
_BLOWN_UP = 4.0  # stop at this multiple of the lowest loss
_MARGIN = 10.0  # the suggestion stays this factor below the rate of the lowest loss


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What the search saw.

    Attributes:
        rates: learning rate of each step, rising.
        losses: smoothed loss after each step.
        suggestion: a tenth of the rate at which the loss was lowest.
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    suggestion: float


def lr_finder(model: keras.Model, dataset: Any, *, low: float = 1e-6, high: float = 10.0, steps: int = 100) -> Finding:
    """Train `steps` steps at rates from `low` to `high`, evenly in the logarithm, and undo it all.

    The model's own optimizer makes the steps, from where it stands, with all that is set in it but the rate.
    Weights, statistics, seeds and the optimizer are the same afterwards, bit for bit; metrics are reset.

    Args:
        model: built and compiled.
        dataset: at least `steps` batches, as `fit` takes them.
        low, high: first and last rate, 0 < low < high.
        steps: at most this many; it ends sooner once the loss has blown up.

    Raises:
        TrainingError: the loss is not finite from the first step on.
    """
    before, optimizer = snapshot(model), model.optimizer
    rate = optimizer._learning_rate  # the property's setter would forget a rate that is a variable
    watch = _Watch(low, high, steps)
    optimizer._learning_rate = _Rising(low, high, steps, start=int(optimizer.iterations))
    model.train_function = None  # Keras has built the old rate into it
    try:
        model.fit(dataset, steps_per_epoch=steps, callbacks=[watch], shuffle=False, verbose=0)
    finally:
        optimizer._learning_rate, model.train_function = rate, None
        model.stop_training = False
        restore(model, before)
        model.reset_metrics()
    if not watch.losses:
        raise TrainingError(f"the loss is not finite at a learning rate of {low:g} already; look at the data.")
    best = watch.rates[min(range(len(watch.losses)), key=watch.losses.__getitem__)]
    return Finding(rates=tuple(watch.rates), losses=tuple(watch.losses), suggestion=best / _MARGIN)


def find(recipe: Recipe, picture: Path, *, console: "Console | None" = None, source: "Source | None" = None) -> float:
    """Return a learning rate for `recipe`, and draw the loss over the rate into the PNG file `picture`.

    Raises:
        KcnnError: as `kcnn.train.train` does before training.
    """
    from kcnn.train.job import prepare, resolve
    from kcnn.train.progress import Plain

    job = prepare(resolve(recipe), source, console or Plain())
    finding = lr_finder(job.model, job.endless())
    draw_finding(picture, finding, recipe.name)
    return finding.suggestion


def draw_finding(path: Path, finding: Finding, title: str) -> None:
    """Draw the loss over the learning rate as a PNG, the suggestion marked."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 3.8), dpi=110, layout="constrained")
    axis = figure.subplots()
    axis.semilogx(finding.rates, finding.losses, color="#1f6feb", linewidth=1.8)
    axis.axvline(finding.suggestion, color="#d1242f", linestyle="--", label=f"suggested {finding.suggestion:.2g}")
    axis.set(xlabel="learning rate", ylabel="loss, smoothed")
    axis.set_title(title, loc="left", fontsize=11, fontweight="bold")
    axis.grid(color="#e4e7eb", linewidth=0.8)
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False)
    content = io.BytesIO()
    figure.savefig(content, format="png")
    atomic.write_bytes(path, content.getvalue())


class _Rising(keras.optimizers.schedules.LearningRateSchedule):
    """From `low` at the optimizer's step `start` to `high` at the last of `steps`, evenly in the logarithm."""

    def __init__(self, low: float, high: float, steps: int, start: int):
        self._low, self._start = low, start
        self._slope = math.log(high / low) / max(1, steps - 1)

    def __call__(self, step: Any) -> Any:
        """Return the rate at the optimizer's step `step`."""
        return self._low * keras.ops.exp(self._slope * keras.ops.cast(step - self._start, "float32"))


class _Watch(keras.callbacks.Callback):
    """Writes down the loss of each step by itself, smoothed, until it blows up."""

    def __init__(self, low: float, high: float, steps: int):
        super().__init__()
        self._schedule = [low * (high / low) ** (i / max(1, steps - 1)) for i in range(steps)]
        self._mean = 0.0
        self.rates: list[float] = []
        self.losses: list[float] = []

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Forget the steps before: Keras logs the mean since the last reset."""
        self.model.reset_metrics()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Note the step, or stop."""
        self._mean = _SMOOTHING * self._mean + (1 - _SMOOTHING) * logs["loss"]
        smooth = self._mean / (1 - _SMOOTHING ** (batch + 1))
        if not math.isfinite(smooth) or smooth > _BLOWN_UP * min(self.losses, default=math.inf):
            self.model.stop_training = True
            return
        self.rates.append(self._schedule[batch])
        self.losses.append(smooth)
