"""What the values and colours of masks mean: tables of well-known data sets, and the files that say it of one's own.

| data set | value in the file -> class |
|---|---|
| CamVid | line of classes.txt, from 0; names of `VOID` -> ignored |
| PASCAL VOC | 0 background, then line of classes.txt from 1; 255 ignored |
| Oxford-IIIT Pet trimaps | 1 pet -> 0, 2 background -> 1, 3 border -> 2 |
| Penn-Fudan | 0 background -> 0, each person 1..254 -> 1 |
| Cityscapes | `CITYSCAPES`: labelIds -> trainIds 0..18, all others ignored; labelTrainIds as they are |
"""

import re
from dataclasses import dataclass
from pathlib import Path

from kcnn import guard
from kcnn.data.arrays import read_class_names
from kcnn.data.masks import IGNORE, MOST_CLASSES, Coding, default_palette
from kcnn.errors import DataError

Colour = tuple[int, int, int]

VOID = ("void", "unlabelled", "unlabeled", "ignore", "ignored")
"""Names of "no class", whatever their case: their pixels become `IGNORE` and the ids behind them move up."""

PALETTE_FILES = ("palette.txt", "label_colors.txt", "labelmap.txt", "class_dict.csv")
"""Files of one class a line: three numbers 0..255 and a name, in either order, between blanks, commas or colons."""

CAMVID: dict[str, Colour] = {  # Brostow 2009, doi 10.1016/j.patrec.2008.04.005, as SegNet (1511.00561) merges it
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

VOC = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable",
    "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip
"""Everingham 2010, doi 10.1007/s11263-009-0275-4."""

CITYSCAPES: tuple[tuple[int, str, Colour], ...] = (  # Cordts 2016 (1604.01685): labelId, name, colour; row = trainId
    (7, "road", (128, 64, 128)),
    (8, "sidewalk", (244, 35, 232)),
    (11, "building", (70, 70, 70)),
    (12, "wall", (102, 102, 156)),
    (13, "fence", (190, 153, 153)),
    (17, "pole", (153, 153, 153)),
    (19, "traffic light", (250, 170, 30)),
    (20, "traffic sign", (220, 220, 0)),
    (21, "vegetation", (107, 142, 35)),
    (22, "terrain", (152, 251, 152)),
    (23, "sky", (70, 130, 180)),
    (24, "person", (220, 20, 60)),
    (25, "rider", (255, 0, 0)),
    (26, "car", (0, 0, 142)),
    (27, "truck", (0, 0, 70)),
    (28, "bus", (0, 60, 100)),
    (31, "train", (0, 80, 100)),
    (32, "motorcycle", (0, 0, 230)),
    (33, "bicycle", (119, 11, 32)),
)
CITYSCAPES_IDS = 34  # 0..33


@dataclass(frozen=True)
class Meaning:
    """What masks mean: class names, how files name them, and the colour of each; no colours are VOC's."""

    classes: tuple[str, ...]
    coding: Coding
    palette: tuple[Colour, ...] = ()


def camvid(root: Path) -> Meaning:
    """Return the classes of classes.txt, in CamVid's colours where they have its names; errors as `own`."""
    meaning = own(root)
    known = not meaning.palette and set(meaning.classes) <= set(CAMVID)
    return Meaning(meaning.classes, meaning.coding, tuple(CAMVID[c] for c in meaning.classes)) if known else meaning


def voc(root: Path) -> Meaning:
    """Return background and the classes of classes.txt, PASCAL VOC's 20 without that file."""
    names = read_class_names(root) or VOC
    names = names if names[0].lower() == "background" else ("background", *names)
    return Meaning(names, Coding.of_ids(len(names)), default_palette(len(names)))


def pets(root: Path) -> Meaning:
    """Return pet, background and border: trimap values 1, 2 and 3 (Parkhi 2012, doi 10.1109/CVPR.2012.6248092)."""
    return Meaning(
        ("pet", "background", "border"), Coding({1: 0, 2: 1, 3: 2}), ((230, 90, 60), (0, 0, 0), (250, 220, 90))
    )


def pedestrians(root: Path) -> Meaning:
    """Return background and person: every instance of a Penn-Fudan mask is a person."""
    values = {value: int(value > 0) for value in range(IGNORE)}
    return Meaning(("background", "person"), Coding(values), default_palette(2))


def cityscapes(train_ids: bool) -> Meaning:
    """Return the 19 classes that are evaluated, of masks that hold train ids or label ids."""
    rows = {row[0]: train_id for train_id, row in enumerate(CITYSCAPES)}
    count = len(CITYSCAPES)
    values = {i: i for i in range(count)} if train_ids else {i: rows.get(i, IGNORE) for i in range(CITYSCAPES_IDS)}
    return Meaning(tuple(row[1] for row in CITYSCAPES), Coding(values), tuple(row[2] for row in CITYSCAPES))


def own(root: Path) -> Meaning:
    """Return what one of `PALETTE_FILES` or classes.txt in `root` says; ids count its lines from 0.

    Raises:
        DataError: neither is there, they name different classes or one twice, or a line cannot be read.
    """
    names = read_class_names(root)
    found = next((root / name for name in PALETTE_FILES if (root / name).is_file()), None)
    colours = read_palette(found) if found else []
    if not names and not found:
        raise DataError(
            f"{root} has no classes.txt to say what its masks hold; write one name a line, id 0 first. "
            "Masks in colours need palette.txt: 'red green blue name' a line."
        )
    if names and colours and tuple(name for name, _ in colours) != names:
        raise DataError(f"{found} and classes.txt name different classes; keep one of them, or make them the same.")
    names = names or tuple(name for name, _ in colours)
    kept = [index for index, name in enumerate(names) if name.lower() not in VOID]
    if not 0 < len(kept) <= MOST_CLASSES:
        raise DataError(f"{root} names {len(kept)} classes but must name 1 to {MOST_CLASSES}.")
    twice = next((names[index] for at, index in enumerate(kept) if names[index] in (names[i] for i in kept[:at])), None)
    if twice:
        raise DataError(f"{found or root / 'classes.txt'} names {twice!r} twice; give each class a name of its own.")
    ids = {index: kept.index(index) if index in kept else IGNORE for index in range(len(names))}
    coding = Coding(ids, {colour: ids[index] for index, (_, colour) in enumerate(colours)})
    return Meaning(
        tuple(names[index] for index in kept),
        coding,
        tuple(colours[index][1] for index in kept) if colours else (),
    )


def read_palette(path: Path) -> list[tuple[str, Colour]]:
    """Read (name, (r, g, b)) of each line of a file as `PALETTE_FILES` describes.

    Raises:
        DataError: it is not UTF-8, a line is neither that nor a heading, or two classes have one colour.
    """
    number, between = r"(\d{1,3})", r"[\s,:]+"
    three = between.join([number] * 3)
    forms = re.compile(rf"{three}{between}(.*\S)"), re.compile(rf"(.*?[^\s,:]){between}{three}[\s,:]*")
    found: list[tuple[str, Colour]] = []
    for line, row in enumerate(guard.read_text(path, DataError).removeprefix("\ufeff").splitlines(), 1):
        text = row.strip()
        if not text or text.startswith("#") or (line == 1 and not re.search(r"\d", text)):
            continue
        first, last = (form.fullmatch(text) for form in forms)
        if not (first or last):
            raise DataError(f"{path}, line {line}: {text!r} but a line is 'red green blue name', as 128 0 0 Building.")
        name, values = (first[4], first.groups()[:3]) if first else (last[1], last.groups()[1:])
        colour = tuple(int(value) for value in values)
        if max(colour) > 255:
            raise DataError(f"{path}, line {line}: colour {colour} lies outside 0..255.")
        twin = next((other for other, taken in found if taken == colour), None)
        if twin:
            raise DataError(f"{path}, line {line}: {name!r} has the colour of {twin!r}, {colour}; each needs its own.")
        found.append((name, colour))
    if not found:
        raise DataError(f"{path} names no class; a line is 'red green blue name', as 128 0 0 Building.")
    return found
