"""What is wrong with a mask, in one line, and how many pixels of each class it has; what `verify` asks of masks."""

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kcnn.data.headers import check_header, is_cut_short, read_file
from kcnn.data.masks import IGNORE, Coding, indices
from kcnn.data.source import Split
from kcnn.errors import DataError

if TYPE_CHECKING:
    import tensorflow as tf

SHOWN = 6  # as many pictures a class has in the report
_NAMED = 5  # values or colours that one line names
_KIND_AT = 25  # byte of a PNG that says gray (0, 4), palette (3) or RGB (2, 6)


def count_pixels(split: Split, index: int, size: tuple[int, int]) -> np.ndarray | None:
    """Return the pixels of each value of example `index`'s mask, int64 (256,), position = class id or `IGNORE`.

    Args:
        split: any; one without masks gives None.
        size: (height, width) of the example's image, in pixels.

    Raises:
        DataError: the mask is missing, no PNG, of another size, or has values or colours without class, which are
            named. The text follows the name of the example in reports.
    """
    if split.target != "mask":
        return None
    if split.arrays is not None:
        return np.bincount(split.arrays["mask"][index].ravel(), minlength=256)
    if not split.masks or split.coding is None:
        return np.bincount(split.read(np.int64(index))["mask"].numpy().ravel(), minlength=256)
    path = Path(split.masks[index])
    try:
        contents = read_file(path)
    except FileNotFoundError:
        raise DataError(f"it has no mask: {path} does not exist") from None
    except OSError as error:
        raise DataError(f"its mask {path} cannot be opened: {error.strerror or error}") from error
    try:
        return check(contents, split.coding, size)
    except DataError as error:
        raise DataError(f"its mask {path.name}: {error}") from error


def check(contents: bytes, coding: Coding, size: tuple[int, int]) -> np.ndarray:
    """Return the pixels of each value of an encoded mask, as `count_pixels`; `size` as there.

    Raises:
        DataError: what is wrong, without the name of the file.
    """
    header = check_header(contents)
    if header.kind != "PNG":
        raise DataError(f"it is {header.kind}, which does not keep class ids; write PNG")
    if (header.height, header.width) != tuple(size):
        found = f"{header.height} x {header.width}"
        raise DataError(f"it has {found} pixels but its image {size[0]} x {size[1]} (height x width); draw it anew")
    gray = contents[_KIND_AT] in (0, 4)
    if not gray and coding.colours:
        return _count_colours(_decoded(contents, _colours()), coding)
    if contents[_KIND_AT] in (2, 6):
        raise DataError(
            "it holds colours and nothing says which class each is; write palette.txt beside the folders, "
            "'red green blue name' a line"
        )
    counts = np.bincount(_decoded(contents, _indices()).ravel(), minlength=256)
    known = {*coding.values, IGNORE}
    unknown = [int(value) for value in np.flatnonzero(counts) if value not in known]
    if unknown:
        raise DataError(
            f"it holds {_list([f'{value} ({counts[value]:,} pixels)' for value in unknown])}, which no class has; "
            f"known: {_ranges(sorted(known))}"
        )
    result = np.zeros(256, np.int64)
    np.add.at(result, coding.table(), counts)
    return result


def summary(counts: Sequence[np.ndarray | None], classes: int) -> dict[str, Any]:
    """Add up the masks of a split, as plain values for JSON.

    Args:
        counts: of each example, as `count_pixels` gives them; None where it cannot be read.
        classes: how many there are.

    Returns: "images": images in which each class occurs; "pixels": of each class; "ignored": pixels that no loss or
        metric counts; "empty": indices of masks that are ignored whole; "largest": for each class the indices of up
        to `SHOWN` images with most pixels of it.
    """
    table = np.array([row for row in counts if row is not None], np.int64).reshape(-1, 256)
    known = table[:, :classes]
    rows = np.array([index for index, row in enumerate(counts) if row is not None], np.int64)
    order = np.argsort(-known, axis=0, kind="stable")[:SHOWN]
    return {
        "images": (known > 0).sum(axis=0).tolist(),
        "pixels": known.sum(axis=0).tolist(),
        "ignored": int(table[:, IGNORE].sum()),
        "empty": rows[~known.any(axis=1)].tolist(),
        "largest": [rows[[row for row in order[:, i] if known[row, i]]].tolist() for i in range(classes)],
    }


def _count_colours(image: np.ndarray, coding: Coding) -> np.ndarray:
    keys, counts = np.unique(image.reshape(-1, 3) @ np.array((1 << 16, 1 << 8, 1)), return_counts=True)
    result, unknown = np.zeros(256, np.int64), []
    for key, count in zip(keys.tolist(), counts.tolist(), strict=True):
        colour = (key >> 16, key >> 8 & 255, key & 255)
        if colour in coding.colours:
            result[coding.colours[colour]] += count
        else:
            unknown.append((count, colour))
    if unknown:
        named = [f"{colour} ({count:,} pixels)" for count, colour in sorted(unknown, reverse=True)]
        raise DataError(f"it holds the colours {_list(named)}, which the palette has not; add or redraw them")
    return result


def _decoded(contents: bytes, decode: Callable[["tf.Tensor"], "tf.Tensor"]) -> np.ndarray:
    import tensorflow as tf

    try:
        return decode(tf.constant(contents)).numpy()
    except tf.errors.OpError as error:
        if is_cut_short("PNG", contents):
            raise DataError(f"PNG cut short ({len(contents):,} bytes); fetch it again") from error
        if "above 255" in str(error):
            raise DataError("it holds values above 255, more than class ids may be; write ids as 8 bits") from error
        raise DataError("damaged PNG; fetch it again") from error


@functools.cache
def _indices() -> Callable[["tf.Tensor"], "tf.Tensor"]:
    return _traced(indices)


@functools.cache
def _colours() -> Callable[["tf.Tensor"], "tf.Tensor"]:
    import tensorflow as tf

    return _traced(lambda contents: tf.io.decode_png(contents, channels=3))


def _traced(decode: Callable[["tf.Tensor"], "tf.Tensor"]) -> Callable[["tf.Tensor"], "tf.Tensor"]:
    import tensorflow as tf

    with tf.device("CPU"):
        traced = tf.function(decode, input_signature=[tf.TensorSpec((), tf.string)], autograph=False)
        return traced.get_concrete_function()


def _list(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _ranges(values: list[int]) -> str:
    """Write sorted whole numbers briefly: 0..10, 255."""
    starts = [v for at, v in enumerate(values) if at == 0 or values[at - 1] != v - 1]
    ends = [v for at, v in enumerate(values) if at + 1 == len(values) or values[at + 1] != v + 1]
    return ", ".join(str(a) if a == b else f"{a}..{b}" for a, b in zip(starts, ends, strict=True))
