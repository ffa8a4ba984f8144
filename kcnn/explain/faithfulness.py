"""Scores for maps, so that methods can be compared: deletion, insertion, pointing game.

Deletion and insertion: Petsiuk 2018, RISE (1806.07421, section 4.3). Pointing game: Zhang 2016 (1608.00507, section 4).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kcnn.errors import ConfigError, ShapeError
from kcnn.explain.core import BATCH, Target, ask, check_finite
from kcnn.explain.maps import check_size, enlarge
from kcnn.ops.arithmetic import whole
from kcnn.ops.arrays import finite, like


@dataclass(frozen=True, eq=False)
class Curve:
    """The score while pixels go or come, most important first.

    Attributes:
        shares: (steps + 1,) share of pixels changed, 0..1.
        scores: (N, steps + 1).
    """

    shares: np.ndarray
    scores: np.ndarray

    @property
    def area(self) -> np.ndarray:
        """(N,) mean height of the curve: of a deletion the lower the better, of an insertion the higher."""
        return np.trapezoid(self.scores, self.shares, axis=1)


def deletion(
    model: keras.Model,
    images: Any,
    maps: np.ndarray,
    target: Target = None,
    *,
    steps: int = 28,
    fill: Any = 0.0,
    batch_size: int = BATCH,
) -> Curve:
    """Return the score while the pixels of highest value are replaced by `fill`.

    Args:
        model, images, target, batch_size: as in `kcnn.explain.core.ask`; of a model of logits, end it in a softmax
            first (`kcnn.explain.core.with_softmax`) to have probabilities, as the paper.
        maps: (N, h, w), enlarged to the images'.
        steps: points of the curve; the same number of pixels goes at each.
        fill: number, colour (C,), image (H, W, C) or images (N, H, W, C) that pixels become.

    Returns: `Curve` of `steps + 1` points; the first is of the whole image, the last of `fill`.

    Raises:
        ConfigError: maps or `fill` that are not finite; scores that are not finite; as `kcnn.explain.core.ask`.
        ShapeError: `fill` does not fit the images; as `kcnn.explain.core.ask`.
    """
    question = ask(model, images, target, batch_size=batch_size)
    return _curve(question, maps, steps, question.images, like("fill", fill, question.images))


def insertion(
    model: keras.Model,
    images: Any,
    maps: np.ndarray,
    target: Target = None,
    *,
    steps: int = 28,
    fill: Any = 0.0,
    batch_size: int = BATCH,
) -> Curve:
    """Return the score while the pixels of highest value come into `fill`; arguments as in `deletion`.

    The paper starts from a blurred image; give it as `fill`.

    Returns: `Curve` of `steps + 1` points; the first is of `fill`, the last of the whole image.

    Raises:
        ConfigError, ShapeError: as `deletion`.
    """
    question = ask(model, images, target, batch_size=batch_size)
    return _curve(question, maps, steps, like("fill", fill, question.images), question.images)


def points_inside(maps: np.ndarray, boxes: Any, size: tuple[int, int]) -> np.ndarray:
    """Play the pointing game: whether the highest pixel of each map lies in one of its image's boxes.

    Without tolerance: the original counts a point within 15 pixels of the object as a hit too.

    Args:
        maps: (N, h, w), enlarged to `size`.
        boxes: N arrays (K, 4) of (y1, x1, y2, x2), in pixels of `size`; K may be 0.
        size: (H, W).

    Returns: (N,) bool.

    Raises:
        ConfigError: maps that are not finite; boxes that are not, are empty, swapped, or reach out of the image.
        ShapeError: maps and boxes are of different numbers of images, or of other shapes.
    """
    large, boxes = enlarge(finite("maps", maps), size), check_boxes(boxes, size)
    if len(boxes) != len(large):
        raise ShapeError(f"there are {len(large)} maps but boxes of {len(boxes)} images.", expected=len(large),
                         actual=len(boxes))  # fmt: skip
    places = [np.unravel_index(one.argmax(), one.shape) for one in large]
    return np.array([_hit(y + 0.5, x + 0.5, own) for (y, x), own in zip(places, boxes, strict=True)], bool)


def chance_inside(boxes: Any, size: tuple[int, int]) -> np.ndarray:
    """Return (N,) the share of pixels that lie in one of the boxes: what pointing at random scores.

    Args:
        boxes, size: as in `points_inside`; so are the errors.
    """
    shares = []
    for own in check_boxes(boxes, size):
        covered = np.zeros(size, bool)
        for y1, x1, y2, x2 in np.round(own).astype(int):
            covered[max(y1, 0) : y2, max(x1, 0) : x2] = True
        shares.append(covered.mean())
    return np.array(shares)


def check_boxes(boxes: Any, size: Sequence[int]) -> list[np.ndarray]:
    """Return the boxes of each image as float32 (K, 4).

    Raises:
        ShapeError: some are not (K, 4).
        ConfigError: `boxes` are no list, some are not finite, or not 0 <= y1 < y2 <= H and 0 <= x1 < x2 <= W, to half
            a pixel.
    """
    height, width = check_size(size)
    if not isinstance(boxes, (Sequence, np.ndarray)) or isinstance(boxes, str):
        raise ConfigError(f"boxes are {boxes!r:.80} but must be a list: for each image its boxes (K, 4).")
    found = []
    for number, own in enumerate(boxes):
        values = finite(f"boxes of image {number}", own)
        values = values.reshape(0, 4) if values.size == 0 else values
        if values.ndim != 2 or values.shape[1] != 4:
            raise ShapeError(f"boxes of image {number} are {values.shape} but must be (K, 4): (y1, x1, y2, x2) each.",
                             expected=("K", 4), actual=values.shape)  # fmt: skip
        (y1, x1, y2, x2), room = values.T, (height + 0.5, width + 0.5)
        right = (y1 < y2) & (x1 < x2) & (np.minimum(y1, x1) >= -0.5) & (y2 <= room[0]) & (x2 <= room[1])
        if not right.all():
            raise ConfigError(
                f"image {number} has the box {values[~right][0].tolist()} but it must be (y1, x1, y2, x2) with y1 < y2 "
                f"and x1 < x2, within the {height} x {width} pixels of the image."
            )
        found.append(values)
    return found


def _hit(y: float, x: float, boxes: np.ndarray) -> bool:
    return any(y1 <= y < y2 and x1 <= x < x2 for y1, x1, y2, x2 in boxes)


def _curve(question: Any, maps: np.ndarray, steps: int, before: np.ndarray, after: np.ndarray) -> Curve:
    maps = finite("maps", maps)
    if maps.ndim != 3 or len(maps) != len(before):
        raise ConfigError(f"maps are {maps.shape} but must be (N, h, w), N = {len(before)}.")
    whole("steps", steps, 1)
    run = tf.function(question.answer, input_signature=question.specs, autograph=False)
    ranks = np.argsort(np.argsort(-enlarge(maps, before.shape[1:3]).reshape(len(before), -1), kind="stable"))
    ranks = ranks.reshape(len(before), *before.shape[1:3], 1)
    shares, scores = np.linspace(0, 1, steps + 1), []
    for number, share in enumerate(shares):
        changed = np.where(ranks < share * ranks[0].size, after, before)
        parts = [
            run(changed[at : at + question.batch_size], question.targets[at : at + question.batch_size]).numpy()
            for at in range(0, len(changed), question.batch_size)
        ]
        scores.append(check_finite(np.concatenate(parts), f"scores of step {number}"))
    return Curve(shares, np.stack(scores, axis=1))
