"""A CSV file that lists images and their labels."""

import csv
import re
from pathlib import Path

import numpy as np

from kcnn.data.arrays import MAX_CLASSES, read_class_names
from kcnn.data.folder import SPLIT_FOLDERS
from kcnn.data.source import Info, Source
from kcnn.data.splits import file_split
from kcnn.errors import DataError

PATH_COLUMNS = ("path", "file", "filename", "image", "image_path")
LABEL_COLUMNS = ("label", "class", "class_name", "name", "class_index")
_NAMED = 10  # offenders that an error names


def open_table(path: str) -> Source:
    """Open a CSV file of one image a row.

    A header names the columns: the image ("path", "file", ...), its label ("label", "class", "name", ...) and,
    if there is one, its "split" (train, val, test). Without a header the first two columns are path and label.
    Paths are relative to the CSV's folder, or to "images" in it; they may be absolute or leave it, since the list is
    taken to be yours. Classes are the sorted labels; where all are
    whole numbers they are taken as ids, and classes.txt beside the file names them, one a line.

    Raises:
        DataError: no such columns, a row without them or without a label, a listed image that does not exist, an id
            outside classes.txt, or an unknown split; the line is named.
    """
    rows = _rows(Path(path))
    classes, ids = _labels(path, [(line, label) for line, _, label, _ in rows])
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
        reader = csv.reader(path.read_text(encoding="utf-8-sig").splitlines())
        lines = [(reader.line_num, row) for row in reader if any(row)]
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} is not a CSV file in UTF-8: {error}. Save it as one; a row is path,label.") from error
    if not lines:
        raise DataError(f"{path} is empty; a row is path,label.")
    header = [cell.strip().lower() for cell in lines[0][1]]
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
    if not body:
        raise DataError(f"{path} has a header and no row; a row is path,label.")
    width = max(image, label, split or 0) + 1
    for line, row in body:
        if len(row) < width:
            raise DataError(
                f"{path}, line {line}: {len(row)} cells but {width} are needed, between commas: {','.join(row)!r}."
            )
    return [
        (line, row[image].strip(), row[label].strip(), "" if split is None else row[split].strip())
        for line, row in body
    ]


def _labels(path: str, labels: list[tuple[int, str]]) -> tuple[tuple[str, ...], np.ndarray]:
    """Return the class names and the id of each (line, label)."""
    blank = [f"line {line}" for line, label in labels if not label]
    if blank:
        raise DataError(
            f"{path}: {len(blank)} of {len(labels)} rows have no label, first {', '.join(blank[:_NAMED])}. "
            "Label these images, or remove the rows."
        )
    whole = [re.fullmatch(r"-?[0-9]+", label) is not None for _, label in labels]
    if any(whole) and not all(whole) and all(re.fullmatch(r"-?[0-9]*\.?[0-9]*", label) for _, label in labels):
        odd = [f"line {line}: {label!r}" for (line, label), good in zip(labels, whole, strict=True) if not good]
        raise DataError(
            f"{path}: {len(odd)} of {len(labels)} labels are no whole numbers where the others are, first "
            f"{', '.join(odd[:_NAMED])}. Labels are class names, or ids from 0."
        )
    if not all(whole):
        classes = tuple(sorted({label for _, label in labels}))
        position = {name: index for index, name in enumerate(classes)}
        return classes, np.array([position[label] for _, label in labels], np.int32)
    ids = [int(label) for _, label in labels]
    named = read_class_names(Path(path).parent)
    count = len(named) or min(max(ids) + 1, MAX_CLASSES)
    wrong = [f"line {line}: {value}" for (line, _), value in zip(labels, ids, strict=True) if not 0 <= value < count]
    if wrong:
        first = ", ".join(wrong[:_NAMED]) + (f" and {len(wrong) - _NAMED} more" if len(wrong) > _NAMED else "")
        raise DataError(
            f"{path}: {len(wrong)} of {len(ids)} labels lie outside 0..{count - 1}, first {first}. "
            "Labels are class names, or ids from 0."
        )
    return named or tuple(str(index) for index in range(count)), np.array(ids, np.int32)


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
