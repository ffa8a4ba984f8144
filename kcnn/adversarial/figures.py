"""Pictures of attacks: image, amplified change and result; accuracy against eps; transfer; fooling images."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from kcnn.adversarial.aim import Attacked
from kcnn.adversarial.curve import Curve
from kcnn.colours import BLUE, INK, LINE, MUTED, RED
from kcnn.errors import ConfigError, ShapeError
from kcnn.figure import Figure
from kcnn.ops.arrays import numbers

COLOURS = (BLUE, RED, "#4b9b6e", "#b98a2f", "#7a5ea8", "#4a5568")
SHOWN = 10  # triples in one picture


def triples(result: Attacked, classes: Sequence[str], title: str = "") -> Figure:
    """Draw each image, its change amplified around gray, and what came out, with the answers to both.

    Args:
        result: of any attack; the first `SHOWN` images are drawn.
        classes: names, position = id.
        title: above the picture; by default none.

    Raises:
        ConfigError: fewer names than classes.
    """
    _check_names(classes, result.before.shape[-1])
    rows = min(len(result.images), SHOWN)
    figure = Figure(figsize=(7.2, 2.55 * rows + (0.4 if title else 0)), layout="constrained")
    if title:
        figure.suptitle(title, fontsize=12, color=INK)
    norms = result.norms()
    for row, axes in enumerate(figure.subplots(rows, 3, squeeze=False)):
        amplified, factor = amplify(result.perturbation[row])
        _show(axes[0], result.originals[row], _answer(result.before[row], classes), INK)
        told = f"change x {factor:.3g}" if factor else "no change"
        size = f"largest {norms['linf'][row]:.3g}, length {norms['l2'][row]:,.1f}"
        _show(axes[1], amplified, f"{told}\n{size}", MUTED)
        _show(axes[2], result.images[row], _answer(result.after[row], classes), RED if result.success[row] else INK)
    return figure


def amplify(change: np.ndarray) -> tuple[np.ndarray, float]:
    """Return (uint8 picture of `change` (H, W, C) around gray 128, the factor); factor 0 where nothing changed."""
    largest = float(np.abs(change).max())
    factor = 127 / largest if largest else 0.0
    return np.rint(128 + factor * change).astype("uint8"), factor


def robustness(curves: Mapping[str, Curve], title: str) -> Figure:
    """Draw accuracy against eps, one line a name."""
    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    axes = figure.subplots()
    for (name, curve), colour in zip(curves.items(), COLOURS * len(curves), strict=False):
        axes.plot(curve.eps, 100 * curve.accuracy, "o-", color=colour, markersize=4, linewidth=1.6, label=name)
    axes.set_title(title, fontsize=12, color=INK, loc="left")
    axes.set_xlabel("eps, pixel values of 0..255", color=MUTED)
    axes.set_ylabel("images still right, %", color=MUTED)
    axes.set_ylim(0, 102)
    axes.set_xlim(left=0)
    axes.grid(color=LINE, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(LINE)
    axes.tick_params(colors=MUTED, length=3)
    if len(curves) > 1:
        axes.legend(frameon=False, fontsize=9, labelcolor=INK)
    return figure


def transfer(matrix: np.ndarray, names: Sequence[str], title: str) -> Figure:
    """Draw a transfer matrix (K, K) of shares, with its numbers in per cent.

    Raises:
        ShapeError: a matrix of another shape than (K, K), K the number of names.
    """
    matrix = numbers("matrix", matrix)
    if matrix.shape != (len(names), len(names)):
        raise ShapeError(f"the matrix is {matrix.shape} but there are {len(names)} names.",
                         expected=(len(names), len(names)), actual=matrix.shape)  # fmt: skip
    figure = Figure(figsize=(2.4 + 1.1 * len(names), 2.0 + 0.9 * len(names)), layout="constrained")
    axes = figure.subplots()
    axes.imshow(matrix, cmap="Blues", vmin=0, vmax=1)
    for (row, column), share in np.ndenumerate(matrix):
        told = "-" if np.isnan(share) else f"{share:.0%}"
        axes.text(column, row, told, ha="center", va="center", color="white" if share > 0.55 else INK, fontsize=12)
    axes.set_xticks(range(len(names)), names, rotation=20, ha="right", color=INK)
    axes.set_yticks(range(len(names)), names, color=INK)
    axes.set_xlabel("fools", color=MUTED)
    axes.set_ylabel("made against", color=MUTED)
    axes.set_title(title, fontsize=12, color=INK, loc="left")
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    return figure


def fooling(images: np.ndarray, confidences: np.ndarray, classes: Sequence[str], title: str) -> Figure:
    """Draw images (K, H, W, C), one a class, with the confidence that each is of its class.

    Raises:
        ConfigError: no images, or fewer names or confidences than images.
    """
    images, confidences = numbers("images", images), numbers("confidences", confidences)
    if images.ndim != 4 or not 0 < len(images) <= confidences.size:
        raise ConfigError(f"there are {confidences.size} confidences but images {images.shape}; give one each.")
    _check_names(classes, len(images))
    columns = min(5, len(images))
    rows = -(-len(images) // columns)
    figure = Figure(figsize=(1.7 * columns, 2.05 * rows + 0.4), layout="constrained")
    figure.suptitle(title, fontsize=12, color=INK)
    for place, axes in enumerate(figure.subplots(rows, columns, squeeze=False).flat):
        if place < len(images):
            sure = confidences[place]
            _show(axes, images[place], f"{_short(classes[place])} {sure:.2%}", RED if sure >= 0.99 else INK)
        else:
            axes.axis("off")
    return figure


def _check_names(classes: Sequence[str], count: int) -> None:
    if len(classes) < count:
        raise ConfigError(f"there are {len(classes)} names but {count} classes; give one for each.")


def _answer(probabilities: np.ndarray, classes: Sequence[str]) -> str:
    best = int(probabilities.argmax())
    return f"{_short(classes[best])}\n{probabilities[best]:.1%}"


def _show(axes: Axes, image: np.ndarray, caption: str, colour: str) -> None:
    shown = np.rint(image).astype("uint8")
    axes.imshow(shown[..., 0] if shown.shape[-1] == 1 else shown, cmap="gray", vmin=0, vmax=255)
    axes.set_xlabel(caption, fontsize=9, color=colour)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


def _short(name: str, limit: int = 28) -> str:
    return name if len(name) <= limit else name[: limit - 1] + "…"
