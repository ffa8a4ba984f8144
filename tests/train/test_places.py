"""Runs over a stream: stopped anywhere they end as unbroken ones, and go on from the place that a checkpoint holds."""

import dataclasses

import numpy as np
import pytest
import safetensors.numpy
import tensorflow as tf
import toy
from consoles import Lines

from kcnn.data.source import Source
from kcnn.data.stream import PREFIX, Blocks, Places, stream_split
from kcnn.errors import ConfigError
from kcnn.recipe import Data, Model, Preprocess, Recipe, Train
from kcnn.tasks.classification.config import ClassificationConfig
from kcnn.train import checkpoint, train
from kcnn.train.callbacks import Keeper

STEPS = 10  # an epoch of 150 images
RECORD = Preprocess(size=(12, 12), mean=(0.5,), std=(0.25,), channel_order="gray")


@pytest.fixture
def file(tmp_path):
    """The toy's training images, as PNG in a TFRecord file."""
    path = tmp_path / "train.tfrecord"
    with tf.io.TFRecordWriter(str(path)) as writer:
        for image in toy.make_source().split("train").arrays["image"]:
            writer.write(tf.io.encode_png(image).numpy())
    return path


@pytest.fixture
def source(file):
    held = toy.make_source()
    split = stream_split(lambda: tf.data.TFRecordDataset(str(file)), held.split("train").labels, "train")
    return Source(info=held.info, splits={**held.splits, "train": split})


def recipe(**settings):
    return Recipe(
        name="stream",
        data=Data(source="toy"),
        preprocess=RECORD,
        model=Model(name="tiny_lenet5"),
        config=ClassificationConfig(crop_padding=1, erasing=0.3),
        train=Train(
            **{"epochs": 3, "batch_size": 16, "checkpoint_steps": 4, "ema": 0.9, "strategy": "one", **settings}
        ),
    )


class Stopped(Exception):
    pass


def stop_after(step, monkeypatch):
    """Let training end at a step as a kill would, once what was being saved is saved."""
    counted = Keeper.on_train_batch_end

    def ending(self, batch, logs=None):
        counted(self, batch, logs)
        if self._state.step == step:
            self._writer.wait()
            raise Stopped

    monkeypatch.setattr(Keeper, "on_train_batch_end", ending)


@pytest.fixture
def read(monkeypatch):
    """For each reader in turn, itself and the blocks it has read, of 40 examples: four in an epoch of ten steps."""
    monkeypatch.setattr("kcnn.data.stream.BLOCK", 40)
    readers, pull = [], Blocks._pull

    def pulling(self):
        if not any(reader is self for reader, _ in readers):
            readers.append((self, []))
        next(numbers for reader, numbers in readers if reader is self).append(self._next)
        return pull(self)

    monkeypatch.setattr(Blocks, "_pull", pulling)
    return readers


def assert_equal_runs(one, other):
    for name in ("weights.safetensors", "log.csv"):
        assert (one / name).read_bytes() == (other / name).read_bytes()
    ends = [checkpoint.newest(run / "checkpoints", print)[0] for run in (one, other)]
    assert safetensors.numpy.save(ends[0]) == safetensors.numpy.save(ends[1])


@pytest.mark.slow
@pytest.mark.parametrize(("stop", "begun"), [(6, 1), (13, 0), (19, 2), (28, 3)])
def test_a_run_over_a_stream_ends_as_an_unbroken_one(tmp_path, source, monkeypatch, read, stop, begun):
    train(recipe(), tmp_path / "whole", source=source, console=Lines())
    with monkeypatch.context() as patch:
        stop_after(stop, patch)
        with pytest.raises(Stopped):
            train(recipe(), tmp_path / "run", source=source, console=Lines())
    tensors, state = checkpoint.newest(tmp_path / "run" / "checkpoints", print)
    assert state["step"] == max(step for step in (*range(4, stop + 1, 4), STEPS, 2 * STEPS) if step <= stop)
    assert {name.split("/")[1] for name in tensors if name.startswith(PREFIX)} == ({str(begun)} if begun else set())
    assert sum(tensor.nbytes for name, tensor in tensors.items() if name.startswith(PREFIX)) < 10_000
    known = len(read)
    train(recipe(), tmp_path / "run", source=source, console=Lines())
    assert read[known][1][0] == begun  # nothing before is read again
    assert_equal_runs(tmp_path / "run", tmp_path / "whole")


@pytest.mark.slow
@pytest.mark.parametrize("place", [{}, {f"{PREFIX}1/place.index": np.zeros(9, np.uint8)}], ids=["none", "another"])
def test_a_checkpoint_without_a_place_that_fits_is_walked_to(tmp_path, source, monkeypatch, read, place):
    train(recipe(), tmp_path / "whole", source=source, console=Lines())
    with monkeypatch.context() as patch:
        stop_after(6, patch)
        patch.setattr(Places, "at", lambda self, position: place)
        with pytest.raises(Stopped):
            train(recipe(), tmp_path / "run", source=source, console=Lines())
    known = len(read)
    train(recipe(), tmp_path / "run", source=source, console=Lines())
    assert read[known][1][:2] == [0, 1]
    assert_equal_runs(tmp_path / "run", tmp_path / "whole")


@pytest.mark.slow
def test_more_epochs_of_a_stream_are_trained(tmp_path, source, read):
    train(recipe(epochs=2), tmp_path / "run", source=source, console=Lines())
    train(recipe(epochs=4), tmp_path / "run", source=source, console=Lines())
    _, state = checkpoint.newest(tmp_path / "run" / "checkpoints", print)
    assert [row["step"] for row in state["history"]] == [10, 20, 30, 40]
    assert all(np.isfinite(row["loss"]) for row in state["history"])


@pytest.mark.slow
def test_one_mirrored_device_trains_over_a_stream(tmp_path, source, monkeypatch, read):
    train(recipe(), tmp_path / "whole", source=source, console=Lines())
    with monkeypatch.context() as patch:
        stop_after(17, patch)
        with pytest.raises(Stopped):
            train(recipe(strategy="mirrored"), tmp_path / "run", source=source, console=Lines())
    train(recipe(strategy="mirrored"), tmp_path / "run", source=source, console=Lines())
    names = [tmp_path / run / "log.csv" for run in ("run", "whole")]
    steps = [[line.split(",")[1] for line in name.read_text().splitlines()] for name in names]
    assert steps[0] == steps[1]


@pytest.mark.slow
def test_another_stream_with_the_same_labels_is_refused(tmp_path, source, file):
    train(recipe(epochs=1), tmp_path / "run", source=source, console=Lines())
    images = toy.make_source().split("train").arrays["image"]
    with tf.io.TFRecordWriter(str(file)) as writer:
        for image in images[::-1]:
            writer.write(tf.io.encode_png(image).numpy())
    with pytest.raises(ConfigError, match="have changed since step"):
        train(recipe(epochs=2), tmp_path / "run", source=source, console=Lines())


@pytest.mark.slow
def test_a_stream_that_tensorflow_cannot_save_has_no_place(tmp_path, file, read):
    held = toy.make_source()
    contents = [record.numpy() for record in tf.data.TFRecordDataset(str(file))]

    def rows():
        return tf.data.Dataset.from_generator(lambda: iter(contents), output_signature=tf.TensorSpec((), tf.string))

    split = stream_split(rows, held.split("train").labels, "train")
    source = dataclasses.replace(held, splits={**held.splits, "train": split})
    train(recipe(epochs=1, checkpoint_steps=6), tmp_path / "run", source=source, console=Lines())
    tensors, _ = checkpoint.load(tmp_path / "run" / "checkpoints", 6)
    assert not [name for name in tensors if name.startswith(PREFIX)]
    assert read[-1][1] == [0, 1, 2, 3]
