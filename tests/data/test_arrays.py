"""Digits, .npz and IDX files: what is read, and what each mistake is told."""

import gzip
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest

from kcnn.data import arrays, open_source
from kcnn.errors import DataError
from kcnn.recipe import Data

IMAGES = np.arange(6 * 4 * 5, dtype=np.uint8).reshape(6, 4, 5)
LABELS = np.array([0, 1, 2, 0, 1, 2])
FASHION = Path("/usr/share/datasets/fashion-mnist")  # Debian's package dataset-fashion-mnist


def opened(path):
    return open_source(Data(source=str(path), validation=0))


def write_idx(path, array):
    content = b"\0\0\x08" + bytes([array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def test_digits_are_scikit_learns():
    from sklearn.datasets import load_digits

    source = opened("digits")
    assert source.info.splits == {"train": 1442, "test": 355}
    assert source.info.image_shape == (8, 8, 1)
    assert source.info.classes == tuple("0123456789")
    train, test = (source.split(name) for name in ("train", "test"))
    counts = np.bincount(load_digits().target)
    np.testing.assert_array_equal(np.bincount(test.labels), counts // 5)
    np.testing.assert_array_equal(np.bincount(train.labels) + np.bincount(test.labels), counts)
    pixels = np.concatenate([train.arrays["image"], test.arrays["image"]])
    # 16 becomes 255, and the mean stretches with it: each of 64 values is off by at most a rounding
    assert pixels.max() == 255
    assert pixels.mean() == pytest.approx(load_digits().images.mean() * 255 / 16, abs=0.1)


def test_one_npz_of_several_splits(tmp_path):
    np.savez(tmp_path / "mnist.npz", x_train=IMAGES, y_train=LABELS, x_test=IMAGES[:2], y_test=LABELS[:2, None])
    source = opened(tmp_path / "mnist.npz")
    assert source.info.splits == {"train": 6, "test": 2}
    assert source.info.image_shape == (4, 5, 1)
    row = source.split("test").read(np.int64(1))
    np.testing.assert_array_equal(row["image"][..., 0], IMAGES[1])
    assert row["label"].dtype == "int32"
    assert int(row["label"]) == 1


def test_a_folder_of_npz_with_class_names(tmp_path):
    np.savez_compressed(tmp_path / "train.npz", images=IMAGES, labels=LABELS)
    np.savez(tmp_path / "val.npz", images=IMAGES[:3], labels=LABELS[:3])
    (tmp_path / "classes.txt").write_text("chat\nchien\noiseau à bec\n", encoding="utf-8")
    source = opened(tmp_path)
    assert source.info.splits == {"train": 6, "validation": 3}
    assert source.info.classes == ("chat", "chien", "oiseau à bec")


@pytest.mark.parametrize(
    ("content", "names"),
    [("a\r\nb \n\n".encode("utf-8-sig"), ("a", "b")), (b"\n \n", ()), ("ü\n".encode(), ("ü",))],
)
def test_class_names(tmp_path, content, names):
    assert arrays.read_class_names(tmp_path) == ()
    (tmp_path / "classes.txt").write_bytes(content)
    assert arrays.read_class_names(tmp_path) == names


@pytest.mark.parametrize(
    ("content", "message"),
    [("café\n".encode("latin-1"), "not text in UTF-8 .* save it as that"), (b"a\n\nb\n", "line 2 is blank")],
)
def test_class_names_that_cannot_be_read(tmp_path, content, message):
    (tmp_path / "classes.txt").write_bytes(content)
    with pytest.raises(DataError, match=message):
        arrays.read_class_names(tmp_path)


def test_real_cifar10(shared_data):
    source = opened(shared_data / "cifar10")
    assert source.info.splits == {"train": 10_000, "test": 2_000}  # README of the data
    assert source.info.classes[6] == "frog"
    assert np.bincount(source.split("train").labels).tolist() == [1000] * 10
    with np.load(shared_data / "cifar10" / "test.npz") as file:
        row = source.split("test").read(np.int64(1234))
        np.testing.assert_array_equal(row["image"], file["images"][1234])
        assert int(row["label"]) == file["labels"][1234]


def test_several_labels_a_picture(tmp_path):
    many = np.eye(3, dtype=np.uint8)[LABELS] | np.eye(3, dtype=np.uint8)[0]
    np.savez(tmp_path / "train.npz", images=IMAGES, labels=many)
    source = opened(tmp_path)
    assert source.info.multi_label
    assert source.info.classes == ("0", "1", "2")
    np.testing.assert_array_equal(source.split("train").read(np.int64(4))["label"], [1, 1, 0])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"images": IMAGES / 255, "labels": LABELS}, "float64 but must be uint8"),
        ({"images": np.full((6, 4, 5), np.nan, np.float32), "labels": LABELS}, "float32 but must be uint8"),
        ({"images": IMAGES[0], "labels": LABELS}, r"\(4, 5\) but must be"),
        ({"images": np.zeros((6, 3, 8, 8), np.uint8), "labels": LABELS}, "channels last"),
        ({"images": IMAGES, "labels": LABELS[:5]}, "6 images but 5 labels"),
        ({"images": IMAGES, "labels": LABELS / 2}, "must be whole numbers"),
        ({"images": IMAGES, "labels": LABELS - 1}, "lie outside 0..1, first -1 at index 0"),
        ({"images": IMAGES, "labels": LABELS * 10**9}, "lie outside"),
        ({"images": IMAGES, "labels": LABELS[:, None] + [0, 1]}, "must be 0 or 1"),
        ({"images": IMAGES, "labels": LABELS.astype(object)}, "pickled objects are refused"),
        ({"pictures": IMAGES}, "holds pictures but must hold"),
        ({"images": IMAGES[:0], "labels": LABELS[:0]}, "no example"),
    ],
)
def test_wrong_arrays_are_explained(tmp_path, content, message):
    np.savez(tmp_path / "train.npz", **content)
    with pytest.raises(DataError, match=message):
        opened(tmp_path).split("train")


class Trap:
    """What a pickle can do: run code when it is read."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("key", ["images", "labels"])
def test_nothing_is_unpickled(tmp_path, key):
    trap = np.array([Trap(tmp_path / "sprung")] * 6, dtype=object)
    np.savez(tmp_path / "train.npz", **{"images": IMAGES, "labels": LABELS, key: trap})
    with pytest.raises(DataError, match="pickled objects are refused"):
        opened(tmp_path)
    (tmp_path / "train.npz").write_bytes(pickle.dumps(trap))
    with pytest.raises(DataError, match=r"train\.npz"):
        opened(tmp_path)
    assert not (tmp_path / "sprung").exists()


def test_labels_beyond_the_class_list_or_the_training_ones(tmp_path):
    np.savez(tmp_path / "train.npz", images=IMAGES, labels=LABELS)
    np.savez(tmp_path / "test.npz", images=IMAGES, labels=LABELS + 1)
    with pytest.raises(DataError, match=r"test: 2 labels lie outside 0..2, first 3 at index 2"):
        opened(tmp_path)
    (tmp_path / "classes.txt").write_text("a\nb\n")
    with pytest.raises(DataError, match=r"train: 2 labels lie outside 0..1"):
        opened(tmp_path)


def test_a_file_that_is_no_npz(tmp_path):
    (tmp_path / "train.npz").write_text("not one")
    with pytest.raises(DataError, match=r"is not a zip archive"):
        opened(tmp_path)
    np.savez(tmp_path / "whole.npz", images=IMAGES, labels=LABELS)
    (tmp_path / "train.npz").unlink()
    with pytest.raises(DataError, match=r"has whole.npz but no train.npz"):
        opened(tmp_path)
    (tmp_path / "train.npz").write_bytes((tmp_path / "whole.npz").read_bytes()[:300])
    with pytest.raises(DataError, match=r"train\.npz"):
        opened(tmp_path)


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_idx_files(tmp_path, ending):
    for prefix, count in (("train", 6), ("t10k", 4)):
        write_idx(tmp_path / f"{prefix}-images-idx3-ubyte{ending}", IMAGES[:count])
        write_idx(tmp_path / f"{prefix}-labels-idx1-ubyte{ending}", LABELS[:count].astype(np.uint8))
    source = opened(tmp_path)
    assert source.info.splits == {"train": 6, "test": 4}
    np.testing.assert_array_equal(source.split("train").arrays["image"][..., 0], IMAGES)
    np.testing.assert_array_equal(source.split("test").labels, LABELS[:4])


def test_wrong_idx_files_are_explained(tmp_path):
    images, labels = tmp_path / "train-images-idx3-ubyte.gz", tmp_path / "train-labels-idx1-ubyte.gz"
    write_idx(images, IMAGES)
    with pytest.raises(DataError, match="not its twin"):
        opened(tmp_path)
    write_idx(labels, LABELS.astype(np.uint8))
    whole = images.read_bytes()
    for content, message in (
        (whole[:40], "damaged gzip"),
        (gzip.compress(gzip.decompress(whole)[:-1]), "120 bytes, but holds 119"),
        (whole[:-8] + bytes(8), "damaged gzip"),  # the checksum at its end
        (gzip.compress(gzip.decompress(whole) + b"!"), "120 bytes, but holds 121"),
        (b"", "does not start like an IDX file"),
        (gzip.compress(gzip.decompress(whole)[:9]), "inside its header"),
        (gzip.compress(b"\0\0\x0d\x03" + bytes(20)), "unsigned bytes"),
    ):
        images.write_bytes(content)
        with pytest.raises(DataError, match=message):
            opened(tmp_path)


@pytest.mark.skipif(not FASHION.is_dir(), reason="Debian's dataset-fashion-mnist is not installed")
def test_real_fashion_mnist():
    source = opened(FASHION)
    assert source.info.splits == {"train": 60_000, "test": 10_000}
    assert np.bincount(source.split("train").labels).tolist() == [6000] * 10
    assert source.info.image_shape == (28, 28, 1)
    # an ankle boot first; the first ten of the test are in the data set's own README and every tutorial
    assert source.split("train").labels[0] == 9
    assert source.split("test").labels[:10].tolist() == [9, 2, 1, 1, 6, 1, 4, 6, 5, 7]
