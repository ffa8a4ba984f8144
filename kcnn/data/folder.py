"""ImageFolder: one folder per class, with or without folders for the splits above them."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from kcnn.data.source import Info, Source
from kcnn.data.splits import file_split
from kcnn.errors import DataError

READABLE = (".jpg", ".jpeg", ".jpe", ".png", ".gif", ".bmp")
OTHER_IMAGES = (".webp", ".tif", ".tiff", ".heic", ".heif", ".avif", ".jp2", ".jxl", ".svg")
SPLIT_FOLDERS = {
    "train": ("train", "training"),
    "validation": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing"),
}


def open_folder(path: str) -> Source:
    """Open a folder of images sorted into class folders.

    `path/CLASS/*.jpg`, or `path/train/CLASS/*.jpg` beside `path/val/...` and `path/test/...`. Classes are the
    sorted names of the training folders. Hidden entries are passed over; an image in a format that kcnn does
    not read stays in the list, so that the scan before training names it.

    Raises:
        DataError: no image, images at the wrong depth, an empty class folder, or a class that "train" lacks.
    """
    root = Path(path)
    tree = {split: _classes(folder) for split, folder in split_folders(root).items()} or {"train": _classes(root)}
    if "train" not in tree:
        raise DataError(f"{root} has {', '.join(sorted(tree))} but no folder 'train' to learn from.")
    classes = tuple(sorted(tree["train"]))
    for split, found in tree.items():
        unknown = sorted(set(found) - set(classes))
        if unknown:
            raise DataError(
                f"{root}: {split!r} has {len(unknown)} classes that 'train' has not: {', '.join(unknown[:10])}. "
                f"'train' has {', '.join(classes[:10])}. Rename or move those folders."
            )
    splits = {split: _file_split(found, classes) for split, found in tree.items()}
    info = Info(name=path, splits={name: split.size for name, split in splits.items()}, classes=classes)
    return Source(info=info, splits=splits)


def split_folders(root: Path) -> dict[str, Path]:
    """Return split -> folder for the children of `root` that are named like splits."""
    children = {child.name.lower(): child for child in visible(root) if child.is_dir()}
    return {
        split: children[name] for split, names in SPLIT_FOLDERS.items() for name in reversed(names) if name in children
    }


def visible(folder: Path) -> list[Path]:
    """Return the entries of `folder` without hidden ones and those that file managers leave, sorted."""
    return sorted(child for child in folder.iterdir() if child.name[0] != "." and child.name != "__MACOSX")


def images_in(entries: Iterable[Path]) -> list[Path]:
    """Return the entries that are named like images, of readable and other formats."""
    return [entry for entry in entries if entry.suffix.lower() in READABLE + OTHER_IMAGES and not entry.is_dir()]


def images_below(folder: Path) -> list[Path]:
    """Return the readable images in `folder` and in all folders below it, hidden entries left out, sorted."""
    found: list[Path] = []
    for child in visible(folder):
        if child.is_dir() and not child.is_symlink():
            found += images_below(child)
        elif child.suffix.lower() in READABLE and child.is_file():
            found.append(child)
    return found


def _classes(folder: Path) -> dict[str, list[Path]]:
    entries = visible(folder)
    loose = images_in(entries)
    found = {child.name: images_in(visible(child)) for child in entries if child.is_dir()}
    if not found:
        what = f"{len(loose)} images side by side" if loose else "no folder and no image"
        raise DataError(f"{folder} has {what}; kcnn expects one folder per class, {folder.name}/CLASS/*.jpg.")
    empty = [name for name, images in found.items() if not images]
    if empty:
        raise DataError(_explain_empty(folder, empty, some=len(empty) < len(found)))
    return found


def _explain_empty(folder: Path, empty: list[str], some: bool) -> str:
    deeper = next((p for p in sorted((folder / empty[0]).rglob("*")) if p.suffix.lower() in READABLE), None)
    if deeper and not some:
        return (
            f"{folder}: the images are too deep, as in {deeper.relative_to(folder)}. "
            f"kcnn expects CLASS/*.jpg right below; give the folder that holds the class folders."
        )
    return (
        f"{folder}: class folder {', '.join(map(repr, empty[:10]))} has no image "
        f"({', '.join(READABLE[:4])}, ...){f', {len(empty)} such folders' if len(empty) > 1 else ''}. Add images or "
        "remove the folder."
    )


def _file_split(found: dict[str, list[Path]], classes: tuple[str, ...]):
    files = [str(image) for name in classes for image in found.get(name, ())]
    counts = [len(found.get(name, ())) for name in classes]
    return file_split(files, np.repeat(np.arange(len(classes), dtype=np.int32), counts))
