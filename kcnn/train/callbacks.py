"""The callbacks that keep a run: steps, checkpoints, log, stopping."""

import math
import time
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from kcnn.data.stream import Places
from kcnn.errors import UnknownNameError
from kcnn.train import checkpoint
from kcnn.train.job import Job
from kcnn.train.nan import NotFinite
from kcnn.train.records import draw_curves, write_log
from kcnn.train.rundir import RunDir
from kcnn.train.signals import Signals
from kcnn.train.state import State, averaged, restore, snapshot

_CURVES_SHARE = 0.02  # of the training time that drawing curves.png may take
_CURVES_COST = 0.5  # seconds that the first drawing may take


class TimeUp(Exception):
    """The time limit ended training in mid-epoch; everything is saved."""


class Keeper(keras.callbacks.Callback):
    """Counts steps, saves, and stops training where it must; put it before what looks at the state.

    At a step boundary: a checkpoint every `train.checkpoint_steps`, on a signal, and when the time is up.
    At an epoch's end: history, log.csv, curves.png and a checkpoint.

    Args:
        run: where to write.
        job: its recipe's `train` section says when to save and when to stop; the fingerprint of its data is saved.
        state: counted on; what a checkpoint holds beside the variables.
        places: of a stream, saved with the step; None where examples are read by index.
        metrics: sums of the metrics in the middle of an epoch, to go on with; empty at an epoch's start.
        writer, signals: entered by the caller.
    """

    def __init__(
        self,
        run: RunDir,
        job: Job,
        state: State,
        *,
        places: Places | None,
        metrics: Mapping[str, np.ndarray],
        writer: checkpoint.Writer,
        signals: Signals,
    ):
        super().__init__()
        self._run = run
        self._recipe = job.recipe
        self._places = places
        self._state = state
        self._data = job.fingerprint()
        self._metrics = metrics
        self._writer = writer
        self._signals = signals
        self._clock = 0.0
        self._first = (0.0, 0)
        self._drawing = _CURVES_COST

    def on_train_begin(self, logs: Any = None) -> None:
        """Start the clock."""
        self._clock = time.monotonic()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Give an epoch that was broken off its sums back, which Keras has just reset."""
        if self._metrics:
            restore(self.model, self._metrics, metrics=True)
            self._metrics = {}
        self._first = (0.0, 0)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Count the step; save and stop where that is due. The last step of an epoch leaves that to the epoch's end."""
        state, train, now = self._state, self._recipe.train, time.monotonic()
        state.step += 1
        state.seconds += now - self._clock
        self._clock = now
        if self._first[1]:  # the first step of an epoch pays for starting the pipeline
            state.rate = (state.step - self._first[1]) * train.batch_size / max(now - self._first[0], 1e-9)
        else:
            self._first = (now, state.step)
        if not math.isfinite(logs["loss"]) and train.on_nan != "skip":  # there such a step has left no trace
            raise NotFinite(f"the loss is {logs['loss']}", state.step)
        if state.step_in_epoch == 0:
            return
        time_is_up = bool(train.max_minutes) and state.seconds >= 60 * train.max_minutes
        due = train.checkpoint_steps and state.step % train.checkpoint_steps == 0
        if due or time_is_up or self._signals.caught:
            self._save()
            self._answer_signal()
            if time_is_up:
                self._writer.wait()
                raise TimeUp

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Write the epoch down, save it, and see whether it was the last one.

        Raises:
            UnknownNameError: `train.patience` watches a metric that training does not have.
        """
        state = self._state
        train, known = self._recipe.train, sorted(logs or {})
        if train.patience and train.monitor not in known:
            raise UnknownNameError("metric in train.monitor", train.monitor, known)
        rate = _last_rate(self.model.optimizer)
        state.history.append({"epoch": epoch + 1, "step": state.step, "learning_rate": rate, **(logs or {})})
        self._save()
        with self._writer.tolerant():
            self._write_down()
        self._answer_signal()
        self.model.stop_training = bool(state.finished(self._recipe.train))

    def _write_down(self) -> None:
        """Write log.csv, and curves.png where it costs little beside training."""
        state = self._state
        write_log(self._run.log, state.history)
        if self._drawing <= _CURVES_SHARE * state.seconds:
            begun = time.monotonic()
            best = state.best(self._recipe.train.monitor) if self._recipe.train.patience else None
            draw_curves(self._run.curves, state.history, self._recipe.name, best)
            self._drawing += time.monotonic() - begun

    def _save(self) -> None:
        """Begin to write a checkpoint.

        Raises:
            NotFinite: a weight, slot or statistic is not.
        """
        state, train = self._state, self._recipe.train
        tensors = snapshot(self.model)
        if state.step_in_epoch == 0:  # what metrics hold then is validation's, over with, and may be infinite
            tensors = {name: tensor for name, tensor in tensors.items() if not name.startswith("metrics/")}
        if self._places is not None:
            tensors |= self._places.at(state.step_in_epoch * train.batch_size)
        broken = [v for v in tensors.values() if v.dtype.kind == "f" and not np.isfinite(v).all()]
        if broken:
            raise NotFinite(f"{len(broken)} of {len(tensors)} variables have become NaN or infinite", state.step)
        saved = {
            "step": state.step,
            "epoch": state.epoch,
            "data": self._data,
            "seconds": state.seconds,
            "history": [*state.history],
            "rollbacks": state.rollbacks,
            "dropped": [*state.dropped],
        }
        best = state.best(train.monitor) if train.patience else None
        self._writer.save(tensors, saved, {int(best["step"])} if best else ())

    def _answer_signal(self) -> None:
        if self._signals.caught:
            self._writer.wait()
            self._signals.answer(self._state.step, self._run.path)


def _last_rate(optimizer: keras.Optimizer) -> float:
    """Return the learning rate of the step before this moment; Keras tells that of the step that comes next."""
    rate = optimizer._learning_rate
    now = rate(optimizer.iterations - 1) if callable(rate) else rate
    return float(keras.ops.convert_to_numpy(now))


class Averages(keras.callbacks.Callback):
    """Validates with the averaged weights (`train.ema`), which are the ones that training ends with."""

    def on_test_begin(self, logs: Any = None) -> None:
        """Lend the model its averages."""
        self._lent = averaged(self.model)
        self._lent.__enter__()

    def on_test_end(self, logs: Any = None) -> None:
        """Take them back."""
        self._lent.__exit__(None, None, None)
