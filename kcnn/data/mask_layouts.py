"""Folders of photos and masks, in the layouts that public data sets have; each opener gives a `Source` of masks.

Pairs come from the data set's lists where it has some, else from names. What lacks its other half stays in the
list, so that the scan before training and `kcnn check` name it. What values mean is in `kcnn.data.mask_classes`.
"""

import re
from collections.abc import Callable, Iterable
from pathlib import Path

from kcnn import guard
from kcnn.data import mask_classes
from kcnn.data.folder import READABLE, SPLIT_FOLDERS, images_below, split_folders, visible
from kcnn.data.mask_classes import Meaning
from kcnn.data.source import Info, Source
from kcnn.data.splits import mask_split
from kcnn.errors import DataError

IMAGE_FOLDERS = ("images", "image", "imgs", "img", "jpegimages")
MASK_FOLDERS = ("masks", "mask")
MASK_ENDS = re.compile(r"[_-](masks?|labels?|seg|gt|gtFine_labelIds|gtFine_labelTrainIds)$", re.IGNORECASE)
"""Ends of file names that a mask may have beyond its image's."""
IMAGE_END = "_leftImg8bit"

_BOTH = re.compile(r"(.*\S\.\w+)\s+(.*\S\.png)", re.IGNORECASE)  # "image mask", blanks in names or not
Pairs = dict[str, list[tuple[Path, Path]]]  # split -> (image, mask) of each example


def open_annot(path: str) -> Source:
    """Open a folder as SegNet's CamVid: train/ and trainannot/, val/ and valannot/, test/ and testannot/.

    train.txt and so on, where they are, list "image mask" a line, relative to the folder. classes.txt names the ids,
    one a line from 0, or a file of `mask_classes.PALETTE_FILES` names the colours.

    Raises:
        DataError: no training split, no classes, or a list that cannot be read.
    """
    root = Path(path)
    folders = _children(root)
    pairs: Pairs = {}
    for split, names in SPLIT_FOLDERS.items():
        name = next((name for name in names if f"{name}annot" in folders), None)
        if name:
            halves = folders.get(name, root / name), folders[f"{name}annot"]
            pairs[split] = _listed(root, root / f"{name}.txt", *halves) or _matched(*halves)
    return _source(path, pairs, mask_classes.camvid(root))


def open_voc(path: str) -> Source:
    """Open a PASCAL VOC tree: JPEGImages, SegmentationClass, ImageSets/Segmentation/{train,val,test}.txt.

    Without lists every mask is in "train". Classes as `mask_classes.voc`; errors as `open_annot`.
    """
    root = Path(path)
    halves = _folder(root, "jpegimages"), _folder(root, "segmentationclass")
    lists = root / "ImageSets" / "Segmentation"
    pairs = _by_lists(root, lists, *halves) or {"train": _matched(*halves, drawn_only=True)}
    return _source(path, pairs, mask_classes.voc(root))


def open_pets(path: str) -> Source:
    """Open Oxford-IIIT Pet: images, annotations/trimaps, annotations/{trainval,test}.txt; errors as `open_annot`."""
    root = Path(path)
    notes = _folder(root, "annotations")
    halves = _folder(root, "images"), _folder(notes, "trimaps")
    return _source(path, _by_lists(root, notes, *halves) or {"train": _matched(*halves)}, mask_classes.pets(root))


def open_pedestrians(path: str) -> Source:
    """Open Penn-Fudan: PNGImages/X.png, PedMasks/X_mask.png; lists of names train.txt, val.txt where they are."""
    root = Path(path)
    halves = _folder(root, "pngimages"), _folder(root, "pedmasks")
    pairs = _by_lists(root, root, *halves) or {"train": _matched(*halves)}
    return _source(path, pairs, mask_classes.pedestrians(root))


def open_cityscapes(path: str) -> Source:
    """Open Cityscapes: leftImg8bit/SPLIT/CITY/X_leftImg8bit.png, gtFine/SPLIT/CITY/X_gtFine_labelIds.png.

    Where there are X_gtFine_labelTrainIds.png those are read. The masks of the public test split hold no class.

    Raises:
        DataError: as `open_annot`.
    """
    root = Path(path)
    photos, drawn = _folder(root, "leftimg8bit"), _folder(root, "gtfine")
    train_ids = next(drawn.rglob("*_labelTrainIds.png"), None) is not None
    ending = f"_gtFine_{'labelTrainIds' if train_ids else 'labelIds'}"
    pairs = {
        split: _matched(photos / folder.name, folder, ending=ending) for split, folder in split_folders(drawn).items()
    }
    return _source(path, pairs, mask_classes.cityscapes(train_ids))


def open_masks(path: str) -> Source:
    """Open a folder of images/ and masks/, with split folders above or below them, or lists, or neither.

    `path/images/*.jpg` and `path/masks/*.png`; `path/images/train/...` and `path/masks/train/...`;
    `path/train/images/...` and `path/train/masks/...`; or train.txt, val.txt, test.txt of names or of "image mask"
    a line. With none of these every pair is in "train". A mask has the name of its image, perhaps with an end such
    as "_mask". Classes as `mask_classes.own`; errors as `open_annot`.
    """
    root = Path(path)
    if not _child(root, MASK_FOLDERS):
        pairs = {split: _matched(*_halves(folder)) for split, folder in split_folders(root).items()}
        return _source(path, pairs, mask_classes.own(root))
    photos, drawn = _halves(root)
    below = split_folders(drawn)
    pairs = _by_lists(root, root, photos, drawn) or {
        split: _matched(photos / folder.name, folder) for split, folder in below.items()
    }
    return _source(path, pairs or {"train": _matched(photos, drawn)}, mask_classes.own(root))


def _children(root: Path) -> dict[str, Path]:
    return {child.name.lower(): child for child in visible(root) if child.is_dir()}


def _child(root: Path, names: Iterable[str]) -> Path | None:
    children = _children(root)
    return next((children[name] for name in names if name in children), None)


def _folder(root: Path, *names: str) -> Path:
    found = _child(root, names)
    if found is None:
        raise DataError(f"{root} has no folder {' or '.join(names)}; give the folder that holds images and masks.")
    return found


def _halves(root: Path) -> tuple[Path, Path]:
    return _folder(root, *IMAGE_FOLDERS), _folder(root, *MASK_FOLDERS)


def _by_lists(root: Path, lists: Path, images: Path, masks: Path) -> Pairs:
    """Return the pairs of train.txt (or trainval.txt), val.txt and test.txt in `lists`, of splits that have masks."""
    pairs: Pairs = {}
    for split, names in SPLIT_FOLDERS.items():
        for name in (*names, "trainval") if split == "train" else names:
            found = _listed(root, lists / f"{name}.txt", images, masks)
            if any(mask.is_file() for _, mask in found):
                pairs[split] = found
                break
    return pairs


def _listed(root: Path, listing: Path, images: Path, masks: Path) -> list[tuple[Path, Path]]:
    """Read a list of "image mask" lines, or of names that are or open their lines; empty where there is no file."""
    if not listing.is_file():
        return []
    photos = _photos(images)
    drawn = _masks(masks, photos)
    pairs = []
    for line in filter(None, map(str.strip, guard.read_text(listing, DataError).removeprefix("\ufeff").splitlines())):
        both = _BOTH.fullmatch(line)
        if both:
            pairs.append((_located(root, both[1]), _located(root, both[2])))
        else:
            whole, first = (_stem(Path(text)).removeprefix(f"{images.name}/") for text in (line, line.split()[0]))
            pairs.append(_pair(whole if whole in photos else first, photos, drawn, images, masks))
    return pairs


def _located(root: Path, name: str) -> Path:
    """Return the path of a list's entry; one from another place is looked up by its last two parts."""
    at = root / name.lstrip("/")
    return at if at.is_file() else root.joinpath(*Path(name).parts[-2:])


def _matched(images: Path, masks: Path, *, ending: str = "", drawn_only: bool = False) -> list[tuple[Path, Path]]:
    """Pair the files of two folders, and of the folders in them, by names without their ends.

    Args:
        images, masks: the folders. ending: of the masks that count, all where it is "".
        drawn_only: pass over images without a mask.
    """
    photos = _photos(images)
    drawn = _masks(masks, photos, ending)
    names = sorted(drawn if drawn_only else {**photos, **drawn})
    return [_pair(name, photos, drawn, images, masks) for name in names]


def _pair(name: str, photos: dict[str, Path], drawn: dict[str, Path], images: Path, masks: Path) -> tuple[Path, Path]:
    """Return image and mask of that name; a missing one has the path that it should have."""
    return photos.get(name, images / f"{name}.jpg"), drawn.get(name, masks / f"{name}.png")


def _photos(folder: Path) -> dict[str, Path]:
    return _named(folder, lambda stem: stem.removesuffix(IMAGE_END))


def _masks(folder: Path, photos: dict[str, Path], ending: str = "") -> dict[str, Path]:
    return _named(folder, lambda stem: stem if stem in photos else MASK_ENDS.sub("", stem), ending)


def _named(folder: Path, name: Callable[[str], str], ending: str = "") -> dict[str, Path]:
    """Return name -> file of the images in and below `folder`.

    Raises:
        DataError: two files have one name.
    """
    found: dict[str, Path] = {}
    for file in images_below(folder) if folder.is_dir() else []:
        if file.stem.endswith(ending):
            taken = found.setdefault(name(_stem(file.relative_to(folder))), file)
            if taken != file:
                raise DataError(f"{folder}: {taken.name} and {file.name} are the same example; keep one of them.")
    return found


def _stem(path: Path) -> str:
    return (path.with_suffix("") if path.suffix.lower() in READABLE else path).as_posix()


def _source(path: str, pairs: Pairs, meaning: Meaning) -> Source:
    pairs = {split: part for split, part in pairs.items() if part}
    if "train" not in pairs:
        raise DataError(f"{path} has pairs of images and masks for {', '.join(pairs) or 'no split'}, none for 'train'.")
    info = Info(
        name=path,
        splits={split: len(part) for split, part in pairs.items()},
        classes=meaning.classes,
        keys=("mask",),
        palette=meaning.palette,
    )
    splits = {
        split: mask_split([str(image) for image, _ in part], [str(mask) for _, mask in part], meaning.coding)
        for split, part in pairs.items()
    }
    return Source(info=info, splits=splits)
