"""Data sets that are arrays: scikit-learn's digits, `.npz` files and IDX files (MNIST's format)."""

import math
import struct
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kcnn import guard
from kcnn.data.source import Info, Source
from kcnn.data.splits import array_split
from kcnn.errors import DataError

MAX_CLASSES = 100_000  # a label beyond is taken for a mistake, not for a hundred thousand classes
_NAMED = 10  # offenders that an error names
_IDX_SPLITS = {"train": ("train",), "validation": ("val", "validation"), "test": ("t10k", "test")}
_NPZ_SPLITS = {"train": ("train", "training"), "validation": ("val", "valid", "validation"), "test": ("test",)}
_NPZ_IMAGES, _NPZ_LABELS = ("images", "image", "x"), ("labels", "label", "y")


def open_digits() -> Source:
    """Return scikit-learn's 1,797 handwritten digits (UCI, Alpaydin 1998), 8x8 gray.

    Values 0..16 are stretched to 0..255. Every fifth example of each class is the test split: 1,442 and 355.
    """
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = np.round(bunch.images * (255 / 16)).astype(np.uint8)[..., None]
    labels = bunch.target.astype(np.int32)
    test = np.zeros(len(labels), bool)
    for label in range(10):
        test[np.flatnonzero(labels == label)[4::5]] = True
    splits = {"train": (images[~test], labels[~test]), "test": (images[test], labels[test])}
    return from_arrays("digits", splits, tuple("0123456789"), licence="CC BY 4.0")


def open_npz(path: str) -> Source:
    """Open `.npz` data: a folder of train.npz (validation.npz, test.npz), or one file.

    In a folder, or in a file of one split, the arrays are "images" (or "x") and "labels" (or "y"); in a file
    of several splits "x_train", "y_train", "x_test", "y_test" and so on. Images are uint8 (N, H, W) or
    (N, H, W, 1 or 3); labels whole numbers (N,), or 0/1 (N, classes) for several a picture. Names of the
    classes are read from "classes.txt" in the same folder, one a line. Nothing is unpickled.

    Raises:
        DataError: no such arrays, or another type, shape or range; or an archive that `kcnn.guard.check_zip` refuses.
    """
    root = Path(path)
    if root.is_dir():
        files = {split: _npz_file(root, stems) for split, stems in _NPZ_SPLITS.items()}
        splits = {split: _npz_pair(file, "") for split, file in files.items() if file}
        if "train" not in splits:
            present = ", ".join(sorted(file.name for file in root.glob("*.npz"))) or "no .npz file"
            raise DataError(f"{root} has {present} but no train.npz; give that file, or rename it.")
    else:
        present = [split for split, stems in _NPZ_SPLITS.items() if _npz_key(root, _NPZ_IMAGES, stems)]
        splits = {split: _npz_pair(root, split) for split in present} or {"train": _npz_pair(root, "")}
        if "train" not in splits:
            raise DataError(f"{root} has arrays of {', '.join(splits)} but none of train, such as x_train.")
        root = root.parent
    return from_arrays(path, splits, read_class_names(root))


def open_idx(path: str) -> Source:
    """Open a folder of IDX files as MNIST and Fashion-MNIST come, gzipped or not.

    Names start with "train" ("validation") and "t10k" or "test" and hold "images" or "labels":
    train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz, and so on. Class names as in `open_npz`.

    Raises:
        DataError: a file is missing, cut short, or not IDX of unsigned bytes.
    """
    root = Path(path) if Path(path).is_dir() else Path(path).parent
    splits = {}
    for split, prefixes in _IDX_SPLITS.items():
        images, labels = (_idx_file(root, prefixes, kind) for kind in ("images", "labels"))
        if images and labels:
            splits[split] = (read_idx(images), read_idx(labels))
        elif images or labels:
            raise DataError(f"{root} has {(images or labels).name} but not its twin of {split} labels or images.")
    if "train" not in splits:
        raise DataError(f"{root} has no train-images-idx3-ubyte[.gz] and train-labels-idx1-ubyte[.gz].")
    return from_arrays(path, splits, read_class_names(root))


def read_idx(path: Path) -> np.ndarray:
    """Read one IDX file of unsigned bytes, gzipped or not (LeCun, yann.lecun.com/exdb/mnist).

    Raises:
        DataError: it is cut short, too long, of another type, or unpacks to far more than pictures do.
    """
    content = guard.read_bytes(path, DataError)
    if content[:2] == b"\x1f\x8b":
        content = guard.gunzip(content, path, DataError)
    if len(content) < 4 or content[:3] != b"\0\0\x08":
        raise DataError(
            f"{path} does not start like an IDX file of unsigned bytes (00 00 08), but {content[:4].hex()}."
        )
    rank = content[3]
    if len(content) < 4 + 4 * rank:
        raise DataError(f"{path} ends inside its header.")
    shape = struct.unpack(f">{rank}I", content[4 : 4 + 4 * rank])
    expected, found = math.prod(shape), len(content) - 4 - 4 * rank
    if expected != found:
        raise DataError(f"{path} promises {shape}, {expected} bytes, but holds {found}; fetch it again.")
    return np.frombuffer(content, np.uint8, offset=4 + 4 * rank).reshape(shape)


def from_arrays(
    name: str, splits: dict[str, tuple[np.ndarray, np.ndarray]], classes: Sequence[str] = (), licence: str = "unknown"
) -> Source:
    """Make a source of arrays, after checking them.

    Args:
        name: of the source, for messages.
        splits: split -> (images, labels), as `open_npz` describes them.
        classes: names, position = id; empty: as many numbered ones as the training labels need.
        licence: as stated by the data set.

    Raises:
        DataError: wrong type, shape, count, or labels outside the classes.
    """
    checked = {split: check_arrays(f"{name} {split}", *pair) for split, pair in splits.items()}
    train = checked["train"][1]
    multi_label = train.ndim == 2
    if not classes:
        count = train.shape[1] if multi_label else int(train.max(initial=-1)) + 1
        if count > MAX_CLASSES:
            check_labels(f"{name} train", train, MAX_CLASSES)
        classes = [str(label) for label in range(count)]
    for split, (images, labels) in checked.items():
        if (labels.ndim == 2) != multi_label:
            raise DataError(f"{name}: labels have {labels.ndim} axes in {split} but {train.ndim} in train.")
        check_labels(f"{name} {split}", labels, len(classes))
        if not multi_label:
            checked[split] = (images, labels.astype(np.int32))
    shapes = {images.shape[1:] for images, _ in checked.values()}
    info = Info(
        name=name,
        splits={split: len(labels) for split, (_, labels) in checked.items()},
        classes=tuple(classes),
        image_shape=shapes.pop() if len(shapes) == 1 else (None, None, None),
        licence=licence,
        multi_label=multi_label,
    )
    return Source(info=info, splits={split: array_split(*pair, split) for split, pair in checked.items()})


def check_arrays(where: str, images: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return images as uint8 (N, H, W, 1 or 3) and labels as int64 (N,) or uint8 (N, classes).

    Raises:
        DataError: what was found instead, and what to do.
    """
    if images.dtype != np.uint8:
        raise DataError(f"{where}: images are {images.dtype} but must be uint8, 0..255; multiply and cast them first.")
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4 or images.shape[-1] not in (1, 3):
        hint = " Move the channels last." if images.ndim == 4 and images.shape[1] in (1, 3) else ""
        raise DataError(f"{where}: images are {images.shape} but must be (N, H, W), or (N, H, W, 1 or 3).{hint}")
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.dtype.kind == "f" and labels.ndim == 1 and len(labels):
        broken = np.flatnonzero(~np.isfinite(labels) | (labels != np.floor(labels)))
        some = f"{len(broken)} are not whole, first {_offenders(labels, broken)}" if len(broken) else "all are whole"
        raise DataError(f"{where}: labels are {labels.dtype} but must be whole numbers; {some}. Round or cast them.")
    if labels.dtype.kind not in "uib" or labels.ndim not in (1, 2):
        raise DataError(f"{where}: labels are {labels.dtype} {labels.shape} but must be whole numbers, (N,).")
    if len(labels) != len(images):
        raise DataError(f"{where}: {len(images)} images but {len(labels)} labels; each image needs one.")
    if labels.ndim == 2 and not np.isin(labels, (0, 1)).all():
        raise DataError(f"{where}: labels are {labels.shape}, several a picture, and so must be 0 or 1.")
    kind = np.uint8 if labels.ndim == 2 else np.int64
    return images, labels.astype(kind)  # int64: check_labels must see what int32 would wrap


def check_labels(where: str, labels: np.ndarray, count: int) -> None:
    """Raise DataError unless int (N,) labels lie in 0..count-1, or (N, C) ones have `count` columns."""
    if labels.ndim == 2:
        if labels.shape[1] != count:
            raise DataError(f"{where}: labels have {labels.shape[1]} columns but there are {count} classes.")
        return
    outside = np.flatnonzero((labels < 0) | (labels >= count))
    if len(outside):
        raise DataError(
            f"{where}: {len(outside)} labels lie outside 0..{count - 1}, first {_offenders(labels, outside)}. "
            "Mend the labels, or the list of classes."
        )


def _offenders(labels: np.ndarray, indices: np.ndarray) -> str:
    """Return the first ten labels at `indices` and where they stand."""
    more = f" and {len(indices) - _NAMED:,} more" if len(indices) > _NAMED else ""
    return ", ".join(f"{labels[i]} at index {i}" for i in indices[:_NAMED]) + more


def read_class_names(folder: Path) -> tuple[str, ...]:
    """Return the lines of `folder`/classes.txt, empty when there is no such file or nothing in it.

    Raises:
        DataError: it is not UTF-8, or a line before the last name is blank.
    """
    path = folder / "classes.txt"
    if not path.is_file():
        return ()
    text = guard.read_text(path, DataError).removeprefix("\ufeff").rstrip()
    names = tuple(line.strip() for line in text.splitlines())
    if "" in names:
        raise DataError(f"{path}, line {names.index('') + 1} is blank; write a class's name there or remove it.")
    return names


def _npz_file(root: Path, stems: Sequence[str]) -> Path | None:
    return next((root / f"{stem}.npz" for stem in stems if (root / f"{stem}.npz").is_file()), None)


def _npz_pair(path: Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Read images and labels of `split`, or of a file that holds one split where that is ""."""
    stems = _NPZ_SPLITS.get(split, ())
    keys = [_npz_key(path, names, stems) for names in (_NPZ_IMAGES, _NPZ_LABELS)]
    with _npz(path) as file:
        if None in keys:
            raise DataError(f"{path} holds {', '.join(file.files) or 'nothing'} but must hold images and labels.")
        try:
            return tuple(file[key] for key in keys)
        except (ValueError, zlib.error, zipfile.BadZipFile, EOFError, MemoryError, OverflowError) as error:
            raise DataError(f"{path} cannot be read ({error}); pickled objects are refused.") from error


def _npz_key(path: Path, names: Sequence[str], stems: Sequence[str]) -> str | None:
    """Return the key such as "x_train" or "train_images" that `path` has, or "images" without stems."""
    wanted = {f"{n}_{s}" for n in names for s in stems} | {f"{s}_{n}" for n in names for s in stems} or set(names)
    with _npz(path) as file:
        return next((key for key in file.files if key in wanted), None)


def _npz(path: Path) -> Any:
    guard.check_zip(path, DataError, guard.DATA_RATIO)
    try:
        return np.load(path, allow_pickle=False)
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} is not a .npz file ({error}); write it with numpy.savez_compressed.") from error


def _idx_file(root: Path, prefixes: Sequence[str], kind: str) -> Path | None:
    """Return the file of `root` such as train-images-idx3-ubyte.gz or train-images.idx3-ubyte."""
    names = [f"{prefix}-{kind}*idx*ubyte{end}" for prefix in prefixes for end in ("", ".gz")]
    return next((path for name in names for path in sorted(root.glob(name))), None)
