"""The pictures that only classification reports show, as matplotlib figures without global state."""

from collections.abc import Sequence

import numpy as np

from kcnn.figure import Figure
from kcnn.tasks.classification.scores import BINS, Reliability
from kcnn.tasks.figures import BLUE, INK, MUTED, RED, short


def outcomes(counts: np.ndarray, classes: Sequence[str], title: str) -> Figure:
    """Draw found, missed and wrongly claimed labels of every class: the multi-label confusion picture.

    Args:
        counts: (classes, 3) true positives, false positives, false negatives.
        classes: names.
        title: above the picture.
    """
    figure = Figure(figsize=(8, float(np.clip(1.6 + 0.3 * len(classes), 2.6, 16))), layout="constrained")
    axes = figure.subplots()
    axes.set_title(title, fontsize=13, color=INK, loc="left")
    hits, false_alarms, misses = np.asarray(counts).T
    places = np.arange(len(classes))
    axes.barh(places, hits, color=BLUE, label="found")
    axes.barh(places, misses, left=hits, color="#bcd0e6", label="missed")
    axes.barh(places, -false_alarms, color=RED, label="claimed wrongly")
    axes.set_yticks(places, [short(name) for name in classes], fontsize=9 if len(classes) <= 50 else 5)
    axes.set_ylim(len(classes) - 0.4, -0.6)
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.xaxis.set_major_formatter(lambda value, _: f"{abs(value):g}")
    axes.set_xlabel("images", color=MUTED)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.legend(frameon=False, ncols=3, loc="lower right", bbox_to_anchor=(1, 1), fontsize=9)
    return figure


def reliability(bins: Reliability, title: str) -> Figure:
    """Draw accuracy against confidence (on the diagonal a model that says 80 % is right 80 % of the time).

    Args:
        bins: as from `scores.reliability`.
        title: above the picture.
    """
    figure = Figure(figsize=(5.4, 6.0), layout="constrained")
    figure.suptitle(f"{title}: calibration error {bins.error:.3f}", fontsize=13, color=INK)
    upper, lower = figure.subplots(2, 1, height_ratios=[3.4, 1], sharex=True)
    filled = bins.count > 0
    centres, width = (np.arange(BINS) + 0.5)[filled] / BINS, 0.92 / BINS
    upper.bar(centres, bins.accuracy[filled], width, color="#9db9d9", label="accuracy")
    confidence = bins.confidence[filled]
    upper.hlines(confidence, centres - width / 2, centres + width / 2, color=RED, linewidth=2.5, label="confidence")
    upper.plot([0, 1], [0, 1], "--", color=MUTED, linewidth=1, label="perfect calibration")
    upper.set(xlim=(0, 1), ylim=(0, 1.02))
    upper.set_ylabel("accuracy", color=MUTED)
    upper.legend(frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, fontsize=9)
    lower.bar(centres, bins.count[filled] / max(bins.count.sum(), 1), width, color="#9db9d9")
    lower.set_xlabel("confidence", color=MUTED)
    lower.set_ylabel("share", color=MUTED)
    for axes in (upper, lower):
        axes.spines[["top", "right"]].set_visible(False)
    return figure
