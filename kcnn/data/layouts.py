"""Which layout a path has: told from its names alone, opened, or explained."""

import importlib
import itertools
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kcnn.data.folder import READABLE, images_in, visible
from kcnn.data.source import Source
from kcnn.errors import DataError

MOST_NAMES = 5_000  # names looked at; a layout shows in its first few
MOST_IN_FOLDER = 200  # of them in one folder, so that one with many photos does not hide its neighbours
ELSEWHERE = "Classification cannot read it: it needs one label per image."
Names = list[str]  # of files, relative to the root, lower case, "/" between folders


@dataclass(frozen=True)
class Layout:
    """A layout: its name, how to tell it, and either who opens it ("module:function") or what it is for.

    `opener` is given the path, or `at` where that is another one: the CSV file in a folder. `target` is what its
    examples have beside the image.
    """

    name: str
    fits: Callable[[Names], bool]
    opener: str = ""
    explanation: str = ""
    at: str = ""
    target: str = "label"


def _ending(*endings: str) -> Callable[[Names], bool]:
    return lambda names: any(name.endswith(endings) for name in names)


def _containing(*parts: str) -> Callable[[Names], bool]:
    return lambda names: any(part in f"/{name}" for name in names for part in parts)


def _all(*tests: Callable[[Names], bool]) -> Callable[[Names], bool]:
    return lambda names: all(test(names) for test in tests)


def _masks(name: str, fits: Callable[[Names], bool], function: str) -> Layout:
    return Layout(name, fits, f"kcnn.data.mask_layouts:{function}", target="mask")


_COCO = _all(_ending(".json"), _containing("instances_", "annotations", "captions_", "/_annotations.coco"))
LAYOUTS = (  # the first that fits; of a folder that has masks and boxes the masks, unless boxes are asked for
    Layout(
        "npz", lambda names: _ending(".npz")([name for name in names if "/" not in name]), "kcnn.data.arrays:open_npz"
    ),
    Layout("IDX", _ending("-ubyte", "-ubyte.gz", ".idx3", ".idx1"), "kcnn.data.arrays:open_idx"),
    Layout("tensorflow-datasets", _ending("dataset_info.json"), "kcnn.data.tfds:open_directory"),
    Layout(
        "TFRecord",
        _containing(".tfrecord"),
        explanation="TFRecord files without the dataset_info.json and features.json that say what is in them. "
        "Write them with tensorflow-datasets, whose folders kcnn opens.",
    ),
    _masks("CamVid masks", _containing("annot/"), "open_annot"),
    _masks("VOC masks", _containing("/segmentationclass/"), "open_voc"),
    _masks("Oxford pets", _containing("/trimaps/"), "open_pets"),
    _masks("Penn-Fudan", _containing("/pedmasks/"), "open_pedestrians"),
    _masks("Cityscapes", _containing("/gtfine/"), "open_cityscapes"),
    _masks("images and masks", _containing("/masks/", "/mask/"), "open_masks"),
    Layout(
        "VOC",
        _all(_containing("/annotations/"), _ending(".xml")),
        explanation=f"VOC annotations (Annotations/*.xml): boxes for detection. {ELSEWHERE}",
        target="boxes",
    ),
    Layout(
        "PASCAL",
        _all(_containing("/annotation/"), _ending(".txt")),
        explanation=f"PASCAL annotations of 2005 (Annotation/*.txt): boxes for detection. {ELSEWHERE}",
        target="boxes",
    ),
    Layout(
        "YOLO",
        _containing("/labels/"),
        explanation=f"YOLO labels (labels/*.txt): boxes for detection. {ELSEWHERE}",
        target="boxes",
    ),
    Layout(
        "COCO",
        _COCO,
        explanation=f"COCO annotations (.json): boxes, masks (give masks:PATH) or captions. {ELSEWHERE}",
        target="boxes",
    ),
    Layout("COCO masks", _COCO, "kcnn.data.mask_coco:open_coco_masks", target="mask"),
    Layout(
        "captions",
        _ending("captions.txt", "captions.json", ".token.txt"),
        explanation=f"images with captions. {ELSEWHERE}",
    ),
    Layout("ImageFolder", _ending(*READABLE), "kcnn.data.folder:open_folder"),
)


def is_path(name: str) -> bool:
    """Tell whether `name` is meant as a path: it exists, or is written like one."""
    return os.path.exists(name) or os.sep in name or name.startswith(".") or bool(Path(name).suffix)


def open_path(path: str, target: str = "") -> Source:
    """Open the data set at `path`, whatever its layout; `target` as `recognise`.

    Raises:
        DataError: nothing is there, or its layout is one that kcnn cannot read, or none that is known.
    """
    layout = recognise(path, target)
    if layout.explanation:
        raise DataError(f"{path} holds {layout.explanation}")
    module, _, function = layout.opener.partition(":")
    opener = getattr(importlib.import_module(module), function)
    return opener(layout.at or path)


def recognise(path: str, target: str = "") -> Layout:
    """Return the layout of `path`, from names alone.

    Args:
        path: a folder or file.
        target: only layouts whose examples have this, such as "mask", where a folder has several; "" takes any.

    Raises:
        DataError: nothing is there, the folder is empty, or nothing in it is known.
    """
    root = Path(path)
    if not root.exists():
        raise DataError(f"{path} does not exist; give a folder, a file, or a name of `kcnn list sources`.")
    if not root.is_file() and not root.is_dir():
        raise DataError(f"{path} is a pipe or device; give a folder, or a plain file.")
    if root.is_file():
        return _of_file(root)
    if not visible(root):
        raise DataError(f"{path} is an empty folder; kcnn expects images in class folders, CLASS/*.jpg.")
    tables = [child for child in visible(root) if child.suffix.lower() == ".csv"]
    if len(tables) == 1 and not _class_folders(root) and target in ("", "label"):
        return _table(tables[0])
    names = _names(root)
    for layout in LAYOUTS:
        if target in ("", layout.target) and layout.fits(names):
            return layout
    if target:
        raise DataError(
            f"{path} has no {target} in a layout that kcnn knows ({', '.join(names[:3]) or 'it is empty'})."
        )
    if any(child.is_dir() for child in visible(root)) and not names:
        return next(layout for layout in LAYOUTS if layout.name == "ImageFolder")  # its opener explains what is empty
    raise DataError(
        f"{path} holds nothing that kcnn knows ({', '.join(names[:3]) or 'empty folders'}). It reads images in class "
        "folders, a CSV of path,label, .npz, IDX files, and folders of tensorflow-datasets."
    )


def _of_file(path: Path) -> Layout:
    if path.suffix.lower() == ".csv":
        return _table(path)
    for layout in LAYOUTS[:-1]:
        if layout.fits([path.name.lower()]):
            return layout
    raise DataError(
        f"{path} is a file that kcnn cannot read as a data set; give its folder, a .csv of path,label, or an .npz."
    )


def _table(path: Path) -> Layout:
    return Layout("CSV", _ending(".csv"), "kcnn.data.table:open_table", at=str(path))


def _class_folders(root: Path) -> bool:
    folders = [child for child in visible(root) if child.is_dir()]
    return len(folders) > 1 and all(images_in(visible(folder)) for folder in folders[:3])


def _names(root: Path) -> Names:
    found = (
        os.path.relpath(os.path.join(folder, name), root).replace(os.sep, "/").lower()
        for folder, folders, names in os.walk(root)
        if not folders.sort()  # in place: a fixed order
        for name in [name for name in sorted(names) if name[0] != "."][:MOST_IN_FOLDER]
    )
    return list(itertools.islice(found, MOST_NAMES))
