"""What a run leaves for people: log.csv and curves.png."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kcnn import atomic
from kcnn.train.state import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_FACTS = ("epoch", "step", "learning_rate")
_TRAINING, _VALIDATION, _BEST, _FAINT = "#9aa5b1", "#1f6feb", "#d1242f", "#e4e7eb"


def write_log(path: Path, history: Sequence[Row]) -> None:
    """Write one line per epoch. It holds no clock times, so a resumed run writes the file of an unbroken one."""
    columns = [*_FACTS, *sorted({name for row in history for name in row} - {*_FACTS})]
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    atomic.write_text(path, text.getvalue())


def draw_curves(path: Path, history: Sequence[Row], title: str, best: Row | None = None) -> None:
    """Draw loss, metrics and learning rate over the epochs as a PNG; training gray, validation blue.

    Args:
        path: the file to write.
        history: one row per epoch; nothing is written while it is empty.
        title: above the picture.
        best: the row whose weights are kept, marked in red.
    """
    from matplotlib.figure import Figure

    if not history:
        return
    names = sorted({name.removeprefix("val_") for row in history for name in row} - {*_FACTS})
    names.sort(key=lambda name: name != "loss")  # the loss first
    figure = Figure(figsize=(4.2 * (len(names) + 1), 3.6), dpi=110, layout="constrained")
    axes = figure.subplots(1, len(names) + 1, squeeze=False)[0]
    for axis, name in zip(axes, names, strict=False):
        _panel(axis, history, name, best)
    _line(axes[-1], history, "learning_rate", _VALIDATION, "")
    axes[-1].set_title("learning rate", loc="left", fontsize=10)
    axes[-1].set_ylim(bottom=0)
    for axis in axes:
        axis.set_xlabel("epoch", fontsize=9)
        axis.xaxis.get_major_locator().set_params(integer=True)
        if len(history) == 1:
            axis.set_xticks([history[0]["epoch"]])
        axis.tick_params(labelsize=8)
        axis.grid(color=_FAINT, linewidth=0.8)
        axis.set_axisbelow(True)
        axis.spines[["top", "right"]].set_visible(False)
    figure.suptitle(title, fontsize=11, fontweight="bold", x=0.01, ha="left")
    content = io.BytesIO()
    figure.savefig(content, format="png")
    atomic.write_bytes(path, content.getvalue())


def _panel(axis: "Axes", history: Sequence[Row], name: str, best: Row | None) -> None:
    _line(axis, history, name, _TRAINING, "training")
    _line(axis, history, f"val_{name}", _VALIDATION, "validation")
    if best and f"val_{name}" in best:
        axis.plot(
            best["epoch"], best[f"val_{name}"], "o", color=_BEST, markersize=6, label=f"kept, epoch {best['epoch']}"
        )
    axis.set_title(name.replace("_", " "), loc="left", fontsize=10)
    axis.legend(fontsize=8, frameon=False)


def _line(axis: "Axes", history: Sequence[Row], name: str, colour: str, label: str) -> None:
    rows = [row for row in history if name in row]
    if rows:
        marker = "o" if len(rows) < 3 else ""
        epochs, values = [row["epoch"] for row in rows], [row[name] for row in rows]
        axis.plot(epochs, values, color=colour, linewidth=1.8, marker=marker, markersize=4, label=label)
