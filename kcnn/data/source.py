"""What a data set is to kcnn: named splits of examples, each read by its index as graph operations."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from kcnn.errors import DataError, UnknownNameError

if TYPE_CHECKING:
    import tensorflow as tf


@dataclass(frozen=True, kw_only=True)
class Info:
    """Facts about a source.

    Attributes:
        name: for messages and reports.
        splits: split name -> number of examples; "train" is always there, "validation" and "test" may be.
        classes: class names, position = id.
        keys: keys of an example beside "image", such as ("label",).
        image_shape: (height, width, channels) with None where images differ.
        licence: as stated by the data set, or "unknown".
        multi_label: "label" is a 0/1 vector of one entry per class instead of one id.
    """

    name: str
    splits: dict[str, int]
    classes: tuple[str, ...]
    keys: tuple[str, ...] = ("label",)
    image_shape: tuple[int | None, int | None, int | None] = (None, None, None)
    licence: str = "unknown"
    multi_label: bool = False


@dataclass(frozen=True, kw_only=True)
class Split:
    """One split of a source.

    Attributes:
        size: number of examples.
        read: scalar int64 index tensor -> example dict, as graph operations; "image" is uint8 (H, W, C).
            An unreadable image raises `tf.errors.InvalidArgumentError` when the graph runs.
        labels: int32 (size,) class ids, or uint8 (size, classes) when multi-label; known without decoding.
        names: where example i comes from (a file path, or "train[17]"), for reports.
        files: paths when each example is a file of its own, else empty; what a bad-file scan opens.
        arrays: the split in memory, {"image": uint8 (N, H, W, C), "label": ...}, when all images have one
            shape; lets the pipeline gather whole batches. None for files.
    """

    size: int
    read: Callable[["tf.Tensor"], dict[str, "tf.Tensor"]]
    labels: np.ndarray
    names: Callable[[int], str]
    files: tuple[str, ...] = ()
    arrays: dict[str, np.ndarray] | None = field(default=None, repr=False)


@dataclass(frozen=True, kw_only=True)
class Source:
    """A data set: facts, and its splits by name."""

    info: Info
    splits: dict[str, Split]

    def split(self, name: str) -> Split:
        """Return a split.

        Raises:
            UnknownNameError: the source has no such split.
            DataError: the split is empty.
        """
        if name not in self.splits:
            raise UnknownNameError(f"split of {self.info.name}", name, self.splits)
        found = self.splits[name]
        if found.size == 0:
            raise DataError(f"{self.info.name}: split {name!r} has no example; there is nothing to read.")
        return found


def describe(source: Source) -> dict[str, Any]:
    """Return the facts of `source` as plain values for JSON."""
    info = source.info
    return {
        "name": info.name,
        "splits": info.splits,
        "classes": list(info.classes),
        "image_shape": list(info.image_shape),
        "licence": info.licence,
        "multi_label": info.multi_label,
    }
