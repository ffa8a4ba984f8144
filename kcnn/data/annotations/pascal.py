"""PASCAL 1.00: one text file an image, in Annotation (the challenge of 2005; the Penn-Fudan pedestrians have it).

Pixels count from 1 and a box ends with its last pixel, as in VOC.
"""

import re
from collections import Counter
from pathlib import Path

import numpy as np

from kcnn.data.annotations.form import NO_CLASS, Annotated, AnnotatedSet, checked, inside, number, read_text, split_of
from kcnn.data.arrays import read_class_names
from kcnn.errors import DataError

_BOX = re.compile(r'^Bounding box for object \d+ "([^"]*)" .*:\s*\(([^,()]*),([^,()]*)\)\s*-\s*\(([^,()]*),([^,()]*)\)')
_SIZE = re.compile(r"^Image size \(X x Y x C\) : (\d{1,9}) x (\d{1,9})")
_FILE = re.compile(r'^Image filename : "([^"]*)"')


def open_pascal(path: str) -> AnnotatedSet:
    """Open a folder of such annotations.

    `Annotation/*.txt` beside the folder of images that the files name; lists of images, train.txt, val.txt and
    test.txt beside it, say which is in which split, without them all are "train". Classes are the lines of
    classes.txt, or else the sorted names found.

    Raises:
        DataError: a file that is none, or a name that leaves the folder.
    """
    root = Path(path)
    files = sorted(root.glob("Annotation/*.txt"))
    if not files:
        raise DataError(f"{path} has no Annotation/*.txt.")
    found = {file.stem: _read(file, root) for file in files}
    names = {name for _, _, objects in found.values() for name, _ in objects}
    classes = read_class_names(root) or tuple(sorted(names))
    ids = {name: index for index, name in enumerate(classes)}
    members: dict[str, list[str]] = {}
    for file in sorted(root.glob("*.txt")):
        split = split_of([file.stem])
        if split is not None:
            stems = [Path(line.split()[0]).stem for line in read_text(file).splitlines() if line.strip()]
            members[split] = [stem for stem in stems if stem in found]
    members = members or {"train": list(found)}
    strange = {
        split: Counter(n for stem in part for n, _ in found[stem][2] if n not in ids) for split, part in members.items()
    }
    return checked(
        AnnotatedSet(
            name=path,
            layout="PASCAL",
            classes=classes,
            splits={split: tuple(_annotated(*found[stem], ids) for stem in part) for split, part in members.items()},
            unknown={split: dict(counts.most_common()) for split, counts in strange.items() if counts},
        )
    )


def _read(file: Path, root: Path) -> tuple[Path, tuple[int, int] | None, list[tuple[str, list[float]]]]:
    """Return the image, its stated size and (class, box) of every object."""
    image, size, objects = None, None, []
    for line in read_text(file).splitlines():
        if named := _FILE.match(line):
            image = named[1]
        elif stated := _SIZE.match(line):
            size = (int(stated[2]), int(stated[1]))
        elif box := _BOX.match(line):
            objects.append((box[1], [number(value) for value in box.groups()[1:]]))
    if image is None:
        raise DataError(f"{file} names no image; it is no PASCAL annotation.")
    places = [inside(folder, image, file) for folder in (root, root.parent)]
    return next((place for place in places if place.is_file()), places[0]), size, objects


def _annotated(image: Path, size: tuple[int, int] | None, objects: list, ids: dict[str, int]) -> Annotated:
    return Annotated(
        file=str(image),
        numbers=np.array([box for _, box in objects], np.float64).reshape(-1, 4) - (1, 1, 0, 0),
        order="x1 y1 x2 y2 in pixels",
        classes=np.array([ids.get(name, NO_CLASS) for name, _ in objects], np.int32),
        crowd=np.zeros(len(objects), bool),
        difficult=np.zeros(len(objects), bool),
        size=size,
    )
