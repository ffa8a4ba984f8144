"""COCO's masks: run lengths, plain or packed into a string, and the one way to a mask from any `segmentation`.

Source: Lin 2014 (1405.0312), section 4.3, and the format page of cocodataset.org. Runs go down the columns, the
left one first, and begin with background. Of a packed string each character holds six bits, 48 added: five of the
number, low ones first, and one that says whether it goes on. From the third run on the number is the difference
to the run two places before.
"""

from typing import Any

import numpy as np

from kcnn.data.annotations import polygons
from kcnn.errors import DataError

MAX_SIDE = 65_535  # pixels, as a JPEG's


def mask(segmentation: Any, height: int, width: int) -> np.ndarray:
    """Return the mask of an object, whatever its `segmentation` is.

    Args:
        segmentation: COCO's: a list of polygons, or {"counts": list, str or bytes, "size": [height, width]}.
        height, width: of the image, in pixels.

    Returns: bool (height, width).

    Raises:
        DataError: it is neither, it does not fit the image, or it has no area to fill.
    """
    check_side(height, width)
    if isinstance(segmentation, dict):
        return decode(segmentation, height, width)
    return polygons.fill(segmentation, height, width)


def sound(segmentation: Any, height: int, width: int) -> tuple[Any, str]:
    """Leave out what `mask` would refuse, without filling anything.

    Args:
        segmentation, height, width: as `mask`; None for an object that has none.

    Returns: (the segmentation without its bad polygons, None where nothing is left; why the first one is bad, or "").
    """
    if segmentation is None or segmentation == []:
        return None, ""
    fault, good = "", []
    parts = segmentation if isinstance(segmentation, (list, tuple)) else [segmentation]
    for part in parts:
        try:
            check_runs(part, height, width) if isinstance(part, dict) else polygons.points(part)
        except DataError as error:
            fault = fault or str(error)
        else:
            good.append(part)
    whole = good if isinstance(segmentation, (list, tuple)) else segmentation
    return (whole if good else None), fault


def decode(rle: dict[str, Any], height: int, width: int) -> np.ndarray:
    """Return the mask of run lengths; arguments, result and errors as `mask`."""
    runs = check_runs(rle, height, width)
    values = np.arange(len(runs)) % 2 == 1
    return np.repeat(values, runs).reshape(width, height).T


def check_runs(rle: dict[str, Any], height: int, width: int) -> np.ndarray:
    """Return the run lengths, int64 (N,), that `decode` repeats; errors as `mask`."""
    check_side(height, width)
    size = rle.get("size")
    if not isinstance(size, (list, tuple)) or list(size) != [height, width]:
        raise DataError(f"a run-length mask is of size {size!r}, but its image is {[height, width]} (height, width).")
    counts = rle.get("counts")
    runs = _unpacked(counts) if isinstance(counts, (str, bytes)) else _plain(counts)
    if int(runs.sum()) != height * width:
        raise DataError(f"the runs of a mask sum to {int(runs.sum()):,} pixels, but {height} x {width} are needed.")
    return runs


def check_side(height: int, width: int) -> None:
    """Raise DataError unless both sides are whole numbers in 1..`MAX_SIDE`."""
    if not all(type(side) is int and 0 < side <= MAX_SIDE for side in (height, width)):
        raise DataError(f"an image of {height!r} x {width!r} pixels has no mask; each side must lie in 1..{MAX_SIDE}.")


def _plain(counts: Any) -> np.ndarray:
    if not isinstance(counts, (list, tuple)) or not all(type(run) is int and 0 <= run < 2**32 for run in counts):
        raise DataError("the counts of a run-length mask must be whole numbers >= 0, or a packed string.")
    return np.array(counts, np.int64)


def _unpacked(text: str | bytes) -> np.ndarray:
    try:
        codes = np.frombuffer(text.encode("ascii") if isinstance(text, str) else text, np.uint8).astype(np.int64) - 48
    except UnicodeEncodeError:
        codes = np.array([-1])
    if len(codes) and (codes.min() < 0 or codes.max() > 63 or codes[-1] & 32):
        raise DataError("the packed counts of a run-length mask hold other characters than '0' to 'o', or are cut off.")
    runs: list[int] = []
    value = shift = 0
    for code in codes.tolist():
        value |= (code & 31) << shift
        shift += 5
        if code & 32 and shift < 40:
            continue
        if code & 16:  # negative
            value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
        value = shift = 0
    return _plain(runs)
