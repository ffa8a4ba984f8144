"""A class for every pixel of an image of any size, from a network of one size: resizing, tiles, several looks."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from kcnn.data.masks import resize_mask
from kcnn.data.preprocess import resize, to_channels
from kcnn.errors import ConfigError, DataError
from kcnn.recipe import Preprocess
from kcnn.tasks.segmentation.config import SegmentationConfig
from kcnn.tasks.task import Outputs

BATCH = 8  # tiles at once
Run = Callable[[np.ndarray], Any]


def whole(run: Run, image: np.ndarray, record: Preprocess, config: SegmentationConfig) -> Outputs:
    """Answer for one image in its own pixels; see `kcnn.tasks.task.Task.whole`.

    Args:
        run: (N, height, width, C) of the size and type of `record` -> logits (N, height, width, classes), or
            {"class_map": ids (N, height, width)} of an exported format.
        image: (H, W, 1 or 3) of any size, uint8 or, where `record` keeps 16 bits, float32 0..255.
        record: size and channels that `run` takes.
        config: `inference`, `overlap`, `scales` and `mirror` say how to look.

    Returns: {"class_map": uint8 (H, W)}.

    Raises:
        ConfigError: several looks at a format that gives no scores.
        DataError: a logit is not finite.
    """
    size = image.shape[:2]
    base = record.size if config.inference == "resize" else size
    picture = to_channels(tf.constant(image), record)
    views = [(factor, turned) for factor in config.scales for turned in ((False, True) if config.mirror else (False,))]
    looks = []
    for factor, turned in views:
        extent = tuple(max(1, round(side * factor)) for side in base)
        view = resize(picture, replace(record, size=extent)).numpy()
        # one look at the very pixels needs no scores; of several the probabilities are averaged
        reduce = _softmax if len(views) > 1 else (_ids if extent == size else _same)
        found = look(run, view[:, ::-1] if turned else view, record.size, config.overlap, reduce)
        if found.ndim == 2 and len(views) > 1:
            raise ConfigError(
                "this format gives class maps, which cannot be averaged over config.scales and config.mirror; predict "
                "with the run itself, or with --use=keras of its bundle."
            )
        looks.append(found[:, ::-1] if turned else found)
    if looks[0].ndim == 2:
        return {"class_map": resize_mask(tf.constant(looks[0]), size).numpy()}
    return {"class_map": largest(looks, size)}


def look(run: Run, image: np.ndarray, tile: tuple[int, int], overlap: float, reduce: Callable) -> np.ndarray:
    """Run tile after tile over an image, and put the answers together without a seam.

    Each pixel is taken from the tile in which it lies furthest from the border. Where overlapping tiles share at least
    twice the pixels that a unit sees to one side, each pixel but those at the image's border has seen the same as if
    the image had been run at once.

    Args:
        run: as `whole`.
        image: (H, W, C); what is smaller than a tile is filled up by repeating its last row and column.
        tile: (height, width).
        overlap: share of a tile that the next one sees again, at least.
        reduce: what to keep of a batch of logits.

    Returns: (H, W, ...) of what `reduce` keeps, or uint8 (H, W) class ids.
    """
    height, width = image.shape[:2]
    lacking = [(0, max(0, side - extent)) for side, extent in zip(tile, (height, width), strict=True)]
    image = np.pad(image, (*lacking, (0, 0)), mode="edge")
    places = [
        (rows, columns)
        for rows in spans(image.shape[0], tile[0], overlap)
        for columns in spans(image.shape[1], tile[1], overlap)
    ]
    result = None
    for part in (places[at : at + BATCH] for at in range(0, len(places), BATCH)):
        tiles = [image[r.start : r.start + tile[0], c.start : c.start + tile[1]] for r, c in part]
        found = run(np.stack(tiles))
        answers = found["class_map"] if isinstance(found, dict) else reduce(_finite(found))
        if result is None:
            result = np.empty((*image.shape[:2], *answers.shape[3:]), answers.dtype)
        for (r, c), answer in zip(part, answers, strict=True):
            kept = answer[r.first - r.start : r.end - r.start, c.first - c.start : c.end - c.start]
            result[r.first : r.end, c.first : c.end] = kept
    return result[:height, :width]


class Span(NamedTuple):
    """One tile along one axis: it starts at `start`, and the pixels first..end-1 are taken from it."""

    start: int
    first: int
    end: int


def spans(extent: int, tile: int, overlap: float) -> Iterator[Span]:
    """Yield tiles that cover `extent` pixels, evenly spread, neighbours cut in the middle of what they share.

    Args:
        extent: pixels along the axis, at least `tile`.
        tile: pixels of one tile.
        overlap: share of a tile, 0..0.9, that the next one sees again, at least.
    """
    step = max(1, round(tile * (1 - overlap)))
    count = -(-max(extent - tile, 0) // step) + 1
    starts = np.linspace(0, max(extent - tile, 0), count).round().astype(int).tolist()
    cuts = [0, *((left + tile + right) // 2 for left, right in itertools.pairwise(starts)), extent]
    for start, (first, end) in zip(starts, itertools.pairwise(cuts), strict=True):
        yield Span(start, first, end)


def largest(looks: list[np.ndarray], size: tuple[int, int]) -> np.ndarray:
    """Return uint8 (H, W): the class with the largest scores, enlarged bilinearly to `size` and summed over the looks.

    Class by class, so that no array of all classes at full size is needed. Of equal classes the first wins.

    Args:
        looks: (h, w, classes) float scores each, sizes may differ.
        size: (H, W).
    """
    best = np.full(size, -np.inf, np.float32)
    ids = np.zeros(size, np.uint8)
    for index in range(looks[0].shape[-1]):
        score = sum(_enlarged(scores[..., index : index + 1], size) for scores in looks)
        better = score > best
        ids[better], best[better] = index, score[better]
    return ids


def _enlarged(scores: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    if scores.shape[:2] == size:
        return scores[..., 0]
    return tf.image.resize(scores, size, method="bilinear", antialias=True).numpy()[..., 0]


def _finite(logits: np.ndarray) -> np.ndarray:
    if not np.isfinite(logits).all():
        raise DataError("the model's answers are not finite numbers; train again with a lower train.learning_rate.")
    return logits


def _ids(logits: np.ndarray) -> np.ndarray:
    return logits.argmax(axis=-1).astype(np.uint8)


def _same(logits: np.ndarray) -> np.ndarray:
    return logits


def _softmax(logits: np.ndarray) -> np.ndarray:
    return tf.nn.softmax(logits).numpy()
