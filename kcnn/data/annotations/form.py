"""The one form of every annotated data set, and what all readers share: names that stay inside, splits by name."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from kcnn.data import boxes as box_rules
from kcnn.data.annotations import rle
from kcnn.data.boxes import ORDERS, Boxes
from kcnn.data.folder import SPLIT_FOLDERS
from kcnn.data.headers import read_file
from kcnn.data.source import Info, Source
from kcnn.data.splits import file_split
from kcnn.errors import DataError

MAX_TEXT = 2**31 - 1  # bytes of an annotation file; COCO's largest has half a billion
NO_CLASS = -1


@dataclass(frozen=True, kw_only=True)
class Annotated:
    """One image and its objects, as the annotation has them: nothing is judged yet.

    Attributes:
        file: path of the image, which may be missing.
        numbers: float64 (N, 4) in `order`; NaN where the annotation has something else.
        order: what the four numbers are, a key of `kcnn.data.boxes.ORDERS`.
        classes: int32 (N,) ids, -1 for a class that does not exist.
        crowd, difficult: bool (N,).
        segments: None, or COCO's `segmentation` of each object; where `order` counts from 0 to 1, so do its polygons.
        size: (height, width) as the annotation states it, None where it does not.
    """

    file: str
    numbers: np.ndarray
    order: str
    classes: np.ndarray
    crowd: np.ndarray
    difficult: np.ndarray
    segments: tuple[Any, ...] | None = None
    size: tuple[int, int] | None = None

    def boxes(self, height: int, width: int) -> Boxes:
        """Return the objects in pixels of an image of this size; `kcnn.data.boxes.tidy` judges them."""
        sizes = np.broadcast_to((height, width), (len(self.numbers), 2))
        segments = self.segments
        if segments is not None and self.order.endswith("from 0 to 1"):
            segments = tuple(_in_pixels(segment, height, width) for segment in segments)
        if segments is not None:
            segments = tuple(rle.sound(segment, height, width)[0] for segment in segments)
        with np.errstate(invalid="ignore", over="ignore"):
            xyxy = ORDERS[self.order](self.numbers, sizes)
        return box_rules.make(xyxy, self.classes, crowd=self.crowd, difficult=self.difficult, segments=segments)


@dataclass(frozen=True, kw_only=True)
class AnnotatedSet:
    """An annotated data set.

    Attributes:
        name: its path. layout: "VOC", "COCO" or "YOLO".
        classes: names, position = id.
        splits: split -> its images.
        unknown: split -> name or id that is no class -> objects that carry it.
        notes: what else the annotations promise and do not hold, one sentence each.
    """

    name: str
    layout: str
    classes: tuple[str, ...]
    splits: dict[str, tuple[Annotated, ...]]
    unknown: dict[str, dict[str, int]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def source(self) -> Source:
        """Return the images as a source of several labels each: the classes that are in the picture."""
        splits = {}
        for name, images in self.splits.items():
            labels = np.zeros((len(images), len(self.classes)), np.uint8)
            for row, image in enumerate(images):
                labels[row, image.classes[image.classes >= 0]] = 1
            splits[name] = file_split([image.file for image in images], labels)
        info = Info(
            name=self.name,
            splits={name: split.size for name, split in splits.items()},
            classes=self.classes,
            multi_label=True,
        )
        return Source(info=info, splits=splits)


def checked(found: AnnotatedSet) -> AnnotatedSet:
    """Return `found`.

    Raises:
        DataError: it has no class, no split "train", or a split without an image.
    """
    if not found.classes:
        raise DataError(f"{found.name}: no class is named; a {found.layout} data set without one teaches nothing.")
    if "train" not in found.splits:
        present = ", ".join(sorted(found.splits)) or "no image"
        raise DataError(f"{found.name} has {present} but no split 'train' to learn from.")
    empty = [name for name, images in found.splits.items() if not images]
    if empty:
        raise DataError(f"{found.name}: split {', '.join(empty)} has no image.")
    return found


def inside(folder: Path, name: object, where: object) -> Path:
    """Return `folder / name`, for a name that an annotation gives.

    Raises:
        DataError: it is no name, absolute, or leaves the folder.
    """
    if not isinstance(name, str) or not name.strip() or "\0" in name:
        raise DataError(f"{where}: an image is called {str(name)[:80]!r}, which is no file name.")
    parts = re.split(r"[/\\]", name)
    if ".." in parts or parts[0] == "" or re.fullmatch("[A-Za-z]:.*", name, re.DOTALL):
        raise DataError(f"{where}: an image is called {name[:80]!r}, which leaves the folder of the data; refused.")
    return folder / name


def read_text(path: Path) -> str:
    """Return a text file, UTF-8 with or without a byte order mark.

    Raises:
        DataError: it cannot be opened, is larger than `MAX_TEXT`, or is not UTF-8.
    """
    try:
        return read_file(path, MAX_TEXT).decode("utf-8-sig")
    except OSError as error:
        raise DataError(f"{path} cannot be opened: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not text in UTF-8: {error}; save it as that.") from error


def split_of(parts: Iterable[str]) -> str | None:
    """Return the split that a path's parts name, as "val2017" or "instances_train.json", the last one that does."""
    words = [word for part in reversed(list(parts)) for word in re.findall("[a-z]+", part.lower())]
    of = {name: split for split, names in SPLIT_FOLDERS.items() for name in (split, *names)}
    return next((of[word] for word in words if word in of), None)


def number(value: object) -> float:
    """Return a number or its text as a float, NaN for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return np.nan
    try:
        return float(value)
    except (ValueError, OverflowError):
        return np.nan


def _in_pixels(segment: Any, height: int, width: int) -> Any:
    scale = (width, height)
    if not isinstance(segment, list):
        return segment
    return [[value * scale[at % 2] for at, value in enumerate(polygon)] for polygon in segment]
