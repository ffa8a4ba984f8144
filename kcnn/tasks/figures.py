"""Pictures that reports of several tasks show, as matplotlib figures without global state."""

import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.patches import Patch

from kcnn import atomic
from kcnn.data.masks import IGNORE
from kcnn.figure import Figure
from kcnn.tasks.drawing import SHADE, palette

if TYPE_CHECKING:
    from kcnn.data.source import Info

INK, MUTED, BLUE, RED, GREEN = "#1f2430", "#8a8f99", "#2f6db3", "#c23b3b", "#2e7d4f"
COUNTS_UP_TO = 25  # with more classes the cells are too small for numbers
LARGEST_COUNT = 9_999  # longer numbers do not fit into a cell
NAMES_UP_TO = 130  # with more classes only every n-th is named
PAIRS_SHOWN = 18
GRID_IMAGES = 16
COLOURS_NAMED = 40  # classes in the legend of masks
DPI = 120


def save(figure: Figure, path: Path) -> None:
    """Write `figure` as a PNG file in one step."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, facecolor="white")
    atomic.write_bytes(path, buffer.getvalue())


def confusion_matrix(matrix: np.ndarray, classes: Sequence[str], title: str) -> Figure:
    """Draw which class is taken for which.

    Colour is the share of the row (the true class); the numbers are counts, or such shares where a count is above
    `LARGEST_COUNT`. With more than `COUNTS_UP_TO`
    classes the numbers give way to a list of the pairs that are confused most often.

    Args:
        matrix: (classes, classes) counts, row = true, column = predicted.
        classes: names.
        title: above the picture.
    """
    count = len(classes)
    numbers = count <= COUNTS_UP_TO
    side = float(np.clip(1.6 + 0.42 * count, 4.2, 9.0) if numbers else np.clip(0.11 * count, 9.0, 13.0))
    longest = max(len(short(name)) for name in classes) * 0.055
    figure = Figure(figsize=(side + longest + (0 if numbers else 4.6), side + longest), layout="constrained")
    figure.suptitle(title, fontsize=13, color=INK)
    ratios = [1] if numbers else [side, 4.0]
    axes = figure.subplots(1, len(ratios), width_ratios=ratios, squeeze=False)[0]
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    axes[0].imshow(shares, cmap="Blues", norm=PowerNorm(0.5, 0, 1), interpolation="nearest", aspect="equal")
    _name_classes(axes[0], classes)
    if numbers:
        _write_counts(axes[0], matrix, shares)
    else:
        _list_confusions(axes[1], matrix, classes)
    return figure


def _name_classes(axes: Axes, classes: Sequence[str]) -> None:
    count = len(classes)
    shown = np.arange(0, count, -(-count // NAMES_UP_TO))
    size = float(np.clip(260 / max(len(shown), 1), 4.6, 10))
    names = [short(classes[i]) for i in shown]
    upright = max(map(len, names)) > 3
    axes.set_xticks(shown, names, rotation=90 if upright else 0, fontsize=size, color=INK)
    axes.set_yticks(shown, names, fontsize=size, color=INK)
    axes.set_xlabel("predicted", color=MUTED)
    axes.set_ylabel("true", color=MUTED)
    axes.tick_params(length=0)
    axes.spines[:].set_color("#d5d8de")


def _write_counts(axes: Axes, matrix: np.ndarray, shares: np.ndarray) -> None:
    size = float(np.clip(150 / len(matrix), 5.5, 11))
    percent = matrix.max(initial=0) > LARGEST_COUNT
    for (row, column), value in np.ndenumerate(matrix):
        if value:
            colour = "white" if shares[row, column] > 0.3 else INK
            text = f"{shares[row, column]:.0%}" if percent else str(value)
            axes.text(column, row, text, ha="center", va="center", fontsize=size, color=colour)


def _list_confusions(axes: Axes, matrix: np.ndarray, classes: Sequence[str]) -> None:
    wrong = matrix.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(wrong, axis=None, kind="stable")[::-1][:PAIRS_SHOWN]
    pairs = [(*np.unravel_index(i, wrong.shape), wrong.flat[i]) for i in order if wrong.flat[i]]
    axes.set_title("most often confused" if pairs else "nothing confused", fontsize=11, color=INK, loc="left")
    axes.barh(range(len(pairs)), [n for *_, n in pairs], color=BLUE, height=0.3)
    for place, (true, predicted, n) in enumerate(pairs):
        text = f"{short(classes[true])} taken for {short(classes[predicted])}: {n}"
        axes.text(0, place - 0.32, text, fontsize=9, color=INK, va="center")
    axes.set_ylim(PAIRS_SHOWN - 0.4, -0.8)
    axes.axis("off")


def image_grid(
    images: Sequence[np.ndarray], captions: Sequence[str], title: str, colours: Sequence[str] | None = None
) -> Figure:
    """Draw up to `GRID_IMAGES` images in rows of four or more, each with its caption below.

    Args:
        images: uint8 (H, W, C) each, 1 or 3 channels, any sizes.
        captions: one to three lines of text each.
        title: above the picture.
        colours: of the captions; default one dark colour.
    """
    images = images[:GRID_IMAGES]
    columns = min(4, max(len(images), 1))
    rows = max(-(-len(images) // columns), 1)
    lines = max((caption.count("\n") + 1 for caption in captions), default=1)
    figure = Figure(figsize=(max(2.1 * columns, 4.2), (1.95 + 0.19 * lines) * rows + 0.5), layout="constrained")
    figure.suptitle(title, fontsize=13, color=INK)
    for place, axes in enumerate(figure.subplots(rows, columns, squeeze=False).flat):
        if place >= len(images):
            axes.axis("off")
            continue
        image = images[place]
        shown = image[..., 0] if image.shape[-1] == 1 else image
        axes.imshow(shown, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        caption = "\n".join(short(line, 32) for line in captions[place].splitlines())
        axes.set_xlabel(caption, fontsize=9, color=colours[place] if colours else INK)
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
    return figure


def name_colours(figure: Figure, masks: Iterable[np.ndarray], info: "Info") -> None:
    """Put the colours and names of the classes in some masks below `figure`.

    The `COLOURS_NAMED` classes with the most pixels, in the order of their ids; then what is ignored, where some is.

    Args:
        figure: with constrained layout, which makes room.
        masks: uint8 class ids and 255, any shapes.
        info: class names and palette.
    """
    counts = sum(np.bincount(np.ravel(mask), minlength=256) for mask in masks)
    largest = np.argsort(-counts[: len(info.classes)], kind="stable")[:COLOURS_NAMED]
    colours = np.asarray(palette(info)) / 255
    handles = [Patch(color=colours[i], label=short(info.classes[i])) for i in sorted(largest) if counts[i]]
    if counts[IGNORE]:
        handles.append(Patch(color="black", alpha=SHADE, label="ignored"))
    columns = max(1, int(figure.get_figwidth() / 1.6))
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, frameon=False, fontsize=8)


def short(name: str, limit: int = 22) -> str:
    """Return `name`, its end cut off where it is longer than `limit`."""
    return name if len(name) <= limit else name[: limit - 1] + "…"
