"""The pieces of images that a layer's channels answer to most (Zeiler 2014, 1311.2901, figure 2)."""

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kcnn.errors import ConfigError, ShapeError
from kcnn.explain.core import BATCH, check_finite, check_images, find_row
from kcnn.explain.maps import shaped
from kcnn.ops import graph
from kcnn.ops.arithmetic import whole
from kcnn.ops.receptive_field import ledger, unit_box

Box = tuple[int, int, int, int]


@dataclass(frozen=True, kw_only=True, eq=False)
class Patch:
    """What one unit saw when it answered.

    Attributes:
        value: the answer.
        image: number of the image in the data.
        unit: (row, column) on the layer's map.
        box: (y1, x1, y2, x2), the unit's receptive field in image pixels; reaches outside where the image ends.
        pixels: (y2 - y1, x2 - x1, C) cut out of the image, 0 outside it.
    """

    value: float
    image: int
    unit: tuple[int, int]
    box: Box
    pixels: np.ndarray


def top_patches(
    model: keras.Model,
    data: Any,
    layer: str | int,
    *,
    channels: Sequence[int] | None = None,
    count: int = 9,
    prepare: Callable[[Any], Any] | None = None,
    batch_size: int = BATCH,
) -> dict[int, list[Patch]]:
    """Find the strongest answers of channels over a data set, one for each image, in one pass.

    Memory holds one batch and `count` patches of each channel, however many images there are.

    Args:
        model: built functional or Sequential model of one image input.
        data: (N, H, W, C) images, or an iterable of such batches (of equal size), as a `tf.data.Dataset`; of tuples,
            as (images, labels), the first counts.
        layer: name or row of a layer with maps.
        channels: those to look at; None takes all.
        count: patches for each channel.
        prepare: images as given -> what the model takes; patches are cut from the images as given.
        batch_size: images at once, where `data` is one array.

    Returns: channel -> at most `count` patches, strongest first.

    Raises:
        ConfigError: a channel that the layer has not, no images, or a layer whose fields are not known.
        ShapeError, UnknownNameError: as in `kcnn.explain.core`.
    """
    row = find_row(model, layer)
    keep = whole("count", count, 1)
    width = list(graph.calls(model))[row].outputs[0].shape[-1]
    wanted = range(width) if channels is None else _listed(channels)
    if wanted and max(wanted) >= width:
        raise ConfigError(f"channels are {wanted} but the layer has {width}, 0 to {width - 1}.")
    found: dict[int, list[Patch]] = {channel: [] for channel in wanted}
    strongest = _strongest(model, row)
    boxes: Callable[[int, int], Box] | None = None
    seen = 0
    if not (prepare is None or callable(prepare)):
        raise ConfigError(f"prepare is {prepare!r:.80} but must be a function of images.")
    for images in _batches(data, whole("batch_size", batch_size, 1)):
        ready = check_images(model, images if prepare is None else prepare(images))
        if len(ready) != len(images) or ready.shape[1:3] != images.shape[1:3]:
            raise ShapeError(
                f"prepare made {ready.shape} of images {images.shape}, but patches need the same pixels; resize first.",
                expected=images.shape[:3],
                actual=ready.shape[:3],
            )
        values, rows, columns = (array.numpy() for array in strongest(tf.constant(ready)))
        check_finite(values, "answers")
        boxes = boxes or _boxes(model, row, ready.shape[1:3])
        for channel, kept in found.items():
            for at in np.argsort(-values[:, channel], kind="stable")[:keep]:
                value = float(values[at, channel])
                if len(kept) == keep and value <= kept[-1].value:
                    break
                unit = (int(rows[at, channel]), int(columns[at, channel]))
                box = boxes(*unit)
                kept.append(Patch(value=value, image=seen + int(at), unit=unit, box=box, pixels=cut(images[at], box)))
                kept.sort(key=lambda patch: -patch.value)
                del kept[keep:]
        seen += len(images)
    if not seen:
        raise ConfigError("the data hold no images.")
    return found


def cut(image: np.ndarray, box: Box) -> np.ndarray:
    """Return the pixels of (H, W, C) inside `box`, a copy; 0 where it reaches outside."""
    y1, x1, y2, x2 = box
    top, left, bottom, right = max(y1, 0), max(x1, 0), min(y2, image.shape[0]), min(x2, image.shape[1])
    window = np.zeros((y2 - y1, x2 - x1, image.shape[2]), image.dtype)
    window[top - y1 : bottom - y1, left - x1 : right - x1] = image[top:bottom, left:right]
    return window


def _listed(channels: Any) -> list[int]:
    if not isinstance(channels, (Sequence, np.ndarray)) or isinstance(channels, str):
        raise ConfigError(f"channels are {channels!r:.80} but must be a list of whole numbers.")
    return [whole("channels", channel, 0) for channel in channels]


def _batches(data: Any, size: int) -> Iterable[np.ndarray]:
    if getattr(data, "ndim", 0):
        yield from (_images(data[at : at + size]) for at in range(0, len(data), size))
        return
    if isinstance(data, str) or not isinstance(data, Iterable):
        raise ConfigError(f"data are {data!r:.80} but must be images (N, H, W, C), or an iterable of such batches.")
    for batch in data:
        yield _images(batch[0] if isinstance(batch, (tuple, list)) and len(batch) else batch)


def _images(batch: Any) -> np.ndarray:
    return shaped("images", batch, "N, H, W, C")


def _strongest(model: keras.Model, row: int) -> Callable[..., tuple[tf.Tensor, ...]]:
    """Return a graph: images -> (values, rows, columns), each (N, K), of the strongest unit of every channel."""

    def run(images: tf.Tensor) -> tuple[tf.Tensor, ...]:
        maps = tf.cast(graph.run(model, [images], row), "float32")
        shape = tf.shape(maps)
        flat = tf.reshape(maps, (shape[0], shape[1] * shape[2], maps.shape[-1]))
        place = tf.argmax(flat, axis=1, output_type=tf.int32)
        return tf.reduce_max(flat, axis=1), place // shape[2], place % shape[2]

    return tf.function(run, reduce_retracing=True, autograph=False)


def _boxes(model: keras.Model, row: int, size: Sequence[int]) -> Callable[[int, int], Box]:
    """Return a function: unit -> its box, which asks the walk through the model as seldom as it can."""
    fields = ledger(model, size)[: row + 1]
    if fields[row].stride is None:
        return lambda y, x: (0, 0, size[0], size[1])
    tall: dict[int, tuple[int, int]] = {}
    wide: dict[int, tuple[int, int]] = {}

    def asked(y: int, x: int) -> Box:
        if y not in tall or x not in wide:
            box = unit_box(model, row, (y, x), image_size=size)
            if box is None:  # between the nails of unpooling
                return 0, 0, 0, 0
            tall[y], wide[x] = (box[0], box[2]), (box[1], box[3])
        return tall[y][0], wide[x][0], tall[y][1], wide[x][1]

    strides = [field.stride for field in fields if field.stride is not None]
    if any(now[axis] < before[axis] for before, now in itertools.pairwise(strides) for axis in (0, 1)):
        return asked  # after upsampling, neighbours see fields of different sizes
    (down, right), (y1, x1, y2, x2) = fields[row].stride, asked(0, 0)
    return lambda y, x: (y1 + y * down, x1 + x * right, y2 + y * down, x2 + x * right)
