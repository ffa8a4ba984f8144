"""The same picture in two splits, by content."""

import dataclasses

import numpy as np
import pytest

from kcnn.data.leaks import check_leaks, leaks
from kcnn.data.splits import array_split, encoded_split, file_split
from kcnn.errors import DataError


def files(folder, *contents):
    folder.mkdir()
    for index, content in enumerate(contents):
        (folder / f"{index}.jpg").write_bytes(content)
    return file_split([str(folder / f"{index}.jpg") for index in range(len(contents))], np.zeros(len(contents)))


def test_equal_files_are_found_whatever_their_names(tmp_path):
    train = files(tmp_path / "a", b"one", b"two", b"three", b"")
    other = files(tmp_path / "b", b"four", b"two", b"one", b"six", b"")
    assert leaks(train, other) == [(1, 1), (0, 2)]


def test_files_that_are_missing_are_passed_over(tmp_path):
    train, other = files(tmp_path / "a", b"one", b"two"), files(tmp_path / "b", b"one", b"two")
    (tmp_path / "a" / "0.jpg").unlink()
    assert leaks(train, other) == [(1, 1)]


def test_arrays_and_files_in_memory():
    images = np.random.default_rng(0).integers(0, 256, (6, 3, 3, 1), np.uint8)
    train = array_split(images, np.zeros(6, np.int32), "train")
    other = array_split(images[[4, 1]] + np.uint8([[[[0]]], [[[1]]]]), np.zeros(2, np.int32), "validation")
    assert leaks(train, other) == [(4, 0)]
    encoded = encoded_split([b"one", b"two"], np.zeros(2, np.int32), "train")
    assert leaks(encoded, encoded.subset(np.array([1]))) == [(1, 0)]
    assert leaks(dataclasses.replace(encoded, contents=None), encoded) == []


def test_the_share_decides_and_ten_are_named(tmp_path):
    contents = [b"%03d" % index for index in range(40)]
    train, other = (
        files(tmp_path / "a", *contents),
        files(tmp_path / "b", *contents[:12], *[b"%05d" % i for i in range(12)]),
    )
    assert len(check_leaks(train, other, "validation", 0.5)) == 12
    with pytest.raises(DataError, match=r"12 of 24 images of 'validation' are in 'train' too.*and 2 more") as error:
        check_leaks(train, other, "validation", 0.49)
    assert str(error.value).count(" = ") == 10
