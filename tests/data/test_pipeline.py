"""Batches: each example once an epoch, any start, any reader count, arrays and files alike."""

import dataclasses
import itertools
import time
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from kcnn.data import order, pipeline, verify
from kcnn.data.splits import array_split, encoded_split, file_split
from kcnn.data.stream import stream_split
from kcnn.errors import ConfigError
from kcnn.recipe import Preprocess

RECORD = Preprocess(size=(6, 6), scale=1.0, mean=(0.0,), std=(1.0,), channel_order="gray")
SIZE = 23


def images():
    return np.repeat(np.arange(SIZE, dtype=np.uint8), 36).reshape(SIZE, 6, 6, 1)


@pytest.fixture(params=["arrays", "files", "encoded"])
def split(request, tmp_path):
    labels = np.arange(SIZE, dtype=np.int32)
    if request.param == "arrays":
        return array_split(images(), labels, "train")
    files = []
    for index, image in enumerate(images()):
        files.append(str(tmp_path / f"naïve 図{index}.png"))
        Image.fromarray(image[..., 0]).save(files[-1])
    if request.param == "files":
        return file_split(files, labels)
    return encoded_split([Path(file).read_bytes() for file in files], labels, "train")


def batches(split, **options):
    values = {"batch_size": 5, "seed": 0, "epochs": 2} | options
    return list(pipeline.training(split, RECORD, **values).as_numpy_iterator())


def test_each_epoch_has_each_example_once(split):
    found = batches(split)
    assert [len(labels) for _, labels in found] == [5, 5, 5, 5, 3] * 2
    labels = np.concatenate([labels for _, labels in found]).reshape(2, SIZE)
    assert all(sorted(epoch) == list(range(SIZE)) for epoch in labels)
    assert (labels[0] != labels[1]).any()
    for pixels, numbers in found:
        assert pixels.dtype == np.float32
        np.testing.assert_array_equal(pixels[:, 2, 3, 0], numbers)


@pytest.mark.slow
def test_a_late_start_is_a_seek(split):
    whole = batches(split)
    for start in (4, 7):  # the short last batch of the first epoch; amid the second
        late = batches(split, start_step=start)
        assert len(late) == 10 - start
        for (x, y), (u, v) in zip(late, whole[start:], strict=True):
            np.testing.assert_array_equal(x, u)
            np.testing.assert_array_equal(y, v)


def test_a_late_start_reads_no_earlier_example():
    split = array_split(images(), np.arange(SIZE, dtype=np.int32), "train")
    reads = []

    def read(index):
        tf.numpy_function(lambda i: reads.extend(i.tolist()) or np.int64(0), [index], tf.int64)
        return split.read(index)

    counted = dataclasses.replace(split, read=read)
    late = batches(counted, start_step=9)
    assert len(reads) == len(late[0][1]) == 3
    start = time.perf_counter()
    far = pipeline.training(split, RECORD, batch_size=5, seed=0, epochs=10**9, start_step=4 * 10**9 + 3)
    assert len(next(iter(far))[1]) == 5
    assert time.perf_counter() - start < 5  # skipping would take days


def test_arrays_and_files_give_one_stream(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (SIZE, 9, 7, 3), dtype=np.uint8)
    labels = np.arange(SIZE, dtype=np.int32)
    files = [str(tmp_path / f"{i}.png") for i in range(SIZE)]
    for file, image in zip(files, pixels, strict=True):
        Image.fromarray(image).save(file)
    streams = [batches(part) for part in (array_split(pixels, labels, "train"), file_split(files, labels))]
    assert streams[0][0][0].std() > 10
    for (x, y), (u, v) in zip(*streams, strict=True):
        np.testing.assert_array_equal(x, u)
        np.testing.assert_array_equal(y, v)


def test_an_unreadable_file_stops_the_stream(tmp_path):
    (tmp_path / "bad.png").write_bytes(b"no image")
    split = file_split([str(tmp_path / "bad.png")], np.zeros(1, np.int32))
    with pytest.raises(tf.errors.InvalidArgumentError):
        list(pipeline.evaluation(split, RECORD, 1))


def test_several_labels_and_a_batch_beyond_the_split():
    many = np.eye(SIZE, dtype=np.uint8)
    (pixels, labels), *others = batches(array_split(images(), many, "train"), batch_size=100, epochs=1)
    assert not others
    assert labels.dtype == np.uint8
    np.testing.assert_array_equal(labels.argmax(axis=1), pixels[:, 0, 0, 0])


def test_the_seed_changes_the_order(split):
    assert (batches(split)[0][1] != batches(split, seed=1)[0][1]).any()


@pytest.mark.slow
def test_the_number_of_readers_changes_nothing(split, monkeypatch):
    whole = batches(split)
    monkeypatch.setattr(tf.data, "AUTOTUNE", 1)
    alone = batches(split)
    monkeypatch.setattr(tf.data, "AUTOTUNE", 7)
    for (x, y), (u, v) in itertools.chain(zip(whole, alone, strict=True), zip(whole, batches(split), strict=True)):
        np.testing.assert_array_equal(x, u)
        np.testing.assert_array_equal(y, v)


def test_augment_gets_pixels_labels_and_keys(split):
    def augment(pixels, labels, keys):
        assert pixels.dtype == tf.uint8
        return labels, keys

    found = batches(split, augment=augment, epochs=1, seed=4)
    for labels, keys in found:
        expected = order.keys(tf.constant(labels, tf.int64), seed=4, epoch=0)
        np.testing.assert_array_equal(keys, expected)


def test_evaluation_goes_in_index_order(split):
    found = list(pipeline.evaluation(split, RECORD, 10, raw=True).as_numpy_iterator())
    assert [len(labels) for _, labels in found] == [10, 10, 3]
    assert all(pixels.dtype == np.uint8 for pixels, _ in found)
    np.testing.assert_array_equal(np.concatenate([labels for _, labels in found]), np.arange(SIZE))
    np.testing.assert_array_equal(np.concatenate([pixels for pixels, _ in found]), images())
    scaled, _ = next(iter(pipeline.evaluation(split, RECORD, 10)))
    assert scaled.dtype == tf.float32


def test_bad_examples_are_left_out(split):
    kept = split.without(frozenset({3, 22}))
    assert kept.size == SIZE - 2
    assert kept.names(3) == split.names(4)
    labels = np.concatenate([labels for _, labels in batches(kept, epochs=1)])
    assert sorted(labels) == [i for i in range(SIZE) if i not in (3, 22)]
    if kept.contents:
        assert kept.contents(3) == split.contents(4)
    if kept.arrays:
        np.testing.assert_array_equal(kept.arrays["label"], kept.labels)


def test_steps_cover_all():
    assert [pipeline.steps_per_epoch(n, 5) for n in (1, 5, 6, 10)] == [1, 1, 2, 2]


def scans(count=6):
    """Return uint16 (count, 9, 7, 1) whose high byte says nothing, and their PNG files."""
    values = (128 * 256 + np.arange(count * 63).reshape(count, 9, 7, 1) % 256).astype(np.uint16)
    return values, [tf.io.encode_png(one).numpy() for one in values]


@pytest.mark.parametrize("kind", ["encoded", "files", "stream", "subset"])
def test_batches_keep_16_bits(kind, tmp_path):
    values, contents = scans()
    labels = np.arange(len(contents), dtype=np.int32)
    for at, content in enumerate(contents):
        (tmp_path / f"{at}.png").write_bytes(content)
    files = [str(tmp_path / f"{at}.png") for at in range(len(contents))]
    rows = tf.data.Dataset.from_tensor_slices(contents)
    split = {
        "encoded": lambda: encoded_split(contents, labels, "train"),
        "files": lambda: file_split(files, labels),
        "stream": lambda: stream_split(lambda: rows, labels, "train"),
        "subset": lambda: encoded_split(contents, labels, "train").subset(np.arange(len(contents))),
    }[kind]()
    record = Preprocess(size=(9, 7), channel_order="gray", scale=1.0, mean=(0.0,), std=(1.0,), bit_depth=16)
    part = split.at_depth(16).subset(labels)
    for batches in (
        pipeline.evaluation(split, record, 4, raw=True),  # brought to the record's depth
        pipeline.training(part, record, batch_size=4, seed=0, epochs=1),
    ):
        images, targets = (np.concatenate(column) for column in zip(*batches.as_numpy_iterator(), strict=True))
        np.testing.assert_array_equal(np.rint(images * 257), values[targets])
    np.testing.assert_array_equal(np.rint(verify.pixels(part)(2)[..., :1] * 257), values[2])
    flat = dataclasses.replace(record, bit_depth=8)
    (images, _), *_ = pipeline.evaluation(split, flat, 8, raw=True)
    np.testing.assert_array_equal(images, np.full((6, 9, 7, 1), 128, np.uint8))
    with pytest.raises(ConfigError, match="read with 16 bits but 8"):
        pipeline.evaluation(split.at_depth(16), flat, 8)
    with pytest.raises(ConfigError, match="bit_depth is 12"):
        split.at_depth(12)


def test_arrays_of_8_bits_are_floats_at_16():
    images = np.random.default_rng(0).integers(0, 256, (5, 4, 3, 1), np.uint8)
    split = array_split(images, np.arange(5, dtype=np.int32), "train").at_depth(16)
    record = Preprocess(size=(4, 3), channel_order="gray", bit_depth=16)
    (found, _), *_ = pipeline.evaluation(split, record, 5, raw=True).as_numpy_iterator()
    assert found.dtype == verify.pixels(split)(0).dtype == np.float32
    np.testing.assert_array_equal(found, images)
