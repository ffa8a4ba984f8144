"""The kinds of split: arrays in memory, encoded images in memory, files, and files with masks."""

import functools
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kcnn.data.headers import read_file
from kcnn.data.masks import Coding
from kcnn.data.source import Split, printable

if TYPE_CHECKING:
    import tensorflow as tf


def array_split(images: np.ndarray, labels: np.ndarray, name: str) -> Split:
    """Make a split of uint8 images (N, H, W, C) in memory; example i is called `name[i]`."""
    arrays = {"image": images, "label": labels}
    tables = _Tables(image=images, label=labels)
    return Split(
        size=len(images),
        read=tables.row,
        labels=labels,
        names=lambda index: f"{name}[{index}]",
        arrays=arrays,
    )


def encoded_split(contents: Sequence[bytes], labels: np.ndarray, name: str) -> Split:
    """Make a split of encoded images held in memory; example i is called `name[i]`."""
    tables = _Tables(contents=contents, label=labels)

    def read(index: "tf.Tensor", bit_depth: int = 8) -> dict[str, "tf.Tensor"]:
        from kcnn.data.decode import decode

        row = tables.row(index)
        return {"image": decode(row["contents"], bit_depth=bit_depth), "label": row["label"]}

    return Split(
        size=len(contents),
        read=read,
        deep=functools.partial(read, bit_depth=16),
        labels=labels,
        names=lambda index: f"{name}[{index}]",
        contents=lambda index: contents[index],
    )


def file_split(files: Sequence[str], labels: np.ndarray) -> Split:
    """Make a split of one image file an example; it is called by its path."""
    tables = _Tables(path=[os.fsencode(file) for file in files], label=labels)

    def read(index: "tf.Tensor", bit_depth: int = 8) -> dict[str, "tf.Tensor"]:
        import tensorflow as tf

        from kcnn.data.decode import decode

        row = tables.row(index)
        return {"image": decode(tf.io.read_file(row["path"]), bit_depth=bit_depth), "label": row["label"]}

    return Split(
        size=len(files),
        read=read,
        deep=functools.partial(read, bit_depth=16),
        labels=labels,
        names=lambda index: printable(files[index]),
        files=tuple(files),
        contents=lambda index: read_file(files[index]),
    )


def mask_split(files: Sequence[str], masks: Sequence[str], coding: Coding) -> Split:
    """Make a split of image files and the mask files beside them; an example is called by its image's path.

    Reading raises `tf.errors.InvalidArgumentError` where the two differ in size, on values without class as `coding`
    says, and `NotFoundError` where one of them is missing.
    """
    tables = _Tables(image=[os.fsencode(file) for file in files], mask=[os.fsencode(file) for file in masks])

    def read(index: "tf.Tensor", bit_depth: int = 8) -> dict[str, "tf.Tensor"]:
        import tensorflow as tf

        from kcnn.data.decode import decode

        row = tables.row(index)
        image = decode(tf.io.read_file(row["image"]), bit_depth=bit_depth)
        mask = coding.read(tf.io.read_file(row["mask"]))
        sizes = tf.shape(image)[:2], tf.shape(mask)
        same = tf.debugging.Assert(tf.reduce_all(sizes[0] == sizes[1]), ["image and mask differ in size", *sizes])
        with tf.control_dependencies([same]):
            return {"image": image, "mask": tf.identity(mask)}

    return Split(
        size=len(files),
        read=read,
        deep=functools.partial(read, bit_depth=16),
        labels=np.zeros((len(files), 0), np.uint8),
        names=lambda index: printable(files[index]),
        files=tuple(files),
        contents=lambda index: read_file(files[index]),
        target="mask",
        masks=tuple(masks),
        coding=coding,
    )


def mask_array_split(images: np.ndarray, masks: np.ndarray, name: str) -> Split:
    """Make a split of uint8 images (N, H, W, C) and class ids (N, H, W) in memory; example i is called `name[i]`."""
    tables = _Tables(image=images, mask=masks)
    return Split(
        size=len(images),
        read=tables.row,
        labels=np.zeros((len(images), 0), np.uint8),
        names=lambda index: f"{name}[{index}]",
        arrays={"image": images, "mask": masks},
        target="mask",
    )


class _Tables:
    """Columns of equal length, put into TensorFlow's memory once and only when first read."""

    def __init__(self, **columns: Any):
        self._columns = columns
        self._tensors: dict[str, tf.Tensor] | None = None

    def row(self, index: "tf.Tensor") -> dict[str, "tf.Tensor"]:
        import tensorflow as tf

        if self._tensors is None:
            with tf.init_scope(), tf.device("CPU"):  # outside any graph: captured by reference, not copied into it
                self._tensors = {key: tf.constant(column) for key, column in self._columns.items()}
        return {key: tf.gather(tensor, index) for key, tensor in self._tensors.items()}
