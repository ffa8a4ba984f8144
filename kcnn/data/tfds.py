"""Data sets that tensorflow-datasets has prepared on this machine. Nothing is ever downloaded here.

Examples are held in memory: as arrays where all images have one shape and 8 bits, else as encoded files. A data set
that does not fit there is a stream: read in order, shard after shard.
"""

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from kcnn.data.source import Info, Source, Split
from kcnn.data.splits import array_split, encoded_split
from kcnn.errors import DataError, ResourceError, UnknownNameError

INFO = "dataset_info.json"
SPLITS = {"train": "train", "validation": "validation", "valid": "validation", "test": "test"}
MEMORY_SHARE = 0.5  # of the machine's memory that a data set may take


def open_mnist() -> Source:
    """Open MNIST (LeCun 1998): 60,000 and 10,000 digits, 28x28 gray; errors as `open_tfds`."""
    return open_tfds("mnist")


def open_fashion_mnist() -> Source:
    """Open Fashion-MNIST (Xiao 2017, 1708.07747): 60,000 and 10,000 articles, 28x28; errors as `open_tfds`."""
    return open_tfds("fashion_mnist")


def open_cifar10() -> Source:
    """Open CIFAR-10 (Krizhevsky 2009): 50,000 and 10,000 photos, 32x32; errors as `open_tfds`."""
    return open_tfds("cifar10")


def open_cifar100() -> Source:
    """Open CIFAR-100 (Krizhevsky 2009): 50,000 and 10,000 photos, 32x32; errors as `open_tfds`."""
    return open_tfds("cifar100")


def open_tfds(name: str) -> Source:
    """Open what `tensorflow_datasets.builder(name)` finds prepared, such as "mnist" or "tf_flowers:3.0.1".

    Raises:
        ResourceError: tensorflow-datasets is not installed, or the data are not on this machine.
        UnknownNameError: tensorflow-datasets knows no such name.
        DataError: its examples have no image with one label.
    """
    tfds = _package()
    known = tfds.list_builders(with_community_datasets=False)
    if name.partition("/")[0].partition(":")[0] not in known:
        raise UnknownNameError("data set of tensorflow-datasets", name, known, "See tfds.list_builders().")
    builder = tfds.builder(name)
    try:
        return _from_builder(builder, name)
    except AssertionError as error:  # what as_dataset raises where nothing is prepared
        raise ResourceError(
            f"{name} is not prepared at {builder.data_dir}. kcnn downloads nothing; with a network, run once: "
            f"python -m tensorflow_datasets build {name}. Or give a folder of the data with --data."
        ) from error


def open_directory(path: str) -> Source:
    """Open a folder that tensorflow-datasets has written: the one with dataset_info.json, or one above it.

    Raises:
        ResourceError: tensorflow-datasets is not installed.
        DataError: several data sets lie below `path`; or as `open_tfds`.
    """
    found = sorted(Path(path).rglob(INFO)) if Path(path).is_dir() else [Path(path)]
    if len(found) != 1:
        below = ", ".join(str(file.parent) for file in found[:5]) or "none"
        raise DataError(f"{path}: {len(found)} data sets of tensorflow-datasets below it ({below}); give one of them.")
    return _from_builder(_package().builder_from_directory(str(found[0].parent)), path)


def _package() -> Any:
    try:
        import tensorflow_datasets
    except ImportError as error:
        raise ResourceError(
            f"tensorflow-datasets is not installed ({error}); run: pip install 'kcnn[tfds]'. "
            "Or give a folder of the data with --data."
        ) from error
    return tensorflow_datasets


def _from_builder(builder: Any, name: str) -> Source:
    import tensorflow_datasets as tfds

    facts = builder.info
    features = dict(facts.features.items())
    image, label = features.get("image"), features.get("label")
    if not isinstance(image, tfds.features.Image) or not isinstance(label, tfds.features.ClassLabel):
        raise DataError(
            f"{name} has {', '.join(features)} but classification needs 'image' and 'label', one class an image."
        )
    names = {SPLITS[split]: split for split in list(facts.splits) or ["train", "test"] if split in SPLITS}
    read = _stream if _beyond_memory(int(facts.dataset_size)) else _read
    splits = {ours: read(builder, theirs, ours) for ours, theirs in names.items()}
    if "train" not in splits:
        raise DataError(f"{name} has the splits {', '.join(facts.splits)} but no 'train' to learn from.")
    info = Info(
        name=name,
        splits={split: part.size for split, part in splits.items()},
        classes=tuple(label.names),
        image_shape=(image.shape[0], image.shape[1], 3 if image.shape[2] == 4 else image.shape[2]),
        licence=facts.redistribution_info.license or "unknown",
    )
    return Source(info=info, splits=splits)


def _beyond_memory(size: int) -> bool:
    return size > MEMORY_SHARE * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _read(builder: Any, split: str, ours: str) -> Split:
    from kcnn.data.decode import decode

    feature = builder.info.features["image"]
    fixed = None not in feature.shape and feature.np_dtype != np.uint16  # of 16 bits the files are kept
    channels = 1 if feature.shape[-1] == 1 else 3

    @tf.autograph.experimental.do_not_convert
    def pair(row: dict[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        return decode(row["image"], channels) if fixed else row["image"], row["label"]

    images, labels = [], []
    for image, label in _shown(_rows(builder, split).map(pair, num_parallel_calls=2), builder, split):
        images.append(image)
        labels.append(label)
    if not fixed:
        return encoded_split(images, np.array(labels, np.int32), ours)
    return array_split(np.stack(images), np.array(labels, np.int32), ours)


def _stream(builder: Any, split: str, ours: str) -> Split:
    """Return a split that holds the labels alone; they are read once, here."""
    from kcnn.data.stream import stream_split

    rows = _rows(builder, split)
    labels = [*_shown(rows.map(lambda row: row["label"]), builder, split)]
    return stream_split(lambda: rows.map(lambda row: row["image"]), np.array(labels, np.int32), ours)


def _rows(builder: Any, split: str) -> tf.data.Dataset:
    """Return dicts of an encoded image and a label, always in the same order."""
    import tensorflow_datasets as tfds

    return builder.as_dataset(
        split=split,
        shuffle_files=False,
        decoders={"image": tfds.decode.SkipDecoding()},
        read_config=tfds.ReadConfig(try_autocache=False, interleave_cycle_length=1),
    )


def _shown(rows: tf.data.Dataset, builder: Any, split: str) -> Iterable[Any]:
    """Return what `rows` hold, with a bar of progress on a terminal."""
    from rich.console import Console
    from rich.progress import track

    return track(
        rows.as_numpy_iterator(),
        f"reading {builder.name} {split}",
        total=max(0, int(rows.cardinality())) or None,  # negative where it is not known
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    )
