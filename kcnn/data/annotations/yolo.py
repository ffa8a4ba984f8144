"""YOLO: one text file an image, "class x y width height" a line, all from 0 to 1, x and y of the box's centre.

A line of seven numbers or more is "class x1 y1 x2 y2 ...", a polygon; its box is its extent. Numbers in pixels end up
far outside their image and are dropped there; where that are many, `kcnn.data.boxes.suspect` says so.
"""

import re
from collections import Counter
from pathlib import Path

import numpy as np

from kcnn.data.annotations.form import NO_CLASS, Annotated, AnnotatedSet, checked, number, read_text, split_of
from kcnn.data.arrays import MAX_CLASSES, read_class_names
from kcnn.data.folder import images_below
from kcnn.errors import DataError

ORDER = "centre x, centre y, width, height from 0 to 1"
_NONE = [np.nan] * 4


def open_yolo(path: str) -> AnnotatedSet:
    """Open a folder of YOLO labels.

    `images/train/a.jpg` has its label in `labels/train/a.txt`; `train/images` beside `train/labels` works too. An
    image without a label file, or with an empty one, is background. The split is told from folder names, without one
    all are "train". Classes are `names` of a .yaml file, else the lines of classes.txt, else as many as there are ids.

    Raises:
        DataError: no image, or a label file that is no text.
    """
    root = Path(path)
    folders = sorted(folder for folder in (root, *root.rglob("images")) if folder.name == "images" and folder.is_dir())
    images = [image for folder in folders for image in images_below(folder)]
    if not images:
        raise DataError(f"{path} has no images/*.jpg beside its labels.")
    names = _names(root)
    lines = {image: _lines(_label(image)) for image in images}
    if not names:
        most = max((kind for objects in lines.values() for kind, *_ in objects), default=-1)
        names = tuple(str(index) for index in range(min(most + 1, MAX_CLASSES)))
    splits: dict[str, list[Annotated]] = {}
    unknown: dict[str, Counter[str]] = {}
    for image, objects in lines.items():
        split = split_of(image.relative_to(root).parts[:-1]) or "train"
        splits.setdefault(split, []).append(_annotated(image, objects, len(names)))
        strange = [text for kind, text, *_ in objects if not 0 <= kind < len(names)]
        if strange:
            unknown.setdefault(split, Counter()).update(strange)
    labels = {file for folder in folders for file in (folder.parent / "labels").rglob("*.txt")}
    lost = sorted(file.name for file in labels - {_label(image) for image in images} if file.name != "classes.txt")
    notes = (f"{len(lost):,} label files have no image: {', '.join(lost[:10])}.",) if lost else ()
    return checked(
        AnnotatedSet(
            name=path,
            layout="YOLO",
            classes=names,
            splits={name: tuple(found) for name, found in splits.items()},
            unknown={name: dict(found.most_common()) for name, found in unknown.items()},
            notes=notes,
        )
    )


def _label(image: Path) -> Path:
    """Return the label file of an image: the last folder "images" of its path becomes "labels"."""
    parts = list(image.parts)
    at = len(parts) - 2 - parts[-2::-1].index("images")
    return Path(*parts[:at], "labels", *parts[at + 1 :]).with_suffix(".txt")


def _lines(file: Path) -> list[tuple[int, str, list[float], list[float] | None]]:
    """Return (class, its text, box, polygon or None) of every line; NaN for what is no box."""
    found = []
    for line in read_text(file).splitlines() if file.is_file() else ():
        words = line.split()
        if not words:
            continue
        values = [number(word) for word in words[1:]]
        kind = int(words[0]) if re.fullmatch("[0-9]{1,9}", words[0]) else NO_CLASS
        if len(values) == 4:
            found.append((kind, words[0][:40], values, None))
        elif len(values) >= 6 and len(values) % 2 == 0:
            found.append((kind, words[0][:40], _extent(values), values))
        else:
            found.append((kind, words[0][:40], _NONE, None))
    return found


def _extent(polygon: list[float]) -> list[float]:
    x, y = polygon[0::2], polygon[1::2]
    x1, y1, x2, y2 = (float(np.min(x)), float(np.min(y)), float(np.max(x)), float(np.max(y)))
    return [(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1]


def _annotated(image: Path, objects: list, classes: int) -> Annotated:
    polygons = [polygon for *_, polygon in objects]
    return Annotated(
        file=str(image),
        numbers=np.array([box for _, _, box, _ in objects], np.float64).reshape(-1, 4),
        order=ORDER,
        classes=np.array([kind if 0 <= kind < classes else NO_CLASS for kind, *_ in objects], np.int32),
        crowd=np.zeros(len(objects), bool),
        difficult=np.zeros(len(objects), bool),
        segments=tuple(p and [p] for p in polygons) if any(polygons) else None,
    )


def _names(root: Path) -> tuple[str, ...]:
    """Return the class names of the first .yaml file that has some, else of classes.txt."""
    for file in sorted([*root.glob("*.yaml"), *root.glob("*.yml")]):
        names = yaml_names(read_text(file))
        if names:
            return names
    return read_class_names(root) or read_class_names(root / "labels")


def yaml_names(text: str) -> tuple[str, ...]:
    """Return the entry `names` of a data.yaml: [a, b], {0: a, 1: b}, or lines of these; empty without one."""
    head = re.search(r"^names[ \t]*:[ \t]*(.*)$", text, re.MULTILINE)
    if head is None:
        return ()
    rest = text[head.end() :]
    if head[1].startswith("["):
        inner = (head[1] + rest).partition("]")[0].removeprefix("[")
        return tuple(_bare(word) for word in inner.split(",") if word.strip())
    mapping = (head[1] + rest).partition("}")[0][1:].split(",") if head[1].startswith("{") else None
    named = {}
    for line in mapping or rest.splitlines():
        entry = re.fullmatch(r"[ \t]*(?:-|(\d{1,9})[ \t]*:)[ \t]+(.+?)[ \t]*", line.strip())
        if entry is not None:
            named[len(named) if entry[1] is None else int(entry[1])] = _bare(entry[2])
        elif line.strip() and not line.lstrip().startswith("#"):
            break
    return tuple(named.get(index, str(index)) for index in range(min(max(named, default=-1) + 1, MAX_CLASSES)))


def _bare(word: str) -> str:
    return word.partition(" #")[0].strip().strip("'\"")
