"""VOC: one XML file an image, in Annotations (Everingham 2010, doi 10.1007/s11263-009-0275-4).

Pixels count from 1 and a box ends with its last pixel, so (xmin, ymin, xmax, ymax) becomes (xmin-1, ymin-1, xmax,
ymax). Where a tool counted from 0 all boxes are one pixel too far up and left, and those at the edge are clipped.
"""

from collections import Counter
from pathlib import Path
from typing import Any
from xml.parsers import expat

import numpy as np

from kcnn.data.annotations.form import NO_CLASS, Annotated, AnnotatedSet, checked, inside, number, read_text
from kcnn.data.arrays import read_class_names
from kcnn.data.folder import READABLE, SPLIT_FOLDERS
from kcnn.data.headers import read_file
from kcnn.errors import DataError

ORDER = "x1 y1 x2 y2 in pixels"
MAX_XML = 1 << 24  # bytes
MAX_DEPTH = 32
_IMAGES = ("JPEGImages", "images", "Images", "PNGImages", "")
_CORNERS = ("xmin", "ymin", "xmax", "ymax")
Record = dict[str, Any]


def open_voc(path: str) -> AnnotatedSet:
    """Open a folder of VOC annotations.

    `Annotations/*.xml` (in folders below too) beside `JPEGImages` or `images`; `ImageSets/Main/train.txt` and so on
    say which image is in which split, without them all are "train". Classes are the lines of classes.txt, or else the
    sorted names found.

    Raises:
        DataError: no such file, a file that is no such XML, a name that leaves the folder, or an image in two splits.
    """
    root = Path(path)
    files = sorted(file for file in root.rglob("*.xml") if _base(file) is not None)
    if not files:
        raise DataError(f"{path} has no Annotations/*.xml.")
    records = {file: read_xml(file) for file in files}
    bases = list(dict.fromkeys(_base(file) for file in files))
    classes = next((names for base in (root, *bases) if (names := read_class_names(base))), ())
    names = {name for record in records.values() for name, *_ in record["objects"] if name}
    classes = classes or tuple(sorted(names))
    ids = {name: index for index, name in enumerate(classes)}
    stems = {(_base(file), file.stem): file for file in files}
    notes: list[str] = []
    splits, unknown = {}, {}
    for split, members in _splits(bases, stems, notes).items():
        splits[split] = tuple(_annotated(file, records[file], ids) for file in members)
        strange = Counter(name for file in members for name, *_ in records[file]["objects"] if name not in ids)
        unknown |= {split: dict(strange.most_common())} if strange else {}
    return checked(
        AnnotatedSet(name=path, layout="VOC", classes=classes, splits=splits, unknown=unknown, notes=tuple(notes))
    )


def read_xml(path: Path) -> Record:
    """Read one annotation file.

    Returns: {"filename": str, "size": (height, width) or None, "objects": [(name, difficult, [xmin, ymin, xmax, ymax]
        as floats)]}. Parts of objects (head, hand, ...) are passed over.

    Raises:
        DataError: it is no XML, declares a document type (no VOC file does, entities come with it), nests deeper than
            `MAX_DEPTH`, or is no annotation.
    """
    record: Record = {"filename": "", "size": None, "objects": []}
    stack: list[str] = []
    text: list[str] = []
    size: dict[str, float] = {}
    current: dict[str, str] = {}

    def refuse(*_: object) -> None:
        raise DataError(f"{path} declares a document type or an entity, as no VOC annotation does; refused.")

    def start(name: str, _: object) -> None:
        stack.append(name)
        text.clear()
        if len(stack) > MAX_DEPTH:
            raise DataError(f"{path} nests {len(stack)} elements, which no VOC annotation does; refused.")
        if stack[1:] == ["object"]:
            current.clear()

    def end(name: str) -> None:
        place, value = "/".join(stack[1:]), "".join(text).strip()
        if place == "filename":
            record["filename"] = value
        elif place in ("size/height", "size/width"):
            size[name] = number(value)
        elif place in ("object/name", "object/difficult") or (place.startswith("object/bndbox/") and name in _CORNERS):
            current[name] = value
        elif place == "object":
            corners = [number(current.get(corner)) for corner in _CORNERS]
            record["objects"].append((current.get("name", ""), current.get("difficult") == "1", corners))
        text.clear()
        stack.pop()

    reader = expat.ParserCreate()
    reader.StartDoctypeDeclHandler = reader.EntityDeclHandler = reader.ExternalEntityRefHandler = refuse
    reader.StartElementHandler, reader.EndElementHandler, reader.CharacterDataHandler = start, end, text.append
    try:
        reader.Parse(read_file(path, MAX_XML), True)
    except expat.ExpatError as error:
        raise DataError(f"{path} is no XML: {error}; write it anew or remove it.") from error
    except DataError:
        raise
    except (LookupError, ValueError) as error:  # an encoding that expat does not know
        raise DataError(f"{path} declares an encoding that is not read here ({error}); save it as UTF-8.") from error
    except OSError as error:
        raise DataError(f"{path} cannot be opened: {error.strerror or error}.") from error
    height, width = (size.get(side, np.nan) for side in ("height", "width"))
    if 0 < height < 1e9 and 0 < width < 1e9:
        record["size"] = (int(height), int(width))
    return record


def _base(file: Path) -> Path | None:
    """Return the folder that holds the folder "Annotations" that holds `file`, perhaps some levels up."""
    return next((folder.parent for folder in file.parents if folder.name.lower() == "annotations"), None)


def _splits(bases: list[Path], stems: dict[tuple[Path, str], Path], notes: list[str]) -> dict[str, list[Path]]:
    """Return split -> annotation files, as the lists of ImageSets/Main say."""
    found: dict[str, list[Path]] = {}
    listed: dict[Path, str] = {}
    for base in bases:
        lists = _lists(base)
        for split, file in lists.items():
            wanted = [(base, line.split()[0]) for line in read_text(file).splitlines() if line.strip()]
            missing = [stem for key in wanted if key not in stems for stem in key[1:]]
            if missing:
                notes.append(f"{file.name}: {len(missing):,} images without an annotation: {', '.join(missing[:10])}.")
            members = [stems[key] for key in wanted if key in stems]
            twice = [member.stem for member in members if member in listed]
            if twice:
                raise DataError(
                    f"{base}: {len(twice):,} images are in {split!r} and in another split: {', '.join(twice[:10])}."
                )
            listed |= dict.fromkeys(members, split)
            found.setdefault(split, []).extend(members)
        if not lists:
            found.setdefault("train", []).extend(file for (place, _), file in stems.items() if place == base)
        elif unlisted := sum(place == base and file not in listed for (place, _), file in stems.items()):
            notes.append(f"{base.name}: {unlisted:,} annotated images are in no list of ImageSets/Main and not used.")
    return {split: files for split, files in found.items() if files}


def _lists(base: Path) -> dict[str, Path]:
    """Return split -> list; "trainval" is "train" where there is no other."""
    folder = base / "ImageSets" / "Main"
    lists = {
        split: folder / f"{name}.txt"
        for split, names in SPLIT_FOLDERS.items()
        for name in reversed(names)
        if (folder / f"{name}.txt").is_file()
    }
    if "train" not in lists and (folder / "trainval.txt").is_file():
        return {"train": folder / "trainval.txt"} | {k: v for k, v in lists.items() if k == "test"}
    return lists


def _annotated(file: Path, record: Record, ids: dict[str, int]) -> Annotated:
    objects = record["objects"]
    numbers = np.array([corners for *_, corners in objects], np.float64).reshape(-1, 4) - (1, 1, 0, 0)
    return Annotated(
        file=str(_image(file, record["filename"])),
        numbers=numbers,
        order=ORDER,
        classes=np.array([ids.get(name, NO_CLASS) for name, *_ in objects], np.int32),
        crowd=np.zeros(len(objects), bool),
        difficult=np.array([difficult for _, difficult, _ in objects], bool),
        size=record["size"],
    )


def _image(file: Path, name: str) -> Path:
    """Return the image of an annotation: the one it names, else the one that is called like it."""
    base = _base(file)
    folders = [*(base / folder for folder in _IMAGES), file.parent]
    named = [inside(folder, name, file) for folder in folders] if name else []
    alike = [folder / f"{file.stem}{ending}" for folder in folders for ending in (*READABLE, ".JPG", ".PNG")]
    return next((path for path in (*named, *alike) if path.is_file()), (named or alike)[0])
