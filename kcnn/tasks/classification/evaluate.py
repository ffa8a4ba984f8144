"""The report on a trained classifier: numbers, tables and pictures of one split."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kcnn.errors import DataError
from kcnn.tasks import figures
from kcnn.tasks.classification.config import settings
from kcnn.tasks.classification.dataset import dataset
from kcnn.tasks.classification.figures import outcomes, reliability
from kcnn.tasks.classification.findings import Findings, one_label, several_labels
from kcnn.tasks.classification.predictions import caption
from kcnn.tasks.report import about, readable, write_confusion, write_csv, write_report

if TYPE_CHECKING:
    import keras

    from kcnn.data.source import Info, Source, Split
    from kcnn.recipe import Recipe


def evaluate(
    model: "keras.Model", recipe: "Recipe", source: "Source", split: str, bad: frozenset[int], folder: Path
) -> dict[str, Any]:
    """Measure `model` on every readable example of a split and write the report.

    Args:
        model: (N, H, W, C) preprocessed images to (N, classes) logits.
        recipe: gives preprocessing and batch size.
        source: the data set.
        split: name of the split.
        bad: indices of unreadable examples, which are left out.
        folder: existing folder for report.json, metrics.csv, predictions.csv (hardest first),
            confusion_matrix.csv and .png, worst_predictions.png and reliability.png.

    Returns: what report.json holds: "data", "split", "examples", "accuracy", "top5" where there are more than 5
        classes, "loss" (cross-entropy without smoothing or weights), "calibration_error" (`scores.reliability`),
        "macro_precision", "macro_recall", "macro_f1" (means over the classes that have examples), and
        "per_class" (`scores.per_class`). With several labels "accuracy" is over all yes-or-no answers,
        "exact_match" the share of images whose labels are all right, "average_precision" the mean over classes.

    Raises:
        DataError: the split has no readable example, or the model's answers are not finite.
    """
    info, part = source.info, readable(source, split, bad)
    images = dataset(recipe, source, split, training=False, bad=bad).map(lambda inputs, _: inputs)
    logits = np.asarray(model.predict(images, verbose=0), "float64")
    if not np.isfinite(logits).all():
        raise DataError("the model's answers are not finite numbers; train again with a lower train.learning_rate.")
    measure = several_labels if settings(recipe).multi_label else one_label
    found = measure(logits, part.labels, info.classes)
    report = {"data": info.name, "split": split, "examples": part.size, **found.numbers}
    write_report(folder, report)
    _write_tables(found, part, info, folder)
    _write_pictures(found, part, info, report, folder)
    return report


def _write_tables(found: Findings, part: "Split", info: "Info", folder: Path) -> None:
    rows = found.numbers["per_class"]
    write_csv(folder / "metrics.csv", list(rows[0]), (row.values() for row in rows))
    if info.multi_label:
        table = ([name, *counts] for name, counts in zip(info.classes, found.table.tolist(), strict=True))
        write_csv(folder / "confusion_matrix.csv", ["class", "found", "claimed_wrongly", "missed"], table)
    else:
        write_confusion(folder / "confusion_matrix.csv", info.classes, found.table)
    predictions = (
        [part.names(i), caption(part.labels[i], info), _answer(found, i, info), f"{found.losses[i]:.6f}"]
        for i in _hardest_first(found)
    )
    write_csv(folder / "predictions.csv", ["example", "true", "predicted", "loss"], predictions)


def _write_pictures(found: Findings, part: "Split", info: "Info", report: dict[str, Any], folder: Path) -> None:
    title = about(info, report["split"])
    score = f"{title}: {report['accuracy']:.1%} of {part.size:,} right"
    if info.multi_label:
        table = outcomes(found.table, info.classes, f"{title}: {part.size:,} images")
    else:
        table = figures.confusion_matrix(found.table, info.classes, score)
    figures.save(table, folder / "confusion_matrix.png")
    figures.save(reliability(found.bins, title), folder / "reliability.png")
    figures.save(_gallery(found, part, info, title), folder / "worst_predictions.png")


def _gallery(found: Findings, part: "Split", info: "Info", title: str) -> figures.Figure:
    from kcnn.data.preprocess import shown

    worst = _hardest_first(found)[: figures.GRID_IMAGES]
    images = [shown(example["image"].numpy()) for example in part.examples(worst)]
    captions = [f"predicted {_answer(found, i, info)}\ntrue {_truth(found, part, i, info)}" for i in worst]
    right = (found.answers[worst] == part.labels[worst]).reshape(len(worst), -1).all(axis=1)
    colours = [figures.GREEN if hit else figures.RED for hit in right]
    return figures.image_grid(images, captions, f"{title}: highest loss first", colours)


def _hardest_first(found: Findings) -> np.ndarray:
    return np.argsort(-found.losses, kind="stable")


def _answer(found: Findings, index: int, info: "Info") -> str:
    given = np.atleast_1d(found.answers[index])
    chosen = np.flatnonzero(given) if info.multi_label else given
    return " + ".join(f"{info.classes[c]} ({found.probabilities[index, c]:.0%})" for c in chosen) or "no label"


def _truth(found: Findings, part: "Split", index: int, info: "Info") -> str:
    label = part.labels[index]
    if info.multi_label:
        return caption(label, info)
    return f"{info.classes[label]} ({found.probabilities[index, label]:.0%})"
