"""COCO's polygons and run lengths as one mask an image, painted when it is read."""

import functools
from typing import TYPE_CHECKING

import numpy as np

from kcnn.data.annotations import rle
from kcnn.data.annotations.coco import open_coco
from kcnn.data.annotations.form import Annotated
from kcnn.data.headers import read_file
from kcnn.data.masks import IGNORE, MOST_CLASSES, default_palette
from kcnn.data.source import Info, Source, Split
from kcnn.errors import DataError

if TYPE_CHECKING:
    import tensorflow as tf


def open_coco_masks(path: str) -> Source:
    """Open COCO annotations as masks: 0 background, then the categories in the order of their ids.

    Where objects overlap the smaller one lies on top. Crowds, and the boxes of objects without a shape, are ignored.

    Raises:
        DataError: as `annotations.coco.open_coco`, or more classes than a mask can name.
    """
    found = open_coco(path)
    classes = ("background", *found.classes)
    if len(classes) > MOST_CLASSES:
        raise DataError(f"{path} has {len(classes)} classes but a mask of bytes names at most {MOST_CLASSES}.")
    info = Info(
        name=path,
        splits={name: len(images) for name, images in found.splits.items()},
        classes=classes,
        keys=("mask",),
        palette=default_palette(len(classes)),
    )
    return Source(info=info, splits={name: _split(images) for name, images in found.splits.items()})


def paint(image: Annotated, height: int, width: int) -> np.ndarray:
    """Return uint8 (height, width): the objects of `image` as `open_coco_masks` says."""
    boxes = image.boxes(height, width)
    mask = np.zeros((height, width), np.uint8)
    shapes: list[tuple[int, int, np.ndarray]] = []
    segments = boxes.segments or (None,) * len(boxes)
    for segment, category, crowd, box in zip(segments, boxes.classes, boxes.crowd, boxes.xyxy, strict=True):
        if segment is None or category < 0:
            x1, y1, x2, y2 = np.nan_to_num(np.clip(box, 0, (width, height, width, height))).round().astype(int)
            mask[y1:y2, x1:x2] = IGNORE
            continue
        shape = rle.mask(segment, height, width)
        if crowd:
            mask[shape] = IGNORE
        else:
            shapes.append((int(shape.sum()), int(category) + 1, shape))
    for _, value, shape in sorted(shapes, key=lambda entry: -entry[0]):
        mask[shape] = value
    return mask


def _split(images: tuple[Annotated, ...]) -> Split:
    files = tuple(image.file for image in images)

    def drawn(index: np.ndarray, height: np.ndarray, width: np.ndarray) -> np.ndarray:
        return paint(images[int(index)], int(height), int(width))

    def read(index: "tf.Tensor", bit_depth: int = 8) -> dict[str, "tf.Tensor"]:
        import tensorflow as tf

        from kcnn.data.decode import decode

        image = decode(tf.io.read_file(tf.gather(list(files), index)), bit_depth=bit_depth)
        size = tf.shape(image)
        mask = tf.numpy_function(drawn, [index, size[0], size[1]], tf.uint8, stateful=False)
        return {"image": image, "mask": tf.ensure_shape(mask, (None, None))}

    return Split(
        size=len(files),
        read=read,
        deep=functools.partial(read, bit_depth=16),
        labels=np.zeros((len(files), 0), np.uint8),
        names=lambda index: files[index],
        files=files,
        contents=lambda index: read_file(files[index]),
        target="mask",
    )
