"""Polygons to masks, pixel for pixel as COCO's evaluation counts them.

COCO draws the outline five times finer than the pixels, keeps the points where it passes from one column to the
next, and fills each column between pairs of them. Filling by pixel centres, as drawing libraries do, differs by a
rim of pixels; the tests hold this one against masks of COCO's own library.
"""

from typing import Any

import numpy as np

from kcnn.errors import DataError

_FINER = 5
_LONGEST = 10_000_000  # points of an outline; no polygon that fits an image comes near


def fill(polygons: Any, height: int, width: int) -> np.ndarray:
    """Return the union of polygons.

    Args:
        polygons: list of flat lists [x1, y1, x2, y2, ...] in pixels, three points or more each; the left edge of the
            image is x = 0, the right one `width`.
        height, width: of the image, in pixels.

    Returns: bool (height, width).

    Raises:
        DataError: no polygon, fewer than three points, odd counts, numbers that are none, or far outside the image.
    """
    if not isinstance(polygons, (list, tuple)) or not polygons:
        raise DataError("a segmentation must be a list of polygons, or a run-length mask; there is none.")
    filled = np.zeros(height * width, bool)
    for polygon in polygons:
        filled |= _columns(points(polygon), height, width)
    return filled.reshape(width, height).T


def points(polygon: Any) -> np.ndarray:
    """Return a flat list of numbers as float64 (N, 2), N >= 3; errors as `fill`."""
    try:
        flat = np.asarray(polygon, np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise DataError(f"a polygon must be a flat list of numbers ({error}).") from error
    if flat.ndim != 1 or len(flat) % 2:
        raise DataError(f"a polygon must be x1, y1, x2, y2, ..., an even count of numbers, but is {flat.shape}.")
    if len(flat) < 6:
        raise DataError(f"a polygon of {len(flat) // 2} points has no area; three are the fewest.")
    if not np.isfinite(flat).all():
        raise DataError("a polygon has a point that is not finite.")
    return flat.reshape(-1, 2)


def _columns(corners: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return the pixels of one polygon, bool (width * height,), column by column."""
    if np.abs(corners).max() > 2**31 / _FINER:
        raise DataError("a polygon reaches far outside its image; are its numbers pixels?")
    x, y = _outline(np.trunc(corners * _FINER + 0.5).astype(np.int64))
    steps = np.flatnonzero(np.diff(x))  # the outline passes from one fine column to the next
    column = (np.minimum(x[steps], x[steps + 1]) + 0.5) / _FINER - 0.5
    row = (np.minimum(y[steps], y[steps + 1]) + 0.5) / _FINER - 0.5
    inside = (column == np.floor(column)) & (column >= 0) & (column <= width - 1)
    row = np.ceil(np.clip(row[inside], 0, height)).astype(np.int64)
    starts = column[inside].astype(np.int64) * height + row
    return (np.cumsum(np.bincount(starts, minlength=height * width + 1)[: height * width]) % 2).astype(bool)


def _outline(corners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return x and y of every fine point along the closed outline, in order, each corner twice."""
    ends = np.roll(corners, -1, axis=0)
    lengths = np.abs(ends - corners)
    counts = lengths.max(axis=1) + 1
    if counts.sum() > _LONGEST:
        raise DataError("a polygon reaches far outside its image; are its numbers pixels?")
    edge = np.repeat(np.arange(len(corners)), counts)
    along = np.arange(len(edge)) - np.repeat(np.cumsum(counts) - counts, counts)
    flat = lengths[:, 0] >= lengths[:, 1]  # edges that run more to the side than up or down
    main = np.where(flat, 0, 1)
    pick = np.arange(len(corners))
    back = corners[pick, main] > ends[pick, main]  # such edges are drawn from their other end
    start = np.where(back[:, None], ends, corners)
    rise = np.where(back[:, None], corners, ends) - start
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = np.where(rise[pick, main] > 0, rise[pick, 1 - main] / rise[pick, main], 0.0)
    step = np.where(back[edge], counts[edge] - 1 - along, along)
    straight = start[pick, main][edge] + step
    slanted = np.trunc(start[pick, 1 - main][edge] + slope[edge] * step + 0.5).astype(np.int64)
    return np.where(flat[edge], straight, slanted), np.where(flat[edge], slanted, straight)
