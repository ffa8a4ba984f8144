"""What a run is at one moment: the variables of model, optimizer and metrics, and a few plain values."""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from kcnn.errors import CheckpointError
from kcnn.train.strategy import replica_parts

if TYPE_CHECKING:
    import keras

    from kcnn.recipe import Train

Row = dict[str, float]


@dataclass
class State:
    """Where a run stands. Early stopping and the best epoch follow from `history`, so they need no state of their own.

    Attributes:
        steps_per_epoch: optimizer steps in one epoch.
        step: optimizer steps done.
        seconds: time spent training, over all processes that worked on the run.
        history: one row of numbers for each finished epoch: "epoch" (from 1), "step", "learning_rate" (of
            its last step), metrics.
        rollbacks: times the run was taken back because a number was not finite; the learning rate is halved by each.
        dropped: steps (from 1) whose update was left out because a number was not finite.
        retried: step of the checkpoint that the run was just taken back to, 0 for its start, -1 otherwise; not saved.
        rate: training images per second of the latest epoch; measured, so neither saved nor logged to log.csv.
    """

    steps_per_epoch: int
    step: int = 0
    seconds: float = 0.0
    history: list[Row] = field(default_factory=list)
    rollbacks: int = 0
    dropped: list[int] = field(default_factory=list)
    retried: int = -1
    rate: float = 0.0

    @property
    def epoch(self) -> int:
        """Number of finished epochs."""
        return self.step // self.steps_per_epoch

    @property
    def step_in_epoch(self) -> int:
        """Steps done in the epoch that is under way, 0 at its start."""
        return self.step % self.steps_per_epoch

    def best(self, monitor: str) -> Row | None:
        """Return the row with the best `monitor`, the earliest of equals; None before any number is finite.

        Lower is better for names that end in "loss" or "error", higher for all others.
        """
        sign = -1.0 if monitor.endswith(("loss", "error")) else 1.0
        rows = [row for row in self.history if np.isfinite(row.get(monitor, np.nan))]
        return max(rows, key=lambda row: sign * row[monitor], default=None)

    def finished(self, train: "Train") -> str:
        """Return why nothing is left to train under `train`, or "" when something is."""
        best = self.best(train.monitor)
        if self.epoch >= train.epochs:
            return f"all {train.epochs} epochs are done" if train.epochs > 1 else "its one epoch is done"
        if train.patience and len(self.history) - (best["epoch"] if best else 0) >= train.patience:
            return f"{train.monitor} has not improved for {train.patience} epochs (train.patience)"
        if train.max_minutes and self.seconds >= 60 * train.max_minutes:
            return f"the time is up (train.max_minutes is {train.max_minutes:g})"
        return ""


def snapshot(model: "keras.Model") -> dict[str, np.ndarray]:
    """Return every variable that training changes: weights, statistics, seeds, optimizer slots, metric sums.

    Names are by position ("optimizer/0003"), since Keras numbers optimizers and seed generators anew in each process.
    """
    return {name: np.asarray(variable.numpy()) for name, variable in variables(model).items()}


def restore(model: "keras.Model", tensors: Mapping[str, np.ndarray], *, metrics: bool = False) -> None:
    """Assign what `snapshot` returned to `model`, whose optimizer is built.

    Args:
        model: compiled as it was for the snapshot.
        tensors: what `snapshot` returned.
        metrics: restore the sums of the metrics and nothing else: Keras makes and resets them inside `fit`.

    Raises:
        CheckpointError: a variable is missing or has another shape; nothing has been assigned then.
    """
    wanted = {name: v for name, v in variables(model).items() if name.startswith("metrics/") == metrics}
    for name, variable in wanted.items():
        shape = tensors[name].shape if name in tensors else "nothing"
        if shape != tuple(variable.shape):
            path = getattr(variable, "path", variable.name)
            raise CheckpointError(
                f"the checkpoint belongs to another model: {path} ({name}) is {tuple(variable.shape)} here and "
                f"{shape} there. Train under another --name, or take back the change."
            )
    for name, variable in wanted.items():
        variable.assign(tensors[name])


def variables(model: "keras.Model") -> dict[str, Any]:
    """Return what `snapshot` reads, under the same names."""
    metrics = [part for variable in model.metrics_variables for part in replica_parts(variable)]
    groups = {"model": model.variables, "optimizer": model.optimizer.variables, "metrics": metrics}
    return {f"{group}/{i:04d}": variable for group, found in groups.items() for i, variable in enumerate(found)}


@contextlib.contextmanager
def averaged(model: "keras.Model") -> Iterator[None]:
    """Lend the model its averaged weights (`train.ema`), and give it back its own, bit for bit.

    Keras' SwapEMAWeights exchanges the two by adding and subtracting, which rounds the weights at each evaluation.
    """
    own = [variable.numpy() for variable in model.trainable_variables]
    model.optimizer.finalize_variable_values(model.trainable_variables)
    try:
        yield
    finally:
        for variable, value in zip(model.trainable_variables, own, strict=True):
            variable.assign(value)
