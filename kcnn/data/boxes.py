"""Boxes: the one form that every annotation is read to, and the rules that make any list of them fit to train on.

A box is (x1, y1, x2, y2) in pixels of its image, x to the right and y down, counted between pixels: a box around the
whole image is (0, 0, width, height), one around its first pixel (0, 0, 1, 1). What the rules do with a box:

| it is | rule | name |
|---|---|---|
| not four finite numbers | dropped | `not finite` |
| of a class that does not exist | dropped, and training refuses the data | `unknown class` |
| all within 0..1 in an image of more pixels | dropped: a share of the image, not pixels | `not in pixels` |
| x2 < x1 or y2 < y1 | dropped: which corner was meant is not known | `corners swapped` |
| x2 = x1 or y2 = y1 | dropped | `no area` |
| wholly outside its image | dropped | `outside the image` |
| the same box of the same class again | dropped | `twice` |
| partly outside its image | clipped to it, and counted if by more than half a pixel | `clipped` |
| anything else, crowd and difficult ones too | kept | |

The first rule that fits decides. An image that has no box, or none left, stays as background. Nothing is repaired
silently: `Tidied` counts everything, and where more than a fifth of the boxes break the rules, `suspect` tells which
other order of the numbers would make sense of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kcnn.errors import DataError

NOT_FINITE, UNKNOWN_CLASS, NOT_IN_PIXELS = "not finite", "unknown class", "not in pixels"
SWAPPED, NO_AREA, OUTSIDE, TWICE = "corners swapped", "no area", "outside the image", "twice"
RULES = (NOT_FINITE, UNKNOWN_CLASS, NOT_IN_PIXELS, SWAPPED, NO_AREA, OUTSIDE, TWICE)
MAX_BOXES = 100_000
"""Of one image; more are taken for an attack."""
SUSPICIOUS = 0.2  # share of boxes that break a rule, from which on another order of the numbers is looked for
_ROUNDING = 0.5  # pixels that a box may be cut by without being counted: six digits of a share, a pixel's centre
_OVERHANG = 2.0  # pixels that a box may stick out before it counts as misread: annotation tools round


@dataclass(frozen=True, kw_only=True)
class Boxes:
    """The objects of one image, as arrays of one length.

    Attributes:
        xyxy: float32 (N, 4), (x1, y1, x2, y2) in pixels.
        classes: int32 (N,) ids, -1 where the annotation names none that exists.
        crowd: bool (N,), a group in one box (COCO's `iscrowd`): ignored by training and by scores.
        difficult: bool (N,), as VOC marks objects that scores pass over.
        segments: None, or for each object COCO's `segmentation` (polygons or run lengths) as plain values, None where
            it has none; `kcnn.data.annotations.rle.mask` makes pixels of one.
    """

    xyxy: np.ndarray
    classes: np.ndarray
    crowd: np.ndarray
    difficult: np.ndarray
    segments: tuple[Any, ...] | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.xyxy)

    def take(self, indices: np.ndarray) -> "Boxes":
        """Return the objects at `indices`, int64 (K,), in that order."""
        return Boxes(
            xyxy=self.xyxy[indices],
            classes=self.classes[indices],
            crowd=self.crowd[indices],
            difficult=self.difficult[indices],
            segments=None if self.segments is None else tuple(self.segments[i] for i in indices),
        )


@dataclass(frozen=True, kw_only=True)
class Tidied:
    """What the rules left of the boxes of one image.

    Attributes:
        boxes: those to train on: finite, inside the image, of positive area and known class.
        kept: int64 (K,), where each of them stood.
        clipped: int64, which of those given were clipped by more than half a pixel.
        dropped: rule -> int64, which of those given it dropped; rules that dropped none are left out.
    """

    boxes: Boxes
    kept: np.ndarray
    clipped: np.ndarray
    dropped: dict[str, np.ndarray]


def make(
    xyxy: Sequence[Sequence[float]] | np.ndarray,
    classes: Sequence[int] | np.ndarray,
    *,
    crowd: Sequence[bool] | np.ndarray | None = None,
    difficult: Sequence[bool] | np.ndarray | None = None,
    segments: Sequence[Any] | None = None,
) -> Boxes:
    """Return `Boxes` of any numbers, none or bad ones too; `tidy` judges them.

    Args:
        xyxy: (N, 4), or nothing.
        classes: (N,).
        crowd, difficult: (N,), False where left out.
        segments: N of them.

    Raises:
        DataError: the lengths differ, a box is not four numbers, or there are more than `MAX_BOXES`.
    """
    count = len(xyxy)
    if count > MAX_BOXES:
        raise DataError(f"{count:,} boxes in one image, more than {MAX_BOXES:,}; its annotation is damaged.")
    lengths = [len(other) for other in (classes, crowd, difficult, segments) if other is not None]
    try:
        with np.errstate(over="ignore"):
            corners = np.asarray(xyxy, np.float32).reshape(count, 4) if count else np.zeros((0, 4), np.float32)
    except (ValueError, TypeError, OverflowError) as error:
        raise DataError(f"boxes must be four numbers each, x1, y1, x2, y2 ({error}).") from error
    if any(length != count for length in lengths):
        raise DataError(f"{count} boxes, but {lengths} classes and flags; each box needs one.")
    return Boxes(
        xyxy=corners,
        classes=np.asarray(classes, np.int32).reshape(count),
        crowd=_flags(crowd, count),
        difficult=_flags(difficult, count),
        segments=None if segments is None else tuple(segments),
    )


def tidy(boxes: Boxes, height: int, width: int, classes: int) -> Tidied:
    """Apply the rules of this module to the boxes of one image.

    Args:
        boxes: as read.
        height, width: of the image, upright, in pixels.
        classes: number of classes; ids lie in 0..classes-1.
    """
    xyxy = boxes.xyxy
    x1, y1, x2, y2 = xyxy.T
    with np.errstate(invalid="ignore"):
        breaks = {
            NOT_FINITE: ~np.isfinite(xyxy).all(axis=1),
            UNKNOWN_CLASS: (boxes.classes < 0) | (boxes.classes >= classes),
            NOT_IN_PIXELS: _looks_like_shares(xyxy, height, width),
            SWAPPED: (x2 < x1) | (y2 < y1),
            NO_AREA: (x2 == x1) | (y2 == y1),
            OUTSIDE: (x2 <= 0) | (y2 <= 0) | (x1 >= width) | (y1 >= height),
            TWICE: _again(boxes),
        }
        left = np.ones(len(boxes), bool)
        dropped = {}
        for rule, broken in breaks.items():
            if (left & broken).any():
                dropped[rule] = np.flatnonzero(left & broken)
            left &= ~broken
    kept = np.flatnonzero(left)
    found = boxes.take(kept)
    inside = np.clip(found.xyxy, 0, np.float32([width, height, width, height]))
    clipped = kept[(np.abs(inside - found.xyxy) > _ROUNDING).any(axis=1)]
    tidied = Boxes(
        xyxy=inside,
        classes=found.classes,
        crowd=found.crowd,
        difficult=found.difficult,
        segments=found.segments,
    )
    return Tidied(boxes=tidied, kept=kept, clipped=clipped, dropped=dropped)


def misread(xyxy: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Tell which boxes make no sense: corners swapped, no area, or more than two pixels outside.

    Args:
        xyxy: float (N, 4).
        sizes: (N, 2), (height, width) of the image of each.

    Returns: bool (N,).
    """
    height, width = sizes.T
    x1, y1, x2, y2 = xyxy.T
    with np.errstate(invalid="ignore"):
        makes_sense = (
            (x2 > x1)
            & (y2 > y1)
            & (x1 >= -_OVERHANG)
            & (y1 >= -_OVERHANG)
            & (x2 <= width + _OVERHANG)
            & (y2 <= height + _OVERHANG)
        )
    return ~(makes_sense & ~_looks_like_shares(xyxy, height, width))


def suspect(numbers: np.ndarray, sizes: np.ndarray, order: str) -> str:
    """Return in one sentence which other order of numbers would fit better, "" where there is no doubt.

    Args:
        numbers: float (N, 4), each box as its file has it.
        sizes: (N, 2), (height, width) of the image of each.
        order: how they were read, a key of `ORDERS`.
    """
    if not len(numbers):
        return ""
    wrong = {name: float(misread(read(numbers, sizes), sizes).mean()) for name, read in ORDERS.items()}
    if wrong[order] <= SUSPICIOUS:
        return ""
    best = min(wrong, key=wrong.__getitem__)
    better = f" Read as {best}, {wrong[best]:.0%} would be: are they?" if wrong[best] < wrong[order] / 2 else ""
    return f"{wrong[order]:.0%} of {len(numbers):,} boxes make no sense as {order}.{better}"


def _looks_like_shares(xyxy: np.ndarray, height: Any, width: Any) -> np.ndarray:
    """Tell which boxes lie within 0..1, with an area, in an image of more than two pixels a side."""
    tiny = (xyxy >= 0).all(axis=1) & (xyxy <= 1).all(axis=1) & (xyxy[:, 2:] > 0).all(axis=1)
    return tiny & (xyxy != np.round(xyxy)).any(axis=1) & (np.minimum(height, width) > 2)


def _again(boxes: Boxes) -> np.ndarray:
    """Tell which boxes an earlier one of the same class and flags equals."""
    if not len(boxes):
        return np.zeros(0, bool)
    rows = np.column_stack([boxes.xyxy, boxes.classes, boxes.crowd])
    _, first = np.unique(rows, axis=0, return_index=True)
    again = np.ones(len(boxes), bool)
    again[first] = False
    return again


def _flags(values: Any, count: int) -> np.ndarray:
    return np.zeros(count, bool) if values is None else np.asarray(values, bool).reshape(count)


def _whole(sizes: np.ndarray) -> np.ndarray:
    return np.column_stack([sizes[:, 1], sizes[:, 0], sizes[:, 1], sizes[:, 0]])


def _from_corner(numbers: np.ndarray) -> np.ndarray:
    return np.column_stack([numbers[:, :2], numbers[:, :2] + numbers[:, 2:]])


def _from_centre(numbers: np.ndarray) -> np.ndarray:
    return np.column_stack([numbers[:, :2] - numbers[:, 2:] / 2, numbers[:, :2] + numbers[:, 2:] / 2])


ORDERS = {
    "x1 y1 x2 y2 in pixels": lambda numbers, sizes: numbers,
    "x y width height in pixels": lambda numbers, sizes: _from_corner(numbers),
    "y1 x1 y2 x2 in pixels": lambda numbers, sizes: numbers[:, [1, 0, 3, 2]],
    "centre x, centre y, width, height in pixels": lambda numbers, sizes: _from_centre(numbers),
    "x1 x2 y1 y2 in pixels": lambda numbers, sizes: numbers[:, [0, 2, 1, 3]],
    "x y width height from 0 to 1": lambda numbers, sizes: _from_corner(numbers) * _whole(sizes),
    "x1 y1 x2 y2 from 0 to 1": lambda numbers, sizes: numbers * _whole(sizes),
    "centre x, centre y, width, height from 0 to 1": lambda numbers, sizes: _from_centre(numbers) * _whole(sizes),
}
"""Name -> function (float (N, 4) as in the file, (N, 2) sizes as (height, width)) -> (N, 4) as this module has it."""
