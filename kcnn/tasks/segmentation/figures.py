"""The pictures that only segmentation reports show, as matplotlib figures without global state."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from kcnn.explain.draw import pixels, sheet
from kcnn.figure import Figure
from kcnn.tasks.figures import BLUE, INK, MUTED, name_colours, short
from kcnn.tasks.segmentation.predictions import overlay

if TYPE_CHECKING:
    from kcnn.data.source import Info

BINS = 6
SIDE = 480  # pixels; larger pictures are thinned out, a report is not the place for them


def gallery(
    examples: Sequence[tuple[str, np.ndarray, np.ndarray, np.ndarray, float]], info: "Info", title: str
) -> Figure:
    """Draw images beside their true and their predicted classes.

    Args:
        examples: (name, uint8 (H, W, 1 or 3) image, true mask, predicted mask, mean IoU 0..1) each; masks are uint8
            (H, W). At least one.
        info: class names and palette.
        title: above the picture.
    """
    rows, titles = [], []
    for _, image, *masks, score in examples:
        step = max(1, -(-max(image.shape) // SIDE))
        thin = pixels(image)[::step, ::step]
        rows.append([thin, *(overlay(thin, mask[::step, ::step], info) for mask in masks)])
        titles.append(["image", "true", f"predicted, mean IoU {score:.0%}"])
    figure = sheet(rows, titles, [short(name) for name, *_ in examples])
    name_colours(figure, (mask for _, _, *pair, _ in examples for mask in pair), info)
    figure.suptitle(title, fontsize=12, color=INK)
    return figure


def iou_by_size(pixel_counts: np.ndarray, scores: np.ndarray, title: str) -> Figure:
    """Draw the mean IoU of images against their size: a point each, and the median of each sixth of them.

    Args:
        pixel_counts: (N,) height times width.
        scores: (N,) mean IoU, 0..1.
        title: above the picture.
    """
    side = np.sqrt(pixel_counts)
    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    axes = figure.subplots()
    axes.set_title(title, fontsize=12, color=INK, loc="left")
    axes.plot(side, scores, "o", color=BLUE, alpha=0.35, markersize=4, label="one image")
    order = np.argsort(side, kind="stable")
    parts = [part for part in np.array_split(order, min(BINS, len(order))) if len(part)]
    centres = [float(np.median(side[part])) for part in parts]
    axes.plot(centres, [float(np.median(scores[part])) for part in parts], color=INK, linewidth=1.8, label="median")
    axes.set_ylim(0, 1.02)
    axes.set_xlabel("size, square root of the pixels", color=MUTED)
    axes.set_ylabel("mean IoU", color=MUTED)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=9)
    return figure
