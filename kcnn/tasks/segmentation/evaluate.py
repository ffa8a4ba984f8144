"""The report on a trained segmenter: numbers, tables and pictures of one split, in the masks' own pixels."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kcnn.errors import DataError
from kcnn.tasks import figures
from kcnn.tasks.classes import confusion_matrix
from kcnn.tasks.report import about, readable, write_confusion, write_csv, write_report
from kcnn.tasks.segmentation.boundaries import boundary_f
from kcnn.tasks.segmentation.config import settings
from kcnn.tasks.segmentation.dataset import check_masks
from kcnn.tasks.segmentation.figures import gallery, iou_by_size
from kcnn.tasks.segmentation.inference import whole
from kcnn.tasks.segmentation.scores import iou, mean, per_class, pixel_accuracy, summary
from kcnn.tasks.task import raw_outputs

if TYPE_CHECKING:
    import keras

    from kcnn.data.source import Info, Source, Split
    from kcnn.recipe import Recipe

WORST = 6  # images in the picture
Answer = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class One:
    """What is known of one image: its numbers are None, or NaN, where it has nothing to be right about.

    Attributes:
        index: in the split.
        size: (height, width) in pixels.
        mean_iou, pixel_accuracy: 0..1.
        boundary: (classes,) boundary F-scores, 0..1.
    """

    index: int
    size: tuple[int, int]
    mean_iou: float | None
    pixel_accuracy: float | None
    boundary: np.ndarray


def evaluate(
    model: "keras.Model", recipe: "Recipe", source: "Source", split: str, bad: frozenset[int], folder: Path
) -> dict[str, Any]:
    """Measure `model` on every readable example of a split and write the report.

    Args:
        model: (N, H, W, C) preprocessed images to (N, H, W, classes) logits.
        recipe: gives preprocessing; `recipe.config` how to look (`inference`, `overlap`, `scales`, `mirror`).
        source: the data set.
        split: name of the split.
        bad: indices of unreadable examples, which are left out.
        folder: existing folder for report.json, metrics.csv (per class), images.csv (worst first),
            confusion_matrix.csv and .png (pixels), worst_images.png, and iou_by_size.png where image sizes differ.

    Returns: what report.json holds: "data", "split", "examples", the numbers of `scores.summary`, "boundary_f" (mean
        over the images of the mean over the classes in them, Csurka 2013), and "per_class" (`scores.per_class`, its
        "boundary_f" the mean over the images that have the class). Pixels labelled 255 count nowhere.

    Raises:
        DataError: the split has no readable example or no labelled pixel, or the model's answers are not finite.
    """
    check_masks(recipe, source.info)
    info, part = source.info, readable(source, split, bad)
    run, config = raw_outputs(model, recipe.preprocess), settings(recipe)

    def answer(image: np.ndarray) -> np.ndarray:
        return whole(run, image, recipe.preprocess, config)["class_map"]

    matrix, images = _measured(part, answer, len(info.classes))
    if not matrix.sum():
        raise DataError(f"{info.name}: no pixel of split {split!r} has a class, so there is nothing to measure.")
    boundary = np.stack([one.boundary for one in images])
    known = np.ma.masked_invalid(boundary)
    numbers = {**summary(matrix), "boundary_f": mean(known.mean(axis=1).filled(np.nan))}
    rows = per_class(matrix, known.mean(axis=0).filled(np.nan), info.classes)
    report = {"data": info.name, "split": split, "examples": part.size, **numbers, "per_class": rows}
    write_report(folder, report)
    _write_tables(matrix, images, rows, part, info, folder)
    _write_pictures(matrix, images, part, info, answer, report, folder)
    return report


def _measured(part: "Split", answer: Answer, classes: int) -> tuple[np.ndarray, list[One]]:
    """Return the confusion matrix of all pixels, and each image's own numbers."""
    import tensorflow as tf

    total, images = np.zeros((classes, classes), np.int64), []
    read = tf.autograph.experimental.do_not_convert(part.read)
    examples = tf.data.Dataset.range(part.size).map(read, num_parallel_calls=2).prefetch(2)
    for index, example in enumerate(examples.as_numpy_iterator()):
        true, found = example["mask"], answer(example["image"])
        matrix = confusion_matrix(true, found, classes)
        total += matrix
        images.append(
            One(index, true.shape, mean(iou(matrix)), pixel_accuracy(matrix), boundary_f(true, found, classes))
        )
    return total, images


def _worst_first(images: list[One]) -> list[One]:
    """Return the images that have a labelled pixel, lowest mean IoU first."""
    return sorted((one for one in images if one.mean_iou is not None), key=lambda one: one.mean_iou)


def _write_tables(
    matrix: np.ndarray, images: list[One], rows: list[dict[str, Any]], part: "Split", info: "Info", folder: Path
) -> None:
    write_csv(folder / "metrics.csv", list(rows[0]), (row.values() for row in rows))
    write_confusion(folder / "confusion_matrix.csv", info.classes, matrix)
    table = (
        [part.names(one.index), *one.size, one.mean_iou, one.pixel_accuracy, mean(one.boundary)]
        for one in _worst_first(images)
    )
    header = ["example", "height", "width", "mean_iou", "pixel_accuracy", "boundary_f"]
    write_csv(folder / "images.csv", header, table)


def _write_pictures(
    matrix: np.ndarray,
    images: list[One],
    part: "Split",
    info: "Info",
    answer: Answer,
    report: dict[str, Any],
    folder: Path,
) -> None:
    import tensorflow as tf

    from kcnn.data.preprocess import shown

    title, worst = about(info, report["split"]), _worst_first(images)
    scored = f"{title}: mean IoU {report['mean_iou']:.1%}"
    figures.save(figures.confusion_matrix(matrix, info.classes, scored), folder / "confusion_matrix.png")
    rows = []
    for one in worst[:WORST]:
        example = part.read(tf.constant(one.index, tf.int64))
        image, true = example["image"].numpy(), example["mask"].numpy()
        rows.append((Path(part.names(one.index)).name, shown(image), true, answer(image), one.mean_iou))
    figures.save(gallery(rows, info, f"{title}: lowest mean IoU first"), folder / "worst_images.png")
    by_size = folder / "iou_by_size.png"
    by_size.unlink(missing_ok=True)  # one of an earlier report
    if len({one.size for one in worst}) > 1:
        sizes, found = np.array([np.prod(one.size) for one in worst]), np.array([one.mean_iou for one in worst])
        figures.save(iou_by_size(sizes, found, f"{title}: mean IoU against image size"), by_size)
