"""What the user sees: a live bar on a terminal, one line per epoch elsewhere."""

import io
import re
from types import SimpleNamespace

import pytest
from rich.console import Console as Rich

from kcnn.errors import TrainingError
from kcnn.train import callbacks, progress


class Terminal:
    """A terminal that remembers what was drawn."""

    is_terminal = True

    def __init__(self):
        self.screen = io.StringIO()
        self.live = Rich(file=self.screen, force_terminal=True, width=150, color_system=None)

    def note(self, text):
        self.live.print(text, soft_wrap=True, highlight=False)

    warn = note

    @property
    def text(self):
        return self.screen.getvalue()


def test_plain_lines_one_per_epoch(tmp_path, run_toy, lines):
    run_toy(tmp_path / "run", patience=3, monitor="val_loss")
    epochs = [text for text in lines.notes if text.startswith("epoch")]
    assert len(epochs) == 3
    number = r"\d+\.\d{4}"
    assert re.fullmatch(
        rf"epoch 1/3  loss {number}  accuracy {number}  val_loss {number}  val_accuracy {number}  "
        r"lr 0\.0397  [\d,]+ images/s  [\d.:]+( s)?  best",
        epochs[0],
    )
    assert lines.notes[0] == "toy: toy with 636 parameters, 150 train, 40 validation images, 10 steps an epoch"
    assert "\r" not in lines.text


def test_the_live_bar(tmp_path, run_toy, monkeypatch):
    monkeypatch.setattr(progress, "_REDRAW", 0.0)
    terminal = Terminal()
    run_toy(tmp_path / "run", console=terminal)
    assert re.search(
        r"epoch 2/3 .* 4/10 loss \d\.\d{4}  accuracy \d\.\d{4}  lr 0\.0\d+  [\d,]+ images/s  ETA ", terminal.text
    )
    assert "10/10 validating" in terminal.text
    assert terminal.text.count("\nepoch 3/3") + terminal.text.count("\x1b[2Kepoch 3/3") >= 1  # the lines stay
    assert terminal.text.rstrip().endswith("run")
    assert terminal.text.count("\x1b[?25l") == terminal.text.count("\x1b[?25h")  # the cursor is shown again


@pytest.mark.slow
def test_the_bar_is_taken_away_when_training_fails(tmp_path, run_toy):
    terminal = Terminal()
    with pytest.raises(TrainingError):
        run_toy(tmp_path / "run", console=terminal, learning_rate=1e30)
    assert terminal.text.count("\x1b[?25l") == terminal.text.count("\x1b[?25h") == 1


@pytest.mark.slow
def test_the_bar_is_drawn_a_few_times_a_second_only(tmp_path, run_toy, monkeypatch):
    drawn = []
    monkeypatch.setattr(progress.Progress, "_draw", lambda self, what: drawn.append(what))
    steps = []
    original = callbacks.Keeper.on_train_batch_end
    monkeypatch.setattr(callbacks.Keeper, "on_train_batch_end", lambda *a, **k: (steps.append(1), original(*a, **k)))
    # a step takes a tenth of a second
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: len(steps) * 0.1))
    run_toy(tmp_path / "run", console=Terminal())
    assert 30 * 0.1 / 0.4 - 2 <= len(drawn) <= 30 * 0.1 / 0.4 + 1


def test_images_per_second(tmp_path, run_toy, monkeypatch):
    """Steps of a known length: 16 images in 0.02 s are 800 a second."""
    rates, clock = [], [0.0]
    original = callbacks.Keeper.on_train_batch_end

    def step(keeper, batch, logs=None):
        clock[0] += 0.02
        original(keeper, batch, logs)
        rates.append(keeper._state.rate)

    monkeypatch.setattr(callbacks.Keeper, "on_train_batch_end", step)
    monkeypatch.setattr(callbacks, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    run_toy(tmp_path / "run", epochs=1)
    assert rates[-1] == pytest.approx(800)
