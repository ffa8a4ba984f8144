"""COCO: one JSON file a split, with images, annotations and categories (Lin 2014, 1405.0312; cocodataset.org).

`bbox` is x, y, width, height in pixels from 0. `iscrowd` marks a group; its `segmentation` is a run-length mask, that
of other objects a list of polygons. Category ids have gaps: classes are the categories sorted by id.
"""

import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from kcnn.data.annotations.form import NO_CLASS, Annotated, AnnotatedSet, checked, inside, number, read_text, split_of
from kcnn.data.folder import SPLIT_FOLDERS
from kcnn.errors import DataError

ORDER = "x y width height in pixels"
_KEYS = ("images", "annotations", "categories")
_OTHER = ("captions_", "person_keypoints_", "panoptic_", "stuff_", "image_info_")


def open_coco(path: str) -> AnnotatedSet:
    """Open a folder of COCO annotations, or one such file.

    `annotations/instances_train2017.json` beside `train2017`, or `train/_annotations.coco.json` among its images. The
    split is told from the file's name or folder; a single file is "train".

    Raises:
        DataError: no such file, a file that is no such JSON, categories that differ between splits, two images of one
            id, or a name that leaves the folder.
    """
    root = Path(path)
    files = _files(root)
    root = root if root.is_dir() else root.parent
    splits: dict[str, tuple[Annotated, ...]] = {}
    unknown: dict[str, dict[str, int]] = {}
    notes: list[str] = []
    categories: dict[int, str] | None = None
    for split, file in files.items():
        content = read_json(file)
        named = _categories(content["categories"], file)
        if categories is not None and named != categories:
            differ = sorted({f"{k} {v}" for k, v in named.items() ^ categories.items()})
            raise DataError(
                f"{file} has other categories than the other splits, {len(differ)} differ: {', '.join(differ[:10])}."
            )
        categories = named
        splits[split], strange = _images(content, named, _folder(root, file, split, content), file, notes)
        unknown |= {split: strange} if strange else {}
    classes = tuple((categories or {}).values())
    return checked(
        AnnotatedSet(name=path, layout="COCO", classes=classes, splits=splits, unknown=unknown, notes=tuple(notes))
    )


def read_json(path: Path) -> dict[str, list[Any]]:
    """Return the content of an annotation file: lists of images, annotations and categories, dicts each.

    Raises:
        DataError: it is no JSON, nests too deep, or lacks one of the lists.
    """
    text = read_text(path)
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is no JSON: {str(error)[:200]}; fetch or export it again.") from error
    for key in _KEYS:
        part = content.get(key) if isinstance(content, dict) else None
        if not isinstance(part, list) or not all(isinstance(entry, dict) for entry in part):
            raise DataError(f"{path} is not as COCO has it: it lacks the list {key!r} of objects.")
    return content


def _files(root: Path) -> dict[str, Path]:
    """Return split -> annotation file."""
    if root.is_file():
        return {"train": root}
    found = sorted(file for file in root.rglob("*.json") if not file.name.startswith((".", *_OTHER)))
    instances = [file for file in found if file.name.startswith("instances_")]
    found = instances or [file for file in found if "annotation" in str(file.relative_to(root)).lower()] or found
    if not found:
        raise DataError(f"{root} has no .json of boxes, such as annotations/instances_train2017.json.")
    if len(found) == 1:
        return {"train": found[0]}
    files: dict[str, Path] = {}
    for file in found:
        split = split_of(file.relative_to(root).parts)
        if split is None or split in files:
            other = f"as {files[split].name} does" if split else "as its name should"
            raise DataError(f"{file} does not tell its split (train, val, test) {other}; give one file by its path.")
        files[split] = file
    return files


def _categories(entries: list[dict], file: Path) -> dict[int, str]:
    ids = [entry.get("id") for entry in entries]
    if not all(type(i) is int for i in ids) or len(set(ids)) < len(ids):
        raise DataError(f"{file}: the categories' ids must be whole numbers, each once, but are {str(ids)[:200]}.")
    return {entry["id"]: str(entry.get("name", entry["id"])) for entry in sorted(entries, key=lambda e: e["id"])}


def _folder(root: Path, file: Path, split: str, content: dict[str, list[Any]]) -> Path:
    """Return the folder where the first image of `content` is, of all that are usual."""
    name = file.stem.removeprefix("instances_")
    usual = [name, f"images/{name}", "images", ""]
    usual += [f"{prefix}{other}" for prefix in ("", "images/") for other in (split, *SPLIT_FOLDERS[split])]
    folders = [file.parent, *(base / folder for base in (root, root.parent) for folder in usual)]
    names = [image.get("file_name") for image in content["images"][:1]]
    return next((f for f in folders for n in names if inside(f, n, file).is_file()), root / name)


def _images(
    content: dict[str, list[Any]], categories: dict[int, str], folder: Path, file: Path, notes: list[str]
) -> tuple[tuple[Annotated, ...], dict[str, int]]:
    """Return the images with their objects, and the category ids that are none, with counts."""
    objects = defaultdict(list)
    for entry in content["annotations"]:
        objects[_key(entry.get("image_id"))].append(entry)
    ids = [_key(image.get("id")) for image in content["images"]]
    if len(set(ids)) < len(ids):
        again = [key for key, count in Counter(ids).items() if count > 1]
        raise DataError(f"{file}: {len(again):,} image ids stand twice: {', '.join(again[:10])}.")
    lost = [key for key in objects if key not in set(ids)]
    if lost:
        count = sum(len(objects[key]) for key in lost)
        notes.append(f"{file.name}: {count:,} objects belong to images that are not listed: {', '.join(lost[:10])}.")
    classes = {key: index for index, key in enumerate(categories)}
    strange: Counter[str] = Counter()
    found = []
    for key, image in zip(ids, content["images"], strict=True):
        mine = objects.get(key, [])
        kinds = [_class(entry.get("category_id"), classes) for entry in mine]
        strange.update(str(e.get("category_id")) for e, k in zip(mine, kinds, strict=True) if k == NO_CLASS)
        found.append(
            Annotated(
                file=str(inside(folder, image.get("file_name"), file)),
                numbers=np.array([_box(entry.get("bbox")) for entry in mine], np.float64).reshape(-1, 4),
                order=ORDER,
                classes=np.array(kinds, np.int32),
                crowd=np.array([entry.get("iscrowd") in (1, True) for entry in mine], bool),
                difficult=np.zeros(len(mine), bool),
                segments=tuple(entry.get("segmentation") for entry in mine),
                size=_size(image),
            )
        )
    return tuple(found), dict(strange.most_common())


def _key(value: object) -> str:
    return str(value)[:80]  # ids may be numbers or texts


def _class(value: object, classes: dict[int, int]) -> int:
    return classes.get(value, NO_CLASS) if type(value) is int else NO_CLASS


def _box(value: object) -> list[float]:
    return [number(side) for side in value] if isinstance(value, list) and len(value) == 4 else [np.nan] * 4


def _size(image: dict[str, Any]) -> tuple[int, int] | None:
    height, width = (image.get(side) for side in ("height", "width"))
    return (height, width) if all(type(side) is int and side > 0 for side in (height, width)) else None
