"""A CSV file that lists images and their labels."""

import csv
from pathlib import Path

import numpy as np

from kcnn.data.folder import SPLIT_FOLDERS
from kcnn.data.source import Info, Source
from kcnn.data.splits import file_split
from kcnn.errors import DataError

PATH_COLUMNS = ("path", "file", "filename", "image", "image_path")
LABEL_COLUMNS = ("label", "class", "class_name", "name", "class_index")


def open_table(path: str) -> Source:
    """Open a CSV file of one image a row.

    A header names the columns: the image ("path", "file", ...), its label ("label", "class", "name", ...) and,
    if there is one, its "split" (train, val, test). Without a header the first two columns are path and label.
    Paths are relative to the CSV's folder, or to "images" in it. Classes are the sorted labels; where all are
    whole numbers they are taken as ids, and classes.txt beside the file names them, one a line.

    Raises:
        DataError: no such columns, a row without them, a listed image that does not exist, an id outside
            classes.txt, or an unknown split; the line is named.
    """
    rows = _rows(Path(path))
    classes, ids = _labels(path, [label for _, _, label, _ in rows])
    files = [_locate(path, line, name) for line, name, _, _ in rows]
    of_split = np.array([_split(path, line, split) for line, _, _, split in rows])
    splits = {
        split: file_split([files[i] for i in chosen], ids[chosen])
        for split in SPLIT_FOLDERS
        if (chosen := np.flatnonzero(of_split == split)).size
    }
    if "train" not in splits:
        raise DataError(f"{path} has rows for {', '.join(sorted(splits))} but none for the split 'train'.")
    info = Info(name=path, splits={name: split.size for name, split in splits.items()}, classes=classes)
    return Source(info=info, splits=splits)


def _rows(path: Path) -> list[tuple[int, str, str, str]]:
    """Return (line, image, label, split or "") of every row."""
    try:
        lines = [row for row in csv.reader(path.read_text(encoding="utf-8-sig").splitlines()) if any(row)]
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} is not a CSV file in UTF-8: {error}.") from error
    if not lines:
        raise DataError(f"{path} is empty; a row is path,label.")
    header = [cell.strip().lower() for cell in lines[0]]
    image = next((header.index(name) for name in PATH_COLUMNS if name in header), None)
    label = next((header.index(name) for name in LABEL_COLUMNS if name in header), None)
    split = header.index("split") if "split" in header else None
    if image is None and label is None:
        image, label, body = 0, 1, lines
    elif image is None or label is None:
        missing, names = ("image", PATH_COLUMNS) if image is None else ("label", LABEL_COLUMNS)
        raise DataError(f"{path}: no {missing} column in {', '.join(header)}; name one of {', '.join(names)}.")
    else:
        body = lines[1:]
    width = max(image, label, split or 0) + 1
    for line, row in enumerate(body, start=len(lines) - len(body) + 1):
        if len(row) < width:
            raise DataError(f"{path}, line {line}: {len(row)} cells but {width} are needed: {','.join(row)!r}.")
    if not body:
        raise DataError(f"{path} has a header and no row; a row is path,label.")
    return [
        (line, row[image].strip(), row[label].strip(), "" if split is None else row[split].strip())
        for line, row in enumerate(body, start=len(lines) - len(body) + 1)
    ]


def _labels(path: str, labels: list[str]) -> tuple[tuple[str, ...], np.ndarray]:
    if all(label.lstrip("-").isdigit() for label in labels):
        ids = np.array([int(label) for label in labels], np.int32)
        named = Path(path).with_name("classes.txt")
        lines = named.read_text(encoding="utf-8").strip().splitlines() if named.is_file() else []
        classes = tuple(lines) or tuple(str(i) for i in range(ids.max() + 1))
        wrong = np.flatnonzero((ids < 0) | (ids >= len(classes)))
        if wrong.size:
            raise DataError(
                f"{path}: {wrong.size} labels lie outside 0..{len(classes) - 1}, the first is {ids[wrong[0]]} in row "
                f"{wrong[0] + 1}. Labels are ids from 0 or names."
            )
        return classes, ids
    classes = tuple(sorted(set(labels)))
    position = {name: index for index, name in enumerate(classes)}
    return classes, np.array([position[label] for label in labels], np.int32)


def _locate(path: str, line: int, name: str) -> str:
    folder = Path(path).parent
    for place in (folder / name, folder / "images" / name):
        if place.is_file():
            return str(place)
    raise DataError(f"{path}, line {line}: image {name!r} is not in {folder} nor in {folder / 'images'}.")


def _split(path: str, line: int, name: str) -> str:
    for split, names in SPLIT_FOLDERS.items():
        if name.lower() in (split, *names) or (not name and split == "train"):
            return split
    raise DataError(f"{path}, line {line}: split is {name!r} but must be train, val or test.")
