"""What the user sees of training: a live bar on a terminal, one line per epoch everywhere."""

import contextlib
import datetime
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol

import keras

from kcnn.recipe import Recipe
from kcnn.train.state import State

if TYPE_CHECKING:
    from rich.console import Console as Rich
    from rich.progress import Progress as RichProgress

_REDRAW = 0.4  # seconds between two drawings of the bar; one costs 2 to 4 ms


class Console(Protocol):
    """What training asks of the console; `kcnn.cli.console.Console` is one, `Plain` another."""

    @property
    def is_terminal(self) -> bool:
        """Whether a person watches."""

    @property
    def live(self) -> "Rich":
        """Where a live display is drawn; asked for on a terminal only."""

    def note(self, text: str) -> None:
        """Print one line about what is going on."""

    def warn(self, text: str) -> None:
        """Print one warning line."""

    def progress(self, total: int, label: str) -> contextlib.AbstractContextManager[Any]:
        """Show how far `total` items have come; yields an object with `advance(count)`."""


class Plain:
    """Lines on stderr, for training called from Python."""

    is_terminal = False

    @property
    def live(self) -> "Rich":
        """Not asked for, since this is no terminal."""
        raise AttributeError("a plain console has no live display")

    def note(self, text: str) -> None:
        """Print one line."""
        print(text, file=sys.stderr, flush=True)

    def warn(self, text: str) -> None:
        """Print one warning line."""
        self.note(f"warning: {text}")

    @contextlib.contextmanager
    def progress(self, total: int, label: str) -> Iterator["Plain"]:
        """Print one line at the start."""
        self.note(f"{label} ({total}) ...")
        yield self

    def advance(self, count: int = 1) -> None:
        """Say nothing: a line per item would be noise."""


class Progress(keras.callbacks.Callback):
    """Shows how training goes. Put it behind the callback that keeps `state`."""

    def __init__(self, recipe: Recipe, state: State, console: Console):
        super().__init__()
        self._recipe = recipe
        self._state = state
        self._console = console
        self._bar: RichProgress | None = None
        self._drawn = 0.0
        self._begun = 0.0

    @contextlib.contextmanager
    def shown(self) -> Iterator[None]:
        """Show the bar for as long as this is entered, and leave a clean screen however it ends."""
        if not self._console.is_terminal:
            yield
            return
        with bar(self._console.live) as live:
            self._bar = live
            try:
                yield
            finally:
                self._bar = None

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Start the clock of the epoch."""
        self._begun = time.monotonic()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Redraw the bar now and then."""
        if self._bar is not None and self._due():
            self._draw(_numbers(logs))

    def on_test_begin(self, logs: Any = None) -> None:
        """Say what the wait at the end of an epoch is for."""
        if self._bar is not None and self._due():
            self._draw("validating")

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Print the epoch's numbers as one line, which stays."""
        self._console.note(self.line())

    def line(self) -> str:
        """Return the line of the latest epoch."""
        row, train = self._state.history[-1], self._recipe.train
        numbers = _numbers({k: v for k, v in row.items() if k not in ("epoch", "step", "learning_rate")})
        took = _clock(time.monotonic() - self._begun)
        best = "  best" if train.patience and self._state.best(train.monitor) is row else ""
        return (
            f"epoch {row['epoch']:>{len(str(train.epochs))}}/{train.epochs}  {numbers}  lr {row['learning_rate']:.3g}"
            f"  {self._state.rate:,.0f} images/s  {took}{best}"
        )

    def _due(self) -> bool:
        now = time.monotonic()
        if now - self._drawn < _REDRAW:
            return False
        self._drawn = now
        return True

    def _draw(self, what: str) -> None:
        state, train = self._state, self._recipe.train
        rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        fields = [what, f"lr {rate:.3g}"]
        if state.rate:
            left = (train.epochs * state.steps_per_epoch - state.step) * train.batch_size
            fields += [f"{state.rate:,.0f} images/s", f"ETA {_clock(left / state.rate)}"]
        epoch, step = divmod(state.step - 1, state.steps_per_epoch)
        self._bar.update(  # type: ignore[union-attr]
            self._bar.task_ids[0],  # type: ignore[union-attr]
            description=f"epoch {epoch + 1}/{train.epochs}",
            completed=step + 1,
            total=state.steps_per_epoch,
            shown="  ".join(fields),
            refresh=True,
        )


def bar(rich: "Rich") -> "RichProgress":
    """Return the bar, not yet started: epoch, bar, step of the epoch, then numbers.

    It draws only when told to: rich's own thread would take time from every step.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (
        TextColumn("[bold]{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("{task.fields[shown]}"),
    )
    live = Progress(*columns, console=rich, transient=True, auto_refresh=False)
    live.add_task("", total=1, shown="")
    return live


def _numbers(values: dict[str, float]) -> str:
    training = [name for name in values if not name.startswith("val_")]
    order = sorted(training, key=lambda name: name != "loss")
    order += [f"val_{name}" for name in order if f"val_{name}" in values]
    return "  ".join(f"{name} {values[name]:.4f}" for name in order)


def _clock(seconds: float) -> str:
    return str(datetime.timedelta(seconds=round(seconds))) if seconds >= 10 else f"{seconds:.1f} s"
