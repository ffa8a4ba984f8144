"""Folders of photos and masks, in the layouts that public data sets have; each opener gives a `Source` of masks.

Pairs come from the data set's lists where it has some, else from names. What one half lacks stays in the list, so
that the scan before training names it.
"""

from pathlib import Path

from kcnn.data.arrays import read_class_names
from kcnn.data.folder import SPLIT_FOLDERS, images_in, visible
from kcnn.data.masks import IGNORE, MOST_CLASSES, Coding
from kcnn.data.source import Info, Source
from kcnn.data.splits import mask_split
from kcnn.errors import DataError

VOID = ("void", "unlabelled", "unlabeled", "ignore", "ignored", "background/void")
"""Names of "no class", whatever their case: their pixels become `IGNORE` and the ids behind them move up."""

CAMVID = {  # Brostow 2009, doi 10.1016/j.patrec.2008.04.005, figure 2, as SegNet (1511.00561) merges its classes
    "Sky": (128, 128, 128),
    "Building": (128, 0, 0),
    "Pole": (192, 192, 128),
    "Road": (128, 64, 128),
    "Pavement": (0, 0, 192),
    "Tree": (128, 128, 0),
    "SignSymbol": (192, 128, 128),
    "Fence": (64, 64, 128),
    "Car": (64, 0, 128),
    "Pedestrian": (64, 64, 0),
    "Bicyclist": (0, 128, 192),
}
Pairs = dict[str, list[tuple[Path, Path]]]  # split -> (image, mask) of each example


def open_annot(path: str) -> Source:
    """Open a folder as SegNet's CamVid: train/ and trainannot/, val/ and valannot/, test/ and testannot/.

    train.txt and so on, where they are, list "image mask" a line, relative to the folder. classes.txt names the ids,
    one a line from 0.

    Raises:
        DataError: no training split, no classes.txt, a list that cannot be read.
    """
    root = Path(path)
    folders = {child.name.lower(): child for child in visible(root) if child.is_dir()}
    pairs: Pairs = {}
    for split, names in SPLIT_FOLDERS.items():
        for name in names:
            if f"{name}annot" not in folders:
                continue
            listed = root / f"{name}.txt"
            images = folders.get(name, root / name)
            pairs[split] = _listed(root, listed) if listed.is_file() else _matched(images, folders[f"{name}annot"])
            break
    classes, coding = _named(root)
    palette = tuple(CAMVID[name] for name in classes) if set(classes) <= set(CAMVID) else ()
    return _source(path, pairs, classes, coding, palette)


def _named(root: Path) -> tuple[tuple[str, ...], Coding]:
    """Return the classes of classes.txt without void ones, and the coding that leaves those out."""
    names = read_class_names(root)
    if not names:
        raise DataError(f"{root} has no classes.txt to say what its masks hold; write one name a line, id 0 first.")
    kept = [index for index, name in enumerate(names) if name.lower() not in VOID]
    if not 0 < len(kept) <= MOST_CLASSES:
        raise DataError(f"{root}/classes.txt names {len(kept)} classes but must name 1 to {MOST_CLASSES}.")
    values = {index: kept.index(index) if index in kept else IGNORE for index in range(len(names))}
    return tuple(names[index] for index in kept), Coding(values)


def _listed(root: Path, listing: Path) -> list[tuple[Path, Path]]:
    """Read "image mask" lines; a path from elsewhere is looked up by its last two parts."""
    pairs = []
    for number, line in enumerate(listing.read_text(encoding="utf-8-sig").splitlines(), 1):
        parts = line.split()
        if not parts:
            continue
        if len(parts) != 2:
            raise DataError(f"{listing}, line {number}: {line!r} but a line is 'image mask', without blanks in names.")
        pairs.append((_located(root, parts[0]), _located(root, parts[1])))
    return pairs


def _located(root: Path, name: str) -> Path:
    at = root / name.lstrip("/")
    return at if at.is_file() else root.joinpath(*Path(name).parts[-2:])


def _matched(images: Path, masks: Path) -> list[tuple[Path, Path]]:
    """Pair the files of two folders by their stems; a missing half keeps the name that it should have."""
    photos = {file.stem: file for file in images_in(visible(images))} if images.is_dir() else {}
    drawn = {file.stem: file for file in images_in(visible(masks))}
    return [
        (photos.get(stem, images / f"{stem}.jpg"), drawn.get(stem, masks / f"{stem}.png"))
        for stem in sorted({**photos, **drawn})
    ]


def _source(
    path: str, pairs: Pairs, classes: tuple[str, ...], coding: Coding, palette: tuple[tuple[int, int, int], ...] = ()
) -> Source:
    pairs = {split: part for split, part in pairs.items() if part}
    if "train" not in pairs:
        raise DataError(f"{path} has pairs of images and masks for {', '.join(pairs) or 'no split'} but none to train.")
    info = Info(
        name=path,
        splits={split: len(part) for split, part in pairs.items()},
        classes=classes,
        keys=("mask",),
        palette=palette,
    )
    splits = {
        split: mask_split([str(image) for image, _ in part], [str(mask) for _, mask in part], coding)
        for split, part in pairs.items()
    }
    return Source(info=info, splits=splits)
