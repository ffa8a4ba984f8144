"""Streams: read by index all the same, mixed once an epoch, the order known without reading."""

import dataclasses
import threading

import numpy as np
import pytest
import tensorflow as tf

from kcnn.data import hold_out, load, order, pipeline, stream, verify
from kcnn.data.source import Info, Source
from kcnn.errors import ConfigError, DataError
from kcnn.recipe import Preprocess

SIZE = 1300  # three blocks, the last one short
RECORD = Preprocess(size=(2, 2), mean=(0.0,), std=(1 / 255,), channel_order="gray")


def picture(value):
    pixels = np.array([[value % 250, value // 250], [0, 0]], np.uint8)[..., None]
    return tf.io.encode_png(pixels).numpy()


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("stream") / "images.tfrecord"
    with tf.io.TFRecordWriter(str(path)) as writer:
        for value in range(SIZE):
            writer.write(picture(value))
    return path


@pytest.fixture
def split(file):
    return stream.stream_split(lambda: tf.data.TFRecordDataset(str(file)), np.arange(SIZE, dtype=np.int32) % 7, "train")


def values(images):
    """Return which examples a batch of normalised images shows."""
    pixels = np.asarray(images).astype(int)
    return (pixels[:, 0, 0, 0] + 250 * pixels[:, 0, 1, 0]).tolist()


def test_it_is_read_by_index_in_any_order_and_by_many_threads(split):
    for index in (5, 0, 1299, 700, 701, 3):
        example = split.read(tf.constant(index, tf.int64))
        assert values(example["image"][None]) == [index]
        assert int(example["label"]) == index % 7
        assert split.contents(index) == picture(index)
    found = {}
    threads = [threading.Thread(target=lambda i=i: found.update({i: split.contents(i)})) for i in range(0, SIZE, 13)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {i: picture(i) for i in range(0, SIZE, 13)}
    assert [int(e["label"]) for e in split.examples([9, 2, 9])] == [2, 2, 2]


def test_reading_in_order_goes_through_the_stream_once(file):
    opened = []

    def rows():
        opened.append(1)
        return tf.data.TFRecordDataset(str(file))

    split = stream.stream_split(rows, np.zeros(SIZE, np.int32), "train")
    assert [e for e in verify.examine(split) if e.reason] == []
    assert len(opened) == 1
    assert split.contents(SIZE - stream.KEPT) == picture(SIZE - stream.KEPT)
    assert len(opened) == 1
    split.contents(0)
    assert len(opened) == 2
    found = [i for x, _ in pipeline.evaluation(split, RECORD, stream.KEPT + 1) for i in values(x)]
    assert found == list(range(SIZE))
    assert len(opened) == 3


def test_an_epoch_has_each_example_once_in_the_order_that_is_foretold(split):
    steps = pipeline.steps_per_epoch(SIZE, 32)
    batches = [(values(x), y.tolist()) for x, y in
               pipeline.training(split, RECORD, batch_size=32, seed=3, epochs=2).as_numpy_iterator()]  # fmt: skip
    assert len(batches) == 2 * steps
    epochs = [[i for found, _ in part for i in found] for part in (batches[:steps], batches[steps:])]
    for epoch in epochs:
        assert sorted(epoch) == list(range(SIZE))
        assert sorted(epoch[: stream.BLOCK]) == list(range(stream.BLOCK))
        assert epoch != sorted(epoch)
    assert epochs[0] != epochs[1]
    assert [len(found) for found, _ in batches[steps - 2 : steps]] == [32, SIZE % 32]
    for step, (found, labels) in enumerate(batches):
        assert labels == [i % 7 for i in found]
        assert pipeline.trained_on(split, step, batch_size=32, seed=3).tolist() == found
    other = next(pipeline.training(split, RECORD, batch_size=32, seed=4, epochs=1).as_numpy_iterator())[0]
    assert values(other) != batches[0][0]
    for start in (1, steps - 1, steps, steps + 20):
        late = pipeline.training(split, RECORD, batch_size=32, seed=3, epochs=2, start_step=start)
        assert values(next(late.as_numpy_iterator())[0]) == batches[start][0]


def test_augmentation_depends_on_the_example_and_not_on_how_it_is_read(split):
    keys = {}

    def note(images, targets, found):
        return tf.cast(images, tf.float32), found

    for images, found in pipeline.training(split, RECORD, batch_size=50, seed=3, epochs=1, augment=note):
        keys.update(zip(values(images), found.numpy().tolist(), strict=True))
    expected = order.keys(tf.range(SIZE, dtype=tf.int64), seed=3, epoch=tf.constant(0))
    assert [keys[i] for i in range(SIZE)] == expected.numpy().tolist()


def test_parts_of_it_are_streams_too(split):
    bad = {0, 511, 512, 1299}
    part = split.without(bad)
    assert part.size == SIZE - 4
    kept = [i for i in range(SIZE) if i not in bad]
    found = [i for x, _ in pipeline.training(part, RECORD, batch_size=64, seed=0, epochs=1) for i in values(x)]
    assert sorted(found) == kept
    places = [i for step in range(21) for i in pipeline.trained_on(part, step, batch_size=64, seed=0)]
    assert [kept[i] for i in places] == found
    twice = part.subset(np.arange(0, part.size, 3))
    assert [values(tf.io.decode_png(c)[None])[0] for c in twice.stream()] == kept[::3]
    assert twice.contents(1) == picture(kept[3])
    with pytest.raises(ConfigError, match="a stream of 1296 examples is read in order"):
        part.subset([3, 2])


def test_validation_is_held_out_and_evaluated_in_index_order(split):
    info = Info(name="s", splits={"train": SIZE}, classes=tuple("abcdefg"))
    source = hold_out.with_validation(Source(info=info, splits={"train": split}), 0.1)
    held = source.split("validation")
    assert held.stream is not None
    images = [i for x, _ in pipeline.evaluation(held, RECORD, 30) for i in values(x)]
    assert images == sorted(images)
    assert len(images) == held.size
    assert not {*images} & {i for x, _ in pipeline.evaluation(source.split("train"), RECORD, 99) for i in values(x)}


def test_load_mixes_it_anew_each_time(split, monkeypatch):
    source = Source(info=Info(name="s", splits={"train": SIZE}, classes=tuple("abcdefg")), splits={"train": split})
    monkeypatch.setattr("kcnn.data.open_source", lambda data: source)
    batches = load("s", preprocess=RECORD, batch_size=100)
    passes = [[i for x, _ in batches for i in values(x)] for _ in range(2)]
    assert sorted(passes[0]) == sorted(passes[1]) == list(range(SIZE))
    assert passes[0] != passes[1]


@pytest.mark.slow
@pytest.mark.parametrize("start", [1, 17, 40, 41])
def test_a_known_place_spares_what_lies_before(split, start):
    expected = list(pipeline.training(split, RECORD, batch_size=32, seed=3, epochs=2).as_numpy_iterator())[start:]
    places = stream.Places()
    noting = dataclasses.replace(split, places=places)
    for _ in pipeline.training(noting, RECORD, batch_size=32, seed=3, epochs=2).take(start + 1):
        pass
    at = start % pipeline.steps_per_epoch(SIZE, 32) * 32
    saved = places.at(at)
    assert bool(saved) == (at >= stream.BLOCK)
    opened = []

    def rows():
        opened.append(1)
        return split.stream()

    again = dataclasses.replace(split, stream=rows, places=stream.Places(saved))
    found = list(
        pipeline.training(again, RECORD, batch_size=32, seed=3, epochs=2, start_step=start).as_numpy_iterator()
    )
    assert len(found) == len(expected)
    for (x, y), (images, labels) in zip(found, expected, strict=True):
        assert np.array_equal(x, images)
        assert np.array_equal(y, labels)


@pytest.mark.slow
def test_a_place_is_gone_to_without_reading(file, split):
    places = stream.Places()
    for _ in pipeline.training(dataclasses.replace(split, places=places), RECORD, batch_size=32, seed=3, epochs=1):
        pass
    damaged = file.with_name("damaged.tfrecord")
    content = bytearray(file.read_bytes())
    content[20] ^= 255  # of the first image
    damaged.write_bytes(content)
    file.rename(file.with_name("whole"))
    damaged.rename(file)
    try:
        late = dataclasses.replace(split, places=stream.Places(places.at(600)))
        batches = pipeline.training(late, RECORD, batch_size=32, seed=3, epochs=1, start_step=20)
        assert len(list(batches)) == pipeline.steps_per_epoch(SIZE, 32) - 20
        with pytest.raises(tf.errors.OpError, match="breaks off before example 0 of 1,300"):
            list(pipeline.training(split, RECORD, batch_size=32, seed=3, epochs=1, start_step=20))
    finally:
        file.with_name("whole").rename(file)


def test_what_lies_behind_a_damaged_example_is_left_out_and_not_taken_for_another(tmp_path):
    shards = [str(tmp_path / f"{shard}.tfrecord") for shard in range(3)]
    for shard, path in enumerate(shards):
        with tf.io.TFRecordWriter(path) as writer:
            for value in range(10 * shard, 10 * shard + 10):
                writer.write(picture(value))
    content = bytearray((tmp_path / "0.tfrecord").read_bytes())
    content[len(content) // 10 * 4 + 20] ^= 255
    (tmp_path / "0.tfrecord").write_bytes(content)
    damaged = stream.stream_split(lambda: tf.data.TFRecordDataset(shards), np.zeros(30, np.int32), "train")
    found = list(verify.examine(damaged))
    assert [bool(e.reason) for e in found] == [False] * 4 + [True] * 26
    assert "breaks off before example 4 of 30" in found[29].reason
    with pytest.raises(DataError, match="26 of 30 images cannot be read"):
        verify.scan(damaged, 0.5)


def test_a_stream_shorter_than_its_labels_is_told(file):
    short = stream.stream_split(lambda: tf.data.TFRecordDataset(str(file)), np.zeros(SIZE + 5, np.int32), "train")
    found = [e for e in verify.examine(short) if e.reason]
    assert [e.index for e in found] == list(range(SIZE, SIZE + 5))
    assert "it ends there" in found[0].reason
    with pytest.raises(tf.errors.OpError, match="breaks off before example 1,300 of 1,305"):
        list(pipeline.training(short, RECORD, batch_size=32, seed=3, epochs=1))


@pytest.mark.parametrize("size", [1, 3])
def test_a_few_examples_in_large_batches(size):
    rows = tf.data.Dataset.from_tensor_slices([picture(i) for i in range(size)])
    few = stream.stream_split(lambda: rows, np.zeros(size, np.int32), "train")
    batches = [values(x) for x, _ in pipeline.training(few, RECORD, batch_size=64, seed=0, epochs=3)]
    assert [sorted(found) for found in batches] == [list(range(size))] * 3
